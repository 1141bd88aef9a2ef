"""Claims of Table 2 on rows whose answer is known, read back through the CSV."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import in_domain_rows
from in_domain_rows import AUC, ENDS, FID, RECIPES
from plainsight import claims, published, tables, tradeoff_in_domain
from plainsight import tables_in_domain as in_domain
from score_rows import joined

PAPER = published.read(Path(__file__).parents[1] / "paper_tables", "tradeoff", 2)
CHOSEN = tradeoff_in_domain.comparisons(PAPER)
F_L_LOW, L_FIRST = "auc_finetune_f_low_finetune_l_low", "fid_finetune_l_low_foundation_start"


def localised() -> pd.DataFrame:
    return in_domain.by_steps(joined(in_domain_rows.localised()), RECIPES, ENDS)


def images() -> pd.DataFrame:
    rows = [frame.assign(**name._asdict()) for name, frame in in_domain_rows.made().items()]
    return in_domain.by_steps(pd.concat(rows, ignore_index=True), RECIPES, ENDS)


def seeds(rows: pd.DataFrame, count: int) -> pd.DataFrame:
    """The same rows as if trained so often; the foundation stays what it is."""
    trained = rows[rows["variant"] != "foundation"]
    more = [trained.assign(seed=seed) for seed in range(1, count)]
    return pd.concat([rows, *more], ignore_index=True)


def judged(folder: Path, rows: pd.DataFrame, made: pd.DataFrame) -> pd.DataFrame:
    ledger = tradeoff_in_domain.judge_in_domain(CHOSEN, rows, made, "toy", "scenes", 200)
    tables.write_table(ledger, folder / "claims_in_domain.csv")
    return claims.read(folder / "claims_in_domain.csv").set_index("id")


def test_one_training_leaves_every_claim_open_and_says_which_way_it_points(tmp_path):
    ledger = judged(tmp_path, localised(), images())
    assert len(ledger) == len(CHOSEN) == 15 and set(ledger["verdict"]) == {"inconclusive"}
    assert (ledger["seeds"] == 1).all() and (ledger["seeds_agreeing"] == 1).all()
    assert (ledger["notebook"] == tradeoff_in_domain.NOTEBOOK).all()


def test_with_more_trainings_a_world_like_the_papers_holds(tmp_path):
    ledger = judged(tmp_path, seeds(localised(), 2), seeds(images(), 2))
    assert set(ledger["verdict"]) == {"holds"}


def test_the_other_world_fails(tmp_path):
    """Exchanging F and L turns every comparison of the two at one moment."""
    swap = {"finetune_f": "finetune_l", "finetune_l": "finetune_f"}
    rows, made = (seeds(frame, 2).replace({"variant": swap}) for frame in (localised(), images()))
    verdicts = judged(tmp_path, rows, made)["verdict"]
    for key in (F_L_LOW, F_L_LOW.replace("low", "high"), "fid_finetune_f_low_finetune_l_low", L_FIRST):
        assert verdicts[f"tradeoff_in_domain_{key}"] == "fails"
    assert verdicts["tradeoff_in_domain_auc_foundation_start_finetune_f_low"] == "holds"


def test_effects_are_differences_of_means_and_of_distances(tmp_path):
    effect = judged(tmp_path, localised(), images())["effect"]
    rows = localised()
    mean = rows.groupby(["variant", "steps"])["auc"].mean()
    expected = mean["finetune_f", 10] - mean["finetune_l", 10]
    assert effect[f"tradeoff_in_domain_{F_L_LOW}"] == pytest.approx(expected, rel=1e-5)
    assert effect[f"tradeoff_in_domain_{L_FIRST}"] == FID["in_domain_l"][10] - FID["foundation"][0]
    assert AUC["in_domain_f"][10] > AUC["in_domain_l"][10]


def test_published_effects_come_from_the_table_and_have_the_claimed_sign():
    effects = {one.claim.id.removeprefix("tradeoff_in_domain_"): one.claim.published for one in CHOSEN}
    assert effects[F_L_LOW] == pytest.approx(0.913 - 0.79)
    assert effects["auc_foundation_start_finetune_f_high"] == pytest.approx(0.918 - 0.915)
    assert effects["fid_finetune_f_low_foundation_start"] == pytest.approx(25.8 - 26.1)
    assert effects["fid_finetune_f_high_finetune_l_high"] == pytest.approx(19.4 - 25.0)
    for one in CHOSEN:
        assert np.sign(one.claim.published) == one.claim.direction, one.claim.id
    assert len({one.claim.id for one in CHOSEN}) == len(CHOSEN)
