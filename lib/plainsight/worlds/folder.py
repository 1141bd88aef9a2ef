"""A world of one's own: a table (CSV) beside a folder of images, read as it lies; nothing is built or copied.

The first line names the columns, in any order:

- ``image``, ``phrase``: required; paths, here and under ``mask``, are relative to the folder of images;
- ``finding``: without it every row counts as one finding, `FINDING`;
- ``boxes``: ``x y w h; x y w h`` in pixels of the image; ``mask``: a PNG file of the image's size, inside where it is
  not zero. Only scoring needs either; where a row has both, the mask counts;
- ``patient``: without it, the image; ``id``: names the row's files; without it, the row's number and the image's name;
- ``keywords``: words of the phrase joined by commas, those to look for; an empty cell leaves it to the token rule.

Every other column (licence, credit) is carried along unchanged into what is written. Rows are counted from the first
below the header, which is 1.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from plainsight import schema
from plainsight.errors import InputError
from plainsight.worlds.radiographs import boxes_to_mask

FINDING = "phrase"
"""The finding of a table that names none."""

_REQUIRED = ("image", "phrase")
_FILLED = ("finding", "patient", "id")
"""Columns that may be missing, but have a value in every row where they are there."""
_KNOWN = (*_REQUIRED, *_FILLED, "boxes", "mask", "keywords")
_FILE_NAME = re.compile(r"[^./\\\x00-\x1f][^/\\\x00-\x1f]*")
_LONGEST_ID = 200
"""Bytes; file systems take 255, of which a file being written needs some."""


@dataclass(frozen=True)
class Table:
    """A table of one's own, as rows of ``plainsight.schema``."""

    path: Path
    examples: pd.DataFrame
    """Columns of ``plainsight.schema``; the index is the row's number."""
    keywords: dict[str, tuple[str, ...]]
    """Words to look for, by example id; none where the cell is empty."""
    carried: pd.DataFrame
    """The columns that mean nothing here, as text, with the same index."""

    def place(self, row: int, column: str) -> str:
        """How messages name a cell."""
        return _place(self.path, row, column)

    def fault(self, row: int, column: str, problem: str) -> InputError:
        """The one line about a fault in this table, to be raised."""
        return InputError(f"{self.place(row, column)}: {problem}")


def read(path: Path, images: Path) -> Table:
    """Read a table whose images lie below ``images``; of the images only the headers are read, of masks nothing.

    Raises:
        InputError: the first fault found, with file, row and column.
    """
    path, images = Path(path), Path(images)
    if not images.is_dir():
        raise InputError(f"{images}: no such folder of images")
    cells = _read_cells(path)
    known = {name: cells[name].str.strip() for name in _KNOWN if name in cells}
    for name in (*_REQUIRED, *_FILLED):
        if name in known and (empty := cells.index[known[name] == ""]).size:
            raise InputError(f"{_place(path, empty[0], name)}: is empty")
    image = known["image"]
    default_ids = [f"{row}_{PurePosixPath(name).stem}" for row, name in image.items()]
    sizes = _sizes(path, images, image)
    examples = pd.DataFrame(
        {
            "example_id": known.get("id", pd.Series(default_ids, cells.index)),
            "image_id": image,
            "image": image,
            "phrase": known["phrase"],
            "finding": known.get("finding", FINDING),
            "boxes": _boxes(path, known.get("boxes", pd.Series("", cells.index))),
            "mask": known.get("mask", ""),
            "patient": known.get("patient", image),
            "view": "",
            "split": "grounding",
            "source": "",
            "width": [sizes[name][0] for name in image],
            "height": [sizes[name][1] for name in image],
        }
    )
    _check_ids(path, examples["example_id"])
    findings = sorted({part for finding in examples["finding"].unique() for part in finding.split("|")})
    schema.validate(examples.set_axis([_below(row) for row in examples.index]), findings, str(path))
    words = known.get("keywords", pd.Series("", cells.index))
    keywords = [tuple(word.strip() for word in text.split(",") if word.strip()) for text in words]
    return Table(
        path, examples, dict(zip(examples["example_id"], keywords, strict=True)), cells.drop(columns=list(known))
    )


