"""Images made of prompts: classifier-free guidance, one file an image, resumable, and never mixed up.

Every PNG carries a key, a digest of all that decides its pixels: the model, the settings, the seed, the prompt and the
repetition. What lies in a folder under another key, another name or no key at all is an error.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from diffusers import PNDMScheduler
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from tqdm import tqdm

from plainsight.config import GenerationConfig
from plainsight.errors import InputError
from plainsight.files import atomic
from plainsight.models import Model
from plainsight.seeding import numpy_generator, torch_generator

KEY = "plainsight"
"""Name of the PNG text that holds an image's key."""
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class Prompt(NamedTuple):
    """One image to be made: a unique id fit for a file name, the text, and which repetition of it this is."""

    prompt_id: str
    phrase: str
    repetition: int = 0

    @property
    def file_name(self) -> str:
        return f"{self.prompt_id}.{self.repetition}.png"


def prompts(examples: pd.DataFrame, repetitions: int = 1) -> list[Prompt]:
    """Each example's phrase ``repetitions`` times, the repetitions of a phrase one after the other."""
    rows = zip(examples["example_id"], examples["phrase"], strict=True)
    return [Prompt(example, phrase, number) for example, phrase in rows for number in range(repetitions)]


def cap_healthy(examples: pd.DataFrame, healthy: str, seed: int) -> pd.DataFrame:
    """``examples`` with no more rows of the finding ``healthy`` than the commonest other finding has.

    That is how Table 9 of seed 000 comes by 903 No Finding beside 903 Lung Opacity. Rows of several findings count for
    each. The rows that stay are drawn by ``seed`` and keep their order.
    """
    is_healthy = (examples["finding"] == healthy).to_numpy()
    others = examples.loc[~is_healthy, "finding"].str.split("|").explode().value_counts()
    rows = np.flatnonzero(is_healthy)
    dropped = numpy_generator(seed, "cap_healthy").permutation(rows)[others.max() if len(others) else len(rows) :]
    return examples[~np.isin(np.arange(len(examples)), dropped)]


@torch.inference_mode()
def sample(model: Model, phrases: Sequence[str], noise: torch.Tensor, config: GenerationConfig) -> torch.Tensor:
    """Images of ``phrases`` from given noise: (B, 3, H, W) uint8 on the CPU.

    PNDM (Liu et al. 2022) as Stable Diffusion runs it, without its Runge-Kutta start, so that it evaluates the U-Net
    once more than it has steps; classifier-free guidance towards the phrase and away from the empty prompt (Ho and
    Salimans 2021). A guidance of 1 skips the empty prompt, which then cancels.

    Args:
        model: the model; in evaluation mode.
        phrases: B texts; longer ones are cut at the model's context.
        noise: (B, c, h, w) standard normal.
        config: steps and guidance.

    Raises:
        InputError: more steps than the model has timesteps, or fewer than 2, or a guidance below 1.
    """
    scheduler = PNDMScheduler.from_config(model.scheduler.config, skip_prk_steps=True)
    _check(config, scheduler.config.num_train_timesteps)
    scheduler.set_timesteps(config.num_inference_steps, device=model.device)
    guided = config.guidance_scale != 1
    embeds = model.encode_text([""] * len(phrases) * guided + list(phrases))
    latents = noise.to(model.device) * scheduler.init_noise_sigma
    for timestep in scheduler.timesteps:
        predicted = model.unet(torch.cat([latents] * (1 + guided)), timestep, embeds).sample
        if guided:
            unconditional, conditional = predicted.chunk(2)
            predicted = unconditional + config.guidance_scale * (conditional - unconditional)
        latents = scheduler.step(predicted, timestep, latents).prev_sample
    images = model.vae.decode(latents / model.vae.config.scaling_factor).sample
    return ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).cpu()


