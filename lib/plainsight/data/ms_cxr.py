"""MS-CXR (Boecking et al. 2022): sentences about images of MIMIC-CXR, with the boxes that radiologists drew for them.

The file has one row a box. A paper counts its rows in one of three ways, each a function here: ``phrases``, ``unions``,
``merged``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd

from plainsight.data import radgraph
from plainsight.data.counts import require
from plainsight.data.identifiers import MIMIC_IMAGE, MIMIC_PATIENT, MIMIC_STUDY
from plainsight.data.tables import Missing, fault, numbers, read_csv, read_json, refuse
from plainsight.errors import InputError
from plainsight.schema import BOX_TOLERANCE, names_finding

FINDINGS = (
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Lung Opacity",
    "Pleural Effusion",
    "Pneumonia",
    "Pneumothorax",
)
VERSIONS = ("1.1.0", "1.0.0")
"""Of the files; PhysioNet published 1.0.0 as its version 0.1."""
PUBLISHED = {"phrases": 1162, "unions": 1133, "merged": 1158, "naming their finding": 694, "with a location": 1043}
"""Phrases: the publisher, and Table 9 of seed 000, whose eight counts add up to it. Unions: seed 000's code. Merged:
Table I of seed 004, whose code merges rows of the same image and sentence in files v1.0.0 (the text says: of the same
patient). Naming their finding: Table III of seed 004. With a location: MS-CXR-loc of seed 003, which does not say what
rows it counts."""
_COUNTED = {name: PUBLISHED[name] for name in ("phrases", "unions", "merged", "with a location")}
RELEASES: dict[str, dict[str, int | tuple[int, ...]]] = {
    "1.1.0": {**_COUNTED, "boxes": 1448, "images": 1047, "patients": 851, "merged": (_COUNTED["merged"], 1160)},
    "1.0.0": _COUNTED,
}
"""What the files of each version must hold. Boxes, images, patients and the second number of merged rows of 1.1.0: a
public inventory of that file; nobody published how many rows of it are left when merged."""

_COLUMNS = ("category_name", "label_text", "path", "dicom_id", "x", "y", "w", "h", "image_width", "image_height")
_NUMBERS = _COLUMNS[4:]
_PATH = re.compile(rf"files/p1\d/p(?P<patient>{MIMIC_PATIENT})/s(?P<study>{MIMIC_STUDY})/(?P<dicom>{MIMIC_IMAGE})\.jpg")


def read_boxes(folder: Path) -> pd.DataFrame:
    """Every box, in the order of the file: the CSV of the newest version in ``folder``, else its JSON.

    Returns:
        Columns ``finding``, ``phrase``, ``dicom``, ``patient``, ``study``, ``box`` ([x, y, w, h] in pixels), ``width``
        and ``height`` of the image in pixels. The index is the row of the CSV, or the place of the annotation in the
        JSON, both from 1.

    Raises:
        InputError: no such file, or a damaged one; a finding, path, size or box that cannot be; a box that occurs twice
            for one sentence; counts that are not those of the release.
    """
    path, version = find(folder)
    table = _from_json(path) if path.suffix == ".json" else read_csv(path, _COLUMNS)
    boxes = _checked(table, path)
    if len(boxes) != RELEASES[version].get("boxes"):
        again = boxes.assign(box=boxes["box"].map(tuple)).duplicated(["dicom", "finding", "phrase", "box"])
        refuse(again, path, "x", "the box occurs twice for the same sentence; fetch the file again")
    found = {name: len(rows(boxes)) for name, rows in (("phrases", phrases), ("unions", unions), ("merged", merged))}
    found |= {"boxes": len(boxes), "images": boxes["dicom"].nunique(), "patients": boxes["patient"].nunique()}
    require(found, RELEASES[version], folder)
    return boxes


def find(folder: Path) -> tuple[Path, str]:
    """The file of annotations in ``folder`` and its version; raises InputError where there is none of a known one."""
    for version in VERSIONS:
        for suffix in (".csv", ".csv.gz", ".json"):
            path = folder / f"MS_CXR_Local_Alignment_v{version}{suffix}"
            if path.is_file():
                return path, version
    others = sorted(path.name for path in folder.glob("MS_CXR_Local_Alignment_*"))
    known = f"MS_CXR_Local_Alignment_v{VERSIONS[0]}.csv"
    if others:
        raise InputError(f"{folder}: {others[0]} is of a version that is not known here; fetch {known}")
    raise Missing(f"{folder}: holds no {known}; see data_manifests/ms_cxr/README.md")


def phrases(boxes: pd.DataFrame) -> pd.DataFrame:
    """One row an image, finding and sentence, with all boxes of it: what seed 000's Tables 1 and 3 ask about.

    Columns as ``read_boxes``, with ``boxes`` in place of ``box``, in the order in which they first appear. The index is
    the row of the first box.
    """
    return _grouped(boxes, ["dicom", "finding", "phrase"])


def unions(boxes: pd.DataFrame) -> pd.DataFrame:
    """One row an image and finding, the boxes of all its sentences together; ``phrase`` is the first of these."""
    return _grouped(boxes, ["dicom", "finding"])


def merged(boxes: pd.DataFrame) -> pd.DataFrame:
    """One row an image and sentence, as seed 004's code has it; the finding is that of the first box."""
    return _grouped(boxes, ["dicom", "phrase"])


