"""The stage that makes the foundation: trained here, or loaded."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from transformers import CLIPTextModel

from plainsight import hub, models, provenance
from plainsight.config import Scale
from plainsight.errors import InputError
from plainsight.files import atomic
from plainsight.training.job import Job
from plainsight.training.stages.common import device, read_examples, read_part
from plainsight.training.stages.denoise import denoise

FOUNDATION_DROP = 0.1
"""Share of captions dropped in pretraining, as Stable Diffusion's own training did (Rombach et al. 2022)."""
FOUNDATION_SCHEDULE = "cosine"
"""Of the rate of learning: down to 0, so that words are grounded better in as many steps
(benchmarks/results/foundation_trials.csv)."""


def run(job: Job, scale: Scale) -> None:
    """The model that every variant starts from: Stable Diffusion at paper scale, a stand-in for it at smaller ones."""
    if scale.pretrained is None:
        train(job, scale)
    else:
        load(job, scale)


def load(job: Job, scale: Scale) -> None:
    """Published weights, checked and copied to where a trained foundation would lie."""
    source = hub.fetch(scale.pretrained, hub.PIPELINE, Path(job.weights) if job.weights else None)
    model = models.load(source)
    factor = 2 ** (len(model.vae.config.block_out_channels) - 1)
    if (side := model.unet.config.sample_size * factor) != scale.resolution:
        raise InputError(f"{source}: makes images of {side} pixels, {job.scale} asks for {scale.resolution}")
    with atomic(job.output) as folder:
        models.save(model, folder)
        origin = {"repo": scale.pretrained.repo, "revision": hub.revision(source)}
        provenance.record(folder, job, {**origin, "fingerprint": models.fingerprint(model)})


def train(job: Job, scale: Scale) -> None:
    """The stand-in for Stable Diffusion: a text encoder pretrained contrastively, frozen while the U-Net learns."""
    vae = read_part(AutoencoderKL, job, scale, "autoencoder")
    model = models.Model(
        vae=vae,
        unet=models.build_unet(
            scale.unet,
            scale.resolution // 8,
            vae.config.latent_channels,
            scale.text_encoder.hidden_size,
            job.seed,
        ),
        text_encoder=read_part(CLIPTextModel, job, scale, "text_encoder").requires_grad_(False).eval(),
        tokenizer=models.clip_tokenizer(),
        scheduler=models.noise_scheduler(),
    )
    model.unet.to(device())
    model.text_encoder.to(device())
    examples, _ = read_examples(job.runs, job.world)
    rows = examples[examples["split"] == "train"]
    drop = torch.full((len(rows),), FOUNDATION_DROP)
    scale = dataclasses.replace(scale, denoising=dataclasses.replace(scale.denoising, schedule=FOUNDATION_SCHEDULE))
    denoise(job, scale, model, rows, drop, scale.denoising.foundation_steps, False, milestones=())
