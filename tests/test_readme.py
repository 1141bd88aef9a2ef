"""The README's tables say what the committed score rows and tables say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from plainsight import claims, published
from plainsight.generation_scores import CORRECTED
from plainsight.tables import MACRO, WEIGHTED
from plainsight.words import PHRASE

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SAID = " ".join(README.split())
TOY = ROOT / "paper_tables" / "toy"
BLIND = {"a Gaussian in the middle": "centred_gaussian", "the average box of the finding": "average_box"}
MODELS = {"foundation": "foundation", "Finetune_F": "finetune_f", "Finetune_L": "finetune_l"}


def rows_of(header: str) -> dict[str, list[str]]:
    """The cells of the README's table whose header begins so, by their row's first cell."""
    lines = README.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {header} |"))
    end = next(number for number in range(start, len(lines)) if not lines[number].startswith("|"))
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[start + 2 : end]]
    return {first: rest for first, *rest in cells}


def short(value: float) -> str:
    """Two decimals, without the zero before them."""
    return f"{value:.2f}".lstrip("0")


def scores(variant: str, protocol: str = "boxes", world: str = "phantom") -> list[pd.DataFrame]:
    """The score rows of each training."""
    paths = sorted((TOY / world / "scores" / variant).glob(f"seed*/{protocol}.parquet"))
    assert paths, (world, variant, protocol)
    return [pd.read_parquet(path) for path in paths]


def in_words(means: list[float]) -> str:
    """Their mean, and each of them where there are several."""
    if len(means) < 2:
        return "".join(map(short, means))
    return f"{short(np.mean(means))} ({', '.join(map(short, means))})"


def auc(world: str, variant: str, protocol: str = "boxes") -> str:
    return in_words([rows["auc"].mean() for rows in scores(variant, protocol, world)])


def whole_phrases(variant: str) -> list[pd.Series]:
    """AUC of the map of all words of each phrase, on phantoms, for each training."""
    return [rows.loc[rows["word"].eq(PHRASE) & rows["raw"].eq(0), "auc"] for rows in scores(variant, "words")]


def auc_of_all_words(variant: str) -> str:
    return in_words([phrases.mean() for phrases in whole_phrases(variant)])


def test_where_the_words_look():
    paper = published.read(ROOT / "paper_tables", "tradeoff", 1)
    paper = paper[(paper["finding"] == published.AVERAGE) & (paper["metric"] == "auc")].set_index("variant")["value"]
    table = rows_of("AUC-ROC of a phrase's map")
    for name, variant in MODELS.items():
        if name != "Finetune_L":
            ours = [auc("phantom", variant), auc_of_all_words(variant), auc("nih", variant)]
            assert table.pop(name) == [*ours, short(paper[variant])]
    equally, twice = "Finetune_L, as many steps as F", "Finetune_L, twice as many, as in the paper"
    assert table.pop(equally) == [auc("phantom", "finetune_l", "boxes_equal_steps"), "", "", ""]
    ours = [auc("phantom", "finetune_l"), auc_of_all_words("finetune_l"), auc("nih", "finetune_l")]
    assert table.pop(twice) == [*ours, short(paper["finetune_l"])]
    for name, blind in BLIND.items():
        assert table.pop(f"blind: {name}") == [auc("phantom", blind), "", auc("nih", blind), ""]
    assert not table


def test_phrases_that_hold_no_word_of_their_finding():
    def kept(variant: str, matched: int) -> list[pd.DataFrame]:
        return [rows[rows["keyword_matched"] == matched] for rows in scores(variant)]

    def by_all_words(variant: str) -> float:
        """In the phrases that hold a word of their finding; the others are read by all words anyway."""
        means = []
        for whole, other in zip(whole_phrases(variant), kept(variant, 0), strict=True):
            means.append((whole.sum() - other["auc"].sum()) / (len(whole) - len(other)))
        return float(np.mean(means))

    by_keywords = {variant: [rows["auc"].mean() for rows in kept(variant, 1)] for variant in MODELS.values()}
    whole, without = len(scores("foundation")[0]), len(kept("foundation", 0)[0])
    assert f"from the {without} of {whole} phrases that hold no word of their finding" in SAID
    frozen, foundation = in_words(by_keywords["finetune_f"]), in_words(by_keywords["foundation"])
    assert f"in the others F has {frozen}, the foundation {foundation}." in SAID
    frozen, learned, base = (
        f"{short(np.mean(by_keywords[variant]))} {joint} {short(by_all_words(variant))}"
        for variant, joint in (("finetune_f", "by them and"), ("finetune_l", "and"), ("foundation", "and"))
    )
    assert f"F has {frozen} by all words, L {learned}, the foundation {base}." in SAID


def test_a_gaussian_is_better_than_f_for_each_finding():
    for world in ("phantom", "nih"):
        f, blind = (
            pd.concat(scores(variant, world=world)).groupby("finding")["auc"].mean()
            for variant in ("finetune_f", "centred_gaussian")
        )
        assert (blind > f).all() and len(f) == 8
    assert (
        "on both a Gaussian in the middle, which never saw the image, does better than F for each of the eight" in SAID
    )


def test_what_the_foundation_knows():
    own = short(scores("foundation", "masks", "scenes")[0]["auc"].mean())
    assert f"The foundation does know its own words: {own} on the drawn scenes" in SAID


def test_end_tokens():
    def cnr(variant: str, protocol: str, world: str = "phantom") -> str:
        return short(np.mean([rows["cnr"].mean() for rows in scores(variant, protocol, world)]))

    learned, frozen, base = (
        f"{cnr(variant, 'boxes_end_token')} against {cnr(variant, 'boxes')}"
        for variant in ("finetune_l", "finetune_f", "foundation")
    )
    assert f"CNR, the contrast over the noise, is {learned} (in the paper .68 against .13; holds)" in SAID
    assert f"so does F's, {frozen}, where" in SAID
    assert f"so did the foundation's, {base}, before any fine-tuning" in SAID
    there = f"{cnr('finetune_l', 'boxes', 'nih')} against {cnr('finetune_l', 'boxes_end_token', 'nih')}"
    assert f"On radiographs L's words are ahead ({there};" in SAID


def test_which_images_are_better():
    made = pd.read_csv(TOY / "phantom" / "tradeoff" / "table_04.csv")
    made = made[(made["reading"] == CORRECTED) & made["prompts"].isin(["impressions", "real"])]
    value = made.set_index(["variant", "extractor", "metric"])["value"]
    table = rows_of("384 images for impressions")
    for name, variant in MODELS.items():
        distances = [f"{value[variant, extractor, 'fid']:.1f}" for extractor in ("phantom", "scenes")]
        assert table.pop(name) == [*distances, short(value[variant, "pixels", "ms_ssim"])]
    assert table.pop("test images of different patients") == ["", "", short(value["real", "pixels", "ms_ssim"])]
    assert not table


def test_what_the_judge_finds():
    table = pd.read_csv(TOY / "phantom" / "tradeoff" / "table_05.csv")
    value = table[table["prompts"].isin(["impressions", "real"])].set_index(["variant", "finding"])["value"]
    found = ["Consolidation", "Edema", "Cardiomegaly", "Pneumonia"]
    learned, frozen = (
        f"{short(value[v][found].min())} to {short(value[v][found].max())}" for v in ("finetune_l", "finetune_f")
    )
    assert f"(AUC-ROC {short(value['real', MACRO])})" in SAID and f"(L {learned}, F {frozen})" in SAID
    learned, frozen = (short(value[variant, "Atelectasis"]) for variant in ("finetune_l", "finetune_f"))
    assert f"L's of atelectasis it cannot tell ({learned}); F's ({frozen})" in SAID
    rest = ["Pleural Effusion", "Lung Opacity", "Pneumothorax"]
    learned, frozen = (
        ", ".join(short(value[variant, name]) for name in rest) for variant in ("finetune_l", "finetune_f")
    )
    assert f"(L {learned}; F {frozen})" in SAID


def test_quality_and_grounding():
    table = pd.read_csv(TOY / "phantom" / "beyond" / "quality_and_grounding.csv")
    cell = table[(table["variant"] == "all") & (table["metric"] == "cnr_fid")].iloc[0]
    rho, low, high = (f"{number:.2f}".replace("0.", ".") for number in (cell["value"], cell["low"], cell["high"]))
    assert f"CNR and FID is {rho}, with an interval of {low} to {high}, over seven kinds of model" in SAID
    assert cell["units"] == 7


def test_in_the_foundations_own_world():
    table = pd.read_csv(TOY / "scenes" / "tradeoff" / "table_02.csv")
    value = table[table["reading"] == CORRECTED].set_index(["metric", "variant", "steps"])["value"]
    auc, fid = value["auc"], value["fid"]
    start, frozen, learned = ("foundation", 0), ("finetune_f", 2000), ("finetune_l", 2000)
    assert f"both fall below the foundation ({short(auc[start])}) at once" in SAID
    assert auc.drop(start).max() < auc[start]
    assert f"after 2,000 steps F has {short(auc[frozen])}, L {short(auc[learned])}, and" in SAID
    assert f"(FID {fid[frozen]:.1f} and {fid[learned]:.1f}, the foundation's {fid[start]:.1f})" in SAID


def test_four_runs():
    runs = pd.read_csv(ROOT / "benchmarks" / "results" / "toy_runs.csv")
    equal = runs[(runs["world"] == "phantom") & (runs["steps"] == 1000) & (runs["variant"] != "foundation")]
    means = equal.groupby(["run", "variant"], sort=False)["auc"].mean().unstack()
    leads = [f"{lead:.2f}".replace("0.", ".") for lead in means["finetune_f"] - means["finetune_l"]]
    f = [short(value) for value in means["finetune_f"]]
    assert f"F had {', '.join(f[:-1])} and {f[-1]}, and led L by {', '.join(leads[:-1])} and {leads[-1]}" in SAID


def test_what_the_text_does():
    found = pd.read_csv(TOY / "phantom" / "tradeoff" / "table_07.csv")
    found = found[(found["finding"] == WEIGHTED) & (found["metric"] == "auc")]
    table = rows_of("trained on")
    levels = {
        "whole reports (three trainings)": "reports",
        "composed impressions": "composed",
        "report sentences": "sentences",
        "class names": "labels",
    }
    for name, level in levels.items():
        value = found[found["level"] == level].set_index("variant")["value"]
        assert table.pop(name) == [short(value["finetune_f"]), short(value["finetune_l"])]
    assert not table


def test_the_ledger():
    table = rows_of("paper, world")
    ledger = claims.gather(TOY)
    for (world, paper), mine in ledger.groupby(["world", "paper"]):
        counts = [int((mine["verdict"] == verdict).sum()) for verdict in claims.VERDICTS]
        single = int((mine["seeds"] == 1).sum())
        assert table.pop(f"{paper}, {world}") == [str(number) for number in (len(mine), *counts, single)]
    assert not table


def test_what_luck_would_decide():
    luck = claims.by_luck(claims.gather(TOY)).astype(int)
    phantom, nih = (luck.loc[(world, "tradeoff")].tolist() for world in ("phantom", "nih"))
    assert (
        "of the {} claims on phantoms that have several {} are decided, where luck would decide up to {};".format(
            *phantom
        )
        in SAID
    )
    assert "of {} on radiographs {}, where it would decide up to {}.".format(*nih) in SAID


@pytest.mark.parametrize(
    "picture", sorted(line.split("](")[1].rstrip(")") for line in README.splitlines() if line.startswith("!["))
)
def test_every_picture_is_there(picture):
    assert (ROOT / picture).is_file()
