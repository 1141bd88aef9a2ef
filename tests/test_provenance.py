"""What is recorded beside a result, and that the committed part never changes by itself."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass

import pytest

from plainsight import provenance


@dataclass(frozen=True)
class Job:
    variant: str
    seed: int


def test_a_record_lies_in_the_folder_and_holds_the_configuration(tmp_path):
    path = provenance.record(tmp_path, Job("finetune_f", 2), {"loss": 0.25})
    row = json.loads(path.read_text())
    assert path == tmp_path / "run.json"
    assert row["config"] == {"variant": "finetune_f", "seed": 2}
    assert row["measured"] == {"loss": 0.25}
    assert {"torch", "numpy", "python", "plainsight"} <= set(row["versions"])
    assert row["time"].endswith("+00:00")
    assert [p.name for p in tmp_path.iterdir()] == ["run.json"]


def test_a_record_of_one_file_has_its_own_name_and_takes_mappings(tmp_path):
    path = provenance.record(tmp_path / "curve.json", {"seed": 1})
    assert path.name == "curve.json" and json.loads(path.read_text())["config"] == {"seed": 1}


def test_versions_carry_no_local_suffix():
    assert not any("+" in number for number in provenance.versions().values())


def test_the_commit_and_whether_the_tree_is_dirty(tmp_path, monkeypatch):
    def git(*arguments):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        return subprocess.run(
            ["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout

    (tmp_path / "a.py").write_text("x = 1\n")
    monkeypatch.setattr(provenance.plainsight, "__file__", str(tmp_path / "a.py"))
    assert provenance.commit() == {"commit": None, "dirty": None}
    git("init", "-q")
    git("add", "a.py")
    git("commit", "-qm", "a")
    assert provenance.commit() == {"commit": git("rev-parse", "HEAD").strip(), "dirty": False}
    (tmp_path / "untracked").write_text("")
    assert not provenance.commit()["dirty"]
    (tmp_path / "a.py").write_text("x = 2\n")
    assert provenance.commit()["dirty"]


@pytest.mark.parametrize("changing", ["time", "commit", "dirty", "python"])
def test_the_committed_part_is_the_same_bytes_each_time(tmp_path, changing):
    for name in ("a.json", "b.json"):
        provenance.committed(tmp_path / name, "toy", "phantom", {"finetune_f": {2, 0, 1}}, "tradeoff/2_localization")
    row = json.loads((tmp_path / "a.json").read_text())
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert row["variants"] == {"finetune_f": [0, 1, 2]}
    assert changing not in row
