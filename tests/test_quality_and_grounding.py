"""Correlations of localisation and image quality with known answers, read back through their CSV."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import generation_rows
from plainsight import claims, published, tables
from plainsight import quality_and_grounding as quality
from score_rows import FINDINGS, joined, runs_like_the_paper, score_rows

FOLDER = Path(__file__).parents[1] / "paper_tables"
PAPER = {number: published.read(FOLDER, "tradeoff", number) for number in (1, 4, 5, 10, 11)}
VARIANTS = ("foundation", "finetune_f", "finetune_l", "finetune_f_pa", "finetune_l_then_f", "finetune_f_nouncond")
SEEDS = {"finetune_f": (0, 1, 2), "finetune_l": (0, 1, 2)}


def trainings(slope: float) -> pd.DataFrame:
    """Cells of six variants whose distances are ``slope`` times their place in localisation; F and L three times."""
    rows = []
    for place, variant in enumerate(VARIANTS):
        for seed in SEEDS.get(variant, (0,)):
            cnr = place + 0.1 * seed
            values = {"cnr": cnr, "auc": 0.5 + cnr / 20, "fid": 50 + slope * cnr, "fid_domain": 5 - slope * cnr}
            rows += [(variant, seed, metric, value, value - 1, value + 1) for metric, value in values.items()]
    return pd.DataFrame(rows, columns=["variant", "seed", "metric", "value", "low", "high"])


def rows(phrases: int = 4) -> pd.DataFrame:
    """Score rows in which F gains over L from finding to finding, and L knows none better than another."""
    parts = []
    for variant, seed in ((name, seed) for name in SEEDS for seed in SEEDS[name]):
        frame = score_rows(0.6, 0, phrases, 0.0)
        place = frame["finding"].map(FINDINGS.index)
        level = 0.001 * ((5 * place) % 8) + 0.01 * seed
        gain = 0.1 * place if variant == "finetune_f" else 0.0
        noise = 0.002 * np.random.default_rng(1).standard_normal(len(frame))
        frame = frame.assign(cnr=level + gain + noise, auc=0.6 + level + gain / 10 + noise)
        parts.append(frame.assign(variant=variant, seed=seed, protocol="boxes"))
    return pd.concat(parts, ignore_index=True)


def judged(sign: int, prompts: str = "impressions") -> pd.DataFrame:
    """Values by half: the classifier's AUC on F's images rises with the gain, or falls (``sign``); L's does not."""
    halves = np.random.default_rng(0).standard_normal(20)
    parts = []
    for place, finding in enumerate(FINDINGS):
        for variant, seed in ((name, seed) for name in SEEDS for seed in SEEDS[name]):
            value = 0.7 + 0.001 * ((3 * place) % 8) + (sign * 0.02 * place if variant == "finetune_f" else 0)
            part = pd.DataFrame({"half": range(-1, 20), "value": [value, *(value + 0.01 * halves)]})
            parts.append(part.assign(finding=finding, variant=variant, seed=seed, prompts=prompts, n=20, patients=15))
    return pd.concat(parts, ignore_index=True)


@functools.cache
def findings(sign: int) -> pd.DataFrame:
    values = pd.concat([judged(sign), judged(-sign, "phrases")], ignore_index=True)
    return quality.of_findings(rows(), values, [*FINDINGS, "No Finding"], 50)


@pytest.fixture(scope="module")
def theirs():
    return quality.effects(*quality.published_cells(PAPER), 0)


@pytest.fixture(scope="module")
def table(theirs, tmp_path_factory) -> pd.DataFrame:
    path = tmp_path_factory.mktemp("table") / "quality_and_grounding.csv"
    tables.write_table(quality.table(quality.effects(trainings(-3), findings(1), 50), theirs), path)
    return pd.read_csv(path).set_index(["variant", "metric"])


