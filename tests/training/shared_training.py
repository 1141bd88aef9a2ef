"""Run under accelerate: a training to its end, and one that is stopped and goes on."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

import small_training
from plainsight.training import denoising
from plainsight.training.processes import processes


class Stopped(Exception):
    pass


def outcome(folder: Path) -> dict[str, object]:
    model = small_training.model()
    losses = small_training.train(model, folder, learnable=True, device_batch=1)
    parts = [small_training.weights(part).numpy().tobytes() for part in (model.unet, model.text_encoder)]
    return {"losses": losses, "weights": hashlib.sha256(b"".join(parts)).hexdigest()}


def main(out: Path) -> None:
    everyone = processes()
    found = {"processes": everyone.num_processes, "device": str(everyone.device)}
    found |= {"node": os.environ.get("SLURMD_NODENAME"), "whole": outcome(out / "whole")}
    step = denoising.Denoising.step
    denoising.Denoising.step = stop_at_three
    try:
        outcome(out / "stopped")
    except Stopped:
        everyone.wait_for_everyone()  # so that the checkpoint is there for all, as it is after a requeue
    denoising.Denoising.step = step
    found["resumed"] = outcome(out / "stopped")
    (out / f"{everyone.process_index}.json").write_text(json.dumps(found))


def stop_at_three(self: denoising.Denoising, index: int, step=denoising.Denoising.step) -> float:
    if index == 3:
        raise Stopped
    return step(self, index)


main(Path(sys.argv[1]))
