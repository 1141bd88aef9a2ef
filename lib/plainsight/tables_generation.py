"""Tables 4, 5 and 10 of seed 000: how good made images are, and whether they show what was asked for.

Everything is made of *values by half*: frames with columns variant, seed, `KEYS`, ``half``, ``value``, ``n`` (images
that were made), ``n_real``, ``features`` (0 where none are compared) and ``patients``; ``half`` -1 is all images, 0
upwards are random halves of the patients, the same for all models (``plainsight.statistics.halves``). Tidy tables as in
``plainsight.tables``, with `KEYS` among the row keys.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from plainsight import markdown, worlds
from plainsight.features import auc_by_finding
from plainsight.generation_scores import ALL, AS_PUBLISHED, CORRECTED, REAL
from plainsight.metrics.generation import HALVES
from plainsight.published import AVERAGE
from plainsight.seeding import numpy_generator
from plainsight.statistics import compare_halves, halves
from plainsight.tables import (
    ABLATIONS,
    MACRO,
    NAMES,
    PUBLISHED_NAMES,
    VARIANTS,
    WEIGHTED,
    Setting,
    summarise,
)
from plainsight.worlds import NO_FINDING

KEYS = ("prompts", "extractor", "reading", "metric", "finding")
PIXELS = "pixels"
"""Stands for the extractor of what compares pixels, not features."""
NONE = "–"
"""Stands for the finding of what is about all images."""
PAPER_PROMPTS = {"impressions": "mimic_cxr", "phrases": "ms_cxr", REAL: REAL}
LABELS = {"impressions": "Impressions", "phrases": "Phrases", "mimic_cxr": "Mimic", "ms_cxr": "MS-CXR"}
TABLE_05 = (REAL, "finetune_l", "finetune_f")
SHARES = ("precision", "recall", "coverage", "auc")
"""Metrics that cannot leave [0, 1]."""
POSITIVE = ("fid", "density")
"""Others that cannot fall below 0."""
INCEPTION, DENSENET = "Inception-v3", "torchxrayvision's DenseNet-121"
"""The judges of seed 000, for pictures in general and for radiographs."""
BEYOND = {
    "kid": "KID ↓",
    "fid_infinity": "FID∞ ↓",
    "precision": "Precision ↑",
    "recall": "Recall ↑",
    "density": "Density ↑",
    "coverage": "Coverage ↑",
}
_CELL = ("n", "n_real", "features", "patients")


def distance_values(rows: pd.DataFrame) -> pd.DataFrame:
    """Score rows of kind ``distances`` as values by half."""
    values = rows.rename(columns={"n_generated": "n"}).assign(finding=NONE)
    return values[["variant", "seed", *KEYS, "half", "value", *_CELL]]


def auc_values(judged: pd.DataFrame, findings: Sequence[str], extractor: str, resamples: int) -> pd.DataFrame:
    """Values by half of the classifier's AUC-ROC, by finding and their mean (MACRO): Table 5.

    A finding's images are told from healthy ones of the same kind: images made for the prompt No Finding among the
    impressions, or real ones; made ones have no other negatives. Real images are those of the variant ``REAL``.

    Args:
        judged: score rows of kind ``judged`` (``plainsight.generation_scores.read``).
        findings: those to show, in order.
        extractor: the world whose classifier it was.
        resamples: number of halves; those of impressions are the halves of their distances.
    """
    first = judged[(judged["variant"] == judged["variant"].iloc[0]) & (judged["prompts"] == REAL)]
    first = first[first["seed"] == first["seed"].min()]
    sources = [("real", 0, REAL, first)]
    for (variant, seed, prompts), rows in judged[judged["prompts"] != REAL].groupby(
        ["variant", "seed", "prompts"], sort=False
    ):
        mine = judged[(judged["variant"] == variant) & (judged["seed"] == seed)]
        impressions = mine[mine["prompts"] == "impressions"]
        healthy = impressions[impressions["finding"] == NO_FINDING]
        sources.append((variant, seed, prompts, rows if prompts == "impressions" else pd.concat([rows, healthy])))
    parts = []
    for variant, seed, prompts, rows in sources:
        found = _auc_by_half(rows, findings, resamples)
        parts.append(found.assign(variant=variant, seed=seed, prompts=prompts))
    values = pd.concat(parts, ignore_index=True).assign(
        extractor=extractor, reading=CORRECTED, metric="auc", n_real=0, features=0
    )
    return values[["variant", "seed", *KEYS, "half", "value", *_CELL]]


def _auc_by_half(rows: pd.DataFrame, findings: Sequence[str], resamples: int) -> pd.DataFrame:
    """Columns finding, half, value, ``n`` (images that were to show the finding) and patients: of these images, or of
    the healthy ones that they are told from, whichever are fewer."""
    scores, asked = rows[list(findings)].to_numpy(), rows["finding"].to_numpy()
    patients = rows["patient"].to_numpy(dtype=str)
    drawn = (mask for (mask,) in halves([patients], resamples, numpy_generator(0, HALVES)))
    parts = []
    for half, mask in enumerate(itertools.chain([np.ones(len(rows), dtype=bool)], drawn), start=ALL):
        auc = pd.Series(auc_by_finding(scores[mask], asked[mask], findings, NO_FINDING))
        auc[MACRO] = auc.mean()
        parts.append(auc.rename("value").rename_axis("finding").reset_index().assign(half=half))
    shown = np.array([[finding in names.split("|") for finding in findings] for names in asked])
    ill = asked != NO_FINDING
    healthy = len(np.unique(patients[~ill]))
    counts = [(int(mask.sum()), min(len(np.unique(patients[mask])), healthy)) for mask in (*shown.T, ill)]
    shows = pd.DataFrame(counts, columns=["n", "patients"]).assign(finding=[*findings, MACRO])
    return pd.concat(parts, ignore_index=True).merge(shows, on="finding")


def by_half(values: pd.DataFrame) -> np.ndarray:
    """(1 + R, S): the values of one model and one cell, of all images and of the halves, a column a training seed."""
    return values.pivot(index="half", columns="seed", values="value").sort_index().to_numpy()


def tidy(values: pd.DataFrame) -> pd.DataFrame:
    """Values by half as a tidy frame: mean over training seeds, std over them, interval from the halves."""
    cells = []
    for key, rows in values.groupby(["variant", *KEYS], sort=False):
        counts = rows.iloc[0]
        effect = compare_halves(by_half(rows), 0.0, int(counts["patients"]), int(counts["n"]))
        found = effect.interval
        cell = dict(zip(["variant", *KEYS], key, strict=True))
        cell |= {"value": found.estimate, "std": effect.spread, "low": found.low, "high": found.high}
        cell |= {name: int(counts[name]) for name in _CELL}
        cells.append({**cell, "seeds": len(effect.seed_effects)})
    table = pd.DataFrame(cells)
    for metrics, highest in ((SHARES, 1.0), (POSITIVE, None)):
        bounded = table["metric"].isin(metrics)
        table.loc[bounded, ["low", "high"]] = table.loc[bounded, ["low", "high"]].clip(0.0, highest)
    return table


def similarity_table(rows: pd.DataFrame, resamples: int) -> pd.DataFrame:
    """MS-SSIM from score rows of kind ``similarity``, tidy as `tidy`: ``n`` prompts, whose patients are resampled.

    Real images are the variant ``REAL``; every model's rows have the same.
    """
    real = rows[rows["prompts"] == REAL]
    real = real[(real["variant"] == real["variant"].iloc[0]) & (real["seed"] == real["seed"].min())]
    rows = pd.concat([rows[rows["prompts"] != REAL], real.assign(variant=REAL, seed=0)])
    cells = summarise(
        rows.assign(noise_seed=0), ["variant", "prompts", "reading"], ("ms_ssim",), (), resamples, averages=(WEIGHTED,)
    )
    # The row as_published stands for all prompts.
    cells[["n", "patients"]] = cells.groupby(["variant", "prompts"])[["n", "patients"]].transform("max")
    return cells.assign(finding=NONE, extractor=PIXELS, n_real=0, features=0)


def table_04(distances: pd.DataFrame, similarity: pd.DataFrame, resamples: int) -> pd.DataFrame:
    """Table 4: FID by two extractors and MS-SSIM, by model and prompts, and every other metric and reading; MS-SSIM of
    real images, too.

    Args:
        distances, similarity: score rows (``plainsight.generation_scores.read``); those of `VARIANTS` are shown.
        resamples: bootstrap resamples of patients, for MS-SSIM.
    """
    mine = distances[distances["variant"].isin(VARIANTS)]
    parts = [tidy(distance_values(mine)), similarity_table(similarity, resamples)]
    return _ordered(pd.concat(parts, ignore_index=True), (*VARIANTS, REAL)).drop(columns="finding")


def table_05(values: pd.DataFrame) -> pd.DataFrame:
    """Table 5 from `auc_values`: AUC-ROC of the classifier on real and on made images, by finding."""
    table = tidy(values).drop(columns=["n_real", "features"])
    return _ordered(table, (*TABLE_05, "foundation"))


def table_10(distances: pd.DataFrame) -> pd.DataFrame:
    """Table 10: distances of the ablations, and of the models they depart from; other score rows are left out."""
    shown = (*VARIANTS[1:], *ABLATIONS)
    mine = distances[distances["variant"].isin(shown)]
    return _ordered(tidy(distance_values(mine)), shown).drop(columns="finding")


def _ordered(table: pd.DataFrame, variants: Sequence[str]) -> pd.DataFrame:
    """Rows by variant in this order, then as they are; row keys first."""
    first = [name for name in ("finding", "variant", "prompts", "extractor", "reading", "metric") if name in table]
    cells = ["value", "std", "low", "high", *(name for name in _CELL if name in table), "seeds"]
    by = table["variant"].map(list(variants).index)
    return table.loc[by.sort_values(kind="stable").index, [*first, *cells]].reset_index(drop=True)


def beside(table: pd.DataFrame, published: pd.DataFrame, general: str) -> pd.DataFrame:
    """A tidy table with the paper's values in new columns: ``published``, ``printed``, ``note``.

    They stand beside the reading that the paper's text describes; its code computes the other. ``published`` is Table
    4, 5 or 10, or several of them joined; ``general`` is the extractor that stands for Inception.
    """
    theirs = published.rename(columns={"value": "published"})
    keys = [name for name in ("finding", "variant", "prompts", "metric") if name in theirs]
    wanted = pd.DataFrame({"variant": table["variant"], "prompts": table["prompts"].map(PAPER_PROMPTS)})
    domain = (table["metric"] == "fid") & (table["extractor"] != general)
    wanted["metric"] = table["metric"].mask(domain, "fid_xrv").where(table["reading"] == CORRECTED, "")
    if "finding" in keys:
        wanted["finding"] = table["finding"].replace(MACRO, AVERAGE)
        # Table 5 is about the images of impressions alone.
        wanted.loc[table["prompts"] == "phrases", "metric"] = ""
    found = wanted.merge(theirs[[*keys, "published", "printed", "note"]], how="left", on=keys, validate="many_to_one")
    return pd.concat([table.reset_index(drop=True), found[["published", "printed", "note"]]], axis=1)


def for_figure(table: pd.DataFrame, world: str, general: str) -> pd.DataFrame:
    """The cells of Table 4 that the paper has, for ``plainsight.figures.made_images``: its names of the metrics."""
    cells = [(extractor, metric) for extractor, metric in metric_names(world, general)]
    mine = table[(table["reading"] == CORRECTED) & (table["variant"] != REAL)]
    mine = mine[pd.MultiIndex.from_frame(mine[["extractor", "metric"]]).isin(cells)]
    domain = (mine["metric"] == "fid") & (mine["extractor"] == world)
    return mine.assign(metric=mine["metric"].mask(domain, "fid_xrv"), finding=mine["prompts"].map(LABELS))


def metric_names(world: str, general: str) -> dict[tuple[str, str], str]:
    """Title of each column of Table 4, by extractor and metric."""
    return {
        (general, "fid"): f"FID ↓, {features_of(general, INCEPTION)}",
        (world, "fid"): f"FID_XRV ↓, {features_of(world, DENSENET)}",
        (PIXELS, "ms_ssim"): "MS-SSIM (%) ↓",
    }


def features_of(world: str, published: str) -> str:
    """What looked at the images: a classifier trained on ``world``, or, of real images, the ``published`` one."""
    if worlds.reads_data(world):
        return f"features of {published}, as in the paper"
    return f"features of a classifier of {world} (paper: {published})"


def judge(world: str, published: str) -> str:
    """The same in few words."""
    return published if worlds.reads_data(world) else f"{world} here, {published} published"


def caption(number: int, table: pd.DataFrame, setting: Setting) -> str:
    """What a reader must know: scale, world, images, seeds, what the interval is, what stands beside."""
    made = table[table["variant"] != REAL]
    seeds = made.loc[made["variant"] != "foundation", "seeds"]
    fewest, most = int(seeds.min()), int(seeds.max())
    several = str(most) if fewest == most else f"{fewest} to {most}"
    extractors = "the same extractors" if setting.data_of_the_papers else "other extractors: not to be compared in size"
    return (
        f"{setting.title(number)}; {setting.trained}. {several} training seed{'s' * (most > 1)} of each fine-tuned "
        "model, one foundation. Ours: mean over seeds ± standard deviation over seeds [95 % interval]. Published: "
        f"MIMIC-CXR and MS-CXR, Stable Diffusion v2 at 512 px, {extractors}."
    )


def caption_distances(number: int, table: pd.DataFrame, setting: Setting) -> str:
    """The caption of Tables 4 and 10: that of `caption`, and which images are compared."""
    fid = table[table["metric"] == "fid"]
    counts = fid.drop_duplicates("prompts").set_index("prompts")["n"]
    made = " and ".join(f"{count} of {prompts}" for prompts, count in counts.items())
    few = bool((fid[["n", "n_real"]].min(axis=1) <= fid["features"]).any())
    return (
        f"{caption(number, table, setting)} Made images: {made}; real ones, for both, the {fid['n_real'].iloc[0]} that "
        "the impressions belong to. Intervals: random halves of the patients. The bias of FID depends on the number of "
        "images: ours and published are of different ones."
        + " There are no more images than features: FID then largely measures the missing directions."
        * few
    )


def caption_05(table: pd.DataFrame, setting: Setting) -> str:
    """The caption of Table 5."""
    which = f"a classifier trained on real images of {setting.world} (paper: {DENSENET})"
    if setting.data_of_the_papers:
        which = f"{DENSENET}, as in the paper"
    return (
        f"{caption(5, table, setting)} AUC-ROC (%) of {which}, a finding's images against healthy "
        "ones of the same kind; images of several findings count for each (the paper's have one). n: images asked to "
        "show the finding. Intervals: random halves of the patients."
    )


def distances_markdown(table: pd.DataFrame, heading: str, setting: Setting, general: str) -> str:
    """Table 4 or 10 for reading: a block a column of the paper, models down, prompts across, the paper's beside."""
    parts = [heading]
    made, real = (table[(table["variant"] == REAL) == whether] for whether in (False, True))
    text = made[made["reading"] == CORRECTED]
    for (extractor, metric), title in metric_names(setting.world, general).items():
        rows = text[(text["extractor"] == extractor) & (text["metric"] == metric)]
        if len(rows):
            parts += [f"### {title}", markdown.table(_models_down(rows))]
    parts += [f"Test images of different patients: {cell_text(cell)}." for cell in real.to_dict("records")]
    parts += ["### Beyond the paper", markdown.table(_beyond(text))]
    parts += [
        "### Both readings: the paper's text, and what its code computes",
        markdown.table(_readings(made, general)),
    ]
    return "\n\n".join([*parts, *_notes(table)]) + "\n"


