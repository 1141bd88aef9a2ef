"""A small tree with the layout of MS-COCO 2017, for the tests that read one; captions and outlines are invented."""

from __future__ import annotations

import json

import numpy as np
from PIL import Image

from mimic_tree import write_counts

CLASSES = ["bird", "car", "traffic light"]
SIZE = (40, 30)
SQUARE = [10, 5, 20, 5, 20, 15, 10, 15]
RUNS = {"counts": [35, 10, 20, 10, 1125], "size": [30, 40]}
INSTANCES = [
    (1, 16, [SQUARE], [10, 5, 10, 10]),
    (1, 16, [[30, 20, 38, 20, 38, 28]], [30, 20, 8, 8]),
    (1, 3, RUNS, [1, 5, 2, 10]),
    (2, 10, [SQUARE, [0, 0, 4, 0, 4, 4, 0, 4]], [0, 0, 20, 15]),
]
CAPTIONS = [
    (1, "Two Birds standing on a\nhand rail."),
    (1, "Two seagulls standing on a handrail."),
    (1, "A bird beside a car."),
    (2, "A scar of a traffic light."),
]


def write_coco(folder, part="val", photographs=2):
    """Both files of annotations in the layout of the release, and an even number of photographs, of two kinds."""
    first = 100 if part == "train" else 0  # no number stands for two photographs
    pairs = range(first, first + photographs, 2)
    images = [
        {"id": n, "file_name": f"{n:012d}.jpg", "width": SIZE[0], "height": SIZE[1]}
        for n in range(first + 1, first + photographs + 1)
    ]
    told = [(pair + image, text) for pair in pairs for image, text in CAPTIONS]
    captions = [{"id": n, "image_id": image, "caption": text} for n, (image, text) in enumerate(told)]
    outlined = [(pair + image, *rest) for pair in pairs for image, *rest in INSTANCES]
    instances = [
        {"id": n, "image_id": image, "category_id": kind, "segmentation": outline, "bbox": box, "iscrowd": 0}
        for n, (image, kind, outline, box) in enumerate(outlined)
    ]
    categories = [{"id": n, "name": name} for n, name in zip((16, 3, 10), CLASSES, strict=True)]
    (folder / "annotations").mkdir(parents=True, exist_ok=True)
    for name, content in (
        ("captions", {"images": images, "annotations": captions}),
        ("instances", {"images": images, "annotations": instances, "categories": categories}),
    ):
        (folder / "annotations" / f"{name}_{part}2017.json").write_text(json.dumps(content))
    rng = np.random.default_rng(first)
    for image in images:
        path = folder / f"{part}2017" / image["file_name"]
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8)).save(path)
    write_counts(folder, {f"{part} images": photographs, "classes": 3})
    return folder
