"""Tables with known answers, read back from the CSV that is committed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from plainsight import published, statistics, tables
from plainsight.errors import InputError
from plainsight.results import Run
from plainsight.seeding import numpy_generator
from score_rows import FINDINGS, joined, runs_like_the_paper, score_rows

FOLDER = Path(__file__).parents[1] / "paper_tables"
SETTING = tables.Setting("toy", "phantom", "phantom")
ROWS = joined(runs_like_the_paper())
OURS = tables.table_01(ROWS, FINDINGS, 50)
THEIRS = published.read(FOLDER, "tradeoff", 1)


def by_hand() -> pd.DataFrame:
    """Two findings of unequal size, two seeds: means that can be done in the head."""
    base = score_rows(0.5, 0, phrases=4, findings=("Edema", "Pneumonia")).drop(index=[4, 5])
    parts = []
    for seed, (edema, pneumonia) in enumerate([(0.8, 0.4), (0.6, 0.5)]):
        auc = base["finding"].map({"Edema": edema, "Pneumonia": pneumonia})
        parts.append(base.assign(auc=auc, variant="finetune_f", seed=seed, protocol="boxes"))
    return pd.concat(parts, ignore_index=True)


def value(table: pd.DataFrame, column: str = "value", **keys: str) -> float:
    rows = table[np.logical_and.reduce([table[name] == key for name, key in keys.items()])]
    assert len(rows) == 1
    return rows[column].item()


def test_means_spread_and_averages_by_hand(tmp_path):
    table = tables.summarise(by_hand(), ["variant"], ("auc",), ("Pneumonia", "Edema", "Mass"), 100)
    tables.write_table(table, tmp_path / "t.csv")
    back = pd.read_csv(tmp_path / "t.csv")
    assert back["finding"].to_list() == ["Pneumonia", "Edema", tables.MACRO, tables.WEIGHTED]
    assert value(back, finding="Edema") == pytest.approx(0.7)
    assert value(back, "std", finding="Edema") == pytest.approx(np.std([0.8, 0.6], ddof=1), rel=1e-5)
    assert value(back, finding=tables.MACRO) == pytest.approx((0.7 + 0.45) / 2)
    assert value(back, finding=tables.WEIGHTED) == pytest.approx((4 * 0.7 + 2 * 0.45) / 6, rel=1e-5)
    assert [value(back, c, finding="Edema") for c in ("n", "patients", "seeds", "low", "high")] == [4, 2, 2, 0.7, 0.7]


def test_table_01_has_the_papers_rows_and_columns():
    table = OURS
    assert table["variant"].drop_duplicates().to_list() == ["foundation", "finetune_l", "finetune_f"]
    assert table["metric"].drop_duplicates().to_list() == ["auc", "top1", "cnr"]
    assert table["finding"].head(10).to_list() == [*FINDINGS, tables.MACRO, tables.WEIGHTED]
    assert len(table) == 3 * 3 * 10
    assert (table["low"] <= table["value"] + 1e-12).all() and (table["value"] <= table["high"] + 1e-12).all()
    assert table.loc[table["variant"] == "foundation", "std"].isna().all()


def test_a_table_does_not_change_when_other_rows_join_it():
    alone = tables.table_01(ROWS[ROWS["protocol"] == "boxes"], FINDINGS, 50)
    pd.testing.assert_frame_equal(alone, OURS)
    pd.testing.assert_frame_equal(alone, tables.table_01(ROWS.sample(frac=1, random_state=0), FINDINGS, 50))


def test_averages_are_those_of_the_statistics_module():
    frames = [frame for _, frame in ROWS.query("variant == 'finetune_l' and protocol == 'boxes'").groupby("seed")]
    effect = statistics.summarise(frames, "auc", "sample", 50, numpy_generator(0, "tables", tables.WEIGHTED))
    keys = {"variant": "finetune_l", "finding": tables.WEIGHTED, "metric": "auc"}
    for column, expected in (("value", effect.interval.estimate), ("low", effect.interval.low), ("std", effect.spread)):
        assert value(OURS, column, **keys) == pytest.approx(expected)


def test_incomplete_or_repeated_rows_are_named():
    rows = ROWS.query("variant == 'finetune_l' and protocol == 'boxes'")
    for wrong, message in (
        (rows.iloc[1:], "'e0000' lacks a seed"),
        (pd.concat([rows, rows[3:4]]), "'e0003' has several"),
    ):
        with pytest.raises(InputError, match=message):
            tables.summarise(wrong, ["variant"], ("auc",), FINDINGS, 10)
    with pytest.raises(InputError, match="nan"):
        tables.summarise(rows.assign(auc=np.nan), ["variant"], ("auc",), FINDINGS, 10)


def test_table_12_takes_the_absolute_value_phrase_by_phrase():
    table = tables.table_12(ROWS, FINDINGS, 50)
    low = ROWS[(ROWS["variant"] == "finetune_l") & (ROWS["protocol"] == "boxes")]
    keys = {"variant": "finetune_l", "finding": tables.WEIGHTED}
    assert value(table, metric="cnr_abs", **keys) == pytest.approx(low["cnr"].abs().mean())
    gap = value(table, metric="cnr_abs", **keys) - value(table, metric="cnr", **keys)
    assert value(table, metric="overestimate", **keys) == pytest.approx(gap)
    assert value(table, metric="overestimate", variant="finetune_f", finding="Edema") == 0


def test_published_values_stand_beside_and_do_not_mix():
    ours = OURS
    both = tables.beside(ours, THEIRS, tables.same_names(FINDINGS))
    pd.testing.assert_frame_equal(both[ours.columns], ours)
    assert value(both, "published", finding="Edema", variant="finetune_f", metric="auc") == pytest.approx(0.89)
    assert value(both, "printed", finding=tables.WEIGHTED, variant="finetune_l", metric="cnr") == "0.133 ± .12"
    assert both.loc[both["finding"] == tables.MACRO, "published"].isna().all()


def test_only_findings_that_match_one_to_one_stand_beside_a_published_value():
    mapping = {"Effusion": "Pleural Effusion", "Mass": "Lung Opacity", "Nodule": "Lung Opacity", "Edema": "Edema"}
    names = tables.one_to_one(mapping)
    assert names == {"Effusion": "Pleural Effusion", "Edema": "Edema"}
    rows = ROWS.assign(finding=ROWS["finding"].replace({"Pleural Effusion": "Effusion", "Lung Opacity": "Mass"}))
    ours = tables.table_01(rows, ("Effusion", "Mass"), 50)
    both = tables.beside(ours, THEIRS, names)
    assert value(both, "published", finding="Effusion", variant="finetune_f", metric="auc") == pytest.approx(0.83)
    assert both.loc[both["finding"].isin(["Mass", tables.WEIGHTED]), "published"].isna().all()


def test_markdown_shows_what_the_csv_holds():
    table = tables.beside(OURS, THEIRS, tables.same_names(FINDINGS))
    text = tables.to_markdown(table, tables.caption(1, table, SETTING), tables.beyond_01(ROWS, 50))
    edema = [line for line in text.splitlines() if line.startswith("| Edema")]
    row = table.query("finding == 'Edema' and variant == 'finetune_f' and metric == 'auc'").iloc[0]
    cells = [cell.strip() for cell in edema[0].strip("|").split("|")]
    spread, low, high = (f"{100 * row[name]:.1f}" for name in ("std", "low", "high"))
    assert cells[6] == f"{100 * row['value']:.1f} ± {spread} [{low}, {high}]"
    assert cells[7] == "89 ± 0.1" and cells[3] == "80.2"
    assert "0.37 †" in edema[2] and "† the paper prints" in text
    assert "L after as many steps as F" in text


def test_captions_say_where_the_models_come_from():
    table = OURS
    here = tables.caption(1, table, SETTING)
    assert "trained on this world" in here and "160 phrases of 80 patients; 3 training seeds" in here
    carried = tables.caption(1, table, tables.Setting("toy", "nih", "phantom"))
    assert "trained on phantom and carried over" in carried and "**nih**" in carried


def test_a_caption_says_where_variants_have_different_numbers_of_seeds():
    table = OURS[(OURS["variant"] != "finetune_f") | (OURS["metric"] != "auc")].assign(seeds=3)
    fewer = OURS[(OURS["variant"] == "finetune_f") & (OURS["metric"] == "auc")].assign(seeds=1)
    assert "1 to 3 training seeds of each" in tables.caption(7, pd.concat([table, fewer]), SETTING)


def test_table_11_holds_the_ablations_in_the_papers_order_beside_its_values():
    rows = pd.concat([ROWS.assign(variant=name) for name in reversed(tables.ABLATIONS)])
    rows = pd.concat([ROWS, rows[rows["seed"] == 0].drop_duplicates(["variant", "protocol", "example_id"])])
    published_11 = published.read(FOLDER, "tradeoff", 11)
    table = tables.beside(tables.table_11(rows, FINDINGS, 20), published_11, tables.same_names(FINDINGS))
    assert tuple(table["variant"].unique()) == tables.ABLATIONS and set(table["seeds"]) == {1}
    assert len(table) == 4 * 3 * 10
    keys = {"finding": "Edema", "variant": "finetune_f_pa"}
    assert value(table, "published", metric="top1", **keys) == pytest.approx(0.869)
    assert np.isnan(value(table, "published", metric="cnr", **keys))
    assert value(table, "published", metric="auc", finding=tables.WEIGHTED, variant="finetune_l_then_f") == 0.521
    text = tables.to_markdown(table, tables.caption_11(table, SETTING))
    assert "Finetune_60+10, published" in text and "Finetune_L then F, ours" in text
    assert "Finetune_PA, Edema, Top-1 (%): cannot hold" in text


def test_one_seed_has_no_spread():
    one = ROWS[(ROWS["seed"] == 0) & (ROWS["protocol"] == "boxes")]
    table = tables.table_01(one, FINDINGS, 50)
    assert table["std"].isna().all()
    assert "1 training seed of" in tables.caption(1, table, SETTING)
    assert "±" not in tables.to_markdown(table, "")


def test_by_seed_is_the_mean_of_each_seed():
    means = tables.by_seed(by_hand(), ["variant"], ("auc",))
    assert means["value"].to_list() == pytest.approx([(4 * 0.8 + 2 * 0.4) / 6, (4 * 0.6 + 2 * 0.5) / 6])
    assert means["metric"].eq("auc").all()


def test_other_protocols_and_baselines_are_beyond_the_paper():
    blind = score_rows(0.7, 5).assign(**Run("average_box", 0, "boxes")._asdict())
    beyond = tables.beyond_01(pd.concat([ROWS, blind]), 50)
    assert set(zip(beyond["variant"], beyond["protocol"], strict=True)) == {
        ("finetune_l", "boxes_equal_steps"),
        ("finetune_f", "boxes_equal_steps"),
        ("average_box", "boxes"),
    }
    assert set(beyond["finding"]) == {tables.MACRO, tables.WEIGHTED}


def test_the_same_frame_gives_the_same_bytes(tmp_path):
    table = OURS
    for name in ("a.csv", "b.csv"):
        tables.write_table(table.copy(), tmp_path / name)
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert b"\r" not in (tmp_path / "a.csv").read_bytes()
    tables.write_table(table, tmp_path / "a.md", tables.to_markdown(table, "caption"))
    assert (tmp_path / "a.md").read_text(encoding="utf-8").startswith("caption\n")


@pytest.mark.parametrize(
    "column", ["phrase", "example_id", "patient", "image", "Report text", "image_path", "study", "remarks"]
)
def test_columns_that_could_carry_text_or_identifiers_are_refused(tmp_path, column):
    table = tables.table_01(ROWS, FINDINGS[:1], 10).assign(**{column: "small left pleural effusion"})
    for path, markdown in (("t.csv", None), ("t.md", "text")):
        with pytest.raises(InputError, match=column):
            tables.write_table(table, tmp_path / path, markdown)
    assert not list(tmp_path.iterdir())


def test_numeric_identifiers_are_refused_too_and_counts_are_not(tmp_path):
    with pytest.raises(InputError, match="patient_id"):
        tables.write_table(pd.DataFrame({"finding": ["Edema"], "patient_id": [17]}), tmp_path / "t.csv")
    tables.write_table(pd.DataFrame({"finding": ["Edema"], "patients": [17], "phrases": [3]}), tmp_path / "t.csv")


def test_other_suffixes_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"t\.txt"):
        tables.write_table(pd.DataFrame({"n": [1]}), tmp_path / "t.txt")
    with pytest.raises(InputError, match="with its Markdown"):
        tables.write_table(pd.DataFrame({"n": [1]}), tmp_path / "t.md")


@pytest.mark.parametrize(
    ("word", "patients", "message"),
    [
        ("pulmonary edema", 9, "more than single words"),
        ("", 9, "more than single words"),
        ("edema", 4, "without 5 or more 'patients'"),
        ("edema", None, "without 5 or more 'patients'"),
    ],
)
def test_words_of_texts_are_single_and_common_or_stay_here(tmp_path, word, patients, message):
    table = pd.DataFrame({"finding": ["Edema", "Edema"], "word": ["EOS", word], "value": [1.0, 1.0]})
    if patients is not None:
        table = table.assign(patients=[1, patients])
    with pytest.raises(InputError, match=message) as caught:
        tables.write_table(table, tmp_path / "t.csv")
    assert "edema" not in str(caught.value)
    tables.write_table(table.assign(word=["SOS", "lung"], patients=[1, 5]), tmp_path / "t.csv")


def test_averages_are_made_as_asked_for():
    whole = tables.summarise(by_hand(), ["variant"], ("auc",), ("Edema",), 20)
    alone = tables.summarise(by_hand(), ["variant"], ("auc",), ("Edema",), 20, averages=())
    pd.testing.assert_frame_equal(alone, whole[whole["finding"] == "Edema"].reset_index(drop=True))
