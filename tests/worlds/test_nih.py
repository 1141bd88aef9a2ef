"""NIH ChestX-ray14: the official lists, any folder and any size, and splits by patient."""

from __future__ import annotations

import gzip
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from plainsight import schema, worlds
from plainsight.config import Experiments, Scale, WorldSize, read_yaml
from plainsight.errors import InputError
from plainsight.seeding import numpy_generator
from plainsight.worlds import nih
from plainsight.worlds.reports import package_data

ROOT = Path(__file__).parents[2]
ALL = WorldSize(train=0, validation=0, grounding=0, generation=0)
READ = nih.read_entries
FINDINGS = worlds.findings("nih")


@pytest.fixture(scope="module")
def entries():
    return nih.read_entries(package_data())


@pytest.fixture(scope="module")
def boxes():
    return nih.read_boxes(package_data())


@pytest.fixture(autouse=True)
def read_once(monkeypatch, entries):
    """The list of 112,120 images takes a second to read; the tests of reading call the original."""
    monkeypatch.setattr(nih, "read_entries", lambda lists: entries if lists == package_data() else READ(lists))


def put(folder, name, size=(64, 64)):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(size[::-1], 90, np.uint8)).save(path)


def made(tmp_path, data, size=ALL):
    nih.build(size, None, None, tmp_path / "out", data)
    return schema.read(tmp_path / "out" / "examples.parquet", FINDINGS)


def test_official_lists_are_the_published_ones(entries, boxes):
    assert len(entries) == 112_120 and entries["patient"].nunique() == 30_805
    assert len(boxes) == 984 and boxes.index.nunique() == 880
    assert boxes["finding"].value_counts().to_dict() == {
        "Atelectasis": 180,
        "Effusion": 153,
        "Cardiomegaly": 146,
        "Infiltrate": 123,
        "Pneumonia": 120,
        "Pneumothorax": 98,
        "Mass": 85,
        "Nodule": 79,
    }
    assert set(boxes["finding"]) | {"No Finding"} == set(FINDINGS)
    assert set(boxes.index) <= set(entries.index)
    assert entries.at["00000001_000.png", "labels"] == ("Cardiomegaly",)
    assert entries.at["00000001_001.png", "patient"] == "00000001"


def test_the_committed_list_of_names_gives_the_stated_boxes(entries, boxes):
    names = pd.read_csv(ROOT / "data_manifests" / "nih_chestxray14" / "files.csv", dtype={"patient": str})
    assert len(names) == 318 and names["file"].is_unique
    here = boxes[boxes.index.isin(names["file"])]
    assert len(here) == names["boxes"].sum() == 312 and here.index.nunique() == 260
    official = entries.loc[names["file"]]
    assert names["patient"].tolist() == official["patient"].tolist()
    assert names["view"].tolist() == official["view"].tolist()
    assert names["labels"].tolist() == ["|".join(labels) for labels in official["labels"]]


def test_every_finding_has_keywords_and_a_nearest_class():
    assert set(worlds.NIH_TO_MSCXR) == set(FINDINGS)
    assert set(worlds.NIH_TO_MSCXR.values()) <= set(worlds.findings("phantom"))
    for finding in FINDINGS[:-1]:
        for index in range(10):
            text = nih.phrase((finding,), numpy_generator(0, index))
            assert any(word in text for word in worlds.KEYWORDS[finding]), text


def test_phrases():
    class First:
        def integers(self, _):
            return 2

    assert nih.phrase(("Mass",), First()) == "there is a mass"
    assert (
        nih.phrase(("Effusion", "Cardiomegaly", "Nodule"), First()) == "there is an effusion, cardiomegaly and a nodule"
    )
    assert nih.phrase(("No Finding",), First()) == "no finding"


@pytest.mark.parametrize("size", [(1024, 1024), (64, 64), (128, 96)])
def test_boxes_scale_to_the_image(tmp_path, boxes, size):
    put(tmp_path / "data", "images_001/images/00013118_008.png", size)
    frame = made(tmp_path, tmp_path / "data")
    assert len(frame) == 1
    x, y, w, h = boxes.loc["00013118_008.png", ["x", "y", "w", "h"]]
    expected = [x * size[0] / 1024, y * size[1] / 1024, w * size[0] / 1024, h * size[1] / 1024]
    np.testing.assert_allclose(frame["boxes"][0], [expected])
    assert (frame["width"][0], frame["height"][0]) == size
    assert frame["finding"][0] == "Atelectasis" and frame["source"][0] == "00013118_008.png"


