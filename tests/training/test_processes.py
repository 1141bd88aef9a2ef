"""Trainings that several processes share: two on the CPU, with gloo, started as on a cluster."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

import small_training
from plainsight.training.job import command

TESTS = Path(__file__).parents[1]
LIB = TESTS.parent / "lib"


def run_shared(arguments):
    """Run what ``command`` would start for two processes, with other arguments for Python."""
    call = [*command(Path("job.yaml"), 2)[:-3], *arguments]
    environment = {**os.environ, "PYTHONPATH": f"{LIB}:{TESTS}", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(call, env=environment, capture_output=True, text=True, timeout=3600)
    assert done.returncode == 0, done.stderr[-3000:]
    return done


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    out = tmp_path_factory.mktemp("shared")
    run_shared([str(TESTS / "training" / "shared_training.py"), str(out)])
    return out, [json.loads((out / f"{number}.json").read_text()) for number in (0, 1)]


def test_two_processes_end_with_the_same_weights(found):
    _, (first, second) = found
    assert first["processes"] == 2 and first["device"].startswith("cpu")
    assert first["whole"] == second["whole"]


def test_they_learn_what_one_process_learns(found, tmp_path):
    """The same samples and noise in every step: two processes of two parts each against one that takes all at once."""
    _, (first, _) = found
    alone = small_training.train(small_training.model(), tmp_path, learnable=True)
    assert first["whole"]["losses"] == pytest.approx(alone, rel=1e-4)


def test_stopped_and_resumed_they_skip_and_repeat_no_sample(found):
    """Bit for bit what the training does that was never stopped."""
    _, both = found
    for process in both:
        assert process["resumed"] == process["whole"]


def test_one_of_them_writes(found):
    out, _ = found
    for name in ("kept/ema/unet", "kept/milestones/step2/text_encoder", "kept/milestones/step4/unet"):
        assert (out / "whole" / name).is_dir()
    assert not list(out.rglob("*.partial*"))
