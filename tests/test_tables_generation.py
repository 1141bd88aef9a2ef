"""Tables 4, 5 and 10 from made-up score rows, checked through the CSV."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import generation_rows
from plainsight import published, tables, tables_generation
from plainsight.features import auc_by_finding
from plainsight.generation_scores import AS_PUBLISHED, CORRECTED, REAL
from plainsight.metrics.generation import METRICS
from plainsight.worlds import NO_FINDING
from score_rows import FINDINGS

FOLDER = Path(__file__).parents[1] / "paper_tables"
PAPER = {number: published.read(FOLDER, "tradeoff", number) for number in (4, 5, 10)}
SETTING = tables.Setting("toy", "phantom", "phantom")
KEYS = ["variant", "prompts", "extractor", "reading", "metric"]


@pytest.fixture(scope="module")
def rows(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("rows")
    generation_rows.write(folder)
    return folder


def through_csv(table: pd.DataFrame, folder: Path) -> pd.DataFrame:
    tables.write_table(table, folder / "table.csv")
    return pd.read_csv(folder / "table.csv")


@pytest.fixture(scope="module")
def fresh_04(rows) -> pd.DataFrame:
    distances = generation_rows.read(rows, "distances", tuple(generation_rows.FID))
    similarity = generation_rows.read(rows, "similarity", tables.VARIANTS)
    return tables_generation.beside(tables_generation.table_04(distances, similarity, 200), PAPER[4], "scenes")


@pytest.fixture(scope="module")
def table_04(fresh_04, tmp_path_factory) -> pd.DataFrame:
    return through_csv(fresh_04, tmp_path_factory.mktemp("table_04"))


@pytest.fixture(scope="module")
def recognised(rows) -> pd.DataFrame:
    judged = generation_rows.read(rows, "judged", tables.VARIANTS)
    return tables_generation.auc_values(judged, FINDINGS, "phantom", 10)


@pytest.fixture(scope="module")
def fresh_05(recognised) -> pd.DataFrame:
    return tables_generation.beside(tables_generation.table_05(recognised), PAPER[5], "scenes")


@pytest.fixture(scope="module")
def table_05(fresh_05, tmp_path_factory) -> pd.DataFrame:
    return through_csv(fresh_05, tmp_path_factory.mktemp("table_05"))


# --- distances ---


def test_a_cell_is_the_mean_over_seeds_with_the_interval_of_the_halves(table_04):
    cell = table_04.set_index(KEYS).loc[("finetune_l", "impressions", "scenes", CORRECTED, "fid")]
    frames = [generation_rows.distances(2.0, seed) for seed in range(3)]
    cells = [
        frame[(frame[["prompts", "extractor", "reading", "metric"]] == list(cell.name[1:])).all(axis=1)]
        for frame in frames
    ]
    values = np.stack([frame.set_index("half").sort_index()["value"].to_numpy() for frame in cells])
    assert cell["value"] == pytest.approx(2.04, rel=1e-5)
    assert cell["std"] == pytest.approx(0.04, rel=1e-4)
    half = 1.959964 * np.std(values[:, 1:].mean(axis=0), ddof=1)
    assert (cell["low"], cell["high"]) == pytest.approx((2.04 - half, 2.04 + half), rel=1e-4)
    assert cell[["n", "n_real", "features", "patients", "seeds"]].tolist() == [50, 60, 12, 30, 3]


def test_every_metric_stands_there_for_both_prompts_and_extractors(table_04):
    counts = table_04.groupby(["variant", "prompts", "extractor", "reading"])["metric"].agg(tuple).to_dict()
    for variant in tables.VARIANTS:
        for prompts in ("impressions", "phrases"):
            for extractor in ("scenes", "phantom"):
                assert counts[variant, prompts, extractor, CORRECTED] == METRICS
            assert counts[variant, prompts, "scenes", AS_PUBLISHED] == ("fid",)
            for reading in (CORRECTED, AS_PUBLISHED):
                assert counts[variant, prompts, "pixels", reading] == ("ms_ssim",)
    assert counts[REAL, REAL, "pixels", CORRECTED] == ("ms_ssim",)
    assert not table_04.duplicated(KEYS).any()
    assert list(dict.fromkeys(table_04["variant"])) == [*tables.VARIANTS, REAL]


def test_intervals_stay_within_what_a_metric_can_be():
    rows = generation_rows.distances(0.5)
    rows = rows[(rows["extractor"] == "scenes") & (rows["reading"] == CORRECTED) & (rows["prompts"] == "phrases")]
    values = tables_generation.distance_values(rows.assign(variant="finetune_f", seed=0))
    values["value"] = values["value"].where(values["half"] == -1, 5 * values["value"])
    low, high = (tables_generation.tidy(values).set_index("metric")[name] for name in ("low", "high"))
    assert (low[["fid", "density", "precision", "recall", "coverage"]] == 0).all()
    assert (high[["precision", "recall", "coverage"]] == 1).all() and (high[["fid", "density"]] > 1).all()
    assert (low[["kid", "fid_infinity"]] < 0).all()


def test_ms_ssim_is_the_mean_over_prompts(table_04):
    cells = table_04[table_04["metric"] == "ms_ssim"].set_index(KEYS)
    cell = cells.loc[("foundation", "phrases", "pixels", CORRECTED, "ms_ssim")]
    values = generation_rows.similarity(9 / 20).query("reading == 'corrected' and prompts == 'phrases'")["ms_ssim"]
    assert cell["value"] == pytest.approx(values.mean(), rel=1e-5)
    assert cell["low"] < cell["value"] < cell["high"] and (cell["n"], cell["patients"]) == (12, 6)
    drawn = cells.loc[("foundation", "phrases", "pixels", AS_PUBLISHED, "ms_ssim")]
    assert drawn["value"] == pytest.approx(9 / 20 + 0.1, rel=1e-5) and np.isnan(drawn["low"]) and drawn["n"] == 12
    real = cells.loc[(REAL, REAL, "pixels", CORRECTED, "ms_ssim")]
    assert real["value"] == pytest.approx(0.3) and (real["n"], real["patients"], real["seeds"]) == (2, 2, 1)


def test_what_real_images_have_stands_under_the_models(fresh_04):
    text = tables_generation.distances_markdown(fresh_04, "caption", SETTING, "scenes")
    block = text.split("### MS-SSIM")[1].split("###")[0].strip().splitlines()
    assert block[-3].startswith("| Finetune_F") and block[-1] == "Test images of different patients: 30.0 [20.0, 40.0]."


def test_published_values_stand_beside_their_own_cells_only(table_04):
    theirs = table_04.set_index(KEYS)["published"]
    assert theirs["finetune_l", "impressions", "scenes", CORRECTED, "fid"] == 61.9
    assert theirs["finetune_l", "impressions", "phantom", CORRECTED, "fid"] == 7.7
    assert theirs["foundation", "phrases", "scenes", CORRECTED, "fid"] == 236.2
    assert theirs["finetune_f", "phrases", "pixels", CORRECTED, "ms_ssim"] == pytest.approx(0.082)
    assert theirs.notna().sum() == len(PAPER[4])


def test_table_10_holds_the_ablations_beside_what_they_depart_from(rows, tmp_path):
    read = generation_rows.read(rows, "distances", tuple(generation_rows.FID))
    table = tables_generation.beside(tables_generation.table_10(read), pd.concat([PAPER[10], PAPER[4]]), "scenes")
    found = through_csv(table, tmp_path)
    assert list(dict.fromkeys(found["variant"])) == ["finetune_l", "finetune_f", *tables.ABLATIONS]
    cells = found.set_index(KEYS)
    cell = cells.loc[("finetune_f_pa", "phrases", "phantom", CORRECTED, "fid")]
    assert cell["value"] == pytest.approx(1.5 * 1.01 * 0.1, rel=1e-5)
    assert (cell["published"], cell["seeds"]) == (3.6, 1) and np.isnan(cell["std"])
    assert cells.loc[("finetune_l", "phrases", "phantom", CORRECTED, "fid"), "published"] == 7.3
    assert cells["published"].notna().sum() == len(PAPER[10]) + 8


# --- recognition ---


def test_auc_is_that_of_a_findings_images_against_healthy_ones_of_the_same_kind(table_05):
    cells = table_05.set_index(["variant", "prompts", "finding"]).sort_index()
    for variant, prompts in (("finetune_f", "impressions"), ("finetune_f", "phrases"), ("foundation", "impressions")):
        by_seed = []
        for made in generation_rows.made(variant):
            rows = generation_rows.judged(variant, made.seed)
            healthy = rows[(rows["prompts"] == "impressions") & (rows["finding"] == "No Finding")]
            mine = pd.concat([rows[(rows["prompts"] == prompts) & (rows["finding"] != "No Finding")], healthy])
            by_seed.append(auc_by_finding(mine[list(FINDINGS)].to_numpy(), mine["finding"], FINDINGS, "No Finding"))
        expected = pd.DataFrame(by_seed).mean()
        found = cells.loc[(variant, prompts)]["value"]
        np.testing.assert_allclose(found[list(FINDINGS)], expected, rtol=1e-5)
        assert found[tables.MACRO] == pytest.approx(expected.mean(), rel=1e-5)


def test_real_images_stand_there_once(table_05, recognised):
    real = table_05[table_05["variant"] == REAL]
    assert len(real) == 9 and set(real["prompts"]) == {REAL} and set(real["seeds"]) == {1}
    assert (real.loc[real["finding"] != tables.MACRO, "n"] == 20).all()
    assert recognised.groupby(["variant", "seed", "prompts"])["half"].agg(
        ["min", "max"]
    ).drop_duplicates().to_numpy().tolist() == [[-1, 9]]


def test_published_recognition_stands_beside_images_of_impressions(table_05):
    theirs = table_05.set_index(["variant", "prompts", "finding"])["published"]
    assert theirs[REAL, REAL, "Edema"] == pytest.approx(0.914)
    assert theirs["finetune_f", "impressions", tables.MACRO] == pytest.approx(0.771)
    assert theirs.notna().sum() == len(PAPER[5])


def test_patients_are_those_of_the_finding_or_of_the_healthy_images_it_is_told_from():
    judged = generation_rows.judged("finetune_l").assign(variant="finetune_l", seed=0)
    judged["patient"] = [f"p{place}" for place in range(len(judged))]
    edema = judged["finding"].str.contains("Edema")
    judged.loc[edema, "patient"] = ["p-1", "p-2"] * (edema.sum() // 2) + ["p-1"] * (edema.sum() % 2)
    values = tables_generation.auc_values(judged, FINDINGS, "phantom", 4)
    healthy = judged[judged["finding"] == NO_FINDING].groupby("prompts")["patient"].nunique()
    patients = values.groupby(["prompts", "finding"])["patients"].first()
    for prompts, count in healthy.items():
        assert patients[prompts, "Edema"] == 2 < patients[prompts, tables.MACRO] <= count


def test_a_finding_that_no_image_was_asked_to_show_has_no_auc():
    judged = generation_rows.judged("finetune_l").assign(variant="finetune_l", seed=0)
    judged = judged[judged["finding"] != "Edema"]
    table = tables_generation.table_05(tables_generation.auc_values(judged, FINDINGS, "phantom", 4))
    cells = table.set_index(["variant", "prompts", "finding"])["value"]
    assert np.isnan(cells["finetune_l", "impressions", "Edema"])
    others = [cells["finetune_l", "impressions", name] for name in FINDINGS if name != "Edema"]
    assert cells["finetune_l", "impressions", tables.MACRO] == pytest.approx(np.mean(others))


# --- Markdown ---


@pytest.mark.parametrize(
    ("metric", "numbers", "text"),
    [
        ("fid", (61.94, 0.53, 60.04, 63.06), "61.9 ± 0.5 [60.0, 63.1]"),
        ("fid", (0.001234, 0.0001, 0.001, 0.0015), "0.00123 ± 0.00010 [0.00100, 0.00150]"),
        ("kid", (-0.0, float("nan"), -0.01, 0.01), "0.00 [-0.01, 0.01]"),
        ("fid", (2376.4, float("nan"), float("nan"), float("nan")), "2376"),
        ("auc", (0.771, 0.01, 0.75, 0.79), "77.1 ± 1.0 [75.0, 79.0]"),
        ("fid_infinity", (float("nan"),) * 4, "–"),
    ],
)
def test_cells_are_written_with_the_digits_that_count(metric, numbers, text):
    cell = {"metric": metric, **dict(zip(("value", "std", "low", "high"), numbers, strict=True))}
    assert tables_generation.cell_text(cell) == text


def lines(text: str, start: str) -> list[list[str]]:
    """The rows of the Markdown tables in ``text`` whose first cell is ``start``."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return [row for row in rows if row[0] == start]


