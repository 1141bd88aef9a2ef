from __future__ import annotations

import itertools
from dataclasses import astuple

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from plainsight import statistics
from plainsight.errors import InputError
from plainsight.statistics import bootstrap_mean, compare, mean, summarise


def sample(seed: int = 0, rows: int = 60, patients: int = 14, findings: int = 3):
    """Values that differ between findings, with unequal numbers of rows a patient."""
    rng = np.random.default_rng(seed)
    finding = rng.integers(findings, size=rows)
    patient = (patients * rng.random(rows) ** 2).astype(int)
    return rng.normal(size=rows) + finding, patient.astype(str), np.array(list("abcdefgh"))[finding]


def frame(values, patients, findings, **columns) -> pd.DataFrame:
    ids = [f"e{i:03d}" for i in range(len(values))]
    return pd.DataFrame({"example_id": ids, "patient": patients, "finding": findings, "cnr": values, **columns})


# --- averages ---


def test_sample_weighted_and_macro_average_by_hand():
    values, findings = np.array([1.0, 2.0, 3.0, 10.0]), np.array(["a", "a", "a", "b"])
    assert mean(values) == 4
    assert mean(values, "macro", findings) == 6


def test_published_averages_of_table_1():
    """Seed 000, Table 1, Finetune_F: sample-weighted .920 as printed; the macro average of its column is 1.056."""
    per_class = np.array([1.25, 0.67, 1.22, 1.36, 1.06, 1.05, 1.16, 0.68])
    assert mean(per_class, "macro", np.arange(8)) == pytest.approx(1.056, abs=5e-4)


# --- the bootstrap against references ---


@pytest.mark.parametrize("average", ["sample", "macro"])
def test_resamples_are_those_of_a_plain_loop(monkeypatch, average):
    """The same draws, patient by patient and row by row, in frames; also where the draws come in several chunks."""
    values, patients, findings = sample()
    monkeypatch.setattr(statistics, "_WEIGHTS_AT_ONCE", 1000)
    found = bootstrap_mean(
        values, patients, average=average, findings=findings, resamples=200, rng=np.random.default_rng(5)
    )
    names = np.unique(patients)
    drawn = np.random.default_rng(5).integers(len(names), size=(200, len(names)))
    averages = []
    for resample in drawn:
        rows = np.concatenate([np.flatnonzero(patients == names[i]) for i in resample])
        column = pd.Series(values[rows])
        averages.append(column.mean() if average == "sample" else column.groupby(findings[rows]).mean().mean())
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(averages, [2.5, 97.5])), abs=1e-12)
    assert found.estimate == pytest.approx(mean(values, average, findings))
    assert (found.n_patients, found.n_rows) == (len(names), 60)


def test_one_row_a_patient_agrees_with_scipy():
    values = np.random.default_rng(3).exponential(size=80)
    ours = bootstrap_mean(values, np.arange(80), resamples=10_000, rng=np.random.default_rng(0))
    theirs = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=10_000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.015)


def test_interval_covers_the_truth_and_one_by_rows_would_not():
    """300 samples of 40 patients with 4 alike rows each: near 95 % by patient, far less when rows count as patients."""
    rng = np.random.default_rng(11)
    patients = np.repeat(np.arange(40), 4)
    covered = np.zeros(2)
    for _ in range(300):
        values = 0.5 + np.repeat(rng.normal(size=40), 4) + 0.3 * rng.normal(size=160)
        for i, units in enumerate((patients, np.arange(160))):
            interval = bootstrap_mean(values, units, resamples=400, rng=rng)
            covered[i] += interval.low <= 0.5 <= interval.high
    by_patient, by_row = covered / 300
    assert 0.90 <= by_patient <= 0.98
    assert by_row < 0.80


def test_standard_error_of_the_mean_comes_out():
    values = np.random.default_rng(4).normal(size=400)
    interval = bootstrap_mean(values, np.arange(400), resamples=10_000, rng=np.random.default_rng(0))
    assert (interval.high - interval.low) / (2 * 1.96) == pytest.approx(values.std() / np.sqrt(400), rel=0.03)


# --- properties ---


