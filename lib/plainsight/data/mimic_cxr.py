"""MIMIC-CXR-JPG (Johnson et al. 2019): which images there are, of whom, in which view, and what CheXpert labels them.

Versions 2.0.0 and 2.1.0 have the same files, all named after 2.0.0; plain and gzip copies will both do. Patients,
studies and images are identified by number, and no number may leave ``runs/``: ``names`` makes names that say nothing
to whoever does not have the data.
"""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from plainsight.data.counts import require
from plainsight.data.identifiers import MIMIC_IMAGE, MIMIC_PATIENT, MIMIC_STUDY
from plainsight.data.tables import numbers, one_of, read_csv, refuse
from plainsight.errors import InputError
from plainsight.seeding import numpy_generator

METADATA = ("mimic-cxr-2.0.0-metadata.csv.gz", "mimic-cxr-2.0.0-metadata.csv")
SPLIT = ("mimic-cxr-2.0.0-split.csv.gz", "mimic-cxr-2.0.0-split.csv")
CHEXPERT = ("mimic-cxr-2.0.0-chexpert.csv.gz", "mimic-cxr-2.0.0-chexpert.csv")

RELEASE = {
    "images": 377_110,
    "studies": 227_835,
    "patients": 65_379,
    "labelled studies": 227_827,
    "training images": 162_651,
    "prompts": 5_005,
}
"""What the publisher counts (Johnson et al. 2019, and the rows of its files); and of ``plainsight.worlds.ms_cxr`` the
training set of seeds 000 and 001, and the impressions that seed 000 makes images of (its Table 9)."""

SPLITS = ("train", "validate", "test")
FRONTAL = ("PA", "AP")
LABELS = (
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Enlarged Cardiomediastinum",
    "Fracture",
    "Lung Lesion",
    "Lung Opacity",
    "No Finding",
    "Pleural Effusion",
    "Pleural Other",
    "Pneumonia",
    "Pneumothorax",
    "Support Devices",
)
"""The columns of CheXpert's labels: 1 present, 0 absent, -1 uncertain, empty not mentioned."""

_PATTERNS = {"dicom_id": MIMIC_IMAGE, "subject_id": MIMIC_PATIENT, "study_id": MIMIC_STUDY}


def read_images(folder: Path) -> pd.DataFrame:
    """Every image of the release, frontal or not, in the order of the metadata.

    Returns:
        Columns ``dicom``, ``patient`` and ``study`` (numbers as text), ``view`` (as the source spells it), ``width``
        and ``height`` in pixels, ``official`` (train, validate or test: the publisher's split, not a paper's) and
        ``file`` (the image's path in ``folder``). The index is the row of the metadata file.

    Raises:
        InputError: a file is missing or damaged, an image occurs twice or has no split, or the counts are not those of
            the release.
    """
    path = one_of(folder, METADATA)
    table = read_csv(path, ("dicom_id", "subject_id", "study_id", "ViewPosition", "Rows", "Columns"))
    _check_ids(table, path)
    sizes = numbers(table, ("Columns", "Rows"), path)
    for column in ("Columns", "Rows"):
        refuse((sizes[column] < 1) | (sizes[column] % 1 != 0), path, column, "is not a number of pixels")
    images = pd.DataFrame(
        {
            "dicom": table["dicom_id"],
            "patient": table["subject_id"],
            "study": table["study_id"],
            "view": table["ViewPosition"],
            "width": sizes["Columns"].astype(int),
            "height": sizes["Rows"].astype(int),
            "official": _splits(folder, table, path),
            "file": image_file(table["subject_id"], table["study_id"], table["dicom_id"]),
        }
    )
    found = {"images": len(images), "studies": images["study"].nunique(), "patients": images["patient"].nunique()}
    require(found, RELEASE, folder)
    return images


def image_file(patient: pd.Series, study: pd.Series, dicom: pd.Series) -> pd.Series:
    """The paths of images below the data set's folder: ``files/p1?/p1???????/s5???????/<dicom>.jpg``."""
    return "files/p" + patient.str[:2] + "/p" + patient + "/s" + study + "/" + dicom + ".jpg"


def read_labels(folder: Path) -> pd.DataFrame:
    """CheXpert's labels of each study: index study number, one bool column a label of ``LABELS``, true where present.

    Uncertain labels and those not mentioned are false.
    """
    path = one_of(folder, CHEXPERT)
    table = read_csv(path, ("subject_id", "study_id", *LABELS))
    _check_ids(table, path)
    refuse(table["study_id"].duplicated(), path, "study_id", "occurs twice; fetch the file again")
    require({"labelled studies": len(table)}, RELEASE, folder)
    labels = numbers(table[list(LABELS)].replace("", "0"), LABELS, path)
    for name in LABELS:
        refuse(~labels[name].isin((-1, 0, 1)), path, name, "is not 1, 0, -1 or empty; fetch the file again")
    return (labels == 1).set_axis(pd.Index(table["study_id"], name="study"))


def names(images: pd.DataFrame) -> pd.DataFrame:
    """Names for ``images`` that hold no number of the source: columns ``patient``, ``image``, with the same index.

    Patients are counted in an order that depends on all patients of the table, and the images of each in the order of
    their identifiers: ``mimic-00017`` and ``mimic-00017-02``. The same table always gives the same names.
    """
    patients = sorted(images["patient"].unique())
    order = numpy_generator(0, "mimic_cxr", "patients").permutation(len(patients))
    number = dict(zip(patients, order.tolist(), strict=True))
    patient = images["patient"].map(lambda text: f"mimic-{number[text]:05d}")
    place = images.sort_values("dicom").groupby("patient").cumcount().reindex(images.index)
    return pd.DataFrame({"patient": patient, "image": patient + place.map("-{:02d}".format)})


def _splits(folder: Path, table: pd.DataFrame, metadata: Path) -> pd.Series:
    path = one_of(folder, SPLIT)
    split = read_csv(path, ("dicom_id", "split"))
    refuse(~split["split"].isin(SPLITS), path, "split", f"is not {', '.join(SPLITS)}")
    refuse(split["dicom_id"].duplicated(), path, "dicom_id", "occurs twice; fetch the file again")
    found = table["dicom_id"].map(split.set_index("dicom_id")["split"])
    refuse(found.isna(), metadata, "dicom_id", f"is not in {path.name}; fetch both files again")
    return found


def _check_ids(table: pd.DataFrame, path: Path) -> None:
    for column, pattern in _PATTERNS.items():
        if column in table:
            refuse(~table[column].str.fullmatch(pattern), path, column, "is not an identifier of MIMIC-CXR")
    if "dicom_id" in table:
        refuse(table["dicom_id"].duplicated(), path, "dicom_id", "occurs twice; fetch the file again")


def check_files(images: pd.DataFrame, folder: Path, what: str) -> None:
    """Raise InputError where a file of ``images`` is not in ``folder``: how many ``what``, and the row of the first."""
    # Path.is_file would raise an error with the path, and so a patient's number, where a folder may not be opened.
    missing = [row for row, file in images["file"].items() if not os.path.isfile(folder / file)]
    if missing:
        raise InputError(
            f"{folder}: {len(missing):,} of {len(images):,} images {what} are missing or out of reach, the first that "
            f"of row {missing[0]} of {one_of(folder, METADATA).name}; fetch or allow them"
        )
