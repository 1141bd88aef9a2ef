"""Claims about the training text on rows whose answer is known, read back through the CSV."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from plainsight import claims, published, tables, tables_text, tradeoff, tradeoff_text
from plainsight.results import Run
from score_rows import joined, levels_like_the_paper

FOLDER = Path(__file__).parents[1] / "paper_tables"
CHOSEN = tradeoff_text.comparisons(published.read(FOLDER, "tradeoff", 7))


def judged(frames: dict[Run, pd.DataFrame], folder: Path) -> pd.DataFrame:
    rows = joined(frames)
    levels = tables_text.by_level(rows)
    everything = pd.concat([levels.assign(protocol=levels["level"]), rows[rows["variant"] == "foundation"]])
    ledger = tradeoff.judge_all(CHOSEN, everything, (), "toy", "phantom", 200, tradeoff_text.NOTEBOOK)
    tables.write_table(ledger, folder / "claims_text.csv")
    return claims.read(folder / "claims_text.csv").set_index("id")


def test_a_world_like_the_papers(tmp_path):
    frames = levels_like_the_paper()
    ledger = judged(frames, tmp_path)
    assert set(ledger["verdict"]) == {"holds"} and len(ledger) == len(CHOSEN) == 13
    mean = joined(frames).groupby("variant")["cnr"].mean()
    effect = ledger["effect"]
    gap = mean["finetune_f_labels"] - mean["finetune_l_labels"]
    assert effect["tradeoff_text_f_l_labels"] == pytest.approx(gap, rel=1e-4)
    fails = mean["finetune_l"] - frames[Run("foundation", 0, "boxes")]["cnr"].mean()
    assert effect["tradeoff_text_l_fails_reports"] == pytest.approx(fails, rel=1e-4)


def test_another_world_gives_other_verdicts(tmp_path):
    """L above F and above the foundation, and F best on class names."""
    swap = {"finetune_f": "finetune_l", "finetune_l": "finetune_f"}
    frames = {}
    for run, frame in levels_like_the_paper().items():
        recipe, level = tables_text.VARIANTS.get(run.variant, (run.variant, ""))
        other = swap.get(recipe, recipe)
        variant = other if level in ("", "reports") else f"{other}_{level}"
        frames[run._replace(variant=variant)] = frame
    verdicts = judged(frames, tmp_path)["verdict"]
    for claim in ("f_l_reports", "f_l_labels", "l_fails_composed", "finetune_f_reports_labels"):
        assert verdicts[f"tradeoff_text_{claim}"] == "fails"
    assert verdicts["tradeoff_text_finetune_l_composed_reports"] == "fails"


def test_levels_that_were_trained_once_are_open_and_compared_at_the_seed_both_have(tmp_path):
    frames = levels_like_the_paper(seeds=(0,))
    ledger = judged(frames, tmp_path)
    decided = ledger[ledger["seeds"] > 1]
    assert sorted(decided.index) == ["tradeoff_text_f_l_reports", "tradeoff_text_l_fails_reports"]
    assert set(decided["verdict"]) == {"holds"}
    assert set(ledger.loc[ledger["seeds"] == 1, "verdict"]) == {"inconclusive"} and len(ledger) == 13
    first = [frames[Run(variant, 0, "boxes")]["cnr"].mean() for variant in ("finetune_f", "finetune_f_labels")]
    effect = ledger.loc["tradeoff_text_finetune_f_reports_labels", "effect"]
    assert effect == pytest.approx(first[0] - first[1], rel=1e-4)


def test_published_effects_come_from_the_table_and_agree_with_the_claims():
    effects = {one.claim.id.removeprefix("tradeoff_text_"): one.claim.published for one in CHOSEN}
    expected = {"f_l_reports": 0.95 - 0.15, "f_l_composed": 0.42 - 0.22, "f_l_labels": 0.80 - 0.29}
    expected |= {"finetune_f_reports_labels": 0.15, "finetune_f_reports_composed": 0.53}
    expected |= {"finetune_f_labels_composed": 0.38}
    expected |= {"finetune_l_labels_composed": 0.07, "finetune_l_composed_reports": 0.07}
    assert {key: value for key, value in effects.items() if not np.isnan(value)} == pytest.approx(expected)
    assert len(effects) == len(CHOSEN)


def test_the_level_that_the_paper_lacks_is_marked():
    places = {one.claim.id: one.claim.place for one in CHOSEN}
    beyond = {claim for claim, place in places.items() if place == "Table 7, beyond the paper"}
    assert beyond == {"tradeoff_text_f_l_sentences", "tradeoff_text_l_fails_sentences"}
    assert set(places.values()) == {"Table 7", "Table 7, beyond the paper"}