def names_its_finding(rows: pd.DataFrame) -> pd.Series:
    """Whether the sentence of each row holds the name of its finding, in any case (``schema.names_finding``)."""
    pairs = zip(rows["phrase"], rows["finding"], strict=True)
    return pd.Series([names_finding(*pair) for pair in pairs], index=rows.index, dtype=bool)


def with_location(rows: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """The rows whose sentence names a place, as RadGraph-XL has it (MS-CXR-loc of seed 003), with column ``places``.

    Raises InputError where ``folder`` holds no annotations of the sentences (``plainsight.data.radgraph``), damaged
    ones, or such that another number of rows is left than the paper has.
    """
    named = rows.assign(places=radgraph.places(folder / radgraph.FILE, rows["phrase"]))
    kept = named[named["places"].map(len) > 0]
    _, version = find(folder)
    require({"with a location": len(kept)}, RELEASES[version], folder)
    return kept


def _grouped(boxes: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    together = boxes.groupby(keys, sort=False)["box"].agg(list)
    first = boxes.drop_duplicates(keys)
    return first.drop(columns="box").assign(boxes=together.to_list())


def _from_json(path: Path) -> pd.DataFrame:
    """The annotations of the COCO file in the columns of the CSV."""
    content = read_json(path)
    try:
        images = {image["id"]: image for image in content["images"]}
        names = {category["id"]: category["name"] for category in content["categories"]}
        annotations = content["annotations"]
    except (KeyError, TypeError):
        raise InputError(f"{path}: holds no COCO annotations (images, categories, annotations)") from None
    rows = []
    for number, annotation in enumerate(annotations, start=1):
        try:
            rows.append(_annotation_row(annotation, images[annotation["image_id"]], names))
        except (KeyError, TypeError, ValueError):
            raise InputError(f"{path}: annotation {number} of {len(annotations)} is incomplete") from None
    return pd.DataFrame(rows, columns=list(_COLUMNS), index=pd.RangeIndex(1, len(rows) + 1), dtype=object)


def _annotation_row(annotation: dict[str, Any], image: dict[str, Any], names: dict[int, str]) -> list[object]:
    x, y, w, h = annotation["bbox"]
    # Sizes stand with the annotation, with the image, or with both.
    width, height = (annotation.get(key, image.get(key)) for key in ("width", "height"))
    dicom = Path(image["path"]).stem
    return [names[annotation["category_id"]], annotation["label_text"], image["path"], dicom, x, y, w, h, width, height]


def _checked(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    known = f"is not {', '.join(FINDINGS)}"
    refuse(~table["category_name"].isin(FINDINGS), path, "category_name", known)
    empty = table["label_text"].map(lambda text: not isinstance(text, str) or not text.strip())
    refuse(empty, path, "label_text", "is empty")
    parts = [_PATH.fullmatch(str(text)) for text in table["path"]]
    for row, part, dicom in zip(table.index, parts, table["dicom_id"], strict=True):
        if part is None or part["dicom"] != dicom:
            raise fault(path, row, "path", "is not the path of the row's image in MIMIC-CXR-JPG")
    values = numbers(table, _NUMBERS, path)
    for row, x, y, w, h, width, height in values.itertuples():
        if w <= 0 or h <= 0:
            raise fault(path, row, "w" if w <= 0 else "h", "the box has no area")
        outside = f"the box lies outside its image of {width:g} x {height:g} pixels"
        for column, start, length, end in (("x", x, w, width), ("y", y, h, height)):
            if start < -BOX_TOLERANCE or start + length > end + BOX_TOLERANCE:
                raise fault(path, row, column, outside)
    return pd.DataFrame(
        {
            "finding": table["category_name"],
            "phrase": table["label_text"],
            "dicom": table["dicom_id"],
            **{name: [part[name] for part in parts] for name in ("patient", "study")},
            "box": values[["x", "y", "w", "h"]].to_numpy().tolist(),
            "width": values["image_width"].astype(int),
            "height": values["image_height"].astype(int),
        }
    )
