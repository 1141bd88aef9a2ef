"""Table 3 with known answers, read back from the CSV that is committed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from plainsight import published, tables, tables_benchmarks
from plainsight.results import Run
from score_rows import FINDINGS, joined, score_rows

THEIRS = published.read(Path(__file__).parents[1] / "paper_tables", "tradeoff", 3)
ROWS = joined({Run(variant, 0, "boxes"): score_rows(0.6, seed, 20) for seed, variant in enumerate(tables.VARIANTS)})
TABLE = tables_benchmarks.table_03(ROWS, FINDINGS, THEIRS, tables.same_names(FINDINGS), 20)


def test_both_averages_of_every_published_model_by_hand():
    found = tables_benchmarks.averages(THEIRS).set_index(["variant", "finding"])
    # GLoRIA's eight cells; F's eight cells with N_D of Table 9.
    gloria = [0.98, 0.53, 1.38, 1.05, 0.66, 1.18, 0.47, 1.20]
    weights = [61, 333, 117, 82, 46, 182, 245, 96]
    macro, weighted = (found.loc[("gloria", kind)] for kind in (tables.MACRO, tables.WEIGHTED))
    assert (macro["published"], macro["printed"]) == (0.930, "0.930") and abs(np.mean(gloria) - 0.930) < 0.002
    assert weighted["published"] == pytest.approx(np.dot(gloria, weights) / 1162) and pd.isna(weighted["printed"])
    macro, weighted = (found.loc[("finetune_f", kind)] for kind in (tables.MACRO, tables.WEIGHTED))
    assert macro["published"] == pytest.approx(8.45 / 8) and macro["note"] == tables_benchmarks.COMPUTED
    assert (weighted["published"], weighted["printed"], weighted["note"]) == (0.920, "0.920", "")


def test_the_printed_average_is_the_kind_that_the_transcription_says():
    found = tables_benchmarks.averages(THEIRS)
    printed = found[found["finding"].isin([tables.MACRO, tables.WEIGHTED]) & found["printed"].notna()]
    kinds = printed.set_index("variant")["finding"].to_dict()
    assert kinds == {
        **dict.fromkeys(tables_benchmarks.DISCRIMINATIVE, tables.MACRO),
        **dict.fromkeys(tables.VARIANTS, tables.WEIGHTED),
    }


def test_ours_and_published_stand_in_columns_of_their_own(tmp_path):
    tables.write_table(TABLE, tmp_path / "table_03.csv")
    back = pd.read_csv(tmp_path / "table_03.csv").set_index(["variant", "finding"])
    assert len(back) == 6 * 10 and back["published"].notna().all()
    assert back.loc[list(tables_benchmarks.DISCRIMINATIVE), ["value", "low", "high", "n"]].isna().all(axis=None)
    mine = ROWS[(ROWS["variant"] == "finetune_f") & (ROWS["finding"] == "Edema")]["cnr"].mean()
    assert back.loc[("finetune_f", "Edema"), "value"] == pytest.approx(mine, rel=1e-5)
    assert back.loc[("finetune_f", "Edema"), "published"] == 1.36
    assert back.loc[("foundation", tables.WEIGHTED), "published"] == 0.321


def test_another_worlds_findings_stand_beside_nothing_and_its_averages_neither():
    names = {"Effusion": "Pleural Effusion", "Edema": "Edema"}
    rows = ROWS.assign(finding=ROWS["finding"].replace({"Pleural Effusion": "Effusion", "Lung Opacity": "Mass"}))
    findings = ("Edema", "Mass", "Effusion")
    table = tables_benchmarks.table_03(rows, findings, THEIRS, names, 20).set_index(["variant", "finding"])
    assert table.loc[("finetune_l", "Effusion"), "published"] == -0.27
    assert table.loc[["convirt"]].index.get_level_values("finding").to_list() == ["Edema", "Effusion"]
    averages = table.loc[[("finetune_f", kind) for kind in (tables.MACRO, tables.WEIGHTED)]]
    assert averages["published"].isna().all() and averages["value"].notna().all()
    text = tables_benchmarks.markdown_03(table.reset_index(), tables.Setting("toy", "nih", "phantom"))
    lines = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("|")]
    assert lines[2:] == [*findings, tables.MACRO, tables.WEIGHTED]


def test_markdown_prints_what_is_printed_and_marks_what_is_computed():
    text = tables_benchmarks.markdown_03(TABLE, tables.Setting("toy", "phantom", "phantom"))
    rows = {
        line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")]
        for line in text.splitlines()
        if line.startswith("|")
    }
    head = rows["Category"]
    macro, weighted = (dict(zip(head, rows[kind], strict=True)) for kind in (tables.MACRO, tables.WEIGHTED))
    assert macro["Finetune_F, published"] == "*1.056*" and weighted["Finetune_F, published"] == "0.920"
    assert macro["BioViL-L, published"] == "1.142" and weighted["BioViL-L, published"] == "*1.068*"
    assert head[3:5] == ["Foundation, ours", "SDv2, published"] and "1.50" in rows["Pleural Effusion"]
