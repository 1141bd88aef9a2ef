"""The parts of published models, from their configurations and without weights."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

_STABLE_DIFFUSION = {
    "sample_size": 64,
    "block_out_channels": (320, 640, 1280, 1280),
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
}
UNETS: Mapping[str, dict] = MappingProxyType(
    {
        # unet/config.json of stable-diffusion-v1-5 and stable-diffusion-2-base; all else is diffusers' default.
        "sd_15": {**_STABLE_DIFFUSION, "attention_head_dim": 8, "cross_attention_dim": 768},
        "sd_2_base": {
            **_STABLE_DIFFUSION,
            "attention_head_dim": (5, 10, 20, 20),
            "cross_attention_dim": 1024,
            "use_linear_projection": True,
        },
        # MONAI's model zoo, cxr_image_synthesis_latent_diffusion_model (Pinaya et al. 2022): see `plainsight.monai`.
        "cxr_ldm": {
            "sample_size": 64,
            "in_channels": 3,
            "out_channels": 3,
            "block_out_channels": (256, 512, 768),
            "attention_head_dim": 1,
            "cross_attention_dim": 1024,
            "norm_eps": 1e-6,
            "down_block_types": ("DownBlock2D",) + ("CrossAttnDownBlock2D",) * 2,
            "up_block_types": ("CrossAttnUpBlock2D",) * 2 + ("UpBlock2D",),
        },
    }
)
"""By name. diffusers' ``attention_head_dim`` of this class is the number of heads."""
STABLE_DIFFUSION_VAE = MappingProxyType(
    {
        "sample_size": 512,
        "latent_channels": 4,
        "layers_per_block": 2,
        "block_out_channels": (128, 256, 512, 512),
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
    }
)
"""vae/config.json of both."""
SD_2_TEXT_ENCODER = MappingProxyType(
    {
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 23,
        "num_attention_heads": 16,
        "hidden_act": "gelu",
    }
)
"""text_encoder/config.json of stable-diffusion-2-base: OpenCLIP ViT-H/14 less its last layer."""


def unet(name: str, device: str = "meta", **changes: object) -> UNet2DConditionModel:
    """The U-Net of one of `UNETS`, untrained, in evaluation mode; on the device ``meta`` it takes no memory.

    ``changes``: settings that differ, such as narrower blocks.
    """
    with torch.device(device):
        return UNet2DConditionModel(**{**UNETS[name], **changes}).eval()


def autoencoder(device: str = "meta") -> AutoencoderKL:
    """Stable Diffusion's autoencoder, as `unet`."""
    with torch.device(device):
        return AutoencoderKL(**STABLE_DIFFUSION_VAE).eval()


def text_encoder(device: str = "meta") -> CLIPTextModel:
    """The text encoder of Stable Diffusion 2, as `unet`."""
    with torch.device(device):
        return CLIPTextModel(CLIPTextConfig(**SD_2_TEXT_ENCODER)).eval()