def check_targets(table: Table, root: Path) -> None:
    """Raise InputError for the first row that has nothing to be scored against; of masks only the headers are read."""
    for row, example in table.examples.iterrows():
        if not example["mask"] and not example["boxes"]:
            raise table.fault(
                row, "boxes", "is empty, and there is no mask: nothing to score against; take the row out"
            )
        if not example["mask"]:
            continue
        if PurePosixPath(example["mask"]).suffix.lower() in (".jpg", ".jpeg"):
            raise table.fault(row, "mask", "is a JPEG file, which smears zeros at every edge; save masks as PNG")
        path = root / example["mask"]
        found = schema.image_size(path, f"{path} ({table.place(row, 'mask')})")
        if found != (example["width"], example["height"]):
            problem = "the mask has {} x {} pixels, its image {} x {}; scale the mask to the image"
            raise table.fault(row, "mask", problem.format(*found, example["width"], example["height"]))


def target(example: pd.Series, root: Path) -> np.ndarray:
    """Where the phrase of an example is, bool (height, width) in the image's pixels: its mask, else its boxes."""
    if not example["mask"]:
        return boxes_to_mask(example["boxes"], example["height"], example["width"])
    pixels = schema.load_image(root, pd.Series({**example, "image": example["mask"]})) != 0
    return pixels if pixels.ndim == 2 else pixels.any(axis=2)


def _read_cells(path: Path) -> pd.DataFrame:
    """The cells of a CSV as text, index the row's number; empty rows, which spreadsheets leave behind, are left out."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            lines = list(csv.reader(file, strict=True))
    except FileNotFoundError:
        raise InputError(f"{path}: no such table") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; give a CSV file that can be read") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not UTF-8 text; save the table as CSV in UTF-8") from None
    except csv.Error as error:
        raise InputError(f"{path}: is not a CSV table ({error}); save it as CSV in UTF-8 again") from None
    header = [name.strip() for name in lines[0]] if lines else []
    _check_header(path, header)
    rows = {}
    for row, line in enumerate(lines[1:], start=1):
        if not any(cell.strip() for cell in line):
            continue
        if len(line) != len(header):
            raise InputError(
                f"{path}: row {_below(row)} has {len(line)} cells, the header {len(header)}; text that holds a comma "
                "stands in double quotes"
            )
        rows[row] = line
    if not rows:
        raise InputError(f"{path}: has no rows")
    return pd.DataFrame(list(rows.values()), index=list(rows), columns=header, dtype=object)


def _check_header(path: Path, header: list[str]) -> None:
    # A file without a header shows text of its first row here: no message quotes more than the names asked for.
    if missing := [name for name in _REQUIRED if name not in header]:
        raise InputError(
            f"{path}: column {missing[0]!r} is missing; the first line names the columns, separated by commas"
        )
    if "" in header:
        raise InputError(f"{path}: column {header.index('') + 1} has no name; name it or take it out")
    if twice := [name for name in header if header.count(name) > 1]:
        raise InputError(f"{path}: column {twice[0]!r} occurs twice; take one out")


def _check_ids(path: Path, ids: pd.Series) -> None:
    """Ids become names of files, which some file systems do not tell apart by case."""
    seen = ids.str.casefold().duplicated()
    for (row, name), again in zip(ids.items(), seen, strict=True):
        if not _FILE_NAME.fullmatch(name):
            problem = "is no name for a file (a slash, a dot in front, or a control character)"
        elif len(name.encode()) > _LONGEST_ID:
            problem = f"is longer than {_LONGEST_ID} bytes"
        elif again:
            problem = "occurs twice (case aside)"
        else:
            continue
        raise InputError(f"{_place(path, row, 'id')}: {name[:80]!r} {problem}; give every row an id of its own")


def _sizes(path: Path, images: Path, names: pd.Series) -> dict[str, tuple[int, int]]:
    """Width and height of each image, each opened once."""
    first = names.drop_duplicates()
    places = {name: f"{images / name} ({_place(path, row, 'image')})" for row, name in first.items()}
    return {name: schema.image_size(images / name, place) for name, place in places.items()}


def _boxes(path: Path, texts: pd.Series) -> list[list[list[float]]]:
    return [list(_parse(text, _place(path, row, "boxes"))) for row, text in texts.items()]


def _parse(text: str, place: str) -> Iterator[list[float]]:
    """The boxes of one cell; what the numbers mean is left to ``plainsight.schema``."""
    for part in filter(None, map(str.strip, text.split(";"))):
        try:
            yield [float(number) for number in part.split()]
        except ValueError:
            raise InputError(f"{place}: {part[:80]!r} is not 'x y w h' in numbers; ';' separates boxes") from None


def _below(row: int) -> str:
    return f"{row} below the header"


def _place(path: Path, row: int, column: str) -> str:
    return f"{path}: row {_below(row)}, column {column!r}"
