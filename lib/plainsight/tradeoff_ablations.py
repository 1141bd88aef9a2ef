"""What seed 000 states about localisation in its ablations (Table 11), as comparisons whose outcome is computed.

Each ablation is compared with the model it departs from, training seed by training seed. In the paper's prose "FnU" and
"LnU" are called the runs with unconditional training; they are those without it, as the caption of Table 10 says.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from plainsight.claims import Claim
from plainsight.metrics.localisation import METRICS
from plainsight.published import AVERAGE
from plainsight.tables import NAMES
from plainsight.tradeoff import METRIC_NAMES, PAPER, Comparison

NOTEBOOK = "notebooks/tradeoff/8_ablations.py"
AP, PA, AP_LESS_PA = "boxes_ap", "boxes_pa", "boxes_ap_less_pa"
"""Protocols of ``by_view``."""


def comparisons(table_01: pd.DataFrame, table_11: pd.DataFrame) -> list[Comparison]:
    """Every claim, in the order of the paper; CNR, which Table 11 does not print, stands beside AUC-ROC and Top-1.

    Args:
        table_01, table_11: the published tables (``plainsight.published.read``).
    """
    average = pd.concat([table[table["finding"] == AVERAGE] for table in (table_01, table_11)])
    cells = average.set_index(["variant", "metric"])
    return [one for metric in ("auc", "top1", "cnr") for one in _of_metric(cells, metric)]


def _of_metric(cells: pd.DataFrame, metric: str) -> Iterator[Comparison]:
    """The claims about one metric; ``cells``: the published averages by variant and metric."""
    for model in ("finetune_f", "finetune_l"):
        statement = f"Without unconditional training {NAMES[model]} localises worse"
        yield _compare(cells, f"{model}_nouncond", model, metric, statement, -1)
    statement = (
        "More steps with a frozen text encoder do not improve Finetune_L noticeably: they change it by no more than "
        "the standard deviation that the paper prints over its trainings"
    )
    yield _compare(cells, "finetune_l_then_f", "finetune_l", metric, statement, 0)
    statement = "Finetune_F localises worse when it is trained on PA films alone"
    yield _compare(cells, "finetune_f_pa", "finetune_f", metric, statement, -1)
    statement = "The reason is that the test set holds AP films: Finetune_PA loses more on them than on PA films"
    yield _compare(cells, "finetune_f_pa", "finetune_f", metric, statement, -1, AP_LESS_PA)


def _compare(
    cells: pd.DataFrame, a: str, b: str, metric: str, statement: str, sign: int, protocol: str = "boxes"
) -> Comparison:
    """``a`` against ``b``; equality has for its margin what the trainings of ``b`` are published to differ by."""
    whole = protocol == "boxes"
    printed = (a, metric) in cells.index
    effect = cells.loc[(a, metric), "value"] - cells.loc[(b, metric), "value"] if printed and whole else np.nan
    statistic = f"mean {METRIC_NAMES[metric]}, {NAMES[a]} - {NAMES[b]}" + ("" if whole else ", AP less PA films")
    key = "_".join([a, metric] if whole else [a, "on_ap", metric])
    claim = Claim(
        f"{PAPER}_ablations_{key}",
        PAPER,
        "Table 11" if printed else "Table 11, beyond the paper",
        statement,
        float(effect),
        statistic,
        sign,
        margin=round(float(cells.loc[(b, metric), "std"]), 4) if sign == 0 else None,
    )
    return Comparison(claim, a, b, metric, average="sample" if whole else "macro", protocol=protocol)


def by_view(rows: pd.DataFrame, ap: pd.Series) -> pd.DataFrame:
    """Score rows of the protocol ``boxes`` again by view, as the protocols ``AP``, ``PA`` and ``AP_LESS_PA``.

    Under ``AP_LESS_PA`` the view takes the place of the finding, and scores are doubled, those of PA films with
    the opposite sign, so that the macro average is the mean over AP films less the mean over PA films.

    Args:
        rows: score rows.
        ap: by example, 1 for an AP film, 0 for a PA film, missing where it is not known
            (``plainsight.results.read_asked``).

    Returns:
        The rows of examples with a known view, once for each protocol; none where there are not both views.
    """
    rows = rows[rows["protocol"] == "boxes"].assign(ap=lambda frame: frame["example_id"].map(ap)).dropna(subset="ap")
    halves = [rows[rows["ap"] == view].assign(protocol=name) for view, name in ((1, AP), (0, PA))]
    if not all(map(len, halves)):
        return rows.head(0)
    signed = [
        half.assign(finding=view, protocol=AP_LESS_PA, **(half[list(METRICS)] * sign))
        for half, view, sign in zip(halves, ("AP", "PA"), (2.0, -2.0), strict=True)
    ]
    return pd.concat([*halves, *signed], ignore_index=True).drop(columns="ap")
