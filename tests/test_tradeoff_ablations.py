"""Claims about ablations on rows whose answer is known, read back through the CSV."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from plainsight import claims, published, tables, tradeoff, tradeoff_ablations
from plainsight.results import Run
from plainsight.statistics import bootstrap_mean
from score_rows import PHRASES, joined, runs_like_the_paper, score_rows

FOLDER = Path(__file__).parents[1] / "paper_tables"
PUBLISHED = [published.read(FOLDER, "tradeoff", number) for number in (1, 11)]
CHOSEN = tradeoff_ablations.comparisons(*PUBLISHED)
CHANGES = {
    "finetune_f_nouncond": -0.05,
    "finetune_l_nouncond": -0.05,
    "finetune_l_then_f": 0.01,
    "finetune_f_pa": -0.03,
}
"""AUC of an ablation less that of the model it departs from; CNR changes by four times that."""
AP = pd.Series({f"e{i:04d}": float(i // 2 % 2) for i in range(8 * PHRASES)})
"""Every other patient has AP films."""


def frames(seeds=(0, 1, 2), ablation_seeds=(0, 1, 2), on_ap: float = -0.06) -> dict[Run, pd.DataFrame]:
    """F and L as in the paper, and ablations of theirs; PA loses ``on_ap`` more on AP films."""
    found = {run: frame for run, frame in runs_like_the_paper(seeds).items() if run.protocol == "boxes"}
    for variant, change in CHANGES.items():
        for seed in ablation_seeds:
            base = found[Run(variant[: len("finetune_f")], seed, "boxes")]
            shift = change + on_ap * base["example_id"].map(AP) * (variant == "finetune_f_pa")
            top1 = (base["top1"] + 10 * shift * (np.arange(len(base)) % 3 == 0)).clip(0, 1)
            found[Run(variant, seed, "boxes")] = base.assign(
                auc=base["auc"] + shift, cnr=base["cnr"] + 4 * shift, top1=top1
            )
    return found


def judged(found: dict[Run, pd.DataFrame], folder: Path) -> pd.DataFrame:
    rows = joined(found)
    rows = pd.concat([rows, tradeoff_ablations.by_view(rows, AP)], ignore_index=True)
    ledger = tradeoff.judge_all(CHOSEN, rows, (), "toy", "phantom", 200, tradeoff_ablations.NOTEBOOK)
    tables.write_table(ledger, folder / "claims_ablations.csv")
    return claims.read(folder / "claims_ablations.csv").set_index("id")


def key(claim: str) -> str:
    return f"tradeoff_ablations_{claim}"


def test_a_world_like_the_papers(tmp_path):
    ledger = judged(frames(), tmp_path)
    assert len(ledger) == len(CHOSEN) == 15
    by_auc = ledger[ledger.index.str.endswith(("_auc", "_cnr"))]
    assert set(by_auc["verdict"]) == {"holds"} and set(ledger["notebook"]) == {tradeoff_ablations.NOTEBOOK}
    effect = ledger["effect"]
    assert effect[key("finetune_l_nouncond_auc")] == pytest.approx(-0.05, abs=1e-5)
    assert effect[key("finetune_f_pa_auc")] == pytest.approx(-0.03 - 0.06 / 2, abs=1e-5)
    assert effect[key("finetune_f_pa_on_ap_auc")] == pytest.approx(-0.06, abs=1e-5)
    assert effect[key("finetune_f_pa_on_ap_cnr")] == pytest.approx(-0.24, abs=1e-5)


def test_a_world_unlike_the_papers(tmp_path):
    found = frames(on_ap=0.1)
    for run in [run for run in found if run.variant == "finetune_l_then_f"]:
        found[run] = found[run].assign(auc=found[run]["auc"] + 0.2)
    verdicts = judged(found, tmp_path)["verdict"]
    assert verdicts[key("finetune_f_pa_on_ap_auc")] == "fails"
    assert verdicts[key("finetune_f_pa_auc")] == "fails"
    assert verdicts[key("finetune_l_then_f_auc")] == "fails"


def test_one_training_decides_nothing_and_is_compared_with_its_own_seed(tmp_path):
    ledger = judged(frames(ablation_seeds=(1,)), tmp_path)
    assert set(ledger["verdict"]) == {"inconclusive"} and set(ledger["seeds"]) == {1}
    # Against the mean of all three seeds of L, which lie 0.02 apart, the effect would be another.
    assert ledger.loc[key("finetune_l_nouncond_auc"), "effect"] == pytest.approx(-0.05, abs=1e-5)
    only = {run: frame for run, frame in frames().items() if run.variant in ("finetune_f", "finetune_l")}
    assert judged(only, tmp_path).empty


def test_published_effects_come_from_the_tables():
    effects = {one.claim.id: one.claim.published for one in CHOSEN}
    expected = {
        "finetune_f_nouncond_auc": 0.786 - 0.79,
        "finetune_l_nouncond_top1": 0.053 - 0.10,
        "finetune_l_then_f_auc": 0.521 - 0.54,
        "finetune_f_pa_top1": 0.325 - 0.45,
    }
    for claim, effect in expected.items():
        assert effects[key(claim)] == pytest.approx(effect)
    assert all(np.isnan(effects[one]) for one in effects if one.endswith("cnr") or "on_ap" in one)
    assert len(effects) == len(CHOSEN)


def test_every_published_effect_agrees_with_the_prose():
    for one in CHOSEN:
        claim = one.claim
        if not np.isnan(claim.published):
            inside = abs(claim.published) <= claim.margin if claim.direction == 0 else None
            assert inside or np.sign(claim.published) == claim.direction, claim.id


def test_what_is_noticeable_is_what_the_papers_trainings_differ_by():
    margins = {one.metric: one.claim.margin for one in CHOSEN if one.claim.direction == 0}
    assert margins == pytest.approx({"auc": 0.037, "top1": 0.074, "cnr": 0.12})


def test_views_are_told_apart_and_their_difference_is_a_macro_average():
    rows = joined({Run("finetune_f", 0, "boxes"): score_rows(0.6, 1, PHRASES)})
    rows.loc[rows["example_id"].map(AP) == 1, "auc"] += 0.25
    unknown = AP.where(AP.index != "e0000")
    views = tradeoff_ablations.by_view(pd.concat([rows, rows.assign(protocol="masks")]), unknown)
    halves = [views[views["protocol"] == name] for name in (tradeoff_ablations.AP, tradeoff_ablations.PA)]
    assert [len(half) for half in halves] == [80, 79]
    signed = views[views["protocol"] == tradeoff_ablations.AP_LESS_PA]
    assert len(views) == 2 * 159 and "e0000" not in set(views["example_id"])
    expected = halves[0]["auc"].mean() - halves[1]["auc"].mean()
    columns = {"average": "macro", "findings": signed["finding"].to_numpy(), "rng": np.random.default_rng(0)}
    found = bootstrap_mean(signed["auc"].to_numpy(), signed["patient"].to_numpy(), resamples=50, **columns)
    assert found.estimate == pytest.approx(expected) and found.low < expected < found.high
    assert tradeoff_ablations.by_view(rows, AP * 0).empty
