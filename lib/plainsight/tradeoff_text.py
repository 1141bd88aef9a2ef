"""What seed 000 states about the variability of the training text (Table 7), as comparisons whose outcome is computed.

Everything here is about the phrases that hold the name of their finding (``plainsight.schema.names_finding``), as in
the paper, and about levels of text that the same two recipes, F and L, are trained on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from plainsight.claims import Claim
from plainsight.tables import NAMES
from plainsight.tables_text import LEVELS, RECIPES, TEXTS
from plainsight.tradeoff import PAPER, Comparison
from plainsight.workspace import FOUNDATION

NOTEBOOK = "notebooks/tradeoff/4_text_difficulty.py"


def comparisons(table_07: pd.DataFrame) -> list[Comparison]:
    """Every claim, in the order of the paper; the level takes the place of the protocol.

    That a learnable encoder "completely fails" is taken as: it localises worse than the foundation it started from,
    which the paper calls bad at it. The foundation's CNR on these phrases is not printed.

    Args:
        table_07: the published table (``plainsight.published.read``).
    """
    cells = table_07.set_index(["text", "variant"])["value"]
    published = {(recipe, level): cells[text, recipe] for level, text in TEXTS.items() for recipe in RECIPES}
    return [*_recipes(published), *_failures(), *_levels(published)]


def _recipes(published: Mapping[tuple[str, str], float]) -> Iterator[Comparison]:
    for level, words in LEVELS.items():
        statement = f"Trained on {words}, the frozen text encoder localises better than the learnable one"
        effect = published.get(("finetune_f", level), np.nan) - published.get(("finetune_l", level), np.nan)
        yield _compare(f"f_l_{level}", statement, effect, ("finetune_f", level), ("finetune_l", level), 1)


def _failures() -> Iterator[Comparison]:
    for level, words in LEVELS.items():
        statement = f"Trained on {words}, the learnable text encoder fails: it localises worse than the foundation"
        yield _compare(f"l_fails_{level}", statement, np.nan, ("finetune_l", level), (FOUNDATION, "boxes"), -1)


def _levels(published: Mapping[tuple[str, str], float]) -> Iterator[Comparison]:
    """Two columns of Table 7, each in its published order, the highest CNR first."""
    pairs = [("finetune_f", "reports", "labels"), ("finetune_f", "reports", "composed")]
    pairs += [("finetune_f", "labels", "composed")]
    pairs += [("finetune_l", "labels", "composed"), ("finetune_l", "composed", "reports")]
    for recipe, better, worse in pairs:
        statement = f"{NAMES[recipe]} localises better trained on {LEVELS[better]} than on {LEVELS[worse]}"
        effect = published[recipe, better] - published[recipe, worse]
        key = f"{recipe}_{better}_{worse}"
        yield _compare(key, statement, effect, (recipe, better), (recipe, worse), 1)


def _compare(
    key: str, statement: str, published: float, a: tuple[str, str], b: tuple[str, str], sign: int
) -> Comparison:
    """CNR of one recipe and level against that of another."""
    place = "Table 7" if {a[1], b[1]} <= {*TEXTS, "boxes"} else "Table 7, beyond the paper"
    sides = [NAMES[recipe] + (f" ({LEVELS[level]})" if level in LEVELS else "") for recipe, level in (a, b)]
    statistic = f"mean CNR, {' - '.join(sides)}, phrases that name the finding"
    claim = Claim(f"{PAPER}_text_{key}", PAPER, place, statement, float(published), statistic, sign)
    return Comparison(claim, a[0], b[0], "cnr", protocol=a[1], protocol_b=b[1])
