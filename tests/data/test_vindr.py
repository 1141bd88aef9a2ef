"""VinDr-CXR: consensus and readers, which boxes stand for which finding, DICOM to PNG, and damage."""

from __future__ import annotations

import pytest

from damage import edit
from mimic_tree import write_counts, write_csv
from plainsight import schema
from plainsight.data import vindr
from plainsight.errors import InputError
from plainsight.worlds import findings
from vindr_tree import IDS, write_vindr


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_boxes_by_consensus(tmp_path, newline):
    boxes = vindr.read_boxes(write_vindr(tmp_path, newline=newline))
    assert boxes.index.tolist() == [1, 2, 3, 4, 5, 6, 7] and set(boxes["reader"]) == {"consensus"}
    assert boxes["box"][1] == [5, 6, 20, 20] and boxes["box"][4] == [10.5, 20.25, 39.5, 39.75]


def test_boxes_of_readers_in_the_training_set(tmp_path):
    rows = [(IDS[0], "R9", "Cardiomegaly", 1, 2, 5, 6), (IDS[0], "R10", "No finding", "", "", "", "")]
    columns = ("image_id", "rad_id", "class_name", "x_min", "y_min", "x_max", "y_max")
    write_csv(tmp_path / "annotations" / "annotations_train.csv", columns, rows)
    write_counts(tmp_path, {"train rows": 2})
    boxes = vindr.read_boxes(tmp_path, "train")
    assert boxes[["finding", "reader"]].to_numpy().tolist() == [["Cardiomegaly", "R9"]]


def test_pairs_are_findings_of_ms_cxr_and_ild_may_stand_for_pneumonia(tmp_path):
    found = vindr.read_pairs(write_vindr(tmp_path))
    # Not: the aorta; interstitial disease on an image without any label of the eight.
    assert found[["image", "finding"]].to_numpy().tolist() == [
        [IDS[0], "Pleural Effusion"],
        [IDS[1], "Cardiomegaly"],
        [IDS[2], "Pneumonia"],
    ]
    assert found["boxes"].map(len).tolist() == [2, 1, 2]


def test_another_number_of_pairs_than_the_papers_stops_with_both(tmp_path):
    write_counts(write_vindr(tmp_path), {"test rows": 8, "test images": 6})
    with pytest.raises(InputError, match="pairs: expected 443, found 3; fetch it again, or state"):
        vindr.read_pairs(tmp_path)


def test_examples_are_rows_of_the_schema_with_images_that_can_be_read(tmp_path):
    frame = vindr.examples(write_vindr(tmp_path / "vindr"), tmp_path / "out")
    schema.write(frame, tmp_path / "out" / "examples.parquet", findings("ms_cxr"))
    again = schema.read(tmp_path / "out" / "examples.parquet", findings("ms_cxr"))
    assert again["phrase"].tolist() == ["pleural effusion", "cardiomegaly", "pneumonia"]
    for _, row in again.iterrows():
        assert schema.load_image(tmp_path / "out", row).shape == (70, 60)
        assert not any(image in row["example_id"] + row["image"] for image in IDS)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: p.unlink(), "no such file"),
        (lambda p: edit(p, "class_name", "class"), "column 'class_name' is missing"),
        (lambda p: edit(p, IDS[0], "1.dicom"), "row 1, column 'image_id': is not an identifier"),
        (lambda p: edit(p, "5,6,25,26", "5,6,5,26"), "row 1, column 'x_max': the box has no area"),
        (lambda p: edit(p, "5,6,25,26", "5,6,25,2"), "row 1, column 'y_max': the box has no area"),
        (lambda p: edit(p, "5,6,25,26", "-5,6,25,26"), "row 1, column 'x_min': the box lies outside"),
        (lambda p: edit(p, "5,6,25,26", "5,,25,26"), "row 1, column 'y_min': is not a number"),
        (lambda p: p.write_bytes(p.read_bytes()[:-40]), "row 8"),
        (lambda p: p.write_bytes(p.read_bytes().decode().encode("utf-16")), "is not UTF-8 text"),
        (lambda p: (p.parents[1] / "counts.json").unlink(), "test rows: expected 4,748, found 8"),
    ],
)
def test_damage_is_named_with_file_and_row(tmp_path, damage, message):
    write_vindr(tmp_path)
    damage(tmp_path / "annotations" / "annotations_test.csv")
    with pytest.raises(InputError) as caught:
        vindr.read_boxes(tmp_path)
    assert message in str(caught.value) and not any(image in str(caught.value) for image in IDS)


def test_damaged_labels_and_a_missing_image(tmp_path):
    write_vindr(tmp_path)
    (tmp_path / "test" / f"{IDS[1]}.dicom").unlink()
    with pytest.raises(InputError, match=r"image 2 of 3: is missing") as caught:
        vindr.examples(tmp_path, tmp_path / "out")
    assert IDS[1] not in str(caught.value)
    path = tmp_path / "annotations" / "image_labels_test.csv"
    for old, new, message in (
        (IDS[1], IDS[0], "row 2, column 'image_id': occurs twice"),
        (",1,", ",2,", "is not 0 or 1"),
    ):
        write_vindr(tmp_path)
        edit(path, old, new)
        with pytest.raises(InputError, match=message):
            vindr.read_labels(tmp_path)


def test_a_box_beyond_the_picture_is_named_where_the_picture_is_read(tmp_path):
    path = write_vindr(tmp_path) / "annotations" / "annotations_test.csv"
    edit(path, "5,6,25,26", "5,6,2500,26")
    with pytest.raises(InputError, match=r"pairs of image and finding: row 1, column 'boxes': box .* lies outside"):
        vindr.examples(tmp_path, tmp_path / "out")
