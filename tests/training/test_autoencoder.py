"""The autoencoder's loss, crops, scaling factor and reconstruction error."""

import pytest
import torch

from plainsight import models
from plainsight.config import AutoencoderConfig
from plainsight.training import autoencoder

CONFIG = AutoencoderConfig(4, (8, 8, 8, 8), 1, 4, 1, 1, 1e-3, 1e-6)


@pytest.fixture
def pixels():
    return torch.randint(0, 256, (4, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def test_crops_are_parts_of_their_own_image(pixels):
    crops = autoencoder.random_crops(pixels, 16, torch.Generator().manual_seed(1))
    windows = pixels.unfold(2, 16, 1).unfold(3, 16, 1)
    for image, crop in zip(windows, crops, strict=True):
        assert (image.permute(1, 2, 0, 3, 4) == crop).all(dim=(2, 3, 4)).any()


def test_a_step_lowers_the_loss(pixels):
    vae = models.build_autoencoder(CONFIG, 0)
    optimizer = torch.optim.AdamW(vae.parameters(), lr=3e-3)
    losses = [autoencoder.train_step(vae, optimizer, torch.zeros_like(pixels), CONFIG, step, 0) for step in range(25)]
    assert losses[-1] < 0.5 * losses[0]


def test_scaled_latents_have_unit_variance(pixels):
    vae = models.build_autoencoder(CONFIG, 0).eval()
    factor = autoencoder.scaling_factor(vae, pixels)
    posterior = vae.encode(pixels.float() / 127.5 - 1).latent_dist
    generator = torch.Generator().manual_seed(2)
    samples = torch.stack([posterior.sample(generator) for _ in range(400)])
    assert (samples * factor).var().item() == pytest.approx(1.0, abs=0.02)


def test_psnr_of_a_constant_error(pixels):
    class Shifted(torch.nn.Module):
        device = torch.device("cpu")

        def encode(self, images):
            return type("E", (), {"latent_dist": type("D", (), {"mean": images})})

        def decode(self, latents):
            return type("S", (), {"sample": latents + 0.2})

    grey = torch.full_like(pixels, 100)
    assert autoencoder.psnr(Shifted(), grey) == pytest.approx(20.0, abs=1e-4)
