"""Averages of score rows, and how far to trust them: paired bootstrap by patient, spread over training seeds.

What is no average of rows, such as a distance between two sets of images, gets its interval from random `halves`.

Images of one patient are alike, so patients are resampled, not rows. Two models are compared on the same examples with
the same resample for both, which is the bootstrap of their row-by-row difference. The interval says what another draw
of patients would change; the effects of single training seeds say what another training would. Both are kept.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from plainsight.errors import InputError

Average = Literal["sample", "macro"]
"""``sample``: every row counts the same. ``macro``: mean of the findings' means, every finding counts the same."""

_WEIGHTS_AT_ONCE = 2**20

MIN_PATIENTS = 10
"""Fewer make no interval that is worth showing, nor a verdict: where few differences all have one sign, a percentile
interval excludes 0."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval; the bounds are NaN where there is none, as with a single patient."""

    estimate: float
    low: float
    high: float
    n_patients: int
    n_rows: int


@dataclass(frozen=True)
class Effect:
    """What one comparison found: the interval over patients, and the effect of each training seed on its own."""

    interval: Interval
    seed_effects: tuple[float, ...]

    @property
    def spread(self) -> float:
        """Sample standard deviation over training seeds; NaN with a single one."""
        return float(np.std(self.seed_effects, ddof=1)) if len(self.seed_effects) > 1 else float("nan")


def mean(values: np.ndarray, average: Average = "sample", findings: np.ndarray | None = None) -> float:
    """Sample-weighted or macro average of N values; ``findings`` (N labels) is needed for the latter."""
    values = np.asarray(values, dtype=np.float64)
    groups, count = _groups(average, findings, len(values))
    return float((np.bincount(groups, values, count) / np.bincount(groups, minlength=count)).mean())


def bootstrap_mean(
    values: np.ndarray,
    patients: np.ndarray,
    *,
    average: Average = "sample",
    findings: np.ndarray | None = None,
    resamples: int = 10_000,
    rng: np.random.Generator,
    level: float = 0.95,
) -> Interval:
    """Average of N values with its percentile bootstrap interval over patients (Efron & Tibshirani 1993, ch. 13).

    Each resample draws as many patients as there are, with replacement, and takes all rows of a patient as often as the
    patient was drawn. A finding none of whose patients was drawn is left out of that resample's macro average.

    Args:
        values: N finite numbers.
        patients: N patient identifiers.
        average: see `Average`.
        findings: N labels; needed for the macro average.
        resamples: number of bootstrap resamples.
        rng: source of the draws. The same state, patients and findings give the same resamples whatever the values are.
        level: coverage of the interval.

    Raises:
        InputError: no rows, arrays of different lengths, or values that are not finite.
    """
    values, patients = np.asarray(values, dtype=np.float64), np.asarray(patients)
    if not len(values) or len(patients) != len(values):
        raise InputError(f"bootstrap: {len(values)} values, {len(patients)} patients; give one patient for each value")
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values))[0])
        raise InputError(f"bootstrap: value {row} is {values[row]}; leave such examples out of every model compared")
    groups, n_groups = _groups(average, findings, len(values))
    names, patient = np.unique(patients, return_inverse=True)
    cell = patient * n_groups + groups
    shape = (len(names), n_groups)
    sums = np.bincount(cell, values, minlength=len(names) * n_groups).reshape(shape)
    counts = np.bincount(cell, minlength=len(names) * n_groups).reshape(shape).astype(np.float64)
    low = high = float("nan")
    if len(names) > 1:
        averages = _resampled_averages(sums, counts, resamples, rng)
        low, high = np.quantile(averages, [(1 - level) / 2, (1 + level) / 2])
    return Interval(mean(values, average, findings), float(low), float(high), len(names), len(values))


