"""One heat map against one mask: AUC, top-1, contrast-to-noise ratio and the two mIoUs of the papers.

Maps and masks are H x W; a mask is the union of its boxes (``worlds.radiographs.boxes_to_mask``) or exact. Pixels
where the map is NaN, such as those outside a crop, are left out everywhere. What has no natural answer gets this one:

==================  =====  ================  ====  ====  ==============
                    auc    top1              cnr   miou  miou_gmm_fgbg
==================  =====  ================  ====  ====  ==============
constant map        0.5    share of mask     0     0     0
mask empty or full  NaN    NaN               NaN   NaN   NaN
map equal to mask   1      1                 +inf  1     1
==================  =====  ================  ====  ====  ==============

(A mask counts as empty or full by the pixels that are left; the CNR is infinite because a map that is constant inside
and constant outside has no noise.)
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from scipy import ndimage
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from plainsight.errors import InputError

METRICS = ("auc", "top1", "cnr", "cnr_abs", "miou")
THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5)


def score(heatmap: Any, mask: Any, gmm: bool = False) -> dict[str, float]:
    """Scores of one heat map.

    Args:
        heatmap: H x W array or tensor of finite numbers on any scale, or NaN where there is no prediction; higher means
            "here". No metric changes when the map is multiplied by a positive number or shifted.
        mask: H x W array or tensor of finite numbers; nonzero inside the lesion or its boxes.
        gmm: also compute ``miou_gmm_fgbg``, at the map's own resolution (see `segment_by_mixture`).

    Returns:
        ``auc``: area under the pixel-wise ROC curve, in [0, 1]; ties count half, as in scikit-learn.
        ``top1``: whether the highest pixel is inside, in [0, 1]. Where several share the maximum, the share of them
        that is inside, which is the expectation of picking one at random: a low-resolution map enlarged by nearest
        neighbour always ties over a whole block, and the first pixel of the block (what an argmax returns) would favour
        its upper left corner.
        ``cnr``: contrast-to-noise ratio, (mean inside - mean outside) / sqrt(variance inside + variance outside), with
        population variances; signed (seed 000, eq. 2).
        ``cnr_abs``: its absolute value (seed 000, eq. 3).
        ``miou``: IoU of the foreground, averaged over thresholds .1 to .5 of the map scaled to [0, 1]; strictly above
        the threshold is foreground (Boecking et al. 2022; seed 004, eq. 3).
        ``miou_gmm_fgbg``, if asked for: mean of the IoU of foreground and background (seeds 000 and 001, as published).

    Raises:
        InputError: the shapes differ or are not H x W, the map holds infinite values, or the mask NaN or infinite ones.
    """
    heatmap, mask = _as_map(heatmap), _as_mask(mask)
    _check(heatmap, mask, dimensions=2)
    return _score(heatmap, mask, gmm)


def score_batch(heatmaps: Any, masks: Any, gmm: bool = False) -> dict[str, np.ndarray]:
    """The same scores for N x H x W maps and masks: a dict of float64 arrays of length N, equal to `score` row by row.

    The loop costs next to nothing beside the sorting of each map, and needs memory for one map. Raises as `score` does.
    """
    heatmaps, masks = _as_map(heatmaps), _as_mask(masks)
    _check(heatmaps, masks, dimensions=3)
    rows = [_score(heatmap, mask, gmm) for heatmap, mask in zip(heatmaps, masks, strict=True)]
    keys = (*METRICS, "miou_gmm_fgbg") if gmm else METRICS
    return {key: np.array([row[key] for row in rows], dtype=np.float64) for key in keys}


def _score(heatmap: np.ndarray, mask: np.ndarray, gmm: bool) -> dict[str, float]:
    valid = ~np.isnan(heatmap)
    scores = _score_pixels(np.sort(heatmap[valid & mask]), np.sort(heatmap[valid & ~mask]))
    if gmm:
        scores["miou_gmm_fgbg"] = foreground_background_iou(segment_by_mixture(heatmap)[valid], mask[valid])
    return scores


def _score_pixels(inside: np.ndarray, outside: np.ndarray) -> dict[str, float]:
    """Every metric but the mixture's, from the sorted values inside and the sorted values outside."""
    if not len(inside) or not len(outside):
        return dict.fromkeys(METRICS, float("nan"))
    low = min(inside[0], outside[0])
    high = max(inside[-1], outside[-1])
    # No metric minds an affine map, and on [0, 1] constant regions have a variance of exactly zero.
    scaled_inside, scaled_outside = _unit(inside, low, high), _unit(outside, low, high)
    cnr = _contrast_to_noise(scaled_inside, scaled_outside)
    return {
        "auc": _auc(inside, outside),
        "top1": _top1(inside, outside, high),
        "cnr": cnr,
        "cnr_abs": abs(cnr),
        "miou": _miou(scaled_inside, scaled_outside),
    }


