"""The scale of the papers from end to end on invented data in the layouts of the real ones: MIMIC-CXR, MS-CXR, MS-COCO.

The graph, the readers, the notebooks and the publication are those of ``paper``; its numbers, its weights and its
judges are small ones. The first picture is made in every run of the tests, all else in the slow ones. Every report,
sentence, number and picture is invented, and recognisable.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
from pathlib import Path

import nbformat
import pandas as pd
import pytest
import yaml

from coco_tree import write_coco
from mimic_tree import Box, Film, write_counts, write_tree
from plainsight import features, words
from recognisable import rare, readable
from small_judges import write_judges
from smoke_run import PATIENCE, ROOT, clone, command

SCALE = "small_paper"
REPO = "somebody/tiny-diffusion"
FINDINGS = ("Atelectasis", "Edema", "Pneumonia")
SIZES = ((60, 72), (90, 60), (64, 64))
ASKED, LEARNING, MADE_FROM = 18, 24, 9
PHOTOGRAPHS = 4
LIKE_PAPER = {
    "seeds": [0],
    "threads": 1,
    "urgent_threads": 1,
    "resolution": 64,
    "bootstrap_resamples": 200,
    "pretrained": {"repo": REPO, "revision": "main"},
    "worlds": {
        "ms_cxr": {"train": LEARNING, "validation": 0, "grounding": 0, "generation": MADE_FROM},
        "coco": {"train": PHOTOGRAPHS, "validation": 0, "grounding": 0, "generation": PHOTOGRAPHS},
    },
    "sizes": {
        "finetune_l_then_f": {"steps": 1},
        "in_domain_f": {"steps": 15, "batch_size": 2},
        "in_domain_l": {"steps": 15, "batch_size": 2},
    },
}
"""What is not as in ``paper.yaml``, beside the numbers of steps and the batches."""


def film(number: int, folder: int) -> Film:
    finding = FINDINGS[number % len(FINDINGS)]
    impression = f"{finding} abutting {rare(number)}."
    view, size = ("PA", "AP")[number // 2 % 2], SIZES[number % len(SIZES)]
    return Film(folder * 1_000_000 + number, 50_000_200 + number, view, (finding,), impression, size=size)


FILMS = [film(n, 10 if n < ASKED + LEARNING else 19) for n in range(ASKED + LEARNING + MADE_FROM)]
PHRASES = {one: f"left {one.labels[0].lower()} alongside {rare(n)}" for n, one in enumerate(FILMS[:ASKED])}
OUTSIDE = FILMS[1]
"""Its box lies where the square that models see has been cut from the film."""
SECRETS = {
    *(str(number) for one in FILMS for number in (one.patient, one.study, one.dicom)),
    *(rare(number) for number in range(len(FILMS))),
    *(f"{name.lower()} abutting" for name in FINDINGS),
    *(f"left {name.lower()} alongside" for name in FINDINGS),
}


def write_data(folder: Path, tiny_model_dir: Path) -> dict[str, str]:
    """All that ``--data`` holds for this scale; the SHA-256 of each judge."""
    places = [(12 + n % 5, 14 + n % 7, 20 + n % 4, 22) for n in range(ASKED)]
    boxes = [Box(one, one.labels[0], text, at) for (one, text), at in zip(PHRASES.items(), places, strict=True)]
    boxes = [dataclasses.replace(box, box=(2, 20, 10, 12)) if box.film == OUTSIDE else box for box in boxes]
    write_tree(folder, FILMS, boxes)
    counted = ("boxes", "images", "patients", "phrases", "unions", "merged")
    write_counts(folder / "ms_cxr", dict.fromkeys(counted, len(boxes)))
    photographs = folder / "coco_2017"
    for part in ("val", "train"):
        write_coco(photographs, part, PHOTOGRAPHS)
    write_counts(photographs, {"val images": PHOTOGRAPHS, "train images": PHOTOGRAPHS, "classes": 3})
    shutil.copytree(tiny_model_dir, folder / "weights" / REPO)
    return write_judges(folder / "weights")[1]


def write_scale(checkout: Path) -> None:
    """``paper.yaml`` with small numbers, as a scale of its own."""
    scales = checkout / "workflow" / "scales"
    settings = yaml.safe_load((scales / "paper.yaml").read_text()) | LIKE_PAPER | {"name": SCALE}
    settings["denoising"] |= {"batch_size": 4, "device_batch": 2, "steps": 3, "checkpoint_every": 2}
    settings["grounding"] = {"num_inference_steps": 4, "last_n": 3, "batch_size": 64}
    settings["generation"] = {"num_inference_steps": 3, "guidance_scale": 4.0, "batch_size": 8}
    (scales / f"{SCALE}.yaml").write_text(yaml.safe_dump(settings))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, tiny_model_dir) -> Path:
    """A checkout with the scale, the data, and judges whose checksums are those that it knows."""
    checkout = clone(tmp_path_factory.mktemp("clone"))
    shutil.copytree(ROOT / "data_manifests", checkout / "data_manifests")
    write_scale(checkout)
    judges = write_data(checkout / "data", tiny_model_dir)
    pinned = checkout / "lib" / "plainsight" / "features.py"
    for name, checksum in judges.items():
        pinned.write_text(pinned.read_text().replace(features.PUBLISHED[name].sha256, checksum))
    return checkout


def run(checkout: Path, *options: str) -> str:
    """What ./run_all.sh says at this scale; it must have ended well."""
    call = command(checkout, "--scale", SCALE, "--data", str(checkout / "data"), *options)
    result = subprocess.run(**call, timeout=PATIENCE)
    assert result.returncode == 0, result.stdout[-8000:]
    return result.stdout


def secrets_in(text: str) -> list[str]:
    return [secret for secret in SECRETS if secret in text.lower()]


def leaking_logs(checkout: Path) -> list[Path]:
    """The logs of notebooks and of Snakemake, whatever of them is there, that hold something recognisable."""
    logs = [*(checkout / "runs").rglob("*.log"), *(checkout / ".snakemake" / "log").iterdir()]
    assert any(path.stat().st_size for path in logs)
    return [path for path in logs if secrets_in(path.read_text())]


def test_the_first_picture_of_the_papers_own_data_and_weights(prepared):
    said = run(prepared, "--only", "1_first_look")
    made = prepared / "runs" / SCALE
    records = {path.parents[1].name: json.loads(path.read_text()) for path in made.glob("*/models/*/seed0/run.json")}
    assert set(records) == {"foundation", "finetune_f"} and records["foundation"]["measured"]["repo"] == REPO
    assert records["finetune_f"]["measured"]["train_images"] == LEARNING
    asked = pd.read_parquet(made / "ms_cxr" / "scores" / "finetune_l" / "seed0" / "first_look.parquet")
    assert len(asked) == ASKED and asked["auc"].isna().sum() == 1  # of the box that the crop leaves out
    examples = (made / "ms_cxr" / "examples.parquet").read_bytes()
    assert b"abutting" in examples and not secrets_in(said)
    for picture in (made / "ms_cxr" / "tradeoff").iterdir():
        assert picture.stem == "figure_first_look" and not secrets_in(readable(picture))
    assert not leaking_logs(prepared)


@pytest.fixture(scope="module")
def ran(prepared) -> tuple[Path, str]:
    """The checkout after the whole run, and everything that was said."""
    return prepared, run(prepared)


@pytest.mark.slow
def test_every_notebook_made_what_it_names(ran):
    checkout, _ = ran
    entries = yaml.safe_load((checkout / "workflow" / "notebooks.yaml").read_text())
    for name, entry in entries.items():
        kind, world = ("pretrained", "coco") if "pretrained" in entry else ("given", "ms_cxr")
        folder = checkout / "runs" / SCALE / world
        for made in entry[kind]["makes"]:
            assert (folder / Path(name).parent / made).stat().st_size, made
        cells = nbformat.read(folder / "notebooks" / f"{name}.ipynb", 4).cells
        assert all(cell.execution_count for cell in cells if cell.cell_type == "code"), name


@pytest.mark.slow
def test_a_target_that_the_crop_leaves_out_is_left_out_and_counted(ran):
    checkout, _ = ran
    tables = checkout / "paper_tables" / SCALE / "ms_cxr" / "tradeoff"
    finding = OUTSIDE.labels[0]
    table = pd.read_csv(tables / "table_01.csv")
    shown = table[table["finding"] == finding]
    assert not shown.empty and (shown["n"] == len(PHRASES) / len(FINDINGS) - 1).all()


@pytest.mark.slow
def test_nothing_of_a_patient_is_published_or_said(ran):
    checkout, said = ran
    tables = checkout / "paper_tables" / SCALE
    files = [path for path in tables.rglob("*") if path.is_file()]
    assert {path.parent.relative_to(tables).as_posix() for path in files} >= {"ms_cxr/tradeoff", "coco/tradeoff"}
    assert not list(tables.rglob("*.parquet"))
    for path in files:
        assert not secrets_in(readable(path)), path
    assert not secrets_in(said) and not leaking_logs(checkout)
    words_told = pd.read_csv(tables / "ms_cxr" / "tradeoff" / "table_06.csv")
    assert (words_told["patients"] >= words.MIN_PATIENTS).all()


@pytest.mark.slow
def test_a_second_run_has_nothing_to_do(ran):
    checkout, _ = ran
    assert f"Nothing is left to be made at scale {SCALE}." in run(checkout, "--dry-run")
