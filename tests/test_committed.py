"""The committed results: verdicts follow from the committed score rows, and the README says what they say."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from plainsight import (
    claims,
    generation_scores,
    published,
    results,
    tables,
    tables_generation,
    tradeoff,
    tradeoff_generation,
    tradeoff_in_domain,
    worlds,
)
from plainsight.workspace import open_workspace

ROOT = Path(__file__).parents[1]
COMMITTED = sorted(path.parent for path in ROOT.glob("paper_tables/*/*/tradeoff/claims.csv"))
PUBLISHED = [published.read(ROOT / "paper_tables", "tradeoff", number) for number in (1, 12)]


@pytest.fixture(params=COMMITTED, ids=lambda folder: "-".join(folder.parts[-3:-1]), scope="module")
def folder(request) -> Path:
    return request.param


@pytest.fixture(scope="module")
def rows(folder) -> pd.DataFrame:
    """Every committed score row that Table 1 and the claims are made from."""
    space = open_workspace(folder.parts[-3], ROOT)
    wanted = results.runs(space, tables.VARIANTS, space.experiments.protocols)
    here = [run for run in wanted if run.protocol != "curve" and not results.missing(folder.parent, [run])]
    return results.read(folder.parent, here)


def test_there_are_results_for_phantoms_and_radiographs():
    assert [folder.parts[-2] for folder in COMMITTED] == ["nih", "phantom"]


def test_the_ledger_follows_from_the_score_rows(folder, rows):
    scale, world = folder.parts[-3:-1]
    asked = results.read_asked(folder.parent)
    findings = [name for name in worlds.findings(world) if name != "No Finding"]
    names = tables.one_to_one(worlds.NIH_TO_MSCXR) if world == "nih" else tables.same_names(findings)
    chosen = tradeoff.comparisons(*PUBLISHED, names)
    resamples = open_workspace(scale, ROOT).scale.bootstrap_resamples
    several = set(asked.index[asked["n_boxes"] > 1])
    again = tradeoff.judge_all(chosen, rows, several, scale, world, resamples)
    written = claims.read(folder / "claims.csv")
    assert again[["id", "verdict", "seeds_agreeing"]].equals(written[["id", "verdict", "seeds_agreeing"]])
    pd.testing.assert_frame_equal(again, written, rtol=1e-5)


@pytest.mark.parametrize("path", sorted(ROOT.glob("paper_tables/*/*/tradeoff/claims_generation.csv")), ids=str)
def test_the_ledger_of_made_images_follows_from_the_score_rows(path):
    scale, world = path.parts[-4:-2]
    space = open_workspace(scale, ROOT)
    findings = [name for name in worlds.findings(world) if name != worlds.NO_FINDING]

    def read(kind, variants):
        wanted = [generation_scores.Made(variant, seed) for variant in variants for seed in space.seeds(variant)]
        return generation_scores.read(path.parents[1], kind, wanted)

    distances = read("distances", (*tables.VARIANTS, *tables.ABLATIONS))
    halves = space.scale.bootstrap_resamples // 100
    recognised = tables_generation.auc_values(read("judged", tables.VARIANTS), findings, world, halves)
    values = pd.concat([tables_generation.distance_values(distances), recognised], ignore_index=True)
    paper = {number: published.read(ROOT / "paper_tables", "tradeoff", number) for number in (4, 5, 10)}
    chosen = tradeoff_generation.contrasts(paper[4], paper[5], paper[10], world)
    again = tradeoff_generation.judge_generation(chosen, values, paper, scale, world)
    pd.testing.assert_frame_equal(again, claims.read(path), rtol=1e-5)


def test_effects_on_averages_are_differences_of_table_1(folder):
    table = pd.read_csv(folder / "table_01.csv")
    means = table[table["finding"] == tables.WEIGHTED].set_index(["variant", "metric"])["value"]
    ledger = claims.read(folder / "claims.csv").set_index("id")["effect"]
    for metric in ("auc", "top1", "cnr"):
        gap = means["finetune_f", metric] - means["finetune_l", metric]
        assert ledger[f"tradeoff_finetune_f_finetune_l_{metric}"] == pytest.approx(gap, abs=2e-5)


@pytest.mark.parametrize("path", sorted(ROOT.glob("paper_tables/*/*/tradeoff/table_02.csv")), ids=str)
def test_effects_in_domain_are_differences_of_table_2(path):
    table = pd.read_csv(path)
    table = table[table["reading"] == generation_scores.CORRECTED]
    cells = tradeoff_in_domain.at_moments(table).set_index(["variant", "protocol", "metric"])["value"]
    ledger = claims.read(path.with_name("claims_in_domain.csv")).set_index("id")["effect"]
    chosen = tradeoff_in_domain.comparisons(published.read(ROOT / "paper_tables", "tradeoff", 2))
    assert list(ledger.index) == [one.claim.id for one in chosen]
    for one in chosen:
        gap = cells[one.a, one.protocol, one.metric] - cells[one.b, one.protocol_b, one.metric]
        assert ledger[one.claim.id] == pytest.approx(gap, rel=1e-3, abs=2e-5)


def test_the_readme_says_what_the_ledger_says():
    said = claims.summary(claims.gather(ROOT / "paper_tables" / "toy"))
    assert said in " ".join((ROOT / "README.md").read_text(encoding="utf-8").replace("\n> ", " ").split())
