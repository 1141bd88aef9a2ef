"""The README's tables say what the committed score rows and tables say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from plainsight import claims, published
from plainsight.generation_scores import CORRECTED
from plainsight.tables import WEIGHTED
from plainsight.words import PHRASE

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
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


def auc(world: str, variant: str, protocol: str = "boxes") -> str:
    """The mean over trainings, and each training's own where there are several; "" where it was not asked."""
    paths = sorted((TOY / world / "scores" / variant).glob(f"seed*/{protocol}.parquet"))
    return in_words([pd.read_parquet(path)["auc"].mean() for path in paths])


def in_words(means: list[float]) -> str:
    """Their mean, and each of them where there are several."""
    if len(means) < 2:
        return "".join(map(short, means))
    return f"{short(np.mean(means))} ({', '.join(map(short, means))})"


def auc_of_all_words(variant: str) -> str:
    """The same of the map of all words of a phrase, on phantoms."""
    paths = sorted((TOY / "phantom" / "scores" / variant).glob("seed*/words.parquet"))
    rows = [pd.read_parquet(path) for path in paths]
    return in_words([part.loc[part["word"].eq(PHRASE) & part["raw"].eq(0), "auc"].mean() for part in rows])


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
    said = " ".join(README.split())
    assert (
        "of the {} claims on phantoms that have several {} are decided, where luck would decide up to {};".format(
            *phantom
        )
        in said
    )
    assert "of {} on radiographs {}, where it would decide up to {}.".format(*nih) in said


@pytest.mark.parametrize(
    "picture", sorted(line.split("](")[1].rstrip(")") for line in README.splitlines() if line.startswith("!["))
)
def test_every_picture_is_there(picture):
    assert (ROOT / picture).is_file()
