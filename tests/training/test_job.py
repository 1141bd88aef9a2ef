"""Jobs: where a result and a checkpoint lie, and what tells two checkpoints apart."""

import dataclasses
import shutil
from pathlib import Path

import pytest

from plainsight.training.job import Job

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
