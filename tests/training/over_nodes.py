"""Run by test_slurm.py in a job of two nodes: ``shared_training.py``, one process a node, started as a training is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from plainsight.training.job import command, machines

*start, line = command(Path("JOB"), 2, machines())
instead = f"{Path(__file__).with_name('shared_training.py')} {sys.argv[1]}"
line = line.replace("-m plainsight.training JOB", instead)
subprocess.run([*start, f"export CUDA_VISIBLE_DEVICES= OMP_NUM_THREADS=1; {line}"], check=True)
