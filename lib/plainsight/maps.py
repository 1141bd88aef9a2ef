"""Heat maps of many images and phrases, as files: what ``plainsight ground`` does with a table of one's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from plainsight import grounding, mapfolder, models, schema
from plainsight.config import GroundingConfig
from plainsight.errors import InputError
from plainsight.latents import Moments
from plainsight.models import Model
from plainsight.tokens import TokenWeights, parse_rule, token_weights
from plainsight.worlds import radiographs
from plainsight.worlds.folder import Table


def write_maps(
    model: Model, table: Table, root: Path, out: Path, config: GroundingConfig, rule: str = "all_words", seed: int = 0
) -> int:
    """Ground every row of ``table`` that has no map in ``out`` yet, and write its map there.

    Memory does not grow with the rows: ``config.batch_size`` of them are held at a time, and they share batches
    of the U-Net. A map depends on its row, the model and the settings alone, beyond rounding: not on the order of
    the rows, the batch size, or where an earlier run stopped.

    Args:
        model: the model.
        table: from ``plainsight.worlds.folder.read``.
        root: the folder that image paths are relative to.
        out: the folder of maps, see ``plainsight.mapfolder``.
        config: timesteps and batch size.
        rule: token rule of the rows without keywords of their own, see ``plainsight.tokens.parse_rule``.
        seed: seed of the noise and of the posterior samples.

    Returns:
        How many maps were written.

    Raises:
        InputError: a phrase that does not fit, keywords that are not in it, an image that cannot be read, or maps in
            ``out`` that were made otherwise; all before the first map is made.
    """
    with tqdm(table.examples.index, desc="checking phrases", unit="row", delay=1) as rows:
        for row in rows:
            _row_tokens(model, table, row, rule)
    asked = mapfolder.asked(table)
    settings = {
        "model": models.fingerprint(model),
        "tokens": ",".join(parse_rule(rule)[1]) or rule,
        "steps": config.num_inference_steps,
        "last": config.last_n,
        "seed": seed,
    }
    mapfolder.check(out, asked, settings)
    todo = table.examples[table.examples["example_id"].isin(mapfolder.missing(out, asked))]
    images = todo["image"].drop_duplicates()
    with tqdm(images.items(), total=len(images), desc="checking images", unit="image", delay=1) as files:
        for row, name in files:
            schema.read_image(root / name, f"{root / name} ({table.place(row, 'image')})")
    mapfolder.claim(out, asked, settings)
    batches = -(-len(todo) * config.last_n // config.batch_size)
    there = f", {len(asked) - len(todo)} are there" if len(asked) > len(todo) else ""
    with tqdm(total=batches, desc=f"grounding {len(todo)} rows{there}", unit="batch") as bar:
        for start in range(0, len(todo), config.batch_size):
            part = todo.iloc[start : start + config.batch_size]
            chosen = [_row_tokens(model, table, row, rule) for row in part.index]
            _ground_rows(model, part, chosen, root, out, config, seed, bar.update)
    return len(todo)


def square_maps(
    model: Model,
    images: Mapping[str, np.ndarray],
    image_ids: Sequence[str],
    phrases: Sequence[str],
    weights: np.ndarray,
    keys: Sequence[str],
    config: GroundingConfig,
    seed: int,
    on_batch: Callable[[], object] | None = None,
) -> np.ndarray:
    """Heat maps of N phrases in the model's square, (N, side, side) float32 in [0, 1].

    Args:
        model: the model.
        images: by id, in [0, 1] of shape (side, side) or (side, side, 3), with the ``side`` of `side_of`.
        image_ids: the image of each phrase.
        phrases: N texts.
        weights: (N, T), weight of each token.
        keys, config, on_batch: see ``plainsight.grounding.ground``; ``seed`` is also that of the posterior samples.

    Raises:
        InputError: the model's attention is not a number.
    """
    side = side_of(model)
    with torch.inference_mode():
        # One by one: beside all the timesteps of the U-Net this costs nothing, and needs memory for one image.
        posteriors = [model.encode_images(_model_input(image)) for image in images.values()]
        embeds = model.encode_text(list(phrases))
    mean, logvar = (torch.cat(values).cpu() for values in zip(*posteriors, strict=True))
    factor = model.vae.config.scaling_factor
    moments = Moments(tuple(images), mean * factor, (0.5 * logvar).exp() * factor)
    maps = grounding.ground(
        model,
        grounding.sample_latents(moments, image_ids, seed),
        embeds,
        torch.from_numpy(weights),
        keys,
        config,
        noise_seed=seed,
        size=(side, side),
        on_batch=on_batch,
    )
    return maps.numpy()


def side_of(model: Model) -> int:
    """Side in pixels of the square images that the model reads."""
    return model.unet.config.sample_size * 2 ** (len(model.vae.config.block_out_channels) - 1)


def _ground_rows(
    model: Model,
    rows: pd.DataFrame,
    chosen: Sequence[TokenWeights],
    root: Path,
    out: Path,
    config: GroundingConfig,
    seed: int,
    on_batch: Callable[[], object],
) -> None:
    """Ground these rows together and write their maps."""
    fits, images = {}, {}
    for _, example in rows.drop_duplicates("image").iterrows():
        name = example["image_id"]
        fits[name] = radiographs.fit(example["width"], example["height"], side_of(model))
        images[name] = radiographs.fit_image(schema.load_image(root, example), fits[name])
    weights = np.stack([tokens.weights for tokens in chosen])
    keys, image_ids, phrases = (rows[column].tolist() for column in ("example_id", "image_id", "phrase"))
    maps = square_maps(model, images, image_ids, phrases, weights, keys, config, seed, on_batch)
    for key, image_id, heatmap in zip(keys, image_ids, maps, strict=True):
        mapfolder.write(grounding.in_source_pixels(heatmap, fits[image_id]), out, key)


def _row_tokens(model: Model, table: Table, row: int, rule: str) -> TokenWeights:
    """The tokens of a row: its own keywords, or else the rule; InputError where they are not in the phrase."""
    example = table.examples.loc[row]
    own = table.keywords[example["example_id"]]
    name, words = ("keyword", own) if own else parse_rule(rule)
    try:
        tokens = token_weights(model.tokenizer, example["phrase"], name, words)
    except InputError as error:
        raise table.fault(row, "phrase", str(error)) from None
    if tokens.lost_words:
        limit = model.tokenizer.model_max_length - 2
        raise table.fault(row, "phrase", f"is longer than the {limit} tokens the model reads; shorten it")
    if name == "keyword" and not tokens.matched:
        if own:
            raise table.fault(row, "keywords", "no word of the phrase contains any of them; give words of the phrase")
        problem = f"no word of it contains {rule!r} of --tokens; give a column 'keywords', or all_words"
        raise table.fault(row, "phrase", problem)
    return tokens


def _model_input(image: np.ndarray) -> torch.Tensor:
    """An image in [0, 1], (R, R) or (R, R, 3), as the (1, 3, R, R) tensor in [-1, 1] that the autoencoder reads."""
    colour = image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=-1)
    return torch.from_numpy(np.ascontiguousarray(colour, dtype=np.float32)).permute(2, 0, 1)[None] * 2 - 1