@given(st.integers(0, 1000), st.sampled_from(["sample", "macro"]), st.floats(-5, 5), st.floats(0.1, 5))
@settings(max_examples=30, deadline=None)
def test_shifting_and_scaling_the_values_shifts_and_scales_the_interval(seed, average, shift, factor):
    values, patients, findings = sample(seed)

    def run(values):
        rng = np.random.default_rng(7)
        found = bootstrap_mean(values, patients, average=average, findings=findings, resamples=100, rng=rng)
        return np.array([found.low, found.estimate, found.high])

    before = run(values)
    assert before[0] <= before[2]
    np.testing.assert_allclose(run(factor * values + shift), factor * before + shift, atol=1e-9)
    np.testing.assert_allclose(run(-values), -before[::-1], atol=1e-9)


def test_both_models_see_the_same_resample():
    """Two models that differ by a constant differ by it in every resample, however much the patients vary."""
    values, patients, findings = sample()
    model, other = frame(values + 0.25, patients, findings), frame(values, patients, findings)
    for average in ("sample", "macro"):
        found = compare([model], [other], "cnr", average, 500, np.random.default_rng(0)).interval
        assert (found.low, found.estimate, found.high) == pytest.approx((0.25, 0.25, 0.25))


def test_one_patient_has_no_interval():
    found = bootstrap_mean(np.array([1.0, 2.0]), np.array(["p", "p"]), rng=np.random.default_rng(0))
    assert found.estimate == 1.5 and np.isnan(found.low) and np.isnan(found.high)


def test_a_finding_that_no_drawn_patient_has_is_left_out():
    """Two patients with one finding each: a resample holds one or both, and its macro average is over what it holds."""
    found = bootstrap_mean(
        np.array([0.0, 1.0]),
        np.array(["p", "q"]),
        average="macro",
        findings=np.array(["a", "b"]),
        rng=np.random.default_rng(0),
    )
    assert (found.low, found.estimate, found.high) == (0, 0.5, 1)


@pytest.mark.parametrize(
    ("values", "patients", "arguments", "message"),
    [
        ([], [], {}, "0 values"),
        ([1.0, 2.0], ["p"], {}, "2 values, 1 patients"),
        ([1.0, np.nan], ["p", "q"], {}, "value 1 is nan"),
        ([1.0], ["p"], {"average": "macro"}, "one finding for each value"),
        ([1.0], ["p"], {"average": "median"}, "'sample' or 'macro'"),
    ],
)
def test_bad_values_are_named(values, patients, arguments, message):
    with pytest.raises(InputError, match=message):
        bootstrap_mean(values, patients, rng=np.random.default_rng(0), **arguments)


# --- score rows and training seeds ---


def three_seeds(gain: float = 0.0) -> list[pd.DataFrame]:
    values, patients, findings = sample()
    noise = np.random.default_rng(9)
    return [frame(values + gain + k / 10 + 0.1 * noise.normal(size=60), patients, findings) for k in range(3)]


@pytest.mark.parametrize("average", ["sample", "macro"])
def test_seeds_are_averaged_row_by_row_for_the_interval_and_kept_for_the_effects(average):
    a, b = three_seeds(1.0), three_seeds()
    effect = compare(a, b, "cnr", average, 300, np.random.default_rng(2))
    left, right = (np.mean([seed["cnr"] for seed in arm], axis=0) for arm in (a, b))
    findings = a[0]["finding"].to_numpy()
    patients, rng = a[0]["patient"].to_numpy(), np.random.default_rng(2)
    by_hand = bootstrap_mean(left - right, patients, average=average, findings=findings, resamples=300, rng=rng)
    assert astuple(effect.interval) == pytest.approx(astuple(by_hand))
    expected = [mean(x["cnr"] - y["cnr"], average, findings) for x, y in zip(a, b, strict=True)]
    assert effect.seed_effects == pytest.approx(expected)
    assert np.mean(effect.seed_effects) == pytest.approx(effect.interval.estimate)
    assert effect.spread == pytest.approx(np.std(expected, ddof=1))


def test_one_foundation_is_compared_with_every_seed():
    a, foundation = three_seeds(1.0), three_seeds()[0]
    one, three = (compare(a, b, "cnr", "macro", 50, np.random.default_rng(0)) for b in ([foundation], [foundation] * 3))
    assert one == three
    assert len(one.seed_effects) == 3
    swapped = compare([foundation], a, "cnr", "macro", 50, np.random.default_rng(0))
    assert swapped.seed_effects == pytest.approx([-effect for effect in one.seed_effects])
    assert swapped.interval.low == pytest.approx(-one.interval.high)


