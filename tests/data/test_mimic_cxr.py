"""MIMIC-CXR-JPG: images, labels and names, from the publisher's layout; eight kinds of damage."""

from __future__ import annotations

import gzip

import pytest

from damage import edit
from mimic_tree import FILMS, write_counts, write_mimic
from plainsight.data import mimic_cxr
from plainsight.errors import InputError

METADATA, SPLIT, CHEXPERT = (f"mimic-cxr-2.0.0-{name}.csv" for name in ("metadata", "split", "chexpert"))


@pytest.fixture
def folder(tmp_path):
    write_mimic(tmp_path, gz=False)
    return tmp_path


@pytest.mark.parametrize(("gz", "newline"), [(True, "\n"), (False, "\n"), (True, "\r\n")])
def test_images_are_those_of_the_tables(tmp_path, gz, newline):
    write_mimic(tmp_path, gz=gz, newline=newline)
    images = mimic_cxr.read_images(tmp_path)
    assert images.index.tolist() == list(range(1, len(FILMS) + 1))
    for (_, row), film in zip(images.iterrows(), FILMS, strict=True):
        assert (row["patient"], row["study"], row["dicom"]) == (str(film.patient), str(film.study), film.dicom)
        assert (row["view"], row["width"], row["height"]) == (film.view, *film.size)
        assert (row["official"], row["file"]) == (film.split, film.file)
        assert (tmp_path / row["file"]).is_file()
    mimic_cxr.check_files(images, tmp_path, "of the test")


def test_only_a_label_that_is_1_counts(folder):
    labels = mimic_cxr.read_labels(folder)
    studies = {str(film.study): set(film.labels) for film in FILMS}
    assert {study: {name for name in labels if row[name]} for study, row in labels.iterrows()} == studies
    raw = (folder / CHEXPERT).read_text()
    assert "-1.0" in raw and "0.0" in raw and ",," in raw


def test_names_say_nothing_and_never_change(folder):
    images = mimic_cxr.read_images(folder)
    names = mimic_cxr.names(images)
    assert names.equals(mimic_cxr.names(images)) and names["image"].is_unique
    assert (
        names.groupby("patient")["image"]
        .size()
        .equals(
            images.assign(name=names["patient"]).groupby("name")["dicom"].size().rename_axis("patient").rename("image")
        )
    )
    numbers = set(images["patient"]) | set(images["study"]) | set(images["dicom"])
    for name in [*names["patient"], *names["image"]]:
        assert not any(number in name for number in numbers)
    order = images.assign(name=names["patient"]).drop_duplicates("patient").sort_values("patient")["name"]
    assert not order.is_monotonic_increasing  # the order of the numbers would give them away


def test_a_missing_image_is_counted_and_its_row_named(folder):
    images = mimic_cxr.read_images(folder)
    for row in (3, 9):
        (folder / images.at[row, "file"]).unlink()
    with pytest.raises(InputError) as caught:
        mimic_cxr.check_files(images, folder, "of the test")
    assert (
        f"2 of {len(FILMS)} images of the test are missing or out of reach, the first that of row 3 of {METADATA}"
        in str(caught.value)
    )
    assert FILMS[2].dicom not in str(caught.value) and str(FILMS[2].patient) not in str(caught.value)


FIRST = FILMS[0]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / METADATA).unlink(), "holds no mimic-cxr-2.0.0-metadata.csv.gz or"),
        (lambda f: edit(f / METADATA, "ViewPosition", "View"), "column 'ViewPosition' is missing"),
        (
            lambda f: edit(f / METADATA, f",{FIRST.patient},", ",p10,"),
            "row 1, column 'subject_id': is not an identifier",
        ),
        (lambda f: edit(f / METADATA, FIRST.dicom, "a.dcm"), "row 1, column 'dicom_id': is not an identifier"),
        (lambda f: edit(f / METADATA, FILMS[2].dicom, FIRST.dicom), "row 3, column 'dicom_id': occurs twice"),
        (lambda f: edit(f / METADATA, ",72,60,", ",0,60,"), "row 1, column 'Rows': is not a number of pixels"),
        (lambda f: edit(f / METADATA, ",72,60,", ",tall,60,"), "row 1, column 'Rows': is not a number"),
        (lambda f: edit(f / SPLIT, ",validate", ",valid"), "column 'split': is not train, validate, test"),
        (
            lambda f: edit(f / SPLIT, FIRST.dicom, FIRST.dicom[::-1]),
            f"{METADATA}: row 1, column 'dicom_id': is not in {SPLIT}",
        ),
        (lambda f: (f / SPLIT).write_bytes((f / SPLIT).read_bytes()[:-9]), "cells, the header 4"),
        (lambda f: (f / METADATA).write_bytes((f / METADATA).read_bytes() + b"\xff"), "is not UTF-8 text"),
        (lambda f: write_counts(f, {"images": 377_110}), f"images: expected 377,110, found {len(FILMS)}"),
        (lambda f: (f / "counts.json").unlink(), "patients: expected 65,379, found 14"),
    ],
)
def test_damage_is_named_with_file_and_row(folder, damage, message):
    damage(folder)
    with pytest.raises(InputError) as caught:
        mimic_cxr.read_images(folder)
    said = str(caught.value)
    assert message in said and "\n" not in said
    assert str(FIRST.patient) not in said and FIRST.dicom not in said


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / CHEXPERT).unlink(), "holds no mimic-cxr-2.0.0-chexpert.csv.gz"),
        (lambda f: edit(f / CHEXPERT, "Pneumothorax", "Hernia"), "column 'Pneumothorax' is missing"),
        (lambda f: edit(f / CHEXPERT, "-1.0", "0.5"), "is not 1, 0, -1 or empty"),
        (lambda f: edit(f / CHEXPERT, "-1.0", "yes"), "is not a number"),
        (lambda f: edit(f / CHEXPERT, str(FILMS[1].study), str(FIRST.study)), "row 2, column 'study_id': occurs twice"),
        (lambda f: (f / "counts.json").unlink(), "labelled studies: expected 227,827, found 17"),
    ],
)
def test_damaged_labels_are_named(folder, damage, message):
    damage(folder)
    with pytest.raises(InputError) as caught:
        mimic_cxr.read_labels(folder)
    assert message in str(caught.value) and str(FIRST.study) not in str(caught.value)


def test_a_truncated_archive(tmp_path):
    write_mimic(tmp_path)
    path = tmp_path / f"{METADATA}.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="is truncated or no gzip file"):
        mimic_cxr.read_images(tmp_path)
    assert gzip.decompress((tmp_path / f"{SPLIT}.gz").read_bytes())
