"""Training of the small AutoencoderKL: reconstruction plus a slight pull of the latents towards a unit Gaussian."""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL

from plainsight.config import AutoencoderConfig
from plainsight.latents import to_model_range
from plainsight.seeding import torch_generator


def random_crops(pixels: torch.Tensor, side: int, generator: torch.Generator) -> torch.Tensor:
    """A crop of ``side`` pixels at a random place of each image (B, 3, H, W)."""
    high = pixels.shape[-1] - side + 1
    corners = torch.randint(high, (len(pixels), 2), generator=generator).tolist()
    return torch.stack([image[:, y : y + side, x : x + side] for image, (y, x) in zip(pixels, corners, strict=True)])


def loss(vae: AutoencoderKL, images: torch.Tensor, kl_weight: float, generator: torch.Generator) -> torch.Tensor:
    """Mean absolute reconstruction error + kl_weight x KL divergence per image (Rombach et al. 2022, appendix G)."""
    posterior = vae.encode(images).latent_dist
    noise = torch.randn(posterior.mean.shape, generator=generator).to(images.device)
    reconstruction = vae.decode(posterior.mean + posterior.std * noise).sample
    return (reconstruction - images).abs().mean() + kl_weight * posterior.kl().mean()


def train_step(
    vae: AutoencoderKL,
    optimizer: torch.optim.Optimizer,
    pixels: torch.Tensor,
    config: AutoencoderConfig,
    step: int,
    seed: int,
) -> float:
    """One step on half-sized crops of uint8 ``pixels`` (B, 3, H, W); a quarter of the cost of whole images.

    The network is convolutional, so what it learns on crops holds for whole images; Stable Diffusion's own
    autoencoder was trained on 256-pixel crops too.
    """
    generator = torch_generator(seed, "autoencoder", step)
    crops = random_crops(pixels, pixels.shape[-1] // 2, generator)
    value = loss(vae, to_model_range(crops).to(vae.device), config.kl_weight, generator)
    value.backward()
    optimizer.step()
    optimizer.zero_grad()
    return value.item()


@torch.no_grad()
def scaling_factor(vae: AutoencoderKL, pixels: torch.Tensor) -> float:
    """One over the standard deviation of the latents of uint8 ``pixels`` (Rombach et al. 2022, eq. 13)."""
    posterior = vae.encode(to_model_range(pixels).to(vae.device)).latent_dist
    variance = posterior.mean.var() + posterior.var.mean()
    return 1.0 / variance.sqrt().item()


@torch.no_grad()
def psnr(vae: AutoencoderKL, pixels: torch.Tensor) -> float:
    """Peak signal-to-noise ratio in dB of the reconstruction of uint8 ``pixels`` from the posterior's mean."""
    images = to_model_range(pixels).to(vae.device)
    decoded = vae.decode(vae.encode(images).latent_dist.mean).sample.clamp(-1, 1)
    return (10 * torch.log10(4 / (decoded - images).square().mean())).item()
