"""Tables of seed 000 from score rows: tidy frames, Markdown as the paper prints it, the one way to commit a table.

A tidy frame has one row a cell: the row keys, ``metric``, ``value`` (mean over training seeds of the mean over
phrases), ``std`` (sample standard deviation of that mean over training seeds; missing with one), ``low`` and ``high``
(95 % bootstrap over patients of the score averaged over seeds), ``n`` phrases, ``patients`` and ``seeds``. Averages
stand as two more findings, MACRO and WEIGHTED. Published values stand in columns of their own.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from plainsight import markdown, statistics, worlds
from plainsight.errors import InputError
from plainsight.files import atomic
from plainsight.published import AVERAGE
from plainsight.seeding import numpy_generator
from plainsight.words import MIN_PATIENTS, SPECIAL
from plainsight.workspace import FOUNDATION

MACRO = "Average (macro)"
WEIGHTED = "Average (sample-weighted)"
VARIANTS = ("foundation", "finetune_l", "finetune_f")
ABLATIONS = ("finetune_l_nouncond", "finetune_f_nouncond", "finetune_l_then_f", "finetune_f_pa")
"""In the order of the paper's Tables 10 and 11."""
NAMES = {
    "foundation": "Foundation",
    "finetune_l": "Finetune_L",
    "finetune_f": "Finetune_F",
    "finetune_l_nouncond": "Finetune_LnU",
    "finetune_f_nouncond": "Finetune_FnU",
    "finetune_l_then_f": "Finetune_L then F",
    "finetune_f_pa": "Finetune_PA",
    "centred_gaussian": "Centred Gaussian, blind to the image",
    "average_box": "Average box of the finding, blind to the image",
}
PUBLISHED_NAMES = {**NAMES, "foundation": "SDv2", "finetune_l_then_f": "Finetune_60+10"}
PROTOCOLS = {
    "boxes": "boxes; no words are read",
    "masks": "exact masks for boxes",
    "boxes_equal_steps": "L after as many steps as F",
    "boxes_ema": "averaged (EMA) weights",
    "boxes_end_token": "end token for keywords",
    "boxes_ap": "on AP films alone",
    "boxes_pa": "on PA films alone",
}
HEADINGS = {
    "auc": "AUC-ROC (%)",
    "top1": "Top-1 (%)",
    "cnr": "CNR",
    "cnr_abs": "CNR_abs",
    "overestimate": "CNR_abs - CNR",
}
WORDS = (
    *("finding", "variant", "protocol", "metric", "printed", "note"),
    *("id", "paper", "place", "statement", "statistic", "scale", "world", "verdict", "notebook"),
    *("keywords", "word", "level", "prompts", "extractor", "reading"),
)
"""The only columns of a committed table that may hold words; in all others stand numbers."""
IDENTIFYING = {
    *("example", "image", "patient", "phrase", "report", "sentence", "text", "impression"),
    *("study", "subject", "dicom", "source", "path", "mask", "box"),
}
"""Words that no column's name may hold; counts (``patients``, ``phrases``) are plural and stand for themselves."""


@dataclass(frozen=True)
class Setting:
    """Where the numbers of a table come from, for its caption."""

    scale: str
    world: str
    models_from: str
    """The world that the models were trained on."""

    def title(self, number: int) -> str:
        """What a caption begins with: which table of the paper this is, made of what."""
        return f"Table {number} of Dombrowski et al. (AAAI 2024) at scale **{self.scale}** on world **{self.world}**"

    @property
    def trained(self) -> str:
        """Whether the models were trained on the world or carried over to it."""
        if self.models_from == self.world:
            return "models trained on this world"
        return f"models trained on {self.models_from} and carried over, never trained on this world"

    @property
    def data_of_the_papers(self) -> bool:
        """Whether the models were trained on the papers' own images, and are judged by the papers' own judges."""
        return worlds.reads_data(self.models_from)

    @property
    def comparison(self) -> str:
        """How the published numbers compare with ours."""
        if self.data_of_the_papers:
            return "the same data, models trained anew"
        return "other images, another model, not to be compared in size"