def rank_correlation(
    x: np.ndarray, y: np.ndarray, units: np.ndarray, *, resamples: int = 10_000, rng: np.random.Generator
) -> Interval:
    """Spearman's correlation of N pairs with its percentile bootstrap interval over ``units``.

    Each resample draws as many units as there are, with replacement, and takes all pairs of a unit as often as it was
    drawn. ``n_patients`` of the result is the number of units.

    Args:
        x, y: N finite numbers each; ties get their mean rank.
        units: N names, such as words, that pairs may share.
        resamples: number of bootstrap resamples; those without a spread in ``x`` or ``y`` are left out.
        rng: source of the draws.

    Raises:
        InputError: arrays of different lengths, or numbers that are not finite.
    """
    x, y, units = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64), np.asarray(units)
    if not len(x) == len(y) == len(units):
        raise InputError(f"correlation: {len(x)}, {len(y)} and {len(units)} values; give one unit for each pair")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise InputError("correlation: a value is not finite; leave such pairs out")
    names, unit = np.unique(units, return_inverse=True)
    low = high = float("nan")
    if len(names) > 1 and resamples:
        drawn = rng.integers(len(names), size=(resamples, len(names))) + len(names) * np.arange(resamples)[:, None]
        times = np.bincount(drawn.ravel(), minlength=resamples * len(names)).reshape(resamples, len(names))
        found = _spearman(x, y, times[:, unit].astype(np.float64))
        if np.isfinite(found).any():
            low, high = np.nanquantile(found, [0.025, 0.975])
    return Interval(spearman(x, y), float(low), float(high), len(names), len(x))


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    """Spearman's correlation of N pairs; NaN where one side has no spread."""
    return float(_spearman(np.asarray(x), np.asarray(y), np.ones((1, len(x))))[0])


def least_correlation(pairs: int) -> float:
    """The least Spearman's correlation, in either sign, that at most one in twenty orders of so many pairs reach.

    What lies below it, chance alone gives often. NaN where no correlation is that rare: of the 24 orders of four pairs
    two are perfect. Exact up to 8 pairs without ties; above, by Student's t with ``pairs`` - 2 degrees of freedom.
    """
    if pairs <= 8:
        orders = np.array(list(itertools.chain(*itertools.permutations(range(pairs))))).reshape(-1, max(1, pairs))
        whole = max(1, pairs * (pairs**2 - 1))
        sizes, times = np.unique(
            np.abs(whole - 6 * np.square(orders - np.arange(pairs)).sum(axis=1)), return_counts=True
        )
        reached = times[::-1].cumsum()[::-1]
        return float(min(sizes[20 * reached <= len(orders)], default=np.nan)) / whole
    bound = float(stdtrit(pairs - 2, 0.975))
    return bound / math.sqrt(pairs - 2 + bound**2)


def _spearman(x: np.ndarray, y: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Pearson's correlation of the ranks in each of R samples, in which pair n stands ``times[r, n]`` times: (R,)."""
    total = times.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):  # no pairs, or no spread
        a, b = (
            ranks - (times * ranks).sum(axis=1, keepdims=True) / total for ranks in (_ranks(x, times), _ranks(y, times))
        )
        covariance, *variances = ((times * product).sum(axis=1) for product in (a * b, a * a, b * b))
        return covariance / np.sqrt(variances[0] * variances[1])


def _ranks(values: np.ndarray, times: np.ndarray) -> np.ndarray:
    """The rank of each value in each of R samples, (R, N); ties get the mean of their ranks."""
    distinct, place = np.unique(values, return_inverse=True)
    counts = times @ np.eye(len(distinct))[place]
    return (counts.cumsum(axis=1) - (counts - 1) / 2)[:, place]


