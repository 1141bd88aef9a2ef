"""Where lesions are and how large: real box lists, read from the data folder of torchxrayvision.

The package is located, never imported (importing it needs torch and downloads nothing we want). Boxes are
fractions of the image, (centre x, centre y, width, height); the patient's right side is on the image's left.

| list | findings used | image frame |
|---|---|---|
| NIH ChestX-ray14 (Wang et al. 2017), ``BBox_List_2017`` | atelectasis, cardiomegaly, effusion, pneumonia | 1024 px |
| RSNA 2018 (Shih et al. 2019), ``kaggle_stage_2_train_labels`` | lung opacity; bilateral cases: edema | 1024 px |
| SIIM-ACR 2019 run lengths | pneumothorax, the box of each mask | 1024 px |
| VinDr-CXR (Nguyen et al. 2022), ``vinbigdata-train`` | consolidation: only the boxes' aspect ratios | unknown |

The VinDr list does not say how large its images are, so that its boxes have no place in an image. A ratio of
width to height needs none: consolidation takes it from VinDr, and centre and area from RSNA, whose boxes
mark "opacity suspicious for pneumonia", of which consolidation is the dense form. No list boxes edema: it takes
RSNA images with boxes in both lungs.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from plainsight.errors import InputError

FRAME = 1024
"""Side in pixels of the images of the NIH, RSNA and SIIM lists."""

NIH_NAMES = {
    "Atelectasis": "Atelectasis",
    "Cardiomegaly": "Cardiomegaly",
    "Effusion": "Pleural Effusion",
    "Infiltrate": "Infiltrate",
    "Mass": "Mass",
    "Nodule": "Nodule",
    "Pneumonia": "Pneumonia",
    "Pneumothorax": "Pneumothorax",
}

LUNG_TOP, LUNG_BOTTOM = 0.09, 0.70
"""Apex and diaphragm dome of an average radiograph of these lists, as fractions of its height."""

ZONES = {  # lowest and highest share of the way from apex to dome
    "": (-1.0, 2.0),
    "diffuse": (-1.0, 2.0),
    "apical": (-1.0, 0.28),
    "upper": (-1.0, 0.38),
    "middle": (0.33, 0.68),
    "perihilar": (0.33, 0.68),
    "lower": (0.60, 2.0),
    "basal": (0.72, 2.0),
    "retrocardiac": (0.60, 2.0),
}
SIZES = {"": (0.0, 1.0), "trace": (0.0, 0.2), "small": (0.05, 0.4), "moderate": (0.3, 0.75), "large": (0.65, 1.0)}
"""Which quantiles of the real areas a severity word draws from."""


class Box(NamedTuple):
    """A box as fractions of the image: centre, width and height."""

    x: float
    y: float
    width: float
    height: float


def data_folder() -> Path:
    """The ``data`` folder of the installed torchxrayvision; InputError where the package is missing."""
    spec = importlib.util.find_spec("torchxrayvision")
    if spec is None or not spec.submodule_search_locations:
        raise InputError("torchxrayvision: package not found; its box lists are needed: pip install torchxrayvision")
    return Path(spec.submodule_search_locations[0]) / "data"


@cache
def nih() -> pd.DataFrame:
    """The official NIH list: columns image, finding, x, y, width, height (centres, fractions)."""
    raw = pd.read_csv(data_folder() / "BBox_List_2017.csv.gz").iloc[:, :6]
    raw.columns = ["image", "finding", "left", "top", "width", "height"]
    return _fractions(raw.assign(finding=raw.finding.map(NIH_NAMES)))


@cache
def rsna() -> pd.DataFrame:
    """The RSNA list (one opacity a row), columns as in :func:`nih`."""
    raw = pd.read_csv(data_folder() / "kaggle_stage_2_train_labels.csv.zip").query("Target == 1")
    raw = raw.rename(columns={"patientId": "image", "x": "left", "y": "top"}).assign(finding="Lung Opacity")
    return _fractions(raw.drop_duplicates())


@cache
def siim() -> pd.DataFrame:
    """The boxes around the SIIM-ACR pneumothorax masks, columns as in :func:`nih`.

    Run lengths go down the columns of the image; each start is counted from the end of the run before it.
    """
    raw = pd.read_csv(data_folder() / "siim-pneumothorax-train-rle.csv.gz", skipinitialspace=True)
    raw = raw[raw.EncodedPixels.str.strip() != "-1"]
    boxes = [run_length_box(runs) for runs in raw.EncodedPixels]
    boxed = pd.DataFrame(boxes, columns=["left", "top", "width", "height"]).assign(
        image=raw.ImageId.to_numpy(), finding="Pneumothorax"
    )
    return _fractions(boxed)


def run_length_box(runs: str, side: int = FRAME) -> tuple[int, int, int, int]:
    """Left, top, width and height of a mask of ``side`` x ``side`` pixels written as relative run lengths."""
    steps = np.array(runs.split(), dtype=np.int64)
    ends = np.cumsum(steps)
    first, last = ends[0::2], ends[1::2] - 1
    columns, rows = np.divmod(np.concatenate([first, last]), side)
    if (first // side != last // side).any():
        rows = np.append(rows, [0, side - 1])  # a run over a column's end touches bottom and top
    return (
        int(columns.min()),
        int(rows.min()),
        int(columns.max() - columns.min() + 1),
        int(rows.max() - rows.min() + 1),
    )


@cache
def vindr_aspects(class_name: str = "Consolidation") -> np.ndarray:
    """Width over height of every VinDr-CXR box of a class."""
    raw = pd.read_csv(data_folder() / "vinbigdata-train.csv.gz").query("class_name == @class_name")
    return ((raw.x_max - raw.x_min) / (raw.y_max - raw.y_min)).to_numpy()


@cache
def boxes(finding: str) -> pd.DataFrame:
    """Real boxes for a finding of the phantom world, columns image, finding, x, y, width, height.

    Consolidation has RSNA's centres and areas with VinDr's aspect ratios, paired by a fixed shuffle.
    """
    if finding == "Pneumothorax":
        return siim()
    if finding in ("Lung Opacity", "Edema", "Consolidation"):
        table = rsna()
        if finding == "Edema":
            table = table[table.image.isin(_bilateral_images(table))]
        if finding == "Consolidation":
            aspect = np.random.default_rng(0).choice(vindr_aspects(), len(table))
            area = table.width * table.height
            table = table.assign(width=np.sqrt(area * aspect), height=np.sqrt(area / aspect))
        return table.assign(finding=finding)
    table = nih()
    if not (table.finding == finding).any():
        raise InputError(
            f"annotations: no boxes for finding {finding!r}; known: {', '.join(sorted(set(table.finding)))}"
        )
    return table[table.finding == finding]


@cache
def bilateral_share(finding: str) -> float:
    """Share of a finding's boxed images that have it in both halves of the image."""
    table = boxes(finding)
    return len(_bilateral_images(table)) / table.image.nunique()


