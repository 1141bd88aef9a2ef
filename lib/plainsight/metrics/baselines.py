"""Heat maps that never saw the image: what a model has to beat, and the bound above it.

A score means little by itself, since lesions lie where lesions lie: the gain over the average box of the finding is
what a model knows about this image.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from plainsight.metrics.localisation import area_fraction, score_batch
from plainsight.worlds import radiographs


def oracle_gaussian(boxes: Sequence[Sequence[float]], height: int, width: int) -> np.ndarray:
    """The best a Gaussian can do: centred on each box, with a standard deviation of a third of its side.

    An upper bound for phrase grounding (seed 003, appendix C: mIoU 67.6 % and CNR 2.11 on its MS-CXR subset). Several
    boxes take the maximum, so that each reaches 1.

    Args:
        boxes: [x, y, w, h] each, in pixels of the map.
        height: rows of the map.
        width: columns of the map.

    Returns:
        H x W float64 array in [0, 1]; 0 without boxes.
    """
    heatmap = np.zeros((height, width))
    for x, y, w, h in boxes:
        np.maximum(heatmap, _gaussian(height, width, x + w / 2, y + h / 2, w / 3, h / 3), out=heatmap)
    return heatmap


def centred_gaussian(height: int, width: int, spread: float = 0.25) -> np.ndarray:
    """A Gaussian in the middle of the image, its standard deviation ``spread`` times each side; H x W in (0, 1]."""
    return _gaussian(height, width, width / 2, height / 2, spread * width, spread * height)


def _gaussian(height: int, width: int, x: float, y: float, sigma_x: float, sigma_y: float) -> np.ndarray:
    """exp(-((column - x) / sigma_x)^2 / 2 - ((row - y) / sigma_y)^2 / 2) at pixel centres."""
    columns, rows = np.arange(width) + 0.5, np.arange(height) + 0.5
    return np.outer(np.exp(-(((rows - y) / sigma_y) ** 2) / 2), np.exp(-(((columns - x) / sigma_x) ** 2) / 2))


def average_boxes(examples: pd.DataFrame, height: int, width: int) -> np.ndarray:
    """For each example, the average mask of its finding over all OTHER patients (cross-fitted, one patient left out).

    Args:
        examples: columns finding, patient, boxes ([x, y, w, h] in source pixels), width and height of the source.
        height: rows of the maps.
        width: columns of the maps.

    Returns:
        N x H x W float32 array in [0, 1], in the order of the rows. Constant 0 for a finding that no other patient has:
        nothing is known about it.
    """
    masks = np.stack(
        [
            radiographs.boxes_to_mask(
                radiographs.scale_boxes(boxes, width / source_width, height / source_height), height, width
            )
            for boxes, source_width, source_height in zip(
                examples["boxes"], examples["width"], examples["height"], strict=True
            )
        ]
    )
    heatmaps = np.zeros(masks.shape, dtype=np.float32)
    findings, patients = examples["finding"].to_numpy(), examples["patient"].to_numpy()
    for finding in np.unique(findings):
        same = findings == finding
        total = masks[same].sum(axis=0)
        for patient in np.unique(patients[same]):
            own = same & (patients == patient)
            if others := same.sum() - own.sum():
                heatmaps[own] = (total - masks[own].sum(axis=0)) / others
    return heatmaps


def score_blind(examples: pd.DataFrame, resolution: int) -> dict[str, pd.DataFrame]:
    """Score rows, as a model would get them, of two heat maps that never saw the image, by name.

    Holds the maps of one finding at a time.

    Args:
        examples: grounding rows of ``plainsight.schema``; their score rows come back in the same order.
        resolution: side of the maps, the resolution that models are scored at; boxes are fitted to it as images are.
    """
    examples = examples.reset_index(drop=True)
    parts = [_score_finding(part, resolution) for _, part in examples.groupby("finding", sort=False)]
    return {name: pd.concat([part[name] for part in parts]).sort_index() for name in parts[0]}


def _score_finding(examples: pd.DataFrame, resolution: int) -> dict[str, pd.DataFrame]:
    """The rows of `score_blind` for the phrases about one finding."""
    fits = [radiographs.fit(w, h, resolution) for w, h in zip(examples["width"], examples["height"], strict=True)]
    boxes = [radiographs.fit_boxes(boxes, how) for boxes, how in zip(examples["boxes"], fits, strict=True)]
    masks = np.stack([radiographs.boxes_to_mask(fitted, resolution, resolution) for fitted in boxes])
    seen = examples.assign(boxes=boxes, width=resolution, height=resolution)
    heatmaps = {
        "centred_gaussian": np.broadcast_to(centred_gaussian(resolution, resolution), masks.shape),
        "average_box": average_boxes(seen, resolution, resolution),
    }
    rows = examples[["example_id", "patient", "finding"]]
    rows = rows.assign(area_fraction=[area_fraction(mask) for mask in masks], noise_seed=0)
    return {name: rows.assign(**score_batch(maps, masks)) for name, maps in heatmaps.items()}
