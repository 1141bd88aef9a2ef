"""VinDr-CXR (Nguyen et al. 2022): boxes of findings, by consensus (test set) or by each of three readers (training)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pandas as pd
from tqdm import tqdm

from plainsight import schema
from plainsight.data.counts import require
from plainsight.data.dicom import read_grey
from plainsight.data.identifiers import VINDR_IMAGE
from plainsight.data.tables import numbers, read_csv, refuse

RELEASE = {"test rows": 4748, "test images": 3000, "train rows": 69_052, "pairs": 443}
"""Images: the publisher; rows: those of its files of annotations; pairs of image and finding: seed 003, Appendix C."""
CONSENSUS = "consensus"
NOTHING = "No finding"

FINDINGS = {
    "Atelectasis": "Atelectasis",
    "Cardiomegaly": "Cardiomegaly",
    "Consolidation": "Consolidation",
    "Edema": "Edema",
    "Lung Opacity": "Lung Opacity",
    "Pleural effusion": "Pleural Effusion",
    "Pneumonia": "Pneumonia",
    "Pneumothorax": "Pneumothorax",
}
"""The finding of MS-CXR that has the same name."""
AS_PNEUMONIA = ("ILD", "Infiltration")
"""Boxes that stand for pneumonia, a label without boxes, on images labelled with one of FINDINGS (code of seed 004's
authors)."""

_CORNERS = ("x_min", "y_min", "x_max", "y_max")


def read_boxes(folder: Path, part: Literal["test", "train"] = "test") -> pd.DataFrame:
    """Every box of the test or the training set, in pixels of the DICOM images.

    Returns:
        Columns ``image``, ``finding`` (as the source spells it), ``reader`` (``consensus`` in the test set, else the
        radiologist's code) and ``box`` ([x, y, w, h]). The index is the row of the file; images without finding have
        none.

    Raises:
        InputError: a file is missing or damaged, a box without area, or other counts than the release's.
    """
    path = folder / "annotations" / f"annotations_{part}.csv"
    readers = ("rad_id",) if part == "train" else ()
    table = read_csv(path, ("image_id", "class_name", *_CORNERS, *readers))
    refuse(~table["image_id"].str.fullmatch(VINDR_IMAGE), path, "image_id", "is not an identifier of VinDr-CXR")
    require({f"{part} rows": len(table)}, RELEASE, folder)
    boxed = table[table["class_name"] != NOTHING]
    corners = numbers(boxed, _CORNERS, path)
    for low, high in (("x_min", "x_max"), ("y_min", "y_max")):
        refuse(corners[low] < 0, path, low, "the box lies outside its image")
        refuse(corners[high] <= corners[low], path, high, "the box has no area")
    sizes = corners[["x_max", "y_max"]].to_numpy() - corners[["x_min", "y_min"]].to_numpy()
    return pd.DataFrame(
        {
            "image": boxed["image_id"],
            "finding": boxed["class_name"],
            "reader": boxed["rad_id"] if readers else CONSENSUS,
            "box": [[x, y, w, h] for (x, y), (w, h) in zip(corners[["x_min", "y_min"]].to_numpy(), sizes, strict=True)],
        }
    )


def read_labels(folder: Path) -> pd.DataFrame:
    """The labels of the test images that are findings of MS-CXR: index image, one bool column a finding."""
    path = folder / "annotations" / "image_labels_test.csv"
    table = read_csv(path, ("image_id", *FINDINGS))
    refuse(table["image_id"].duplicated(), path, "image_id", "occurs twice; fetch the file again")
    labels = numbers(table, tuple(FINDINGS), path)
    for name in FINDINGS:
        refuse(~labels[name].isin((0, 1)), path, name, "is not 0 or 1; fetch the file again")
    require({"test images": len(table)}, RELEASE, folder)
    return (labels == 1).rename(columns=FINDINGS).set_axis(pd.Index(table["image_id"], name="image"))


def read_pairs(folder: Path) -> pd.DataFrame:
    """One row an image of the test set and finding of MS-CXR with all boxes of it: columns image, finding, boxes.

    Raises InputError as ``read_boxes`` and ``read_labels`` do, and for another number of pairs than seed 003's.
    """
    boxes, labels = read_boxes(folder), read_labels(folder)
    named = boxes["finding"].map(FINDINGS)
    labelled = boxes["image"].isin(labels.index[labels.any(axis=1)])
    named = named.mask(boxes["finding"].isin(AS_PNEUMONIA) & labelled, "Pneumonia")
    kept = boxes.assign(finding=named)[named.notna()]
    pairs = kept.groupby(["image", "finding"], sort=False)["box"].agg(list).rename("boxes").reset_index()
    require({"pairs": len(pairs)}, RELEASE, folder)
    return pairs


def examples(folder: Path, out: Path) -> pd.DataFrame:
    """The pairs as rows of ``plainsight.schema``, and their images as PNG files below ``out/images``.

    Phrases are the findings in lower case; seed 003 writes its own. An image counts as a patient of its own: there are
    no numbers of patients. Raises InputError as ``read_pairs`` and ``dicom.read_grey`` do, and for a box outside of
    its image.
    """
    found = read_pairs(folder)
    order = {image: number for number, image in enumerate(found["image"].unique(), start=1)}
    sizes = {}
    for image, number in tqdm(order.items(), desc="VinDr-CXR", unit="image"):
        grey = read_grey(folder / "test" / f"{image}.dicom", f"{folder / 'test'}, image {number} of {len(order)}")
        schema.write_image(grey, out / "images" / f"{_name(number)}.png")
        sizes[image] = grey.shape
    names = [_name(order[image]) for image in found["image"]]
    keys = found["finding"].str.lower().str.replace(" ", "-")
    rows = pd.DataFrame(
        {
            "example_id": [f"{name}-{key}" for name, key in zip(names, keys, strict=True)],
            "image_id": names,
            "image": [f"images/{name}.png" for name in names],
            "phrase": found["finding"].str.lower(),
            "finding": found["finding"],
            "boxes": found["boxes"],
            "mask": "",
            "patient": names,
            "view": "PA",
            "split": "grounding",
            "source": found["image"],
            "width": [sizes[image][1] for image in found["image"]],
            "height": [sizes[image][0] for image in found["image"]],
        }
    )[list(schema.COLUMNS)]
    counted = rows.set_axis(pd.RangeIndex(1, len(rows) + 1))
    schema.validate(counted, tuple(FINDINGS.values()), f"{folder / 'annotations'}: pairs of image and finding")
    return rows


def _name(number: int) -> str:
    return f"vindr-{number:04d}"
