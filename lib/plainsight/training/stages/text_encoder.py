"""The stage that pretrains the text encoder."""

from __future__ import annotations

import dataclasses

import torch

from plainsight import models
from plainsight.config import Scale
from plainsight.training import contrastive
from plainsight.training.job import Job
from plainsight.training.loop import batch_indices, run_steps
from plainsight.training.stages.common import CHECK_IMAGES, device, split_pixels, write_part


def run(job: Job, scale: Scale) -> None:
    """A layer more than is kept is trained; see ``models.without_last_layer``."""
    config, tokenizer = scale.text_encoder, models.clip_tokenizer()
    trained = dataclasses.replace(config, num_hidden_layers=config.num_hidden_layers + 1)
    rows, pixels = split_pixels(job, scale.foundation_world, "train", scale.resolution)
    ids = models.token_ids(tokenizer, rows["phrase"].tolist())
    towers = contrastive.Towers(models.build_text_encoder(trained, job.seed), job.seed).to(device())
    optimizer = torch.optim.AdamW(towers.parameters(), lr=config.learning_rate, fused=True)

    def step(index: int) -> float:
        chosen = batch_indices(len(rows), config.batch_size, index, job.seed, "contrastive")
        return contrastive.train_step(towers, optimizer, pixels[chosen], ids[chosen], index, job.seed)

    losses = run_steps(
        step,
        config.steps,
        {"towers": towers, "optimizer": optimizer},
        job.checkpoint,
        scale.denoising.checkpoint_every,
        job.name,
    )
    towers.eval()
    held_out, images = split_pixels(job, scale.foundation_world, "validation", scale.resolution, CHECK_IMAGES)
    accuracy = contrastive.retrieval_accuracy(towers, images, models.token_ids(tokenizer, held_out["phrase"].tolist()))
    measured = {"retrieval_accuracy": accuracy, "retrieval_chance": 1 / len(held_out)}
    write_part(job, models.without_last_layer(towers.text_encoder), losses, measured)
