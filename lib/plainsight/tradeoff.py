"""What seed 000 states about localisation (Table 1, Table 12, Figure 2), as comparisons whose outcome is computed.

Published effects are differences of the transcribed tables, never typed. The paper compares Finetune_L after twice as
many steps as Finetune_F; claims marked "beyond the paper" ask the same at equal steps, of macro averages, of averaged
weights and of exact masks, so that no budget, average or target chooses the verdict.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from plainsight.claims import Claim, is_withheld, judge, ledger
from plainsight.published import AVERAGE
from plainsight.seeding import numpy_generator
from plainsight.statistics import Average, Effect, bootstrap_mean, compare
from plainsight.tables import NAMES, VARIANTS, overestimated
from plainsight.workspace import FOUNDATION

PAPER = "tradeoff"
NOTEBOOK = "notebooks/tradeoff/2_localization.py"
EQUAL_CNR = 0.05
"""Largest mean of CNR_abs - CNR that still is "no meaningful difference"; SDv2's published difference is 0.124."""
METRIC_NAMES = {"auc": "AUC-ROC", "top1": "Top-1", "cnr": "CNR", "overestimate": "CNR_abs - CNR"}
SPREAD_TRAININGS = 10
"""Trainings that a claim about their spread takes: of ten each, the standard deviations must still differ two-fold to
be told apart (F(9, 9) exceeds 4.03 in 2.5 % of the cases); patients say nothing about it."""
EXCEPTION = "Pneumothorax"
"""The one finding of eight on which Finetune_L is published to localise better than Finetune_F."""
_BEYOND = {
    "boxes_equal_steps": "after equally many steps",
    "boxes_ema": "with averaged (EMA) weights",
    "masks": "against exact masks",
}


@dataclass(frozen=True)
class Comparison:
    """A claim and the score rows that decide it: ``metric`` of variant ``a`` minus that of variant ``b``.

    ``finding`` keeps one finding only; ``several`` keeps phrases with more than one box; ``spread`` compares how far
    the training seeds lie apart in place of how high they lie.
    """

    claim: Claim
    a: str
    b: str | None
    metric: str
    average: Average = "sample"
    protocol: str = "boxes"
    finding: str = ""
    several: bool = False
    spread: bool = False
    protocol_b: str = ""
    """How ``b`` is asked where that differs; "" as ``a`` is."""


def comparisons(table_01: pd.DataFrame, table_12: pd.DataFrame, names: Mapping[str, str]) -> list[Comparison]:
    """Every claim, in the order of the paper.

    Args:
        table_01, table_12: the published tables (``plainsight.published.read``).
        names: the paper's name of each of our findings that is the same one; claims about others are left out.
    """
    one, twelve = (table.set_index(["finding", "variant", "metric"])["value"] for table in (table_01, table_12))
    return [
        *_averages(one if AVERAGE in names.values() else one * np.nan),  # else the average of other findings
        *_findings(one, names),
        *_spreads(names),
        *_overestimates(twelve),
        _multiple_instances(),
        *_beyond(),
    ]


def _averages(published: pd.Series) -> Iterator[Comparison]:
    """Three models, three metrics: the row "Average" of Table 1 and the sentences about it."""
    said = {
        ("finetune_f", "finetune_l"): (1, "The frozen text encoder localises better than the learnable one"),
        ("finetune_f", "foundation"): (1, "A frozen text encoder localises better than the foundation"),
        ("finetune_l", "foundation"): (-1, "A learnable text encoder localises worse than the foundation"),
    }
    exception = ("finetune_l", "foundation", "top1")
    slightly = "A learnable text encoder's Top-1 is slightly better than the foundation's"
    for (a, b), (direction, statement) in said.items():
        for metric in ("auc", "top1", "cnr"):
            sign, words = (direction, statement) if (a, b, metric) != exception else (1, slightly)
            effect = published[AVERAGE, a, metric] - published[AVERAGE, b, metric]
            yield _compare(f"{a}_{b}_{metric}", "Table 1, Average", words, effect, sign, a, b, metric)


