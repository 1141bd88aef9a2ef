"""Jobs: where a result and a checkpoint lie, and what tells two checkpoints apart."""

import dataclasses
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from plainsight.errors import InputError
from plainsight.training import job as jobs
from plainsight.training.job import Job, command, launch

ROOT = Path(__file__).parents[2]


@pytest.fixture
def job(tmp_path):
    for source in ("scales/smoke.yaml", "experiments.yaml"):
        shutil.copy(ROOT / "workflow" / source, tmp_path)
    (tmp_path / "phantom").mkdir()
    (tmp_path / "phantom" / "examples.parquet").write_bytes(b"examples")
    settings = (str(tmp_path / name) for name in ("smoke.yaml", "experiments.yaml"))
    return Job("finetune", *settings, runs=str(tmp_path), world="phantom", variant="finetune_l", seed=1)


def test_a_checkpoint_keeps_its_name_while_nothing_changes(job):
    assert job.checkpoint == job.checkpoint
    assert job.checkpoint.name.startswith("phantom-finetune_l-seed1-")


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("smoke.yaml", "learning_rate: 5.0e-4", "learning_rate: 1.0e-4"),
        ("experiments.yaml", "finetune_l: {base: foundation, train_text_encoder: true, text: reports",
         "finetune_l: {base: foundation, train_text_encoder: true, text: labels"),
        ("phantom/examples.parquet", "examples", "other"),
    ],
)  # fmt: skip
def test_other_settings_or_data_never_resume_a_checkpoint(job, tmp_path, name, old, new):
    before = job.checkpoint
    content = (tmp_path / name).read_text()
    assert old in content
    (tmp_path / name).write_text(content.replace(old, new))
    assert job.checkpoint != before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("checkpoint_every: 3", "checkpoint_every: 7"),
        ("ema_decay", "device_batch: 2, activation_checkpointing: true, ema_decay"),
        ("bootstrap_resamples: 200", "bootstrap_resamples: 300"),
    ],
)
def test_how_a_training_runs_and_what_other_steps_do_leave_a_checkpoint_alone(job, tmp_path, old, new):
    before, path = job.checkpoint, tmp_path / "smoke.yaml"
    settings = path.read_text()
    assert settings.count(old) == 1
    path.write_text(settings.replace(old, new))
    assert job.checkpoint == before


def test_other_code_or_versions_never_resume_a_checkpoint(job, tmp_path, monkeypatch):
    """Of the modules that the stage imports, and of no others."""
    before, read = job.checkpoint, Path.read_bytes
    for name, same in (("attention", True), ("latents", False)):
        other = lambda path, name=name: read(path) + (b"#" if path.name == f"{name}.py" else b"")  # noqa: E731
        with monkeypatch.context() as patch:
            jobs.library_digest.cache_clear()
            patch.setattr(Path, "read_bytes", other)
            assert (job.checkpoint == before) == same
    jobs.library_digest.cache_clear()
    assert job.checkpoint == before
    monkeypatch.setattr(jobs, "versions", lambda: {"torch": "0"})
    assert job.checkpoint != before


def test_a_training_from_another_base_never_resumes_a_checkpoint(job):
    before, base = job.checkpoint, job.model_folder("foundation")
    base.mkdir(parents=True)
    (base / "run.json").write_text("{}")
    assert job.checkpoint != before


def test_another_variant_s_settings_leave_a_checkpoint_alone(job, tmp_path):
    before = job.checkpoint
    path = tmp_path / "experiments.yaml"
    frozen = "finetune_f: {base: foundation, train_text_encoder: false, text: "
    path.write_text(path.read_text().replace(frozen + "reports", frozen + "labels"))
    assert job.checkpoint == before


def test_seeds_and_variants_have_their_own_folders(job):
    other = dataclasses.replace(job, seed=2)
    assert job.output.parts[-3:] == ("models", "finetune_l", "seed1")
    assert other.output != job.output and other.checkpoint != job.checkpoint


