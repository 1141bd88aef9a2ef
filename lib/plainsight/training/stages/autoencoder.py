"""The stage that trains the autoencoder."""

from __future__ import annotations

import torch

from plainsight import models
from plainsight.config import Scale
from plainsight.training import autoencoder
from plainsight.training.job import Job
from plainsight.training.loop import batch_indices, run_steps
from plainsight.training.stages.common import CHECK_IMAGES, device, split_pixels, write_part


def run(job: Job, scale: Scale) -> None:
    """Trained on images of scenes and of the phantom world alike, without a word: Stable Diffusion's own
    autoencoder reproduces radiographs well although it never saw their captions."""
    config = scale.autoencoder
    pixels = torch.cat(
        [split_pixels(job, world, "train", scale.resolution)[1] for world in (scale.foundation_world, "phantom")]
    )
    vae = models.build_autoencoder(config, job.seed).to(device())
    optimizer = torch.optim.AdamW(vae.parameters(), lr=config.learning_rate)

    def step(index: int) -> float:
        rows = batch_indices(len(pixels), config.batch_size, index, job.seed, "autoencoder")
        return autoencoder.train_step(vae, optimizer, pixels[rows], config, index, job.seed)

    losses = run_steps(
        step,
        config.steps,
        {"vae": vae, "optimizer": optimizer},
        job.checkpoint,
        scale.denoising.checkpoint_every,
        job.name,
    )
    vae.eval()
    scenes = split_pixels(job, scale.foundation_world, "validation", scale.resolution, CHECK_IMAGES)[1]
    phantom = split_pixels(job, "phantom", "validation", scale.resolution, CHECK_IMAGES)[1]
    vae.register_to_config(scaling_factor=autoencoder.scaling_factor(vae, scenes))
    write_part(
        job,
        vae,
        losses,
        {"psnr_scenes_db": autoencoder.psnr(vae, scenes), "psnr_phantom_db": autoencoder.psnr(vae, phantom)},
    )
