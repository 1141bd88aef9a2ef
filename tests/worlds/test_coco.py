"""The world of photographs: captions to learn from, outlines to ask for, and no image that is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from coco_tree import write_coco
from mimic_tree import write_counts
from plainsight import schema, worlds
from plainsight.config import Experiments, Scale, WorldSize, read_yaml
from plainsight.errors import InputError
from plainsight.worlds import OTHER

ROOT = Path(__file__).parents[2]
FINDINGS = worlds.findings("coco")
ALL = WorldSize(train=1, validation=1, grounding=0, generation=2)


@pytest.fixture(scope="module")
def settings():
    scale = read_yaml(ROOT / "workflow" / "scales" / "smoke.yaml", Scale)
    return scale, read_yaml(ROOT / "workflow" / "experiments.yaml", Experiments)


@pytest.fixture
def data(tmp_path):
    """A root of data sets, with both parts of this one."""
    for part in ("val", "train"):
        write_coco(tmp_path / "data" / "coco_2017", part)
    write_counts(tmp_path / "data" / "coco_2017", {"val images": 2, "train images": 2, "classes": 3})
    return tmp_path / "data"


def made(data, settings, size=ALL, name="out"):
    out = data.parent / name
    worlds.build("coco", size, *settings, out, data)
    return schema.read(out / "examples.parquet", FINDINGS), out


def test_it_has_the_80_classes_and_words_for_each():
    assert len(set(FINDINGS)) == 81 and FINDINGS[-1] == OTHER and len(worlds.placed("coco")) == 80
    assert worlds.KEYWORDS["traffic light"] == ("traffic", "light") and worlds.KEYWORDS["bird"] == ("bird",)


def test_every_split_is_what_the_paper_takes_it_from(data, settings):
    frame, out = made(data, settings)
    asked = frame[frame["split"] == "grounding"]
    assert sorted(zip(asked["phrase"], asked["finding"], strict=True)) == [
        ("A bird beside a car.", "bird"),
        ("A bird beside a car.", "car"),
        ("A scar of a traffic light.", "traffic light"),
        ("Two Birds standing on a hand rail.", "bird"),
    ]
    root = worlds.image_root(out)
    for _, row in asked.iterrows():
        assert schema.load_mask(root, row).any() and schema.load_image(root, row).shape[:2] == (30, 40)
    made_from = frame[frame["split"] == "generation"]
    assert made_from["image_id"].is_unique and len(made_from) == 2
    learning = frame[frame["split"].isin(["train", "validation"])]
    assert learning["image"].str.startswith("train2017/").all() and len(learning) == 4
    assert learning.groupby("patient")["split"].nunique().max() == 1
    named = learning.set_index("phrase")["finding"]
    assert named["A scar of a traffic light."] == "car|traffic light"
    assert named["Two seagulls standing on a handrail."] == OTHER


def test_the_same_photographs_are_drawn_again_and_fewer_are_the_first_of_more(data, settings):
    whole, _ = made(data, settings)
    again, _ = made(data, settings, name="again")
    changed = ["mask"]  # a path
    assert whole.drop(columns=changed).equals(again.drop(columns=changed))
    one, _ = made(data, settings, WorldSize(train=1, validation=0, grounding=1, generation=1), "one")
    assert "validation" not in set(one["split"])
    for split in ("train", "grounding"):
        few, all_of_them = (list(frame.loc[frame["split"] == split, "image_id"]) for frame in (one, whole))
        assert set(few) == {all_of_them[0]}


def test_without_training_the_training_set_is_not_asked_for(data, settings):
    (data / "coco_2017" / "annotations" / "captions_train2017.json").unlink()
    frame, _ = made(data, settings, WorldSize(train=0, validation=0, grounding=0, generation=2))
    assert set(frame["split"]) == {"grounding", "generation"}
    with pytest.raises(InputError, match=r"captions_train2017\.json: no such file"):
        made(data, settings)


def test_photographs_that_are_missing_are_counted(data, settings):
    worlds.check_data("coco", data)
    (data / "coco_2017" / "val2017" / "000000000002.jpg").unlink()
    message = r"1 of 2 images of val2017 are missing, the first val2017/000000000002\.jpg"
    with pytest.raises(InputError, match=message):
        worlds.check_data("coco", data)
    with pytest.raises(InputError, match=message):
        made(data, settings)
