"""The papers' own numbers, read from ``paper_tables/published/<paper>/table_NN.csv``.

They are transcribed as printed, one row a cell, each with its line in the paper's text; how they stand beside
ours is the business of ``plainsight.tables``.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from plainsight.errors import InputError

KEYS = ("finding", "variant", "metric")
"""The row keys of the tables about localisation; a table has those it needs, ``metric`` last."""
CELL = ("value", "std", "low", "high", "n", "rows", "unit", "note", "source")
"""The columns after the row keys, the same in every table."""
FACTORS = {"percent": 0.01, "ratio": 1.0}
LOST = "lost"
"""The note of a cell that the paper's text lost: it has no value."""
AVERAGE = "Average"


def read(folder: Path | str, paper: str, number: int) -> pd.DataFrame:
    """The published table ``number`` of ``paper`` below ``folder`` (``paper_tables``).

    Returns the file's columns with ``value``, ``std``, ``low`` and ``high`` as floats in this project's units (AUC and
    Top-1 in [0, 1]) and with ``printed``, the cell as the paper prints it. ``n`` is missing where the paper gives none.

    Raises:
        InputError: no such table; columns other than row keys, ``metric`` and ``CELL`` in this order; a unit that is
            none; a cell that is no number, or has no value without being noted as lost; a row that stands twice.
    """
    path = Path(folder) / "published" / paper / f"table_{number:02d}.csv"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in path.parent.glob("table_*.csv"))) or "none"
        raise InputError(f"{path}: no such published table (in this folder: {known})")
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    keys = list(frame.columns[: -len(CELL)])
    if tuple(frame.columns[-len(CELL) :]) != CELL or keys[-1:] != ["metric"]:
        raise InputError(
            f"{path}: columns are {', '.join(frame.columns)}; they must be row keys, metric, {', '.join(CELL)}"
        )
    if (twice := frame.duplicated(keys)).any():
        raise InputError(f"{path}: row {twice.idxmax()}: {' '.join(frame.loc[twice.idxmax(), keys])} stands twice")
    if (empty := (frame["value"] == "") & ~frame["note"].str.startswith(LOST)).any():
        raise InputError(f"{path}: row {empty.idxmax()}: no value, and the note does not begin with {LOST!r}")
    if len(unknown := frame.index[~frame["unit"].isin(FACTORS)]):
        row = unknown[0]
        raise InputError(f"{path}: row {row}: unit {frame['unit'][row]!r} is not one of {', '.join(FACTORS)}")
    frame["printed"] = frame["value"] + frame["std"].map(lambda std: f" ± {std}" if std else "")
    factor = frame["unit"].map(FACTORS)
    for column in ("value", "std", "low", "high"):
        frame[column] = _numbers(frame[column], path) * factor
    frame["n"] = _numbers(frame["n"], path).astype("Int64")
    return frame


def _numbers(column: pd.Series, path: Path) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce")
    if len(wrong := column.index[numbers.isna() & (column != "")]):
        raise InputError(f"{path}: row {wrong[0]}, column {column.name!r}: {column[wrong[0]]!r} is not a number")
    return numbers.astype(float)