def test_the_foundation_lies_in_its_own_world_and_has_one_seed(job, tmp_path):
    assert job.model_folder("foundation") == tmp_path / "scenes" / "models" / "foundation" / "seed0"
    assert job.model_folder("finetune_f") == tmp_path / "phantom" / "models" / "finetune_f" / "seed1"


@pytest.mark.parametrize(
    ("stage", "processes", "device_batch", "devices", "expected"),
    [
        ("finetune", 1, None, 8, 1),
        ("finetune", 4, 2, 8, 4),
        ("finetune", 16, 2, 16, 8),  # a batch of 8
        ("finetune", 16, None, 16, 1),
        ("finetune", 4, 1, 3, 2),  # three could not share 8 evenly
        ("latents", 16, None, 3, 3),
        ("classifier", 16, 1, 16, 1),
    ],
)
def test_a_job_takes_as_many_processes_as_share_its_work_evenly(
    job, tmp_path, stage, processes, device_batch, devices, expected
):
    path = tmp_path / "smoke.yaml"
    settings = path.read_text().replace(
        "batch_size: 8, learning_rate: 5.0e-4",
        f"batch_size: 8, device_batch: {device_batch or 'null'}, learning_rate: 5.0e-4",
    )
    path.write_text(f"{settings}\nprocesses: {processes}\n")
    assert dataclasses.replace(job, stage=stage).processes(devices) == expected


def test_several_processes_are_started_by_accelerate():
    assert command(Path("job.yaml"), 1)[-3:] == ["plainsight.warm", "plainsight.training", "job.yaml"]
    several = command(Path("job.yaml"), 3)
    assert several[:3] == [sys.executable, "-m", "accelerate.commands.launch"]
    assert (
        several[-3:] == ["-m", "plainsight.training", "job.yaml"]
        and several[several.index("--num_processes") + 1] == "3"
    )


@pytest.mark.parametrize(
    ("nodes", "devices", "processes", "expected"),
    [(2, 8, 16, 8), (2, 8, 4, 4), (3, 2, 16, 1), (4, 2, 16, 8), (16, 2, 8, 1)],
)
def test_every_machine_gets_as_many_processes_or_one_does_it_alone(job, tmp_path, nodes, devices, processes, expected):
    """A batch of 8, of which no process has less than 1."""
    path = tmp_path / "smoke.yaml"
    settings = path.read_text().replace("denoising: {batch_size: 8", "denoising: {device_batch: 1, batch_size: 8")
    path.write_text(f"{settings}\nprocesses: {processes}\n")
    assert job.processes(devices, nodes) == expected


def test_several_machines_are_started_by_srun_with_a_rank_each():
    *srun, line = command(Path("a job.yaml"), 16, 2)
    assert srun == ["srun", "--nodes=2", "--ntasks=2", "--ntasks-per-node=1", "bash", "-c"]
    assert "--num_processes 16 --num_machines 2" in line and "--machine_rank $SLURM_NODEID" in line
    assert line.endswith("-m plainsight.training 'a job.yaml'")
    assert subprocess.run(["bash", "-n", "-c", line]).returncode == 0


def test_a_failure_shows_the_job_s_own_line_and_not_the_launcher_s(job, monkeypatch):
    script = "print('plainsight.training: the disk is full\\n====\\nerror report'); raise SystemExit(1)"
    monkeypatch.setattr(jobs, "command", lambda path, processes, nodes: [sys.executable, "-c", script])
    with pytest.raises(InputError, match=r"failed: plainsight\.training: the disk is full$"):
        launch(**dataclasses.asdict(job))


def test_slurm_is_asked_how_many_machines_a_job_has(tmp_path, monkeypatch):
    squeue = tmp_path / "squeue"
    squeue.write_text('#!/bin/sh\n[ "$4" = 17 ] && echo 3\n')
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert jobs.machines() == 1
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    assert jobs.machines() == 3
