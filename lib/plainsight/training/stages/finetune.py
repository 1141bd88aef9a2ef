"""The stage that fine-tunes a variant."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pandas as pd
import torch

from plainsight import models, schema
from plainsight.config import Scale, Variant
from plainsight.errors import InputError
from plainsight.training import denoising
from plainsight.training.job import Job
from plainsight.training.stages.common import device, read_examples
from plainsight.training.stages.denoise import denoise
from plainsight.worlds import NO_FINDING


def run(job: Job, scale: Scale) -> None:
    """From the variant's base; a share of No Finding cases trains without a condition (seed 000, method section)."""
    variant = job.read_variant()
    source = job.read_experiments().texts[variant.text].source
    rows = training_rows(job, variant, captioned=source == "captions")
    drop = torch.tensor([variant.unconditional if f == NO_FINDING else 0.0 for f in rows["finding"]])
    steps = scale.steps(job.variant, variant)
    milestones = denoising.milestone_steps(scale.denoising, steps)
    model = models.load(job.model_folder(variant.base), device=device())
    batch_size = scale.batch_size(job.variant, variant)
    sized = dataclasses.replace(scale, denoising=dataclasses.replace(scale.denoising, batch_size=batch_size))
    denoise(job, sized, model, rows, drop, steps, variant.train_text_encoder, milestones)


def training_rows(job: Job, variant: Variant, captioned: bool) -> pd.DataFrame:
    """The training examples of a variant's world, with the phrases of its level of text.

    Captions are the examples' own phrases; of an image with several, each counts as one example, which an epoch takes
    once (seed 000 draws one of them each time).
    """
    examples, _ = read_examples(job.runs, job.world)
    rows = examples[examples["split"] == "train"]
    if variant.view != "all":
        rows = rows[rows["view"] == variant.view]
    if captioned:
        return rows
    texts = schema.read_texts(Path(job.runs) / job.world / "texts.parquet")
    level = texts[texts["text"] == variant.text].set_index("image_id")["phrase"]
    if missing := sorted(set(rows["image_id"]) - set(level.index)):
        raise InputError(f"{job.runs}/{job.world}/texts.parquet: image {missing[0]!r} has no text {variant.text!r}")
    return rows.assign(phrase=level.loc[rows["image_id"]].to_numpy())
