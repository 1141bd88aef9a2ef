"""Training of a classifier of findings: one binary cross-entropy a finding, on slightly shifted images."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from plainsight.features import Classifier
from plainsight.seeding import torch_generator
from plainsight.training.autoencoder import random_crops

SHIFT = 1 / 16
"""Largest shift in each direction, as a share of the image's side."""


def shifted(pixels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Each image (B, C, H, W) moved at random by up to `SHIFT`; its rim is repeated to fill the gap."""
    side = pixels.shape[-1]
    margin = round(side * SHIFT)
    padded = F.pad(pixels.float(), (margin,) * 4, mode="replicate")
    return random_crops(padded, side, generator).to(pixels.dtype)


def train_step(
    classifier: Classifier,
    optimizer: torch.optim.Optimizer,
    pixels: torch.Tensor,
    labels: torch.Tensor,
    step: int,
    seed: int,
) -> float:
    """One step on uint8 images (B, 3, R, R) and their labels (B, findings), 0 or 1."""
    images = classifier.prepare(shifted(pixels, torch_generator(seed, "classifier", step)))
    value = F.binary_cross_entropy_with_logits(classifier.network(images), labels.to(images))
    value.backward()
    optimizer.step()
    optimizer.zero_grad()
    return value.item()
