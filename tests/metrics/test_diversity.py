"""MS-SSIM: against scikit-image and torchmetrics, and the two readings of the same four images a prompt."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

from plainsight.errors import InputError
from plainsight.metrics import diversity


def pictures(*shape: int, seed: int = 0) -> torch.Tensor:
    """Smooth pictures, uint8; noise alone has no structure to compare."""
    coarse = torch.rand(*shape[:-2], 8, 8, generator=torch.Generator().manual_seed(seed))
    fine = torch.nn.functional.interpolate(coarse.flatten(0, -4), shape[-2:], mode="bicubic").clamp(0, 1)
    return (255 * fine).round().to(torch.uint8).reshape(shape)


@pytest.mark.parametrize(("side", "scales"), [(22, 2), (43, 2), (44, 3), (64, 3), (98, 3), (99, 4), (176, 5), (512, 5)])
def test_an_image_has_as_many_scales_as_the_window_allows(side, scales):
    weights = diversity.scale_weights(side)
    assert len(weights) == scales
    assert sum(weights) == pytest.approx(1)
    np.testing.assert_allclose(np.array(weights[1:]) / weights[0], np.array(diversity.WEIGHTS[1:scales]) / 0.0448)
    if side < 128:
        image = pictures(1, 3, side, side)
        assert diversity.ms_ssim(image, image) == pytest.approx([1])


def test_images_too_small_for_two_scales_are_refused():
    with pytest.raises(InputError, match="images of 21 pixels; give 22 or more"):
        diversity.scale_weights(21)


def test_five_scales_are_those_of_torchmetrics():
    first, second = pictures(2, 3, 176, 176), pictures(2, 3, 176, 176, seed=1)
    expected = multiscale_structural_similarity_index_measure(
        first.double(), second.double(), data_range=255.0, reduction="none"
    )
    np.testing.assert_allclose(diversity.ms_ssim(first, second), expected, rtol=1e-4)


def test_the_scales_are_contrast_on_the_finer_and_ssim_on_the_coarsest():
    """Wang et al. (2003), eq. 7, on a grey pair of 64 pixels, from scikit-image's SSIM and its parts.

    scikit-image gives SSIM = luminance x contrast; with equal local means, made by a mirrored pattern of the finest
    grain, luminance is 1, so that SSIM is the contrast term.
    """
    rows, columns = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    board = ((rows + columns) % 2).double()
    first = (100 + 50 * board).to(torch.uint8).expand(1, 1, 64, 64)
    second = (100 + 50 * (1 - board)).to(torch.uint8).expand(1, 1, 64, 64)
    options = {"gaussian_weights": True, "use_sample_covariance": False, "sigma": 1.5, "data_range": 255}
    contrast = structural_similarity(first[0, 0].numpy(), second[0, 0].numpy(), **options)
    assert contrast < 0
    # Opposite patterns have a negative contrast, which counts as 0; halved once, both are the same plain grey.
    assert diversity.ms_ssim(first, second) == pytest.approx([0], abs=1e-12)
    faint = (124 + 2 * board).to(torch.uint8).expand(1, 1, 64, 64)
    strong = (115 + 20 * board).to(torch.uint8).expand(1, 1, 64, 64)
    contrast = structural_similarity(faint[0, 0].numpy(), strong[0, 0].numpy(), **options)
    assert 0 < contrast < 1
    weights = diversity.scale_weights(64)
    assert diversity.ms_ssim(faint, strong) == pytest.approx([contrast ** weights[0]], rel=1e-3)


def test_corrected_pairs_stay_within_a_prompt():
    images = pictures(3, 4, 1, 44, 44)
    found = diversity.ms_ssim_corrected(images)
    for prompt, value in zip(images, found, strict=True):
        pairs = [diversity.ms_ssim(prompt[[i]], prompt[[j]])[0] for i in range(4) for j in range(i + 1, 4)]
        assert len(pairs) == 6
        assert value == pytest.approx(np.mean(pairs))


def test_readings_differ_where_prompts_differ():
    """Equal images within each prompt: the corrected value is 1, the published one mixes prompts and is not."""
    images = pictures(5, 1, 3, 44, 44).expand(5, 4, 3, 44, 44)
    assert diversity.ms_ssim_corrected(images) == pytest.approx(np.ones(5))
    published = diversity.ms_ssim_as_published(images, np.random.default_rng(0))
    assert published.shape == (30,)
    assert published.mean() < 0.9


def test_the_published_reading_draws_as_many_pairs_as_there_would_be_within_prompts_with_their_own_range():
    images = pictures(2, 3, 1, 44, 44)
    images[1] = images[1] // 2
    found = diversity.ms_ssim_as_published(images, np.random.default_rng(7))
    rng, expected = np.random.default_rng(7), []
    for _ in range(2):
        chosen = images.flatten(0, 1)[rng.permutation(6)[:3]].double()
        for i, j in ((0, 1), (0, 2), (1, 2)):
            pair = chosen[[i]], chosen[[j]]
            span = max(float(image.max() - image.min()) for image in pair)
            betas = diversity.scale_weights(44)
            expected.append(multiscale_structural_similarity_index_measure(*pair, data_range=span, betas=betas).item())
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_the_published_reading_leaves_out_pairs_without_a_value():
    black = torch.zeros(2, 2, 1, 44, 44, dtype=torch.uint8)
    assert len(diversity.ms_ssim_as_published(black, np.random.default_rng(0))) == 0
    assert diversity.ms_ssim_corrected(black) == pytest.approx([1, 1])


def test_one_image_a_prompt_is_refused():
    with pytest.raises(InputError, match="give two or more images a prompt"):
        diversity.ms_ssim_corrected(pictures(3, 1, 3, 44, 44))
