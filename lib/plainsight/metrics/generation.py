"""How like two sets of images are, from their features: Frechet distance, KID, precision, recall, density, coverage.

Features are N x D arrays, a row an image (``plainsight.features``), real images first, generated ones second. All of it
is computed in double precision; the order of the rows changes nothing. What is biased, and by how much, depends on how
many images there are: compare only values from equally many images.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.linalg import svdvals
from scipy.spatial.distance import cdist

from plainsight.errors import InputError
from plainsight.seeding import numpy_generator
from plainsight.statistics import halves

METRICS = ("fid", "fid_infinity", "kid", "precision", "recall", "density", "coverage")
HALVES = "generation_metrics"
"""What random halves are drawn for; whoever draws halves of the same patients for it gets the same ones."""
NEIGHBOURHOOD = {"precision", "recall", "density", "coverage"}
INFINITY_POINTS = 15
NEIGHBOURS_PRECISION = 3
NEIGHBOURS_DENSITY = 5


@dataclass(frozen=True)
class Gaussian:
    """Mean (D,) of a set of features and a matrix ``root`` (min(N, D), D) with ``root.T @ root`` as its covariance."""

    mean: np.ndarray
    root: np.ndarray


def fit_gaussian(features: Any) -> Gaussian:
    """The Gaussian with the features' mean and unbiased covariance; InputError as `frechet_distance`."""
    features = _as_features(features)
    mean = features.mean(axis=0)
    root = (features - mean) / np.sqrt(len(features) - 1)
    return Gaussian(mean, root if len(root) <= root.shape[1] else np.linalg.qr(root, mode="r"))


def frechet_distance(real: Any, generated: Any) -> float:
    """Squared Frechet distance of the Gaussians fitted to two sets (FID; Heusel et al. 2017, eq. 6).

    With S = R^T R for each covariance, the trace of sqrt(S1 S2) is the sum of the singular values of R1 R2^T: no matrix
    square root, no complex numbers, and no trouble with singular covariances. With fewer images than features
    (N <= D) the covariance has rank N - 1 and the distance is still defined, but largely measures the missing
    directions.

    Args:
        real: N x D array or tensor of finite numbers.
        generated: M x D likewise, or either as a `Gaussian` already fitted.

    Returns:
        A number from 0 (up to rounding) upwards, in squared units of the features.

    Raises:
        InputError: not two-dimensional, fewer than two rows, values that are not finite, or different widths.
    """
    a, b = (given if isinstance(given, Gaussian) else fit_gaussian(given) for given in (real, generated))
    _require_same_width(a.root, b.root)
    overlap = svdvals(a.root @ b.root.T).sum()
    difference = a.mean - b.mean
    return float(difference @ difference + np.square(a.root).sum() + np.square(b.root).sum() - 2 * overlap)