def test_perfect_orders_have_correlations_of_one(table):
    assert table.loc[("all", "cnr_fid"), "value"] == table.loc[("all", "auc_fid"), "value"] == -1
    assert table.loc[("all", "cnr_fid_domain"), "value"] == 1
    assert table.loc[(quality.GAIN, "cnr_judged"), ["value", "std"]].tolist() == [1, 0]
    assert abs(table.loc[("finetune_l", "cnr_judged"), "value"]) < 0.5


def test_points_are_counted_apart_from_the_units_that_are_resampled(table):
    assert table.loc[("all", "cnr_fid"), ["pairs", "units"]].tolist() == [10, 6]
    assert table.loc[("finetune_f", "cnr_judged"), ["pairs", "units", "seeds"]].tolist() == [8, 8, 3]
    assert table.loc[("all", "cnr_fid"), "beyond_chance"] == pytest.approx(0.8857, abs=1e-4)
    assert table.loc[("finetune_l", "auc_judged"), "beyond_chance"] == pytest.approx(0.7381, abs=1e-4)


def test_only_a_seed_with_every_variant_stands_by_itself(table):
    # Three of the variants are trained once.
    assert table.loc[("all", "cnr_fid"), "seeds"] == 1 and np.isnan(table.loc[("all", "cnr_fid"), "std"])
    whole = trainings(-3)
    whole = whole[whole["variant"].isin(("foundation", *SEEDS))]
    found = quality.effects(whole, findings(1), 20)["all", "cnr_fid"]
    assert found.seed_effects == (-1, -1, -1) and found.interval.n_rows == 7


def test_the_papers_own_correlations(table, theirs):
    """Computed by hand from the printed cells: seven models have AUC-ROC and FID, three have CNR."""
    assert table.loc[("all", "auc_fid"), ["published", "published_pairs"]].tolist() == pytest.approx([0.306319, 7])
    assert table.loc[("all", "auc_fid_domain"), "published"] == pytest.approx(2 / 28)
    assert table.loc[("all", "cnr_fid"), ["published", "published_pairs"]].tolist() == [0.5, 3]
    assert table.loc[(quality.GAIN, "cnr_judged"), ["published", "published_pairs"]].tolist() == [0.5, 8]
    assert table.loc[(quality.GAIN, "auc_judged"), "published"] == pytest.approx(0.619048, abs=1e-5)
    assert all(np.isnan(effect.interval.low) for effect in theirs.values())


def test_cells_of_findings_are_means_with_bounds_and_the_values_of_single_seeds():
    cells = findings(1).set_index(["finding", "variant", "seed", "metric"])
    frame = rows()
    means = frame.groupby(["finding", "variant", "seed"])["cnr"].mean()
    for seed in range(3):
        f, learnable = (means["Edema", name, seed] for name in ("finetune_f", "finetune_l"))
        assert cells.loc[("Edema", "finetune_f", seed, "cnr"), "value"] == pytest.approx(f)
        assert cells.loc[("Edema", quality.GAIN, seed, "cnr"), "value"] == pytest.approx(f - learnable)
    mean = cells.loc[("Edema", "finetune_f", quality.MEAN, "cnr")]
    expected = tables.table_01(frame.assign(top1=0.0), FINDINGS, 50).set_index(["finding", "variant", "metric"])
    expected = expected.loc[("Edema", "finetune_f", "cnr")]
    assert mean.tolist() == pytest.approx(expected[["value", "low", "high"]].tolist())
    seen = cells.loc[("Pneumothorax", quality.GAIN, quality.MEAN, "judged")]
    # The halves scatter alike for both, so that nothing is left of it.
    assert seen.tolist() == pytest.approx([0.14] * 3)
    assert "No Finding" not in cells.index.unique("finding") and len(cells) == 8 * 3 * 4 * 3


