"""Small trees with the layout of MIMIC-CXR-JPG, the MIMIC-CXR reports and MS-CXR, for the tests that read one.

Every sentence, number and picture is invented. ``counts.json`` states what a tree holds, as a part of a data set does.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from plainsight.data.mimic_cxr import LABELS

METADATA_COLUMNS = (
    "dicom_id",
    "subject_id",
    "study_id",
    "PerformedProcedureStepDescription",
    "ViewPosition",
    "Rows",
    "Columns",
    "StudyDate",
    "StudyTime",
    "ProcedureCodeSequence_CodeMeaning",
    "ViewCodeSequence_CodeMeaning",
    "PatientOrientationCodeSequence_CodeMeaning",
)
MS_CXR_COLUMNS = ("category_name", "label_text", "path", "x", "y", "w", "h", "image_width", "image_height", "dicom_id")
REPORT = (
    "                                 FINAL REPORT\n EXAMINATION:  CHEST (PA AND LAT)\n \n"
    " INDICATION:  Invented film.\n \n"
    " FINDINGS: \n \n Text made up for a test.\n \n{impression}"
)


@dataclass(frozen=True)
class Film:
    """One image; films of the same study share report and labels."""

    patient: int
    study: int
    view: str = "PA"
    labels: tuple[str, ...] = ("No Finding",)
    impression: str = "No acute process."
    split: str = "train"
    size: tuple[int, int] = (60, 72)

    @property
    def dicom(self) -> str:
        first = (self.patient * 7919 + self.study * 31 + len(self.view)) % 2**32
        return "-".join(f"{(first * k) % 2**32:08x}" for k in (1, 3, 5, 7, 11))

    @property
    def file(self) -> str:
        return f"files/p{str(self.patient)[:2]}/p{self.patient}/s{self.study}/{self.dicom}.jpg"


@dataclass(frozen=True)
class Box:
    film: Film
    finding: str
    phrase: str
    box: tuple[int, int, int, int] = (10, 12, 20, 24)


ASKED = (
    Film(10000101, 50000101, "AP", ("Pleural Effusion",), "Moderate left effusion as before."),
    Film(11000102, 50000102, "PA", ("Cardiomegaly", "Edema"), "Large heart, some edema.", size=(90, 60)),
    Film(19000103, 50000103, "PA", ("Pneumonia",), "Pneumonia of the right base."),
)
"""Films that MS-CXR has sentences about; the last patient's lie in p19."""
FILMS = (
    *ASKED,
    Film(10000101, 50000104, "PA", ("Edema",), "Same patient, another day: edema."),
    Film(12000105, 50000105, "PA", ("Atelectasis", "Pleural Effusion"), "Small effusion with atelectasis."),
    Film(12000105, 50000105, "LATERAL", ("Atelectasis", "Pleural Effusion"), "Small effusion with atelectasis."),
    Film(12000105, 50000106, "AP", (), "Rib lesion, not seen before."),
    Film(13000107, 50000107, "PA", ("No Finding",), "Normal."),
    Film(14000108, 50000108, "PA", ("No Finding",), "Normal film."),
    Film(15000109, 50000109, "AP", ("Support Devices", "Fracture"), "Line in place, old fracture."),
    Film(16000110, 50000110, "PA", ("Pneumothorax",), "Small apical pneumothorax.", "validate"),
    Film(17000111, 50000111, "PA", ("No Finding",), "", "test"),
    Film(19000112, 50000112, "PA", ("Pneumonia",), "Lingular pneumonia."),
    Film(19000112, 50000113, "AP", ("Pneumonia", "Edema"), "Pneumonia and edema."),
    Film(19000114, 50000114, "PA", ("No Finding",), "Clear lungs, first."),
    Film(19000115, 50000115, "PA", ("No Finding",), "Clear lungs, second."),
    Film(19000116, 50000116, "PA", ("No Finding",), "Clear lungs, third."),
    Film(19000117, 50000117, "PA", ("Support Devices",), "Tube in place only."),
)
BOXES = (
    Box(ASKED[0], "Pleural Effusion", "moderate left effusion"),
    Box(ASKED[1], "Cardiomegaly", "the heart is enlarged", (20, 20, 50, 30)),
    Box(ASKED[1], "Edema", "perihilar edema", (10, 10, 20, 30)),
    Box(ASKED[1], "Edema", "perihilar edema", (60, 10, 20, 30)),
    Box(ASKED[1], "Edema", "haze at the left base", (60, 40, 20, 15)),
    Box(ASKED[2], "Pneumonia", "right basal pneumonia, edema", (5, 40, 20, 20)),
    Box(ASKED[2], "Edema", "right basal pneumonia, edema", (5, 40, 20, 30)),
)
"""7 boxes, 3 images, 6 phrases, 5 unions, 5 when merged by image and sentence."""
MS_CXR_COUNTS = {"boxes": 7, "images": 3, "patients": 3, "phrases": 6, "unions": 5, "merged": 5}


