"""Distances between sets of features: against closed forms, reference libraries and brute force."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from plainsight import statistics
from plainsight.errors import InputError
from plainsight.metrics import generation
from plainsight.seeding import numpy_generator

MEASURES = [generation.frechet_distance, generation.kid, generation.neighbourhood_scores]


def features(n: int, dim: int, seed: int, shift: float = 0.0, scale: float = 1.0) -> np.ndarray:
    """Correlated features, as those of a network are."""
    rng = np.random.default_rng(seed)
    mix = np.random.default_rng(dim).normal(size=(dim, dim))
    return shift + scale * rng.normal(size=(n, dim)) @ mix


def standardised(n: int, dim: int, seed: int) -> np.ndarray:
    """Rows whose mean is exactly 0 and whose unbiased covariance is exactly the identity, up to rounding."""
    rows = np.random.default_rng(seed).normal(size=(n, dim))
    rows -= rows.mean(axis=0)
    return np.linalg.qr(rows)[0] * np.sqrt(n - 1)


# --- Frechet distance ---


def test_frechet_distance_of_diagonal_gaussians_is_the_closed_form():
    """Sum over axes of (difference of means)^2 + (difference of standard deviations)^2."""
    rng = np.random.default_rng(0)
    means, stds = rng.normal(size=(2, 6)), rng.uniform(0.1, 3, size=(2, 6))
    a, b = (mean + std * standardised(50, 6, seed) for seed, (mean, std) in enumerate(zip(means, stds, strict=True)))
    expected = np.square(means[0] - means[1]).sum() + np.square(stds[0] - stds[1]).sum()
    assert generation.frechet_distance(a, b) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(("n", "m", "dim"), [(200, 150, 5), (400, 300, 30), (50, 60, 50)])
def test_frechet_distance_is_that_of_torchmetrics(n, m, dim):
    from torchmetrics.image.fid import _compute_fid

    a, b = features(n, dim, 0), features(m, dim, 1, shift=0.3, scale=1.4)
    statistics = [torch.from_numpy(part(x)) for x in (a, b) for part in (lambda x: x.mean(0), lambda x: np.cov(x.T))]
    assert generation.frechet_distance(a, b) == pytest.approx(_compute_fid(*statistics).item(), rel=1e-6)


def test_frechet_distance_is_that_of_the_matrix_square_root():
    a, b = features(80, 8, 0), features(90, 8, 1, shift=1.0, scale=0.5)
    first, second = np.cov(a.T), np.cov(b.T)
    root = sqrtm(first @ second)
    expected = np.square(a.mean(0) - b.mean(0)).sum() + np.trace(first + second - 2 * root).real
    assert generation.frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("n", "m", "dim"), [(5, 7, 40), (6, 100, 20), (100, 6, 20)])
def test_fewer_images_than_features_give_the_same_as_the_square_root_of_the_covariance(n, m, dim):
    """tr sqrt(S1 S2) = tr sqrt(sqrt(S1) S2 sqrt(S1)), which is symmetric: no trouble with a singular S1."""
    a, b = features(n, dim, 0), features(m, dim, 1, shift=0.2)
    first, second = np.cov(a.T), np.cov(b.T)
    values, vectors = np.linalg.eigh(first)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    overlap = np.sqrt(np.linalg.eigvalsh(root @ second @ root).clip(0)).sum()
    expected = np.square(a.mean(0) - b.mean(0)).sum() + np.trace(first) + np.trace(second) - 2 * overlap
    assert generation.frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("n", "dim"), [(40, 6), (6, 40), (20, 20)])
def test_equal_sets_have_no_distance(n, dim):
    a = features(n, dim, 0, shift=2.0)
    scale = np.trace(np.cov(a.T))
    assert generation.frechet_distance(a, a) == pytest.approx(0, abs=1e-12 * scale)
    assert generation.frechet_distance(a, a[::-1]) == pytest.approx(0, abs=1e-12 * scale)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.integers(2, 12), st.integers(2, 12), st.integers(1, 8), st.floats(0.1, 10))
def test_frechet_distance_is_symmetric_not_negative_and_scales_as_a_square(seed, n, m, dim, factor):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(n, dim)), rng.normal(size=(m, dim)) + 1
    distance = generation.frechet_distance(a, b)
    tolerance = 1e-10 * (np.square(a).sum() + np.square(b).sum())
    assert distance > -tolerance
    assert generation.frechet_distance(b, a) == pytest.approx(distance, abs=tolerance)
    assert generation.frechet_distance(factor * a, factor * b) == pytest.approx(
        factor**2 * distance, abs=factor**2 * tolerance
    )
    turn = np.linalg.qr(rng.normal(size=(dim, dim)))[0]
    assert generation.frechet_distance(a @ turn, b @ turn) == pytest.approx(distance, abs=tolerance)


def test_a_fitted_gaussian_stands_for_its_features():
    a, b = features(30, 4, 0), features(20, 4, 1)
    fitted = generation.fit_gaussian(a)
    np.testing.assert_allclose(fitted.root.T @ fitted.root, np.cov(a.T))
    assert generation.frechet_distance(fitted, b) == generation.frechet_distance(a, b)


def test_tensors_and_single_precision_are_taken():
    a, b = features(30, 4, 0).astype(np.float32), features(20, 4, 1).astype(np.float32)
    expected = generation.frechet_distance(a.astype(np.float64), b.astype(np.float64))
    assert generation.frechet_distance(torch.from_numpy(a), torch.from_numpy(b)) == expected


def test_infinitely_many_images_take_the_bias_away():
    """Equal Gaussians: the distance of 400 images is far from 0, the extrapolated one is near."""
    real = standardised(20000, 20, 0)
    plain, extrapolated = [], []
    for seed in range(20):
        generated = np.random.default_rng(seed + 1).normal(size=(400, 20))
        plain.append(generation.frechet_distance(real, generated))
        extrapolated.append(generation.fid_infinity(real, generated, np.random.default_rng(seed)))
    assert np.mean(plain) > 0.2
    assert abs(np.mean(extrapolated)) < 0.25 * np.mean(plain)


def test_infinity_is_the_intercept_of_a_straight_line_through_subsets():
    real, generated = features(60, 3, 0), features(100, 3, 1, shift=0.4)
    sizes = np.linspace(10, 100, 15).round().astype(int)
    rng = np.random.default_rng(4)
    distances = [generation.frechet_distance(real, generated[rng.permutation(100)[:size]]) for size in sizes]
    slope, intercept = np.polyfit(1 / sizes, distances, 1)
    found = generation.fid_infinity(real, generated, np.random.default_rng(4))
    assert found == pytest.approx(intercept, rel=1e-6)
    assert slope > 0


def test_infinity_needs_more_images_than_features():
    with pytest.raises(InputError, match="12 generated images and 10 features; give at least 13 images"):
        generation.fid_infinity(features(50, 10, 0), features(12, 10, 1), np.random.default_rng(0))
    generation.fid_infinity(features(50, 10, 0), features(13, 10, 1), np.random.default_rng(0))


# --- kernel inception distance ---


def test_kid_is_a_double_loop_over_pairs():
    a, b = features(7, 3, 0), features(9, 3, 1, shift=0.5)

    def kernel(x, y):
        return (sum(p * q for p, q in zip(x, y, strict=True)) / 3 + 1) ** 3

    def within(rows):
        pairs = [kernel(x, y) for i, x in enumerate(rows) for j, y in enumerate(rows) if i != j]
        return sum(pairs) / len(pairs)

    across = [kernel(x, y) for x in a for y in b]
    assert generation.kid(a, b) == pytest.approx(within(a) + within(b) - 2 * sum(across) / len(across), rel=1e-10)


def test_kid_is_that_of_torchmetrics():
    from torchmetrics.image.kid import poly_mmd

    a, b = features(60, 10, 0), features(60, 10, 1, scale=1.2)
    expected = poly_mmd(torch.from_numpy(a), torch.from_numpy(b), degree=3, gamma=None, coef=1.0).item()
    assert generation.kid(a, b) == pytest.approx(expected, rel=1e-6)


def test_kid_is_unbiased_for_small_sets():
    values = [generation.kid(*np.split(np.random.default_rng(seed).normal(size=(20, 4)), 2)) for seed in range(2000)]
    standard_error = np.std(values) / np.sqrt(len(values))
    assert abs(np.mean(values)) < 4 * standard_error
    assert min(values) < 0 < max(values)


def test_kid_of_equal_rows_is_no_more_than_zero():
    """Without the pairs of an image with itself, equal sets fall below 0 by the share of those pairs."""
    a = features(40, 3, 0)
    assert generation.kid(a, a) < 0


# --- precision, recall, density, coverage ---


def brute_force(real: np.ndarray, generated: np.ndarray) -> dict[str, float]:
    def radius(rows, i, k):
        others = sorted(np.sqrt(((rows[i] - row) ** 2).sum()) for j, row in enumerate(rows) if j != i)
        return others[k - 1]

    def inside(centres, i, k, point):
        return np.sqrt(((centres[i] - point) ** 2).sum()) <= radius(centres, i, k)

    def any_ball(centres, point):
        return any(inside(centres, i, 3, point) for i in range(len(centres)))

    hits = [[inside(real, i, 5, point) for point in generated] for i in range(len(real))]
    return {
        "precision": np.mean([any_ball(real, point) for point in generated]),
        "recall": np.mean([any_ball(generated, point) for point in real]),
        "density": np.sum(hits) / (5 * len(generated)),
        "coverage": np.mean([any(row) for row in hits]),
    }


@pytest.mark.parametrize("shift", [0.0, 1.0, 3.0])
def test_neighbourhood_scores_are_those_of_a_brute_force(shift):
    a, b = features(12, 2, 0), features(9, 2, 1, shift=shift)
    assert generation.neighbourhood_scores(a, b) == pytest.approx(brute_force(a, b))


def test_neighbourhood_scores_of_equal_and_of_far_sets():
    a = features(30, 4, 0)
    same = generation.neighbourhood_scores(a, a)
    assert same["precision"] == same["recall"] == same["coverage"] == 1
    # Every ball holds its own centre and its 5 neighbours.
    assert same["density"] == pytest.approx(6 / 5)
    far = generation.neighbourhood_scores(a, a + 1000)
    assert set(far.values()) == {0.0}


def test_one_stray_real_image_moves_precision_and_hardly_density():
    """Naeem et al. (2020), figure 2: the stray image's ball takes in everything."""
    rng = np.random.default_rng(0)
    real, generated = rng.normal(size=(100, 3)), rng.normal(size=(100, 3)) + 20
    stray = np.concatenate([real, [[25.0, 25.0, 25.0]]])
    before, after = (generation.neighbourhood_scores(rows, generated) for rows in (real, stray))
    assert before["precision"] == 0 and after["precision"] == 1
    assert after["density"] == pytest.approx(1 / 5)


