"""The whole graph at scale smoke, once; then a part of it again, killed in the middle and resumed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import psutil
import yaml

from smoke_run import PATIENCE, command, missing, until


def results(checkout):
    """Every CSV that the run made, by path: tables, claims, loss curves."""
    folder = checkout / "runs" / "smoke"
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.csv"))}


def test_the_whole_graph_makes_what_it_names(checkout, whole):
    assert whole.startswith("To be made at scale smoke")
    assert missing(checkout) == []
    assert (checkout / "runs" / "smoke" / "scenes" / "scores" / "foundation" / "seed0" / "masks.parquet").exists()
    assert not list((checkout / "runs").rglob("*.partial*"))


def test_what_the_first_look_needs_comes_before_all_else(checkout, whole):
    lines = [line for line in whole.splitlines() if line.startswith("started")]
    for variant in ("finetune_f", "finetune_l"):
        training = f"train/{variant}_seed0"
        awaited = (f"{training}_first_look", f"ground/{variant}_seed0_first_look", "1_first_look", "words/")
        names = (*awaited, "train/finetune_l_labels")
        order = [next(i for i, line in enumerate(lines) if name in line) for name in names]
        assert order == sorted(order)
        assert next(i for i, line in enumerate(lines) if f"{training}.ipynb" in line) > order[0]


def test_a_training_in_two_parts_is_the_training_in_one(checkout, whole):
    """The weights that both keep of the last step of the first part; the second began where it ended."""
    for variant, parts in (("finetune_f", 1), ("finetune_l", 2)):
        seed = checkout / "runs" / "smoke" / "phantom" / "models" / variant / "seed0"
        first, both = (Path(f"{seed}{part}") / "milestones" / "step2" for part in ("_first_look", ""))
        weights = list(first.rglob("*.safetensors"))
        assert len(weights) == parts
        for path in weights:
            assert path.read_bytes() == (both / path.relative_to(first)).read_bytes()


def test_nothing_of_smoke_is_published(checkout, whole):
    assert sorted(path.name for path in (checkout / "paper_tables").iterdir()) == ["published"]


def test_a_second_run_has_nothing_to_do(checkout, whole):
    result = subprocess.run(**command(checkout, "--dry-run"), timeout=PATIENCE)
    assert "Nothing is left to be made at scale smoke." in result.stdout, result.stdout


def test_killed_in_the_middle_and_run_again_the_tables_are_the_same(checkout, whole):
    before = results(checkout)
    phantom = checkout / "runs" / "smoke" / "phantom"
    kept = {path: path.stat().st_mtime_ns for path in phantom.glob("models/finetune_f*/seed0/run.json")}
    shutil.rmtree(phantom / "models" / "finetune_l")
    protocols = yaml.safe_load((checkout / "workflow" / "experiments.yaml").read_text())["protocols"]
    for path in (phantom / "scores" / "finetune_l" / "seed0").iterdir():
        if path.stem in protocols:
            path.unlink()
    entries = yaml.safe_load((checkout / "workflow" / "notebooks.yaml").read_text())
    for name in entries["tradeoff/2_localization"]["trained"]["makes"]:
        (phantom / "tradeoff" / name).unlink()
    headline = command(checkout, "--only", "2_localization")

    process = subprocess.Popen(**headline)
    running = checkout / "runs" / ".running"
    assert until(lambda: running.read_text().split()[0] == str(process.pid), process)
    second = subprocess.run(**command(checkout), timeout=PATIENCE)
    assert second.returncode == 2 and f"another run is under way (process {process.pid})" in second.stdout

    def checkpoints():
        return list((checkout / "runs" / "smoke" / "checkpoints").glob("phantom-finetune_l-seed0-*.pt"))

    assert until(checkpoints, process)
    tree = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for member in tree:
        member.kill()
    psutil.wait_procs(tree, timeout=30)
    process.communicate()

    assert checkpoints() and not (phantom / "models" / "finetune_l" / "seed0" / "run.json").exists()
    assert list((checkout / ".snakemake" / "locks").iterdir())
    assert not (phantom / "tradeoff" / "claims.csv").exists()
    result = subprocess.run(**headline, timeout=PATIENCE)
    assert result.returncode == 0, result.stdout[-5000:]
    after = results(checkout)
    assert after.keys() == before.keys() and len(after) > 3
    assert [name for name in before if after[name] != before[name]] == []
    assert {path: path.stat().st_mtime_ns for path in kept} == kept and kept
    assert not checkpoints()


def test_score_rows_alone_give_the_same_tables_and_no_training(checkout, whole):
    made, committed = checkout / "runs" / "smoke", checkout / "paper_tables" / "smoke"
    places = [path.parent for path in sorted(made.glob("*/*/claims*.csv"))]
    places = {path.relative_to(made) for path in places} | {Path(world, "scores") for world in ("phantom", "scenes")}
    for place in places:
        shutil.copytree(made / place, committed / place)
    try:
        result = subprocess.run(**command(checkout, "--from", "scores"), timeout=PATIENCE)
    finally:
        shutil.rmtree(committed)
    assert result.returncode == 0, result.stdout[-5000:]
    assert "steps/" not in result.stdout
    runs = checkout / "runs" / "from_scores" / "runs" / "smoke"
    for place in ("phantom/tradeoff", "phantom/beyond", "scenes/tradeoff"):
        assert f"paper_tables/smoke/{place}: reproduced" in result.stdout
        tables = {path.name: path.read_bytes() for path in (made / place).glob("*.csv")}
        assert {path.name: path.read_bytes() for path in (runs / place).glob("*.csv")} == tables
        assert [name for name in tables if name.startswith("claims")]
    assert all((runs / "notebooks" / "beyond" / f"{name}.ipynb").exists() for name in ("1_ledger", "3_cost"))
