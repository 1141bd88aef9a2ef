"""A small table of one's own beside its images, shared by the tests of what reads one."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

SIZES = {"wide.png": (90, 60), "tall.png": (64, 100), "deep/square.jpg": (70, 70)}
ROWS = (
    {"image": "wide.png", "phrase": "small left pleural effusion", "boxes": "30 10 20 30"},
    {"image": "tall.png", "phrase": "enlarged heart", "boxes": "4 30 20.5 25; 30 40 30 20"},
    {"image": "wide.png", "phrase": "no edema, no effusion", "boxes": "20 5 40 40"},
    {"image": "deep/square.jpg", "phrase": "patchy opacity of the right base", "boxes": "10 10 10 50"},
    {"image": "tall.png", "phrase": "small effusion", "boxes": "0 0 64 50"},
)


def write_images(folder: Path) -> Path:
    """Noise of three sizes, two of them no squares; returns the folder."""
    rng = np.random.default_rng(0)
    for name, (width, height) in SIZES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (height, width), dtype=np.uint8)).save(folder / name)
    return folder


def write_table(path: Path, rows: Sequence[dict[str, str]] = ROWS) -> Path:
    """Rows as a CSV with all their columns; returns its path."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path