def test_a_model_that_repeats_itself_is_realistic_but_not_diverse():
    rng = np.random.default_rng(0)
    real = rng.normal(size=(200, 2))
    collapsed = real[:1] + 1e-3 * rng.normal(size=(200, 2))
    found = generation.neighbourhood_scores(real, collapsed)
    assert found["precision"] == 1 and found["recall"] < 0.05 and found["coverage"] < 0.1


# --- intervals ---


def test_intervals_from_random_halves_cover():
    """Truth by many draws: for KID the distance itself, for FID its expectation at this number of images."""

    def measures(real, generated):
        return {"fid": generation.frechet_distance(real, generated), "kid": generation.kid(real, generated)}

    def draw(seed):
        rng = np.random.default_rng(seed)
        return rng.normal(size=(60, 3)), 0.6 + 1.2 * rng.normal(size=(50, 3))

    truth = {name: np.mean([measures(*draw(seed))[name] for seed in range(2000)]) for name in ("fid", "kid")}
    covered = dict.fromkeys(truth, 0)
    for seed in range(150):
        sets = draw(10_000 + seed)
        names = [[f"{which}{i}" for i in range(len(rows))] for which, rows in zip("rg", sets, strict=True)]
        found = statistics.subsample(measures, sets, names, resamples=60, rng=np.random.default_rng(seed))
        for name, interval in found.items():
            covered[name] += interval.low <= truth[name] <= interval.high
    assert all(0.88 <= count / 150 <= 1 for count in covered.values()), covered


