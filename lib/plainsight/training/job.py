"""A training job: which stage, of which world and variant, with which seed; and how to launch one."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import typing
from dataclasses import dataclass
from pathlib import Path

import yaml

from plainsight import config
from plainsight.errors import InputError
from plainsight.files import atomic
from plainsight.notebooks import library_digest
from plainsight.provenance import versions
from plainsight.workspace import FIRST_LOOK, FOUNDATION

PREFIX = "plainsight.training: "
"""What the line that says what is wrong begins with."""


@dataclass(frozen=True)
class Job:
    """What ``python -m plainsight.training CONFIG`` reads from its YAML file."""

    stage: typing.Literal["autoencoder", "text_encoder", "latents", "foundation", "classifier", "finetune"]
    scale: str
    experiments: str
    runs: str
    """The folder of this scale, such as ``runs/toy``."""
    world: str
    variant: str = FOUNDATION
    seed: int = 0
    stops_early: bool = False
    """Of a fine-tuning: stop for a first look, where the scale's ``denoising`` says. The whole training goes on from
    there."""
    weights: str = ""
    """A folder with published weights, ``<owner>/<name>`` each as on the hub; what is not in it comes from there."""

    @property
    def name(self) -> str:
        """The job in one word, for file names and progress bars."""
        return (
            f"{self.world}-{self.variant}-seed{self.seed}" if self.stage == "finetune" else f"{self.world}-{self.stage}"
        )

    @property
    def output(self) -> Path:
        """Where the result lies: a model folder, or the folder of latents."""
        if self.stage == "latents":
            return Path(self.runs) / self.world / "latents"
        folder = self.model_folder(self.variant if self.stage == "finetune" else self.stage)
        return folder.with_name(folder.name + FIRST_LOOK * self.stops_early)

    @property
    def finished(self) -> Path:
        """The file that is written last of all."""
        return self.output / ("index.json" if self.stage == "latents" else "run.json")

    @property
    def checkpoints(self) -> Path:
        """The folder of the states of trainings under way; outside the outputs, so that they outlive a killed run."""
        return Path(self.runs) / "checkpoints"

    @property
    def checkpoint(self) -> Path:
        """The state of this training; its name tells settings, data, code and versions apart, so that none resumes
        another's."""
        worlds = {self.world, "phantom"} if self.stage == "autoencoder" else {self.world}  # which learns from both
        digest = hashlib.sha256(repr((self._settings(), versions())).encode())
        modules = [f"training.stages.{self.stage}", *(f"worlds.{world}" for world in sorted(worlds))]
        digest.update(library_digest(*(f"plainsight.{module}" for module in modules)).encode())
        parts = {"foundation": ["autoencoder", "text_encoder"]}.get(self.stage, [])
        starts_from = [self.read_variant().base] if self.stage == "finetune" else parts
        files = [self.model_folder(name) / "run.json" for name in starts_from]
        for world in sorted(worlds):
            files += [Path(self.runs) / world / name for name in ("examples.parquet", "texts.parquet")]
        for path in filter(Path.exists, files):
            digest.update(path.read_bytes())
        return self.checkpoints / f"{self.name}-{digest.hexdigest()[:8]}.pt"

    @property
    def receipt(self) -> Path:
        """A copy of ``run.json``, by which a finished training is known as such where that was taken away: Snakemake
        deletes it when the notebook around the training is stopped later on."""
        return self.checkpoint.with_suffix(".json")

    def read_scale(self) -> config.Scale:
        return config.read_yaml(Path(self.scale), config.Scale)

    def read_experiments(self) -> config.Experiments:
        return config.read_yaml(Path(self.experiments), config.Experiments)

    def read_variant(self) -> config.Variant:
        experiments = self.read_experiments()
        if self.variant not in experiments.variants:
            raise InputError(
                f"{self.experiments}: no variant {self.variant!r}; known: {', '.join(experiments.variants)}"
            )
        return experiments.variants[self.variant]

    def model_folder(self, variant: str) -> Path:
        """``<runs>/<world>/models/<variant>/seed<k>``; the foundation lies in a world of its own and has one seed."""
        world, seed = (self.read_scale().foundation_world, 0) if variant == FOUNDATION else (self.world, self.seed)
        return Path(self.runs) / world / "models" / variant / f"seed{seed}"

    def _settings(self) -> tuple[object, ...]:
        """What decides, beside the data, what this training learns."""
        scale = self.read_scale()
        if self.stage == "finetune":
            variant = self.read_variant()
            size = (scale.steps(self.variant, variant), scale.batch_size(self.variant, variant))
            return scale.resolution, scale.denoising, variant, *size
        if self.stage == "foundation":
            return scale.resolution, scale.denoising, scale.unet
        return scale.resolution, getattr(scale, self.stage)

    def processes(self, devices: int, nodes: int = 1) -> int:
        """Over how many processes the job is spread on so many machines with so many devices each.

        At most the scale's number, the same on each machine, or a single one; a training's batch is shared evenly, or
        stays in one process where no ``device_batch`` is set.
        """
        scale = self.read_scale()
        limit, batch = min(devices * nodes, scale.processes), 0
        if self.stage == "finetune":
            batch = scale.batch_size(self.variant, self.read_variant())
        elif self.stage == "foundation" and scale.pretrained is None:
            batch = scale.denoising.batch_size
        elif self.stage != "latents":
            return 1
        if batch:
            limit = min(limit, batch if scale.denoising.device_batch else 1)
        shared = [count for count in range(nodes, limit + 1, nodes) if batch % count == 0]
        return max(shared, default=1)


