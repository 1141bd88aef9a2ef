"""The stage that trains the foundation."""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL
from transformers import CLIPTextModel

from plainsight import models
from plainsight.config import Scale
from plainsight.training.job import FOUNDATION_WORLD, Job
from plainsight.training.stages.common import device, read_examples, read_part
from plainsight.training.stages.denoise import denoise

FOUNDATION_DROP = 0.1
"""Share of captions dropped in pretraining, as Stable Diffusion's own training did (Rombach et al. 2022)."""


def run(job: Job, scale: Scale) -> None:
    """The stand-in for Stable Diffusion: a text encoder pretrained contrastively, frozen while the U-Net learns."""
    vae = read_part(AutoencoderKL, job, "autoencoder")
    model = models.Model(
        vae=vae,
        unet=models.build_unet(
            scale.unet,
            scale.resolution // 8,
            vae.config.latent_channels,
            scale.text_encoder.hidden_size,
            job.seed,
        ),
        text_encoder=read_part(CLIPTextModel, job, "text_encoder").requires_grad_(False).eval(),
        tokenizer=models.clip_tokenizer(),
        scheduler=models.noise_scheduler(),
    )
    model.unet.to(device())
    model.text_encoder.to(device())
    examples, _ = read_examples(job.runs, FOUNDATION_WORLD)
    rows = examples[examples["split"] == "train"]
    drop = torch.full((len(rows),), FOUNDATION_DROP)
    denoise(job, scale, model, rows, drop, scale.denoising.foundation_steps, False, milestones=())
