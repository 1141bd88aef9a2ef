"""Where a model sees the words of a phrase in a real image: ground-truth re-noising, heat maps, score rows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from scipy import ndimage
from tqdm import tqdm

from plainsight import schema
from plainsight.attention import CrossAttentionCapture
from plainsight.config import GroundingConfig, Protocol
from plainsight.errors import InputError
from plainsight.files import atomic
from plainsight.latents import Moments
from plainsight.metrics.localisation import area_fraction, score_batch
from plainsight.models import Model, fingerprint
from plainsight.notebooks import library_digest
from plainsight.provenance import versions
from plainsight.seeding import torch_generator
from plainsight.tokens import TokenWeights, token_weights
from plainsight.worlds import radiographs


def ddim_timesteps(train_timesteps: int, config: GroundingConfig) -> list[int]:
    """The last ``last_n`` of ``num_inference_steps`` DDIM timesteps, the noisiest first (Song et al. 2021).

    Spaced as in the code of seed 000: 50 steps of 1,000 are 981, 961, ..., 1, of which the last 40 start at 781.
    Raises InputError where the two numbers do not fit.
    """
    steps, last = config.num_inference_steps, config.last_n
    if not 1 <= steps < train_timesteps:
        raise InputError(f"num_inference_steps {steps}: give a number from 1 to {train_timesteps - 1}")
    if not 1 <= last <= steps:
        raise InputError(f"last_n {last}: give a number from 1 to num_inference_steps, {steps}")
    spacing = train_timesteps // steps
    return [step * spacing + 1 for step in reversed(range(last))]


def sample_latents(moments: Moments, image_ids: Sequence[str], noise_seed: int) -> torch.Tensor:
    """One sample of the latent posterior of each image, (N, c, h, w), as seed 000 draws them once and keeps them.

    The draw depends on ``noise_seed`` and the image alone, so every phrase about an image sees the same latent.
    """
    rows = moments.rows(image_ids)
    return torch.cat(
        [
            moments.sample(row[None], torch_generator(noise_seed, "posterior", image_id))
            for row, image_id in zip(rows, image_ids, strict=True)
        ]
    )


def ground(
    model: Model,
    latents: torch.Tensor,
    prompt_embeds: torch.Tensor,
    weights: torch.Tensor,
    keys: Sequence[str],
    config: GroundingConfig,
    *,
    noise_seed: int,
    size: tuple[int, int],
    resize: str = "nearest",
    max_resolution: int | None = None,
    on_batch: Callable[[], object] | None = None,
) -> torch.Tensor:
    """Heat maps (N, H, W) of N phrases, float32 on the CPU, values in [0, 1]: `renoised_maps`, resized.

    Layers are resized to the latent's resolution by ``resize``, and their mean to ``size`` bilinearly, as the code of
    seed 000 does. For the other arguments and the errors see `renoised_maps`; weights are (N, T)
    (``plainsight.tokens.token_weights``).
    """
    maps = renoised_maps(
        model,
        latents,
        prompt_embeds,
        weights,
        keys,
        config,
        noise_seed=noise_seed,
        resize=resize,
        max_resolution=max_resolution,
        on_batch=on_batch,
    )
    return resize_maps(maps, size, "bilinear")


@torch.inference_mode()
def renoised_maps(
    model: Model,
    latents: torch.Tensor,
    prompt_embeds: torch.Tensor,
    weights: torch.Tensor,
    keys: Sequence[str],
    config: GroundingConfig,
    *,
    noise_seed: int,
    resize: str = "nearest",
    max_resolution: int | None = None,
    on_batch: Callable[[], object] | None = None,
    capture: type[CrossAttentionCapture] = CrossAttentionCapture,
) -> torch.Tensor:
    """Heat maps by ground-truth re-noising: fresh noise on the image's own latent at each timestep (seed 000).

    The U-Net's prediction is discarded, so timesteps do not depend on each other: pairs of phrase and timestep share
    batches, only the timesteps that are averaged are run, and only with the phrase (no guidance). A heat map is
    the mean of the wanted tokens' attention over heads, layers and timesteps.

    Noise comes from (``noise_seed``, key, timestep), so batch size and order change no map beyond rounding. Of the
    model's scheduler only the noise schedule matters.

    Args:
        model: the model; in evaluation mode.
        latents: (N, c, h, w), the image of each phrase, multiplied by the autoencoder's scaling factor.
        prompt_embeds: (N, T, C), each phrase embedded.
        weights: what ``capture`` takes: (N, T), weight of each token, or with several weightings (N, W, T).
        keys: N names that tell the noise of one row from another's, such as example ids.
        config: timesteps, and how many pairs of phrase and timestep go through the U-Net at once.
        noise_seed: repetitions with other seeds show how much the noise matters.
        resize: ``nearest`` or ``bilinear``, from a layer's resolution to the latent's.
        max_resolution: use only layers whose sides are this or less; None for every layer.
        on_batch: called after each batch, for progress.
        capture: how attention is read.

    Returns:
        (N, h, w), or (N, W, h, w), float32 on the CPU at the resolution of the latents.

    Raises:
        InputError: the attention is not a number; see also `ddim_timesteps` and `CrossAttentionCapture`.
    """
    unet, scheduler = model.unet, model.scheduler
    timesteps = ddim_timesteps(scheduler.config.num_train_timesteps, config)
    latent_size = tuple(latents.shape[-2:])
    latents, prompt_embeds = (values.to(unet.device, unet.dtype) for values in (latents, prompt_embeds))
    pairs = [(row, timestep) for row in range(len(latents)) for timestep in timesteps]
    sums: dict[tuple[int, int], torch.Tensor] = {}
    layers = 0
    for start in range(0, len(pairs), config.batch_size):
        batch = pairs[start : start + config.batch_size]
        rows, times = (torch.tensor(values) for values in zip(*batch, strict=True))
        noise = torch.stack(
            [
                torch.randn(latents.shape[1:], generator=torch_generator(noise_seed, "noise", keys[row], timestep))
                for row, timestep in batch
            ]
        )
        noisy = scheduler.add_noise(latents[rows], noise.to(unet.device, unet.dtype), times.to(unet.device))
        with capture(unet, weights[rows], latent_size, max_resolution=max_resolution) as captured:
            unet(noisy, times.to(unet.device), prompt_embeds[rows])
        layers = sum(captured.layers.values())
        for side, maps in captured.sums.items():
            # On the CPU, where adding rows with the same index has a fixed order.
            sums.setdefault(side, torch.zeros(*weights.shape[:-1], *side)).index_add_(0, rows, maps.cpu())
        if on_batch is not None:
            on_batch()
    total = torch.stack([resize_maps(maps.flatten(0, -3), latent_size, resize) for maps in sums.values()]).sum(dim=0)
    if not total.isfinite().all():
        raise InputError("the model cannot be used: its attention is not a number; its weights are damaged")
    return (total / (layers * len(timesteps))).unflatten(0, weights.shape[:-1])


def score_examples(
    model: Model,
    moments: Moments,
    examples: pd.DataFrame,
    root: Path,
    resolution: int,
    config: GroundingConfig,
    protocol: Protocol,
    keywords: Mapping[str, Sequence[str]],
    noise_seed: int = 0,
) -> pd.DataFrame:
    """Ground every example and score its heat map against its boxes or its mask, in the pixels the model sees.

    Args:
        model: the model that is asked.
        moments: cached latents of the examples' images.
        examples: rows of ``plainsight.schema`` with one finding each; they come back in the same order.
        root: the world's image root, for masks (not read when the target is boxes).
        resolution: side of the model's square images; boxes and masks are fitted to it as the images were.
        config: timesteps and batch size; batch_size examples are held at a time.
        protocol: target, token rule, resizing and layers.
        keywords: the words of each finding, for the token rule ``keyword`` (``plainsight.worlds.KEYWORDS``).
        noise_seed: seed of the noise and of the posterior samples.

    Returns:
        One row an example: example_id, patient, finding, area_fraction, noise_seed; ``tokens_used``,
        ``keyword_matched`` (0 or 1) and ``words_lost`` (words beyond the context); auc, top1, cnr, cnr_abs, miou.

    Raises:
        InputError: an image without latents, a mask that is missing or unreadable, or a phrase that no token rule
            applies to.
    """
    chosen = [_tokens(model, row, protocol.tokens, keywords) for _, row in examples.iterrows()]
    frames = []
    with tqdm(total=len(examples), desc="grounding", unit="phrase") as bar:
        for start in range(0, len(examples), config.batch_size):
            part = examples.iloc[start : start + config.batch_size]
            tokens = chosen[start : start + config.batch_size]
            maps = ground(
                model,
                sample_latents(moments, part["image_id"].tolist(), noise_seed),
                embed_phrases(model, part["phrase"].tolist()),
                torch.from_numpy(np.stack([token.weights for token in tokens])),
                part["example_id"].tolist(),
                config,
                noise_seed=noise_seed,
                size=(resolution, resolution),
                resize=protocol.resize,
                max_resolution=protocol.max_resolution,
            )
            masks = np.stack([target_mask(row, root, resolution, protocol.target) for _, row in part.iterrows()])
            frames.append(_score_rows(part, tokens, maps.numpy(), masks, noise_seed))
            bar.update(len(part))
    return pd.concat(frames, ignore_index=True)


def kept_scores(
    folder: Path, model: Model, moments: Moments, examples: pd.DataFrame, root: Path, *how: object
) -> pd.DataFrame:
    """`score_examples`, read from ``folder`` where the same was asked of the same weights before, and kept there.

    For steps that ask several sets of weights, each for hours: one that is stopped loses only what was under way.
    Whoever has all the rows deletes the folder. ``how``: the other arguments of `score_examples`.
    """
    path = folder / f"{_question(model, moments, examples, root, how)}.parquet"
    if not path.is_file():
        rows = score_examples(model, moments, examples, root, *how)
        with atomic(path) as temporary:
            rows.to_parquet(temporary, index=False)
    return pd.read_parquet(path)


def _question(model: Model, moments: Moments, examples: pd.DataFrame, root: Path, how: tuple[object, ...]) -> str:
    """A name for what is asked of whom, and how: 16 hex digits of a SHA-256."""
    code = library_digest("plainsight.grounding")
    digest = hashlib.sha256(repr((fingerprint(model), how, code, versions())).encode())
    asked = examples[["example_id", "patient", "image_id", "phrase", "finding", "boxes", "mask", "width", "height"]]
    digest.update(asked.to_json().encode())
    for mask in filter(Path.is_file, (root / name for name in examples["mask"] if name)):
        digest.update(repr((mask.stat().st_size, mask.stat().st_mtime_ns)).encode())
    for row in moments.rows(examples["image_id"].unique().tolist()):
        digest.update(moments.mean[row[None]].numpy().tobytes() + moments.std[row[None]].numpy().tobytes())
    return digest.hexdigest()[:16]


def target_mask(row: pd.Series, root: Path, resolution: int, target: str) -> np.ndarray:
    """What the heat map of an example is scored against, bool (resolution, resolution).

    ``boxes``: the union of its boxes; ``masks``: its exact mask. Both are fitted as the image was: short side to
    ``resolution``, then the centre; what lies outside the crop is lost. Raises InputError where there is no mask.
    """
    how = radiographs.fit(row["width"], row["height"], resolution)
    if target == "boxes":
        return radiographs.boxes_to_mask(radiographs.fit_boxes(row["boxes"], how), resolution, resolution)
    if not row["mask"]:
        raise InputError(f"example {row['example_id']}: has no mask; use a protocol with target 'boxes'")
    return radiographs.fit_mask(schema.load_mask(root, row), how)


def in_source_pixels(heatmap: np.ndarray, how: radiographs.Fit) -> np.ndarray:
    """A heat map (side, side) of a fitted image, back in the pixels of the source: (height, width) float32.

    Bilinear; NaN where the source pixel's centre lies outside the crop, because the model never saw it.
    """
    rows = (np.arange(how.height) + 0.5) * how.resized[1] / how.height - how.top
    columns = (np.arange(how.width) + 0.5) * how.resized[0] / how.width - how.left
    grid = np.meshgrid(rows - 0.5, columns - 0.5, indexing="ij")
    source = ndimage.map_coordinates(heatmap, grid, output=np.float32, order=1, mode="nearest")
    inside = np.outer((rows >= 0) & (rows < how.side), (columns >= 0) & (columns < how.side))
    return np.where(inside, source, np.float32(np.nan))


def _tokens(model: Model, row: pd.Series, rule: str, keywords: Mapping[str, Sequence[str]]) -> TokenWeights:
    try:
        return token_weights(model.tokenizer, row["phrase"], rule, keywords.get(row["finding"], ()))
    except InputError as error:
        raise InputError(f"example {row['example_id']}: {error}") from None


def _score_rows(
    examples: pd.DataFrame, tokens: Sequence[TokenWeights], maps: np.ndarray, masks: np.ndarray, noise_seed: int
) -> pd.DataFrame:
    frame = examples[["example_id", "patient", "finding"]].reset_index(drop=True)
    return frame.assign(
        area_fraction=[area_fraction(mask) for mask in masks],
        noise_seed=noise_seed,
        tokens_used=[len(token.tokens) for token in tokens],
        keyword_matched=[int(token.matched) for token in tokens],
        words_lost=[len(token.lost_words) for token in tokens],
        **score_batch(maps, masks),
    )


@torch.inference_mode()
def embed_phrases(model: Model, phrases: Sequence[str]) -> torch.Tensor:
    """Prompt embeddings (N, T, C), each distinct phrase encoded once."""
    distinct = list(dict.fromkeys(phrases))
    return model.encode_text(distinct)[[distinct.index(phrase) for phrase in phrases]]


def resize_maps(maps: torch.Tensor, size: tuple[int, int], mode: str) -> torch.Tensor:
    """(N, h, w) to (N, H, W); ``nearest`` is the value under each pixel's centre, also where H / h is not whole."""
    if mode == "bilinear":
        return F.interpolate(maps[:, None], size, mode="bilinear", align_corners=False)[:, 0]
    return F.interpolate(maps[:, None], size, mode="nearest-exact")[:, 0]
