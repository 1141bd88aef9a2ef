"""The console command ``plainsight``: one function a command; heavy imports wait until a command runs."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from plainsight.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from plainsight.models import Model
    from plainsight.worlds.radiographs import Fit


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns its exit code, which is 2 with one line on stderr where the input is wrong."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options) or 0
    except InputError as error:
        print(f"plainsight {options.command}: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="plainsight", description="Does a text-to-image diffusion model know where its words are?"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in (_add_ground, _add_compare):
        add(commands)
    return parser


def _add_compare(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "compare",
        help="compare fresh tables in runs/ with the committed ones",
        description="Compare the tables of a scale in runs/ with those in paper_tables/: they are reproduced when "
        "every verdict is the same and every number differs by no more than its spread over training seeds. "
        "Exit code 0: reproduced; 1: not.",
    )
    parser.add_argument("--scale", default="toy", help="default: toy")
    parser.set_defaults(run=compare)


def compare(options: argparse.Namespace) -> int:
    """Compare every committed folder of a scale that was made afresh; 1 if one is not reproduced, else 0."""
    from plainsight import publish
    from plainsight.workspace import open_workspace

    space = open_workspace(options.scale)
    committed = sorted(path.parent for path in (space.tables / options.scale).glob("*/*/claims.csv"))
    pairs = [(path, space.runs / path.parent.name / path.name) for path in committed]
    made = [(path, fresh) for path, fresh in pairs if fresh.is_dir()]
    if not made:
        raise InputError(f"nothing to compare at scale {options.scale}: run ./run_all.sh --scale {options.scale} first")
    found = [(path, publish.compare(fresh, path)) for path, fresh in made]
    print("\n".join(publish.report(differences, str(path)) for path, differences in found))
    return int(any(differences for _, differences in found))


def _add_ground(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "ground",
        help="show where in an image a model sees the words of a phrase",
        description="Show where in an image a Stable Diffusion model sees the words of a phrase. Writes heatmap.npy "
        "(in the input image's pixels; NaN outside the centre square, which is all that the model sees), heatmap.png, "
        "overlay.png and result.json (tokens used, peak, and a box: the peak's region above Otsu's threshold).",
    )
    parser.add_argument("--model", type=Path, required=True, help="folder of a Stable Diffusion pipeline of diffusers")
    parser.add_argument("--image", type=Path, required=True, help="PNG or JPEG file of any size")
    parser.add_argument("--phrase", required=True, help='for example "small left pleural effusion"')
    parser.add_argument("--out", type=Path, required=True, help="folder to write to; made if missing")
    parser.add_argument(
        "--tokens",
        default="all_words",
        metavar="RULE",
        help="all_words (default), start, end, or words of the phrase joined by commas, as in effusion,pleural",
    )
    parser.add_argument("--steps", type=int, default=50, metavar="N", help="DDIM timesteps (default: 50)")
    parser.add_argument("--last", type=int, metavar="N", help="average the last N of them (default: four in five)")
    parser.add_argument("--batch-size", type=int, default=4, metavar="N", help="timesteps at once (default: 4)")
    parser.add_argument("--device", help="such as cpu or cuda:0 (default: cuda where there is one, else cpu)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the noise (default: 0)")
    parser.set_defaults(run=ground)


def ground(options: argparse.Namespace) -> None:
    """``plainsight ground``: one heat map for one image and one phrase, as files."""
    from plainsight.schema import read_image

    if not options.phrase.strip():
        raise InputError("--phrase is empty; give the words to look for")
    if any("\ud800" <= character <= "\udfff" for character in options.phrase):
        raise InputError("--phrase is not UTF-8; write it again")
    last = options.last if options.last is not None else max(1, options.steps * 4 // 5)
    if options.steps < 1:
        raise InputError(f"--steps {options.steps}: give 1 or more")
    if not 1 <= last <= options.steps:
        raise InputError(f"--last {last}: give a number from 1 to --steps, {options.steps}")
    if options.batch_size < 1:
        raise InputError(f"--batch-size {options.batch_size}: give 1 or more")
    pixels = read_image(options.image)
    if not (options.model / "model_index.json").is_file():
        raise InputError(f"--model {options.model}: not a Stable Diffusion folder (no model_index.json in it)")
    if options.out.exists() and not options.out.is_dir():
        raise InputError(f"--out {options.out}: is a file; give a folder")

    import torch

    from plainsight import files, grounding, latents, models
    from plainsight.config import GroundingConfig
    from plainsight.worlds import radiographs

    _quiet()
    config = GroundingConfig(options.steps, last, options.batch_size)
    model = models.load(options.model, device=_device(options.device))
    if options.steps >= (trained := model.scheduler.config.num_train_timesteps):
        raise InputError(f"--steps {options.steps}: the model has {trained} timesteps; give fewer")
    chosen = _choose_tokens(model, options.phrase, options.tokens)
    files.writable_folder(options.out / "result.json")  # before the long work
    side = model.unet.config.sample_size * 2 ** (len(model.vae.config.block_out_channels) - 1)
    how = radiographs.fit(pixels.shape[1], pixels.shape[0], side)
    with torch.inference_mode():
        mean, logvar = model.encode_images(_model_input(radiographs.fit_image(pixels, how)))
        embeds = model.encode_text([options.phrase])
    factor = model.vae.config.scaling_factor
    moments = latents.Moments(("image",), mean.cpu() * factor, (0.5 * logvar).exp().cpu() * factor)
    heatmap = grounding.ground(
        model,
        grounding.sample_latents(moments, ["image"], options.seed),
        embeds,
        torch.from_numpy(chosen.weights)[None],
        ["image"],
        config,
        noise_seed=options.seed,
        size=(side, side),
    )[0]
    if not heatmap.isfinite().all():
        raise InputError(f"--model {options.model}: its attention is not a number; its weights are damaged")
    source = grounding.in_source_pixels(heatmap.numpy(), how)
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
    import numpy as np
    from skimage.filters import threshold_otsu
    from skimage.measure import label

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


def _choose_tokens(model: Model, phrase: str, rule: str) -> object:
    from plainsight import tokens

    named = rule in tokens.RULES and rule != "keyword"
    keywords = [] if named else [word.strip() for word in rule.split(",") if word.strip()]
    chosen = tokens.token_weights(model.tokenizer, phrase, rule if named else "keyword", keywords)
    if chosen.lost_words:
        limit = model.tokenizer.model_max_length - 2
        raise InputError(
            f"--phrase is longer than the {limit} tokens the model reads; it would lose the words from "
            f"{chosen.lost_words[0]!r} on: shorten it"
        )
    if not named and not chosen.matched:
        raise InputError(f"--tokens {rule}: no word of the phrase contains it; give words of the phrase or all_words")
    return chosen


def _model_input(image: np.ndarray) -> object:
    """An image in [0, 1], (R, R) or (R, R, 3), as the (1, 3, R, R) tensor in [-1, 1] that the autoencoder reads."""
    import numpy as np
    import torch

    colour = image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=-1)
    return torch.from_numpy(np.ascontiguousarray(colour, dtype=np.float32)).permute(2, 0, 1)[None] * 2 - 1


def _device(name: str | None) -> object:
    import torch

    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.empty(1, device=device).cpu()  # "meta" can be made, not read
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"--device {name}: not usable here ({str(error).splitlines()[0][:120]})") from None
    return device


def _quiet() -> None:
    """No progress bars nor notes of the libraries between the user and the one line that matters."""
    import diffusers
    import transformers

    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity(logging.CRITICAL)  # what fails comes as an exception too
        library.utils.logging.disable_progress_bar()


def _write(out: Path, pixels: np.ndarray, heatmap: np.ndarray, result: dict) -> None:
    """The four files, each whole or absent, ``result.json`` last."""
    import matplotlib
    import numpy as np
    from PIL import Image, ImageDraw

    from plainsight.files import atomic

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
    with atomic(out / "heatmap.npy") as path:
        np.save(path, heatmap)
    for name, image in (("heatmap.png", Image.fromarray(colours)), ("overlay.png", overlay)):
        with atomic(out / name) as path:
            image.save(path)
    with atomic(out / "result.json") as path:
        path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
