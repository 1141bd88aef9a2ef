"""Tables 6, 8 and 9 and the numbers of Figure 3 with known answers, read back from the CSV that is committed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import word_rows
from plainsight import published, tables, tables_words, words, worlds
from plainsight.statistics import spearman
from word_rows import KEYWORDS

FOLDER = Path(__file__).parents[1] / "paper_tables"
FINDINGS = ("Edema", "Pneumonia")
NAMES = {name: name for name in FINDINGS}
PAPER_06, PAPER_08 = (published.read(FOLDER, "tradeoff", number) for number in (6, 8))
SETTING = tables.Setting("toy", "phantom", "phantom")


@pytest.fixture(scope="module")
def rows(tmp_path_factory) -> pd.DataFrame:
    frames = word_rows.like_the_paper()
    folder = tmp_path_factory.mktemp("rows")
    word_rows.write(frames, folder)
    return words.read(folder, list(frames))


@pytest.fixture(scope="module")
def table(rows) -> pd.DataFrame:
    return tables_words.words_table(rows[rows["raw"] == 0], FINDINGS, 50, more_than=9)


def cell(table: pd.DataFrame, **keys: str) -> pd.Series:
    found = table[np.logical_and.reduce([table[name] == key for name, key in keys.items()])]
    assert len(found) == 1
    return found.iloc[0]


def test_the_threshold_is_the_papers_share_of_the_phrases():
    assert [tables_words.seen_more_than(n) for n in (1162, 480, 32, 3)] == [25, 10, 1, 1]


def test_where_no_word_is_shared_start_end_and_keywords_remain(tmp_path):
    """Three patients: ``words.detach`` leaves no word, and the step that counts them has none to count."""
    attached = word_rows.attached({})
    few = words.detach(attached[attached["patient"].isin(["p0", "p1", "p2"])])
    rows = pd.concat([few.assign(variant=variant, seed=0) for variant in tables.VARIANTS], ignore_index=True)
    texts = pd.DataFrame({"phrase": ["edema"], "finding": ["Edema"], "patient": ["p0"]})
    words.count_texts(texts, FINDINGS, []).assign(wordings=0).to_parquet(tmp_path / "counts.parquet")
    counts = pd.read_parquet(tmp_path / "counts.parquet")
    table = tables_words.words_table(rows, FINDINGS, 50, more_than=1)
    table = tables_words.with_counts(tables_words.beside_words(table, PAPER_06, NAMES), counts)
    tables.write_table(table, tmp_path / "t.csv")
    assert set(pd.read_csv(tmp_path / "t.csv")["word"]) == set(words.SPECIAL)
    kinds = tables_words.token_kinds(rows, 50)
    assert "| EOS" in tables_words.words_markdown(table, "heading", PAPER_06, NAMES, kinds)
    assert tables_words.points(rows, table, KEYWORDS).empty


def test_means_counts_and_ranks_by_hand(tmp_path):
    """One finding, two seeds, six patients; "left" stands twice in each phrase that holds it."""
    parts = []
    for seed, shift in enumerate((0.0, 0.4)):
        for word, cnr, phrases in (("left", 0.5, 6), ("edema", 1.0, 6), ("seldom", 9.0, 5), (words.END, 0.2, 6)):
            row = {"variant": "finetune_f", "seed": seed, "raw": 0, "word": word, "finding": "Edema", "noise_seed": 0}
            numbers = {"example_id": range(phrases), "patient": range(phrases), "times": 2 if word == "left" else 1}
            parts.append(pd.DataFrame({**row, **numbers, "auc": 0.5, "cnr": cnr + shift}))
    table = tables_words.words_table(pd.concat(parts, ignore_index=True), ("Edema",), 50, more_than=5)
    tables.write_table(table, tmp_path / "t.csv")
    back = pd.read_csv(tmp_path / "t.csv")
    assert back["word"].drop_duplicates().tolist() == [
        "edema",
        "left",
        "EOS",
    ]  # best first; "seldom" is seen five times
    assert back["metric"].head(3).tolist() == ["occurrences", "cnr", "auc"]
    left = cell(back, word="left", metric="occurrences")
    assert (left["value"], left["n"], left["patients"], left["rank"]) == (12, 6, 6, 2)
    edema = cell(back, word="edema", metric="cnr")
    assert edema["value"] == pytest.approx(1.2) and edema["std"] == pytest.approx(np.std([0, 0.4], ddof=1), rel=1e-5)
    assert edema["low"] == edema["high"] == pytest.approx(1.2)
    assert edema["seeds"] == 2 and np.isnan(left["std"])


def test_words_are_ranked_within_finding_and_model(table):
    best = table[(table["metric"] == "cnr") & (table["rank"] == 1)].set_index(["variant", "finding"])["word"]
    assert best["finetune_f", "Edema"] == "edema" and best["finetune_f", "Pneumonia"] == "pneumonia"
    assert (best["finetune_l"] == words.END).all()
    assert table.loc[table["word"].isin(words.SEVERAL), "rank"].isna().all()
    assert list(table["variant"].unique()) == list(tables.VARIANTS)
    assert cell(table, variant="finetune_f", finding="Edema", word="edema", metric="occurrences")["value"] == 30


def test_what_is_seen_too_seldom_or_by_too_few_is_left_out(rows):
    mine = rows[rows["raw"] == 0]
    often = tables_words.words_table(mine, FINDINGS, 20, more_than=20)
    assert set(often["word"]) == {"edema", *words.SPECIAL}  # seen 30 times; all other words 20 times or less
    few = mine[(mine["word"] != "lung") | (mine["patient"] < words.MIN_PATIENTS - 1)]
    assert "lung" not in set(tables_words.words_table(few, FINDINGS, 20, more_than=1)["word"])


def test_a_table_does_not_depend_on_the_order_of_rows_or_on_other_variants(rows, table):
    mine = rows[rows["raw"] == 0]
    shuffled = tables_words.words_table(mine.sample(frac=1, random_state=0), FINDINGS, 50, more_than=9)
    pd.testing.assert_frame_equal(shuffled, table)
    alone = tables_words.words_table(mine[mine["variant"] == "finetune_f"], FINDINGS, 50, more_than=9)
    expected = table[table["variant"] == "finetune_f"].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, expected)


def test_published_words_stand_beside_the_same_words(table):
    both = tables_words.beside_words(table, PAPER_06, NAMES)
    pd.testing.assert_frame_equal(both[table.columns], table)
    edema = {"variant": "finetune_f", "finding": "Edema", "word": "edema"}
    assert cell(both, **edema, metric="cnr")["printed"] == "1.20"
    assert cell(both, **edema, metric="occurrences")["published"] == 42
    assert cell(both, variant="finetune_l", finding="Edema", word="EOS", metric="cnr")["published"] == 0.90
    assert both.loc[both["metric"] == "auc", "published"].isna().all()
    assert both.loc[both["word"].isin(words.SEVERAL), "published"].isna().all()


def test_a_word_that_the_paper_prints_in_two_cases_stands_beside_nothing():
    rows = [(word, metric, 1.0) for word in ("small", "catheter") for metric in ("occurrences", "cnr")]
    ours = pd.DataFrame(rows, columns=["word", "metric", "value"]).assign(finding="Pneumothorax", variant="foundation")
    both = tables_words.beside_words(ours, PAPER_08, {"Pneumothorax": "Pneumothorax"}).set_index(["word", "metric"])
    assert both["published"].loc["catheter"].tolist() == [29, 0.60]
    assert both["published"].loc["small"].isna().all()


def test_markdown_shows_the_best_three_and_the_papers(rows, table):
    kinds = tables_words.token_kinds(rows[rows["raw"] == 0], 50)
    caption = tables_words.caption_words(6, kinds, SETTING, 9)
    text = tables_words.words_markdown(table, caption, PAPER_06, NAMES, kinds)
    assert "70 phrases of 10 patients; 3 training seeds" in text and "more than 9 times" in text
    block = text.split("### Finetune_F")[1].splitlines()
    lines = [[part.strip() for part in line.strip("|").split("|")] for line in block if line.startswith("|")][2:8]
    assert [line[0] for line in lines] == ["Edema", "", "", "Pneumonia", "", ""]
    first = cell(table, variant="finetune_f", finding="Edema", word="edema", metric="cnr")
    spread, low, high = (f"{first[name]:.2f}" for name in ("std", "low", "high"))
    assert lines[0][1:4] == ["edema", "30", f"{first['value']:.2f} ± {spread} [{low}, {high}]"]
    assert lines[0][5:] == ["pulmonary", "39", "1.25"] and lines[3][5:] == ["lung", "46", "1.33"]
    kind = next(line for line in text.splitlines() if line.startswith("| Finetune_L | EOS"))
    assert "0.70" in kind and " 70 " in kind


def test_a_finding_with_fewer_than_three_words_has_dashes(rows):
    mine = rows[(rows["raw"] == 0) & rows["word"].isin(words.SPECIAL)]
    table = tables_words.words_table(mine, FINDINGS, 20, more_than=9)
    text = tables_words.words_markdown(table, "", PAPER_06, {}, tables_words.token_kinds(mine, 20))
    third = [part.strip() for part in text.split("### Finetune_L")[1].splitlines()[6].strip("|").split("|")]
    assert third == ["", "–", "–", "–", "–", "–", "–", "–"]


def test_table_09_counts_ours_and_the_papers_apart(tmp_path):
    counted = {"Edema": (9, 5, 1), "Effusion": (9, 7, 2), "No Finding": (9, 0, 3)}
    rows = [
        {"finding": finding, "split": split, "images": images, "patients": min(images, 4)}
        for finding, counts in counted.items()
        for split, images in zip(("train", "grounding", "generation"), counts, strict=True)
    ]
    splits = pd.DataFrame(rows)
    paper = published.read(FOLDER, "tradeoff", 9)
    names = {"Edema": "Edema", "No Finding": "No Finding"}
    findings = ["No Finding", "Edema", "Effusion"]
    table = tables_words.table_09(splits, findings, worlds.KEYWORDS, paper, names)
    tables.write_table(table, tmp_path / "t.csv")
    back = pd.read_csv(tmp_path / "t.csv").set_index(["finding", "metric"])
    assert back["value"].tolist() == [0, 3, 5, 1, 7, 2] and back["patients"].tolist() == [0, 3, 4, 1, 4, 2]
    assert back["published"].loc["Edema"].tolist() == [46, 408] and back["published"].loc["Effusion"].isna().all()
    lines = tables_words.table_09_markdown(table, "caption", paper, names).splitlines()
    cells = [[part.strip() for part in line.strip("|").split("|")] for line in lines[4:]]
    assert cells[0] == ["No Finding", "0", "0", "3", "903", "–", "-"]
    assert cells[1] == ["Edema", "5", "46", "1", "408", "edema", "edema"]
    assert cells[2] == ["Effusion", "7", "–", "2", "–", "pleural, effusion, effusions", "–"]


# --- Figure 3 ---


def counts(table: pd.DataFrame) -> pd.DataFrame:
    """Words counted in 100 training texts a finding: alphabetical order is the order of how common they are."""
    pairs = table[["finding", "word"]].drop_duplicates()
    pairs = pairs[~pairs["word"].isin(words.SPECIAL)].sort_values("word").reset_index(drop=True)
    return pairs.assign(with_word=range(10, 10 + len(pairs)), training_patients=7, texts=100, wordings=2)


def test_points_are_means_over_phrases(rows, table):
    mine = rows[rows["raw"] == 0]
    shared = tables_words.with_counts(table, counts(table))
    found = tables_words.points(mine, shared, KEYWORDS)
    assert not set(found["word"]) & set(words.SPECIAL)
    assert len(found) == 7 * len(counts(table))
    one = cell(found, finding="Edema", word="edema", variant="finetune_f", seed=1)
    part = mine[(mine["finding"] == "Edema") & (mine["word"] == "edema") & (mine["variant"] == "finetune_f")]
    assert one["cnr"] == pytest.approx(part.loc[part["seed"] == 1, "cnr"].mean())
    assert one["keyword"] and not cell(found, finding="Edema", word="left", variant="foundation", seed=0)["keyword"]
    expected = counts(table).set_index(["finding", "word"])["with_word"] / 100
    assert one["training_share"] == expected["Edema", "edema"]
    assert shared.loc[shared["word"].isin(words.SPECIAL), "training_share"].isna().all()


def test_a_word_of_few_training_patients_has_no_share_nor_dot(rows, table):
    """With none it has a share, 0: that is about nobody."""
    told = counts(table)
    told["training_patients"] = [4, 0, *[5] * (len(told) - 2)]
    told.loc[1, "with_word"] = 0
    shared = tables_words.with_counts(table, told).set_index(["finding", "word"])
    few, none = (tuple(told.loc[row, ["finding", "word"]]) for row in (0, 1))
    assert shared.loc[[few], ["training_share", "training_patients"]].isna().all(axis=None)
    assert (shared.loc[[few], "wordings"] == 2).all() and (shared.loc[[none], "training_share"] == 0).all()
    found = tables_words.points(rows[rows["raw"] == 0], shared.reset_index(), KEYWORDS)
    dots = set(zip(found["finding"], found["word"], strict=True))
    assert few not in dots and none in dots and len(dots) == len(told) - 1


def test_correlation_is_that_of_means_over_seeds_and_each_seeds_own(rows, table, tmp_path):
    found = tables_words.points(rows[rows["raw"] == 0], tables_words.with_counts(table, counts(table)), KEYWORDS)
    figures = tables_words.correlations(found, 50)
    tables.write_table(figures, tmp_path / "t.csv")
    back = pd.read_csv(tmp_path / "t.csv").set_index("variant")
    mine = found[found["variant"] == "finetune_f"]
    mean = mine.groupby(["finding", "word"])[["training_share", "cnr"]].mean()
    assert back.loc["finetune_f", "value"] == pytest.approx(spearman(mean["training_share"], mean["cnr"]), rel=1e-5)
    each = [spearman(part["training_share"], part["cnr"]) for _, part in mine.groupby("seed")]
    assert back.loc["finetune_f", "std"] == pytest.approx(np.std(each, ddof=1), rel=1e-4)
    assert tables_words.correlation(mine, 5).seed_effects == pytest.approx(tuple(each))
    assert back.loc["finetune_f", ["pairs", "words", "seeds"]].tolist() == [
        len(mean),
        mean.index.unique("word").size,
        3,
    ]
    assert np.isnan(back.loc["foundation", "std"])


def test_without_words_there_are_no_correlations_but_rows_that_say_so(rows):
    mine = rows[(rows["raw"] == 0) & rows["word"].isin(words.SPECIAL)]
    table = tables_words.words_table(mine, FINDINGS, 20, more_than=9)
    empty = words.count_texts(pd.DataFrame(columns=["phrase", "finding", "patient"], dtype="str"), [], []).assign(
        wordings=0
    )
    found = tables_words.points(mine, tables_words.with_counts(table, empty), KEYWORDS)
    figures = tables_words.correlations(found[~found["keyword"]], 20)
    assert figures["value"].isna().all() and (figures["words"] == 0).all() and len(figures) == 3
