"""What notebooks.yaml names exists, so that a slip shows in a second and not in the middle of a run."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from plainsight import generation_scores, results
from plainsight.workspace import open_workspace

ROOT = Path(__file__).parents[2]
ENTRIES = yaml.safe_load((ROOT / "workflow" / "notebooks.yaml").read_text())
SCALES = sorted(path.stem for path in (ROOT / "workflow" / "scales").glob("*.yaml"))
KINDS = ("trained", "carried", "given", "pretrained")


@pytest.mark.parametrize("name", ENTRIES)
@pytest.mark.parametrize("scale", SCALES)
def test_every_score_file_a_notebook_reads_belongs_to_a_recipe_and_a_protocol(name, scale):
    space = open_workspace(scale, ROOT)
    for kind in KINDS:
        world = space.scale.foundation_world if kind == "pretrained" else space.scale.world
        for group in ENTRIES[name].get(kind, {}).get("scores", []):
            for run in results.runs(space, group["variants"], group["protocols"]):
                assert space.scores(world, *run).suffix == ".parquet"


@pytest.mark.parametrize("name", ENTRIES)
def test_every_image_a_notebook_reads_scores_of_belongs_to_a_recipe(name):
    space = open_workspace("toy", ROOT)
    for entry in ENTRIES[name].values():
        for group in entry.get("generated", []):
            assert set(group) <= {"variants", "kinds", "weights"}
            assert set(group["kinds"]) <= set(generation_scores.KINDS)
            assert set(group.get("weights", [])) <= {"first", "raw"}
            assert all(space.seeds(variant) for variant in group["variants"])


@pytest.mark.parametrize("name", ENTRIES)
def test_every_notebook_exists_and_says_what_it_makes_once(name):
    assert (ROOT / "notebooks" / f"{name}.py").is_file()
    assert set(ENTRIES[name]) <= set(KINDS)
    for entry in ENTRIES[name].values():
        assert set(entry) <= {"makes", "scores", "seeds", "models", "words", "generated"}
        assert len(set(entry["makes"])) == len(entry["makes"])


@pytest.mark.parametrize("kind", KINDS)
def test_two_notebooks_of_a_paper_never_make_the_same_file(kind):
    entries = {name: entry[kind] for name, entry in ENTRIES.items() if kind in entry}
    made = [f"{Path(name).parent}/{file}" for name, entry in entries.items() for file in entry["makes"]]
    assert len(set(made)) == len(made)


def test_every_notebook_of_a_paper_is_in_the_graph():
    papers = [path for path in (ROOT / "notebooks").glob("*/*.py") if path.parent.name != "steps"]
    # The ledger reads all worlds at once, the cost none; each has a rule of its own.
    assert {f"{path.parent.name}/{path.stem}" for path in papers} == {*ENTRIES, "beyond/1_ledger", "beyond/3_cost"}


@pytest.fixture(scope="module")
def plan():
    """Jobs by rule that a fresh checkout would run, for settings of the workflow."""

    @functools.cache
    def dry_run(*settings: str) -> dict[str, int]:
        call = [sys.executable, "-m", "snakemake", "--profile", "workflow/profiles/local", "--cores", "2", "--dry-run"]
        call += ["--forceall", "--nolock", "--quiet", "rules", "--config", *settings]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "lib")}
        found = subprocess.run(call, cwd=ROOT, env=environment, capture_output=True, text=True)
        assert found.returncode == 0, found.stderr
        lines = (line.split() for line in (found.stdout + found.stderr).splitlines())
        return {line[0]: int(line[1]) for line in lines if len(line) == 2 and line[1].isdigit()}

    return dry_run


def test_the_world_of_the_foundation_is_among_what_is_made_without_options(plan):
    assert {"tradeoff_2_localization_phantom", "tradeoff_7_in_domain_scenes"} <= set(plan("scale=smoke"))


def test_table_02_needs_the_foundations_world_alone(plan):
    jobs = plan("scale=smoke", "only=table_02")
    assert jobs["train"] == 2 and jobs["tradeoff_7_in_domain_scenes"] == 1
    assert {"ground_scenes_in_domain_f_masks_milestones", "ground_scenes_foundation_masks"} <= set(jobs)
    assert not [name for name in jobs if "phantom" in name]
    assert plan("scale=smoke", "only=table_02", "world=scenes") == jobs


def test_the_scale_of_the_papers_loads_its_foundation_and_makes_every_table(plan):
    jobs = plan("scale=paper", "data=somewhere")
    assert jobs["foundation"] == 1 and not {"autoencoder", "text_encoder"} & set(jobs)
    assert jobs["classifier"] == jobs["prepare"] == jobs["latents"] == 2
    # Three of F and L, one L of them in two parts, one of each variant of Tables 2, 7, 10 and 11.
    assert jobs["train"] == 6 + 1 + 2 + 4 + 4
    notebooks = {f"{name.replace('/', '_')}_ms_cxr" for name in ENTRIES if "given" in ENTRIES[name]}
    assert len(notebooks) == len(ENTRIES) - 1  # all but Table 2, which is about photographs
    assert notebooks | {"tradeoff_7_in_domain_coco", "cost"} <= set(jobs)
