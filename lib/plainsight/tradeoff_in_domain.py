"""What seed 000 states about fine-tuning in the foundation's own domain (Table 2), as comparisons.

Our low number of steps is the first that is kept, the high one the last; the paper's are 10,000 and 150,000. Each model
of Table 2 is trained once, so that by the rule none of these claims can be decided.
"""

from __future__ import annotations

import pandas as pd

from plainsight.claims import Claim, judge, ledger
from plainsight.generation_scores import CORRECTED
from plainsight.tables import NAMES
from plainsight.tables_generation import distance_values
from plainsight.tables_in_domain import AUC, FID, MOMENTS, moments
from plainsight.tradeoff import PAPER, Comparison, judge_all
from plainsight.tradeoff_generation import contrast

NOTEBOOK = "notebooks/tradeoff/7_in_domain.py"
F, L, FOUNDATION = "finetune_f", "finetune_l", "foundation"
START, LOW, HIGH = MOMENTS
_BEST = "In domain, the foundation localises best of all: better than"
_IMAGES = "In domain, the frozen text encoder makes the best images in the end: better than"
_STATED = (
    (AUC, (F, LOW), (L, LOW), 1, "In domain, the frozen text encoder localises better at a low number of steps"),
    (AUC, (F, HIGH), (L, HIGH), 1, "In domain, the frozen text encoder localises better at a high number of steps"),
    (AUC, (L, HIGH), (L, LOW), 1, "In domain, the learnable text encoder localises better with more steps"),
    (AUC, (F, HIGH), (F, LOW), 1, "In domain, the frozen text encoder localises a little better with more steps"),
    (AUC, (FOUNDATION, START), (L, LOW), 1, f"{_BEST} Finetune_L at a low number of steps"),
    (AUC, (FOUNDATION, START), (L, HIGH), 1, f"{_BEST} Finetune_L at a high number of steps"),
    (AUC, (FOUNDATION, START), (F, LOW), 1, f"{_BEST} Finetune_F at a low number of steps"),
    (AUC, (FOUNDATION, START), (F, HIGH), 1, f"{_BEST} Finetune_F at a high number of steps"),
    (FID, (L, LOW), (FOUNDATION, START), 1, "In domain, the learnable text encoder's images first get worse"),
    (FID, (L, HIGH), (L, LOW), -1, "In domain, the learnable text encoder's images get better with more steps"),
    (FID, (F, LOW), (FOUNDATION, START), -1, "In domain, the frozen text encoder's images get better after few steps"),
    (FID, (F, LOW), (L, LOW), -1, "In domain, the frozen text encoder converges faster to good images"),
    (FID, (F, HIGH), (F, LOW), -1, "In domain, the frozen text encoder's images get better with more steps"),
    (FID, (F, HIGH), (FOUNDATION, START), -1, f"{_IMAGES} the foundation"),
    (FID, (F, HIGH), (L, HIGH), -1, f"{_IMAGES} Finetune_L"),
)
"""Metric, the two sides (variant and moment), the claimed sign of their difference, and what is said."""


def comparisons(table_02: pd.DataFrame) -> list[Comparison]:
    """Every claim, from the published Table 2; ``protocol`` is one of MOMENTS (see ``at_moments``)."""
    table = table_02.assign(moment=moments(table_02["steps"].astype(int)))
    table = table.set_index(["variant", "moment", "metric"])["value"]
    found = []
    for metric, a, b, sign, statement in _STATED:
        key = f"{PAPER}_in_domain_{metric}_{'_'.join(a)}_{'_'.join(b)}"
        what = " - ".join(f"{NAMES[variant]} ({moment})" for variant, moment in (a, b))
        name = {AUC: "mean AUC-ROC", FID: "FID"}[metric]
        effect = table[(*a, metric)] - table[(*b, metric)]
        claim = Claim(key, PAPER, "Table 2", statement, float(effect), f"{name}, {what}", sign)
        found.append(Comparison(claim, a[0], b[0], metric, protocol=a[1], protocol_b=b[1]))
    return found


def at_moments(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows by steps as rows of the protocols MOMENTS; those between are left out."""
    return rows.assign(protocol=moments(rows["steps"])).dropna(subset="protocol")


def judge_in_domain(
    chosen: list[Comparison], rows: pd.DataFrame, images: pd.DataFrame, scale: str, world: str, resamples: int
) -> pd.DataFrame:
    """The ledger of these claims.

    Args:
        chosen: from ``comparisons``.
        rows, images: as ``plainsight.tables_in_domain.table_02`` takes them.
        scale, world: where they come from.
        resamples: bootstrap resamples of patients.
    """
    localised = [one for one in chosen if one.metric == AUC]
    judged = judge_all(localised, at_moments(rows), (), scale, world, resamples, NOTEBOOK).to_dict("records")
    fid = images[(images["metric"] == FID) & (images["reading"] == CORRECTED)]
    fid = {key: distance_values(part) for key, part in at_moments(fid).groupby(["variant", "protocol"])}
    for one in (one for one in chosen if one.metric == FID):
        effect = contrast(fid[one.a, one.protocol], fid[one.b, one.protocol_b])
        judged.append(judge(one.claim, effect, scale, world, NOTEBOOK))
    return ledger(judged)
