"""The stages of training, one module each: read what the earlier stages made, train, write the result whole.

Each has a ``run(job, scale)``; ``run`` here finds a stage by name, so that a step of the workflow depends on no
stage but the one that it launches.
"""

from __future__ import annotations

import importlib
import shutil

import torch

from plainsight.training.job import Job


def run(job: Job) -> None:
    """Run one job; a finished result is left as it is. A model folder is finished when it holds its ``run.json``."""
    if (job.output if job.stage == "latents" else job.output / "run.json").exists():
        print(f"{job.output}: already there")
        return
    scale = job.read_scale()
    torch.set_num_threads(scale.foundation_threads if job.stage == "foundation" else scale.threads)
    importlib.import_module(f"plainsight.training.stages.{job.stage}").run(job, scale)
    for path in job.checkpoint.parent.glob(f"{job.name}-*"):  # of earlier settings too
        shutil.rmtree(path) if path.is_dir() else path.unlink()
