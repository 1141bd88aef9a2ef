"""Reading radiographs, and fitting image, mask and boxes to a square: short side to size, then the centre.

The fit is that of torchvision's ``Resize(side)`` and ``CenterCrop(side)``, which seeds 000 and 001 use. Image,
mask and boxes go through the same ``Fit``, so that a mask drawn from fitted boxes is, pixel for pixel, the
fitted mask of the boxes (where boxes have whole coordinates).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from plainsight.errors import InputError
from plainsight.schema import read_image

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""Weights of red, green and blue in grey (ITU-R BT.601), as PIL has them."""


def read_grey(path: Path | str, where: str = "") -> np.ndarray:
    """A PNG or JPEG file as grey float32 (H, W) in [0, 1]; raises InputError as ``read_image`` does."""
    pixels = read_image(path, where)
    return pixels if pixels.ndim == 2 else pixels @ LUMA


@dataclass(frozen=True)
class Fit:
    """Resize of a ``width`` x ``height`` image to ``resized`` (w, h), of which a square of ``side`` is kept from
    column ``left`` and row ``top`` on."""

    width: int
    height: int
    side: int
    resized: tuple[int, int]
    left: int
    top: int


def fit(width: int, height: int, side: int) -> Fit:
    """The fit of a ``width`` x ``height`` image to a square of ``side`` pixels."""
    short = min(width, height)
    resized = (side * width // short, side * height // short)
    left, top = (round((length - side) / 2) for length in resized)
    return Fit(width, height, side, resized, left, top)


def fit_image(pixels: np.ndarray, how: Fit) -> np.ndarray:
    """Float (H, W) or (H, W, 3) to float32 (side, side[, 3]): bilinear, antialiased when it shrinks."""
    if pixels.ndim == 3:
        return np.stack([fit_image(pixels[..., c], how) for c in range(pixels.shape[2])], axis=-1)
    _check_size(pixels, how)
    image = Image.fromarray(np.ascontiguousarray(pixels, dtype=np.float32))
    resized = np.asarray(image.resize(how.resized, Image.Resampling.BILINEAR))
    return resized[how.top : how.top + how.side, how.left : how.left + how.side]


def fit_mask(mask: np.ndarray, how: Fit) -> np.ndarray:
    """Bool (H, W) to bool (side, side): each pixel takes the source pixel that its centre falls in."""
    _check_size(mask, how)
    columns = _source_index(how.width, how.resized[0], how.left, how.side)
    rows = _source_index(how.height, how.resized[1], how.top, how.side)
    return mask.astype(bool)[np.ix_(rows, columns)]


def fit_boxes(boxes: Sequence[Sequence[float]], how: Fit) -> list[list[float]]:
    """Boxes [x, y, w, h] in source pixels to pixels of the square, cut at its edge; those left outside are dropped."""
    scale = np.array([how.resized[0] / how.width, how.resized[1] / how.height])
    fitted = []
    for x, y, w, h in boxes:
        low = np.clip(np.array([x, y]) * scale - (how.left, how.top), 0, how.side)
        high = np.clip(np.array([x + w, y + h]) * scale - (how.left, how.top), 0, how.side)
        if (high > low).all():
            fitted.append([*low.tolist(), *(high - low).tolist()])
    return fitted


def boxes_to_mask(boxes: Sequence[Sequence[float]], height: int, width: int) -> np.ndarray:
    """Union of boxes as a boolean H x W mask.

    A pixel is inside when its centre is, in the half-open box [x, x + w) x [y, y + h): a box of whole numbers covers
    exactly w x h pixels, and boxes side by side share none. Parts beyond the image are cut off.

    Args:
        boxes: [x, y, w, h] each, in pixels of the mask, x to the right and y down; none gives an empty mask.
        height: rows of the mask.
        width: columns of the mask.

    Raises:
        InputError: a box that is not four numbers with positive width and height.
    """
    mask = np.zeros((height, width), dtype=bool)
    for box in boxes:
        if len(box) != 4 or not np.isfinite(box).all() or not (box[2] > 0 and box[3] > 0):
            raise InputError(f"box {list(box)}: expected [x, y, width, height] with positive width and height")
        x, y, w, h = box
        mask[_pixels(y, y + h), _pixels(x, x + w)] = True
    return mask


def scale_boxes(boxes: Sequence[Sequence[float]], factor_x: float, factor_y: float) -> list[list[float]]:
    """Boxes [x, y, w, h] with widths scaled by ``factor_x`` and heights by ``factor_y``."""
    return [[x * factor_x, y * factor_y, w * factor_x, h * factor_y] for x, y, w, h in boxes]


def _source_index(length: int, resized: int, start: int, count: int) -> np.ndarray:
    """Index of the source pixel under the centre of each of ``count`` resized pixels from ``start`` on."""
    return (2 * np.arange(start, start + count) + 1) * length // (2 * resized)


def _pixels(low: float, high: float) -> slice:
    """The pixels with low <= centre < high, forgiving the rounding of a scaled edge."""
    first, last = (max(0, int(np.ceil(edge - 0.5 - 1e-6))) for edge in (low, high))
    return slice(first, last)


def _check_size(pixels: np.ndarray, how: Fit) -> None:
    if pixels.shape != (how.height, how.width):
        raise ValueError(f"expected {how.height} x {how.width} values, got {pixels.shape}")
