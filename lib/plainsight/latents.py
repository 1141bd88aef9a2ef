"""The cache of latents: what the autoencoder says about each image, kept so that it is asked only once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from tqdm import tqdm

from plainsight import schema
from plainsight.errors import InputError
from plainsight.files import atomic
from plainsight.worlds import radiographs


@dataclass(frozen=True)
class Moments:
    """Mean and standard deviation of each image's latent posterior: (N, c, h, w), times the scaling factor.

    The posterior is kept rather than a sample of it, so that training sees a fresh sample each time.
    """

    image_ids: tuple[str, ...]
    mean: torch.Tensor
    std: torch.Tensor

    def rows(self, image_ids: Sequence[str]) -> torch.Tensor:
        """Row numbers (N,) of ``image_ids``; raises InputError naming one that is not in the cache."""
        index = {image_id: row for row, image_id in enumerate(self.image_ids)}
        if missing := [image_id for image_id in image_ids if image_id not in index]:
            raise InputError(f"latents: image {missing[0]!r} is not in the cache; make the latents of this world again")
        return torch.tensor([index[image_id] for image_id in image_ids], dtype=torch.long)

    def sample(self, rows: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """A sample of the posterior of each row, (B, c, h, w)."""
        noise = torch.randn(self.mean[rows].shape, generator=generator)
        return self.mean[rows] + self.std[rows] * noise


def load_pixels(root: Path, examples: pd.DataFrame, resolution: int) -> torch.Tensor:
    """Images of ``examples`` as (N, 3, R, R) uint8: short side resized, centre crop, grey repeated."""
    pixels = torch.empty((len(examples), 3, resolution, resolution), dtype=torch.uint8)
    for position, (_, row) in enumerate(tqdm(examples.iterrows(), total=len(examples), desc="images", unit="image")):
        how = radiographs.fit(row["width"], row["height"], resolution)
        image = radiographs.fit_image(schema.load_image(root, row), how)
        image = np.repeat(image[..., None], 3, axis=-1) if image.ndim == 2 else image
        pixels[position] = torch.from_numpy(np.rint(image * 255).astype(np.uint8)).permute(2, 0, 1)
    return pixels


def to_model_range(pixels: torch.Tensor) -> torch.Tensor:
    """uint8 pixels as float32 in [-1, 1]."""
    return pixels.float() / 127.5 - 1


@torch.no_grad()
def encode(vae: torch.nn.Module, pixels: torch.Tensor, image_ids: Sequence[str], batch_size: int) -> Moments:
    """Moments of uint8 ``pixels`` (N, 3, R, R), multiplied by the autoencoder's ``scaling_factor``."""
    means, stds = [], []
    for start in tqdm(range(0, len(pixels), batch_size), desc="latents", unit="batch"):
        posterior = vae.encode(to_model_range(pixels[start : start + batch_size]).to(vae.device)).latent_dist
        means.append(posterior.mean.cpu())
        stds.append(posterior.std.cpu())
    factor = vae.config.scaling_factor
    return Moments(tuple(image_ids), torch.cat(means) * factor, torch.cat(stds) * factor)


def write(moments: Moments, path: Path) -> None:
    """Write the cache as one safetensors file, whole or absent."""
    with atomic(path) as temporary:
        save_file({"mean": moments.mean, "std": moments.std}, temporary, {"image_ids": json.dumps(moments.image_ids)})


def read(path: Path) -> Moments:
    """Read a cache; raises InputError where it is missing or damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            image_ids = json.loads((file.metadata() or {})["image_ids"])
            moments = Moments(tuple(image_ids), file.get_tensor("mean"), file.get_tensor("std"))
    except FileNotFoundError:
        raise InputError(f"{path}: no latents here; make them first (step `latents`)") from None
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: the cache of latents is damaged ({reason}); delete it and run again") from None
    if not len(moments.image_ids) == len(moments.mean) == len(moments.std):
        raise InputError(f"{path}: the cache of latents is damaged (images without latents); delete it and run again")
    return moments