def _resampled_averages(sums: np.ndarray, counts: np.ndarray, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """The average of each resample: how often each patient is drawn, times sums and counts (patients x findings)."""
    patients = len(sums)
    averages = []
    step = max(1, _WEIGHTS_AT_ONCE // patients)
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        drawn = rng.integers(patients, size=(rows, patients)) + patients * np.arange(rows)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=rows * patients).reshape(rows, patients).astype(np.float64)
        total, number = weights @ sums, weights @ counts
        present = number > 0
        finding_means = np.divide(total, number, out=np.zeros_like(total), where=present)
        averages.append(finding_means.sum(axis=1) / present.sum(axis=1))
    return np.concatenate(averages)


def _groups(average: Average, findings: np.ndarray | None, rows: int) -> tuple[np.ndarray, int]:
    """For each row the index of the group it is averaged in, and the number of groups."""
    if average == "sample":
        return np.zeros(rows, dtype=np.intp), 1
    if average != "macro":
        raise InputError(f"average {average!r}: expected 'sample' or 'macro'")
    if findings is None or len(findings) != rows:
        raise InputError("macro average: give one finding for each value")
    names, index = np.unique(np.asarray(findings), return_inverse=True)
    return index, len(names)


def compare(
    a: Sequence[pd.DataFrame],
    b: Sequence[pd.DataFrame] | float,
    metric: str,
    average: Average,
    resamples: int,
    rng: np.random.Generator,
) -> Effect:
    """How much higher ``metric`` is for model a than for model b, paired by example and by training seed.

    Args:
        a: score rows of a model, one frame a training seed, with columns example_id, patient, finding and ``metric``.
            Rows of one example that differ in their ``noise_seed`` are averaged first.
        b: the same of the other model, seeds in the same order; or a number to compare with. A model with one seed
            (such as a foundation) is compared with every seed of the other.
        metric: column to average.
        average: see `Average`.
        resamples: number of bootstrap resamples.
        rng: source of the draws.

    Returns:
        The interval of the difference of rows averaged over seeds, and the effect of each seed. The order of the rows
        changes nothing.

    Raises:
        InputError: a missing column, the same example twice, examples that one side lacks (named), different numbers
            of seeds, or a score that is not finite.
    """
    first, left = _by_seed(a, metric, "model a")
    if isinstance(b, (int, float)):
        difference = left - b
    else:
        other, right = _by_seed(b, metric, "model b")
        _require_same_examples(first, other, "model b")
        if len(left) != len(right) and 1 not in (len(left), len(right)):
            raise InputError(f"compare: {len(left)} seeds against {len(right)}; give as many for both, or one")
        difference = left - right
    patients, findings = first["patient"].to_numpy(dtype=str), first["finding"].to_numpy(dtype=str)
    rows = difference.mean(axis=0)
    interval = bootstrap_mean(rows, patients, average=average, findings=findings, resamples=resamples, rng=rng)
    return Effect(interval, tuple(mean(row, average, findings) for row in difference))


def summarise(
    frames: Sequence[pd.DataFrame], metric: str, average: Average, resamples: int, rng: np.random.Generator
) -> Effect:
    """The average of ``metric`` for one model: `compare` with zero, so that ``seed_effects`` are averages of seeds."""
    return compare(frames, 0.0, metric, average, resamples, rng)


def subsample(
    statistics: Callable[..., Mapping[str, float]],
    sets: Sequence[np.ndarray],
    groups: Sequence[np.ndarray],
    *,
    resamples: int = 200,
    rng: np.random.Generator,
    level: float = 0.95,
) -> dict[str, Interval]:
    """Statistics of whole sets of rows, with intervals from random halves of their groups (`halves`).

    Args:
        statistics: takes one array a set and returns numbers by name.
        sets: arrays with a row an image; they may differ in length.
        groups: for each set the group of each row, such as its patient; rows of one group stay together.
        resamples: number of halves.
        rng: source of the draws.
        level: coverage of the intervals.

    Returns:
        For each name the estimate from all rows with its interval, the number of groups, and that of all rows. Bounds
        are NaN where the statistic is NaN in some half.

    Raises:
        InputError: a set whose groups are not one for each row, or fewer than two groups in a set.
    """
    for rows, names in zip(sets, groups, strict=True):
        if len(rows) != len(names):
            raise InputError(f"subsample: {len(rows)} rows, {len(names)} groups; give one group for each row")
    whole = statistics(*sets)
    parts = [
        statistics(*(rows[mine] for rows, mine in zip(sets, kept, strict=True)))
        for kept in halves(groups, resamples, rng)
    ]
    n_groups = len(np.unique(np.concatenate([np.asarray(names, dtype=str) for names in groups])))
    return {
        name: from_halves(estimate, np.array([part[name] for part in parts]), n_groups, sum(map(len, sets)), level)
        for name, estimate in whole.items()
    }


def halves(groups: Sequence[np.ndarray], resamples: int, rng: np.random.Generator) -> Iterator[list[np.ndarray]]:
    """Random halves of sets of rows, drawn by group WITHOUT replacement: for each half one mask a set.

    For what no average of rows is, such as the Frechet distance of two sets of images: a bootstrap's duplicates would
    themselves look like a lack of diversity. Half of the groups (patients, prompts) are drawn, the same half in every
    set that has them. The same groups and the same state of ``rng`` give the same halves, so that values of several
    models can be compared half by half.

    Args:
        groups: for each set the group of each row; rows of one group stay together.
        resamples: number of halves.
        rng: source of the draws.

    Raises:
        InputError: fewer than two groups in a set.
    """
    groups = [np.asarray(names, dtype=str) for names in groups]
    for names in groups:
        if len(np.unique(names)) < 2:
            raise InputError(f"halves: {len(np.unique(names))} groups in a set; give two different ones or more")
    names, codes = np.unique(np.concatenate(groups), return_inverse=True)
    codes = np.split(codes, np.cumsum([len(rows) for rows in groups])[:-1])
    # Groups that the same sets have are halved together, so that every set keeps its half.
    member = np.stack([np.isin(np.arange(len(names)), own) for own in codes])
    _, stratum = np.unique(member, axis=1, return_inverse=True)
    strata = [np.flatnonzero(stratum == number) for number in np.unique(stratum)]
    for _ in range(resamples):
        kept = _half(strata, len(names), rng)
        yield [kept[own] for own in codes]


def from_halves(estimate: float, values: np.ndarray, n_groups: int, n_rows: int, level: float = 0.95) -> Interval:
    """The interval of an estimate from its values in random halves (`halves`); NaN where one of them is NaN.

    Around their mean, values from halves of independent rows scatter as values from whole sets scatter around theirs,
    so that their standard deviation is the standard error (the delete-half jackknife: Shao and Wu 1989), and the
    interval is that of a normal distribution. It says what other images would change; a bias that the estimate has at
    this number of rows, it keeps. Of two sets of one distribution it is wider than it need be.
    """
    margin = NormalDist().inv_cdf((1 + level) / 2) * float(np.std(values, ddof=1))
    return Interval(estimate, estimate - margin, estimate + margin, n_groups, n_rows)


def compare_halves(a: np.ndarray, b: np.ndarray | float, n_groups: int, n_rows: int) -> Effect:
    """How much higher a statistic is for model a than for model b, paired by half and by training seed.

    Args:
        a: (1 + R, S) values: of all rows, then of R random halves, for each of S training seeds.
        b: the same of the other model, for the same halves and seeds; or a number. A model with one seed (such as a
            foundation) is compared with every seed of the other.
        n_groups, n_rows: of all rows.

    Raises:
        InputError: different numbers of halves or seeds.
    """
    a = np.asarray(a, dtype=np.float64)
    b = np.full((len(a), 1), b) if isinstance(b, (int, float)) else np.asarray(b, dtype=np.float64)
    if len(a) != len(b) or (a.shape[1] != b.shape[1] and 1 not in (a.shape[1], b.shape[1])):
        raise InputError(f"compare_halves: {a.shape} halves x seeds against {b.shape}; give the same, or one seed")
    difference = a - b
    interval = from_halves(float(difference[0].mean()), difference[1:].mean(axis=1), n_groups, n_rows)
    return Effect(interval, tuple(difference[0].tolist()))


def _half(strata: Sequence[np.ndarray], count: int, rng: np.random.Generator) -> np.ndarray:
    """Which of ``count`` groups are drawn: half of each stratum; of an odd number, one more or one less at random."""
    kept = np.zeros(count, dtype=bool)
    for groups in strata:
        kept[rng.permutation(groups)[: (len(groups) + rng.integers(2)) // 2]] = True
    return kept


def _by_seed(frames: Sequence[pd.DataFrame], metric: str, where: str) -> tuple[pd.DataFrame, np.ndarray]:
    """The examples (patient and finding by example_id), and their scores: seeds x examples."""
    if not frames:
        raise InputError(f"{where}: no score rows; give one frame for each training seed")
    seeds = [_by_example(frame, metric, f"{where}, seed {i} of {len(frames)}") for i, frame in enumerate(frames, 1)]
    for i, seed in enumerate(seeds, 1):
        _require_same_examples(seeds[0], seed, f"{where}, seed {i} of {len(frames)}")
    return seeds[0], np.stack([seed[metric].to_numpy() for seed in seeds])


def _by_example(frame: pd.DataFrame, metric: str, where: str) -> pd.DataFrame:
    """One row an example, sorted by it, repeats over noise seeds averaged."""
    if missing := [name for name in ("example_id", "patient", "finding", metric) if name not in frame.columns]:
        raise InputError(f"{where}: score rows have no column {missing[0]!r}; columns: {', '.join(frame.columns)}")
    key = ["example_id", "noise_seed"] if "noise_seed" in frame.columns else ["example_id"]
    if (repeated := frame.duplicated(key)).any():
        example = frame.loc[repeated, "example_id"].iloc[0]
        raise InputError(f"{where}: example {example!r} has several rows; keep one training step and one protocol")
    if (bad := ~np.isfinite(frame[metric].to_numpy(dtype=np.float64))).any():
        example, value = frame.loc[bad, ["example_id", metric]].iloc[0]
        raise InputError(f"{where}: {metric} of example {example!r} is {value}; leave it out of every model compared")
    examples = frame.astype({metric: "float64"}).sort_values(key).groupby("example_id", sort=True)
    return examples.agg({"patient": "first", "finding": "first", metric: "mean"})


def _require_same_examples(first: pd.DataFrame, other: pd.DataFrame, where: str) -> None:
    missing, extra = first.index.difference(other.index), other.index.difference(first.index)
    for examples, what in ((missing, "lacks"), (extra, "alone has")):
        if len(examples):
            raise InputError(
                f"{where}: {what} {len(examples)} of {len(first.index.union(other.index))} examples, such as "
                f"{examples[0]!r}; score every model and seed on the same examples"
            )
