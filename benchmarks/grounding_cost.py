"""What grounding costs beside the bare U-Net: peak memory and time at the same batch, ratios from one run.

    python benchmarks/grounding_cost.py [--device cuda] [--repeats 7]

Rows are written to ``benchmarks/results/grounding_cost.csv``, replacing those of the same device. On a CPU the toy
scale's U-Net and a Stable Diffusion 1.5 U-Net of a quarter of the width are measured, on a GPU the full one too.
``grounding`` is ``plainsight.grounding.ground``, noise, maps and their sums included; ``bare`` is as many forward
passes of the same batch. Runs of the two take turns; on a CPU the time is that of one thread, whatever else the
machine does. Memory is the greatest sum of live tensors, on top of the weights and the inputs. The exit code is 1
when a ratio is above its limit, 1.15 for time and 1.5 for memory.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import torch

from plainsight import grounding, models
from plainsight.config import GroundingConfig, Scale, read_yaml
from plainsight.files import atomic

# isort: split
from diffusers import UNet2DConditionModel  # after plainsight, which mends torchvision for it

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "grounding_cost.csv"
LIMITS = {"time_ratio": 1.15, "memory_ratio": 1.5}
TOKENS = 77


def toy() -> tuple[UNet2DConditionModel, int, int]:
    """The toy scale's U-Net, its latent side and its batch size."""
    scale = read_yaml(ROOT / "workflow" / "scales" / "toy.yaml", Scale)
    side = scale.resolution // 8
    channels, width = scale.autoencoder.latent_channels, scale.text_encoder.hidden_size
    return models.build_unet(scale.unet, side, channels, width, seed=0), side, scale.grounding.batch_size


def stable_diffusion(width: int, side: int, batch: int) -> tuple[UNet2DConditionModel, int, int]:
    """The U-Net of Stable Diffusion 1.5 with random weights; ``width`` 320 is the published one."""
    unet = UNet2DConditionModel(
        sample_size=side,
        block_out_channels=(width, 2 * width, 4 * width, 4 * width),
        attention_head_dim=8,
        cross_attention_dim=768 * width // 320,
        norm_num_groups=16,
    )
    return unet, side, batch


MODELS: dict[str, Callable[[], tuple[UNet2DConditionModel, int, int]]] = {
    "toy": toy,
    "sd15_quarter_width": lambda: stable_diffusion(80, 32, 4),
    "sd15": lambda: stable_diffusion(320, 64, 16),
}


def prepare(name: str, device: str, batches: int) -> tuple[Callable[[], object], Callable[[], object]]:
    """``bare`` and ``grounding``: each runs ``batches`` forward passes of one batch."""
    unet, side, batch = MODELS[name]()
    dtype = torch.float16 if device == "cuda" else torch.float32
    unet.eval().requires_grad_(False).to(device)
    if device == "cuda":
        unet.half()
    generator = torch.Generator().manual_seed(0)
    channels, width = unet.config.in_channels, unet.config.cross_attention_dim
    latents = torch.randn(batch, channels, side, side, generator=generator).to(device, dtype)
    embeds = torch.randn(batch, TOKENS, width, generator=generator).to(device, dtype)
    weights = torch.full((batch, TOKENS), 1 / TOKENS)
    times = torch.full((batch,), 500, device=device)
    model = models.Model(vae=None, unet=unet, text_encoder=None, tokenizer=None, scheduler=models.noise_scheduler())
    config = GroundingConfig(num_inference_steps=50, last_n=batches, batch_size=batch)
    keys, size = [str(row) for row in range(batch)], (8 * side, 8 * side)

    @torch.inference_mode()
    def bare() -> None:
        for _ in range(batches):
            unet(latents, times, embeds)

    def ground() -> torch.Tensor:
        return grounding.ground(model, latents, embeds, weights, keys, config, noise_seed=0, size=size)

    return bare, ground


def seconds(run: Callable[[], object], device: str) -> float:
    clock = time.perf_counter if device == "cuda" else time.process_time
    start = clock()
    run()
    if device == "cuda":
        torch.cuda.synchronize()
    return clock() - start


def peak_megabytes(run: Callable[[], object], device: str) -> float:
    """Greatest sum of live tensors that ``run`` allocates, on top of what was there before."""
    if device == "cuda":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        run()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        run()
    events = [event for event in profile.profiler.kineto_results.events() if event.name() == "[memory]"]
    changes = [event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())]
    return max(itertools.accumulate(changes)) / 2**20


def measure(name: str, device: str, repeats: int) -> dict[str, object]:
    bare, ground = prepare(name, device, batches=2)
    times: dict[str, list[float]] = {"bare": [], "grounding": []}
    for run in (bare, ground):
        run()
    for _ in range(repeats):
        times["bare"].append(seconds(bare, device))
        times["grounding"].append(seconds(ground, device))
    _, longer = prepare(name, device, batches=8)
    memory = [peak_megabytes(run, device) for run in (bare, ground, longer)]
    return {
        "model": name,
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "batch": MODELS[name]()[2],
        "bare_seconds": round(statistics.median(times["bare"]), 4),
        "grounding_seconds": round(statistics.median(times["grounding"]), 4),
        "time_ratio": round(
            statistics.median(b / a for a, b in zip(times["bare"], times["grounding"], strict=True)), 3
        ),
        "bare_megabytes": round(memory[0], 1),
        "grounding_megabytes": round(memory[1], 1),
        "memory_ratio": round(memory[1] / memory[0], 3),
        "four_times_the_steps_megabytes": round(memory[2], 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(1)
    names = list(MODELS) if options.device == "cuda" else ["toy", "sd15_quarter_width"]
    rows = pd.DataFrame([measure(name, options.device, options.repeats) for name in names])
    print(rows.to_string(index=False))
    if RESULTS.exists():
        old = pd.read_csv(RESULTS)
        kept = old[~old["device"].isin(rows["device"])]
        table = pd.concat([kept, rows], ignore_index=True)
    else:
        table = rows
    with atomic(RESULTS) as path:
        table.to_csv(path, index=False, lineterminator="\n")
    return int(any((rows[ratio] > limit).any() for ratio, limit in LIMITS.items()))


if __name__ == "__main__":
    sys.exit(main())