def test_the_order_of_rows_changes_nothing():
    a, b = three_seeds(1.0), three_seeds()
    shuffled = [seed.sample(frac=1, random_state=i) for i, seed in enumerate(b)]
    expected = compare(a, b, "cnr", "macro", 100, np.random.default_rng(0))
    assert compare(a, shuffled, "cnr", "macro", 100, np.random.default_rng(0)) == expected
    assert compare(a[::-1], b[::-1], "cnr", "macro", 100, np.random.default_rng(0)).interval.low == pytest.approx(
        expected.interval.low
    )


def test_against_a_number():
    a = three_seeds()
    plain = summarise(a, "cnr", "sample", 100, np.random.default_rng(0))
    above = compare(a, 0.5, "cnr", "sample", 100, np.random.default_rng(0))
    assert plain.seed_effects == pytest.approx([seed["cnr"].mean() for seed in a])
    assert above.interval.low == pytest.approx(plain.interval.low - 0.5)
    assert above.seed_effects == pytest.approx([effect - 0.5 for effect in plain.seed_effects])


def test_repeats_over_noise_seeds_are_averaged():
    values, patients, findings = sample()
    repeats = pd.concat([frame(values + shift, patients, findings, noise_seed=k) for k, shift in enumerate((-1, 0, 4))])
    found = summarise([repeats], "cnr", "sample", 50, np.random.default_rng(0))
    expected = summarise([frame(values + 1, patients, findings)], "cnr", "sample", 50, np.random.default_rng(0))
    assert found.interval.low == pytest.approx(expected.interval.low)
    assert found.interval.n_rows == 60
    assert np.isnan(found.spread)


def test_what_cannot_be_compared_is_named():
    a, b = three_seeds(1.0), three_seeds()

    def fails(a, b, message, metric="cnr"):
        with pytest.raises(InputError, match=message):
            compare(a, b, metric, "macro", 10, np.random.default_rng(0))

    fails(a, [b[0], b[1].drop(index=[4, 7]), b[2]], r"model b, seed 2 of 3: lacks 2 of 60 examples, such as 'e004'")
    fails([frame.drop(index=5) for frame in a], b, r"model b: alone has 1 of 60 examples, such as 'e005'")
    fails(a, b[:2], "3 seeds against 2")
    fails([], b, "model a: no score rows")
    fails(a, [], "model b: no score rows")
    fails(a, b, "model a, seed 1 of 3: score rows have no column 'auc'", metric="auc")
    fails([pd.concat([a[0], a[0].head(1)])], b, "example 'e000' has several rows")
    fails([a[0].assign(cnr=np.where(np.arange(60) == 3, np.nan, a[0]["cnr"]))], b, "cnr of example 'e003' is nan")


# --- rank correlation ---


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(-3, 3)), min_size=3, max_size=30))
def test_correlation_is_that_of_scipy_ties_included(pairs):
    x, y = np.array(pairs, dtype=float).T
    found = statistics.spearman(x, y)
    if len(set(x)) == 1 or len(set(y)) == 1:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(scipy.stats.spearmanr(x, y).statistic, abs=1e-9)


def test_resamples_take_all_pairs_of_a_unit_as_often_as_it_was_drawn():
    rng = np.random.default_rng(0)
    units = np.repeat(np.arange(12), [1, 2, 3] * 4)
    x = rng.integers(0, 8, len(units)).astype(float)
    y = x + rng.standard_normal(len(units))
    found = statistics.rank_correlation(x, y, units, resamples=40, rng=np.random.default_rng(3))
    drawn = np.random.default_rng(3).integers(12, size=(40, 12))
    rows = [np.concatenate([np.flatnonzero(units == unit) for unit in draw]) for draw in drawn]
    each = [scipy.stats.spearmanr(x[row], y[row]).statistic for row in rows]
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(each, [0.025, 0.975])))
    assert (found.n_patients, found.n_rows) == (12, len(units))
    assert found.estimate == statistics.spearman(x, y)


