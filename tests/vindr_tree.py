"""A small tree with the layout of VinDr-CXR, for the tests that read one; every number and picture is invented."""

from __future__ import annotations

import numpy as np

from dicom_file import write_dicom
from mimic_tree import write_counts, write_csv
from plainsight.data import vindr

IDS = [f"{n:032x}" for n in range(1, 7)]
ROWS = [
    (IDS[0], "Pleural effusion", 5, 6, 25, 26),
    (IDS[0], "Pleural effusion", 40, 6, 55, 30),
    (IDS[0], "Aortic enlargement", 1, 1, 9, 9),
    (IDS[1], "Cardiomegaly", 10.5, 20.25, 50, 60),
    (IDS[2], "ILD", 3, 3, 30, 30),
    (IDS[2], "Infiltration", 5, 5, 20, 20),
    (IDS[3], "ILD", 3, 3, 30, 30),
    (IDS[4], "No finding", "", "", "", ""),
]
LABELS = {
    IDS[0]: {"Pleural effusion"},
    IDS[1]: {"Cardiomegaly"},
    IDS[2]: {"Pneumonia"},
    IDS[3]: set(),
    IDS[4]: set(),
    IDS[5]: {"Edema"},
}


def write_vindr(folder, rows=ROWS, newline="\n"):
    """The layout of the release: annotations/*.csv and test/*.dicom."""
    columns = ("image_id", "class_name", "x_min", "y_min", "x_max", "y_max")
    write_csv(folder / "annotations" / "annotations_test.csv", columns, rows, newline)
    names = (*vindr.FINDINGS, "Other disease", "No finding")
    labels = [(image, *(int(name in mine) for name in names)) for image, mine in LABELS.items()]
    write_csv(folder / "annotations" / "image_labels_test.csv", ("image_id", *names), labels, newline)
    rng = np.random.default_rng(0)
    for number, image in enumerate(IDS):
        kind = ("MONOCHROME1", "MONOCHROME2")[number % 2]
        write_dicom(folder / "test" / f"{image}.dicom", rng.integers(0, 4096, (70, 60)), kind, bits=12)
    write_counts(folder, {"test rows": len(rows), "test images": len(LABELS), "pairs": 3})
    return folder
