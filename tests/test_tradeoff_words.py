"""Claims about words on rows whose answer is known, read back through the CSV."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import word_rows
from plainsight import claims, published, tables, tradeoff_words, words
from plainsight.results import Run
from score_rows import FINDINGS, joined, runs_like_the_paper, score_rows

FOLDER = Path(__file__).parents[1] / "paper_tables"
PUBLISHED = [published.read(FOLDER, "tradeoff", number) for number in (1, 6)]
CHOSEN = tradeoff_words.comparisons(*PUBLISHED, tables.same_names(FINDINGS))
END = {"foundation": 0.6, "finetune_l": 0.7, "finetune_f": 0.72}
"""AUC of the end token; the CNR of these rows is positive from 0.55 on."""


def score_frames() -> dict[Run, pd.DataFrame]:
    frames = {run: frame for run, frame in runs_like_the_paper().items() if run.protocol == "boxes"}
    ends = {run._replace(protocol="boxes_end_token"): END[run.variant] for run in frames}
    return frames | {run: score_rows(mean, 50 + run.seed, 20, 0.01) for run, mean in ends.items()}


def word_frame(raw: bool = True) -> pd.DataFrame:
    frames = word_rows.like_the_paper(raw)
    parts = [frame.assign(variant=variant, seed=seed) for (variant, seed), frame in frames.items()]
    return pd.concat(parts, ignore_index=True)


def points(slope: float) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    share = np.linspace(0, 1, 200)
    parts = []
    for seed in range(3):
        cnr = slope * share + rng.standard_normal(200)
        rows = {"finding": "Edema", "word": [f"w{i}" for i in range(200)], "training_share": share, "cnr": cnr}
        parts.append(pd.DataFrame({**rows, "variant": "finetune_f", "seed": seed}))
    return pd.concat(parts, ignore_index=True)


def judged(folder: Path, scores=None, by_word=None, found=None) -> pd.DataFrame:
    rows = [joined(score_frames() if scores is None else scores)]
    rows.append(tradeoff_words.word_rows(word_frame() if by_word is None else by_word))
    everything = pd.concat(rows, ignore_index=True)
    ledger = tradeoff_words.judge_words(CHOSEN, everything, found, "toy", "phantom", 200)
    tables.write_table(ledger, folder / "claims_words.csv")
    return claims.read(folder / "claims_words.csv").set_index("id")


@pytest.fixture(scope="module")
def like_the_paper(tmp_path_factory) -> pd.DataFrame:
    return judged(tmp_path_factory.mktemp("claims"), found=points(0))


def test_a_world_like_the_papers(like_the_paper):
    assert set(like_the_paper["verdict"]) == {"holds"}
    assert len(like_the_paper) == len(CHOSEN) + 1 == 19
    assert (like_the_paper["notebook"] == tradeoff_words.NOTEBOOK).all()


def test_effects_are_differences_of_means(like_the_paper):
    frames = score_frames()

    def mean(variant: str, protocol: str) -> float:
        mine = [
            frame["cnr"].mean() for run, frame in frames.items() if (run.variant, run.protocol) == (variant, protocol)
        ]
        return float(np.mean(mine))

    effect = like_the_paper["effect"]
    ends = {variant: mean(variant, "boxes_end_token") for variant in ("finetune_f", "finetune_l")}
    assert effect["tradeoff_words_finetune_l_end_token"] == pytest.approx(ends["finetune_l"], rel=1e-4)
    across = mean("finetune_f", "boxes") - ends["finetune_l"]
    assert effect["tradeoff_words_keywords_f_end_token_l"] == pytest.approx(across, rel=1e-4)
    keywords = word_rows.CONTRAST["finetune_f"][words.KEYWORDS]
    assert effect["tradeoff_words_curated_raw_keywords_f"] == pytest.approx(keywords / 3, abs=0.02)
    assert effect["tradeoff_words_keywords_finetune_f_finetune_l"] == pytest.approx(keywords, abs=0.02)
    phrase = word_rows.CONTRAST["finetune_f"][words.PHRASE]
    assert effect["tradeoff_words_all_words_finetune_f_finetune_l"] == pytest.approx(phrase, abs=0.02)


def test_published_effects_come_from_the_paper():
    effects = {one.claim.id.removeprefix("tradeoff_words_"): one.claim.published for one in CHOSEN}
    assert effects["keywords_f_end_token_l"] == pytest.approx(0.920 - 0.68)
    assert effects["end_token_l_keywords_l"] == pytest.approx(0.68 - 0.133)
    assert effects["finetune_l_end_token_edema"] == 0.90 and effects["finetune_f_end_token_lung_opacity"] == 1.06
    ends = [key for key in effects if key.startswith("finetune_l_end_token_")]
    assert len(ends) == 7 and "finetune_l_end_token_pneumothorax" not in effects  # not among its best three
    for one in CHOSEN:
        assert np.isnan(one.claim.published) or one.claim.published > 0, one.claim.id
    assert len({one.claim.id for one in CHOSEN}) == len(CHOSEN)


def test_the_end_token_of_the_prose_is_the_average_of_table_6():
    """0.68 is the sample-weighted average of the seven cells that Table 6 prints for Finetune_L."""
    cells = PUBLISHED[1]
    cells = cells[(cells["word"] == "EOS") & (cells["metric"] == "cnr") & (cells["variant"] == "finetune_l")]
    assert np.average(cells["value"], weights=cells["n"].astype(float)) == pytest.approx(0.68, abs=0.005)


def test_another_world_gives_other_verdicts(tmp_path):
    frames = score_frames()
    for run in [run for run in frames if run.variant == "finetune_l" and run.protocol == "boxes_end_token"]:
        frames[run] = score_rows(0.4, 70 + run.seed, 20, 0.01)
    better = word_frame()
    better["cnr"] = better["cnr"].where(better["raw"] == 0, better["cnr"] * 3)
    verdicts = judged(tmp_path, frames, better, points(8))["verdict"]
    for claim in ("finetune_l_end_token", "finetune_l_end_token_edema", "curated_raw_keywords_f", "no_correlation"):
        assert verdicts[f"tradeoff_words_{claim}"] == "fails"
    assert verdicts["tradeoff_words_finetune_f_end_token"] == "holds"


def test_what_cannot_be_asked_is_left_out(tmp_path):
    ids = judged(tmp_path, by_word=word_frame(raw=False)).index
    assert "tradeoff_words_curated_raw_keywords_f" not in ids and "tradeoff_words_no_correlation" not in ids
    assert "tradeoff_words_keywords_finetune_f_finetune_l" in ids


def test_few_words_decide_nothing_about_correlation(tmp_path):
    few = points(0)
    verdict = judged(tmp_path, found=few[few["word"].isin([f"w{i}" for i in range(9)])])["verdict"]
    assert verdict["tradeoff_words_no_correlation"] == "inconclusive"
    nothing = judged(tmp_path, found=few.head(0))
    assert nothing["verdict"]["tradeoff_words_no_correlation"] == "inconclusive"
