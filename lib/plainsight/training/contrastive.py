"""Contrastive pretraining of the text encoder on captioned scenes (CLIP: Radford et al. 2021), on a small scale."""

from __future__ import annotations

import itertools
import math

import torch
from torch import nn
from transformers import CLIPTextModel

from plainsight.latents import to_model_range
from plainsight.seeding import seeded_initialisation, torch_generator

MAX_LOGIT_SCALE = math.log(100)


class ImageTower(nn.Module):
    """A small convolutional image encoder, thrown away after pretraining: images (B, 3, R, R) -> (B, C)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        widths = (3, 32, 64, 128, 128)
        layers: list[nn.Module] = []
        for inside, outside in itertools.pairwise(widths):
            layers += [nn.Conv2d(inside, outside, 3, stride=2, padding=1), nn.GroupNorm(8, outside), nn.SiLU()]
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(4)
        self.project = nn.Linear(128 * 16, dim)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.project(self.pool(self.features(images)).flatten(1))


class Towers(nn.Module):
    """Text encoder, image tower, text projection and the learned temperature."""

    def __init__(self, text_encoder: CLIPTextModel, seed: int) -> None:
        super().__init__()
        dim = text_encoder.config.hidden_size
        self.text_encoder = text_encoder
        with seeded_initialisation(seed, "towers"):
            self.image_tower = ImageTower(dim)
            self.text_projection = nn.Linear(dim, dim, bias=False)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def forward(self, images: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """Similarities (B, B) of every image (rows) with every text (columns), times the temperature."""
        image = nn.functional.normalize(self.image_tower(images), dim=-1)
        text = nn.functional.normalize(self.text_projection(self.text_encoder(ids).pooler_output), dim=-1)
        return self.logit_scale.clamp(max=MAX_LOGIT_SCALE).exp() * image @ text.T


def contrastive_loss(logits: torch.Tensor) -> torch.Tensor:
    """Symmetric cross-entropy over a batch of matching pairs (Radford et al. 2021, figure 3)."""
    target = torch.arange(len(logits), device=logits.device)
    return (nn.functional.cross_entropy(logits, target) + nn.functional.cross_entropy(logits.T, target)) / 2


def without_padding(ids: torch.Tensor, eos_token_id: int) -> torch.Tensor:
    """Token ids cut after the longest text of the batch; exact for the pooled output, as CLIP's attention is causal."""
    return ids[:, : int((ids == eos_token_id).int().argmax(dim=1).max()) + 1]


def train_step(
    towers: Towers, optimizer: torch.optim.Optimizer, pixels: torch.Tensor, ids: torch.Tensor, step: int, seed: int
) -> float:
    """One step on uint8 images (B, 3, R, R) and token ids (B, 77)."""
    device = towers.logit_scale.device
    images = to_model_range(pixels)
    images = images + 0.05 * torch.randn(images.shape, generator=torch_generator(seed, "contrastive", step))
    ids = without_padding(ids, towers.text_encoder.config.eos_token_id)
    value = contrastive_loss(towers(images.to(device), ids.to(device)))
    value.backward()
    optimizer.step()
    optimizer.zero_grad()
    return value.item()


@torch.no_grad()
def retrieval_accuracy(towers: Towers, pixels: torch.Tensor, ids: torch.Tensor) -> float:
    """Share of images whose own text is the nearest of those given."""
    device = towers.logit_scale.device
    logits = towers(to_model_range(pixels).to(device), ids.to(device))
    return (logits.argmax(dim=1).cpu() == torch.arange(len(logits))).float().mean().item()
