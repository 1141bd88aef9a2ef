"""Random generators that depend on what a draw is for, not on what was drawn before.

Every draw takes a generator made from (seed, purpose...), for example ``numpy_generator(0, "phantom", "train", 17)``
or ``torch_generator(seed, "noise", step)``, so that resuming a run or splitting its work changes no number.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def _digest(seed: int, purpose: tuple[str | int, ...]) -> bytes:
    """SHA-256 of the seed and its purpose; JSON keeps 1 and "1", and ("a", "b") and ("ab",), apart."""
    return hashlib.sha256(json.dumps([seed, *purpose]).encode()).digest()


def numpy_generator(seed: int, *purpose: str | int) -> np.random.Generator:
    """A PCG64 generator for this seed and purpose."""
    return np.random.default_rng(int.from_bytes(_digest(seed, purpose), "big"))


def torch_generator(seed: int, *purpose: str | int, device: str | torch.device = "cpu") -> torch.Generator:
    """A torch generator on ``device`` for this seed and purpose (64 bits of the digest: all that torch takes)."""
    import torch

    generator = torch.Generator(device=device)
    return generator.manual_seed(int.from_bytes(_digest(seed, purpose)[:8], "big"))


@contextlib.contextmanager
def seeded_initialisation(seed: int, *purpose: str | int) -> Iterator[None]:
    """Inside, torch's global generator (which layers draw their first weights from) starts from seed and purpose."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(torch_generator(seed, *purpose).initial_seed())
        yield
