"""What the foundation and every variant of it share: train on cached latents, write the model whole."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import torch

from plainsight import latents, models, provenance
from plainsight.config import Scale
from plainsight.errors import InputError
from plainsight.files import atomic
from plainsight.tokenizer import longer_than_context
from plainsight.training import denoising
from plainsight.training.job import Job
from plainsight.training.loop import write_losses
from plainsight.training.processes import processes


def denoise(
    job: Job,
    scale: Scale,
    model: models.Model,
    rows: pd.DataFrame,
    drop: torch.Tensor,
    steps: int,
    train_text_encoder: bool,
    milestones: tuple[int, ...],
) -> None:
    """``steps`` of training, or of a job that `stops_early` those before the first look."""
    if rows.empty:
        raise InputError(f"{job.runs}/{job.world}: no training images for {job.name}; see {job.scale}")
    moments = latents.read(Path(job.runs) / job.world / "latents")
    data = denoising.TrainingSet(moments, moments.rows(rows["image_id"].tolist()), rows["phrase"].tolist(), drop)
    losses = denoising.train(
        model,
        data,
        scale.denoising,
        steps,
        train_text_encoder,
        job.seed,
        milestones,
        kept=kept(job),
        checkpoint=job.checkpoint,
        description=job.name,
        until=scale.denoising.first_look_steps if job.stops_early else None,
    )
    if not processes().is_main_process:
        return
    with atomic(job.output) as folder:
        models.save(model, folder)
        for part in kept(job).iterdir():
            shutil.copytree(part, folder / part.name)
        write_losses(folder, losses)
        cut = longer_than_context(model.tokenizer, rows["phrase"])
        provenance.record(folder, job, {"train_images": len(rows), "texts_cut": cut})


def kept(job: Job) -> Path:
    """Weights kept by a training under way; moved into the model folder at the end."""
    return job.checkpoint.with_suffix("")
