"""The transcription of Tables I to III of seed 004: against their own averages, each other, and the known slips."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from plainsight import published

PAPER = "zero_shot"
FOLDER = Path(__file__).parents[1] / "paper_tables"
TABLES = {number: published.read(FOLDER, PAPER, number) for number in (1, 2, 3)}
KEYS = {
    1: ["finding", "model", "metric"],
    2: ["finding", "layers", "timesteps", "postprocessing", "metric"],
    3: ["finding", "tokens", "metric"],
}


def cell(number: int, *keys: str) -> pd.Series:
    return TABLES[number].set_index(KEYS[number]).loc[keys]


def half_digit(frame: pd.DataFrame) -> pd.Series:
    """How far rounding can have moved each printed value, in our units."""
    decimals = frame["printed"].str.split(" ").str[0].str.partition(".")[2].str.len()
    return 0.5 * 10.0**-decimals * frame["unit"].map(published.FACTORS)


def averages(frame: pd.DataFrame, counts: pd.Series | None = None) -> pd.Series:
    """Whether each printed average is its row's mean within rounding: macro, or weighted by ``counts`` per finding."""
    fits = {}
    keys = [column for column in frame.columns[: -len(published.CELL) - 1] if column != "finding"]
    slack = half_digit(frame)
    for row, cells in frame.groupby(keys):
        last = cells["finding"] == published.AVERAGE
        findings = cells.loc[~last, "finding"]
        weights = findings.map(counts) if counts is not None else pd.Series(1.0, findings.index)
        share = weights / weights.sum()
        room = slack[cells.index[last]].item() + (slack[findings.index] * share).sum() + 1e-9
        fits[row] = abs((cells.loc[~last, "value"] * share).sum() - cells.loc[last, "value"].item()) <= room
    return pd.Series(fits)


def counts() -> pd.Series:
    return TABLES[1].groupby("finding")["n"].first().drop(published.AVERAGE).astype(float)


def test_the_tables_have_their_cells():
    assert {number: len(table) for number, table in TABLES.items()} == {1: 14 * 9, 2: 10 * 9, 3: 4 * 9}
    for number, table in TABLES.items():
        assert table.columns[: len(KEYS[number])].to_list() == KEYS[number]
        assert not table["value"].isna().any()
        assert (table["rows"] == "phrases").all()
        assert table["finding"].nunique() == 9
        percent = table["metric"].isin(["miou", "auc"])
        assert (table["unit"] == np.where(percent, "percent", "ratio")).all()
    assert TABLES[1]["std"].notna().sum() == 12 * 9


def test_cells_are_as_printed_in_our_units():
    row = cell(1, "Edema", "ldm", "miou")
    assert (row["value"], row["std"], row["printed"], row["n"]) == (pytest.approx(0.305), 0.196, "30.5 ± 19.6", 44)
    assert cell(1, "Pneumothorax", "ldm", "cnr")["printed"] == "-0.08 ± 0.53"
    assert cell(1, "Pleural Effusion", "biovil_t", "cnr_abs")["value"] == 1.55
    assert np.isnan(cell(1, "Lung Opacity", "omnifm_dr", "miou")["std"])
    assert cell(2, "Cardiomegaly", "6", "20", "otsu", "miou")["value"] == pytest.approx(0.333)
    assert cell(3, "Lung Opacity", "pathology", "miou")["value"] == pytest.approx(0.0259)
    assert cell(3, published.AVERAGE, "all", "cnr")["n"] == 694


def test_counts_are_the_merged_phrases():
    assert counts().sum() == cell(1, published.AVERAGE, "ldm", "cnr")["n"] == 1158


@pytest.mark.parametrize("number", [1, 2, 3])
def test_every_average_is_macro(number):
    assert averages(TABLES[number]).all()


def test_the_averages_are_not_sample_weighted():
    """One row of each table fits both readings; Table II is weighted by Table I's counts, Table III has none."""
    weighted = averages(TABLES[1], counts())
    assert weighted.index[weighted].to_list() == [("biovil_t", "miou")]
    weighted = averages(TABLES[2], counts())
    assert weighted.index[weighted].to_list() == [("6", "100", "none", "miou")]


def test_std_of_an_average_is_over_the_findings():
    for _, cells in TABLES[1][TABLES[1]["std"].notna()].groupby(["model", "metric"]):
        last = cells["finding"] == published.AVERAGE
        room = half_digit(cells)[~last].max() + 0.005 * cells.loc[last, "unit"].map(published.FACTORS).item()
        assert abs(cells.loc[~last, "value"].std(ddof=0) - cells.loc[last, "std"].item()) <= room


