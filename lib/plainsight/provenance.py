"""Where a result comes from: configuration, versions and commit beside every result, and the part that is committed."""

from __future__ import annotations

import dataclasses
import datetime
import json
import platform
import subprocess
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import plainsight
from plainsight.files import atomic

PACKAGES = ("torch", "diffusers", "transformers", "numpy", "scipy", "pandas", "scikit-image", "scikit-learn")
"""The packages whose version can change a number."""


def versions() -> dict[str, str]:
    """Versions of plainsight and of ``PACKAGES``, without local suffixes such as ``+cpu``; absent ones left out."""
    found = {"plainsight": plainsight.__version__}
    for name in PACKAGES:
        try:
            found[name] = version(name).split("+")[0]
        except PackageNotFoundError:
            continue
    return found


def commit() -> dict[str, Any]:
    """``{"commit": hash, "dirty": bool}`` of the checkout this package runs from; both None outside of git."""
    here = Path(plainsight.__file__).parent
    try:
        head = _git(here, "rev-parse", "HEAD")
        return {"commit": head, "dirty": bool(_git(here, "status", "--porcelain", "--untracked-files=no", ":/"))}
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "dirty": None}


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def record(target: Path | str, config: object, measured: Mapping[str, Any] | None = None) -> Path:
    """Write how a result was made, whole or not at all, and return the file.

    Args:
        target: the result's folder (the record becomes ``run.json`` in it) or the record's own ``.json`` path.
        config: what asked for it, seeds included: a dataclass or a mapping.
        measured: numbers worth keeping beside it.
    """
    path = Path(target) if Path(target).suffix == ".json" else Path(target) / "run.json"
    row = {
        "config": _plain(config),
        "measured": dict(measured or {}),
        "versions": {**versions(), "python": platform.python_version()},
        **commit(),
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    _write(path, row)
    return path


def committed(
    path: Path | str, scale: str, world: str, variants: Mapping[str, Iterable[int]], notebook: str
) -> dict[str, Any]:
    """Write ``provenance.json`` of a folder of tables: only what does not change by itself, so never a time or commit.

    Args:
        path: the ``provenance.json`` to write.
        scale, world: names.
        variants: the training seeds of each variant that the tables read.
        notebook: the notebook that made them, relative to ``notebooks/``.
    """
    row = {
        "scale": scale,
        "world": world,
        "variants": {name: sorted(seeds) for name, seeds in variants.items()},
        "notebook": notebook,
        "versions": versions(),
    }
    _write(Path(path), row)
    return row


def _plain(config: object) -> Any:
    return dataclasses.asdict(config) if dataclasses.is_dataclass(config) else dict(config)


def _write(path: Path, row: Mapping[str, Any]) -> None:
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(row, indent=2, default=str) + "\n", encoding="utf-8")
