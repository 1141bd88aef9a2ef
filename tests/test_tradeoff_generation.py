"""Claims about made images on score rows whose answer is known, read back through the CSV."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import generation_rows
from plainsight import claims, figures, generation_scores, published, tables, tables_generation, tradeoff_generation
from plainsight.metrics.generation import METRICS, by_half
from score_rows import FINDINGS

FOLDER = Path(__file__).parents[1] / "paper_tables"
PAPER = {number: published.read(FOLDER, "tradeoff", number) for number in (4, 5, 10)}
CHOSEN = tradeoff_generation.contrasts(PAPER[4], PAPER[5], "phantom", "scenes")
ABLATED = tradeoff_generation.ablation_contrasts(PAPER[4], PAPER[10], "phantom", "scenes")
PREFIX = "tradeoff_generation_"


def judged(folder: Path, fid: dict[str, float]) -> pd.DataFrame:
    generation_rows.write(folder, fid)
    distances = generation_rows.read(folder, "distances", tuple(fid))
    scores = generation_rows.read(folder, "judged", tables.VARIANTS)
    recognised = tables_generation.auc_values(scores, FINDINGS, "phantom", generation_rows.HALVES)
    values = pd.concat([tables_generation.distance_values(distances), recognised], ignore_index=True)
    ledger = tradeoff_generation.judge_generation(CHOSEN, values, PAPER, "toy", "phantom", "scenes")
    tables.write_table(ledger, folder / "claims_generation.csv")
    ablated = tradeoff_generation.judge_ablations(ABLATED, values, "toy", "phantom")
    tables.write_table(ablated, folder / "claims_ablated_images.csv")
    found = pd.concat([claims.read(folder / f"claims_{name}.csv") for name in ("generation", "ablated_images")])
    return found.assign(id=found["id"].str.removeprefix(PREFIX)).set_index("id")


@pytest.fixture(scope="module")
def like_the_paper(tmp_path_factory) -> pd.DataFrame:
    return judged(tmp_path_factory.mktemp("paper"), generation_rows.FID)


def test_a_world_like_the_papers(like_the_paper):
    ablations = like_the_paper["place"] == "Table 10"
    assert set(like_the_paper.loc[ablations, "verdict"]) == {"inconclusive"}  # trained once
    assert (like_the_paper.loc[ablations, "seeds_agreeing"] == 1).all() and ablations.sum() == 16
    others = like_the_paper[~ablations]
    wrong = others.index[others["verdict"] != "holds"]
    # F is a little better for six findings here, so that the average is not L's.
    assert list(wrong) == ["finetune_l_finetune_f_auc_average"]
    assert len(others) == len(CHOSEN) + 1 == 12 + 9 + 10 + 1
    assert (others["notebook"] == tradeoff_generation.NOTEBOOK).all()
    assert (like_the_paper.loc[ablations, "notebook"] == tradeoff_generation.ABLATIONS_NOTEBOOK).all()


def test_effects_are_differences_of_the_tables(like_the_paper):
    effect = like_the_paper["effect"]
    assert effect["finetune_f_finetune_l_fid_impressions"] == pytest.approx(3 * 1.02 - 2 * 1.02, rel=1e-5)
    assert effect["foundation_finetune_f_fid_xrv_phrases"] == pytest.approx(0.101 * (9 - 3 * 1.02), rel=1e-5)
    # The seed that was trained, not the mean over the other model's three.
    assert effect["finetune_l_nouncond_finetune_l_fid_impressions"] == pytest.approx(2.6 - 2.0, rel=1e-5)
    assert like_the_paper.loc["foundation_finetune_l_fid_impressions", "seeds"] == 3
    assert like_the_paper.loc["finetune_l_finetune_f_pa_fid_impressions", "seeds"] == 1


def test_what_the_halves_share_cancels(like_the_paper):
    row = like_the_paper.loc["finetune_f_finetune_l_fid_impressions"]
    assert row["high"] - row["low"] < 0.2 < 2 * 1.96 * 0.3  # the width of either model's own interval


def test_published_effects_come_from_the_paper(like_the_paper):
    theirs = like_the_paper["published"]
    assert theirs["finetune_f_finetune_l_fid_impressions"] == pytest.approx(75.5 - 61.9)
    assert theirs["finetune_f_finetune_l_fid_xrv_phrases"] == pytest.approx(10.0 - 7.3)
    assert theirs["finetune_l_then_f_finetune_l_fid_xrv_phrases"] == pytest.approx(9.3 - 7.3)
    assert theirs["finetune_l_finetune_f_pa_fid_impressions"] == pytest.approx(61.9 - 48.0)
    assert theirs["finetune_l_finetune_f_auc_pneumothorax"] == pytest.approx(0.796 - 0.701)
    fid, auc = (75.5 - 61.9) / ((75.5 + 61.9) / 2), (0.773 - 0.771) / ((0.773 + 0.771) / 2)
    assert theirs["gap"] == pytest.approx(fid - auc, rel=1e-4)
    assert (theirs.dropna() > 0).all() and theirs.isna().sum() == 10
    auc = [one.claim.id for one in CHOSEN if one.where["metric"] == "auc"]
    better_f = [name for name in auc if name.startswith(f"{PREFIX}finetune_f_finetune_l")]
    assert len(auc) == 9 and len(better_f) == 6


def test_the_gap_by_hand(like_the_paper, tmp_path):
    generation_rows.write(tmp_path)
    scores = generation_rows.read(tmp_path, "judged", tables.VARIANTS)
    values = tables_generation.auc_values(scores, FINDINGS, "phantom", 2)
    whole = values[(values["half"] == -1) & (values["prompts"] == "impressions") & (values["finding"] == tables.MACRO)]
    auc = whole.pivot(index="seed", columns="variant", values="value")[["finetune_f", "finetune_l"]].dropna()
    gaps = 1 / 2.5 - (auc["finetune_f"] - auc["finetune_l"]).abs() / auc.mean(axis=1)
    assert like_the_paper.loc["gap", "effect"] == pytest.approx(gaps.mean(), rel=1e-4)


def test_another_world_gives_other_verdicts(tmp_path):
    reverse = {**generation_rows.FID, "finetune_l": 6.0, "foundation": 1.0}
    verdicts = judged(tmp_path, reverse)["verdict"]
    for claim in (
        "finetune_f_finetune_l_fid_impressions",
        "foundation_finetune_f_fid_xrv_phrases",
        "finetune_f_finetune_l_kid_domain_phrases",
        "finetune_f_finetune_l_fid_as_published_impressions",
    ):
        assert verdicts[claim] == "fails"
    assert verdicts["finetune_f_finetune_l_auc_consolidation"] == "holds"


def test_claims_about_models_that_are_not_there_are_left_out(tmp_path):
    ids = judged(tmp_path, {name: generation_rows.FID[name] for name in tables.VARIANTS}).index
    assert len(ids) == len(CHOSEN) + 1 and not any("pa" in name.split("_") for name in ids)


def test_a_metric_without_a_value_decides_nothing(tmp_path):
    generation_rows.write(tmp_path)
    distances = generation_rows.read(tmp_path, "distances", tables.VARIANTS)
    distances.loc[distances["metric"] == "fid_infinity", "value"] = np.nan
    values = tables_generation.distance_values(distances)
    chosen = [one for one in CHOSEN if one.where["metric"] == "fid_infinity"]
    scores = generation_rows.read(tmp_path, "judged", tables.VARIANTS)
    values = pd.concat([values, tables_generation.auc_values(scores, FINDINGS, "phantom", generation_rows.HALVES)])
    ledger = tradeoff_generation.judge_generation(chosen, values, PAPER, "toy", "phantom", "scenes")
    verdicts = ledger.set_index("id")["verdict"].drop(f"{PREFIX}gap")
    assert len(verdicts) == 4 and set(verdicts) == {"inconclusive"}


def test_a_handful_of_images_runs_through(tmp_path):
    """As at scale smoke: three patients, findings that nobody was asked to show, two halves."""
    rng = np.random.default_rng(0)
    findings = ["No Finding", "Edema", "Pneumonia|Edema", "No Finding", "Pneumothorax", "Edema", "Pneumonia"]
    asked = {"impressions": findings, "phrases": list(FINDINGS[:7])}
    for variant in generation_rows.FID:
        kinds = {"distances": [], "similarity": [], "judged": []}
        for prompts, texts in {**asked, "real": findings}.items():
            ids = {"example_id": [f"{prompts}{i}" for i in range(7)], "patient": [f"p{i // 3}" for i in range(7)]}
            scores = pd.DataFrame(rng.normal(size=(7, len(FINDINGS))), columns=FINDINGS)
            kinds["judged"].append(scores.assign(**ids, finding=texts, prompts=prompts))
        for prompts in asked:
            features = rng.normal(size=(2, 7, 10))
            patients = [f"p{i // 3}" for i in range(7)]
            for extractor, reading in (("scenes", "corrected"), ("phantom", "corrected"), ("scenes", "as_published")):
                metrics = METRICS if reading == "corrected" else ("fid",)
                found = by_half(*features, patients, patients, 2, seed=0, metrics=metrics)
                sizes = {"n_real": 7, "n_generated": 7, "features": 10, "patients": 3}
                kinds["distances"].append(found.assign(prompts=prompts, extractor=extractor, reading=reading, **sizes))
            kinds["similarity"].append(generation_rows.similarity(0.5).query("prompts == @prompts").head(5))
            kinds["similarity"].append(generation_rows.similarity(0.5).query("prompts == @prompts").tail(1))
        kinds["similarity"].append(generation_rows.similarity(0.5).query("prompts == 'real'"))
        for kind, parts in kinds.items():
            path = tmp_path / generation_scores.place(kind, generation_scores.Made(variant, 0))
            path.parent.mkdir(parents=True, exist_ok=True)
            pd.concat(parts, ignore_index=True).to_parquet(path)

    def read(kind: str, variants: tuple[str, ...]) -> pd.DataFrame:
        return generation_scores.read(tmp_path, kind, [generation_scores.Made(name, 0) for name in variants])

    distances = read("distances", tuple(generation_rows.FID))
    setting = tables.Setting("smoke", "phantom", "phantom")
    table_04 = tables_generation.table_04(distances, read("similarity", tables.VARIANTS), 200)
    table_04 = tables_generation.beside(table_04, PAPER[4], "scenes")
    table_10 = tables_generation.beside(
        tables_generation.table_10(distances), pd.concat([PAPER[10], PAPER[4]]), "scenes"
    )
    for number, table in ((4, table_04), (10, table_10)):
        heading = tables_generation.caption_distances(number, table, setting)
        assert "no more images than features" in heading and "Table" in heading
        assert "nan" not in tables_generation.distances_markdown(table, heading, setting, "scenes")
    recognised = tables_generation.auc_values(read("judged", tables.VARIANTS), FINDINGS, "phantom", 2)
    table_05 = tables_generation.beside(tables_generation.table_05(recognised), PAPER[5], "scenes")
    assert "nan" not in tables_generation.auc_markdown(table_05, tables_generation.caption_05(table_05, setting))
    shown = tables_generation.for_figure(table_04, "phantom", "scenes")
    figures.save(
        figures.made_images(shown, {"fid": "a", "fid_xrv": "b", "ms_ssim": "c"}, "o", "p", {}), tmp_path / "f", ""
    )
    values = pd.concat([tables_generation.distance_values(distances), recognised], ignore_index=True)
    ledger = tradeoff_generation.judge_generation(CHOSEN, values, PAPER, "smoke", "phantom", "scenes")
    assert set(ledger["verdict"]) == {"inconclusive"} and len(ledger) == len(CHOSEN) + 1
