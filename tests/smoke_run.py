"""How tests run the whole graph: run_all.sh at scale smoke, in a copy of the checkout."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from subprocess import PIPE, STDOUT, Popen
from typing import Any

import nbformat
import yaml

ROOT = Path(__file__).parents[1]
PATIENCE = 3600
"""Seconds after which a run counts as hanging; it takes minutes on two idle cores."""


def clone(folder: Path) -> Path:
    """Make ``folder`` a copy of the checkout without results, as a fresh clone is."""
    for name in ("lib", "notebooks", "workflow"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copytree(ROOT / "paper_tables" / "published", folder / "paper_tables" / "published")
    for name in ("run_all.sh", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    return folder


def command(checkout: Path, *arguments: str, environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """How run_all.sh is started in the environment that the tests run in."""
    environment = {**environment, "VIRTUAL_ENV": sys.prefix, "PYTHONPATH": str(checkout / "lib")}
    scale = [] if "--scale" in arguments else ["--scale", "smoke"]
    call = [str(checkout / "run_all.sh"), *scale, *arguments]
    return {"args": call, "env": environment, "stdout": PIPE, "stderr": STDOUT, "text": True}


def missing(checkout: Path) -> list[str]:
    """What notebooks.yaml promises of the worlds that a run without options makes, and is not there or empty."""
    found = []
    entries = yaml.safe_load((checkout / "workflow" / "notebooks.yaml").read_text())
    worlds = {"trained": "phantom", "pretrained": "scenes"}
    here = [(worlds[kind], name, entry[kind]) for name, entry in entries.items() for kind in worlds if kind in entry]
    assert {name for _, name, _ in here} == set(entries)
    for world, name, entry in here:
        folder = checkout / "runs" / "smoke" / world
        files = [folder / Path(name).parent / made for made in entry["makes"]]
        found += [str(path) for path in files if not (path.exists() and path.stat().st_size)]
        executed = folder / "notebooks" / f"{name}.ipynb"
        cells = nbformat.read(executed, 4).cells if executed.exists() else []
        if not cells or not all(cell.execution_count for cell in cells if cell.cell_type == "code"):
            found.append(str(executed))
    return found


def until(condition: Callable[[], Any], process: Popen, every: float = 0.01) -> bool:
    """Wait until ``condition``, asked ``every`` so many seconds, holds; False when ``process`` or patience ends."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if process.poll() is not None or time.monotonic() > end:
            return False
        time.sleep(every)
    return True
