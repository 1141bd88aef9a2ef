"""The gold standard of Chest ImaGenome: boxes of regions in original pixels, and damage."""

from __future__ import annotations

import pytest

from damage import edit
from mimic_tree import FILMS, write_counts, write_csv
from plainsight.data import imagenome
from plainsight.errors import InputError

COLUMNS = (
    "image_id", "x1", "y1", "x2", "y2", "width", "height", "bbox_name", "annot_id", "original_x1", "original_x2",
    "original_y1", "original_y2", "original_width", "original_height", "annotator", "coord224", "coord_original",
)  # fmt: skip


def row(dicom, region, x1, y1, x2, y2, size=(60, 72)):
    small = (1, 2, 3, 4, 224, 224)
    return (f"{dicom}.dcm", *small, region, 7, x1, x2, y1, y2, *size, "W", "[1, 2, 3, 4]", "[1, 2, 3, 4]")


FIRST, SECOND = FILMS[0].dicom, FILMS[4].dicom
ROWS = (
    row(FIRST, "left lung", 30, 5, 55, 60),
    row(FIRST, "right lung", -3, 5, 25, 60),
    row(SECOND, "left lung", 31.5, 6, 61, 80),
)


@pytest.fixture
def path(tmp_path):
    write_csv(tmp_path / imagenome.GOLD, COLUMNS, ROWS)
    write_counts(tmp_path, {"boxes": 3, "images": 2})
    return tmp_path / imagenome.GOLD


def test_boxes_are_in_original_pixels_and_cut_at_the_edge(path):
    boxes = imagenome.read_gold(path.parents[1])
    assert boxes["dicom"].tolist() == [FIRST, FIRST, SECOND]
    assert boxes["region"].tolist() == ["left lung", "right lung", "left lung"]
    assert boxes["box"].tolist() == [[30, 5, 25, 55], [0, 5, 25, 55], [31.5, 6, 28.5, 66]]
    assert boxes[["width", "height"]].drop_duplicates().to_numpy().tolist() == [[60, 72]]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: p.unlink(), "no such file"),
        (lambda p: edit(p, "original_x2", "x"), "column 'original_x2' is missing"),
        (lambda p: edit(p, f"{FIRST}.dcm", "one.dcm"), "row 1, column 'image_id': is not an identifier"),
        (lambda p: edit(p, "right lung", "left lung"), "row 2, column 'bbox_name': occurs twice"),
        (lambda p: edit(p, "left lung", " "), "row 1, column 'bbox_name': is empty"),
        (lambda p: edit(p, "30,55,5,60", "30,30,5,60"), "row 1, column 'original_x2': the box has no area"),
        (lambda p: edit(p, "30,55,5,60", "70,90,5,60"), "row 1, column 'original_x2': the box has no area inside"),
        (lambda p: edit(p, "30,55,5,60", "30,55,5,nan"), "row 1, column 'original_y2': is not a number"),
        (lambda p: p.write_bytes(p.read_bytes()[:-30]), "row 3"),
        (lambda p: p.write_bytes(b"\xff" + p.read_bytes()), "is not UTF-8 text"),
        (lambda p: (p.parents[1] / "counts.json").unlink(), "boxes: expected 25,989, found 3; images: expected 1,000"),
    ],
)
def test_damage_is_named_with_file_and_row(path, damage, message):
    damage(path)
    with pytest.raises(InputError) as caught:
        imagenome.read_gold(path.parents[1])
    assert message in str(caught.value) and FIRST not in str(caught.value)
