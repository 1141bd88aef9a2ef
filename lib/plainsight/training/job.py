"""A training job: which stage, of which world and variant, with which seed; and how to launch one."""

from __future__ import annotations

import dataclasses
import hashlib
import subprocess
import sys
import typing
from dataclasses import dataclass
from pathlib import Path

import yaml

from plainsight import config
from plainsight.errors import InputError
from plainsight.files import atomic
from plainsight.workspace import FOUNDATION, FOUNDATION_WORLD


@dataclass(frozen=True)
class Job:
    """What ``python -m plainsight.training CONFIG`` reads from its YAML file."""

    stage: typing.Literal["autoencoder", "text_encoder", "latents", "foundation", "classifier", "finetune"]
    scale: str
    experiments: str
    runs: str
    """The folder of this scale, such as ``runs/toy``."""
    world: str = FOUNDATION_WORLD
    variant: str = FOUNDATION
    seed: int = 0

    @property
    def name(self) -> str:
        """The job in one word, for file names and progress bars."""
        return (
            f"{self.world}-{self.variant}-seed{self.seed}" if self.stage == "finetune" else f"{self.world}-{self.stage}"
        )

    @property
    def output(self) -> Path:
        """Where the finished result lies: a model folder, or the file of latents."""
        if self.stage == "latents":
            return Path(self.runs) / self.world / "latents.safetensors"
        variant = self.variant if self.stage == "finetune" else self.stage
        return model_folder(self.runs, self.world, variant, self.seed)

    @property
    def checkpoint(self) -> Path:
        """The state of a training under way; outside the outputs, so that it outlives a killed run.

        Its name tells settings and data apart: a run after a change of either starts from its own beginning.
        """
        digest = hashlib.sha256(Path(self.scale).read_bytes())
        if self.stage == "finetune":
            digest.update(repr(self.read_variant()).encode())
        digest.update((Path(self.runs) / self.world / "examples.parquet").read_bytes())
        return Path(self.runs) / "checkpoints" / f"{self.name}-{digest.hexdigest()[:8]}.pt"

    def read_scale(self) -> config.Scale:
        return config.read_yaml(Path(self.scale), config.Scale)

    def read_variant(self) -> config.Variant:
        experiments = config.read_yaml(Path(self.experiments), config.Experiments)
        if self.variant not in experiments.variants:
            raise InputError(
                f"{self.experiments}: no variant {self.variant!r}; known: {', '.join(experiments.variants)}"
            )
        return experiments.variants[self.variant]


def model_folder(runs: str | Path, world: str, variant: str, seed: int) -> Path:
    """``<runs>/<world>/models/<variant>/seed<k>``; the foundation is the world ``scenes``' own, with one seed."""
    if variant == FOUNDATION:
        world, seed = FOUNDATION_WORLD, 0
    return Path(runs) / world / "models" / variant / f"seed{seed}"


def read_job(path: Path) -> Job:
    """Read a job file; unknown keys and values are errors."""
    return config.read_yaml(path, Job)


def launch(**job: str | int) -> Path:
    """Run a training job in a process of its own and return its output; a failure shows the job's own last line.

    Takes the fields of :class:`Job`. Raises InputError where the process fails.
    """
    request = config.from_dict(Job, {k: str(v) if isinstance(v, Path) else v for k, v in job.items()}, "job")
    path = Path(request.runs) / "jobs" / f"{request.name}.yaml"
    with atomic(path) as temporary:
        temporary.write_text(yaml.safe_dump(dataclasses.asdict(request), sort_keys=False), encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "plainsight.warm", "plainsight.training", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    last = ""
    for line in process.stdout:
        print(line, end="", flush=True)
        last = line.strip() or last
    if process.wait():
        raise InputError(f"training {request.name} failed: {last}")
    return request.output