def _findings(published: pd.Series, names: Mapping[str, str]) -> Iterator[Comparison]:
    """F above L "throughout all metrics for seven out of eight disease classes"; the eighth is Pneumothorax."""
    a, b = "finetune_f", "finetune_l"
    for ours, theirs in names.items():
        if theirs == AVERAGE or theirs not in published:
            continue
        for metric in ("auc", "top1", "cnr"):
            effect = published[theirs, a, metric] - published[theirs, b, metric]
            better = "worse" if theirs == EXCEPTION else "better"
            statement = f"{ours}: the frozen text encoder localises {better} than the learnable one"
            sign = -1 if theirs == EXCEPTION else 1
            key = f"{a}_{b}_{metric}_{theirs.lower().replace(' ', '_')}"
            yield _compare(key, f"Table 1, {theirs}", statement, effect, sign, a, b, metric, finding=ours)
        if theirs == EXCEPTION:
            effect = published[theirs, b, "auc"] - published[theirs, "foundation", "auc"]
            statement = f"{ours}: the learnable text encoder has the best AUC-ROC of all, above the foundation's too"
            key = f"finetune_l_foundation_auc_{theirs.lower()}"
            yield _compare(key, f"Table 1, {theirs}", statement, effect, 1, b, "foundation", "auc", finding=ours)


def _spreads(names: Mapping[str, str]) -> Iterator[Comparison]:
    """ "The large standard deviation indicates that the understanding of this disease is not robust"."""
    rows = [("", "Average", "all findings"), *((o, t, o) for o, t in names.items() if t == EXCEPTION)]
    for finding, place, words in rows:
        statement = f"Trainings with a learnable text encoder lie further apart in CNR than with a frozen one ({words})"
        key = f"spread_{place.lower()}"
        pair = ("finetune_l", "finetune_f", "cnr")
        yield _compare(key, f"Table 1, {place}", statement, np.nan, 1, *pair, finding=finding, spread=True)


def _overestimates(published: pd.Series) -> Iterator[Comparison]:
    """Table 12: CNR_abs flatters maps that are wrong. It can never lie below CNR, so Finetune_F is the yardstick."""
    gap = {variant: published[AVERAGE, variant, "cnr_abs"] - published[AVERAGE, variant, "cnr"] for variant in VARIANTS}
    for variant in ("foundation", "finetune_l"):
        effect = gap[variant] - gap["finetune_f"]
        statement = f"CNR_abs overestimates {NAMES[variant]} more than Finetune_F"
        key = f"cnr_abs_overestimates_{variant}"
        yield _compare(key, "Table 12", statement, effect, 1, variant, "finetune_f", "overestimate")
    statement = "CNR and CNR_abs do not differ meaningfully for Finetune_F"
    key = "cnr_abs_equal_finetune_f"
    claim = _claim(key, "Table 12", statement, gap["finetune_f"], "overestimate", 0, NAMES["finetune_f"])
    yield Comparison(claim, "finetune_f", None, "overestimate")


def _multiple_instances() -> Comparison:
    statement = "On phrases with several boxes, too, the frozen text encoder localises better than the learnable one"
    pair = ("finetune_f", "finetune_l", "cnr")
    return _compare("multiple_instances_cnr", "Figure 2", statement, np.nan, 1, *pair, several=True)


def _beyond() -> Iterator[Comparison]:
    """The first comparison of Table 1 asked in other ways."""
    pair = ("finetune_f", "finetune_l")
    place, statement = "Table 1, beyond the paper", "The frozen text encoder localises better than the learnable one, "
    for metric in ("auc", "top1", "cnr"):
        for protocol, words in _BEYOND.items():
            key = f"{'_'.join(pair)}_{metric}_{protocol}"
            yield _compare(key, place, statement + words, np.nan, 1, *pair, metric, protocol=protocol)
        key, words = f"{'_'.join(pair)}_{metric}_macro", "every finding counting the same"
        yield _compare(key, place, statement + words, np.nan, 1, *pair, metric, average="macro")


def _compare(
    key: str, place: str, statement: str, published: float, sign: int, a: str, b: str, metric: str, **how: object
) -> Comparison:
    """A comparison of two variants with its claim worded after it."""
    what = f"{NAMES[a]} - {NAMES[b]}"
    if how.get("spread"):
        what = f"mean absolute deviation over seeds, {what}"
    where = [str(how[name]) for name in ("finding", "protocol", "average") if how.get(name)]
    where += ["several boxes"] * bool(how.get("several"))
    claim = _claim(key, place, statement, published, metric, sign, ", ".join([what, *where]))
    return Comparison(claim, a, b, metric, **how)


def _claim(key: str, place: str, statement: str, published: float, metric: str, sign: int, what: str) -> Claim:
    margin = EQUAL_CNR if sign == 0 else None
    statistic = f"mean {METRIC_NAMES[metric]}, {what}"
    trainings = SPREAD_TRAININGS if key.startswith("spread_") else 2
    return Claim(f"{PAPER}_{key}", PAPER, place, statement, published, statistic, sign, margin, trainings)


