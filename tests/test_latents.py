"""The cache of latents: rows by image, samples of the posterior, damage."""

import numpy as np
import pandas as pd
import pytest
import torch

from plainsight import latents, models, schema
from plainsight.config import AutoencoderConfig
from plainsight.errors import InputError


@pytest.fixture
def moments():
    generator = torch.Generator().manual_seed(0)
    mean = torch.randn(3, 4, 2, 2, generator=generator)
    return latents.Moments(("a", "b", "c"), mean, torch.rand(3, 4, 2, 2, generator=generator))


def test_a_cache_is_read_back_as_written(moments, tmp_path):
    latents.write(moments, tmp_path / "latents.safetensors")
    back = latents.read(tmp_path / "latents.safetensors")
    assert back.image_ids == moments.image_ids
    assert torch.equal(back.mean, moments.mean) and torch.equal(back.std, moments.std)


def test_rows_follow_the_images_asked_for(moments):
    assert moments.rows(["c", "a", "c"]).tolist() == [2, 0, 2]
    with pytest.raises(InputError, match="image 'd' is not in the cache"):
        moments.rows(["a", "d"])


def test_samples_have_the_posterior_s_mean_and_spread(moments):
    generator = torch.Generator().manual_seed(1)
    samples = torch.stack([moments.sample(torch.tensor([1]), generator)[0] for _ in range(4000)])
    assert torch.allclose(samples.mean(0), moments.mean[1], atol=0.06)
    assert torch.allclose(samples.std(0), moments.std[1], atol=0.06)


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x10\x00\x00\x00\x00\x00\x00\x00{}"])
def test_a_damaged_cache_is_named(tmp_path, content):
    path = tmp_path / "latents.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"latents\.safetensors: the cache of latents is damaged"):
        latents.read(path)


def test_a_missing_cache_is_named(tmp_path):
    with pytest.raises(InputError, match="no latents here"):
        latents.read(tmp_path / "latents.safetensors")


def test_batch_size_does_not_matter_and_the_scaling_factor_is_applied():
    vae = models.build_autoencoder(AutoencoderConfig(4, (8, 8, 8, 8), 1, 4, 1, 1, 1e-3, 0.0), 0).eval()
    pixels = torch.randint(0, 256, (5, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    one, all_at_once = (latents.encode(vae, pixels, list("abcde"), size) for size in (1, 5))
    assert torch.allclose(one.mean, all_at_once.mean, atol=1e-5) and torch.allclose(one.std, all_at_once.std, atol=1e-5)
    vae.register_to_config(scaling_factor=2 * vae.config.scaling_factor)
    assert torch.allclose(latents.encode(vae, pixels, list("abcde"), 5).mean, 2 * all_at_once.mean)


def test_pixels_are_cropped_to_a_square_and_grey_is_repeated(tmp_path):
    image = np.zeros((20, 40), dtype=np.float32)
    image[:, 10:30] = 1.0
    schema.write_image(image, tmp_path / "grey.png")
    row = {"example_id": "e", "image": "grey.png", "width": 40, "height": 20}
    pixels = latents.load_pixels(tmp_path, pd.DataFrame([row]), 20)
    assert pixels.shape == (1, 3, 20, 20) and (pixels == 255).all()