def auc_markdown(table: pd.DataFrame, heading: str) -> str:
    """Table 5 for reading: findings down, real and made images across, the paper's beside ours."""
    shown = table[table["prompts"].isin([REAL, "impressions"])]
    block: dict[str, list[object]] = {}
    for variant in TABLE_05:
        rows = shown[shown["variant"] == variant].to_dict("records")
        name = NAMES.get(variant, "Test images")
        block |= {"Category": [row["finding"] for row in rows], "n": [row["n"] for row in rows]}
        block[f"{name}, ours"] = [cell_text(row) for row in rows]
        block[f"{name}, published"] = [markdown.theirs(row) for row in rows]
    average = table[table["finding"] == MACRO]
    rows = [
        {
            "Images": "real" if cell["variant"] == REAL else NAMES[cell["variant"]],
            "Prompts": cell["prompts"] if cell["variant"] != REAL else "–",
            MACRO: cell_text(cell),
        }
        for cell in average.to_dict("records")
    ]
    title = "### Beyond the paper: the foundation, and images of curated phrases"
    parts = [heading, markdown.table(pd.DataFrame(block)), title, markdown.table(pd.DataFrame(rows))]
    return "\n\n".join([*parts, *_notes(table)]) + "\n"


def _models_down(rows: pd.DataFrame) -> pd.DataFrame:
    lines = []
    for variant, cells in rows.groupby("variant", sort=False):
        line = {"Model": NAMES[variant], "Published as": PUBLISHED_NAMES[variant]}
        for cell in cells.to_dict("records"):
            line[f"{LABELS[cell['prompts']]}, ours"] = cell_text(cell)
            line[f"{LABELS[PAPER_PROMPTS[cell['prompts']]]}, published"] = markdown.theirs(cell)
        lines.append(line)
    return pd.DataFrame(lines)


