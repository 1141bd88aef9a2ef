"""Does a model that knows where its words are make better images? Correlations over trainings, and over findings.

Seed 000 says in its discussion that interpretability is "a reasonable indicator of generative performance", from six of
eight findings on which Finetune_F is better at both. Here all its models and findings are asked, and its own tables.

A point is one training of a variant, or one finding, averaged over trainings. Variants or findings, the units, are
resampled. They are few: ``plainsight.statistics.least_correlation`` says what so few can show.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from plainsight.claims import Claim, judge, ledger
from plainsight.generation_scores import CORRECTED
from plainsight.published import AVERAGE
from plainsight.seeding import numpy_generator
from plainsight.statistics import Effect, compare, compare_halves, least_correlation, rank_correlation, spearman
from plainsight.tables import WEIGHTED, summarise
from plainsight.tables_generation import by_half, distance_values, tidy
from plainsight.workspace import FOUNDATION

NOTEBOOK = "notebooks/beyond/2_quality_and_grounding.py"
GROUNDING = ("cnr", "auc")
DISTANCES = ("fid", "fid_domain")
JUDGED = "judged"
"""AUC-ROC of a classifier on made images of a finding against made healthy ones (Table 5)."""
ALL = "all"
MEAN = -1
"""``seed`` of a mean over training seeds."""
F, L = "finetune_f", "finetune_l"
GAIN = "finetune_f - finetune_l"
PROMPTS, MIMIC = "impressions", "mimic_cxr"
"""The prompts, ours and the paper's, that are the reports of the very images compared with."""
_CELL = ("metric", "value", "low", "high")


def of_trainings(rows: pd.DataFrame, distances: pd.DataFrame, general: str, resamples: int) -> pd.DataFrame:
    """A row a variant, seed and metric (GROUNDING, DISTANCES): variant, seed, metric, value, low, high.

    Args:
        rows: score rows of protocol ``boxes`` of every variant that makes images, too.
        distances: score rows of kind ``distances`` (``plainsight.generation_scores``).
        general: the general extractor.
        resamples: bootstrap resamples of patients.
    """
    grounding = summarise(rows, ["variant", "seed"], GROUNDING, (), resamples, averages=(WEIGHTED,))
    values = distance_values(distances)
    values = values[(values["metric"] == "fid") & (values["reading"] == CORRECTED) & (values["prompts"] == PROMPTS)]
    fid = pd.concat([tidy(part).assign(seed=seed) for seed, part in values.groupby("seed")], ignore_index=True)
    fid["metric"] = fid["metric"].where(fid["extractor"] == general, "fid_domain")
    return pd.concat([grounding, fid], ignore_index=True)[["variant", "seed", *_CELL]]


def of_findings(rows: pd.DataFrame, judged: pd.DataFrame, findings: Sequence[str], resamples: int) -> pd.DataFrame:
    """The same of each finding, with ``finding`` in front: GROUNDING and JUDGED of Finetune_L, Finetune_F and GAIN.

    ``seed`` MEAN is the mean over training seeds, with its bounds; single seeds have none.

    Args:
        rows: score rows of protocol ``boxes``.
        judged: values by half (``plainsight.tables_generation.auc_values``).
        findings: those to show; one without phrases is left out.
        resamples: bootstrap resamples of patients, for GROUNDING.
    """
    cells = []
    judged = judged[judged["prompts"] == PROMPTS]
    for finding, (name, a, b) in itertools.product(findings, ((L, L, None), (F, F, None), (GAIN, F, L))):
        phrases, images = (frame[frame["finding"] == finding] for frame in (rows, judged))
        if phrases.empty:
            continue
        found = {metric: _grounding(phrases, a, b, metric, finding, resamples) for metric in GROUNDING}
        found[JUDGED] = _recognition(images, a, b)
        for metric, effect in found.items():
            inside = effect.interval
            cells.append((finding, name, MEAN, metric, inside.estimate, inside.low, inside.high))
            cells += [(finding, name, s, metric, value, np.nan, np.nan) for s, value in enumerate(effect.seed_effects)]
    return pd.DataFrame(cells, columns=["finding", "variant", "seed", *_CELL])