# --- all of them ---


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6))
def test_the_order_of_the_images_changes_nothing(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(14, 3)), rng.normal(size=(11, 3))
    for measure in MEASURES:
        shuffled = measure(rng.permutation(a), rng.permutation(b))
        assert shuffled == pytest.approx(measure(a, b), rel=1e-9, abs=1e-9)


def test_scores_hold_all_metrics_and_say_nothing_where_they_cannot():
    def missing(n_real: int, n_generated: int, columns: int) -> list[str]:
        sets = features(n_real, columns, 0), features(n_generated, columns, 1)
        found = generation.scores(*sets, np.random.default_rng(0))
        assert tuple(found) == generation.METRICS
        return [name for name, value in found.items() if np.isnan(value)]

    assert missing(40, 30, 5) == []
    assert missing(40, 32, 30) == ["fid_infinity"]
    assert missing(5, 32, 2) == ["precision", "recall", "density", "coverage"]
    assert missing(40, 1, 2) == list(generation.METRICS)


def test_scores_that_are_not_asked_for_are_left_out():
    sets = features(40, 5, 0), features(30, 5, 1)
    rng = np.random.default_rng(0)
    everything = generation.scores(*sets, np.random.default_rng(0))
    assert generation.scores(*sets, rng, ("recall", "fid")) == {name: everything[name] for name in ("fid", "recall")}


