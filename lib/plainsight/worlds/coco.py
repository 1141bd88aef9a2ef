"""The world of photographs: MS-COCO 2017, of which the foundation of the paper's scale has seen the like.

As seed 000 sets it up (its section "Datasets"): training on all captions of an image of the official training set;
asked for the object that a caption names, on the official validation set, whose outlines are public. Photographs are
read where they lie; masks are drawn.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from plainsight import schema
from plainsight.config import Experiments, Scale, WorldSize
from plainsight.data import coco
from plainsight.errors import InputError
from plainsight.seeding import numpy_generator
from plainsight.worlds import FINDINGS, OTHER

CLASSES = [name for name in FINDINGS["coco"] if name != OTHER]


def build(size: WorldSize, scale: Scale, experiments: Experiments, out: Path, data: Path) -> None:
    """Write ``out/examples.parquet`` and the masks of split ``grounding``.

    ``size`` counts images, drawn by chance; ``grounding: 0`` takes all. Training and validation: a row a caption, of
    the official training set. Grounding: a row for each caption and each class it names that is outlined in the image,
    with boxes and mask. Generation: one caption an image. Both are of the official validation set. A finding is a
    class, or several joined, or Other where a caption names none. Every photograph is its own patient.

    Raises:
        InputError: annotations or images that are missing or damaged, or counts that are not the release's.
    """
    asked, captions = coco.examples(data, "val", out), _captions(data, "val")
    asked["mask"] = [str((out / mask).resolve()) for mask in asked["mask"]]  # paths start from the images' root
    made_from = captions.groupby("image_id", sort=False).sample(1, random_state=numpy_generator(0, "coco", "caption"))
    parts = [
        _images(asked, slice(size.grounding or None), "grounding"),
        _images(made_from, slice(size.generation), "generation"),
    ]
    if size.train or size.validation:
        learning = _captions(data, "train")
        parts.append(_images(learning, slice(size.train), "train"))
        parts.append(_images(learning, slice(size.train, size.train + size.validation), "validation"))
    schema.write(pd.concat(parts), out / "examples.parquet", FINDINGS["coco"])


def check(data: Path) -> None:
    """Raise the InputError with which ``build`` would refuse the validation set of ``data``; opens no image."""
    _captions(data, "val")


def check_training(data: Path) -> None:
    """The same of the training set."""
    _captions(data, "train")


def _captions(data: Path, part: Literal["val", "train"]) -> pd.DataFrame:
    """A row of the schema for each caption, still without a split."""
    if not (data / "annotations").is_dir():
        raise InputError(f"--data {data}: holds no folder coco_2017; see data_manifests/coco_2017/README.md")
    captions = coco.read_captions(data, part)
    present = {f"{part}2017/{path.name}" for path in (data / f"{part}2017").glob("*.jpg")}
    files = captions["file"].drop_duplicates()
    if absent := files[~files.isin(present)].tolist():
        raise InputError(
            f"{data}: {len(absent):,} of {len(files):,} images of {part}2017 are missing, the first {absent[0]}; "
            "run `plainsight data check coco_2017`"
        )
    image_id = captions["image"].map("{:012d}".format)
    return pd.DataFrame(
        {
            "example_id": [f"{name}-{number}" for name, number in zip(image_id, captions.index, strict=True)],
            "image_id": image_id,
            "image": captions["file"],
            "phrase": captions["caption"],
            "finding": ["|".join(coco.named_classes(caption, CLASSES)) or OTHER for caption in captions["caption"]],
            "boxes": [[] for _ in range(len(captions))],
            "mask": "",
            "patient": image_id,
            "view": "",
            "source": captions["image"].astype(str),
            "width": captions["width"],
            "height": captions["height"],
        }
    )


def _images(rows: pd.DataFrame, chosen: slice, split: str) -> pd.DataFrame:
    """The rows of the ``chosen`` ones among all images in an order of chance."""
    names = np.array(sorted(rows["image_id"].unique()))
    kept = names[numpy_generator(0, "coco", "images").permutation(len(names))][chosen]
    order = pd.Series(range(len(kept)), index=kept)
    mine = rows[rows["image_id"].isin(kept)]
    return mine.loc[mine["image_id"].map(order).sort_values(kind="stable").index].assign(split=split)
