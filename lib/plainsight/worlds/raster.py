"""Drawing on a square grid in fractions of the image, so that a picture is the same at every resolution.

All arrays are float32, shape (resolution, resolution); x runs right, y down, pixel centres at (i + 1/2) / resolution.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.ndimage import gaussian_filter


@cache
def grid(resolution: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixel centres: x of shape (1, resolution) and y of shape (resolution, 1)."""
    centres = ((np.arange(resolution) + 0.5) / resolution).astype(np.float32)
    return centres[None, :], centres[:, None]


def step(distance: np.ndarray, width: float) -> np.ndarray:
    """Smooth step: 0 where ``distance`` < -width / 2, 1 where it is > width / 2, 1/2 at 0."""
    t = distance * np.float32(1 / width)
    t += np.float32(0.5)
    np.clip(t, 0, 1, out=t)
    curve = t * np.float32(-2)  # in place from here: allocating is what costs time
    curve += 3
    curve *= t
    curve *= t
    return curve


def bump(distance: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian ridge exp(-(distance / sigma)^2 / 2)."""
    return np.exp(-0.5 * np.square(distance * np.float32(1 / sigma)))


def band_noise(rng: np.random.Generator, cells: int, resolution: int) -> np.ndarray:
    """Band-limited noise: ``cells`` x ``cells`` normal draws under a cubic B-spline, mean 0, variance 1.

    The draws do not depend on ``resolution``, hence neither does the texture.
    """
    basis = _spline_basis(cells, resolution)
    return basis @ rng.standard_normal((cells, cells), dtype=np.float32) @ basis.T


def strokes(points: np.ndarray, heights: np.ndarray, sigma: float, spacing: np.ndarray, resolution: int) -> np.ndarray:
    """Soft lines of Gaussian cross-section through densely sampled points.

    ``points`` (N, 2) are x, y; ``spacing`` (N,) is the distance between neighbours on a line, which should be below
    ``sigma``; ``heights`` (N,) is the value on the line's axis; ``sigma`` its half-width. Points outside are lost.
    """
    place = points * resolution - 0.5
    low = np.floor(place).astype(np.int64)
    part = place - low
    mass = heights * spacing * (sigma * np.sqrt(2 * np.pi) * resolution**2)
    keep = ((low >= -1) & (low < resolution)).all(axis=1)
    image = np.zeros((resolution, resolution), dtype=np.float32)
    if not keep.any():
        return image
    low, part, mass = low[keep], part[keep], mass[keep]
    # Only the part of the image that the lines reach is blurred.
    blur = np.sqrt(max((sigma * resolution) ** 2 - 1 / 6, 0.01))  # sharing among pixels blurs by 1/6 pixel squared
    margin = int(3 * blur + 2)
    first, last = low.min(axis=0) - margin, low.max(axis=0) + 2 + margin
    columns, rows = last - first
    corner = (low[:, 1] - first[1]) * columns + low[:, 0] - first[0]
    right, down = part[:, 0], part[:, 1]
    index = np.concatenate([corner, corner + 1, corner + columns, corner + columns + 1])
    weight = np.concatenate([(1 - right) * (1 - down), right * (1 - down), (1 - right) * down, right * down])
    window = np.bincount(index, weights=np.tile(mass, 4) * weight, minlength=rows * columns)
    window = gaussian_filter(window.reshape(rows, columns).astype(np.float32), blur, mode="constant", truncate=3)
    (x0, y0), (x1, y1) = np.maximum(first, 0), np.minimum(last, resolution)
    image[y0:y1, x0:x1] = window[y0 - first[1] : y1 - first[1], x0 - first[0] : x1 - first[0]]
    return image


def path(points: np.ndarray, spacing: float) -> np.ndarray:
    """Points at equal steps of about ``spacing`` along the polyline ``points`` (N, 2)."""
    lengths = np.hypot(*np.diff(points, axis=0).T)
    along = np.concatenate([[0], np.cumsum(lengths)])
    at = np.linspace(0, along[-1], max(2, int(along[-1] / spacing)))
    return np.stack([np.interp(at, along, points[:, axis]) for axis in (0, 1)], axis=1)


@cache
def _spline_basis(cells: int, resolution: int) -> np.ndarray:
    """Cubic B-spline weights (resolution, cells), rows scaled to unit sum of squares."""
    position = (np.arange(resolution) + 0.5) / resolution * (cells - 1)
    distance = np.abs(position[:, None] - np.arange(cells)[None, :])
    inner = 2 / 3 - distance**2 + distance**3 / 2
    outer = np.maximum(2 - distance, 0) ** 3 / 6
    weights = np.where(distance < 1, inner, outer)
    return (weights / np.sqrt((weights**2).sum(axis=1, keepdims=True))).astype(np.float32)
