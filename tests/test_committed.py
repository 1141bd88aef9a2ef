"""The committed results: verdicts follow from the committed score rows."""

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
    tables_text,
    tradeoff,
    tradeoff_ablations,
    tradeoff_generation,
    tradeoff_in_domain,
    tradeoff_text,
    worlds,
)
from plainsight.workspace import Workspace, open_workspace

ROOT = Path(__file__).parents[1]
COMMITTED = sorted(path.parent for path in ROOT.glob("paper_tables/*/*/tradeoff/claims.csv"))


def read_published(*numbers: int) -> list[pd.DataFrame]:
    return [published.read(ROOT / "paper_tables", "tradeoff", number) for number in numbers]


PUBLISHED = read_published(1, 12)


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
    findings = worlds.placed(world)
    names = tables.one_to_one(worlds.NIH_TO_MSCXR) if world == "nih" else tables.same_names(findings)
    chosen = tradeoff.comparisons(*read_published(1, 12), names)
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
    findings = worlds.placed(world)

    def read(kind, variants):
        wanted = [generation_scores.Made(variant, seed) for variant in variants for seed in space.seeds(variant)]
        return generation_scores.read(path.parents[1], kind, wanted)

    halves = space.scale.bootstrap_resamples // 100
    recognised = tables_generation.auc_values(read("judged", tables.VARIANTS), findings, world, halves)
    values = tables_generation.distance_values(read("distances", tables.VARIANTS))
    paper = dict(zip((4, 5), read_published(4, 5), strict=True))
    general = space.scale.foundation_world
    chosen = tradeoff_generation.contrasts(paper[4], paper[5], world, general)
    everything = pd.concat([values, recognised], ignore_index=True)
    again = tradeoff_generation.judge_generation(chosen, everything, paper, scale, world, general)
    pd.testing.assert_frame_equal(again, claims.read(path), rtol=1e-5)

    ablated = path.with_name("claims_ablated_images.csv")
    if ablated.is_file():
        values = tables_generation.distance_values(read("distances", (*tables.VARIANTS[1:], *tables.ABLATIONS)))
        chosen = tradeoff_generation.ablation_contrasts(*read_published(4, 10), world, general)
        again = tradeoff_generation.judge_ablations(chosen, values, scale, world)
        pd.testing.assert_frame_equal(again, claims.read(ablated), rtol=1e-5)


def ablations(space: Workspace, scores: Path) -> tuple[list[tradeoff.Comparison], pd.DataFrame]:
    """Claims of Table 11 and the rows that decide them, as its notebook makes them."""
    rows = results.read(scores, results.runs(space, ("finetune_f", "finetune_l", *tables.ABLATIONS), ["boxes"]))
    views = tradeoff_ablations.by_view(rows, results.read_asked(scores)["ap"])
    return tradeoff_ablations.comparisons(*read_published(1, 11)), pd.concat([rows, views])


def text(space: Workspace, scores: Path) -> tuple[list[tradeoff.Comparison], pd.DataFrame]:
    """Claims of Table 7 and the rows that decide them, as its notebook makes them."""
    rows = results.read(scores, results.runs(space, [*tables_text.VARIANTS, "foundation"], ["boxes"]))
    rows = rows[rows["example_id"].map(results.read_asked(scores)["names_finding"]) == 1]
    levels = tables_text.by_level(rows)
    foundation = rows[rows["variant"] == "foundation"]
    return tradeoff_text.comparisons(*read_published(7)), pd.concat(
        [levels.assign(protocol=levels["level"]), foundation]
    )


@pytest.mark.parametrize(
    ("made", "notebook"), [(ablations, tradeoff_ablations.NOTEBOOK), (text, tradeoff_text.NOTEBOOK)]
)
def test_further_ledgers_follow_from_the_score_rows(folder, made, notebook):
    scale, world = folder.parts[-3:-1]
    path = folder / f"claims_{made.__name__}.csv"
    if not path.is_file():
        pytest.skip(f"{path.name} is not made for {world}, or not published yet")
    space = open_workspace(scale, ROOT)
    again = tradeoff.judge_all(*made(space, folder.parent), (), scale, world, space.scale.bootstrap_resamples, notebook)
    written = claims.read(path)
    assert again[["id", "verdict", "seeds_agreeing"]].equals(written[["id", "verdict", "seeds_agreeing"]])
    pd.testing.assert_frame_equal(again, written, rtol=1e-5)


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