def test_correlations_that_cannot_be_computed():
    rng = np.random.default_rng(0)
    for x, units in (([], []), ([1.0, 2.0], ["a", "a"]), ([1.0, 1.0], ["a", "b"])):
        found = statistics.rank_correlation(x, x, units, resamples=9, rng=rng)
        assert np.isnan(found.low) and np.isnan(found.high)
    with pytest.raises(InputError, match="one unit for each pair"):
        statistics.rank_correlation([1, 2], [1, 2], ["a"], rng=rng)
    with pytest.raises(InputError, match="not finite"):
        statistics.rank_correlation([1, np.nan], [1, 2], ["a", "b"], rng=rng)


@pytest.mark.parametrize(("pairs", "least"), [(5, 1.0), (6, 0.886), (7, 0.786), (8, 0.738)])
def test_the_least_correlation_beyond_chance_is_that_of_the_printed_tables(pairs, least):
    """Two-sided 5 % points of Spearman's coefficient (Zar 1972)."""
    assert statistics.least_correlation(pairs) == pytest.approx(least, abs=5e-4)


def test_the_least_correlation_is_reached_by_one_order_in_twenty_at_most():
    orders = [scipy.stats.spearmanr(range(6), order).statistic for order in itertools.permutations(range(6))]
    sizes = np.round(np.abs(orders), 9)
    least = statistics.least_correlation(6)
    assert (sizes >= least - 1e-9).mean() <= 0.05 < (sizes >= sizes[sizes < least - 1e-9].max()).mean()


def test_the_least_correlation_of_few_and_of_many_pairs():
    assert np.isnan([statistics.least_correlation(pairs) for pairs in range(5)]).all()
    found = [statistics.least_correlation(pairs) for pairs in range(5, 60)]
    assert (np.diff(found) < 0).all()
    assert statistics.least_correlation(50) == pytest.approx(0.279, abs=0.002)


# --- random halves, for what is no average ---


def means(*sets) -> dict[str, float]:
    return {"difference": float(sets[0].mean() - sets[-1].mean()), "first": float(sets[0].mean())}


def test_halves_are_drawn_without_replacement_by_group_and_shared_between_sets():
    rows = np.arange(24.0)
    groups = np.repeat(list("abcdef"), 4)
    seen = []

    def keep(first, second, third):
        seen.append((first, second, third))
        return {"x": 0.0}

    others = np.repeat(list("uvwx"), 6)
    statistics.subsample(keep, [rows, rows, rows], [groups, groups, others], resamples=30, rng=np.random.default_rng(0))
    whole, *halves = seen
    assert all(np.array_equal(part, rows) for part in whole)
    for first, second, third in halves:
        assert len(np.unique(first)) == len(first) == 12 and len(third) == 12
        assert np.array_equal(first, second)
        assert set(first) == {row for row in rows if groups[int(row)] in groups[first.astype(int)]}
    assert len({tuple(first) for first, _, _ in halves}) > 10


def test_the_interval_is_the_spread_of_the_halves_around_the_estimate_of_all_rows():
    rows, values = np.random.default_rng(1).gamma(1.0, size=20), []

    def largest(part):
        values.append(part.max())
        return {"largest": part.max()}

    rng = np.random.default_rng(2)
    found = statistics.subsample(largest, [rows], [np.arange(20)], resamples=100, rng=rng, level=0.8)["largest"]
    margin = scipy.stats.norm.ppf(0.9) * np.std(values[1:], ddof=1)
    assert (found.estimate, found.low, found.high) == pytest.approx((values[0], values[0] - margin, values[0] + margin))
    assert (found.n_patients, found.n_rows) == (20, 20)


@pytest.mark.parametrize("size", [40, 41])
def test_intervals_of_halves_cover_and_are_as_wide_as_those_of_theory(size):
    """A mean of normal rows: 95 % of the intervals hold the truth, and their width is 2 x 1.96 / sqrt(n)."""
    covered, widths = 0, []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        rows = rng.normal(size=size)
        found = statistics.subsample(
            lambda part: {"mean": part.mean()}, [rows], [np.arange(size)], resamples=150, rng=rng
        )["mean"]
        covered += found.low <= 0 <= found.high
        widths.append(found.high - found.low)
    assert 0.90 <= covered / 300 <= 0.98
    assert np.mean(widths) == pytest.approx(2 * 1.96 / np.sqrt(size), rel=0.08)


