"""The one table of examples: an image with a phrase about it, and where on the image the phrase is.

Every world writes it, everything later reads it. ``COLUMNS`` names its columns:

- ``example_id``: unique; ``image_id``: several examples may share an image;
- ``image``: path of a PNG or JPEG file, relative to the world's image root;
- ``phrase``: the text; ``finding``: the world's finding or, on training rows, several joined by ``|``;
- ``boxes``: list of [x, y, w, h] in source pixels, may be empty; ``mask``: path of an exact 0/255 PNG, or "";
- ``patient``; ``view``: PA, AP or ""; ``split``: train, validation, grounding or generation;
- ``source``: report ids, index of a data set; ``width``, ``height``: of the source image, in pixels.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import ExifTags, Image, UnidentifiedImageError

from plainsight.errors import InputError
from plainsight.files import atomic

SPLITS = ("train", "validation", "grounding", "generation")
VIEWS = ("PA", "AP", "")

_TEXT = ("example_id", "image_id", "image", "phrase", "finding", "mask", "patient", "view", "split", "source")
_NOT_EMPTY = ("example_id", "image_id", "image", "phrase", "finding", "patient")
_SHOWN = ("example_id", "image_id", "finding", "view", "split", "text", "width", "height")
"""Columns whose values messages may show: the others hold, or may hold, text and identifiers of patients."""
_SCHEMA = pa.schema(
    [
        ("example_id", pa.string()),
        ("image_id", pa.string()),
        ("image", pa.string()),
        ("phrase", pa.string()),
        ("finding", pa.string()),
        ("boxes", pa.list_(pa.list_(pa.float64()))),
        ("mask", pa.string()),
        ("patient", pa.string()),
        ("view", pa.string()),
        ("split", pa.string()),
        ("source", pa.string()),
        ("width", pa.int64()),
        ("height", pa.int64()),
    ]
)
COLUMNS = tuple(_SCHEMA.names)
_TEXTS_SCHEMA = pa.schema([("image_id", pa.string()), ("text", pa.string()), ("phrase", pa.string())])
BOX_TOLERANCE = 0.5
"""Pixels by which a box may stick out: published boxes are rounded."""


def validate(frame: pd.DataFrame, findings: Sequence[str], where: str) -> None:
    """Check a table of examples; ``findings`` are the names its world declares, ``where`` is the file to name.

    Raises:
        InputError: the first fault found, with file, row (its label in the index of ``frame``) and column.
    """
    _check_columns(frame, COLUMNS, where)
    for column in _TEXT:
        values = frame[column]
        _raise_at(values.map(lambda v: not isinstance(v, str)), frame, column, where, "is not text")
    for column in _NOT_EMPTY:
        _raise_at(frame[column].str.strip() == "", frame, column, where, "is empty")
    for column in ("width", "height"):
        _raise_at(~frame[column].map(_is_size).astype(bool), frame, column, where, "is not a whole number above 0")
    _raise_at(frame["example_id"].duplicated(), frame, "example_id", where, "occurs twice")
    several_files = frame.groupby("image_id")["image"].transform("nunique") > 1
    _raise_at(several_files, frame, "image_id", where, "names several image files")
    _raise_at(~frame["split"].isin(SPLITS), frame, "split", where, f"is not one of {', '.join(SPLITS)}")
    _raise_at(~frame["view"].isin(VIEWS), frame, "view", where, "is not PA, AP or empty")
    known = set(findings)
    unknown = frame["finding"].map(lambda text: any(name not in known for name in text.split("|")))
    _raise_at(unknown, frame, "finding", where, f"is not declared by this world ({', '.join(findings)})")
    several = frame["finding"].str.contains("|", regex=False) & (frame["split"] == "grounding")
    _raise_at(several, frame, "finding", where, "names several findings on a grounding row, which takes one")
    trained_on = set(frame.loc[frame["split"] == "train", "image_id"])
    leaked = frame["image_id"].isin(trained_on) & (frame["split"] != "train")
    _raise_at(leaked, frame, "image_id", where, "is a training image, too")
    _check_boxes(frame, where)


def read(path: Path | str, findings: Sequence[str]) -> pd.DataFrame:
    """Read and validate a Parquet table of examples; boxes come back as lists of lists of float."""
    frame = _plain_boxes(_read_parquet(path))
    validate(frame, findings, str(path))
    return frame[list(COLUMNS)].astype({"width": int, "height": int})


def write(frame: pd.DataFrame, path: Path | str, findings: Sequence[str]) -> None:
    """Validate a table of examples and write it as Parquet, whole or not at all; same rows, same bytes.

    Boxes may be lists, tuples or arrays.
    """
    frame = _plain_boxes(frame.reset_index(drop=True))
    validate(frame, findings, str(path))
    _write_parquet(frame, path, _SCHEMA)


RAW = "raw"
"""The level of ``texts.parquet`` that holds what was reported of a test image, in a world of real reports."""


def read_texts(path: Path | str) -> pd.DataFrame:
    """Read ``texts.parquet``: one row an image and level of difficulty (image_id, text, phrase)."""
    frame = _read_parquet(path)
    validate_texts(frame, str(path))
    return frame[list(_TEXTS_SCHEMA.names)]


def write_texts(frame: pd.DataFrame, path: Path | str) -> None:
    """Write ``texts.parquet``: ``text`` holds the key of a level in experiments.yaml or `RAW`, ``phrase`` the words."""
    frame = frame.reset_index(drop=True)
    validate_texts(frame, str(path))
    _write_parquet(frame, path, _TEXTS_SCHEMA)


def validate_texts(frame: pd.DataFrame, where: str) -> None:
    """Check a table of training texts; raises InputError with file, row and column."""
    _check_columns(frame, tuple(_TEXTS_SCHEMA.names), where)
    for column in _TEXTS_SCHEMA.names:
        _raise_at(frame[column].map(lambda v: not isinstance(v, str)), frame, column, where, "is not text")
        _raise_at(frame[column].str.strip() == "", frame, column, where, "is empty")
    _raise_at(frame.duplicated(["image_id", "text"]), frame, "image_id", where, "occurs twice with the same text level")


def names_finding(phrase: str, finding: str) -> bool:
    """Whether a phrase holds the name of its finding as it stands, whatever the case: seed 000, Table 7.

    The paper keeps the phrases with "the label of the image" in them. Forms of the name that do not contain it, such as
    "atelectatic" or "enlarged heart", do not count. Seed 004 keeps the rows whose prompt holds "the pathology name".
    """
    return finding.lower() in phrase.lower()


def load_image(root: Path | str, row: pd.Series) -> np.ndarray:
    """The image of an example as float32 in [0, 1]: (H, W) if grey, else (H, W, 3).

    Raises:
        InputError: the file is missing, truncated, no image, or not of the size the row states. Named is the row: a
            path may hold the number of a patient.
    """
    where = f"row {row['example_id']}"
    pixels = read_image(Path(root) / row["image"], where)
    if pixels.shape[:2] != (row["height"], row["width"]):
        found = f"{pixels.shape[1]} x {pixels.shape[0]}"
        stated = f"{row['width']} x {row['height']}"
        raise InputError(f"{where}: the image is {found} pixels, the table says {stated}; prepare the world again")
    return pixels


def load_mask(root: Path | str, row: pd.Series) -> np.ndarray:
    """The exact mask of an example as bool (H, W); raises InputError as ``load_image`` does."""
    return load_image(root, pd.Series({**row, "image": row["mask"]})) > 0.5


def read_image(path: Path | str, where: str = "") -> np.ndarray:
    """A PNG or JPEG file as float32 in [0, 1]: (H, W) if grey, else (H, W, 3); 16-bit grey keeps its depth.

    ``where`` is how the message of the InputError that a missing or unreadable file raises names it; its path without.
    """
    with _opened(path, where) as image:
        image.load()
        if image.mode in ("I;16", "I;16B", "I"):
            return np.asarray(image, dtype=np.float32) / np.float32(65535)
        mode = "L" if image.mode in ("L", "1", "LA") else "RGB"
        pixels = np.asarray(image.convert(mode), dtype=np.float32) / np.float32(255)
        # Grey pictures stored in colour are grey: some NIH radiographs are RGBA files.
        return pixels if mode == "L" or (pixels != pixels[..., :1]).any() else pixels[..., 0]


def image_size(path: Path | str, where: str = "") -> tuple[int, int]:
    """Width and height of a PNG or JPEG file in pixels, from its header.

    Raises InputError as ``read_image`` does, and for a JPEG photograph that viewers turn: boxes drawn on what they
    show do not lie on the pixels of the file.
    """
    with _opened(path, where) as image:
        size, orientation = image.size, 1
        if image.format == "JPEG":  # in a PNG file it may lie behind the pixels
            orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    if orientation != 1:
        raise InputError(f"{where or path}: is stored turned (EXIF orientation {orientation}); save it upright")
    return size


@contextlib.contextmanager
def _opened(path: Path | str, where: str) -> Iterator[Image.Image]:
    place = where or path
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as image:
            yield image
    except FileNotFoundError:
        raise InputError(f"{place}: no such image file") from None
    except (IsADirectoryError, PermissionError) as error:
        raise InputError(f"{place}: {error.strerror}; give a PNG or JPEG file that can be read") from None
    except UnidentifiedImageError:
        raise InputError(f"{place}: is not a PNG or JPEG image") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{place}: the image is truncated or corrupt ({reason}); fetch it again") from None


def write_image(pixels: np.ndarray, path: Path | str) -> None:
    """Write (H, W) or (H, W, 3) values in [0, 1] as an 8-bit file, JPEG if ``path`` ends in .jpg, else PNG.

    Floats are rounded to the nearest of 256 levels; bool becomes 0/255.
    """
    eight_bit = np.rint(np.clip(np.asarray(pixels, dtype=np.float32), 0, 1) * 255).astype(np.uint8)
    with atomic(path) as temporary:
        if Path(path).suffix == ".jpg":
            Image.fromarray(eight_bit).save(temporary, format="JPEG", quality=95, subsampling=0)
        else:
            Image.fromarray(eight_bit).save(temporary, format="PNG")


def _plain_boxes(frame: pd.DataFrame) -> pd.DataFrame:
    """Boxes as nested lists: Parquet gives arrays of arrays. What is no sequence is left for ``validate``."""
    if "boxes" not in frame:
        return frame
    return frame.assign(boxes=pd.Series([_plain(boxes) for boxes in frame["boxes"]], index=frame.index, dtype=object))


def _plain(value: object) -> object:
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def _is_size(value: object) -> bool:
    """A whole number above 0; a float will do, because one missing value turns a whole column into floats."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0 and float(value).is_integer()