def _grounding(rows: pd.DataFrame, a: str, b: str | None, metric: str, finding: str, resamples: int) -> Effect:
    """Of ``a``, or of ``a`` minus ``b``; with the draws of Table 1."""
    first, second = ([part for _, part in rows[rows["variant"] == name].groupby("seed")] for name in (a, b))
    return compare(first, second if b else 0.0, metric, "sample", resamples, numpy_generator(0, "tables", finding))


def _recognition(values: pd.DataFrame, a: str, b: str | None) -> Effect:
    first, second = (values[values["variant"] == name] for name in (a, b))
    counts = first.iloc[0]
    other = by_half(second) if b else 0.0
    return compare_halves(by_half(first), other, int(counts["patients"]), int(counts["n"]))


def points(cells: pd.DataFrame) -> pd.DataFrame:
    """One row a training, or a finding of one, with a column a metric; from ``of_trainings`` or ``of_findings``."""
    keys = [name for name in ("finding", "variant", "seed") if name in cells]
    return cells.pivot(index=keys, columns="metric", values="value").rename_axis(columns=None).reset_index()


def panel(cells: pd.DataFrame, x: str, y: str) -> pd.DataFrame:
    """Two metrics of ``cells`` with their bounds, as ``plainsight.figures.against_grounding`` draws them.

    What lacks one of the two is left out.
    """
    keys = [name for name in ("finding", "variant", "seed") if name in cells]
    sides = []
    for side, metric in (("x", x), ("y", y)):
        mine = cells[cells["metric"] == metric].set_index(keys)[["value", "low", "high"]]
        sides.append(mine.set_axis([side, f"{side}_low", f"{side}_high"], axis=1))
    return sides[0].join(sides[1], how="inner").dropna(subset=["x", "y"]).reset_index()


def correlation(
    whole: pd.DataFrame, single: Sequence[pd.DataFrame], x: str, y: str, unit: str, resamples: int
) -> Effect:
    """Spearman's correlation of two columns over the points of ``whole`` that have both, units resampled.

    ``single``: the points of each training seed, whose own correlations stand beside it.
    """
    whole = whole.dropna(subset=[x, y])
    rng = numpy_generator(0, "quality_and_grounding", x, y, unit)
    interval = rank_correlation(*(whole[name].to_numpy() for name in (x, y, unit)), resamples=resamples, rng=rng)
    return Effect(interval, tuple(spearman(*part[[x, y]].dropna().to_numpy().T) for part in single))


def effects(trainings: pd.DataFrame, findings: pd.DataFrame, resamples: int) -> dict[tuple[str, str], Effect]:
    """Every correlation, by variant (ALL, Finetune_L, Finetune_F, GAIN) and metric (as ``cnr_fid``).

    Args:
        trainings, findings: from ``of_trainings`` and ``of_findings``.
        resamples: bootstrap resamples of variants, or of findings; 0 for no intervals.
    """
    found = {}
    models = points(trainings)
    single = _whole_seeds(models)
    for y, x in itertools.product(DISTANCES, GROUNDING):
        found[ALL, f"{x}_{y}"] = correlation(models, single, x, y, "variant", resamples)
    for name, x in itertools.product((L, F, GAIN), GROUNDING):
        seeds = dict(list(points(findings[findings["variant"] == name]).groupby("seed")))
        means = seeds.pop(MEAN)
        found[name, f"{x}_{JUDGED}"] = correlation(means, list(seeds.values()), x, JUDGED, "finding", resamples)
    return found


def _whole_seeds(models: pd.DataFrame) -> list[pd.DataFrame]:
    """The points of each seed that every variant was trained with; the foundation, trained once, stands with each."""
    once = models["variant"] == FOUNDATION
    seeds = [models[once | (models["seed"] == seed)] for seed in sorted(models.loc[~once, "seed"].unique())]
    return [part for part in seeds if part["variant"].nunique() == models["variant"].nunique()]


