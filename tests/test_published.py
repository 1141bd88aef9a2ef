"""The transcription of Tables 1 and 12 of seed 000: against their own averages, each other, and the known slips."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from plainsight import published
from plainsight.errors import InputError

FOLDER = Path(__file__).parents[1] / "paper_tables"
TABLES = {number: published.read(FOLDER, "tradeoff", number) for number in (1, 12)}


def cell(number: int, finding: str, variant: str, metric: str) -> pd.Series:
    table = TABLES[number]
    return table.set_index(list(published.KEYS)).loc[finding, variant, metric]


def averages(frame: pd.DataFrame) -> pd.DataFrame:
    """Each printed average beside those its own rows give: ``sample_weighted`` (weights ``n``) and ``macro``."""
    cells = frame[frame["finding"] != published.AVERAGE]
    weighted = (cells["value"] * cells["n"]).groupby([cells["variant"], cells["metric"]]).sum()
    groups = cells.groupby(["variant", "metric"])
    printed = frame[frame["finding"] == published.AVERAGE].set_index(["variant", "metric"])["value"]
    means = {"printed": printed, "sample_weighted": weighted / groups["n"].sum(), "macro": groups["value"].mean()}
    return pd.DataFrame(means).reset_index()


def test_cells_are_as_printed_in_our_units():
    row = cell(1, "Pneumothorax", "finetune_l", "top1")
    assert (row["value"], row["std"], row["printed"], row["n"]) == (pytest.approx(0.27), 0.265, "27 ± 26.5", 245)
    row = cell(1, "Average", "finetune_f", "cnr")
    assert (row["value"], row["std"], row["printed"]) == (0.92, 0.03, "0.920 ± 0.03")
    assert np.isnan(cell(1, "Edema", "foundation", "auc")["std"])


@pytest.mark.parametrize(("number", "cells"), [(1, 9 * 9), (12, 9 * 6)])
def test_every_cell_is_there_once(number, cells):
    table = TABLES[number]
    assert len(table) == cells
    assert not table.duplicated(list(published.KEYS)).any()
    assert not table["value"].isna().any()
    assert table.groupby("finding")["n"].first().drop("Average").sum() == 1162


@pytest.mark.parametrize("number", [1, 12])
def test_averages_are_sample_weighted_except_where_the_paper_slips(number):
    """Whole percents may be off by 0.5 in each cell, CNR by 0.005; SDv2's CNR stands in Table 3's order."""
    checked = averages(TABLES[number])
    tolerance = np.where(checked["metric"].isin(["auc", "top1"]), 0.0065, 0.0055)
    off = checked[abs(checked["printed"] - checked["sample_weighted"]) > tolerance]
    slips = {1: [("foundation", "cnr")], 12: [("finetune_l", "cnr")]}
    assert list(zip(off["variant"], off["metric"], strict=True)) == slips[number]


def test_one_changed_digit_is_caught_by_the_average():
    table = TABLES[1].set_index(list(published.KEYS)).sort_index()
    table.loc[("Cardiomegaly", "finetune_f", "cnr"), "value"] = 0.87
    checked = averages(table.reset_index()).set_index(["variant", "metric"]).loc[("finetune_f", "cnr")]
    assert abs(checked["printed"] - checked["sample_weighted"]) > 0.05


def test_the_macro_average_of_finetune_f_is_not_the_printed_one():
    checked = averages(TABLES[1]).set_index(["variant", "metric"]).loc[("finetune_f", "cnr")]
    assert checked["macro"] == pytest.approx(1.056, abs=0.001)


def test_foundation_cnr_of_table_1_is_table_12_in_another_order():
    order = ["Atelectasis", "Cardiomegaly", "Consolidation", "Lung Opacity", "Edema", "Pneumonia", "Pneumothorax"]
    order.append("Pleural Effusion")
    table_12 = [cell(12, finding, "foundation", "cnr")["value"] for finding in order]
    mine = TABLES[1].query("variant == 'foundation' and metric == 'cnr' and finding != 'Average'")
    assert mine["value"].to_list() == table_12
    assert mine["note"].str.contains("order").all()
    assert mine["finding"].to_list() != order


def test_absolute_cnr_is_never_below_signed_cnr():
    wide = TABLES[12].pivot(index=["finding", "variant"], columns="metric", values="value")
    assert (wide["cnr_abs"] >= wide["cnr"]).all()


def test_bad_files_are_named(tmp_path):
    with pytest.raises(InputError, match=r"table_13\.csv: no such published table .*table_01, table_02"):
        published.read(FOLDER, "tradeoff", 13)
    shutil.copytree(FOLDER / "published", tmp_path / "published")
    path = tmp_path / "published" / "tradeoff" / "table_01.csv"
    whole = path.read_text(encoding="utf-8")
    for wrong, message in (
        (whole.replace(",unit,", ",units,", 1), "they must be row keys, metric, value"),
        (whole.replace(",58.5,", ",,", 1), "row 0: no value, and the note does not begin with 'lost'"),
        (whole.replace(",top1,", ",auc,", 1), "row 1: Atelectasis foundation auc stands twice"),
        (
            whole.replace("58.5", "58,5x", 1).replace("58,5x", "58.5x"),
            r"row 0, column 'value': '58\.5x' is not a number",
        ),
        (whole.replace("percent", "per cent", 1), "row 0: unit 'per cent' is not one of"),
    ):
        path.write_text(wrong, encoding="utf-8")
        with pytest.raises(InputError, match=message) as caught:
            published.read(tmp_path, "tradeoff", 1)
        assert "\n" not in str(caught.value)
