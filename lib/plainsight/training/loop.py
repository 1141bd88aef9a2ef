"""What every training shares: batches that depend only on (seed, step), progress, checkpoints that resume exactly."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from plainsight.errors import InputError
from plainsight.files import atomic
from plainsight.seeding import numpy_generator


def batch_indices(n: int, batch_size: int, step: int, seed: int, purpose: str) -> np.ndarray:
    """Rows (batch_size,) of training step ``step`` (from 0): epochs are seeded permutations laid end to end."""
    positions = np.arange(step * batch_size, (step + 1) * batch_size)
    epochs = {int(e): numpy_generator(seed, purpose, "epoch", int(e)).permutation(n) for e in np.unique(positions // n)}
    return np.array([epochs[int(p // n)][p % n] for p in positions])


def run_steps(
    step_function: Callable[[int], float],
    steps: int,
    state: dict[str, object],
    checkpoint: Path,
    checkpoint_every: int,
    description: str,
    after_step: Callable[[int], None] = lambda done: None,
    writes: bool = True,
    until: int | None = None,
) -> list[float]:
    """Call ``step_function(step)`` for each step not done yet and return every step's loss.

    ``state`` maps names to objects with ``state_dict``/``load_state_dict``; it is restored from ``checkpoint`` where
    one exists and saved there every ``checkpoint_every`` steps, together with the losses. ``after_step(done)`` is
    called with the number of steps done. Of several processes one ``writes``: checkpoints, and a progress bar. With
    ``until`` it stops after so many steps, at a checkpoint, to go on another time. Raises InputError on a damaged or
    foreign checkpoint, or a loss that is not finite.
    """
    last = steps if until is None else until
    losses = _restore(state, checkpoint, last) if checkpoint.exists() else []
    with tqdm(total=last, initial=len(losses), desc=description, unit="step", mininterval=5, disable=not writes) as bar:
        for step in range(len(losses), last):
            losses.append(step_function(step))
            if not math.isfinite(losses[-1]):
                raise InputError(f"{description}: the loss is {losses[-1]} at step {step + 1}; lower the learning rate")
            done = step + 1
            after_step(done)
            bar.set_postfix_str(f"loss {np.mean(losses[-50:]):.4f}", refresh=False)
            bar.update()
            if writes and (done % checkpoint_every == 0 or done == until) and done < steps:
                _save(state, losses, checkpoint)
    return losses


def _save(state: dict[str, object], losses: list[float], checkpoint: Path) -> None:
    with atomic(checkpoint) as temporary:
        torch.save({"losses": losses, **{name: part.state_dict() for name, part in state.items()}}, temporary)


def _restore(state: dict[str, object], checkpoint: Path, last: int) -> list[float]:
    """The losses up to the checkpoint; none, and ``state`` as it was, where that lies beyond step ``last``."""
    try:
        saved = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
        if len(saved["losses"]) > last:
            return []
        for name, part in state.items():
            part.load_state_dict(saved[name])
        return list(saved["losses"])
    except Exception as error:  # unpickling, missing keys and wrong shapes all mean the same to the reader
        reason = " ".join(str(error).split())[:120]
        raise InputError(
            f"{checkpoint}: the checkpoint cannot be resumed ({reason}); delete it to start over"
        ) from None


def write_losses(folder: Path, losses: list[float]) -> None:
    """``loss.csv`` in ``folder``: step (from 1) and training loss."""
    rows = "".join(f"{step},{loss:.6g}\n" for step, loss in enumerate(losses, start=1))
    (folder / "loss.csv").write_text("step,loss\n" + rows, encoding="utf-8")