@cache
def right_share(finding: str) -> float:
    """Share of a finding's boxes whose centre is on the patient's right."""
    return float((boxes(finding).x < 0.5).mean())


def sample(finding: str, side: str, zone: str, severity: str, rng: np.random.Generator) -> Box:
    """A real box of ``finding`` that agrees with side, zone and severity, mirrored to ``side`` if need be.

    ``side`` is ``left`` or ``right`` (the patient's). Size and place are drawn together; where the list has no
    box in that zone, only the size is real and the centre is drawn within the zone.
    """
    table = _arrays(finding)
    centre, size = table[:, :2], table[:, 2:]
    area = size.prod(axis=1)
    low, high = np.quantile(area, SIZES[severity])
    keep = (area >= low) & (area <= high)
    share = (centre[:, 1] - LUNG_TOP) / (LUNG_BOTTOM - LUNG_TOP)
    top, bottom = ZONES[zone]
    placed = np.flatnonzero(keep & (share >= top) & (share <= bottom))
    row = int(rng.choice(placed if len(placed) else np.flatnonzero(keep)))
    x, y, width, height = (float(v) for v in table[row])
    if not len(placed):
        y = LUNG_TOP + rng.uniform(max(top, 0.05), min(bottom, 0.95)) * (LUNG_BOTTOM - LUNG_TOP)
    if (x < 0.5) != (side == "right"):
        x = 1 - x
    return Box(x, y, width, height)


@cache
def _arrays(finding: str) -> np.ndarray:
    """Boxes of a finding as an array (N, 4): centre x, centre y, width, height."""
    return boxes(finding)[["x", "y", "width", "height"]].to_numpy(dtype=float)


def _fractions(raw: pd.DataFrame) -> pd.DataFrame:
    """Corners and sizes in pixels of the frame -> centres and sizes as fractions."""
    return pd.DataFrame(
        {
            "image": raw.image,
            "finding": raw.finding,
            "x": (raw.left + raw.width / 2) / FRAME,
            "y": (raw.top + raw.height / 2) / FRAME,
            "width": raw.width / FRAME,
            "height": raw.height / FRAME,
        }
    ).reset_index(drop=True)


def _bilateral_images(table: pd.DataFrame) -> pd.Index:
    """Images with a box on either side of the middle."""
    right = table.groupby("image").x.agg(["min", "max"])
    return right.index[(right["min"] < 0.5) & (right["max"] > 0.5)]
