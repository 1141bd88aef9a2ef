"""The cache of latents: what the autoencoder says about each image, kept in shards so that it is asked only once.

A cache is a folder: files of up to `SHARD` images each, and an index, written last. A shard carries a key, a digest of
all that decides what is in it, and is made again where that has changed; nothing else is. Texts decide nothing here;
embeddings of texts are kept in memory alone (``plainsight.training.denoising``), so that they cannot be stale either.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
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

SHARD = 1024
"""Images in a shard: at 512 pixels, 134 MB."""
INDEX = "index.json"
_CODE = (__file__, schema.__file__, radiographs.__file__)
"""The modules between an image file and its latent, and the packages that compute; other ones decide nothing here."""
_PACKAGES = ("torch", "diffusers", "numpy", "pillow")


class Shards:
    """Rows of a tensor (N, ...) that lies in several: indexed by row numbers, it reads those rows and no others."""

    def __init__(self, parts: Sequence[torch.Tensor]) -> None:
        self._parts, self._ends = parts, torch.tensor([len(part) for part in parts]).cumsum(0)
        self.shape = (int(self._ends[-1]), *parts[0].shape[1:])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: torch.Tensor) -> torch.Tensor:
        """The rows (B,), in the order asked for, as a tensor (B, ...)."""
        parts = torch.searchsorted(self._ends, rows, right=True)
        from_end = (rows - self._ends[parts]).tolist()
        return torch.stack([self._parts[part][row] for part, row in zip(parts.tolist(), from_end, strict=True)])


@dataclass(frozen=True)
class Moments:
    """Mean and standard deviation of each image's latent posterior: (N, c, h, w), times the scaling factor.

    The posterior is kept rather than a sample of it, so that training sees a fresh sample each time.
    """

    image_ids: tuple[str, ...]
    mean: torch.Tensor | Shards
    std: torch.Tensor | Shards

    def rows(self, image_ids: Sequence[str]) -> torch.Tensor:
        """Row numbers (N,) of ``image_ids``; raises InputError naming one that is not in the cache."""
        index = {image_id: row for row, image_id in enumerate(self.image_ids)}
        if missing := [image_id for image_id in image_ids if image_id not in index]:
            raise InputError(f"latents: image {missing[0]!r} is not in the cache; make the latents of this world again")
        return torch.tensor([index[image_id] for image_id in image_ids], dtype=torch.long)

    def sample(self, rows: torch.Tensor, generator: torch.Generator, share: slice = slice(None)) -> torch.Tensor:
        """A sample of the posterior of each row, (B, c, h, w); of a ``share`` of the rows, their part of it."""
        noise = torch.randn((len(rows), *self.mean.shape[1:]), generator=generator)[share]
        return self.mean[rows[share]] + self.std[rows[share]] * noise


def load_pixels(root: Path, examples: pd.DataFrame, resolution: int) -> torch.Tensor:
    """Images of ``examples`` as (N, 3, R, R) uint8: short side resized, centre crop, grey repeated."""
    pixels = torch.empty((len(examples), 3, resolution, resolution), dtype=torch.uint8)
    for position, (_, row) in enumerate(tqdm(examples.iterrows(), total=len(examples), desc="images", unit="image")):
        pixels[position] = _load_one(root, row, resolution)
    return pixels


def to_model_range(pixels: torch.Tensor) -> torch.Tensor:
    """uint8 pixels as float32 in [-1, 1]."""
    return pixels.float() / 127.5 - 1


@torch.no_grad()
def encode(vae: torch.nn.Module, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation (B, c, h, w) of uint8 ``pixels`` (B, 3, R, R), times the ``scaling_factor``."""
    posterior = vae.encode(to_model_range(pixels).to(vae.device)).latent_dist
    factor = vae.config.scaling_factor
    return posterior.mean.cpu() * factor, posterior.std.cpu() * factor


def make(
    vae: torch.nn.Module,
    vae_key: str,
    examples: pd.DataFrame,
    root: Path,
    resolution: int,
    batch_size: int,
    folder: Path,
    process: int = 0,
    processes: int = 1,
) -> None:
    """Write every shard of the cache in ``folder`` that is not there yet; each of several processes takes its share.

    A shard that lies there stays if its key is what it would get now and its content is what was written, and is made
    again if not. No more than ``batch_size`` images and one shard of latents are held at a time. `finish` has to
    follow, when all processes are done.

    Args:
        vae: the autoencoder, in evaluation mode.
        vae_key: a name for what it computes (``plainsight.models.part_fingerprint``).
        examples: one row of ``plainsight.schema`` an image, the same in every process.
        root: the world's image root.
        resolution: side of the square images that the autoencoder is given.
        batch_size: images in one batch; a divisor of `SHARD`, so that shards do not change the batches.
        folder: of the cache.
        process: the number of this process, from 0.
        processes: how many there are.

    Raises:
        InputError: an image that is missing or unreadable, or whose latent is not finite.
    """
    mine = list(_parts(examples).items())[process::processes]
    for name, part in tqdm(mine, desc="latents", unit="shard", disable=process > 0):
        key = _key(vae_key, part, root, resolution)
        if not _stays(folder / name, key):
            _write(_moments(vae, part, root, resolution, batch_size), folder / name, key)