def test_scores_by_half_are_those_of_the_halves():
    real, generated = features(60, 4, 0), features(80, 4, 1, shift=0.5)
    patients = [np.repeat(np.arange(n // 2), 2) for n in (60, 80)]
    found = generation.by_half(real, generated, *patients, resamples=6, seed=3)
    assert list(found.columns) == ["half", "metric", "value"]
    assert found.groupby("half")["metric"].agg(tuple).to_dict() == dict.fromkeys(range(-1, 6), generation.METRICS)
    parts = [[np.ones(60, bool), np.ones(80, bool)]]
    parts += statistics.halves(patients, 6, numpy_generator(3, generation.HALVES))
    for half, (mine, theirs) in enumerate(parts, start=-1):
        expected = generation.scores(real[mine], generated[theirs], numpy_generator(3, "fid_infinity"))
        assert found.loc[found["half"] == half, "value"].tolist() == list(expected.values())
    assert found["value"].nunique() > 30


def test_halves_do_not_depend_on_the_images():
    real, generated = features(20, 2, 0), features(20, 2, 1)
    changed = generated.copy()
    changed[0] += 100  # one image of patient 0
    patients = np.repeat(np.arange(10), 2)
    a, b = (
        generation.by_half(real, made, patients, patients, 20, seed=0, metrics=("fid",))["value"]
        for made in (generated, changed)
    )
    assert 0 < (a != b).sum() < 21


@pytest.mark.parametrize("measure", MEASURES)
def test_bad_features_are_named(measure):
    good, bad = features(10, 3, 0), features(10, 3, 1)
    bad[4, 1] = np.nan
    with pytest.raises(InputError, match="row 4 holds values that are not finite"):
        measure(good, bad)
    with pytest.raises(InputError, match="expected a row an image"):
        measure(good[:, 0], good)
    with pytest.raises(InputError, match="two images or more"):
        measure(good[:1], good)
    with pytest.raises(InputError, match="3 and 2 columns; use one extractor"):
        measure(good, good[:, :2])


def test_neighbourhood_scores_need_six_images():
    a = features(6, 2, 0)
    generation.neighbourhood_scores(a, a)
    with pytest.raises(InputError, match="a set of 5 images; give at least 6"):
        generation.neighbourhood_scores(a, a[:5])
