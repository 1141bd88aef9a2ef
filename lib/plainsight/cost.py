"""What the papers' own sizes cost: floating-point operations counted, GPU hours and bytes worked out from them.

Operations are counted on networks without weights. How many of them a GPU gets done in a second is taken from two
published trainings of this very network, one plain and one tuned, as shares of that GPU's peak; other GPUs are assumed
to reach the same shares of theirs. So the hours are arithmetic, not measurement.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import pandas as pd
import torch
from torch.utils.flop_counter import FlopCounterMode

from plainsight import architectures
from plainsight.config import Experiments, Scale
from plainsight.workspace import FOUNDATION

TOKENS = 77
GUIDED = 2
"""Passes of the U-Net for one step of guided sampling."""
BACKWARD = 3
"""A training step's operations over those of its forward pass (Kaplan et al. 2020, section 2.1)."""
BYTES = 4
"""Of a weight, as it is kept."""
IMAGE_BYTES = 300_000
"""Of a made image of 512 x 512 as PNG, roughly."""

PEAKS: Mapping[str, float] = MappingProxyType({"A40": 150e12, "A100": 312e12, "H100": 989e12})
"""Peak operations a second in bf16, matrices dense, as the manufacturer's data sheets say (H100: SXM)."""
PAPER_HOURS: Mapping[str, float] = MappingProxyType({"finetune_f": 240.0, "finetune_l": 580.0})
"""A100 hours that seed 000 states for its two trainings (section "Baseline Method")."""
TUNED_IMAGES = 36.0
"""Images a second and A100 in the best public training of this network at this size: latents made in advance, norms in
low precision (MosaicML, "How We Trained Stable Diffusion for Less than $50k", part 3, 2023)."""


@dataclass(frozen=True)
class Table:
    """What a table of seed 000 needs: models by variant, and what each of them is asked."""

    variants: tuple[str, ...]
    grounded: int = 0
    """Phrases."""
    made: int = 0
    """Images."""
    weights: int = 1
    """With how many of its weights a fine-tuned model makes them."""


PHRASES, PROMPTS, SIMILAR = 1133, 5005, 300
"""Phrases with boxes (images by class), impressions of p19, and further images of 100 prompts for MS-SSIM: seed 000."""
COCO_IMAGES = 5000
"""Of MS-COCO 2017, validation."""
_PAIR = ("finetune_f", "finetune_l")
TABLES: Mapping[str, Table] = MappingProxyType(
    {
        "1, 3, 6, 8, 9, 12; Figures 2, 3": Table((FOUNDATION, *_PAIR), grounded=PHRASES),
        "2 (MS-COCO)": Table((FOUNDATION, "in_domain_f", "in_domain_l"), COCO_IMAGES, COCO_IMAGES, weights=2),
        "4, 5": Table((FOUNDATION, *_PAIR), made=PROMPTS + PHRASES + 2 * SIMILAR),
        "7": Table(
            ("finetune_f_composed", "finetune_l_composed", "finetune_f_labels", "finetune_l_labels"), grounded=PHRASES
        ),
        "10, 11": Table(
            ("finetune_f_nouncond", "finetune_l_nouncond", "finetune_l_then_f", "finetune_f_pa"),
            PHRASES,
            PROMPTS + PHRASES,
        ),
    }
)


@functools.cache
def operations() -> dict[str, int]:
    """Floating-point operations, for one image or text, of the forward pass of each part of Stable Diffusion 2 base."""
    unet, vae, text = _parts().values()
    latents = torch.empty(1, 4, 64, 64, device="meta")
    ids = torch.zeros(1, TOKENS, dtype=torch.long, device="meta")
    embeds = torch.empty(1, TOKENS, unet.config.cross_attention_dim, device="meta")
    return {
        "unet": _count(lambda: unet(latents, torch.zeros(1, device="meta"), embeds)),
        "encode": _count(lambda: vae.encode(torch.empty(1, 3, 512, 512, device="meta"))),
        "decode": _count(lambda: vae.decode(latents)),
        "text": _count(lambda: text(ids)),
    }


def parameters() -> dict[str, int]:
    """Weights of each part of Stable Diffusion 2 base."""
    return {name: sum(p.numel() for p in part.parameters()) for name, part in _parts().items()}


@functools.cache
def _parts() -> Mapping[str, torch.nn.Module]:
    parts = {"unet": architectures.unet("sd_2_base"), "vae": architectures.autoencoder()}
    return MappingProxyType({**parts, "text_encoder": architectures.text_encoder()})


