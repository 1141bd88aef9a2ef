from __future__ import annotations

import csv

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from own_data import ROWS, write_images, write_table
from plainsight import schema
from plainsight.errors import InputError
from plainsight.worlds import folder
from plainsight.worlds.radiographs import boxes_to_mask

SECRET = "Mrs Example has a mass"


@pytest.fixture
def images(tmp_path):
    return write_images(tmp_path / "images")


def read(images, rows=ROWS):
    return folder.read(write_table(images.parent / "table.csv", rows), images)


def test_two_columns_are_enough(images):
    table = read(images, [{"image": row["image"], "phrase": row["phrase"]} for row in ROWS])
    examples = table.examples
    assert list(examples.columns) == list(schema.COLUMNS)
    assert examples.index.tolist() == [1, 2, 3, 4, 5]
    assert examples["example_id"].tolist() == ["1_wide", "2_tall", "3_wide", "4_square", "5_tall"]
    assert examples["phrase"].tolist() == [row["phrase"] for row in ROWS]
    assert examples["patient"].tolist() == examples["image"].tolist() == [row["image"] for row in ROWS]
    assert set(examples["finding"]) == {"phrase"}
    assert examples[["width", "height"]].to_numpy().tolist() == [[90, 60], [64, 100], [90, 60], [70, 70], [64, 100]]
    assert table.carried.empty and not any(table.keywords.values())
    schema.validate(examples, ["phrase"], "table")


def test_every_column(images):
    row = {
        "credit": ' "Case", 007 ',
        "id": "a b",
        "boxes": " 1 2 3.5 4;5 6 7 8; ",
        "finding": "Mass",
        "patient": "p1",
        "mask": "m.png",
        "keywords": "small, effusion,",
        "n": "NA",
    }
    table = read(images, [ROWS[0] | row])
    example = table.examples.loc[1]
    assert example["boxes"] == [[1, 2, 3.5, 4], [5, 6, 7, 8]]
    assert example[["example_id", "finding", "patient", "mask"]].tolist() == ["a b", "Mass", "p1", "m.png"]
    assert table.keywords == {"a b": ("small", "effusion")}
    assert table.carried.to_dict("records") == [{"credit": ' "Case", 007 ', "n": "NA"}]


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_byte_order_mark_change_nothing(images, end, mark):
    plain = read(images)
    path = images.parent / "saved.csv"
    text = (images.parent / "table.csv").read_text()
    path.write_bytes((mark + text.replace("\n", end)).encode())
    pd.testing.assert_frame_equal(folder.read(path, images).examples, plain.examples)


def test_empty_rows_count_but_are_no_rows(images):
    path = images.parent / "table.csv"
    path.write_text("image,phrase\n,\nwide.png,edema\n\ntall.png,mass\n ,\n")
    assert folder.read(path, images).examples["example_id"].tolist() == ["2_wide", "4_tall"]


def test_a_rectangular_mask_is_its_box(images):
    mask = np.zeros((60, 90), np.uint8)
    mask[10:40, 30:50] = 1  # any number but zero is inside
    Image.fromarray(mask).save(images / "mask.png")
    table = read(images, [ROWS[0], ROWS[0] | {"boxes": "", "mask": "mask.png"}])
    folder.check_targets(table, images)
    boxes, mask = (folder.target(example, images) for _, example in table.examples.iterrows())
    assert mask.dtype == bool and (mask == boxes).all()
    assert (boxes == boxes_to_mask([[30, 10, 20, 30]], 60, 90)).all()


def test_a_mask_comes_before_boxes_and_may_be_coloured(images):
    mask = np.zeros((60, 90, 3), np.uint8)
    mask[0, 0, 2] = 9
    Image.fromarray(mask).save(images / "mask.png")
    table = read(images, [ROWS[0] | {"mask": "mask.png"}])
    assert np.argwhere(folder.target(table.examples.loc[1], images)).tolist() == [[0, 0]]