def test_one_changed_digit_is_caught_by_the_average():
    table = TABLES[1].copy()
    table.loc[table.query("finding == 'Cardiomegaly' and model == 'ldm' and metric == 'auc'").index, "value"] = 0.763
    fits = averages(table)
    assert fits.index[~fits].to_list() == [("ldm", "auc")]


def test_the_first_of_two_cnr_rows_is_the_absolute_one():
    """The text has one name for both; |x| is nowhere below x, and differs from it where findings are missed."""
    wide = TABLES[1].pivot(index=["model", "finding"], columns="metric", values="value").dropna(subset="cnr")
    assert len(wide) == 27
    assert (wide["cnr_abs"] >= wide["cnr"]).all()
    assert (wide["cnr_abs"] > wide["cnr"]).sum() == 25
    assert TABLES[1].query("metric == 'cnr_abs'")["note"].str.contains("first of two rows").all()


def test_the_two_cnr_rows_are_not_one_value_a_phrase():
    """One value a phrase would give both rows one second moment; a mean over boxes of |x| gives |CNR| the larger."""
    frame = TABLES[1][TABLES[1]["finding"] != published.AVERAGE].query("metric in ['cnr', 'cnr_abs']")
    moment = frame.assign(
        moment=frame["value"] ** 2 + frame["std"] ** 2, room=0.01 * (frame["value"].abs() + frame["std"])
    ).pivot(index=["model", "finding"], columns="metric", values=["moment", "room"])
    gap, room = moment["moment", "cnr_abs"] - moment["moment", "cnr"], moment["room"].sum(axis="columns")
    assert (gap >= -room).all()
    assert (gap > room).sum() == 7


def test_std_repeats_the_value_in_one_column_only():
    frame = TABLES[1]
    same = frame[frame["value"] == frame["std"]]
    assert set(zip(same["finding"], same["metric"], strict=True)) == {("Pneumothorax", "miou")}
    assert same["model"].to_list() == ["biovil", "biovil_t", "ldm"]
    assert same["note"].str.contains("repeats").all()


def test_prose_against_table_1():
    ldm, biovil_t = (cell(1, published.AVERAGE, model, "miou")["value"] for model in ("ldm", "biovil_t"))
    # The text calls both gains relative; they are percentage points.
    assert ldm - biovil_t == pytest.approx(0.009)
    assert ldm / biovil_t - 1 == pytest.approx(0.041, abs=0.001)
    ldm, biovil_t = (cell(1, published.AVERAGE, model, "auc")["value"] for model in ("ldm", "biovil_t"))
    assert ldm - biovil_t == pytest.approx(0.002)
    assert ldm / biovil_t - 1 == pytest.approx(0.0027, abs=0.0001)
    miou = TABLES[1][TABLES[1]["metric"] == "miou"].pivot(index="finding", columns="model", values="value")
    assert miou.index[miou["omnifm_dr"] >= miou["ldm"]].to_list() == ["Consolidation", "Pneumothorax"]
    assert miou.loc["Consolidation", "omnifm_dr"] == miou.loc["Consolidation", "ldm"]


def test_the_gap_between_the_two_cnr_is_least_for_the_ldm_on_seven_findings():
    frame = TABLES[1][TABLES[1]["finding"] != published.AVERAGE].query("metric in ['cnr', 'cnr_abs']")
    wide = frame.pivot(index=["finding", "model"], columns="metric", values="value")
    gap = (wide["cnr_abs"] - wide["cnr"]).round(2).unstack("model")
    least = gap["ldm"] <= gap.min(axis="columns")
    assert least.index[~least].to_list() == ["Pneumothorax"]
    tied = least & (gap.eq(gap.min(axis="columns"), axis="index").sum(axis="columns") > 1)
    assert tied.index[tied].to_list() == ["Cardiomegaly", "Pleural Effusion"]


def test_otsu_trades_cnr_for_miou_in_table_2():
    rows = [
        cell(2, published.AVERAGE, "6", "20", post, metric) for metric in ("cnr", "miou") for post in ("none", "otsu")
    ]
    assert [row["printed"] for row in rows] == ["0.78", "0.75", "17.0", "20.4"]


def test_pathology_tokens_win_on_pneumothorax_only():
    wide = TABLES[3].pivot(index=["finding", "metric"], columns="tokens", values="value")
    better = wide.index[wide["pathology"] >= wide["all"]]
    assert better.to_list() == [("Pneumothorax", "cnr"), ("Pneumothorax", "miou")]