def test_table_4_for_reading(fresh_04):
    heading = tables_generation.caption_distances(4, fresh_04, SETTING)
    text = tables_generation.distances_markdown(fresh_04, heading, SETTING, "scenes")
    assert "50 of impressions and 50 of phrases; real ones, for both, the 60" in text
    assert "3 training seeds of each fine-tuned model" in text and "no more images than features" not in text
    general, domain, similar = lines(text, "Finetune_L")
    assert general[1] == "Finetune_L" and general[2].startswith("2.04 ± 0.04 [")
    assert (general[3], general[5]) == ("61.9", "60.5")
    assert domain[5] == "7.3 †" and "the prose of line 259" in text
    assert similar[2].startswith("10.") and similar[3] == "10.3"
    assert [row[1] for row in lines(text, "Foundation")] == ["SDv2"] * 3
    assert len(lines(text, "phantom")) == 6  # beyond the paper: two kinds of prompts, three models


def test_few_images_are_said_to_be_few(fresh_04):
    few = fresh_04.assign(features=80)
    assert "no more images than features" in tables_generation.caption_distances(4, few, SETTING)


def test_table_5_for_reading(fresh_05):
    text = tables_generation.auc_markdown(fresh_05, tables_generation.caption_05(fresh_05, SETTING))
    (row,) = lines(text, "Edema")
    assert row[1] == "20" and row[3] == "91.4" and row[5] == "85.9" and row[7] == "84.1"
    assert len(lines(text, "Foundation")) == 2 and len(lines(text, "real")) == 1


def test_the_figure_shows_what_the_paper_has(fresh_04):
    shown = tables_generation.for_figure(fresh_04, "phantom", "scenes")
    assert set(shown["metric"]) == {"fid", "fid_xrv", "ms_ssim"} and set(shown["finding"]) == {"Impressions", "Phrases"}
    assert len(shown) == len(PAPER[4]) and shown["published"].notna().all()


def test_at_the_papers_scale_the_judges_are_the_papers(fresh_04):
    setting = tables.Setting("paper", "ms_cxr", "ms_cxr")
    renamed = fresh_04.replace({"extractor": {"scenes": "coco", "phantom": "ms_cxr"}})
    heading = tables_generation.caption_distances(4, renamed, setting)
    assert "the same extractors" in heading and "other extractors" not in heading
    text = tables_generation.distances_markdown(renamed, heading, setting, "coco")
    assert "features of Inception-v3, as in the paper" in text and "a classifier of" not in text
    assert "of scenes here, Inception-v3 published" in f"of {tables_generation.judge('scenes', 'Inception-v3')}"
