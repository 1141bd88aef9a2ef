"""A denoising training of seconds, for tests in one process and in several."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch

from plainsight import models
from plainsight.config import AutoencoderConfig, DenoisingConfig, TextEncoderConfig, UNetConfig
from plainsight.latents import Moments
from plainsight.training import denoising

CONFIG = DenoisingConfig(
    batch_size=4,
    learning_rate=1e-3,
    warmup_steps=2,
    max_grad_norm=1.0,
    ema_decay=0.9,
    checkpoint_every=2,
    foundation_steps=4,
    steps=4,
    milestones=(0.5, 1.0, 2.0),
    first_look=1.0,
)


def model() -> models.Model:
    return models.Model(
        vae=models.build_autoencoder(AutoencoderConfig(4, (8, 8, 8, 8), 1, 4, 1, 1, 1e-3, 0.0), 0),
        unet=models.build_unet(UNetConfig((8, 16), 1, 2, 4), 8, 4, 16, 0),
        text_encoder=models.build_text_encoder(TextEncoderConfig(16, 1, 2, 1, 1, 1e-3), 0).requires_grad_(False),
        tokenizer=models.clip_tokenizer(),
        scheduler=models.noise_scheduler(),
    )


def data() -> denoising.TrainingSet:
    """Six rows, of which every second is always trained without its text."""
    generator = torch.Generator().manual_seed(0)
    mean = torch.randn(6, 4, 8, 8, generator=generator)
    moments = Moments(tuple("abcdef"), mean, torch.full_like(mean, 0.1))
    phrases = [f"pleural effusion {i}" for i in range(6)]
    return denoising.TrainingSet(moments, moments.rows("abcdef"), phrases, torch.tensor([0.0, 1.0] * 3))


def train(
    trained: models.Model,
    folder: Path,
    learnable: bool,
    steps: int = 4,
    until: int | None = None,
    **settings: object,
) -> list[float]:
    """The loss of every step; ``settings`` change `CONFIG`."""
    config = dataclasses.replace(CONFIG, **settings)
    return denoising.train(
        trained, data(), config, steps, learnable, 0, (2, 4), folder / "kept", folder / "state.pt", "test", until
    )


def weights(part: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten().clone() for p in part.parameters()])
