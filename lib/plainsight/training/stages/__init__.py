"""The stages of training, one module each: read what the earlier stages made, train, write the result whole.

Each has a ``run(job, scale)``; ``run`` here finds a stage by name, so that a step of the workflow depends on no
stage but the one that it launches.
"""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path

import torch

from plainsight.files import atomic
from plainsight.training.job import Job
from plainsight.training.processes import processes


def run(job: Job) -> None:
    """Run one job, or this process's share of it; a finished result is left as it is."""
    trains_whole = job.stage != "latents" and not job.stops_early
    # Folders are there whole or not at all, but for empty ones, which Snakemake makes.
    if trains_whole and job.receipt.exists() and (job.output / "loss.csv").exists() and not job.finished.exists():
        _copy(job.receipt, job.finished)
    if job.finished.exists():
        print(f"{job.output}: already there")
        return
    scale = job.read_scale()
    everyone = processes()
    torch.set_num_threads(scale.threads_of(job.stage, job.stops_early))
    importlib.import_module(f"plainsight.training.stages.{job.stage}").run(job, scale)
    if everyone.is_main_process and not job.stops_early:
        for path in job.checkpoints.glob(f"{job.name}-*"):  # of earlier settings too
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        if trains_whole:
            _copy(job.finished, job.receipt)


def _copy(source: Path, target: Path) -> None:
    with atomic(target) as temporary:
        shutil.copyfile(source, temporary)
