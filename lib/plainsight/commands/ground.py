"""``plainsight ground``: where in images a model sees the words of phrases; one image, or a table of them."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from plainsight.errors import InputError

if TYPE_CHECKING:
    import torch

    from plainsight.config import GroundingConfig
    from plainsight.models import Model


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "ground",
        help="show where in images a model sees the words of phrases",
        description="Show where in an image a Stable Diffusion model sees the words of a phrase. With --image and "
        "--phrase, writes heatmap.npy (in the input image's pixels; NaN outside the centre square, which is all that "
        "the model sees), heatmap.png, overlay.png and result.json (tokens used, peak, and a box: the peak's region "
        "above Otsu's threshold). With --table and --images, writes ID.npy for each row of the table; stopped, the "
        "same command goes on where it stopped.",
    )
    parser.add_argument("--model", type=Path, required=True, help="folder of a Stable Diffusion pipeline of diffusers")
    parser.add_argument("--image", type=Path, help="PNG or JPEG file of any size")
    parser.add_argument("--phrase", help='for example "small left pleural effusion"')
    parser.add_argument(
        "--table",
        type=Path,
        metavar="CSV",
        help="a row an image and phrase: columns image and phrase; finding, patient, id, keywords (words of the phrase "
        "joined by commas, in place of --tokens), and boxes or mask for plainsight score, if wanted; others are kept",
    )
    parser.add_argument("--images", type=Path, metavar="DIR", help="folder that the table's paths are relative to")
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
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Check the options, read what is asked about, then load the model and ask it."""
    _check_options(options)
    if options.table is not None:
        from plainsight.worlds import folder

        table = folder.read(options.table, options.images)
        from plainsight import maps

        model, config = _load(options)
        maps.write_maps(model, table, options.images, options.out, config, options.tokens, options.seed)
    else:
        from plainsight.schema import read_image

        pixels = read_image(options.image)
        from plainsight.commands import ground_image

        model, config = _load(options)
        ground_image.run(model, pixels, config, options)


def _check_options(options: argparse.Namespace) -> None:
    given = [name for name in ("image", "phrase", "table", "images") if getattr(options, name) is not None]
    if given not in (["image", "phrase"], ["table", "images"]):
        named = ", ".join(f"--{name}" for name in given) or "none of them"
        raise InputError(f"give --image and --phrase, or --table and --images; given: {named}")
    if options.phrase is not None and not options.phrase.strip():
        raise InputError("--phrase is empty; give the words to look for")
    if any("\ud800" <= character <= "\udfff" for character in options.phrase or ""):
        raise InputError("--phrase is not UTF-8; write it again")
    if options.last is None:
        options.last = max(1, options.steps * 4 // 5)
    if options.steps < 1:
        raise InputError(f"--steps {options.steps}: give 1 or more")
    if not 1 <= options.last <= options.steps:
        raise InputError(f"--last {options.last}: give a number from 1 to --steps, {options.steps}")
    if options.batch_size < 1:
        raise InputError(f"--batch-size {options.batch_size}: give 1 or more")

    if not (options.model / "model_index.json").is_file():
        raise InputError(f"--model {options.model}: not a Stable Diffusion folder (no model_index.json in it)")
    if options.out.exists() and not options.out.is_dir():
        raise InputError(f"--out {options.out}: is a file; give a folder")


def _load(options: argparse.Namespace) -> tuple[Model, GroundingConfig]:
    """The model on its device, and how it is to be asked."""
    from plainsight import models
    from plainsight.config import GroundingConfig

    _quiet()
    model = models.load(options.model, device=_device(options.device))
    if options.steps >= (trained := model.scheduler.config.num_train_timesteps):
        raise InputError(f"--steps {options.steps}: the model has {trained} timesteps; give fewer")
    return model, GroundingConfig(options.steps, options.last, options.batch_size)


def _device(name: str | None) -> torch.device:
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
