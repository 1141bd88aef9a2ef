"""How alike images of one prompt are: multi-scale structural similarity; lower is more diverse."""

from __future__ import annotations

import itertools

import numpy as np
import torch

from plainsight.errors import InputError

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the five scales, the finest first (Wang et al. 2003, section 3.2)."""
WINDOW = 11


def scale_weights(side: int) -> tuple[float, ...]:
    """Exponents of the scales that images of ``side`` pixels allow, summing to what the five sum to, which is 1.

    Each scale halves the image, and torchmetrics wants side / (scales - 1)^2 to exceed the window of 11 pixels by no
    less than it does: five scales from 176 pixels, four from 99, three from 44. Values from different numbers of scales
    cannot be compared: with fewer scales images look less alike. Raises InputError below 22 pixels.
    """
    for scales in range(len(WEIGHTS), 1, -1):
        if side // (scales - 1) ** 2 >= WINDOW and side // 2 ** (scales - 1) >= WINDOW:
            kept = WEIGHTS[:scales]
            return tuple(weight / sum(kept) for weight in kept)
    raise InputError(f"MS-SSIM: images of {side} pixels; give 22 or more")


def ms_ssim(first: torch.Tensor, second: torch.Tensor) -> np.ndarray:
    """MS-SSIM of N pairs of images, (N, C, H, W) uint8 each: N values in [0, 1]; 1 for equal images.

    The dynamic range is 255, that of the format, as Wang et al. (2003) have it.
    """
    return np.concatenate([_ms_ssim(a[None], b[None], data_range=255.0) for a, b in zip(first, second, strict=True)])


def ms_ssim_corrected(images: torch.Tensor) -> np.ndarray:
    """For each prompt the mean over all pairs of its images: (P, K, C, H, W) uint8 to P values in [0, 1].

    What the text of seed 000 says: 4 images a prompt, averaged over 100 prompts.
    """
    _require_pairs(images)
    pairs = list(itertools.combinations(range(images.shape[1]), 2))
    return np.stack([ms_ssim(images[:, i], images[:, j]) for i, j in pairs]).mean(axis=0)


def ms_ssim_as_published(images: torch.Tensor, rng: np.random.Generator) -> np.ndarray:
    """What the code of seed 000 computes: as many draws as prompts, each K images from ALL prompts together.

    Its search for the images of a prompt looks through every prompt's folder. The dynamic range of a pair is the wider
    of its two images' own, and pairs without a value (two images each of a single grey) are left out.

    Args:
        images: (P, K, C, H, W) uint8.
        rng: source of the draws, which that code leaves unseeded.

    Returns:
        The values of all pairs of all draws that have one, at most P * K * (K - 1) / 2.
    """
    _require_pairs(images)
    everything = images.flatten(0, 1)
    draws = [rng.permutation(len(everything))[: images.shape[1]] for _ in range(len(images))]
    pairs = [pair for draw in draws for pair in itertools.combinations(draw.tolist(), 2)]
    values = [_ms_ssim(everything[[i]], everything[[j]], data_range=None) for i, j in pairs]
    values = np.concatenate(values)
    return values[~np.isnan(values)]


def _ms_ssim(first: torch.Tensor, second: torch.Tensor, data_range: float | None) -> np.ndarray:
    """``data_range`` None: the widest that occurs in either tensor.

    Meant for one pair at a time: for several at once torchmetrics takes four times as long a pair on a CPU.
    """
    # Here, because it loads half of what torchvision and transformers have: seconds that only MS-SSIM is worth.
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

    weights = scale_weights(min(first.shape[-2:]))
    options = {"betas": weights, "kernel_size": WINDOW, "data_range": data_range, "reduction": "none"}
    return multiscale_structural_similarity_index_measure(first.double(), second.double(), **options).numpy()


def _require_pairs(images: torch.Tensor) -> None:
    if images.ndim != 5 or images.shape[1] < 2:
        raise InputError(f"MS-SSIM: images of shape {tuple(images.shape)}; give two or more images a prompt")