def test_rows_of_a_group_are_one_piece_of_evidence():
    """Ten equal rows a patient: the interval is that of the patients, not of the rows."""
    values = np.random.default_rng(0).normal(size=30)
    rows, patients = np.repeat(values, 10), np.repeat(np.arange(30), 10)
    options = {"resamples": 400}
    by_patient, by_row, alone = (
        statistics.subsample(means, [r], [g], rng=np.random.default_rng(1), **options)["first"]
        for r, g in ((rows, patients), (rows, np.arange(300)), (values, np.arange(30)))
    )
    width = alone.high - alone.low
    assert by_patient.high - by_patient.low == pytest.approx(width, rel=0.1)
    assert by_row.high - by_row.low < 0.5 * width


def test_sets_with_common_groups_are_compared_in_pairs():
    """Two models on the same patients: what the patients share cancels."""
    rng = np.random.default_rng(0)
    shared = 10 * rng.normal(size=50)
    first, second = shared + 0.1 * rng.normal(size=50), shared + 0.1 * rng.normal(size=50)
    patients, others = np.arange(50), np.arange(50, 100)
    paired, unpaired = (
        statistics.subsample(means, [first, second], [patients, names], rng=np.random.default_rng(1))["difference"]
        for names in (patients, others)
    )
    assert paired.high - paired.low < 0.2 < 2 < unpaired.high - unpaired.low


def test_a_statistic_without_a_value_in_some_half_has_no_interval():
    rows = np.array([1.0] + [0.0] * 9)
    found = statistics.subsample(
        lambda part: {"x": 1.0 if part.any() else float("nan")}, [rows], [np.arange(10)], rng=np.random.default_rng(0)
    )["x"]
    assert found.estimate == 1 and np.isnan(found.low) and np.isnan(found.high)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (["a"] * 5, "1 groups in a set; give two different ones or more"),
        (["a", "b"], "5 rows, 2 groups; give one group for each row"),
        (["a", "b", "c", "d", "e", "f"], "5 rows, 6 groups"),
    ],
)
def test_groups_that_do_not_fit_are_refused(groups, message):
    with pytest.raises(InputError, match=message):
        statistics.subsample(means, [np.zeros(5)], [np.array(groups)], rng=np.random.default_rng(0))


def test_the_same_groups_and_seed_give_the_same_halves_whatever_the_rows():
    groups = [np.repeat(list("abcde"), 2), np.repeat(list("vwxyz"), 3)]
    first, second = (list(statistics.halves(groups, 6, np.random.default_rng(3))) for _ in range(2))
    assert len(first) == 6
    for one, other in zip(first, second, strict=True):
        assert [mask.tolist() for mask in one] == [mask.tolist() for mask in other]
        assert [len(mask) for mask in one] == [10, 15]
    assert len({tuple(mask) for mask, _ in first}) > 1


def test_an_interval_from_halves_by_hand():
    found = statistics.from_halves(5.0, np.array([1.0, 2.0, 3.0]), 7, 9)
    assert (found.low, found.high) == pytest.approx((5 - 1.959964, 5 + 1.959964))
    assert (found.estimate, found.n_patients, found.n_rows) == (5.0, 7, 9)


def test_two_models_are_compared_half_by_half_and_seed_by_seed():
    a = np.array([[5.0, 7.0], [4.0, 8.0], [6.0, 9.0]])
    b = np.array([[1.0], [2.0], [1.0]])
    found = statistics.compare_halves(a, b, 7, 9)
    assert found.seed_effects == (4.0, 6.0) and found.interval.estimate == 5.0
    half = 1.959964 * np.std([4.0, 6.5], ddof=1)
    assert (found.interval.low, found.interval.high) == pytest.approx((5 - half, 5 + half))
    assert statistics.compare_halves(a, a, 7, 9).seed_effects == (0.0, 0.0)
    assert statistics.compare_halves(a, 1.0, 7, 9).interval.estimate == 5.0
    for other in (a[:2], np.zeros((3, 3))):
        with pytest.raises(InputError, match=r"compare_halves: \(3, 2\) halves x seeds against"):
            statistics.compare_halves(a, other, 7, 9)