def fid_infinity(real: Any, generated: Any, rng: np.random.Generator) -> float:
    """The Frechet distance that infinitely many generated images would have (Chong and Forsyth 2020, algorithm 1).

    The distance is biased by about a constant, which depends on the model, over the number of images: a straight line
    through the distances of 15 random subsets of rising size against 1 / size, read off at 0. Subsets are drawn without
    replacement, from a tenth of the images (as published) or a few more than there are features, to all of them. The
    real images stay what they are, and so does their share of the bias.

    Args:
        real: N x D array or tensor of finite numbers.
        generated: M x D likewise, M above D: below, the bias is no straight line.
        rng: source of the subsets.

    Returns:
        The extrapolated distance; it may fall below 0.

    Raises:
        InputError: as `frechet_distance`, or too few generated images.
    """
    generated = _as_features(generated)
    rows, columns = generated.shape
    smallest = max(rows // 10, columns + 2)
    if smallest >= rows:
        raise InputError(
            f"fid_infinity: {rows} generated images and {columns} features; give at least {columns + 3} images"
        )
    sizes = np.linspace(smallest, rows, INFINITY_POINTS).round().astype(int)
    reference = fit_gaussian(real)
    subsets = [generated[rng.permutation(rows)[:size]] for size in sizes]
    distances = [frechet_distance(reference, subset) for subset in subsets]
    return float(np.polynomial.Polynomial.fit(1 / sizes, distances, 1)(0.0))


def kid(real: Any, generated: Any) -> float:
    """Kernel inception distance: squared MMD with the kernel (x.y / D + 1)^3, unbiased (Binkowski et al. 2018, eq. 4).

    All pairs are used, rather than the average over random subsets that stands in for them in large sets. Unbiased
    whatever the number of images, and so a little below 0 now and then for sets that are alike. Raises as
    `frechet_distance` does.
    """
    real, generated = _as_features(real), _as_features(generated)
    _require_same_width(real, generated)

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (a @ b.T / a.shape[1] + 1) ** 3

    def within(a: np.ndarray) -> float:
        values = kernel(a, a)
        return (values.sum() - np.trace(values)) / (len(a) * (len(a) - 1))

    return float(within(real) + within(generated) - 2 * kernel(real, generated).mean())


def neighbourhood_scores(real: Any, generated: Any) -> dict[str, float]:
    """Precision and recall (Kynkaanniemi et al. 2019, eq. 1-2, k = 3), density and coverage (Naeem et al. 2020, k = 5).

    The ball of an image reaches to its k-th nearest other image of the same set and holds its rim.

    Returns:
        ``precision``: share of generated images inside the ball of any real one: are they realistic?
        ``recall``: share of real images inside the ball of any generated one: are all kinds there?
        ``density``: how many real balls a generated image lies in on average, over k; may exceed 1. Unlike precision it
        does not let one stray real image with a huge ball vouch for everything.
        ``coverage``: share of real balls that hold a generated image.

    Raises:
        InputError: as `frechet_distance`, or fewer than 6 images in a set.
    """
    real, generated = _as_features(real), _as_features(generated)
    _require_same_width(real, generated)
    if (fewest := min(len(real), len(generated))) <= NEIGHBOURS_DENSITY:
        raise InputError(f"neighbourhood scores: a set of {fewest} images; give at least {NEIGHBOURS_DENSITY + 1}")
    across = cdist(real, generated)
    among_real, among_generated = np.sort(cdist(real, real), axis=1), np.sort(cdist(generated, generated), axis=1)
    # Column 0 is the image itself.
    in_real_ball = across <= among_real[:, [NEIGHBOURS_PRECISION]]
    in_generated_ball = across <= among_generated[:, NEIGHBOURS_PRECISION]
    in_wider_real_ball = across <= among_real[:, [NEIGHBOURS_DENSITY]]
    return {
        "precision": float(in_real_ball.any(axis=0).mean()),
        "recall": float(in_generated_ball.any(axis=1).mean()),
        "density": float(in_wider_real_ball.sum() / (NEIGHBOURS_DENSITY * len(generated))),
        "coverage": float(in_wider_real_ball.any(axis=1).mean()),
    }


def scores(real: Any, generated: Any, rng: np.random.Generator, metrics: Collection[str] = METRICS) -> dict[str, float]:
    """The named `METRICS`, NaN where there are too few images for one: ``fid_infinity`` wants some more generated ones
    than features, neighbourhood scores 6 in either set, the others 2.

    Raises InputError as `frechet_distance`, but for the number of rows.
    """
    found = dict.fromkeys(METRICS, float("nan"))
    rows, columns = np.shape(generated)
    fewest = min(len(real), rows)
    if fewest > 1 and "fid" in metrics:
        found["fid"] = frechet_distance(real, generated)
    if fewest > 1 and rows > columns + 2 and "fid_infinity" in metrics:
        found["fid_infinity"] = fid_infinity(real, generated, rng)
    if fewest > 1 and "kid" in metrics:
        found["kid"] = kid(real, generated)
    if fewest > NEIGHBOURS_DENSITY and not NEIGHBOURHOOD.isdisjoint(metrics):
        found |= neighbourhood_scores(real, generated)
    return {name: found[name] for name in METRICS if name in metrics}


def by_half(
    real: np.ndarray,
    generated: np.ndarray,
    real_groups: np.ndarray,
    generated_groups: np.ndarray,
    resamples: int,
    seed: int,
    metrics: Collection[str] = METRICS,
) -> pd.DataFrame:
    """`scores` of all images and of random halves of the patients, from which intervals follow.

    The halves are drawn from ``seed`` and the groups alone (`plainsight.statistics.halves`): models whose images were
    made of the same texts can be compared half by half.

    Args:
        real: N x D array of finite numbers.
        generated: M x D likewise.
        real_groups: the patient of each real image.
        generated_groups: the patient whose text each generated image was made of.
        resamples: number of halves.
        seed: seed of the halves, and of the subsets of ``fid_infinity``.
        metrics: those to keep.

    Returns:
        A row a half and metric: ``half`` (-1 for all images, then 0 to ``resamples`` - 1), ``metric``, ``value``.

    Raises:
        InputError: as `scores`, and as `plainsight.statistics.halves`.
    """
    real, generated = _as_features(real), _as_features(generated)
    drawn = halves([real_groups, generated_groups], resamples, numpy_generator(seed, HALVES))
    everything = [np.ones(len(rows), dtype=bool) for rows in (real, generated)]
    rows = []
    for half, (mine, theirs) in enumerate([everything, *drawn], start=-1):
        found = scores(real[mine], generated[theirs], numpy_generator(seed, "fid_infinity"), metrics)
        rows += [(half, name, value) for name, value in found.items()]
    return pd.DataFrame(rows, columns=["half", "metric", "value"])


def _as_features(values: Any) -> np.ndarray:
    """An N x D float64 array of finite numbers with at least two rows."""
    features = np.asarray(values.detach().cpu() if hasattr(values, "detach") else values, dtype=np.float64)
    if features.ndim != 2 or len(features) < 2:
        raise InputError(f"features of shape {features.shape}: expected a row an image, and two images or more")
    if not np.isfinite(features).all():
        row = int(np.flatnonzero(~np.isfinite(features).all(axis=1))[0])
        raise InputError(f"features: row {row} holds values that are not finite; look at that image")
    return features


def _require_same_width(a: np.ndarray, b: np.ndarray) -> None:
    if a.shape[1] != b.shape[1]:
        raise InputError(f"features of {a.shape[1]} and {b.shape[1]} columns; use one extractor for both sets")
