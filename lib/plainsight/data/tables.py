"""Tables of real data sets, read strictly: CSV (plain or gzip) and JSON, in UTF-8, with any line ends.

Rows are counted from 1, the first below the header. Messages name file, row and column, never a value.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from plainsight.errors import InputError


class Missing(InputError):
    """A file or a folder that is not there."""


def read_csv(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """The ``columns`` of a CSV as text, in that order; the index is the row's number. Names ending in .gz are unzipped.

    Raises:
        InputError: missing, truncated or not a CSV in UTF-8; a column that is missing or occurs twice; a row with more
            or fewer cells than the header; no rows.
    """
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    rows, numbers_of_rows = [], []
    try:
        header = [name.strip() for name in next(reader, [])]
        picked = [_place(header, name, path) for name in columns]
        for number, line in enumerate(reader, start=1):
            if not line:
                continue  # a blank line
            if len(line) != len(header):
                raise InputError(
                    f"{path}: row {number} has {len(line)} cells, the header {len(header)}; fetch it again"
                )
            rows.append([line[place] for place in picked])
            numbers_of_rows.append(number)
    except csv.Error as error:
        raise InputError(f"{path}: is not a CSV table ({error} in line {reader.line_num}); fetch it again") from None
    if not rows:
        raise InputError(f"{path}: has no rows; fetch it again")
    return pd.DataFrame(rows, columns=list(columns), index=numbers_of_rows, dtype=object)


def read_json(path: Path) -> Any:
    """The content of a JSON file, unzipped where its name ends in .gz; raises InputError as ``read_csv`` does."""
    text = read_text(path)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: is not valid JSON (line {error.lineno}); fetch it again") from None


def read_text(path: Path) -> str:
    """A text file in UTF-8, unzipped where its name ends in .gz, without a byte-order mark."""
    try:
        raw = path.read_bytes()
        return (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    except FileNotFoundError:
        raise Missing(f"{path}: no such file; plainsight data check says what belongs there") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not UTF-8 text; fetch it again") from None
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise InputError(f"{path}: is truncated or no gzip file; fetch it again") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); allow it or fetch it again") from None


def one_of(folder: Path, names: Sequence[str]) -> Path:
    """The first of ``names`` that is a file in ``folder``; raises InputError where there is none."""
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise Missing(f"{folder}: holds no {' or '.join(names)}; plainsight data check says what belongs there")


def fault(path: Path, row: int, column: str, problem: str) -> InputError:
    """The one line about a cell, to be raised."""
    return InputError(f"{path}: row {row}, column {column!r}: {problem}")


def refuse(wrong: pd.Series, path: Path, column: str, problem: str) -> None:
    """Raise InputError for the first row, by index, where ``wrong`` is true."""
    rows = np.flatnonzero(wrong.to_numpy(dtype=bool))
    if len(rows):
        raise fault(path, int(wrong.index[rows[0]]), column, problem)


def numbers(table: pd.DataFrame, columns: Sequence[str], path: Path) -> pd.DataFrame:
    """The ``columns`` as finite floats; raises InputError naming the first cell that is none."""
    found = table[list(columns)].apply(pd.to_numeric, errors="coerce").astype(float)
    for column in columns:
        refuse(~np.isfinite(found[column]), path, column, "is not a number; fetch the file again")
    return found


def _place(header: list[str], name: str, path: Path) -> int:
    if header.count(name) != 1:
        problem = "occurs twice" if name in header else "is missing"
        raise InputError(f"{path}: column {name!r} {problem}; is this another version of the file?")
    return header.index(name)