def judge_all(
    chosen: list[Comparison],
    rows: pd.DataFrame,
    several: Collection[str],
    scale: str,
    world: str,
    resamples: int,
    notebook: str = NOTEBOOK,
) -> pd.DataFrame:
    """The ledger of these claims (columns of ``plainsight.claims``), from score rows.

    Args:
        chosen: from ``comparisons``.
        rows: score rows of the variants and protocols at hand; a claim whose rows are not there is left out.
        several: ids of the examples with more than one box.
        scale, world: where the rows come from.
        resamples: bootstrap resamples of patients.
        notebook: the one that judges, for the ledger.
    """
    rows = overestimated(rows)
    parts = [(one, *_rows(one, rows, several)) for one in chosen]
    effects = [(one, _effect(one, a, b, resamples)) for one, a, b in parts if a and (b or one.b is None)]
    # Averages, together with the other findings, would give away the one that is not shown.
    part = any(one.finding and is_withheld(effect, world) for one, effect in effects)
    return ledger(
        [judge(one.claim, effect, scale, world, notebook, part and not one.finding) for one, effect in effects]
    )


def choose_examples(rows: pd.DataFrame, findings: Sequence[str], several: Collection[str]) -> list[str]:
    """The examples of Figure 2 by a rule fixed beforehand: the median, never the best.

    For every second finding of ``findings``, and last for the phrases with ``several`` boxes, the example whose CNR is
    the (lower) median; ties by id. ``rows``: score rows of one model, Finetune_F seed 0.
    """
    ordered = rows.sort_values(["cnr", "example_id"])
    groups = [ordered[ordered["finding"] == finding] for finding in findings[1::2]]
    groups.append(ordered[ordered["example_id"].isin(several)])
    chosen = [group["example_id"].iloc[(len(group) - 1) // 2] for group in groups if len(group)]
    return list(dict.fromkeys(chosen))


def _rows(
    one: Comparison, rows: pd.DataFrame, several: Collection[str]
) -> tuple[list[pd.DataFrame], list[pd.DataFrame]]:
    """The score rows of either side, one frame a training seed.

    Where two fine-tuned variants have not the same seeds, only those that both have: a training is compared with the
    other of its seed. The foundation, trained once, is compared with every seed.
    """
    mine = rows[rows["finding"] == one.finding] if one.finding else rows
    if one.several:
        mine = mine[mine["example_id"].isin(several)]
    asked = ((one.a, one.protocol), (one.b, one.protocol_b or one.protocol))
    sides = [mine[(mine["variant"] == variant) & (mine["protocol"] == protocol)] for variant, protocol in asked]
    if one.b is not None and FOUNDATION not in (one.a, one.b):
        shared = set(sides[0]["seed"]) & set(sides[1]["seed"])
        sides = [side[side["seed"].isin(shared)] for side in sides]
    a, b = ([frame for _, frame in side.groupby("seed")] for side in sides)
    return a, b


def _effect(one: Comparison, a: list[pd.DataFrame], b: list[pd.DataFrame], resamples: int) -> Effect:
    rng = numpy_generator(0, "claims", one.claim.id)
    if one.spread:
        return spread_difference(a, b, one.metric, resamples, rng)
    return compare(a, 0.0 if one.b is None else b, one.metric, one.average, resamples, rng)


def spread_difference(
    a: list[pd.DataFrame], b: list[pd.DataFrame], metric: str, resamples: int, rng: np.random.Generator
) -> Effect:
    """How much further the training seeds of a lie apart than those of b: difference of mean absolute deviations.

    A seed's deviation is the distance of its mean over phrases from the mean over seeds. ``seed_effects`` are the
    smallest deviation of a less the smallest of b, and so on, whichever seeds have them; they average to the effect.
    The interval resamples patients with the side on which each seed lies held fixed (which makes the statistic a mean
    over phrases).
    """
    parts = [_deviations(frames, metric) for frames in (a, b)]
    by_phrase = parts[0][0].mean(axis=1) - parts[1][0].mean(axis=1)
    patients = a[0].drop_duplicates("example_id").set_index("example_id")["patient"].loc[by_phrase.index]
    interval = bootstrap_mean(by_phrase.to_numpy(), patients.to_numpy(str), resamples=resamples, rng=rng)
    return Effect(interval, tuple(np.sort(parts[0][1]) - np.sort(parts[1][1])))


def _deviations(frames: list[pd.DataFrame], metric: str) -> tuple[pd.DataFrame, np.ndarray]:
    """Phrases x seeds: deviation from the phrase's mean over seeds, signed so that each seed's own mean, the second
    value, is not negative."""
    scores = pd.DataFrame({i: frame.groupby("example_id")[metric].mean() for i, frame in enumerate(frames)})
    centred = scores.sub(scores.mean(axis=1), axis=0)
    signed = centred * np.sign(centred.mean())
    return signed, signed.mean().to_numpy()
