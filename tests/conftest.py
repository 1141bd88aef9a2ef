"""Fixtures that several test modules share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from plainsight import models
from plainsight.config import AutoencoderConfig, TextEncoderConfig, UNetConfig
from plainsight.tokenizer import clip_tokenizer


@pytest.fixture(scope="session")
def tiny_model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Stable Diffusion folder with random weights: images of 64 pixels, latents of 8, two stages."""
    folder = tmp_path_factory.mktemp("tiny") / "model"
    autoencoder = AutoencoderConfig(4, (8, 8, 16, 16), 1, 8, steps=0, batch_size=1, learning_rate=0.0, kl_weight=0.0)
    text_encoder = TextEncoderConfig(32, 2, 2, steps=0, batch_size=1, learning_rate=0.0)
    unet = UNetConfig((16, 32), layers_per_block=1, num_attention_heads=2, norm_num_groups=8)
    model = models.Model(
        vae=models.build_autoencoder(autoencoder, seed=0),
        unet=models.build_unet(unet, sample_size=8, latent_channels=4, cross_attention_dim=32, seed=0),
        text_encoder=models.build_text_encoder(text_encoder, seed=0),
        tokenizer=clip_tokenizer(),
        scheduler=models.noise_scheduler(),
    )
    for name, parameter in model.unet.named_parameters():
        if "attn2.to_q" in name or "attn2.to_k" in name:
            parameter.data *= 8  # attention far from uniform, as after training
    models.save(model, folder)
    return folder


@pytest.fixture(scope="session")
def tiny_model(tiny_model_dir: Path) -> models.Model:
    return models.load(tiny_model_dir)


@pytest.fixture(scope="session")
def stored_attention() -> Callable[..., list[torch.Tensor]]:
    """The plain reference for attention capture: run a U-Net as it is and keep every cross-attention map whole."""

    @torch.no_grad()
    def store(unet: torch.nn.Module, *inputs: torch.Tensor, **options: torch.Tensor) -> list[torch.Tensor]:
        """One (B, heads, pixels, T) float64 tensor a layer, recomputed from the inputs of each layer."""
        kept, hooks = [], []

        def keep(attn: torch.nn.Module, positional: tuple, named: dict) -> None:
            text = named["encoder_hidden_states"].double()
            query = positional[0].double() @ attn.to_q.weight.double().T
            key = text @ attn.to_k.weight.double().T
            query, key = (x.unflatten(-1, (attn.heads, -1)) for x in (query, key))
            scores = torch.einsum("bphd,bthd->bhpt", query, key) / key.shape[-1] ** 0.5
            if named.get("attention_mask") is not None:
                scores = scores + named["attention_mask"].double()[:, None]
            kept.append(scores.softmax(dim=-1))

        for name, module in unet.named_modules():
            if name.endswith("attn2"):
                hooks.append(module.register_forward_pre_hook(keep, with_kwargs=True))
        unet(*inputs, **options)
        for hook in hooks:
            hook.remove()
        return kept

    return store
