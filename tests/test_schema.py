"""The table of examples: round trips, and every fault named with file, row and column."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from plainsight import schema
from plainsight.errors import InputError

FINDINGS = ("Edema", "Mass")


def example(**values):
    row = {
        "example_id": "a",
        "image_id": "i",
        "image": "images/i.png",
        "phrase": "a mass",
        "finding": "Mass",
        "boxes": [[1.0, 2.0, 3.5, 4.0]],
        "mask": "",
        "patient": "p",
        "view": "PA",
        "split": "grounding",
        "source": "",
        "width": 8,
        "height": 6,
    }
    return row | values


def table(*rows):
    return pd.DataFrame([example(example_id=f"e{i}", **row) for i, row in enumerate(rows or ({},))])


def fault(frame):
    with pytest.raises(InputError) as caught:
        schema.validate(frame, FINDINGS, "examples.parquet")
    message = str(caught.value)
    assert message.startswith("examples.parquet: ") and "\n" not in message
    return message


def test_round_trip_gives_plain_lists(tmp_path):
    trained_on = {"image_id": "j", "boxes": [], "finding": "Mass|Edema", "split": "train"}
    frame = table({}, trained_on, {"boxes": [[0, 0, 8, 6], [1, 1, 2, 2]]})
    schema.write(frame, tmp_path / "examples.parquet", FINDINGS)
    back = schema.read(tmp_path / "examples.parquet", FINDINGS)
    assert list(back.columns) == list(schema.COLUMNS)
    assert back["boxes"].tolist() == [[[1.0, 2.0, 3.5, 4.0]], [], [[0.0, 0.0, 8.0, 6.0], [1.0, 1.0, 2.0, 2.0]]]
    assert all(type(boxes) is list for boxes in back["boxes"])
    pd.testing.assert_frame_equal(back.drop(columns="boxes"), frame.drop(columns="boxes"))


def test_an_empty_table_round_trips(tmp_path):
    schema.write(table().iloc[:0], tmp_path / "e.parquet", FINDINGS)
    assert len(schema.read(tmp_path / "e.parquet", FINDINGS)) == 0


def test_same_rows_same_bytes_whatever_the_index_and_container(tmp_path):
    frame = table({}, {"boxes": [[0, 0, 1, 1]]})
    other = frame.iloc[::-1].iloc[::-1].set_index(pd.Index([5, 9]))[list(reversed(schema.COLUMNS))]
    other["boxes"] = [np.asarray(boxes, dtype=float) for boxes in frame["boxes"]]
    for name, version in (("a", frame), ("b", other), ("c", frame)):
        schema.write(version, tmp_path / name, FINDINGS)
    assert len({(tmp_path / name).read_bytes() for name in "abc"}) == 1


def test_writing_does_not_change_the_frame_given(tmp_path):
    frame = table()
    frame["boxes"] = [np.array([[1.0, 2, 3, 4]])]
    schema.write(frame, tmp_path / "e", FINDINGS)
    assert isinstance(frame["boxes"].iloc[0], np.ndarray)


def test_a_refused_table_is_not_written(tmp_path):
    with pytest.raises(InputError):
        schema.write(table({"view": "lateral"}), tmp_path / "e.parquet", FINDINGS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("column", schema.COLUMNS)
def test_missing_columns_are_named(column):
    assert f"column {column!r} is missing" in fault(table().drop(columns=column))


def test_unknown_columns_are_named():
    assert "unknown column 'colour'" in fault(table().assign(colour="red"))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"phrase": ""}, "row 1, column 'phrase': the value is empty"),
        ({"phrase": "  "}, "column 'phrase': the value is empty"),
        ({"phrase": None}, "column 'phrase': the value is not text"),
        ({"patient": 7}, "column 'patient': the value is not text"),
        ({"image": ""}, "column 'image': the value is empty"),
        ({"finding": "Tumour"}, "column 'finding': 'Tumour' is not declared by this world (Edema, Mass)"),
        ({"finding": "Mass|Tumour", "split": "train"}, "'Mass|Tumour' is not declared"),
        ({"finding": "Mass|Edema"}, "names several findings on a grounding row"),
        ({"finding": ""}, "column 'finding': '' is empty"),
        ({"split": "test"}, "column 'split': 'test' is not one of train, validation, grounding, generation"),
        ({"view": "lateral"}, "column 'view': 'lateral' is not PA, AP or empty"),
        ({"width": 0}, "column 'width': 0 is not a whole number above 0"),
        ({"height": 6.5}, "column 'height': 6.5 is not a whole number"),
        ({"width": "8"}, "column 'width': '8' is not a whole number"),
        ({"boxes": None}, "row 1, column 'boxes': None is not a list of [x, y, w, h]"),
        ({"boxes": "1 2 3 4"}, "'1 2 3 4' is not a list"),
        ({"boxes": [1.0, 2.0, 3.0, 4.0]}, "1.0 is not [x, y, w, h] in numbers"),
        ({"boxes": [[1.0, 2.0, 3.0]]}, "[1.0, 2.0, 3.0] is not [x, y, w, h]"),
        ({"boxes": [[1.0, 2.0, 3.0, float("nan")]]}, "nan] is not [x, y, w, h] in numbers"),
        ({"boxes": [["a", 2.0, 3.0, 1.0]]}, "is not [x, y, w, h] in numbers"),
        ({"boxes": [[1.0, 2.0, 0.0, 3.0]]}, "box [1.0, 2.0, 0.0, 3.0] has no area"),
        ({"boxes": [[1.0, 2.0, 2.0, -3.0]]}, "has no area"),
        ({"boxes": [[1.0, 2.0, 7.6, 1.0]]}, "lies outside its image of 8 x 6 pixels"),
        ({"boxes": [[0.0, 0.0, 1.0, 1.0], [-1.0, 2.0, 2.0, 1.0]]}, "box [-1.0, 2.0, 2.0, 1.0] lies outside"),
    ],
)
def test_wrong_values_are_named_with_their_row(values, expected):
    message = fault(table({}, values))
    assert expected in message and "row 1, column" in message


def test_duplicate_ids_are_named():
    frame = table({}, {})
    frame["example_id"] = "same"
    assert "row 1, column 'example_id': 'same' occurs twice" in fault(frame)


def test_an_image_has_one_file_and_training_images_are_in_no_other_split():
    assert "row 0, column 'image_id': 'i' names several image files" in fault(table({}, {"image": "images/j.png"}))
    message = fault(table({}, {"split": "train"}))
    assert "row 0, column 'image_id': 'i' is a training image, too" in message
    several_phrases = table({}, {"phrase": "a second mass"})
    schema.validate(several_phrases, FINDINGS, "examples.parquet")


def test_a_box_may_stick_out_by_rounding():
    schema.validate(table({"boxes": [[-0.4, 0.0, 8.8, 6.4]]}), FINDINGS, "x")


def test_a_table_that_is_none_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.parquet: no such table"):
        schema.read(tmp_path / "none.parquet", FINDINGS)
    (tmp_path / "text.parquet").write_text("not Parquet at all")
    with pytest.raises(InputError, match=r"text\.parquet: not a Parquet table"):
        schema.read(tmp_path / "text.parquet", FINDINGS)


def test_a_truncated_table_is_named(tmp_path):
    path = tmp_path / "e.parquet"
    schema.write(table(), path, FINDINGS)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"e\.parquet: not a Parquet table") as caught:
        schema.read(path, FINDINGS)
    assert "\n" not in str(caught.value)


def test_boxes_are_nested_lists_of_doubles_on_disk(tmp_path):
    schema.write(table(), tmp_path / "e.parquet", FINDINGS)
    assert str(pq.read_schema(tmp_path / "e.parquet").field("boxes").type).count("list") == 2


def test_texts_round_trip_and_name_their_faults(tmp_path):
    texts = pd.DataFrame({"image_id": ["a", "a"], "text": ["reports", "labels"], "phrase": ["a mass", "mass"]})
    schema.write_texts(texts, tmp_path / "texts.parquet")
    pd.testing.assert_frame_equal(schema.read_texts(tmp_path / "texts.parquet"), texts)
    for wrong, expected in (
        (texts.drop(columns="text"), "column 'text' is missing"),
        (texts.assign(phrase=["a", ""]), "row 1, column 'phrase': the value is empty"),
        (texts.assign(text="labels"), "row 1, column 'image_id': 'a' occurs twice"),
    ):
        with pytest.raises(InputError) as caught:
            schema.write_texts(wrong, tmp_path / "wrong.parquet")
        assert expected in str(caught.value)


# --- images ---------------------------------------------------------------------------------------------------------


def row(**values):
    return pd.Series(example(**values))


def save(tmp_path, pixels, name="images/i.png", **options):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


@pytest.mark.parametrize(
    ("dtype", "top"),
    [(np.uint8, 255), (np.uint16, 65535)],
)
def test_grey_images_of_8_and_16_bits(tmp_path, dtype, top):
    pixels = np.linspace(0, top, 48).astype(dtype).reshape(6, 8)
    save(tmp_path, pixels)
    loaded = schema.load_image(tmp_path, row())
    assert loaded.dtype == np.float32
    np.testing.assert_allclose(loaded, pixels / top, atol=1e-7)


def test_colour_stays_and_grey_in_colour_becomes_grey(tmp_path):
    rng = np.random.default_rng(0)
    colour = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    save(tmp_path, colour)
    np.testing.assert_allclose(schema.load_image(tmp_path, row()), colour / 255, atol=1e-7)
    grey = rng.integers(0, 256, (6, 8), dtype=np.uint8)
    rgba = np.dstack([grey, grey, grey, np.full_like(grey, 255)])
    save(tmp_path, rgba)
    np.testing.assert_allclose(schema.load_image(tmp_path, row()), grey / 255, atol=1e-7)


def test_write_image_rounds_and_masks_are_exact(tmp_path):
    values = np.array([[-1, 0, 0.499 / 255, 0.501 / 255, 1, 2]])
    schema.write_image(values, tmp_path / "v.png")
    assert np.asarray(Image.open(tmp_path / "v.png")).tolist() == [[0, 0, 0, 1, 255, 255]]
    mask = np.random.default_rng(0).random((6, 8)) > 0.5
    schema.write_image(mask, tmp_path / "m.png")
    assert set(np.unique(np.asarray(Image.open(tmp_path / "m.png")))) == {0, 255}
    np.testing.assert_array_equal(schema.load_mask(tmp_path, row(mask="m.png")), mask)
    schema.write_image(mask, tmp_path / "m.jpg")
    assert Image.open(tmp_path / "m.jpg").format == "JPEG"


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_truncated_images_are_named_with_file_and_row(tmp_path, kind):
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (6, 8), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, format=kind)
    (tmp_path / "images").mkdir()
    whole = buffer.getvalue()
    for keep in (len(whole) - 30, len(whole) // 2, 40):
        (tmp_path / "images" / "i.png").write_bytes(whole[:keep])
        with pytest.raises(InputError) as caught:
            schema.load_image(tmp_path, row())
        assert str(caught.value).startswith("row a: ") and "\n" not in str(caught.value)


def test_absent_foreign_and_other_sized_images_are_named(tmp_path):
    with pytest.raises(InputError, match=r"^row a: no such image file"):
        schema.load_image(tmp_path, row())
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "i.png").write_text("hello")
    with pytest.raises(InputError, match=r"^row a: is not a PNG or JPEG image"):
        schema.load_image(tmp_path, row())
    save(tmp_path, np.zeros((6, 9), dtype=np.uint8))
    with pytest.raises(InputError, match=r"^row a: the image is 9 x 6 pixels, the table says 8 x 6"):
        schema.load_image(tmp_path, row())


def test_a_fault_is_named_by_the_index_of_its_row():
    frame = table({}, {"phrase": ""}).set_axis(["first", "second"])
    assert fault(frame).startswith("examples.parquet: row second, column 'phrase'")
    frame = table({}, {"boxes": [[0, 0, 9, 9]]}).set_axis(["first", "second"])
    assert fault(frame).startswith("examples.parquet: row second, column 'boxes'")


def test_size_of_an_image_from_its_header(tmp_path):
    Image.fromarray(np.zeros((6, 8), np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:45])
    assert schema.image_size(tmp_path / "a.png") == (8, 6)
    with pytest.raises(InputError, match=r"^row 1: no such image file"):
        schema.image_size(tmp_path / "b.png", "row 1")


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_photograph_that_viewers_turn_is_refused(tmp_path, orientation):
    image = Image.new("L", (8, 6))
    image.getexif()[0x0112] = orientation
    image.save(tmp_path / "a.jpg", exif=image.getexif())
    if orientation == 1:
        assert schema.image_size(tmp_path / "a.jpg") == (8, 6)
        return
    with pytest.raises(InputError, match=r"a\.jpg: is stored turned \(EXIF orientation 6\); save it upright"):
        schema.image_size(tmp_path / "a.jpg")


@pytest.mark.parametrize(
    ("phrase", "finding", "named"),
    [
        ("Bilateral pleural effusions, right larger than left", "Pleural Effusion", True),
        ("PNEUMOTHORAX", "Pneumothorax", True),
        ("Left base effusion", "Pleural Effusion", False),
        ("Enlarged heart", "Cardiomegaly", False),
        ("Left lung base opacity", "Lung Opacity", False),
    ],
)
def test_a_phrase_names_its_finding_when_it_holds_the_whole_name(phrase, finding, named):
    assert schema.names_finding(phrase, finding) is named