def test_cells_of_trainings_are_those_of_the_tables():
    frames = runs_like_the_paper()
    localised = joined({run: frame for run, frame in frames.items() if run.protocol == "boxes"})
    made = [one for name in ("foundation", "finetune_l", "finetune_f") for one in generation_rows.made(name)]
    parts = [
        generation_rows.distances(generation_rows.FID[one.variant], one.seed).assign(**one._asdict()) for one in made
    ]
    cells = quality.of_trainings(localised, pd.concat(parts, ignore_index=True), "scenes", 50)
    assert len(cells) == 7 * 4
    found = cells.set_index(["variant", "seed", "metric"])
    mean = localised[(localised["variant"] == "finetune_f") & (localised["seed"] == 1)]["cnr"].mean()
    assert found.loc[("finetune_f", 1, "cnr"), "value"] == pytest.approx(mean)
    assert found.loc[("finetune_l", 2, "fid"), "value"] == pytest.approx(2 * 1.04)
    assert found.loc[("finetune_l", 2, "fid_domain"), "value"] == pytest.approx(0.2 * 1.04)
    drawn = quality.panel(cells, "cnr", "fid")
    assert len(drawn) == 7 and (drawn["y_low"] < drawn["y"]).all() and (drawn["x_high"] > drawn["x"]).all()


def test_a_handful_of_phrases_and_images_runs_through(theirs, tmp_path):
    """A finding without phrases, one without images; one training: no interval, no seed that differs, no failure."""
    few = rows().query("seed == 0 and finding in ('Edema', 'Pneumonia', 'Pneumothorax')")
    values = judged(1).query("seed == 0")
    values["value"] = values["value"].mask(values["finding"] == "Edema")
    cells = quality.of_findings(few, values, FINDINGS, 20)
    assert cells["finding"].nunique() == 3
    drawn = quality.panel(cells[(cells["variant"] == "finetune_f") & (cells["seed"] == quality.MEAN)], "cnr", "judged")
    assert drawn["finding"].tolist() == ["Pneumonia", "Pneumothorax"]
    ours = quality.effects(trainings(-3).query("seed == 0"), cells, 20)
    table = quality.table(ours, theirs).set_index(["variant", "metric"])
    assert table.loc[("finetune_f", "cnr_judged"), "pairs"] == 2
    assert table.loc[("finetune_f", "cnr_judged"), ["std", "beyond_chance"]].isna().all()
    assert len(quality.judge_all(ours, theirs, "smoke", "phantom")) == 5


def test_what_the_discussion_suggests_is_judged_and_few_units_decide_nothing(theirs, tmp_path):
    ours = quality.effects(trainings(-3), findings(1), 200)
    tables.write_table(quality.judge_all(ours, theirs, "toy", "phantom"), tmp_path / "claims_quality.csv")
    ledger = claims.read(tmp_path / "claims_quality.csv").set_index("id")
    assert len(ledger) == 5 and set(ledger["paper"]) == {"beyond"} and set(ledger["verdict"]) == {"inconclusive"}
    gain = ledger.loc["beyond_finetune_f_finetune_l_cnr_judged"]
    assert gain["published"] == 0.5 and gain["seeds_agreeing"] == gain["seeds"] == 3
    assert np.isnan(ledger.loc["beyond_all_cnr_fid", "published"])  # three models
    other = quality.judge_all(quality.effects(trainings(3), findings(-1), 50), theirs, "toy", "phantom").set_index("id")
    assert other.loc["beyond_all_cnr_fid", "seeds_agreeing"] == 0
    assert other.loc["beyond_finetune_f_finetune_l_cnr_judged", "effect"] == -1


def test_sentences_say_by_number_what_so_few_units_can_show():
    row = {"value": -0.5, "low": -0.9, "high": 0.2, "pairs": 9, "units": 6, "beyond_chance": 0.886}
    said = quality.sentence(row, "CNR and FID", "variants")
    assert said == (
        "CNR and FID: Spearman -0.50 over 9 points of 6 variants (95 % interval -0.90 to +0.20), within what chance "
        "alone gives 6 variants (0.89)."
    )
    assert "beyond what chance" in quality.sentence({**row, "value": -0.9}, "", "variants")
    few = quality.sentence({**row, "units": 3, "beyond_chance": np.nan}, "", "variants")
    assert few.endswith("With 3 variants no correlation can be told from chance.")
