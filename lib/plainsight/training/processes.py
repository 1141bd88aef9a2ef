"""The processes that share a job."""

from __future__ import annotations

import datetime

import torch
from accelerate import PartialState

PATIENCE = datetime.timedelta(hours=6)
"""How long a process waits for the others: one may have the slow images, or a checkpoint to write."""


def processes() -> PartialState:
    """Those that ``accelerate launch`` started, one a GPU (on the CPU where there is none), or this one alone."""
    return PartialState(cpu=not torch.cuda.is_available(), timeout=PATIENCE)
