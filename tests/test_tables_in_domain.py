"""Table 2 with known answers, read back from the CSV that is committed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import in_domain_rows
from in_domain_rows import ENDS, FID, RECIPES
from plainsight import generation_scores, published, results, tables
from plainsight import tables_in_domain as in_domain

FOLDER = Path(__file__).parents[1] / "paper_tables"
PAPER = published.read(FOLDER, "tradeoff", 2)
SETTING = tables.Setting("toy", "scenes", "scenes")
RAW = [generation_scores.Made(name, 0) for name in FID]
EARLY = [generation_scores.Made(name, 0, "step10") for name in RECIPES]


@pytest.fixture(scope="module")
def rows(tmp_path_factory) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score rows of either kind, through their files."""
    folder = tmp_path_factory.mktemp("rows")
    in_domain_rows.write(folder)
    localised = results.read(folder, list(in_domain_rows.localised()))
    images = generation_scores.read(folder, "distances", [*RAW, *EARLY])
    return in_domain.by_steps(localised, RECIPES, ENDS), in_domain.by_steps(images, RECIPES, ENDS)


@pytest.fixture(scope="module")
def table(rows, tmp_path_factory) -> pd.DataFrame:
    path = tmp_path_factory.mktemp("table") / "table_02.csv"
    tables.write_table(in_domain.beside_02(in_domain.table_02(*rows, 50), PAPER), path)
    return pd.read_csv(path)


def cell(table: pd.DataFrame, variant: str, steps: int, metric: str, reading: str = "corrected") -> pd.Series:
    keys = {"variant": variant, "steps": steps, "metric": metric, "reading": reading}
    found = table[np.logical_and.reduce([table[name] == key for name, key in keys.items()])]
    assert len(found) == 1
    return found.iloc[0]


def test_the_table_holds_every_step_that_was_scored_in_the_papers_order(table):
    expected = [("foundation", 0), *((name, step) for name in ("finetune_l", "finetune_f") for step in (10, 40, 80))]
    assert list(table[["variant", "steps"]].drop_duplicates().itertuples(index=False, name=None)) == expected
    made = table[(table["metric"] == "fid") & (table["reading"] == "as_published")]
    assert made["steps"].tolist() == [0, 10, 80, 10, 80]
    assert (table.loc[table["metric"] != "auc", "extractor"] == "scenes").all()


def test_values_are_means_of_phrases_and_distances_of_all_images(rows, table):
    localised, _ = rows
    mine = localised[(localised["variant"] == "finetune_l") & (localised["steps"] == 40)]
    assert cell(table, "finetune_l", 40, "auc")["value"] == pytest.approx(mine["auc"].mean(), rel=1e-5)
    assert cell(table, "finetune_l", 40, "auc")[["n", "patients", "seeds"]].tolist() == [80, 40, 1]
    fid = cell(table, "finetune_f", 80, "fid")
    noise = in_domain_rows.made()[generation_scores.Made("in_domain_f", 0)]
    fids = (noise["half"] >= 0) & (noise["reading"] == "corrected") & (noise["metric"] == "fid")
    spread = noise.loc[fids, "value"].std()
    assert fid["value"] == FID["in_domain_f"][80] and fid[["n", "n_real", "features"]].tolist() == [35, 30, 8]
    assert cell(table, "finetune_f", 80, "fid", "as_published")["value"] == 2 * fid["value"]
    assert (fid["low"], fid["high"]) == pytest.approx((19 - 1.959964 * spread, 19 + 1.959964 * spread), rel=1e-4)


def test_published_values_stand_at_the_low_and_the_high_number_of_steps(table):
    assert cell(table, "foundation", 0, "fid")[["published_steps", "published"]].tolist() == [0, 26.1]
    assert cell(table, "finetune_l", 10, "auc")[["published_steps", "published"]].tolist() == [10_000, 0.79]
    assert cell(table, "finetune_f", 80, "fid")[["published_steps", "published"]].tolist() == [150_000, 19.4]
    assert table.loc[table["steps"] == 40, ["published_steps", "published"]].isna().all().all()
    assert table["published"].notna().sum() == len(PAPER)
    assert table.loc[table["reading"] == "as_published", "published"].isna().all()


def test_markdown_shows_the_papers_five_rows(rows):
    table = in_domain.beside_02(in_domain.table_02(*rows, 50), PAPER)
    heading = in_domain.caption_02(table, SETTING)
    text = in_domain.markdown_02(table, heading)
    assert "80 phrases of 40 scenes" in text and "35 made images and 30 real ones" in text and "**scenes**" in text
    block, other = text.split("### Beyond the paper")
    lines = [[part.strip() for part in line.strip("|").split("|")] for line in block.splitlines() if line[:1] == "|"]
    assert [line[:4] for line in lines[2:]] == [
        ["Foundation", "0", "0", "–"],
        ["Finetune_L", "10", "10000", "no"],
        ["Finetune_L", "80", "150000", "no"],
        ["Finetune_F", "10", "10000", "yes"],
        ["Finetune_F", "80", "150000", "yes"],
    ]
    assert [line[5] for line in lines[2:]] == ["26.1", "29.5", "25.0", "25.8 †", "19.4 †"]
    assert [line for line in other.splitlines() if line.startswith("| Finetune_L | 80") and "| 50.0 [" in line]
    assert "FID ↓, code" in other and "KID ↓" in other
    assert lines[3][7] == "79.0" and lines[3][6].startswith(
        f"{100 * cell(table, 'finetune_l', 10, 'auc')['value']:.1f} ["
    )


def test_two_kept_steps_are_the_low_and_the_high_one():
    assert in_domain.moments(pd.Series([0, 2, 8])).tolist() == ["start", "low", "high"]
    assert in_domain.moments(pd.Series([0, 200, 400, 1600])).isna().tolist() == [False, False, True, False]
