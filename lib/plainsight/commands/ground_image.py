"""One image and one phrase: the heat map as numbers and pictures, with its peak and a box."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw
from skimage.filters import threshold_otsu
from skimage.measure import label

from plainsight import files, grounding, maps
from plainsight.config import GroundingConfig
from plainsight.errors import InputError
from plainsight.models import Model
from plainsight.tokens import TokenWeights, parse_rule, token_weights
from plainsight.worlds import radiographs
from plainsight.worlds.radiographs import Fit


def run(model: Model, pixels: np.ndarray, config: GroundingConfig, options: argparse.Namespace) -> None:
    """One heat map for one image, float (H, W) or (H, W, 3) in [0, 1], and one phrase, as files in ``options.out``."""
    chosen = _choose_tokens(model, options.phrase, options.tokens)
    files.writable_folder(options.out / "result.json")  # before the long work
    how = radiographs.fit(pixels.shape[1], pixels.shape[0], maps.side_of(model))
    images = {"image": radiographs.fit_image(pixels, how)}
    asked = (["image"], [options.phrase], chosen.weights[None], ["image"])
    source = grounding.in_source_pixels(maps.square_maps(model, images, *asked, config, options.seed)[0], how)
    peak, box = peak_and_box(source)
    result = {
        "model": str(options.model),
        "image": str(options.image),
        "phrase": options.phrase,
        "tokens": list(chosen.tokens),
        "peak": peak,
        "box": box,
        "crop": crop_in_source(how),
        "steps": config.num_inference_steps,
        "last": config.last_n,
        "seed": options.seed,
    }
    _write(options.out, pixels, source, result)


def peak_and_box(heatmap: np.ndarray) -> tuple[list[int] | None, list[int] | None]:
    """Peak [x, y] of a heat map (H, W) with NaN for "not seen", and the box [x, y, w, h] of the region around it.

    The region is the connected part above Otsu's threshold (Otsu 1979) that holds the peak. Both are None
    for a map that is constant.
    """
    seen = heatmap[~np.isnan(heatmap)]
    if seen.min() == seen.max():
        return None, None
    y, x = np.unravel_index(np.nanargmax(heatmap), heatmap.shape)
    regions = label(heatmap > threshold_otsu(seen))  # NaN compares as not above
    rows, columns = np.nonzero(regions == regions[y, x])
    box = [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
    return [int(x), int(y)], [int(value) for value in box]


def crop_in_source(how: Fit) -> list[float]:
    """The square that the model sees, [x, y, w, h] in pixels of the source image."""
    x_scale, y_scale = how.width / how.resized[0], how.height / how.resized[1]
    return [round(v, 3) for v in (how.left * x_scale, how.top * y_scale, how.side * x_scale, how.side * y_scale)]


def _choose_tokens(model: Model, phrase: str, rule: str) -> TokenWeights:
    name, keywords = parse_rule(rule)
    chosen = token_weights(model.tokenizer, phrase, name, keywords)
    if chosen.lost_words:
        limit = model.tokenizer.model_max_length - 2
        raise InputError(
            f"--phrase is longer than the {limit} tokens the model reads; it would lose the words from "
            f"{chosen.lost_words[0]!r} on: shorten it"
        )
    if name == "keyword" and not chosen.matched:
        raise InputError(f"--tokens {rule}: no word of the phrase contains it; give words of the phrase or all_words")
    return chosen


def _write(out: Path, pixels: np.ndarray, heatmap: np.ndarray, result: dict) -> None:
    """The four files, each whole or absent, ``result.json`` last."""
    seen = ~np.isnan(heatmap)
    low, high = heatmap[seen].min(), heatmap[seen].max()
    unit = np.where(seen, (heatmap - low) / max(high - low, np.finfo(np.float32).tiny), 0)
    colours = matplotlib.colormaps["inferno"](unit, bytes=True)
    colours[~seen] = 0  # transparent
    grey = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=-1)
    alpha = 0.5 * seen[..., None]
    overlay = Image.fromarray(np.rint(255 * (1 - alpha) * grey + alpha * colours[..., :3]).astype(np.uint8))
    if result["box"]:
        x, y, w, h = result["box"]
        ImageDraw.Draw(overlay).rectangle((x, y, x + w - 1, y + h - 1), outline="white")
    with files.atomic(out / "heatmap.npy") as path:
        np.save(path, heatmap)
    for name, image in (("heatmap.png", Image.fromarray(colours)), ("overlay.png", overlay)):
        with files.atomic(out / name) as path:
            image.save(path)
    with files.atomic(out / "result.json") as path:
        path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
