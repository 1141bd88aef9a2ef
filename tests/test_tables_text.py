"""Table 7 with known answers, read back from the CSV that is committed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from plainsight import published, tables, tables_text
from plainsight.workspace import open_workspace
from score_rows import LEVELS, joined, levels_like_the_paper

ROOT = Path(__file__).parents[1]
THEIRS = published.read(ROOT / "paper_tables", "tradeoff", 7)
ROWS = joined(levels_like_the_paper(seeds=(0,)))
TABLE = tables_text.beside_07(tables_text.table_07(tables_text.by_level(ROWS), 50), THEIRS)


def test_every_variant_of_the_table_has_a_recipe_that_differs_from_f_or_l_in_its_text_alone():
    variants = open_workspace("toy", ROOT).experiments.variants
    for name, (recipe, level) in tables_text.VARIANTS.items():
        same, base = (vars(variants[one]) | {"text": "", "seeds": None} for one in (name, recipe))
        assert same == base and variants[name].text == level
    assert len(tables_text.VARIANTS) == 8


def test_rows_are_named_by_recipe_and_by_level():
    rows = pd.DataFrame({"variant": ["finetune_l_labels", "finetune_f_pa", "finetune_f", "foundation"], "auc": 0.5})
    named = tables_text.by_level(rows)
    assert named[["variant", "level"]].to_numpy().tolist() == [["finetune_l", "labels"], ["finetune_f", "reports"]]
    assert tables_text.by_level(rows.head(0)).empty


def test_the_table_has_the_papers_order_and_averages_by_hand(tmp_path):
    tables.write_table(TABLE, tmp_path / "table_07.csv")
    back = pd.read_csv(tmp_path / "table_07.csv")
    whole = back[(back["finding"] == tables.WEIGHTED) & (back["metric"] == "auc")]
    assert whole[["level", "variant"]].drop_duplicates().to_numpy().tolist() == [
        [level, recipe] for level in LEVELS for recipe in ("finetune_l", "finetune_f")
    ]
    means = ROWS.groupby(["variant", "seed"])["auc"].mean()
    cell = whole.set_index(["level", "variant"])["value"]
    assert cell["labels", "finetune_f"] == pytest.approx(means["finetune_f_labels", 0], rel=1e-5)
    assert cell["reports", "finetune_l"] == pytest.approx(means["finetune_l"].mean(), rel=1e-5)
    seeds = whole.set_index(["level", "variant"])["seeds"]
    assert seeds["reports", "finetune_f"] == 3 and seeds["labels", "finetune_f"] == 1


def test_published_values_stand_beside_the_sample_weighted_cnr_alone():
    beside = TABLE.dropna(subset="published")
    assert set(beside["metric"]) == {"cnr"} and set(beside["finding"]) == {tables.WEIGHTED}
    found = beside.set_index(["level", "variant"])["published"].to_dict()
    expected = {"reports": (0.15, 0.95), "composed": (0.22, 0.42), "labels": (0.29, 0.80)}
    assert found == {
        (level, recipe): value
        for level, values in expected.items()
        for recipe, value in zip(("finetune_l", "finetune_f"), values, strict=True)
    }


def test_markdown_looks_like_the_papers_table():
    text = tables_text.markdown_07(TABLE, THEIRS, tables.Setting("toy", "phantom", "phantom"), 300)
    assert "of 300 in all" in text and "1 to 3 training seeds" in text
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    assert lines[0] == ["Training text", "Published as", "Variability", "Seeds"] + [
        f"{name}, {kind}" for name in ("Finetune_L", "Finetune_F") for kind in ("ours", "published")
    ]
    assert lines[2][:4] == ["whole reports", "impressions", "high", "3"] and lines[2][5::2] == ["0.15", "0.95"]
    assert lines[3][:4] == ["report sentences", "–", "–", "1"] and lines[3][5::2] == ["–", "–"]
    cell = TABLE.query("level == 'labels' and variant == 'finetune_f' and metric == 'cnr'")
    value = cell.loc[cell["finding"] == tables.WEIGHTED, "value"].item()
    assert lines[5][6].startswith(f"{np.round(value, 2):.2f} [")
