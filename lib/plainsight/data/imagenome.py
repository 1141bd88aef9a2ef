"""The gold standard of Chest ImaGenome (Wu et al. 2021): boxes of anatomical regions on images of MIMIC-CXR."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from plainsight.data.counts import require
from plainsight.data.identifiers import MIMIC_IMAGE
from plainsight.data.tables import numbers, read_csv, refuse

GOLD = "gold_dataset/gold_bbox_coordinate_annotations_1000images.csv"
RELEASE = {"boxes": 25_989, "images": 1000}
"""Images: the publisher; boxes: the rows of its file."""

_CORNERS = ("original_x1", "original_y1", "original_x2", "original_y2", "original_width", "original_height")


def read_gold(folder: Path) -> pd.DataFrame:
    """Every box of the gold standard, in pixels of the original images.

    Returns:
        Columns ``dicom`` (the image of MIMIC-CXR), ``region``, ``box`` ([x, y, w, h], cut at the image's edge),
        ``width`` and ``height`` of the image. The index is the row of the file.

    Raises:
        InputError: the file is missing or damaged, a region occurs twice on an image, a box has no area inside its
            image, or the counts are not those of the release.
    """
    path = folder / GOLD
    table = read_csv(path, ("image_id", "bbox_name", *_CORNERS))
    dicom = table["image_id"].str.removesuffix(".dcm")
    refuse(~dicom.str.fullmatch(MIMIC_IMAGE), path, "image_id", "is not an identifier of MIMIC-CXR")
    refuse(table["bbox_name"].str.strip() == "", path, "bbox_name", "is empty")
    refuse(table.duplicated(["image_id", "bbox_name"]), path, "bbox_name", "occurs twice for the same image")
    x1, y1, x2, y2, width, height = numbers(table, _CORNERS, path).to_numpy().T
    left, right = np.clip(x1, 0, width), np.clip(x2, 0, width)
    top, bottom = np.clip(y1, 0, height), np.clip(y2, 0, height)
    for column, low, high in (("original_x2", left, right), ("original_y2", top, bottom)):
        wrong = pd.Series(high <= low, index=table.index)
        refuse(wrong, path, column, "the box has no area inside its image")
    boxes = pd.DataFrame(
        {
            "dicom": dicom,
            "region": table["bbox_name"],
            "box": np.stack([left, top, right - left, bottom - top], axis=1).tolist(),
            "width": width.astype(int),
            "height": height.astype(int),
        },
        index=table.index,
    )
    require({"boxes": len(boxes), "images": boxes["dicom"].nunique()}, RELEASE, folder)
    return boxes