def summarise(
    rows: pd.DataFrame,
    keys: Sequence[str],
    metrics: Iterable[str],
    findings: Sequence[str],
    resamples: int,
    averages: Sequence[str] = (MACRO, WEIGHTED),
) -> pd.DataFrame:
    """Score rows as a tidy frame: for each combination of ``keys`` every finding, then the averages.

    Args:
        rows: score rows (``plainsight.results.read``).
        keys: columns that tell cells apart, such as ``variant`` and ``protocol``.
        metrics: the metrics to summarise.
        findings: those to show, in order; one without rows is left out. With none only the averages are made.
        resamples: bootstrap resamples of patients. The draws depend on the finding alone: a table does not
            change when other rows join it, and models are resampled alike.
        averages: which of MACRO and WEIGHTED to make.

    Raises:
        InputError: an example that a seed lacks or has twice, or a score that is not finite.
    """
    metrics, cells = list(metrics), []
    for key, group in rows.groupby(list(keys), sort=False):
        names = dict(zip(keys, key, strict=True))
        scores, examples = _by_example(group, metrics, names)
        present = [finding for finding in findings if (examples["finding"] == finding).any()]
        for metric, finding in itertools.product(metrics, [*present, *averages]):
            cell = _cell(scores[metric], examples, finding, resamples)
            cells.append({"finding": finding, **names, "metric": metric, **cell})
    return pd.DataFrame(cells)