@pytest.mark.parametrize("place", ["00013118_008.png", "images/00013118_008.jpg", "a/b/c/00013118_008.JPG"])
def test_any_layout_and_suffix(tmp_path, place):
    put(tmp_path / "data", place)
    frame = made(tmp_path, tmp_path / "data")
    assert frame["image"].tolist() == [place]
    assert schema.load_image(tmp_path / "data", frame.iloc[0]).shape == (64, 64)


def test_one_row_a_finding_of_an_image(tmp_path, boxes):
    name = boxes.index[boxes.index.duplicated()][0]
    put(tmp_path / "data", name)
    frame = made(tmp_path, tmp_path / "data")
    assert sorted(frame["finding"]) == sorted(boxes.loc[name, "finding"])
    assert frame["image_id"].nunique() == 1 and frame["example_id"].is_unique


def test_boxes_of_one_finding_are_one_row(tmp_path, boxes, entries):
    lists = tmp_path / "lists"
    lists.mkdir()
    for name in ("BBox_List_2017.csv.gz", "Data_Entry_2017_v2020.csv.gz"):
        table = pd.read_csv(package_data() / name)
        table = table[table["Image Index"] == "00013118_008.png"]
        if name.startswith("BBox"):
            table = pd.concat([table, table.assign(**{"Bbox [x": 10.0})])
        table.to_csv(lists / name, index=False)
    put(tmp_path / "data", "00013118_008.png", (1024, 1024))
    nih.build(ALL, None, None, tmp_path / "out", tmp_path / "data", lists=lists)
    frame = schema.read(tmp_path / "out" / "examples.parquet", FINDINGS)
    assert len(frame) == 1 and len(frame["boxes"][0]) == 2 and frame["boxes"][0][1][0] == 10.0


def test_labelled_images_are_split_by_patient_apart_from_boxed_ones(tmp_path, entries, boxes):
    boxed = boxes.index[0]
    mate = next(n for n in entries.index[entries["patient"] == boxed[:8]] if n not in boxes.index)
    usable = entries[entries["labels"].map(set(FINDINGS).issuperset) & ~entries["patient"].isin(boxes.index.str[:8])]
    foreign = entries.index[entries["labels"].map(lambda labels: "Hernia" in labels)][0]
    for name in (boxed, mate, foreign, *usable.index[:40]):
        put(tmp_path / "data", name, (8, 8))
    frame = made(tmp_path, tmp_path / "data", WorldSize(train=1000, validation=7, grounding=0, generation=6))
    counts = frame["split"].value_counts()
    assert counts["grounding"] == 1 and counts["generation"] == 6 and counts["validation"] == 7 and counts["train"] > 10
    assert frame.groupby("patient")["split"].nunique().max() == 1
    assert not set(frame["source"]) & {mate, foreign}
    assert frame.loc[frame["split"] != "grounding", "boxes"].map(len).max() == 0


def test_grounding_may_be_limited(tmp_path, boxes):
    for name in boxes.index.unique()[:9]:
        put(tmp_path / "data", name, (8, 8))
    whole = made(tmp_path, tmp_path / "data")
    part = made(tmp_path, tmp_path / "data", WorldSize(train=0, validation=0, grounding=5, generation=0))
    assert len(part) == 5 and set(part["example_id"]) <= set(whole["example_id"])


def test_same_arguments_same_bytes(tmp_path, boxes):
    for name in boxes.index.unique()[:5]:
        put(tmp_path / "data", name, (8, 8))
    for out in ("a", "b"):
        nih.build(ALL, None, None, tmp_path / out, tmp_path / "data")
    assert (tmp_path / "a" / "examples.parquet").read_bytes() == (tmp_path / "b" / "examples.parquet").read_bytes()


def test_strange_images_are_counted_in_one_warning_and_not_named(tmp_path):
    put(tmp_path / "data", "00013118_008.png")
    for name in ("cat.png", "99999999_000.png", "d/e.jpg", "f.jpeg"):
        put(tmp_path / "data", name, (8, 8))
    with pytest.warns(UserWarning, match=r"4 images are not in NIH's list and are left out$") as caught:
        frame = made(tmp_path, tmp_path / "data")
    assert len(caught) == 1 and len(frame) == 1


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ((), "no image of NIH ChestX-ray14 (0 PNG or JPEG files"),
        (("cat.png",), "no image of NIH ChestX-ray14 (1 PNG or JPEG files"),
        (("a/00013118_008.png", "b/00013118_008.jpg"), "image 00013118_008 is there twice"),
        (("00000001_000.png",), "none of its 1 NIH images has an official box"),
    ],
)
def test_unusable_folders_are_refused_in_one_line(tmp_path, names, expected):
    (tmp_path / "data").mkdir()
    for name in names:
        put(tmp_path / "data", name, (8, 8))
    with warnings.catch_warnings(), pytest.raises(InputError) as caught:
        warnings.simplefilter("ignore")
        made(tmp_path, tmp_path / "data")
    assert expected in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "out" / "examples.parquet").exists()


