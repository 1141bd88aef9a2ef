"""How cells and tables are written in Markdown, ours and published ones."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from plainsight.statistics import MIN_PATIENTS

PERCENT = ("auc", "top1")
"""Metrics that are shares here and percent in print."""


def table(block: pd.DataFrame) -> str:
    """A Markdown table that leaves printed numbers as they are printed."""
    return block.to_markdown(index=False, disable_numparse=True)


def ledger(claims: pd.DataFrame) -> str:
    """Claims with their verdicts (``plainsight.claims``), every sentence whole."""
    worlds = claims["world"].nunique()
    rows = []
    for claim in claims.to_dict("records"):
        published, effect = (f"{claim[name]:+.3g}".replace("+nan", "–") for name in ("published", "effect"))
        interval = "" if math.isnan(claim["low"]) else f" [{claim['low']:+.3g}, {claim['high']:+.3g}]"
        row = {"World": claim["world"]} if worlds > 1 else {}
        row |= {"Place": claim["place"], "Claim": claim["statement"], "What is compared": claim["statistic"]}
        row |= {"Published": published.replace("nan", "–"), "Here": effect.replace("nan", "–") + interval}
        row |= {"Trainings that agree": f"{claim['seeds_agreeing']} of {claim['seeds']}", "Verdict": claim["verdict"]}
        rows.append(row)
    return table(pd.DataFrame(rows)) if rows else "None."


def ours(cell: Mapping[str, object]) -> str:
    """``79.1 ± 0.5 [77.0, 81.2]``: percent with one decimal, ratios with two; no ± with one seed, no interval of few
    patients (``plainsight.statistics.MIN_PATIENTS``)."""
    factor, digits = (100, 1) if cell["metric"] in PERCENT else (1, 2)
    # rounded first: adding 0.0 then turns -0.0 into 0.0
    rounded = (round(factor * cell[key], digits) + 0.0 for key in ("value", "std", "low", "high"))
    value, std, low, high = (f"{number:.{digits}f}" for number in rounded)
    spread = "" if math.isnan(cell["std"]) else f" ± {std}"
    known = not math.isnan(cell["low"]) and cell.get("patients", math.inf) >= MIN_PATIENTS
    return f"{value}{spread}" + f" [{low}, {high}]" * known


def theirs(cell: Mapping[str, object]) -> str:
    """The published value as it is printed, with a mark where a note stands below; a dash where there is none."""
    if not isinstance(cell["printed"], str):
        return "–"
    return cell["printed"] + (" †" if cell["note"] else "")