def read_job(path: Path) -> Job:
    """Read a job file; unknown keys and values are errors."""
    return config.read_yaml(path, Job)


def launch(**job: str | int) -> Path:
    """Run a training job in processes of its own and return its output; a failure shows the job's own last line.

    Takes the fields of :class:`Job`. Raises InputError where a process fails.
    """
    request = config.from_dict(Job, {k: str(v) if isinstance(v, Path) else v for k, v in job.items()}, "job")
    path = Path(request.runs) / "jobs" / f"{request.name}.yaml"
    with atomic(path) as temporary:
        temporary.write_text(yaml.safe_dump(dataclasses.asdict(request), sort_keys=False), encoding="utf-8")
    nodes = machines()
    process = subprocess.Popen(
        command(path, request.processes(_devices(), nodes), nodes),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    last = ""
    for line in process.stdout:
        print(line, end="", flush=True)
        if not last.startswith(PREFIX):  # else the launcher of several processes still adds its own report
            last = line.strip() or last
    if process.wait():
        raise InputError(f"training {request.name} failed: {last}")
    return request.output


def command(path: Path, processes: int, nodes: int = 1) -> list[str]:
    """How the job in the file ``path`` is started: by itself, or in several processes by ``accelerate launch``.

    On several machines, which a job of SLURM has, srun starts a launcher on each.
    """
    if processes == 1:
        return [sys.executable, "-m", "plainsight.warm", "plainsight.training", str(path)]
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", str(processes)]
    # The job sets its own precision.
    launcher += ["--num_machines", str(nodes), "--mixed_precision", "no", "--dynamo_backend", "no"]
    job = ["-m", "plainsight.training", str(path)]
    if nodes == 1:
        return [*launcher, "--main_process_port", "0", *job]
    place = "--machine_rank $SLURM_NODEID --main_process_ip $(scontrol show hostnames $SLURM_JOB_NODELIST | head -n 1)"
    place += " --main_process_port $((20000 + SLURM_JOB_ID % 20000))"
    line = f"exec {shlex.join(launcher)} {place} {shlex.join(job)}"
    return ["srun", f"--nodes={nodes}", f"--ntasks={nodes}", "--ntasks-per-node=1", "bash", "-c", line]


def machines() -> int:
    """How many machines the job of SLURM that this runs in has; 1 without SLURM."""
    # Of all that SLURM tells a job in its environment, Snakemake's plugin leaves little more than its number.
    job = os.environ.get("SLURM_JOB_ID")
    if job is None or shutil.which("squeue") is None:  # a container may lack SLURM's programs
        return 1
    query = ["squeue", "--noheader", "--format=%D", "--jobs", job]
    return int(subprocess.run(query, stdout=subprocess.PIPE, text=True, check=True).stdout)


def _devices() -> int:
    """How many processes a machine like this one can serve: one a GPU, or one."""
    import torch

    return max(1, torch.cuda.device_count())