def test_a_truncated_image_is_named(tmp_path):
    put(tmp_path / "data", "00013118_008.png")
    path = tmp_path / "data" / "00013118_008.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(InputError, match=r"NIH image 00013118_008\.png: .*truncated"):
        made(tmp_path, tmp_path / "data")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "no such list"),
        (lambda path: path.write_bytes(path.read_bytes()[:-12]), "not the list that NIH published"),
        (lambda path: path.write_text("Image Index"), "not the list that NIH published"),
        (lambda path: path.write_bytes(gzip.compress(b"")), "not the list that NIH published"),
        (lambda path: path.write_bytes(gzip.compress(b"a,b\n1,2\n")), "not the list that NIH published"),
        (lambda path: path.write_bytes(gzip.compress("Image Index".encode("utf-16"))), "not the list that NIH"),
        (
            lambda path: path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()).replace(b"_001", b"_000"))),
            "row 2: an image twice",
        ),
    ],
)
def test_a_damaged_list_is_named(tmp_path, damage, message):
    path = tmp_path / "Data_Entry_2017_v2020.csv.gz"
    names = ["00000001_000.png", "00000001_001.png"]
    pd.DataFrame({"Image Index": names, "Finding Labels": "Mass", "View Position": "PA"}).to_csv(path, index=False)
    assert nih.read_entries(tmp_path).index.tolist() == names
    damage(path)
    with pytest.raises(InputError) as caught:
        nih.read_entries(tmp_path)
    assert message in str(caught.value) and str(path) in str(caught.value) and "\n" not in str(caught.value)


# --- the dispatch of worlds -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def settings():
    scale = read_yaml(ROOT / "workflow" / "scales" / "smoke.yaml", Scale)
    return scale, read_yaml(ROOT / "workflow" / "experiments.yaml", Experiments)


@pytest.mark.parametrize("below", ["", "nih_chestxray14"])
def test_world_json_says_where_the_images_are(tmp_path, settings, below):
    put(tmp_path / "data" / below, "00013118_008.png")
    worlds.build("nih", ALL, *settings, tmp_path / "out", tmp_path / "data")
    root = worlds.image_root(tmp_path / "out")
    assert root == (tmp_path / "data" / below).resolve()
    frame = schema.read(tmp_path / "out" / "examples.parquet", FINDINGS)
    assert schema.load_image(root, frame.iloc[0]).shape == (64, 64)


def test_drawn_worlds_hold_their_own_images(tmp_path, settings):
    worlds.build("scenes", WorldSize(1, 0, 1, 0, source_resolution=96), *settings, tmp_path / "out", None)
    frame = schema.read(tmp_path / "out" / "examples.parquet", worlds.findings("scenes"))
    assert schema.load_image(worlds.image_root(tmp_path / "out"), frame.iloc[0]).shape == (96, 96, 3)


@pytest.mark.parametrize(
    ("world", "data", "expected"),
    [
        ("moon", None, "unknown world 'moon'; known: phantom, scenes, nih"),
        ("nih", None, "world 'nih' needs real images: give --data DIR"),
        ("nih", "nowhere", "nowhere: no such folder; see data_manifests/nih_chestxray14/README.md"),
    ],
)
def test_dispatch_refuses_in_one_line(tmp_path, settings, world, data, expected):
    with pytest.raises(InputError) as caught:
        worlds.build(world, ALL, *settings, tmp_path / "out", data and tmp_path / data)
    assert expected in str(caught.value) and "\n" not in str(caught.value)


def test_a_world_that_was_not_built_is_named(tmp_path):
    with pytest.raises(InputError, match=r"holds no world\.json; prepare the world first"):
        worlds.image_root(tmp_path)
    (tmp_path / "world.json").write_text("{")
    with pytest.raises(InputError, match=r"world\.json: not readable"):
        worlds.image_root(tmp_path)
