"""What notebooks.yaml names exists, so that a slip shows in a second and not in the middle of a run."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from plainsight import results
from plainsight.workspace import open_workspace

ROOT = Path(__file__).parents[2]
ENTRIES = yaml.safe_load((ROOT / "workflow" / "notebooks.yaml").read_text())
KINDS = ("trained", "carried", "given")
SCALES = sorted(path.stem for path in (ROOT / "workflow" / "scales").glob("*.yaml"))


@pytest.mark.parametrize("name", ENTRIES)
@pytest.mark.parametrize("scale", SCALES)
def test_every_score_file_a_notebook_reads_belongs_to_a_recipe_and_a_protocol(name, scale):
    space = open_workspace(scale, ROOT)
    for kind in KINDS:
        for group in ENTRIES[name].get(kind, {}).get("scores", []):
            for run in results.runs(space, group["variants"], group["protocols"]):
                assert space.scores(space.scale.world, *run).suffix == ".parquet"


@pytest.mark.parametrize("name", ENTRIES)
def test_every_notebook_exists_and_says_what_it_makes_once(name):
    assert (ROOT / "notebooks" / f"{name}.py").is_file()
    assert set(ENTRIES[name]) <= set(KINDS)
    for entry in ENTRIES[name].values():
        assert set(entry) <= {"makes", "scores", "seeds", "models", "words"}
        assert len(set(entry["makes"])) == len(entry["makes"])


def test_two_notebooks_of_a_paper_never_make_the_same_file():
    made = [f"{Path(name).parent}/{file}" for name, entry in ENTRIES.items() for file in entry["trained"]["makes"]]
    assert len(set(made)) == len(made)


def test_every_notebook_of_a_paper_is_in_the_graph():
    # What reads all worlds at once (beyond/) has rules of its own.
    papers = [path for path in (ROOT / "notebooks").glob("*/*.py") if path.parent.name not in ("steps", "beyond")]
    assert {f"{path.parent.name}/{path.stem}" for path in papers} == set(ENTRIES)