def _unit(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Values scaled to [0, 1] in float64; a constant map becomes 0 and thus stays below every threshold."""
    # Halved, so that the range of the largest numbers is a number, too.
    values, low, high = values.astype(np.float64) / 2, np.float64(low) / 2, np.float64(high) / 2
    return (values - low) / (high - low) if high > low else np.zeros_like(values)


def _auc(inside: np.ndarray, outside: np.ndarray) -> float:
    """Mann-Whitney U over sorted values: for each pixel inside, those outside that are lower, ties as one half."""
    lower = np.searchsorted(outside, inside, side="left").sum(dtype=np.int64)
    not_higher = np.searchsorted(outside, inside, side="right").sum(dtype=np.int64)
    return float((lower + not_higher) / (2 * len(inside) * len(outside)))


def _top1(inside: np.ndarray, outside: np.ndarray, maximum: float) -> float:
    """Share of the pixels at the maximum that lie inside."""
    hits = len(inside) - np.searchsorted(inside, maximum, side="left")
    misses = len(outside) - np.searchsorted(outside, maximum, side="left")
    return float(hits / (hits + misses))


def _contrast_to_noise(inside: np.ndarray, outside: np.ndarray) -> float:
    """Seed 000, eq. 2; 0 where neither contrast nor noise is, infinite where there is contrast alone."""
    contrast = inside.mean() - outside.mean()
    noise = np.sqrt(inside.var() + outside.var())
    if noise == 0:
        return float(np.copysign(np.inf, contrast)) if contrast else 0.0
    return float(contrast / noise)


def _miou(inside: np.ndarray, outside: np.ndarray) -> float:
    """Foreground IoU averaged over `THRESHOLDS`, from sorted values in [0, 1]."""
    hits = len(inside) - np.searchsorted(inside, THRESHOLDS, side="right")
    false_alarms = len(outside) - np.searchsorted(outside, THRESHOLDS, side="right")
    return float(np.mean(hits / (len(inside) + false_alarms)))


def segment_by_mixture(heatmap: Any, size: tuple[int, int] | None = None) -> np.ndarray:
    """Foreground of a heat map, found as the published code of seeds 000 and 001 finds it.

    A two-component Gaussian mixture of the values; above the mean of its two means is foreground; then each pixel
    takes the majority of its 3 x 3 neighbourhood, except on the border, which keeps its own values. That code segments
    the map at 64 x 64 and enlarges the result: for the same, pass the map at its native resolution and a ``size``.

    Args:
        heatmap: h x w array or tensor; NaN pixels take no part, are background, and make a border.
        size: (H, W) to enlarge the segmentation to, bilinear and rounded; None keeps h x w.

    Returns:
        Boolean array h x w, or H x W. Empty for a constant map.
    """
    heatmap = _as_map(heatmap)
    values = heatmap[~np.isnan(heatmap)].astype(np.float64)
    if not len(values) or values.min() == values.max():
        return np.zeros(size or heatmap.shape, dtype=bool)
    # On [0, 1], as seed 001's code has it, so that the mixture's floor under its variances (1e-6) is small for any map.
    low, high = values.min(), values.max()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture = GaussianMixture(n_components=2, random_state=0).fit(_unit(values, low, high)[:, None])
    foreground = _unit(heatmap, low, high) > mixture.means_.mean()
    has_all_neighbours = ndimage.binary_erosion(~np.isnan(heatmap), np.ones((3, 3)))
    majority = ndimage.uniform_filter(foreground.astype(np.float64), size=3) >= 0.5
    foreground = np.where(has_all_neighbours, majority, foreground)
    return foreground if size is None else _enlarge(foreground, size)


def _enlarge(foreground: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bilinear resizing with pixel centres at halves and clamped edges (OpenCV's INTER_LINEAR), then rounding."""
    import torch

    pixels = torch.from_numpy(foreground).to(torch.float64)[None, None]
    return (torch.nn.functional.interpolate(pixels, size, mode="bilinear", align_corners=False)[0, 0] > 0.5).numpy()


def foreground_background_iou(segmentation: np.ndarray, mask: np.ndarray) -> float:
    """Mean of the IoU of foreground and of background of two boolean arrays (seeds 000 and 001, as published).

    0 where the segmentation is empty, as that code has it; NaN where the mask is empty or full.
    """
    if mask.all() or not mask.any():
        return float("nan")
    if not segmentation.any():
        return 0.0
    foreground = (segmentation & mask).sum() / (segmentation | mask).sum()
    background = (~segmentation & ~mask).sum() / (~segmentation | ~mask).sum()
    return float((foreground + background) / 2)


def area_fraction(mask: Any) -> float:
    """Share of the pixels of an H x W mask that lie inside, in [0, 1]."""
    return float(_as_mask(mask).mean())


def _as_map(values: Any) -> np.ndarray:
    """A floating-point array of at least single precision, without a copy where it is one already."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        values = values.float() if values.is_floating_point() and values.element_size() < 4 else values
    values = np.asarray(values)
    return values if values.dtype in (np.float32, np.float64) else values.astype(np.float64)


def _as_mask(values: Any) -> np.ndarray:
    """A boolean array: nonzero is inside."""
    values = np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)
    if not np.isfinite(values).all():
        raise InputError("mask: holds NaN or infinite values; give 0 outside and anything else inside")
    return values != 0


def _check(heatmap: np.ndarray, mask: np.ndarray, dimensions: int) -> None:
    wanted = "H x W" if dimensions == 2 else "N x H x W"
    if heatmap.ndim != dimensions or heatmap.shape != mask.shape:
        raise InputError(f"heat map {heatmap.shape} and mask {mask.shape}: expected two arrays of one shape {wanted}")
    if np.isinf(heatmap).any():
        raise InputError("heat map: holds infinite values; finite numbers, or NaN for 'no prediction', can be scored")
