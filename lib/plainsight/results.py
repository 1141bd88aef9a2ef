"""Results: score rows (``runs/<scale>/<world>/scores/<variant>/seed<k>/<protocol>.parquet``) and folders of tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow as pa

from plainsight.errors import InputError
from plainsight.metrics.localisation import METRICS
from plainsight.schema import names_finding
from plainsight.workspace import Workspace

EXAMPLES = "scores/examples.parquet"
"""Below ``runs/<scale>/<world>``: what was asked, without text and pixels (see ``asked``)."""
COLUMNS = ("example_id", "patient", "finding", "area_fraction", "noise_seed", *METRICS)


class Run(NamedTuple):
    """One file of score rows: a variant, its training seed (0 for the foundation), the protocol it was asked by."""

    variant: str
    seed: int
    protocol: str


def runs(workspace: Workspace, variants: Iterable[str], protocols: Iterable[str]) -> list[Run]:
    """Every variant under every protocol, with all training seeds it has at the workspace's scale."""
    pairs = [(variant, protocol) for protocol in protocols for variant in variants]
    return [Run(variant, seed, protocol) for variant, protocol in pairs for seed in workspace.seeds(variant)]


def missing(folder: Path | str, wanted: Iterable[Run]) -> list[str]:
    """The files of ``wanted`` that do not lie below ``folder``, as paths relative to it."""
    return [str(_place(run)) for run in wanted if not (Path(folder) / _place(run)).is_file()]


def read(folder: Path | str, wanted: Sequence[Run]) -> pd.DataFrame:
    """The score rows of ``wanted`` in one frame, with columns ``variant``, ``seed`` and ``protocol`` in front.

    Rows of protocols with a curve also have ``step``; it is missing (NaN) elsewhere. Rows without a score are left out:
    of a target that lies outside the square that a model sees, or fills it.

    Raises:
        InputError: a file is missing, is no Parquet file, or lacks a column; all missing files in one line.
    """
    if absent := missing(folder, wanted):
        raise InputError(f"{folder}: no score rows {', '.join(absent)}; make them with ./run_all.sh first")
    if not wanted:
        raise InputError(f"{folder}: no score rows are asked for; name at least one run")
    return pd.concat([_read_one(Path(folder), run) for run in wanted], ignore_index=True)


def asked(examples: pd.DataFrame) -> pd.DataFrame:
    """What tables need to know of grounding examples, without their text: one row an example.

    Columns example_id, patient, finding, ``n_boxes``; ``wording``, a number for each distinct phrase (case and full
    stop aside) in the order in which they first appear; ``ap``, 1 for AP films, 0 for PA films, missing where the view
    is not known; ``names_finding``, 1 where the phrase does (``schema.names_finding``), else 0.
    """
    wording, _ = pd.factorize(examples["phrase"].str.lower().str.rstrip("."))
    kept = examples[["example_id", "patient", "finding"]].reset_index(drop=True)
    pairs = zip(examples["phrase"], examples["finding"], strict=True)
    return kept.assign(
        n_boxes=examples["boxes"].map(len).to_numpy(),
        wording=wording,
        ap=examples["view"].map({"AP": 1.0, "PA": 0.0}).to_numpy(),
        names_finding=[int(names_finding(phrase, finding)) for phrase, finding in pairs],
    )


def read_asked(folder: Path | str) -> pd.DataFrame:
    """The table of ``asked`` below ``folder``, indexed by example_id; InputError where it is missing or unreadable."""
    return _parquet(Path(folder) / EXAMPLES, "baselines").set_index("example_id")


def paper_folder(workspace: Workspace, world: str, paper: str) -> Path:
    """The tables of a paper: fresh ones in ``runs/``, else the committed ones; InputError where there are neither."""
    places = (workspace.world(world) / paper, workspace.tables / workspace.scale.name / world / paper)
    for folder in places:
        if (folder / "claims.csv").is_file():
            return folder
    raise InputError(
        f"no tables in {places[0]} or {places[1]}; make them with ./run_all.sh --scale {workspace.scale.name}"
    )


def _read_one(folder: Path, run: Run) -> pd.DataFrame:
    path = folder / _place(run)
    frame = _parquet(path, "ground")
    if absent := [name for name in COLUMNS if name not in frame.columns]:
        raise InputError(f"{path}: column {absent[0]!r} is missing; score rows have {', '.join(COLUMNS)}")
    frame = frame[frame["area_fraction"].between(0, 1, inclusive="neither")].reset_index(drop=True)
    keys = pd.DataFrame([run] * len(frame), columns=Run._fields, index=frame.index)
    return pd.concat([keys, frame], axis=1)


def _parquet(path: Path, step: str) -> pd.DataFrame:
    """A Parquet file that ``step`` makes; InputError where it is missing or is none."""
    try:
        return pd.read_parquet(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such table; run the step {step!r} first") from None
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: not a Parquet file ({reason}); delete it and run the step {step!r} again") from None


def _place(run: Run) -> Path:
    return Path("scores", run.variant, f"seed{run.seed}", f"{run.protocol}.parquet")