def published_cells(tables: Mapping[int, pd.DataFrame]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The paper's own numbers as ``of_trainings`` and ``of_findings``, from its Tables 1, 4, 5, 10 and 11 by number."""
    localised = pd.concat([tables[1], tables[11]])
    localised = localised[localised["metric"].isin(GROUNDING)]
    fid = pd.concat([tables[4], tables[10]])
    fid = fid[fid["prompts"].eq(MIMIC) & fid["metric"].isin(("fid", "fid_xrv"))].replace(
        {"metric": {"fid_xrv": "fid_domain"}}
    )
    judged = tables[5].assign(metric=JUDGED)
    average = localised["finding"] == AVERAGE
    trainings = pd.concat([localised[average], fid], ignore_index=True).assign(seed=0)
    findings = pd.concat([localised[~average], judged[judged["finding"] != AVERAGE]], ignore_index=True)
    f, learnable = (findings[findings["variant"] == name].set_index(["finding", "metric"])["value"] for name in (F, L))
    gains = (f - learnable).dropna().rename("value").reset_index().assign(variant=GAIN)
    findings = pd.concat([findings[findings["variant"].isin((L, F))], gains], ignore_index=True).assign(seed=MEAN)
    return trainings[["variant", "seed", *_CELL]], findings[["finding", "variant", "seed", *_CELL]]


def table(ours: Mapping[tuple[str, str], Effect], theirs: Mapping[tuple[str, str], Effect]) -> pd.DataFrame:
    """Correlations as a tidy frame, ours and the paper's (both from ``effects``).

    Columns variant, metric, value, std, low, high, ``pairs``, ``units`` (variants or findings), ``beyond_chance`` (the
    least correlation that chance alone seldom gives with so many units; missing where there is none), seeds,
    ``published``, ``published_pairs``.
    """
    rows = []
    for (variant, metric), effect in ours.items():
        inside, other = effect.interval, theirs[variant, metric].interval
        row = {"variant": variant, "metric": metric, "value": inside.estimate, "std": effect.spread}
        row |= {"low": inside.low, "high": inside.high, "pairs": inside.n_rows, "units": inside.n_patients}
        row |= {"beyond_chance": least_correlation(inside.n_patients), "seeds": len(effect.seed_effects)}
        rows.append({**row, "published": other.estimate, "published_pairs": other.n_rows})
    return pd.DataFrame(rows)


def sentence(row: Mapping[str, object], name: str, unit: str) -> str:
    """A row of ``table`` in words: the correlation, and whether so few units can tell it from chance."""
    found = f"{name}: Spearman {row['value']:+.2f} over {row['pairs']} points of {row['units']} {unit}"
    interval = f" (95 % interval {row['low']:+.2f} to {row['high']:+.2f})"
    if np.isnan(row["beyond_chance"]):
        return f"{found}{interval}. With {row['units']} {unit} no correlation can be told from chance."
    side = "beyond" if abs(row["value"]) >= row["beyond_chance"] else "within"
    return f"{found}{interval}, {side} what chance alone gives {row['units']} {unit} ({row['beyond_chance']:.2f})."


_STATED = (
    (ALL, "cnr_fid", -1, "Models that localise better make images more like real ones (general features)"),
    (ALL, "cnr_fid_domain", -1, "Models that localise better make images more like real ones (features of the domain)"),
    (L, "cnr_judged", 1, "Findings that Finetune_L localises better are easier to see in its images"),
    (F, "cnr_judged", 1, "Findings that Finetune_F localises better are easier to see in its images"),
    (GAIN, "cnr_judged", 1, "Where Finetune_F localises better than Finetune_L, its images show the finding better"),
)


def judge_all(
    ours: Mapping[tuple[str, str], Effect], theirs: Mapping[tuple[str, str], Effect], scale: str, world: str
) -> pd.DataFrame:
    """The ledger of what the discussion suggests; the paper's own correlation stands beside where it can be told from
    chance.

    Units stand for patients in the rule, so that fewer than ten of them decide nothing.
    """
    rows = []
    for variant, metric, sign, statement in _STATED:
        inside = theirs[variant, metric].interval
        printed = inside.estimate if not np.isnan(least_correlation(inside.n_patients)) else np.nan
        unit = "variants" if variant == ALL else "findings"
        statistic = f"Spearman correlation, {metric.replace('_', ' and ', 1)}, {variant}, {unit} resampled"
        key = f"beyond_{variant.replace(' - ', '_')}_{metric}"
        claim = Claim(key, "beyond", "Discussion of the trade-off paper", statement, printed, statistic, sign)
        rows.append(judge(claim, ours[variant, metric], scale, world, NOTEBOOK))
    return ledger(rows)
