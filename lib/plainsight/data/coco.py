"""MS-COCO 2017 (Lin et al. 2014): captions that name a class, and the outlines of that class in the image.

As seed 000's code has it: a caption counts for each of the 80 classes whose name it contains, in any case and within
words too, and what is looked for is the union of all outlines of the class in the image.
"""

from __future__ import annotations

import operator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from skimage.draw import polygon
from tqdm import tqdm

from plainsight import schema
from plainsight.data.counts import require
from plainsight.data.tables import read_json
from plainsight.errors import InputError

RELEASE = {"val images": 5000, "train images": 118_287, "classes": 80}


def read_captions(folder: Path, part: Literal["val", "train"]) -> pd.DataFrame:
    """Every caption: columns ``image`` (id), ``file`` (path in ``folder``), ``width``, ``height``, ``caption``.

    Raises:
        InputError: the file is missing or damaged, a caption of an unknown image, or other counts than the release's.
    """
    path = folder / "annotations" / f"captions_{part}2017.json"
    images, annotations, _ = _read(path)
    require({f"{part} images": len(images)}, RELEASE, folder)
    rows = []
    for number, annotation in enumerate(annotations, start=1):
        try:
            image = images[annotation["image_id"]]
            text = " ".join(annotation["caption"].split())
            rows.append(
                [annotation["image_id"], f"{part}2017/{image['file_name']}", image["width"], image["height"], text]
            )
        except (KeyError, TypeError, AttributeError):
            raise _incomplete(path, number, len(annotations)) from None
    return pd.DataFrame(rows, columns=["image", "file", "width", "height", "caption"])


def read_instances(folder: Path, part: Literal["val", "train"]) -> pd.DataFrame:
    """Every outlined object: columns ``image`` (id), ``finding`` (class), ``box`` ([x, y, w, h]), ``outline``.

    The index counts the annotations of the file from 1. Those whose box has no area are left out: the release has two
    (github.com/cocodataset/cocoapi/issues/355).

    Raises:
        InputError: the file is missing or damaged, an object of an unknown image, or another number of classes than the
            release's.
    """
    path = folder / "annotations" / f"instances_{part}2017.json"
    images, annotations, classes = _read(path)
    require({"classes": len(classes)}, RELEASE, folder)
    rows = {}
    for number, annotation in enumerate(annotations, start=1):
        try:
            image, finding = annotation["image_id"], classes[annotation["category_id"]]
            box = [float(value) for value in annotation["bbox"]]
            if image not in images or len(box) != 4 or not np.isfinite(box).all():
                raise ValueError
            if min(box[2:]) > 0:
                rows[number] = [image, finding, box, annotation["segmentation"]]
        except (KeyError, TypeError, ValueError):
            raise _incomplete(path, number, len(annotations)) from None
    return pd.DataFrame.from_dict(rows, orient="index", columns=["image", "finding", "box", "outline"])


def named_classes(caption: str, classes: list[str]) -> list[str]:
    """The classes whose name stands in a caption, in any case; "car" stands in "scar" too."""
    lower = caption.lower()
    return [name for name in classes if name in lower]


def draw(outline: list[list[float]] | dict[str, Any], width: int, height: int) -> np.ndarray:
    """The outline of one object as bool (height, width): polygons [x1, y1, x2, ...], or run lengths down the columns.

    Raises ValueError for one that cannot be drawn.
    """
    if isinstance(outline, dict):
        if not isinstance(outline["counts"], list):
            raise ValueError("compressed run lengths")
        runs = np.asarray(outline["counts"], dtype=int)
        flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
        return flat.reshape(width, height).T
    mask = np.zeros((height, width), dtype=bool)
    for points in outline:
        x, y = np.asarray(points, dtype=float).reshape(-1, 2).T
        # A pixel belongs to what its centre lies in, and centres lie at halves.
        rows, columns = polygon(y - 0.5, x - 0.5, shape=mask.shape)
        mask[rows, columns] = True
    return mask


def examples(folder: Path, part: Literal["val", "train"], out: Path) -> pd.DataFrame:
    """A row of ``plainsight.schema`` for each caption and class it names that is outlined in the image.

    Masks are written below ``out/masks``, one an image and class; images stay where they are, so that ``image`` is
    relative to ``folder`` and ``mask`` to ``out``. Raises InputError as the readers do, and for an outline that cannot
    be drawn and a box outside of its image.
    """
    captions, instances = read_captions(folder, part), read_instances(folder, part)
    classes = sorted(instances["finding"].unique())
    objects = dict(list(instances.groupby(["image", "finding"])))
    rows = []
    for number, row in enumerate(tqdm(captions.itertuples(), total=len(captions), desc="MS-COCO", unit="caption")):
        for finding in named_classes(row.caption, classes):
            if (row.image, finding) in objects:
                mine = objects[row.image, finding]
                mask = f"masks/{row.image:012d}-{finding.replace(' ', '-')}.png"
                if not (out / mask).is_file():
                    _write_mask(mine, row, out / mask)
                rows.append(_example(row, number, finding, mine["box"].to_list(), mask))
    return pd.DataFrame(rows, columns=list(schema.COLUMNS))


def _example(row: Any, number: int, finding: str, boxes: list[list[float]], mask: str) -> dict[str, object]:
    return {
        "example_id": f"coco-{number:06d}-{finding.replace(' ', '-')}",
        "image_id": f"{row.image:012d}",
        "image": row.file,
        "phrase": row.caption,
        "finding": finding,
        "boxes": boxes,
        "mask": mask,
        "patient": f"{row.image:012d}",
        "view": "",
        "split": "grounding",
        "source": str(row.image),
        "width": row.width,
        "height": row.height,
    }


def _write_mask(objects: pd.DataFrame, row: Any, path: Path) -> None:
    """The union of the outlines; also where each box is seen to lie in its image."""
    mask = np.zeros((row.height, row.width), dtype=bool)
    for number, (x, y, w, h), outline in objects[["box", "outline"]].itertuples():
        problem = ""
        if min(x, y, row.width - x - w, row.height - y - h) < -schema.BOX_TOLERANCE:
            problem = "its box lies outside of its image"
        try:
            mask |= draw(outline, row.width, row.height)
        except (ValueError, KeyError, TypeError):
            problem = "its outline cannot be drawn"
        if problem:
            raise InputError(f"MS-COCO, annotation {number} of the instances: {problem}; fetch the annotations again")
    schema.write_image(mask, path)


def _read(path: Path) -> tuple[dict[int, dict], list[dict], dict[int, str]]:
    """Images by id, annotations, and names of classes by id ({} for captions)."""
    content = read_json(path)
    try:
        images = {operator.index(image["id"]): image for image in content["images"]}
        if len(images) != len(content["images"]):
            raise InputError(f"{path}: an image occurs twice; fetch it again")
        if any(operator.index(image[side]) < 1 for image in images.values() for side in ("width", "height")):
            raise InputError(f"{path}: an image has no pixels; fetch it again")
        classes = {item["id"]: item["name"] for item in content.get("categories", [])}
        return images, list(content["annotations"]), classes
    except (KeyError, TypeError, AttributeError):
        raise InputError(f"{path}: holds no COCO annotations; fetch it again") from None


def _incomplete(path: Path, number: int, count: int) -> InputError:
    return InputError(f"{path}: annotation {number} of {count} is incomplete; fetch it again")
