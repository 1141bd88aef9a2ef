"""The transcription of the tables of seed 003: against their own averages, each other, and what the text lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from plainsight import published

FOLDER = Path(__file__).parents[1] / "paper_tables"
TABLES = {number: published.read(FOLDER, "prompt_tuning", number) for number in range(1, 6)}
SAMPLES = {"MS-CXR-loc": 1043, "VinDr-CXR": 443}
ROUNDING = {"cnr": 0.0051, "miou": 0.00051}
"""Half of the last printed digit of an average, with a little for floating point."""


def cell(number: int, **keys: str) -> pd.Series:
    table = TABLES[number]
    found = table[np.logical_and.reduce([table[column] == value for column, value in keys.items()])]
    assert len(found) == 1
    return found.iloc[0]


def averages(frame: pd.DataFrame) -> pd.DataFrame:
    """Each printed average beside those its own rows give: ``sample_weighted`` (weights ``n``) and ``macro``."""
    cells = frame[frame["finding"] != published.AVERAGE]
    groups = cells.groupby(["variant", "metric"])
    weighted = (cells["value"] * cells["n"]).groupby([cells["variant"], cells["metric"]]).sum() / groups["n"].sum()
    printed = frame[frame["finding"] == published.AVERAGE].set_index(["variant", "metric"])["value"]
    return pd.DataFrame(
        {"printed": printed, "sample_weighted": weighted, "macro": groups["value"].mean()}
    ).reset_index()


def off(checked: pd.DataFrame, mean: str) -> list[tuple[str, str]]:
    """Variant and metric of the averages that are not this mean within rounding."""
    wrong = checked[abs(checked["printed"] - checked[mean]) > checked["metric"].map(ROUNDING)]
    return list(zip(wrong["variant"], wrong["metric"], strict=True))


@pytest.mark.parametrize(("number", "cells"), [(1, 9 * 4 * 2), (2, 3 * 2), (3, 8 * 4 * 2), (4, 8 + 7 + 2), (5, 2 * 2)])
def test_every_cell_is_there_once(number, cells):
    assert len(TABLES[number]) == cells


def test_cells_are_as_printed_in_our_units():
    row = cell(1, finding="Pneumothorax", variant="biovil", metric="miou")
    assert (row["value"], row["low"], row["high"]) == pytest.approx((0.101, 0.0876, 0.116))
    assert (row["printed"], row["n"], row["rows"]) == ("10.1", 204, "phrases")
    row = cell(1, finding="Pneumothorax", variant="ldm_frozen", metric="cnr")
    assert (row["value"], row["low"], row["high"]) == (-0.07, -0.16, 0.03)
    assert cell(1, finding="Pneumothorax", variant="ldm_frozen", metric="miou")["printed"] == "6.10"
    row = cell(3, finding="Atelectasis", variant="ldm_prompt_tuned", metric="miou")
    assert (row["value"], row["low"], row["high"]) == pytest.approx((0.0971, 0.0761, 0.124))
    assert (row["n"], row["rows"]) == (60, "unions")
    assert cell(2, setup="second_row", metric="miou")["value"] == pytest.approx(0.246)
    assert cell(5, dataset="VinDr-CXR", metric="cnr")["value"] == 2.23


@pytest.mark.parametrize(("number", "dataset"), [(1, "MS-CXR-loc"), (3, "VinDr-CXR")])
def test_findings_sum_to_the_samples_of_the_dataset(number, dataset):
    samples = TABLES[number].groupby("finding")["n"].agg(["min", "max"])
    assert (samples["min"] == samples["max"]).all()
    assert samples["min"].drop(published.AVERAGE).sum() == samples["min"][published.AVERAGE] == SAMPLES[dataset]


@pytest.mark.parametrize("number", [1, 3])
def test_every_value_lies_in_its_interval_and_averages_have_none(number):
    table = TABLES[number]
    average = table["finding"] == published.AVERAGE
    assert ((table["low"] < table["value"]) & (table["value"] < table["high"]))[~average].all()
    assert table.loc[average, ["low", "high"]].isna().all(axis=None)


@pytest.mark.parametrize("number", [1, 3])
def test_all_averages_are_macro(number):
    checked = averages(TABLES[number])
    assert len(checked) == 8
    assert off(checked, "macro") == []


def test_only_one_average_would_fit_sample_weighted_too():
    everything = {(v, m) for v in TABLES[1]["variant"] for m in TABLES[1]["metric"]}
    assert set(off(averages(TABLES[1]), "sample_weighted")) == everything
    assert everything - set(off(averages(TABLES[3]), "sample_weighted")) == {("biovil_t", "cnr")}


def test_the_two_equal_cnr_averages_of_table_1_are_not_ordered_as_claimed():
    macro = averages(TABLES[1]).set_index(["metric", "variant"])["macro"]["cnr"]
    assert macro["biovil_t"] == pytest.approx(1.36875)
    assert macro["ldm_prompt_tuned"] == pytest.approx(1.3675)


@pytest.mark.parametrize("number", [1, 3])
@pytest.mark.parametrize(("metric", "change"), [("cnr", 0.1), ("miou", 0.01)])
def test_one_changed_digit_is_caught_by_the_average(number, metric, change):
    table = TABLES[number]
    for row in table.index[(table["metric"] == metric) & (table["finding"] != published.AVERAGE)]:
        changed = table.copy()
        changed.loc[row, "value"] += change
        assert off(averages(changed), "macro") == [(table["variant"][row], metric)]


@pytest.mark.parametrize("metric", ["cnr", "miou"])
def test_the_chosen_setup_of_table_2_is_the_average_of_table_1(metric):
    here = cell(2, setup="ours", metric=metric)
    there = cell(1, finding=published.AVERAGE, variant="ldm_prompt_tuned", metric=metric)
    assert here["printed"] == there["printed"]
    assert here["value"] == TABLES[2].query("metric == @metric")["value"].max()


def test_table_4_lost_its_findings_and_keeps_its_averages():
    table = TABLES[4].set_index(["dataset", "finding"])
    kept = table[~table["note"].str.startswith(published.LOST)]
    assert kept["printed"].to_dict() == {
        ("MS-CXR-loc", published.AVERAGE): "43.5",
        ("VinDr-CXR", published.AVERAGE): "14.1",
    }
    assert table.drop(index=kept.index)["value"].isna().all()
    assert ("MS-CXR-loc", "Edema") in table.index
    assert ("VinDr-CXR", "Edema") not in table.index


@pytest.mark.parametrize(("number", "dataset"), [(1, "MS-CXR-loc"), (3, "VinDr-CXR")])
def test_samples_of_tables_4_and_5_are_those_of_the_dataset(number, dataset):
    samples = TABLES[number].groupby("finding")["n"].first()
    maira = TABLES[4].query("dataset == @dataset").set_index("finding")["n"]
    assert maira.to_dict() == samples.to_dict()
    assert TABLES[5].query("dataset == @dataset")["n"].unique().tolist() == [SAMPLES[dataset]]


@pytest.mark.parametrize(("number", "dataset"), [(1, "MS-CXR-loc"), (3, "VinDr-CXR")])
def test_no_average_is_above_the_oracle(number, dataset):
    oracle = TABLES[5].query("dataset == @dataset").set_index("metric")["value"]
    average = TABLES[number].query("finding == @published.AVERAGE")
    assert (average["value"] < average["metric"].map(oracle)).all()