def write_tree(root: Path, films: Sequence[Film] = FILMS, boxes: Sequence[Box] = BOXES) -> Path:
    """All three data sets in folders of the names they have in ``data_manifests``; returns ``root``."""
    write_mimic(root / "mimic_cxr_jpg", films)
    write_reports(root / "mimic_cxr_reports", films)
    write_ms_cxr(root / "ms_cxr", boxes)
    return root


def write_mimic(folder: Path, films: Sequence[Film] = FILMS, gz: bool = True, newline: str = "\n") -> None:
    rng = np.random.default_rng(0)
    for film in films:
        path = folder / film.file
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, film.size[::-1], dtype=np.uint8)).save(path)
    suffix = ".csv.gz" if gz else ".csv"
    unused = ("CHEST (PA AND LAT)", "21800506", "213014.531", "CHEST (PA AND LAT)", "postero-anterior", "Erect")
    metadata = [(f.dicom, f.patient, f.study, unused[0], f.view, f.size[1], f.size[0], *unused[1:]) for f in films]
    studies = {film.study: film for film in films}.values()
    # 1.0 for what is there; what must not count is 0.0, -1.0 or not mentioned.
    marks = [
        ["1.0" if name in f.labels else ("", "0.0", "-1.0")[i % 3] for i, name in enumerate(LABELS)] for f in studies
    ]
    tables = {
        "metadata": (METADATA_COLUMNS, metadata),
        "split": (
            ("dicom_id", "study_id", "subject_id", "split"),
            [(f.dicom, f.study, f.patient, f.split) for f in films],
        ),
        "chexpert": (
            ("subject_id", "study_id", *LABELS),
            [(f.patient, f.study, *marked) for f, marked in zip(studies, marks, strict=True)],
        ),
    }
    for name, (columns, rows) in tables.items():
        write_csv(folder / f"mimic-cxr-2.0.0-{name}{suffix}", columns, rows, newline)
    counts = {"images": len(films), "studies": len(studies), "patients": len({f.patient for f in films})}
    write_counts(folder, counts | {"labelled studies": len(studies)})


def write_reports(folder: Path, films: Sequence[Film] = FILMS, zipped: bool = True, newline: str = "\n") -> None:
    texts = {
        f"files/p{str(f.patient)[:2]}/p{f.patient}/s{f.study}.txt": REPORT.format(
            impression=f" IMPRESSION: \n \n {f.impression}\n" if f.impression else ""
        ).replace("\n", newline)
        for f in films
    }
    folder.mkdir(parents=True, exist_ok=True)
    if zipped:
        with zipfile.ZipFile(folder / "mimic-cxr-reports.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in texts.items():
                archive.writestr(name, text.encode())
    else:
        for name, text in texts.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(text.encode())
    write_counts(folder, {"reports": len(texts)})


def write_ms_cxr(
    folder: Path, boxes: Sequence[Box] = BOXES, suffix: str = ".csv", version: str = "1.1.0", newline: str = "\n"
) -> Path:
    """The annotations as CSV or as COCO JSON, whose images occur once for each of their findings; returns the file."""
    path = folder / f"MS_CXR_Local_Alignment_v{version}{suffix}"
    folder.mkdir(parents=True, exist_ok=True)
    if suffix == ".csv":
        rows = [(b.finding, b.phrase, b.film.file, *b.box, *b.film.size, b.film.dicom, "test") for b in boxes]
        write_csv(path, (*MS_CXR_COLUMNS, "split"), rows, newline)
    else:
        names = sorted({box.finding for box in boxes})
        pairs = list(dict.fromkeys((box.film, box.finding) for box in boxes))
        content = {
            "images": [
                {
                    "id": i,
                    "file_name": f"{film.dicom}.jpg",
                    "path": film.file,
                    "width": film.size[0],
                    "height": film.size[1],
                }
                for i, (film, _) in enumerate(pairs)
            ],
            "annotations": [
                {
                    "id": i,
                    "image_id": pairs.index((b.film, b.finding)),
                    "category_id": names.index(b.finding),
                    "label_text": b.phrase,
                    "bbox": list(b.box),
                    "width": b.film.size[0],
                    "height": b.film.size[1],
                }
                for i, b in enumerate(boxes)
            ],
            "categories": [{"id": i, "name": name} for i, name in enumerate(names)],
        }
        path.write_text(json.dumps(content), encoding="utf-8")
    write_counts(folder, MS_CXR_COUNTS)
    return path


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]], newline: str = "\n") -> None:
    """A CSV, zipped where its name ends in .gz."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=newline)
    writer.writerow(columns)
    writer.writerows(rows)
    raw = text.getvalue().encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(raw, mtime=0) if path.suffix == ".gz" else raw)


def write_counts(folder: Path, counts: dict[str, int]) -> None:
    (folder / "counts.json").write_text(json.dumps(counts), encoding="utf-8")
