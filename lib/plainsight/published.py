"""The papers' own numbers, read from ``paper_tables/published/<paper>/table_NN.csv``.

They are transcribed as printed, one row a cell, each with its line in the paper's text; how they stand beside
ours is the business of ``plainsight.tables``.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from plainsight.errors import InputError

KEYS = ("finding", "variant", "metric")
COLUMNS = (*KEYS, "value", "std", "low", "high", "n", "rows", "unit", "note", "source")
FACTORS = {"percent": 0.01, "ratio": 1.0}
AVERAGE = "Average"


def read(folder: Path | str, paper: str, number: int) -> pd.DataFrame:
    """The published table ``number`` of ``paper`` below ``folder`` (``paper_tables``).

    Returns the file's columns with ``value``, ``std``, ``low`` and ``high`` as floats in this project's units (AUC and
    Top-1 in [0, 1]) and with ``printed``, the cell as the paper prints it.

    Raises:
        InputError: no such table; a missing or unknown column; a unit that is none; a cell that is no number.
    """
    path = Path(folder) / "published" / paper / f"table_{number:02d}.csv"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in path.parent.glob("table_*.csv"))) or "none"
        raise InputError(f"{path}: no such published table (in this folder: {known})")
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    if set(frame.columns) != set(COLUMNS):
        wrong = sorted(set(frame.columns) ^ set(COLUMNS))[0]
        raise InputError(f"{path}: column {wrong!r} is missing or unknown; columns are {', '.join(COLUMNS)}")
    if len(unknown := frame.index[~frame["unit"].isin(FACTORS)]):
        row = unknown[0]
        raise InputError(f"{path}: row {row}: unit {frame['unit'][row]!r} is not one of {', '.join(FACTORS)}")
    frame["printed"] = frame["value"] + frame["std"].map(lambda std: f" ± {std}" if std else "")
    factor = frame["unit"].map(FACTORS)
    for column in ("value", "std", "low", "high"):
        frame[column] = _numbers(frame[column], path) * factor
    frame["n"] = _numbers(frame["n"], path).astype(int)
    return frame


def _numbers(column: pd.Series, path: Path) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce")
    if len(wrong := column.index[numbers.isna() & (column != "")]):
        raise InputError(f"{path}: row {wrong[0]}, column {column.name!r}: {column[wrong[0]]!r} is not a number")
    return numbers.astype(float)
