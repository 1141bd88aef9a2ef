"""What a scale needs that is not made here: the list of it, before anything slow starts."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from coco_tree import write_coco
from mimic_tree import write_counts, write_tree
from plainsight import features, needs
from plainsight.workspace import open_workspace

ROOT = Path(__file__).parents[1]
PAPER, TOY = (open_workspace(name, ROOT).scale for name in ("paper", "toy"))


@pytest.fixture(autouse=True)
def checkout(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize(
    ("scale", "world", "data", "expected"),
    [
        (TOY, "", "", []),
        (TOY, "", "x", ["nih"]),
        (TOY, "phantom", "x", []),
        (TOY, "ms_cxr", "", ["ms_cxr"]),
        (PAPER, "", "", ["ms_cxr", "coco"]),
        (PAPER, "coco", "x", ["coco"]),
        (PAPER, "ms_cxr", "x", ["ms_cxr", "coco"]),
    ],
)
def test_the_worlds_of_a_run_whose_images_are_given(scale, world, data, expected):
    assert needs.given_worlds(scale, world, data) == expected


def test_the_scale_of_the_papers_says_within_ten_seconds_what_to_get_and_where():
    call = [sys.executable, "-m", "plainsight.needs", "paper", "", ""]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "lib")}
    result = subprocess.run(call, cwd=ROOT, env=environment, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 10
    assert result.returncode == 2 and result.stdout == ""
    for text in (
        "give it as --data DIR",
        "ms_cxr/: MS-CXR",
        "mimic_cxr_jpg/: MIMIC-CXR-JPG",
        "mimic_cxr_reports/: ",
        "credentialed: PhysioNet account",
        "https://physionet.org/content/mimic-cxr-jpg/",
        "plainsight data fetch coco_2017 --data DIR",
        f"weights/{PAPER.pretrained.repo}/, at revision {PAPER.pretrained.revision}",
        "data_manifests/mimic_cxr_reports/README.md",
    ):
        assert text in result.stderr
    readmes = [line.rsplit(" ", 1)[1] for line in result.stderr.splitlines() if line.endswith("README.md")]
    assert len(readmes) == 5 and all((ROOT / path).is_file() for path in readmes)


def write_both(folder: Path) -> None:
    """Validation and training set of MS-COCO."""
    for part in ("val", "train"):
        write_coco(folder, part)
    write_counts(folder, {"val images": 2, "train images": 2, "classes": 3})


def test_what_is_there_passes_and_what_is_missing_is_one_line(tmp_path, capsys):
    data = write_tree(tmp_path / "data")
    assert needs.main(["paper", str(data)]) == 2
    error = capsys.readouterr().err
    assert "holds no folder coco_2017; see data_manifests/coco_2017/README.md" in error and error.count("\n") == 1
    write_both(data / "coco_2017")
    assert needs.main(["paper", str(data)]) == 0
    (data / "coco_2017" / "val2017" / "000000000001.jpg").unlink()
    assert needs.main(["paper", str(data), "ms_cxr"]) == 2
    assert "1 of 2 images of val2017 are missing" in capsys.readouterr().err


def test_published_weights_are_had_before_anything_is_submitted(tmp_path, capsys, monkeypatch):
    data = write_tree(tmp_path / "data")
    write_both(data / "coco_2017")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert needs.main(["paper", str(data), "", "fetch"]) == 2
    assert f"{PAPER.pretrained.repo} at revision" in capsys.readouterr().err
    (data / "weights" / PAPER.pretrained.repo).mkdir(parents=True)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    assert needs.main(["paper", str(data), "", "fetch"]) == 2
    assert features.PUBLISHED[features.INCEPTION_WEIGHTS].url in capsys.readouterr().err
    monkeypatch.setattr("plainsight.hub.fetch_file", lambda file, mirror: mirror / file.name)
    assert needs.main(["paper", str(data), "", "fetch"]) == 0
