"""What seed 000 states about words and tokens (Tables 6 and 8, Figure 3), as comparisons whose outcome is computed.

One goes beyond it: whether all words of a phrase together localise better in the frozen model.

Left out, because the rule cannot judge it: that other words than the keywords would do better for some findings
("enlarged" for Cardiomegaly). Which word is best is chosen on the phrases it is then tested on, and rows of two words
cannot be paired by phrase (``plainsight.words.detach``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from plainsight.claims import Claim, judge, ledger
from plainsight.published import AVERAGE
from plainsight.tables import NAMES
from plainsight.tables_words import correlation
from plainsight.tradeoff import PAPER, Comparison, judge_all
from plainsight.words import END, KEYWORDS, PHRASE

NOTEBOOK = "notebooks/tradeoff/5_words.py"
END_TOKEN = "boxes_end_token"
CURATED, BOTH, RAW, WHOLE = "keywords", "keywords_both", "keywords_raw", "all_words"
"""Protocols of ``word_rows``: keywords in curated phrases; the same, of examples whose raw text has one too; in raw
texts; all words of curated phrases."""
PROSE = {"finetune_l": 0.68, "finetune_f": 0.72}
"""CNR of the end token over all findings, which only the prose has (seed 000 line 117)."""
NO_CORRELATION = 0.3
"""Largest correlation that still is "no real correlation"; below it, Cohen (1988) calls correlations small."""


def comparisons(table_01: pd.DataFrame, table_06: pd.DataFrame, names: Mapping[str, str]) -> list[Comparison]:
    """Every claim about words that score rows decide.

    Args:
        table_01, table_06: the published tables (``plainsight.published.read``).
        names: the paper's name of each of our findings that is the same one.
    """
    frozen, learnable = "finetune_f", "finetune_l"
    average = table_01[(table_01["finding"] == AVERAGE) & (table_01["metric"] == "cnr")].set_index("variant")["value"]
    found = [
        _compare(f"{name}_end_token", "Table 6, prose", f"The end token of {NAMES[name]} localises", PROSE[name], name)
        for name in (learnable, frozen)
    ]
    found += [
        _compare(
            "end_token_finetune_f_finetune_l",
            "Table 6, prose",
            "The end token localises a bit better with a frozen text encoder than with a learnable one",
            PROSE[frozen] - PROSE[learnable],
            frozen,
            learnable,
        ),
        _compare(
            "keywords_f_end_token_l",
            "Table 6, prose",
            "The end token of Finetune_L is far from localising as the words of the disease do in Finetune_F",
            average[frozen] - PROSE[learnable],
            frozen,
            learnable,
            "boxes",
            END_TOKEN,
        ),
        _compare(
            "end_token_l_keywords_l",
            "Table 6, prose",
            "Finetune_L localises better with its end token than with the words of the disease",
            PROSE[learnable] - average[learnable],
            learnable,
            learnable,
            END_TOKEN,
            "boxes",
        ),
        _compare(
            "keywords_finetune_f_finetune_l",
            "Table 6, caption",
            "The words of the disease localise better in the frozen model (phrases that hold a keyword)",
            np.nan,
            frozen,
            learnable,
            CURATED,
        ),
        _compare(
            "curated_raw_keywords_f",
            "Table 8",
            "In raw impressions the words of the disease localise worse than in curated phrases (Finetune_F)",
            np.nan,
            frozen,
            frozen,
            BOTH,
            RAW,
        ),
        _compare(
            "all_words_finetune_f_finetune_l",
            "Table 6, beyond the paper",
            "All words of a phrase together localise better in the frozen model",
            np.nan,
            frozen,
            learnable,
            WHOLE,
        ),
    ]
    return [*found, *_by_finding(table_06, names)]


def _by_finding(table_06: pd.DataFrame, names: Mapping[str, str]) -> Iterator[Comparison]:
    """ "The only exception is the end of string token which has a good localization performance throughout all"."""
    cells = table_06[(table_06["word"] == END) & (table_06["metric"] == "cnr")].set_index(["variant", "finding"])
    for variant in ("finetune_l", "finetune_f"):
        for ours, theirs in names.items():
            if (variant, theirs) in cells.index:
                key = f"{variant}_end_token_{theirs.lower().replace(' ', '_')}"
                statement = f"{ours}: the end token of {NAMES[variant]} localises"
                effect = cells.loc[(variant, theirs), "value"]
                yield _compare(key, f"Table 6, {theirs}", statement, effect, variant, finding=ours)


def _compare(
    key: str,
    place: str,
    statement: str,
    published: float,
    a: str,
    b: str | None = None,
    protocol: str = END_TOKEN,
    protocol_b: str = "",
    finding: str = "",
) -> Comparison:
    """``a`` above ``b``, or above 0, in CNR."""
    sides = [(a, protocol)] + [(b, protocol_b or protocol)] * (b is not None)
    words = {"boxes": "keywords or all words", END_TOKEN: "end token", CURATED: "keywords"}
    words |= {BOTH: "keywords, curated", RAW: "keywords, raw", WHOLE: "all words"}
    what = " - ".join(f"{NAMES[variant]} ({words[asked]})" for variant, asked in sides)
    statistic = ", ".join(filter(None, [f"mean CNR, {what}", finding]))
    claim = Claim(f"{PAPER}_words_{key}", PAPER, place, statement, float(published), statistic, 1)
    return Comparison(claim, a, b, "cnr", protocol=protocol, protocol_b=protocol_b, finding=finding)


def word_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows by word, of keywords and of whole phrases, as score rows of `CURATED`, `BOTH`, `RAW` and `WHOLE`."""
    rows = rows.assign(cnr_abs=rows["cnr"].abs())
    mine = rows[rows["word"] == KEYWORDS]
    curated, raw = (mine[mine["raw"] == kind] for kind in (0, 1))
    both = set(curated["example_id"]) & set(raw["example_id"])
    parts = {CURATED: curated, BOTH: curated[curated["example_id"].isin(both)], RAW: raw[raw["example_id"].isin(both)]}
    parts[WHOLE] = rows[(rows["word"] == PHRASE) & (rows["raw"] == 0)]
    return pd.concat([part.assign(protocol=name) for name, part in parts.items()], ignore_index=True)


def judge_words(
    chosen: list[Comparison], rows: pd.DataFrame, found: pd.DataFrame | None, scale: str, world: str, resamples: int
) -> pd.DataFrame:
    """The ledger of these claims.

    Args:
        chosen: from ``comparisons``; a claim whose rows are not there is left out.
        rows: score rows of the protocols ``boxes`` and ``boxes_end_token``, and ``word_rows``.
        found: ``tables_words.points`` of Figure 3, or None where there is none.
        scale, world: where they come from.
        resamples: bootstrap resamples, of patients and, for Figure 3, of words.
    """
    judged = judge_all(chosen, rows, (), scale, world, resamples, NOTEBOOK)
    extra = []
    if found is not None:
        effect = correlation(found[found["variant"] == "finetune_f"], resamples)
        extra.append(judge(_uncorrelated(), effect, scale, world, NOTEBOOK))
    return ledger([*judged.to_dict("records"), *extra])


def _uncorrelated() -> Claim:
    statement = (
        "How many training texts about a finding hold a word does not tell how well the word localises (Finetune_F)"
    )
    statistic = "Spearman correlation, share of training texts and CNR, words resampled"
    return Claim(f"{PAPER}_words_no_correlation", PAPER, "Figure 3", statement, np.nan, statistic, 0, NO_CORRELATION)