def _by_example(
    rows: pd.DataFrame, metrics: list[str], names: Mapping[str, object]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores (a row an example, columns metric and seed, noise seeds averaged), and each example's own columns."""
    scores = rows.groupby(["example_id", "seed"])[metrics].mean().unstack("seed")
    seeds, repeats = rows["seed"].nunique(), rows.duplicated(["example_id", "seed", "noise_seed"])
    short = rows.groupby("example_id")["seed"].nunique() < seeds
    for wrong, what in ((rows.loc[repeats, "example_id"], "has several rows"), (short.index[short], "lacks a seed")):
        if len(wrong):
            raise InputError(
                f"table of {names}: example {next(iter(wrong))!r} {what}; score every seed on the same examples"
            )
    return scores, rows.drop_duplicates("example_id").set_index("example_id").loc[scores.index]


def _cell(scores: pd.DataFrame, examples: pd.DataFrame, finding: str, resamples: int) -> dict[str, float]:
    """One cell of the tidy frame from ``scores``, a row an example and a column a training seed."""
    mine = np.ones(len(scores), bool) if finding in (MACRO, WEIGHTED) else (examples["finding"] == finding).to_numpy()
    values = scores.to_numpy(dtype=float)[mine]
    findings, patients = (examples[name].to_numpy(dtype=str)[mine] for name in ("finding", "patient"))
    how = {"average": "macro" if finding == MACRO else "sample", "findings": findings}
    rng = numpy_generator(0, "tables", finding)
    interval = statistics.bootstrap_mean(values.mean(axis=1), patients, resamples=resamples, rng=rng, **how)
    effect = statistics.Effect(interval, tuple(statistics.mean(seed, **how) for seed in values.T))
    return {
        "value": interval.estimate,
        "std": effect.spread,
        "low": interval.low,
        "high": interval.high,
        "n": interval.n_rows,
        "patients": interval.n_patients,
        "seeds": len(effect.seed_effects),
    }


def by_seed(rows: pd.DataFrame, keys: Sequence[str], metrics: Sequence[str]) -> pd.DataFrame:
    """The sample-weighted mean of each training seed: columns ``keys``, ``seed``, ``metric``, ``value``."""
    means = rows.groupby([*keys, "seed"])[list(metrics)].mean()
    return means.rename_axis("metric", axis=1).stack().rename("value").reset_index()


def table_01(rows: pd.DataFrame, findings: Sequence[str], resamples: int) -> pd.DataFrame:
    """Table 1 of seed 000: AUC-ROC, Top-1 and CNR by finding of foundation, Finetune_L and Finetune_F (``boxes``)."""
    return summarise(_headline(rows), ["variant"], ("auc", "top1", "cnr"), findings, resamples)


def table_11(rows: pd.DataFrame, findings: Sequence[str], resamples: int) -> pd.DataFrame:
    """Table 11 of seed 000: AUC-ROC and Top-1 by finding of the ablations (``boxes``), and CNR, which it lacks."""
    return summarise(_headline(rows, ABLATIONS), ["variant"], ("auc", "top1", "cnr"), findings, resamples)


def table_12(rows: pd.DataFrame, findings: Sequence[str], resamples: int) -> pd.DataFrame:
    """Table 12 of seed 000: signed CNR against CNR_abs, and how far the latter overestimates (``overestimate``).

    The absolute value is taken phrase by phrase (eq. 3), then averaged. The paper shows a single run, this all seeds.
    """
    metrics = ("cnr", "cnr_abs", "overestimate")
    return summarise(overestimated(_headline(rows)), ["variant"], metrics, findings, resamples)


def overestimated(rows: pd.DataFrame) -> pd.DataFrame:
    """Score rows with the metric ``overestimate``, CNR_abs minus CNR of each phrase: never below 0."""
    return rows.assign(overestimate=rows["cnr_abs"] - rows["cnr"])


def beyond_01(rows: pd.DataFrame, resamples: int) -> pd.DataFrame:
    """What the paper's Table 1 does not have: averages under every other protocol and of every other variant."""
    other = rows[~(rows["protocol"].eq("boxes") & rows["variant"].isin(VARIANTS))]
    return summarise(other, ["variant", "protocol"], ("auc", "top1", "cnr"), (), resamples)


def _headline(rows: pd.DataFrame, variants: Sequence[str] = VARIANTS) -> pd.DataFrame:
    mine = rows[rows["protocol"].eq("boxes") & rows["variant"].isin(variants)]
    return mine.sort_values("variant", key=lambda names: names.map(variants.index), kind="stable")


def one_to_one(mapping: Mapping[str, str]) -> dict[str, str]:
    """The pairs of ``mapping`` (our finding to the paper's) whose paper's finding no other of ours claims.

    Only these can stand beside a published value: Infiltrate, Mass and Nodule are all Lung Opacity, and none is it.
    """
    claimed = list(mapping.values())
    return {ours: theirs for ours, theirs in mapping.items() if claimed.count(theirs) == 1}


def beside(table: pd.DataFrame, published: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """A tidy table with the paper's values in new columns: ``published``, ``published_std``, ``printed``, ``note``.

    Args:
        table: from ``table_01`` or ``table_12``.
        published: from ``plainsight.published.read``.
        names: the paper's name of each of our findings that it has (``same_names`` or ``one_to_one``); the rest stay
            empty.
    """
    theirs = published.rename(columns={"value": "published", "std": "published_std"})
    theirs = theirs[["finding", "variant", "metric", "published", "published_std", "printed", "note"]]
    keys = table[["variant", "metric"]].assign(finding=table["finding"].map(dict(names)))
    found = keys.merge(theirs, how="left", on=["finding", "variant", "metric"], validate="many_to_one")
    return pd.concat([table.reset_index(drop=True), found[["published", "published_std", "printed", "note"]]], axis=1)


def same_names(findings: Sequence[str]) -> dict[str, str]:
    """``names`` for ``beside`` where the findings are the paper's own: its average, sample-weighted, fits too."""
    return {**{finding: finding for finding in findings}, WEIGHTED: AVERAGE}


def caption(number: int, table: pd.DataFrame, setting: Setting) -> str:
    """What a reader must know: scale, world, origin of the models, seeds, phrases, patients, what stands beside."""
    whole = table[table["finding"] == WEIGHTED]
    seeds = whole.loc[whole["variant"] != FOUNDATION, "seeds"]
    fewest, most = int(seeds.min()), int(seeds.max())
    number_of_seeds = str(most) if fewest == most else f"{fewest} to {most}"
    foundation = ", one foundation" if (whole["variant"] == FOUNDATION).any() else ""
    printed = "published_std" in table and table["published_std"].notna().any()
    spread = ", ± standard deviation over three trainings where printed" if printed else ""
    templates = ", each the name of its finding in a short template," if setting.world == "nih" else ""
    return (
        f"{setting.title(number)}; {setting.trained}. {int(whole['n'].max())} phrases{templates} of "
        f"{int(whole['patients'].max())} patients; {number_of_seeds} training seed{'s' * (most > 1)} of each "
        f"fine-tuned model{foundation}. "
        "Ours: mean over seeds ± standard deviation over seeds [95 % interval, patients resampled]. Published: MS-CXR, "
        f"Stable Diffusion v2 at 512 px{spread}: "
        f"{setting.comparison}.{few_patients(table)}"
    )


def few_patients(table: pd.DataFrame) -> str:
    """What a caption adds where some cells are about too few patients for an interval."""
    smallest = statistics.MIN_PATIENTS
    return f" No interval is shown for fewer than {smallest} patients." * bool((table["patients"] < smallest).any())


def caption_11(table: pd.DataFrame, setting: Setting) -> str:
    """The caption of Table 11: that of ``caption``, and what the ablations are."""
    return (
        f"{caption(11, table, setting)} LnU, FnU: Finetune_L and Finetune_F without unconditional training; L then F: "
        "Finetune_L trained on with a frozen text encoder for a sixth of its steps; PA: Finetune_F on "
        "posterior-anterior films alone. CNR by finding stands in the CSV file."
    )


def to_markdown(table: pd.DataFrame, heading: str, beyond: pd.DataFrame | None = None) -> str:
    """A tidy table for reading: one block a metric, findings down as in the paper, beside each model the published.

    ``heading`` is the caption; ``beyond``, from ``beyond_01``, makes a last block of its own.
    """
    parts = [heading]
    for metric in dict.fromkeys(table["metric"]):
        parts += [f"### {HEADINGS[metric]}", markdown.table(_block(table[table["metric"] == metric]))]
    if notes := _notes(table):
        parts += [f"† {'; '.join(notes)}."]
    if beyond is not None and len(beyond):
        parts += ["### Beyond the paper (sample-weighted averages)", markdown.table(_beyond_block(beyond))]
    return "\n\n".join(parts) + "\n"


def _notes(table: pd.DataFrame) -> list[str]:
    """Each note once; that of a single cell names the cell."""
    found = []
    for note, cells in table[table["note"].fillna("") != ""].groupby("note", sort=False) if "note" in table else ():
        cell = cells.iloc[0]
        where = f"{PUBLISHED_NAMES[cell['variant']]}, {cell['finding']}, {HEADINGS[cell['metric']]}: "
        found.append(note if len(cells) > 1 else where + note)
    return found


def _block(table: pd.DataFrame) -> pd.DataFrame:
    """Findings down; across: n, then ours and published of each variant."""
    first = table[table["variant"] == table["variant"].iloc[0]]
    block = pd.DataFrame({"Category": first["finding"].to_list(), "n": first["n"].to_list()})
    for variant, rows in table.groupby("variant", sort=False):
        block[f"{NAMES[variant]}, ours"] = [markdown.ours(row) for row in rows.to_dict("records")]
        if "printed" in rows:
            block[f"{PUBLISHED_NAMES[variant]}, published"] = [markdown.theirs(row) for row in rows.to_dict("records")]
    return block


def _beyond_block(beyond: pd.DataFrame) -> pd.DataFrame:
    """Variants and protocols down, metrics across."""
    rows = []
    average = beyond[beyond["finding"] == WEIGHTED]
    for (variant, protocol), cells in average.groupby(["variant", "protocol"], sort=False):
        row = {"Model": NAMES.get(variant, variant), "Asked": PROTOCOLS.get(protocol, protocol)}
        scores = {HEADINGS[cell["metric"]]: markdown.ours(cell) for cell in cells.to_dict("records")}
        rows.append({**row, "Seeds": int(cells["seeds"].max()), **scores})
    return pd.DataFrame(rows)


def write_table(table: pd.DataFrame, path: Path | str, markdown: str | None = None) -> None:
    """Write a committed table, whole or not at all: ``.csv`` the frame itself, ``.md`` the ``markdown`` made of it.

    Floats get 6 significant digits, missing cells stay empty, lines end in a newline: the same frame, the same bytes.

    Raises:
        InputError: a column that is named after, or could hold, text, identifiers or pixels; a suffix other than .csv
            and .md; ``.md`` without ``markdown``.
    """
    path = Path(path)
    refuse_private(table, str(path))
    if path.suffix not in (".csv", ".md") or (path.suffix == ".md") != (markdown is not None):
        raise InputError(f"{path}: a table is written as .csv, or as .md with its Markdown")
    with atomic(path) as temporary:
        if markdown is None:
            table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n", encoding="utf-8")
        else:
            temporary.write_text(markdown, encoding="utf-8", newline="\n")


def refuse_private(table: pd.DataFrame, where: str) -> None:
    """InputError for a column that could carry what may not travel: by its name, or as it holds more than numbers.

    The texts of reports may travel in one form only: single words, each in rows of their own with the number of
    ``patients`` whose texts hold it, ``MIN_PATIENTS`` at least. A word that so many share names none of them, and words
    without their neighbours are nobody's sentence.
    """
    for name in table.columns:
        if IDENTIFYING & set(re.split(r"[^a-z]+", str(name).lower())):
            raise InputError(
                f"{where}: column {name!r} could carry text or identifiers; committed tables hold aggregates"
            )
        if name not in WORDS and not pd.api.types.is_numeric_dtype(table[name]):
            raise InputError(f"{where}: column {name!r} holds more than numbers; words may stand in {', '.join(WORDS)}")
    if "word" in table.columns:
        _refuse_rare_words(table, where)


def few(table: pd.DataFrame) -> pd.Series:
    """Which rows of a tidy frame are about fewer than ``MIN_PATIENTS`` patients, but some, or count so few.

    Any column ``...patients`` counts. With a finding of so few its averages are among them: they would give it away,
    together with the other findings.
    """
    counts = table[[name for name in table.columns if name.endswith("patients")]]
    found = ((counts >= 1) & (counts < MIN_PATIENTS)).any(axis=1)
    averages = table["finding"].isin((MACRO, WEIGHTED)) if "finding" in table else False
    return found | (averages & found.any())


def withhold(table: pd.DataFrame) -> pd.DataFrame:
    """The table with every number of our own missing in the rows of ``few``; what is published elsewhere stays."""
    ours = [name for name in table.select_dtypes("number") if name not in ("published", "published_std")]
    return table.assign(**{name: table[name].mask(few(table)) for name in ours})


def _refuse_rare_words(table: pd.DataFrame, where: str) -> None:
    words = table[~table["word"].isin(SPECIAL)]
    # No message shows them: what is refused may be a sentence, or a name.
    if words["word"].map(lambda word: len(str(word).split()) != 1).any():
        raise InputError(f"{where}: column 'word' holds more than single words")
    if len(words) and ("patients" not in table.columns or not (words["patients"] >= MIN_PATIENTS).all()):
        raise InputError(f"{where}: column 'word' holds words without {MIN_PATIENTS} or more 'patients'")
