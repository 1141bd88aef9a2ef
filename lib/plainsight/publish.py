"""The last step: compare fresh tables with the committed ones, then commit-ready copies to ``paper_tables/``.

Training differs in the last digits between processors, so a result is reproduced when every verdict is the same and
every number differs by no more than its spread over training seeds.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from plainsight import claims, results, tables, words
from plainsight.data import identifiers
from plainsight.errors import InputError
from plainsight.files import atomic
from plainsight.workspace import FOUNDATION, open_workspace
from plainsight.worlds import OPEN

SUFFIXES = (".csv", ".md", ".png", ".svg", ".json")
MAX_BYTES = 1_000_000
"""No committed file is larger."""
PLOTS = {
    *("figure_first_look", "figure_curves", "figure_text_difficulty", "figure_03"),
    *("figure_table_01", "figure_table_04", "figure_table_07", "figure_table_11"),
    *("figure_in_domain", "figure_quality_and_grounding", "figure_quality_by_finding"),
}
"""The figures that draw numbers alone; every other one may hold pixels, and leaves `runs/` for open worlds alone."""


NAMES = ("example_id", "patient", "finding", "split")
"""Columns of score rows, and of the counts beside them, that hold words."""


@dataclass(frozen=True)
class Difference:
    """One thing that a fresh run does not reproduce."""

    file: str
    what: str
    """Which claim or cell, or the whole file."""
    committed: str
    fresh: str
    tolerance: float = math.nan
    """For numbers: the spread over seeds, or half the interval where there is one seed."""

    def __str__(self) -> str:
        bound = "" if math.isnan(self.tolerance) else f" (spread {self.tolerance:.3g})"
        return f"{self.file}: {self.what}: {self.committed} committed, {self.fresh} now{bound}"


def compare(fresh: Path, committed: Path) -> list[Difference]:
    """What the tables in folder ``fresh`` do not reproduce of those in ``committed``; empty when they reproduce it.

    Verdicts of claims must be the same. Numbers of tables (column ``value``) may differ by the larger of the two
    spreads over training seeds (column ``std``), or, with one seed, by half the 95 % interval. Pictures and texts are
    not compared.

    Raises InputError where ``committed`` holds no tables, or a table cannot be read.
    """
    names = sorted(path.name for path in committed.glob("*.csv"))
    if not names:
        raise InputError(f"{committed}: holds no tables to compare with")
    found = []
    for name in names:
        if not (fresh / name).is_file():
            found.append(Difference(name, "the file", "there", "missing"))
        elif name.startswith("claims"):
            found += _verdicts(claims.read(fresh / name), claims.read(committed / name), name)
        else:
            found += _numbers(_read(fresh / name), _read(committed / name), name)
    return found


def _verdicts(fresh: pd.DataFrame, committed: pd.DataFrame, name: str) -> list[Difference]:
    keys = ["id", "scale", "world"]
    columns = [*keys, "verdict"]
    both = committed[columns].merge(fresh[columns], on=keys, how="outer", suffixes=("", "_now")).fillna("absent")
    changed = both[both["verdict"] != both["verdict_now"]]
    return [Difference(name, f"claim {row.id}", row.verdict, row.verdict_now) for row in changed.itertuples()]


def _numbers(fresh: pd.DataFrame, committed: pd.DataFrame, name: str) -> list[Difference]:
    keys = [name for name in committed if name in (*tables.WORDS, "steps") and name not in ("printed", "note")]
    for frame in (fresh, committed):
        if missing := [column for column in (*keys, "value") if column not in frame]:
            return [Difference(name, f"column {missing[0]}", "expected", "missing")]
    both = committed.merge(
        fresh.assign(few=tables.few(fresh)), on=keys, how="outer", suffixes=("", "_now"), indicator=True
    )
    found = []
    for row in both.to_dict("records"):
        what = " ".join(str(row[key]) for key in keys)
        if row["_merge"] != "both":
            there = row["_merge"] == "left_only"
            found.append(Difference(name, what, "there" if there else "absent", "absent" if there else "there"))
            continue
        if math.isnan(row["value"]) and row["few"]:
            continue  # withheld
        tolerance = _tolerance(row)
        gap = abs(row["value"] - row["value_now"])
        appeared = math.isnan(row["value"]) != math.isnan(row["value_now"])
        if appeared or gap > tolerance:
            found.append(Difference(name, what, f"{row['value']:.4g}", f"{row['value_now']:.4g}", tolerance))
    return found


def _tolerance(row: dict[str, float]) -> float:
    """The larger spread over seeds of the two; half the wider interval where neither has one; 0 without either."""
    spreads = [row.get(name, math.nan) for name in ("std", "std_now")]
    halves = [(row.get(f"high{now}", math.nan) - row.get(f"low{now}", math.nan)) / 2 for now in ("", "_now")]
    for candidates in (spreads, halves):
        if known := [value for value in candidates if not math.isnan(value)]:
            return max(known)
    return 0.0


def _read(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path, encoding="utf-8")
    except (ValueError, OSError) as error:
        raise InputError(f"{path}: not a table: {' '.join(str(error).split())}") from None


def publish(fresh: Path, committed: Path, world: str) -> list[str]:
    """Copy the results in folder ``fresh`` to ``committed``, which is replaced whole or not at all; the names copied.

    Of a ``world`` that is not open pictures other than ``PLOTS`` stay where they are, and cells of few patients are
    published without their numbers; where there are such cells (``withheld``), all pictures and texts stay, too.

    Raises InputError, before anything is copied, for a table with a column that could carry text or identifiers
    (``plainsight.tables.refuse_private``), an identifier of a credentialed data set in a file of a world that is not
    open, a file of another kind, one that is too large, or nothing to copy.
    """
    paths = _results(fresh)
    small = withheld(fresh, world)
    if world not in OPEN:
        paths = [path for path in paths if path.suffix in (".csv", ".json") or not (small or _may_hold_pixels(path))]
    if not paths:
        raise InputError(f"{fresh}: holds nothing to publish; make its tables first")
    for path in paths:
        if path.suffix not in SUFFIXES or not path.is_file():
            raise InputError(f"{path}: not among what is published ({', '.join(SUFFIXES)}); move it elsewhere")
        if path.stat().st_size > MAX_BYTES:
            raise InputError(
                f"{path}: {path.stat().st_size:,} bytes; no published file may be larger than {MAX_BYTES:,}"
            )
        if path.suffix == ".csv":
            tables.refuse_private(_read(path), str(path))
        if world not in OPEN and path.suffix != ".png":
            _refuse_identifiers(path)
    with atomic(committed) as folder:
        folder.mkdir()
        for path in paths:
            if path.name in small:
                tables.write_table(tables.withhold(_read(path)), folder / path.name)
            else:
                shutil.copyfile(path, folder / path.name)
    return [path.name for path in paths]


def withheld(fresh: Path, world: str) -> dict[str, int]:
    """How many cells of each table in ``fresh`` are not published, because they are about few patients.

    Empty for an open world; else ``plainsight.tables.few`` says which.
    """
    if world in OPEN:
        return {}
    counts = {path.name: int(tables.few(_read(path)).sum()) for path in _results(fresh) if path.suffix == ".csv"}
    return {name: count for name, count in counts.items() if count}


def _results(fresh: Path) -> list[Path]:
    return sorted(path for path in fresh.iterdir() if path.name != "published.json") if fresh.is_dir() else []


def _refuse_identifiers(path: Path) -> None:
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        if identifiers.ANY.search(line):
            raise InputError(f"{path}: line {number} holds what looks like an identifier of a patient, study or image")


def _may_hold_pixels(path: Path) -> bool:
    return path.suffix in (".png", ".svg") and path.stem not in PLOTS


def publish_scores(fresh: Path, committed: Path, world: str) -> None:
    """Copy the score rows of an open world, so that tables can be made again without training; all of it or nothing.

    Rows that were copied earlier and were not made this time stay, so that a part of a run takes nothing away. They go
    where they would not belong together: where the examples are others, or the foundation answers otherwise, which
    every model comes from.

    Raises InputError for a world that is not open, a column that holds more than numbers and is none of an example's
    name, patient and finding, or rows by word from which phrases could be put together (``plainsight.words``).
    """
    if world not in OPEN:
        raise InputError(f"{fresh}: score rows name patients, and world {world!r} is not open; keep them in runs/")
    with atomic(committed) as folder:
        if committed.exists() and not _another_run(fresh, committed):
            shutil.copytree(committed, folder)
        folder.mkdir(exist_ok=True)
        for path in sorted(fresh.rglob("*.parquet")):
            frame = pd.read_parquet(path)
            if "word" in frame and "example_id" in frame:
                words.refuse_attached(frame, str(path))
                frame["patients"] = frame.groupby("word")["patient"].transform("nunique")
            tables.refuse_private(frame.drop(columns=list(NAMES), errors="ignore"), str(path))
            target = folder / path.relative_to(fresh)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def _another_run(fresh: Path, committed: Path) -> bool:
    """Whether a file that both have about the examples, or about the foundation, is not the same."""
    names = [
        Path(results.EXAMPLES).name,
        *(path.relative_to(fresh) for path in fresh.glob(f"{FOUNDATION}/*/*.parquet")),
    ]
    both = [
        (fresh / name, committed / name) for name in names if (fresh / name).exists() and (committed / name).exists()
    ]
    return any(not pd.read_parquet(one).equals(pd.read_parquet(other)) for one, other in both)


def publish_paper(scale: str, world: str, paper: str) -> list[Difference] | None:
    """Compare, then publish, one paper's results for a world at a scale of this checkout; returns the differences, or
    None where nothing was there to compare with.

    ``published.json`` beside the fresh tables says what was copied, how many cells were withheld, and what differed.
    Raises InputError for the scale ``smoke``, whose numbers mean nothing, and as ``publish``.
    """
    if scale == "smoke":
        raise InputError("scale smoke is for tests: its numbers mean nothing and are not published")
    space = open_workspace(scale)
    fresh, committed = space.world(world) / paper, space.tables / scale / world / paper
    differences = compare(fresh, committed) if committed.is_dir() else None
    for name in {world, space.scale.foundation_world} & OPEN:
        publish_scores(space.world(name) / "scores", space.tables / scale / name / "scores", name)
    row = {"copied": publish(fresh, committed, world), "withheld": withheld(fresh, world)}
    row["differences"] = None if differences is None else [str(difference) for difference in differences]
    with atomic(fresh / "published.json") as path:
        path.write_text(json.dumps(row, indent=2) + "\n", encoding="utf-8")
    return differences


def report(differences: Sequence[Difference], where: str) -> str:
    """The outcome of a comparison as text."""
    if not differences:
        return f"{where}: reproduced (same verdicts; every difference within the spread over seeds)"
    return "\n".join([f"{where}: {len(differences)} differences", *(f"  {difference}" for difference in differences)])


def main(arguments: list[str] | None = None) -> int:
    """``python -m plainsight.publish SCALE WORLD PAPER``: 0 when published, 2 with one line on bad input."""
    parser = argparse.ArgumentParser(prog="python -m plainsight.publish", description=__doc__.splitlines()[0])
    for name in ("scale", "world", "paper"):
        parser.add_argument(name)
    options = parser.parse_args(arguments)
    where = f"paper_tables/{options.scale}/{options.world}/{options.paper}"
    try:
        differences = publish_paper(options.scale, options.world, options.paper)
    except InputError as error:
        print(f"plainsight: {error}", file=sys.stderr)
        return 2
    print(f"Published to {where}.")
    if differences is not None:
        print(f"Against what stood there before:\n{report(differences, where)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
