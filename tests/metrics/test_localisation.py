from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import norm
from skimage.transform import resize
from sklearn.metrics import jaccard_score, roc_auc_score

from plainsight.errors import InputError
from plainsight.metrics.localisation import (
    METRICS,
    THRESHOLDS,
    area_fraction,
    foreground_background_iou,
    score,
    score_batch,
    segment_by_mixture,
)
from plainsight.worlds.radiographs import boxes_to_mask


def draw(seed: int, shape: tuple[int, int] = (24, 32), distinct: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """A map that is higher inside a box, and the box; with few ``distinct`` values if asked."""
    rng = np.random.default_rng(seed)
    mask = boxes_to_mask([[5, 3, 11, 9]], *shape)
    heatmap = rng.normal(size=shape) + mask
    return (np.round(heatmap * distinct / 6) if distinct else heatmap), mask


def same(a: dict, b: dict, **tolerance: float) -> None:
    assert a.keys() == b.keys()
    np.testing.assert_allclose(list(a.values()), list(b.values()), **tolerance)


# --- references ---


@pytest.mark.parametrize("distinct", [None, 2, 5, 40])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_auc_is_that_of_scikit_learn(distinct, dtype):
    for seed in range(5):
        heatmap, mask = draw(seed, distinct=distinct)
        heatmap = heatmap.astype(dtype)
        assert score(heatmap, mask)["auc"] == pytest.approx(roc_auc_score(mask.ravel(), heatmap.ravel()), abs=1e-12)


small_maps = hnp.arrays(np.float64, (5, 6), elements=st.integers(-3, 3).map(float))
small_masks = hnp.arrays(bool, (5, 6)).filter(lambda mask: mask.any() and not mask.all())


@given(small_maps, small_masks)
@settings(max_examples=50, deadline=None)
def test_every_metric_of_tied_maps_is_its_definition(heatmap, mask):
    found = score(heatmap, mask)
    inside, outside = heatmap[mask], heatmap[~mask]
    assert found["auc"] == pytest.approx(roc_auc_score(mask.ravel(), heatmap.ravel()))
    assert found["top1"] == pytest.approx(mask[heatmap == heatmap.max()].mean())
    noise = np.sqrt(inside.var() + outside.var())
    if noise > 1e-9:
        assert found["cnr"] == pytest.approx((inside.mean() - outside.mean()) / noise)
    assert found["cnr_abs"] == abs(found["cnr"])
    if heatmap.min() < heatmap.max():
        unit = (heatmap - heatmap.min()) / (heatmap.max() - heatmap.min())
        ious = [jaccard_score(mask.ravel(), (unit > threshold).ravel()) for threshold in THRESHOLDS]
        assert found["miou"] == pytest.approx(np.mean(ious))


def test_auc_and_miou_are_those_of_torchmetrics():
    from torchmetrics.functional.classification import binary_auroc, binary_jaccard_index

    heatmap, mask = draw(3)
    unit = torch.from_numpy((heatmap - heatmap.min()) / np.ptp(heatmap))
    target = torch.from_numpy(mask).int()
    ious = [binary_jaccard_index(unit, target, threshold=threshold).item() for threshold in THRESHOLDS]
    found = score(heatmap, mask)
    assert found["auc"] == pytest.approx(binary_auroc(unit.flatten(), target.flatten()).item(), abs=1e-5)
    assert found["miou"] == pytest.approx(np.mean(ious), abs=1e-6)


# --- closed forms ---


def test_two_normal_distributions():
    """Normal quantiles as pixels: CNR = (m1 - m2) / sqrt(s1^2 + s2^2), and AUC is the normal CDF of it."""
    mask = np.repeat([True, False], 50)[:, None] & np.ones((100, 100), dtype=bool)
    quantiles = norm.ppf((np.arange(5000) + 0.5) / 5000)
    heatmap = np.empty((100, 100))
    heatmap[mask], heatmap[~mask] = 1.5 + 0.6 * quantiles, 0.7 + 0.8 * quantiles
    found = score(heatmap, mask)
    assert found["cnr"] == pytest.approx(0.8, abs=2e-3)
    assert found["auc"] == pytest.approx(norm.cdf(0.8), abs=1e-3)


def test_step_map_that_half_overlaps_its_box():
    """Mask and step are 4 x 8 pixels of 16 x 16 each and share 4 x 4: every metric by hand."""
    mask, step = boxes_to_mask([[0, 0, 8, 4]], 16, 16), boxes_to_mask([[4, 0, 8, 4]], 16, 16)
    found = score(0.3 + 2.0 * step, mask)
    miss, false_alarm = 16 / 32, 16 / 224
    assert found["auc"] == pytest.approx((1 - miss + 1 - false_alarm) / 2)
    assert found["top1"] == 0.5
    noise = np.sqrt(miss * (1 - miss) + false_alarm * (1 - false_alarm))
    assert found["cnr"] == pytest.approx((1 - miss - false_alarm) / noise)
    assert found["miou"] == pytest.approx(16 / 48)


def test_ramp():
    """A ramp over 100 columns, the right fifth inside: above threshold t lie 100 (1 - t) columns, 20 of them inside."""
    heatmap = np.tile(np.linspace(0, 1, 101)[:100] + 1e-6, (3, 1))
    mask = boxes_to_mask([[80, 0, 20, 3]], 3, 100)
    found = score(heatmap, mask)
    assert (found["auc"], found["top1"]) == (1, 1)
    assert found["miou"] == pytest.approx(np.mean([20 / (100 * (1 - t)) for t in THRESHOLDS]), rel=0.02)


# --- what has no natural answer ---


@pytest.mark.parametrize("value", [0.0, 0.1, -3.3e7])
def test_constant_map(value):
    mask = boxes_to_mask([[1, 1, 3, 2]], 6, 8)
    expected = {"auc": 0.5, "top1": 6 / 48, "cnr": 0.0, "cnr_abs": 0.0, "miou": 0.0, "miou_gmm_fgbg": 0.0}
    same(score(np.full((6, 8), value), mask, gmm=True), expected)
    same(score(np.full((6, 8), value, dtype=np.float32), mask, gmm=True), expected)


@pytest.mark.parametrize("fill", [True, False])
def test_empty_and_full_masks_have_no_score(fill):
    found = score(draw(0)[0], np.full((24, 32), fill), gmm=True)
    assert len(found) == 6 and all(np.isnan(value) for value in found.values())


def test_map_equal_to_its_mask():
    _, mask = draw(0)
    expected = {"auc": 1.0, "top1": 1.0, "cnr": np.inf, "cnr_abs": np.inf, "miou": 1.0}
    same(score(0.1 + 0.7 * mask, mask), expected)
    assert score(0.1 - 0.7 * mask, mask)["cnr"] == -np.inf


@pytest.mark.parametrize("gmm", [False, True])
def test_pixels_without_a_value_are_left_out(gmm):
    """A map that is NaN outside a crop scores as the crop does."""
    heatmap, mask = draw(1)
    framed = np.full_like(heatmap, np.nan)
    crop = np.s_[2:20, 4:30]
    framed[crop] = heatmap[crop]
    same(score(framed, mask, gmm), score(heatmap[crop], mask[crop], gmm), rtol=0)


def test_map_without_any_value_and_mask_outside_the_crop_have_no_score():
    heatmap, mask = draw(1)
    assert all(np.isnan(value) for value in score(np.full_like(heatmap, np.nan), mask, gmm=True).values())
    heatmap[mask] = np.nan
    assert all(np.isnan(value) for value in score(heatmap, mask).values())


def test_the_largest_numbers_are_on_a_scale_like_any_other():
    heatmap, mask = np.array([[-1.5e308, 1.5e308], [0.0, 0.75e308]]), np.array([[0, 1], [0, 1]])
    assert score(heatmap, mask) == pytest.approx(score(heatmap / 1e308, mask))


@pytest.mark.parametrize(
    ("heatmap", "mask", "message"),
    [
        (np.zeros((4, 5)), np.ones((5, 4), dtype=bool), r"heat map \(4, 5\) and mask \(5, 4\)"),
        (np.zeros(5), np.ones(5, dtype=bool), "H x W"),
        (np.array([[0.0, np.inf]]), np.array([[True, False]]), "heat map: holds infinite"),
        (np.array([[0.0, 1.0]]), np.array([[np.nan, 0.0]]), "mask: holds NaN"),
    ],
)
def test_bad_input_is_named(heatmap, mask, message):
    with pytest.raises(InputError, match=message):
        score(heatmap, mask)
    with pytest.raises(InputError):
        score_batch(heatmap[None], mask[None])


# --- invariances ---


@given(st.integers(0, 10**6), st.floats(1e-3, 1e3), st.floats(-100, 100))
@settings(max_examples=40, deadline=None)
def test_scale_and_offset_of_the_map_do_not_matter(seed, factor, offset):
    heatmap, mask = draw(seed)
    same(score(factor * heatmap + offset, mask), score(heatmap, mask), rtol=1e-6)


@pytest.mark.parametrize("turn", [np.fliplr, np.flipud, np.transpose, lambda x: np.roll(x, 7, axis=1)])
def test_moving_map_and_mask_together_does_not_matter(turn):
    heatmap, mask = draw(2, distinct=20)
    same(score(turn(heatmap), turn(mask)), score(heatmap, mask), rtol=1e-12)


def test_turning_the_map_upside_down_in_value():
    heatmap, mask = draw(4)
    found, opposite = score(heatmap, mask), score(-heatmap, mask)
    assert opposite["auc"] == pytest.approx(1 - found["auc"])
    assert opposite["cnr"] == pytest.approx(-found["cnr"])
    assert opposite["cnr_abs"] == pytest.approx(found["cnr_abs"])


def test_enlarging_by_nearest_neighbour_changes_nothing_where_the_mask_is_enlarged_too():
    """So the tied block at the maximum counts as one pixel, wherever in the block an argmax would look."""
    heatmap, mask = draw(5, distinct=10)
    block = np.ones((8, 8))
    same(score(np.kron(heatmap, block), np.kron(mask, block)), score(heatmap, mask), rtol=1e-9)


def test_top1_of_a_block_cut_by_the_mask():
    """A 2 x 2 map enlarged to 8 x 8; the mask covers a quarter of the hottest block, so one pick in four hits."""
    heatmap = np.kron([[0.0, 1.0], [0.2, 0.3]], np.ones((4, 4)))
    assert score(heatmap, boxes_to_mask([[6, 2, 2, 2]], 8, 8))["top1"] == 0.25


# --- batches and kinds of arrays ---


@pytest.mark.parametrize("gmm", [False, True])
def test_a_batch_gives_the_same_numbers(gmm):
    pairs = [draw(seed, distinct=None if seed % 2 else 7) for seed in range(6)]
    pairs.append((np.zeros((24, 32)), pairs[0][1]))
    pairs.append((pairs[0][0], np.zeros((24, 32), dtype=bool)))
    batch = score_batch(np.stack([h for h, _ in pairs]), np.stack([m for _, m in pairs]), gmm)
    assert list(batch) == [*METRICS, "miou_gmm_fgbg"][: 6 if gmm else 5]
    for i, (heatmap, mask) in enumerate(pairs):
        same({key: values[i] for key, values in batch.items()}, score(heatmap, mask, gmm), rtol=0)


def test_a_batch_of_none():
    empty = score_batch(np.zeros((0, 4, 4)), np.zeros((0, 4, 4)))
    assert all(values.shape == (0,) for values in empty.values())


def test_tensors_arrays_and_masks_of_any_kind():
    heatmap, mask = draw(6)
    expected = score(heatmap, mask)
    same(score(torch.from_numpy(heatmap).requires_grad_(), torch.from_numpy(mask)), expected, rtol=0)
    same(score(heatmap, mask.astype(np.uint8) * 255), expected, rtol=0)
    half = torch.from_numpy(heatmap).to(torch.bfloat16)
    same(score(half, mask), score(half.double().numpy(), mask), rtol=1e-9)
    whole = np.round(heatmap * 10).astype(int)
    same(score(whole, mask), score(whole.astype(float), mask), rtol=0)


def test_the_input_is_left_as_it_was():
    heatmap, mask = draw(7)
    copies = heatmap.copy(), mask.copy()
    score(heatmap, mask, gmm=True)
    np.testing.assert_array_equal(heatmap, copies[0])
    np.testing.assert_array_equal(mask, copies[1])


# --- the mixture of seeds 000 and 001 ---


def test_mixture_finds_the_box_and_the_majority_filter_rounds_it():
    """A lone hot pixel goes, a corner of the box (4 of 9 neighbours) goes, a hot pixel on the border stays."""
    rng = np.random.default_rng(0)
    box = boxes_to_mask([[8, 8, 6, 6]], 32, 32)
    hot = box.copy()
    hot[20, 25] = hot[0, 3] = True
    segmentation = segment_by_mixture(0.01 + 0.04 * hot + rng.normal(0, 0.002, (32, 32)))
    expected = box.copy()
    expected[[8, 8, 13, 13], [8, 13, 8, 13]] = False
    expected[0, 3] = True
    np.testing.assert_array_equal(segmentation, expected)


def test_mixture_threshold_against_plain_expectation_maximisation():
    rng = np.random.default_rng(1)
    values = np.where(rng.random((40, 40)) < 0.3, rng.normal(3, 0.7, (40, 40)), rng.normal(0, 1, (40, 40)))
    x = values.ravel()
    weights, means, deviations = np.array([0.5, 0.5]), np.quantile(x, [0.2, 0.9]), np.array([1.0, 1.0])
    for _ in range(500):
        joint = weights * norm.pdf(x[:, None], means, deviations)
        share = joint / joint.sum(axis=1, keepdims=True)
        weights, means = share.mean(axis=0), (share * x[:, None]).sum(axis=0) / share.sum(axis=0)
        deviations = np.sqrt((share * (x[:, None] - means) ** 2).sum(axis=0) / share.sum(axis=0))
    ours = segment_by_mixture(values)
    # The border keeps its values, so there the threshold itself shows; the mixture stops early by its tolerance.
    border = np.ones_like(ours)
    border[1:-1, 1:-1] = False
    clear = border & (abs(values - means.mean()) > 0.1)
    np.testing.assert_array_equal(ours[clear], values[clear] > means.mean())


def test_segmentation_does_not_depend_on_the_scale_of_the_map_and_repeats():
    heatmap, _ = draw(8)
    expected = segment_by_mixture(heatmap)
    for factor in (1e-4, 1.0, 1e4):
        np.testing.assert_array_equal(segment_by_mixture(factor * heatmap), expected)


def test_enlarged_segmentation():
    heatmap = draw(9, (16, 16))[0]
    native, large = segment_by_mixture(heatmap), segment_by_mixture(heatmap, (64, 48))
    reference = resize(native.astype(float), (64, 48), order=1, mode="edge", anti_aliasing=False)
    clear = abs(reference - 0.5) > 1e-6
    np.testing.assert_array_equal(large[clear], reference[clear] > 0.5)
    assert segment_by_mixture(np.ones((4, 4)), (8, 8)).shape == (8, 8)


@given(small_masks, small_masks)
@settings(max_examples=50, deadline=None)
def test_foreground_background_iou_is_the_mean_of_two_jaccard_scores(segmentation, mask):
    a, b = segmentation.ravel(), mask.ravel()
    expected = (jaccard_score(b, a) + jaccard_score(~b, ~a)) / 2
    assert foreground_background_iou(segmentation, mask) == pytest.approx(expected)


def test_mixture_score_is_the_segmentation_against_the_mask():
    heatmap, mask = draw(10)
    expected = foreground_background_iou(segment_by_mixture(heatmap), mask)
    assert score(heatmap, mask, gmm=True)["miou_gmm_fgbg"] == expected > 0.3


def test_area_fraction():
    assert area_fraction(boxes_to_mask([[0, 0, 5, 2]], 10, 10)) == 0.1
    assert area_fraction(torch.tensor([[0, 255], [0, 0]])) == 0.25