@pytest.mark.parametrize(
    ("change", "place", "problem"),
    [
        ({"image": "absent.png"}, "image", "no such image file"),
        ({"image": "."}, "image", "Is a directory"),
        ({"image": "text.png"}, "image", "is not a PNG or JPEG image"),
        ({"image": " "}, "image", "is empty"),
        ({"phrase": ""}, "phrase", "is empty"),
        ({"finding": " "}, "finding", "is empty"),
        ({"finding": "Mass|Edema"}, "finding", "names several findings"),
        ({"patient": ""}, "patient", "is empty"),
        ({"id": ""}, "id", "is empty"),
        ({"id": "../up"}, "id", "is no name for a file"),
        ({"id": ".hidden"}, "id", "is no name for a file"),
        ({"id": "x" * 201}, "id", "is longer than 200 bytes"),
        ({"id": "ID1"}, "id", "occurs twice (case aside)"),
        ({"boxes": "1,2,3,4"}, "boxes", "'1,2,3,4' is not 'x y w h' in numbers"),
        ({"boxes": "1 2 3"}, "boxes", "[1.0, 2.0, 3.0] is not [x, y, w, h] in numbers"),
        ({"boxes": "1 2 3 nan"}, "boxes", "is not [x, y, w, h] in numbers"),
        ({"boxes": "1 2 0 4"}, "boxes", "has no area"),
        ({"boxes": "1 2 3 4; 60 1 40 5"}, "boxes", "lies outside its image of 90 x 60 pixels"),
    ],
)
def test_a_faulty_cell_is_named_by_file_row_and_column(images, change, place, problem):
    (images / "text.png").write_text("not a picture")
    fine = ROWS[0] | {"id": "id1", "finding": "Mass", "patient": SECRET, "phrase": SECRET}
    with pytest.raises(InputError) as caught:
        read(images, [fine, fine | {"id": "id2"} | change])
    message = str(caught.value)
    assert f"table.csv: row 2 below the header, column '{place}'" in message
    assert problem in message and "\n" not in message and SECRET not in message


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "column 'image' is missing"),
        (SECRET.encode() + b",x\n", "column 'image' is missing; the first line names the columns"),
        (
            b"image;phrase\nwide.png;edema\n",
            "column 'image' is missing; the first line names the columns, separated by",
        ),
        (b"Image,phrase\nwide.png,edema\n", "column 'image' is missing"),
        (b"image,phrase,,\nwide.png,edema,,\n", "column 3 has no name"),
        (b"image,phrase,phrase\nwide.png,a,b\n", "column 'phrase' occurs twice"),
        (b"image,phrase\n\n", "has no rows"),
        (b"image,phrase\nwide.png,no mass, no edema\n", "row 1 below the header has 3 cells, the header 2"),
        (b"image,phrase\nwide.png\n", "row 1 below the header has 1 cells, the header 2"),
        (b'image,phrase\nwide.png,"edema\n', "is not a CSV table (unexpected end of data)"),
        ("image,phrase\nwide.png,œdème\n".encode("cp1252"), "is not UTF-8 text"),
        ("image,phrase\nwide.png,edema\n".encode("utf-16"), "is not UTF-8 text"),
    ],
)
def test_a_file_that_is_no_such_table(images, content, problem):
    path = images.parent / "table.csv"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        folder.read(path, images)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and problem in message
    assert "\n" not in message and SECRET not in message


def test_places_that_are_not_there(images):
    with pytest.raises(InputError, match="no such table"):
        folder.read(images.parent / "absent.csv", images)
    with pytest.raises(InputError, match="Is a directory; give a CSV file"):
        folder.read(images, images)
    with pytest.raises(InputError, match="no such folder of images"):
        folder.read(write_table(images.parent / "table.csv"), images / "wide.png")


@pytest.mark.parametrize(
    ("change", "place", "problem"),
    [
        ({"boxes": ""}, "boxes", "is empty, and there is no mask"),
        ({"mask": "absent.png"}, "mask", "no such image file"),
        ({"mask": "tall.png"}, "mask", "the mask has 64 x 100 pixels, its image 90 x 60"),
        ({"mask": "deep/square.jpg"}, "mask", "is a JPEG file"),
    ],
)
def test_a_row_that_cannot_be_scored_is_named(images, change, place, problem):
    table = read(images, [ROWS[0] | {"mask": ""}, ROWS[0] | change])
    with pytest.raises(InputError) as caught:
        folder.check_targets(table, images)
    assert f"table.csv: row 2 below the header, column '{place}'" in str(caught.value)
    assert problem in str(caught.value) and "\n" not in str(caught.value)


def test_long_cells_and_quoted_line_breaks(images):
    path = images.parent / "table.csv"
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([["image", "phrase", "note"], ["wide.png", "left\nlung", "a,b\r\n" * 3000]])
    table = folder.read(path, images)
    assert table.examples.loc[1, "phrase"] == "left\nlung"
    assert table.carried.loc[1, "note"] == "a,b\r\n" * 3000