def finish(examples: pd.DataFrame, folder: Path) -> None:
    """Write the index of the shards that `make` made of ``examples``, and remove files that are none of them."""
    names = list(_parts(examples))
    for path in set(folder.glob("*.safetensors")) - {folder / name for name in names}:
        path.unlink()
    with atomic(folder / INDEX) as temporary:
        record = {"images": len(examples), "keys": {name: _record(folder / name)["key"] for name in names}}
        temporary.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def read(folder: Path) -> Moments:
    """Open a cache; its latents are read from the files as they are asked for.

    Raises InputError where it is missing or damaged.
    """
    folder = Path(folder)
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        shards = [_read(folder / name, key) for name, key in index["keys"].items()]
        expected = index["images"]
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{folder}: no latents here; make them first (step `latents`)") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(folder / INDEX, error) from None
    image_ids = tuple(image_id for shard in shards for image_id in shard.image_ids)
    if not len(image_ids) == expected > 0:
        raise _damaged(folder / INDEX, f"{len(image_ids)} images, not {expected}")
    return Moments(image_ids, Shards([shard.mean for shard in shards]), Shards([shard.std for shard in shards]))


def _load(root: Path, examples: pd.DataFrame, resolution: int) -> torch.Tensor:
    """Like `load_pixels`, for one batch, by as many threads as torch has: a radiograph takes a tenth of a second."""
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        rows = [row for _, row in examples.iterrows()]
        return torch.stack(list(pool.map(lambda row: _load_one(root, row, resolution), rows)))


def _load_one(root: Path, row: pd.Series, resolution: int) -> torch.Tensor:
    how = radiographs.fit(row["width"], row["height"], resolution)
    image = radiographs.fit_image(schema.load_image(root, row), how)
    image = np.repeat(image[..., None], 3, axis=-1) if image.ndim == 2 else image
    return torch.from_numpy(np.rint(image * 255).astype(np.uint8)).permute(2, 0, 1)


def _parts(examples: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The images of each shard, by file name."""
    starts = range(0, len(examples), SHARD)
    return {f"{number:05d}.safetensors": examples.iloc[start : start + SHARD] for number, start in enumerate(starts)}


def _moments(vae: torch.nn.Module, part: pd.DataFrame, root: Path, resolution: int, batch_size: int) -> Moments:
    means, stds = [], []
    for start in range(0, len(part), batch_size):
        batch = part.iloc[start : start + batch_size]
        mean, std = encode(vae, _load(root, batch, resolution))
        finite = (mean.isfinite() & std.isfinite()).flatten(1).all(dim=1)
        if not finite.all():
            image_id = batch["image_id"].iloc[int((~finite).int().argmax())]
            raise InputError(f"image {image_id!r}: its latent is not finite; look at the image and at the autoencoder")
        means.append(mean)
        stds.append(std)
    return Moments(tuple(part["image_id"]), torch.cat(means), torch.cat(stds))


def _key(vae_key: str, part: pd.DataFrame, root: Path, resolution: int) -> str:
    """A digest of the autoencoder, the code, the size, and each image's name and content."""
    code = [hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in _CODE]
    code += [version(name).split("+")[0] for name in _PACKAGES]
    digest = hashlib.sha256(json.dumps([vae_key, code, resolution]).encode())
    for row in part.to_dict("records"):
        try:
            content = hashlib.sha256((Path(root) / row["image"]).read_bytes()).hexdigest()
        except OSError:
            content = None  # gives no key that a shard could have; the image is named when it is read
        digest.update(json.dumps([row["image_id"], row["width"], row["height"], content]).encode())
    return digest.hexdigest()


def _write(moments: Moments, path: Path, key: str) -> None:
    with atomic(path) as temporary:
        # One entry, because the order of several is left to chance, and the same latents shall give the same bytes.
        record = {"key": key, "image_ids": moments.image_ids, "content": _digest(moments)}
        described = {"shard": json.dumps(record)}
        save_file({"mean": moments.mean, "std": moments.std}, temporary, described)


def _digest(moments: Moments) -> str:
    digest = hashlib.sha256(moments.mean.numpy())
    digest.update(moments.std.numpy())
    return digest.hexdigest()


def _stays(path: Path, key: str) -> bool:
    """Whether a shard of this key lies there with the content that was written."""
    try:
        record = _record(path)
        return record["key"] == key and record["content"] == _digest(_read(path, key))
    except InputError:
        return False


def _record(path: Path) -> dict:
    """What `_write` wrote beside the tensors: key, image_ids and content; raises InputError where there is none."""
    try:
        with safe_open(path, framework="pt") as file:
            record = json.loads(file.metadata()["shard"])
            return {name: record[name] for name in ("key", "image_ids", "content")}
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise _damaged(path, error) from None


def _read(path: Path, key: str) -> Moments:
    """One shard, its tensors mapped into memory and not read."""
    record = _record(path)
    try:
        with safe_open(path, framework="pt") as file:
            moments = Moments(tuple(record["image_ids"]), file.get_tensor("mean"), file.get_tensor("std"))
    except (SafetensorError, OSError, TypeError) as error:
        raise _damaged(path, error) from None
    if record["key"] != key or not len(moments.image_ids) == len(moments.mean) == len(moments.std):
        raise _damaged(path, "not the shard that the index names")
    return moments


def _damaged(path: Path, reason: Exception | str) -> InputError:
    words = " ".join(str(reason).split())
    return InputError(f"{path}: the cache of latents is damaged ({words}); delete its {INDEX} and run again")
