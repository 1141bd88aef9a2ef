"""MS-COCO: captions that name a class, outlines as masks to the pixel, and damage."""

from __future__ import annotations

import json

import pytest

from coco_tree import CLASSES, RUNS, SIZE, SQUARE, write_coco
from plainsight import schema
from plainsight.data import coco
from plainsight.errors import InputError


def test_captions_name_classes_in_any_case_and_within_words():
    assert coco.named_classes("Two BIRDS on a rail", CLASSES) == ["bird"]
    assert coco.named_classes("a scar", CLASSES) == ["car"]
    assert coco.named_classes("Two seagulls on a traffic sign", CLASSES) == []


def test_polygons_and_run_lengths_to_the_pixel():
    mask = coco.draw([SQUARE], *SIZE)
    assert mask.shape == (30, 40) and mask.sum() == 100 and mask[5:15, 10:20].all()
    crowd = coco.draw(RUNS, *SIZE)
    assert crowd.sum() == 20 and crowd[5:15, 1].all() and crowd[5:15, 2].all()


def test_a_row_for_each_caption_and_class_that_is_outlined(tmp_path):
    folder = write_coco(tmp_path / "coco")
    frame = coco.examples(folder, "val", tmp_path / "out")
    schema.validate(frame, CLASSES, "coco")
    assert frame[["phrase", "finding"]].to_numpy().tolist() == [
        ["Two Birds standing on a hand rail.", "bird"],
        ["A bird beside a car.", "bird"],
        ["A bird beside a car.", "car"],
        ["A scar of a traffic light.", "traffic light"],  # its "car" is not outlined
    ]
    bird = frame.iloc[0]
    assert bird["boxes"] == [[10, 5, 10, 10], [30, 20, 8, 8]]
    mask = schema.load_mask(tmp_path / "out", bird)
    assert mask[5:15, 10:20].all() and mask[22, 37] and not mask[27, 31] and not mask[0, 0]
    assert schema.load_image(folder, bird).shape[:2] == (30, 40)
    assert len(list((tmp_path / "out" / "masks").iterdir())) == 3


def edit(folder, kind, change):
    path = folder / "annotations" / f"{kind}_val2017.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "annotations" / "captions_val2017.json").unlink(), "captions_val2017.json: no such file"),
        (lambda f: (f / "annotations" / "captions_val2017.json").write_text("{"), "is not valid JSON"),
        (lambda f: edit(f, "captions", lambda c: c.pop("images")), "holds no COCO annotations"),
        (
            lambda f: edit(f, "captions", lambda c: c["annotations"][1].update(image_id=9)),
            "annotation 2 of 4 is incomplete",
        ),
        (
            lambda f: edit(f, "captions", lambda c: c["annotations"][1].pop("caption")),
            "annotation 2 of 4 is incomplete",
        ),
        (
            lambda f: edit(f, "instances", lambda c: c["annotations"][0].update(category_id=99)),
            "annotation 1 of 4 is incomplete",
        ),
        (
            lambda f: edit(f, "instances", lambda c: c["annotations"][0].update(bbox=["a"])),
            "annotation 1 of 4 is incomplete",
        ),
        (
            lambda f: edit(f, "instances", lambda c: c["annotations"][0].update(bbox=[1, 1, float("nan"), 4])),
            "annotation 1 of 4 is incomplete",
        ),
        (
            lambda f: edit(f, "instances", lambda c: c["annotations"][1].update(image_id=9)),
            "annotation 2 of 4 is incomplete",
        ),
        (
            lambda f: edit(f, "instances", lambda c: c["annotations"][1].update(bbox=[30, 20, 11, 8])),
            "annotation 2 of the instances: its box lies outside of its image",
        ),
        (
            lambda f: edit(f, "captions", lambda c: c["images"].append(c["images"][0])),
            "captions_val2017.json: an image occurs twice",
        ),
        (
            lambda f: edit(f, "captions", lambda c: c["images"][0].update(id="1")),
            "captions_val2017.json: holds no COCO annotations",
        ),
        (
            lambda f: edit(f, "captions", lambda c: c["images"][1].update(width=0)),
            "captions_val2017.json: an image has no pixels",
        ),
        (
            lambda f: (f / "annotations" / "captions_val2017.json").write_bytes("{}".encode("utf-16")),
            "is not UTF-8 text",
        ),
        (
            lambda f: edit(f, "instances", lambda c: c["annotations"][0].update(segmentation=[[1, 2, 3]])),
            "its outline cannot be drawn",
        ),
        (
            lambda f: edit(f, "instances", lambda c: c["annotations"][2]["segmentation"].update(counts="abc")),
            "its outline cannot be drawn",
        ),
        (lambda f: (f / "counts.json").unlink(), "val images: expected 5,000, found 2"),
    ],
)
def test_damage_is_named(tmp_path, damage, message):
    folder = write_coco(tmp_path / "coco")
    damage(folder)
    with pytest.raises(InputError) as caught:
        coco.examples(folder, "val", tmp_path / "out")
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_boxes_without_area_are_left_out_as_the_release_has_some(tmp_path):
    folder = write_coco(tmp_path / "coco")
    edit(folder, "instances", lambda c: c["annotations"][0].update(bbox=[10, 5, 1.03, 0.0]))
    found = coco.read_instances(folder, "val")
    assert found.index.tolist() == [2, 3, 4] and found["finding"].tolist() == ["bird", "car", "traffic light"]
