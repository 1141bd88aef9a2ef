"""What several stages do: read a world, load its pixels, find a part that another stage made, write one."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import torch
from diffusers import AutoencoderKL

from plainsight import latents, models, provenance, schema, worlds
from plainsight.config import Scale
from plainsight.errors import InputError
from plainsight.files import atomic
from plainsight.training.job import Job
from plainsight.training.loop import write_losses
from plainsight.training.processes import processes
from plainsight.workspace import FOUNDATION

CHECK_IMAGES = 64
"""Images of the validation split on which the autoencoder and the contrastive towers are checked."""


def read_examples(runs: str | Path, world: str) -> tuple[pd.DataFrame, Path]:
    """The examples of a prepared world and the root its image paths start from."""
    folder = Path(runs) / world
    examples = schema.read(folder / "examples.parquet", worlds.findings(world))
    return examples, worlds.image_root(folder)


def device() -> torch.device:
    """The GPU of this process, or the CPU."""
    return processes().device


def split_pixels(
    job: Job, world: str, split: str, resolution: int, at_most: int | None = None
) -> tuple[pd.DataFrame, torch.Tensor]:
    examples, root = read_examples(job.runs, world)
    rows = examples[examples["split"] == split].drop_duplicates("image_id").head(at_most or len(examples))
    if rows.empty:
        raise InputError(f"{job.runs}/{world}: no {split} images; give the world some in {job.scale}")
    return rows, latents.load_pixels(root, rows, resolution)


def write_part(job: Job, part: torch.nn.Module, losses: list[float], measured: dict[str, float]) -> None:
    with atomic(job.output) as folder:
        part.save_pretrained(folder)
        write_losses(folder, losses)
        provenance.record(folder, job, measured)


def read_part(cls: type, job: Job, scale: Scale, stage: str) -> torch.nn.Module:
    """A part of the foundation that another stage trained."""
    folder = Path(job.runs) / scale.foundation_world / "models" / stage / "seed0"
    if not folder.is_dir():
        raise InputError(f"{folder}: the {stage} is not trained yet; run stage {stage!r} first")
    return models.load_part(cls, folder)


def read_autoencoder(job: Job, scale: Scale) -> AutoencoderKL:
    """The foundation's autoencoder: trained before the foundation, or part of one that was loaded."""
    if scale.pretrained is None:
        return read_part(AutoencoderKL, job, scale, "autoencoder")
    return models.load_part(AutoencoderKL, job.model_folder(FOUNDATION) / "vae")