def generate(
    model: Model, wanted: Sequence[Prompt], folder: Path, config: GenerationConfig, seed: int, description: str
) -> list[Path]:
    """Make every wanted image that does not lie in ``folder`` yet, and return their files in the order asked for.

    The noise of an image comes from (``seed``, prompt id, repetition), so batch size and order change it no further
    than rounding. A batch that was interrupted is sampled whole once more, so that a resumed run gives the same bytes.

    Args:
        model: the model; in evaluation mode.
        wanted: the images.
        folder: one folder for each model, settings and seed; made if missing. Hidden files in it are left alone.
        config: steps, guidance and batch size.
        seed: seed of the noise.
        description: what the progress bar says.

    Raises:
        InputError: before any image is made: settings that do not fit (see `sample`), a prompt asked for twice or with
            an id that is no file name, and anything in the folder that is not one of the wanted images, whole, of this
            model, prompt, settings and seed.
    """
    _check(config, model.scheduler.config.num_train_timesteps)
    keys = _keys(model, wanted, config, seed)
    side, channels = model.unet.config.sample_size, model.vae.config.latent_channels
    scale = 2 ** (len(model.vae.config.block_out_channels) - 1)
    folder = Path(folder)
    there = _whole(folder, keys, (side * scale, side * scale))
    with tqdm(total=len(wanted), initial=len(there), desc=description, unit="image", mininterval=5) as bar:
        for start in range(0, len(wanted), config.batch_size):
            batch = wanted[start : start + config.batch_size]
            missing = [prompt.file_name not in there for prompt in batch]
            if not any(missing):
                continue
            noise = [
                torch.randn((channels, side, side), generator=torch_generator(seed, "generation", *name))
                for name in ((prompt.prompt_id, prompt.repetition) for prompt in batch)
            ]
            images = sample(model, [prompt.phrase for prompt in batch], torch.stack(noise), config)
            for prompt, pixels, absent in zip(batch, images, missing, strict=True):
                if absent:
                    _write(pixels, folder / prompt.file_name, keys[prompt.file_name])
                    bar.update()
    return [folder / prompt.file_name for prompt in wanted]


def identity(model: Model, config: GenerationConfig, seed: int) -> str:
    """A digest of the model and of the settings that decide pixels; tells folders of images apart."""
    settings = [config.num_inference_steps, config.guidance_scale, seed]
    settings += [model.vae.config.scaling_factor, model.scheduler.config.prediction_type]
    digest = hashlib.sha256(json.dumps(settings).encode())
    digest.update(model.scheduler.alphas_cumprod.cpu().numpy())
    for part in (model.vae, model.unet, model.text_encoder):
        for name, value in part.state_dict().items():
            digest.update(name.encode())
            digest.update(value.cpu().contiguous().numpy())
    return digest.hexdigest()[:16]


def read(paths: Sequence[Path]) -> torch.Tensor:
    """Images that ``generate`` returned, (N, 3, H, W) uint8; InputError naming one that cannot be read."""
    return torch.stack([torch.from_numpy(_pixels(path)[0]).permute(2, 0, 1) for path in paths])


def _check(config: GenerationConfig, timesteps: int) -> None:
    if not 2 <= config.num_inference_steps <= timesteps:
        raise InputError(f"num_inference_steps {config.num_inference_steps}: give a number from 2 to {timesteps}")
    if not config.guidance_scale >= 1:
        raise InputError(f"guidance_scale {config.guidance_scale}: give 1 (the phrase alone) or more")


def _keys(model: Model, wanted: Sequence[Prompt], config: GenerationConfig, seed: int) -> dict[str, str]:
    """The key of each wanted image by its file name."""
    shared = identity(model, config, seed)
    keys: dict[str, str] = {}
    for prompt in wanted:
        if not _FILE_NAME.fullmatch(prompt.prompt_id):
            raise InputError(f"prompt {prompt.prompt_id!r}: no file name; use letters, digits, '.', '_' and '-'")
        if prompt.file_name in keys:
            raise InputError(f"prompt {prompt.file_name!r} is asked for twice; give each image an id of its own")
        keys[prompt.file_name] = hashlib.sha256(json.dumps([shared, *prompt]).encode()).hexdigest()
    return keys


def _whole(folder: Path, keys: dict[str, str], size: tuple[int, int]) -> set[str]:
    """Names of the wanted images that lie in ``folder``; InputError for anything else there but hidden files."""
    names = {path.name for path in folder.iterdir() if not path.name.startswith(".")} if folder.is_dir() else set()
    if foreign := sorted(names - set(keys)):
        raise InputError(f"{folder / foreign[0]}: is none of the images wanted here; move it away and run again")
    for name in sorted(names):
        pixels, key = _pixels(folder / name)
        if key != keys[name] or pixels.shape[:2] != size:
            raise InputError(
                f"{folder / name}: was made by another model, prompt, setting or seed; delete it and run again"
            )
    return names


def _pixels(path: Path) -> tuple[np.ndarray, str | None]:
    """(H, W, 3) uint8 and the key of a generated image."""
    try:
        with Image.open(path, formats=("PNG",)) as image:
            image.load()
            return np.array(image.convert("RGB")), image.text.get(KEY)
    except (OSError, SyntaxError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: the image is damaged or missing ({reason}); delete it and run again") from None


def _write(pixels: torch.Tensor, path: Path, key: str) -> None:
    text = PngInfo()
    text.add_text(KEY, key)
    with atomic(path) as temporary:
        Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(temporary, format="PNG", pnginfo=text)
