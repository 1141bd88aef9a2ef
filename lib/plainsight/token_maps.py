"""What a model looks at token by token while it reads one phrase about one image: the steps of seed 000, Figure 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from plainsight.config import GroundingConfig
from plainsight.grounding import ddim_timesteps, resize_maps
from plainsight.models import Model
from plainsight.seeding import torch_generator
from plainsight.tokens import token_weights
from plainsight.word_maps import ground_words
from plainsight.words import END, START


@dataclass(frozen=True)
class TokenMaps:
    """The attention that each token of a phrase gets."""

    tokens: tuple[str, ...]
    """As the tokenizer spells them, from ``START`` to ``END``; padding is left out."""
    maps: np.ndarray
    """(tokens, h, w) float32 in [0, 1] at the resolution of the latents: mean over heads, layers and timesteps."""
    weights: np.ndarray
    """(tokens,) share of each in the heat map of the keywords, sum 1; 0 for all other tokens."""
    heatmap: np.ndarray
    """(H, W) float32, the heat map of the keywords: the weighted mean of the maps, resized bilinearly."""


@torch.inference_mode()
def token_maps(
    model: Model,
    latent: torch.Tensor,
    phrase: str,
    keywords: Sequence[str],
    key: str,
    config: GroundingConfig,
    noise_seed: int,
    size: tuple[int, int],
) -> TokenMaps:
    """Ground every token of ``phrase`` by itself.

    Args:
        model: the model.
        latent: (1, c, h, w), of the image, times the scaling factor.
        phrase: the text.
        keywords: words that stand for the finding (``plainsight.tokens``, rule ``keyword``).
        key, config, noise_seed, size: see ``plainsight.grounding.ground``; the same ones give the same heat map.

    Raises:
        InputError: as ``token_weights`` does.
    """
    chosen = token_weights(model.tokenizer, phrase, "keyword", keywords).weights
    ids = model.tokenizer(phrase, truncation=True, max_length=len(chosen)).input_ids
    single = torch.eye(len(chosen))[None, : len(ids)]
    maps = ground_words(model, latent, model.encode_text([phrase]), single, [key], config, noise_seed=noise_seed)[0]
    weights = torch.from_numpy(chosen[: len(ids)])
    heatmap = resize_maps(torch.einsum("t,thw->hw", weights, maps)[None], size, "bilinear")[0]
    words = [token.removesuffix("</w>") for token in model.tokenizer.convert_ids_to_tokens(ids)[1:-1]]
    return TokenMaps((START, *words, END), maps.numpy(), weights.numpy(), heatmap.numpy())


def noised(
    model: Model, latent: torch.Tensor, key: str, config: GroundingConfig, noise_seed: int
) -> dict[int, np.ndarray]:
    """The latent (1, c, h, w) as the U-Net is given it at each timestep that is averaged: (c, h, w), noisiest first."""
    found = {}
    for timestep in ddim_timesteps(model.scheduler.config.num_train_timesteps, config):
        noise = torch.randn(latent.shape[1:], generator=torch_generator(noise_seed, "noise", key, timestep))
        found[timestep] = model.scheduler.add_noise(latent, noise[None], torch.tensor([timestep]))[0].numpy()
    return found