def _check_columns(frame: pd.DataFrame, columns: Sequence[str], where: str) -> None:
    if missing := [name for name in columns if name not in frame.columns]:
        raise InputError(f"{where}: column {missing[0]!r} is missing; a table of this kind has {', '.join(columns)}")
    if extra := [name for name in frame.columns if name not in columns]:
        raise InputError(f"{where}: unknown column {extra[0]!r}; a table of this kind has {', '.join(columns)}")


def _raise_at(wrong: pd.Series, frame: pd.DataFrame, column: str, where: str, problem: str) -> None:
    """InputError for the first row where ``wrong`` is true."""
    rows = np.flatnonzero(wrong.to_numpy(dtype=bool))
    if len(rows):
        value = repr(_plain(frame[column].iloc[rows[0]])) if column in _SHOWN else "the value"
        raise InputError(f"{where}: row {frame.index[rows[0]]}, column {column!r}: {value} {problem}")


def _check_boxes(frame: pd.DataFrame, where: str) -> None:
    for row, boxes, width, height in zip(frame.index, frame["boxes"], frame["width"], frame["height"], strict=True):
        problem = _box_problem(boxes, width, height)
        if problem:
            raise InputError(f"{where}: row {row}, column 'boxes': {problem}")


def _box_problem(boxes: object, width: int, height: int) -> str:
    """What is wrong with the boxes of one row, or "" if nothing is."""
    if not isinstance(boxes, (list, tuple)):
        return f"{boxes!r} is not a list of [x, y, w, h]"
    for box in boxes:
        numbers = isinstance(box, (list, tuple)) and all(isinstance(v, (int, float)) for v in box)
        if not numbers or len(box) != 4 or not np.isfinite(box).all():
            return f"{box!r} is not [x, y, w, h] in numbers"
        x, y, w, h = box
        if w <= 0 or h <= 0:
            return f"box {box!r} has no area"
        if min(x, y) < -BOX_TOLERANCE or x + w > width + BOX_TOLERANCE or y + h > height + BOX_TOLERANCE:
            return f"box {box!r} lies outside its image of {width} x {height} pixels"
    return ""


def _read_parquet(path: Path | str) -> pd.DataFrame:
    try:
        return pq.ParquetFile(path).read().to_pandas()
    except FileNotFoundError:
        raise InputError(f"{path}: no such table; prepare the world first") from None
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: not a Parquet table ({reason}); delete it and prepare the world again") from None


def _write_parquet(frame: pd.DataFrame, path: Path | str, schema: pa.Schema) -> None:
    table = pa.Table.from_pandas(frame[list(schema.names)], schema=schema, preserve_index=False)
    with atomic(path) as temporary:
        pq.write_table(table.replace_schema_metadata(None), temporary, compression="zstd")