def _beyond(rows: pd.DataFrame) -> pd.DataFrame:
    lines = []
    kept = rows[rows["metric"].isin(BEYOND)]
    for (extractor, prompts, variant), cells in kept.groupby(["extractor", "prompts", "variant"], sort=False):
        line = {"Extractor": extractor, "Prompts": prompts, "Model": NAMES[variant]}
        found = {cell["metric"]: cell_text(cell) for cell in cells.to_dict("records")}
        lines.append({**line, **{title: found[metric] for metric, title in BEYOND.items()}})
    return pd.DataFrame(lines).sort_values(["Extractor", "Prompts"], kind="stable")


def _readings(table: pd.DataFrame, general: str) -> pd.DataFrame:
    lines = []
    twice = table[table["extractor"].isin([general, PIXELS]) & table["metric"].isin(["fid", "ms_ssim"])]
    names = {"fid": "FID", "ms_ssim": "MS-SSIM (%)"}
    for (prompts, variant), cells in twice.groupby(["prompts", "variant"], sort=False):
        line = {"Prompts": prompts, "Model": NAMES[variant]}
        found = {(cell["metric"], cell["reading"]): cell_text(cell) for cell in cells.to_dict("records")}
        for metric, reading in itertools.product(names, (CORRECTED, AS_PUBLISHED)):
            if (metric, reading) in found:
                line[f"{names[metric]}, {'text' if reading == CORRECTED else 'code'}"] = found[metric, reading]
        lines.append(line)
    return pd.DataFrame(lines).sort_values("Prompts", kind="stable")


def _notes(table: pd.DataFrame) -> list[str]:
    notes = [note for note in dict.fromkeys(table["note"].dropna()) if note]
    return [f"† {'; '.join(notes)}."] if notes else []


def cell_text(cell: Mapping[str, object]) -> str:
    """``61.9 ± 0.5 [60.2, 63.6]``: AUC and MS-SSIM in percent with one decimal, else three significant digits."""
    value = cell["value"]
    if math.isnan(value):
        return "–"
    percent = cell["metric"] in ("auc", "ms_ssim")
    factor, digits = (100, 1) if percent else (1, max(0, 2 - math.floor(math.log10(abs(value)))) if value else 2)
    # rounded first: adding 0.0 then turns -0.0 into 0.0
    rounded = (round(factor * cell[key], digits) + 0.0 for key in ("value", "std", "low", "high"))
    value, std, low, high = (f"{number:.{digits}f}" for number in rounded)
    spread = "" if math.isnan(cell["std"]) else f" ± {std}"
    return f"{value}{spread}" + ("" if math.isnan(cell["low"]) else f" [{low}, {high}]")