def training(scale: Scale, experiments: Experiments, variant: str) -> int:
    """Operations of one training of a variant, latents made in advance."""
    recipe, count = experiments.variants[variant], operations()
    images = scale.steps(variant, recipe) * scale.batch_size(variant, recipe)
    text = BACKWARD if recipe.train_text_encoder else 1
    return images * (BACKWARD * count["unet"] + text * count["text"])


def grounding(scale: Scale, phrases: int) -> int:
    """Operations of asking one model about so many phrases: a pass for each timestep that is averaged."""
    count = operations()
    return phrases * (scale.grounding.last_n * count["unet"] + count["text"])


def generation(scale: Scale, images: int) -> int:
    """Operations of making so many images, guided; PNDM evaluates the U-Net once more than it has steps."""
    count = operations()
    steps = scale.generation.num_inference_steps + 1
    return images * (GUIDED * steps * count["unet"] + count["decode"] + GUIDED * count["text"])


def efficiencies(scale: Scale, experiments: Experiments) -> tuple[float, float]:
    """Shares of a GPU's peak that the paper's trainings and the tuned one reach, as if nothing else were computed."""
    trained = sum(training(scale, experiments, variant) for variant in PAPER_HOURS)
    plain = trained / (sum(PAPER_HOURS.values()) * 3600) / PEAKS["A100"]
    return plain, TUNED_IMAGES * BACKWARD * operations()["unet"] / PEAKS["A100"]


def table_of_cost(scale: Scale, experiments: Experiments) -> pd.DataFrame:
    """What each table of seed 000 adds to those before it.

    Columns: table; ``trainings``; ``operations``; for each GPU of `PEAKS` its hours with the paper's efficiency and,
    ending in `` tuned``, with the tuned one; ``gigabytes`` kept. The first row is what all of them need, the last the
    sum.
    """
    shares = dict(zip(("", " tuned"), efficiencies(scale, experiments), strict=True))
    rows = [_row("all: latents", 0, *_latents(scale))]
    rows += [_row(name, *_work(scale, experiments, table)) for name, table in TABLES.items()]
    frame = pd.DataFrame(rows)
    for gpu, peak in PEAKS.items():
        for ending, share in shares.items():
            frame[f"{gpu}{ending}"] = frame["operations"] / (peak * share) / 3600
    total = frame.drop(columns="table").sum()
    return pd.concat([frame, pd.DataFrame([{"table": "sum", **total}])], ignore_index=True)


def model_bytes(scale: Scale, experiments: Experiments, variant: str) -> int:
    """Bytes of one finished training: the model, its averaged weights, and those kept on the way."""
    size, recipe = parameters(), experiments.variants[variant]
    trained = size["unet"] + (size["text_encoder"] if recipe.train_text_encoder else 0)
    steps = scale.steps(variant, recipe)
    kept = {round(f * scale.denoising.steps) for f in scale.denoising.milestones}
    copies = 1 + sum(step <= steps for step in kept)
    return BYTES * (sum(size.values()) + copies * trained)


def _latents(scale: Scale) -> tuple[int, float]:
    images = sum(size.train + size.generation for size in scale.worlds.values())
    # Mean and standard deviation, in single precision.
    return images * operations()["encode"], images * 2 * 4 * 64 * 64 * 4


def _work(scale: Scale, experiments: Experiments, table: Table) -> tuple[int, int, float]:
    """Trainings, operations and bytes of a table; trainings that an earlier table shares are in that one."""
    trained = [name for name in table.variants if name != FOUNDATION]
    seeds = {name: len(scale.seeds[: experiments.variants[name].seeds]) for name in trained}
    new = {} if table.made and not table.grounded else seeds
    done = sum(count * training(scale, experiments, name) for name, count in new.items())
    bytes_kept = sum(count * model_bytes(scale, experiments, name) for name, count in new.items())
    loaded, tuned = int(FOUNDATION in table.variants), sum(seeds.values())
    images = (loaded + table.weights * tuned) * table.made
    done += (loaded + tuned) * grounding(scale, table.grounded) + generation(scale, images)
    return sum(new.values()), done, bytes_kept + images * IMAGE_BYTES


def _row(name: str, trainings: int, done: float, bytes_kept: float) -> dict[str, object]:
    return {"table": name, "trainings": trainings, "operations": float(done), "gigabytes": bytes_kept / 1e9}


def _count(forward: Callable[[], object]) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        forward()
    return counter.get_total_flops()
