"""Table 3 of seed 000: contrast-to-noise ratio beside that of weakly supervised models, like against like.

The paper sets sample-weighted averages of its own models beside macro averages that it took from Boecking et al.
(2022). Here every model has both, as far as they can be computed from what is printed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from plainsight import markdown
from plainsight.published import AVERAGE
from plainsight.tables import (
    HEADINGS,
    MACRO,
    NAMES,
    PUBLISHED_NAMES,
    VARIANTS,
    WEIGHTED,
    Setting,
    _headline,
    caption,
    summarise,
)

DISCRIMINATIVE = {"convirt": "ConVIRT", "gloria": "GLoRIA", "biovil_l": "BioViL-L"}
COMPUTED = "computed here from the printed cells"


def averages(published: pd.DataFrame) -> pd.DataFrame:
    """The published Table 3 with both averages of every model in place of the one that is printed.

    The printed average stands for the kind it comes closer to, and the other is computed from the printed cells. The
    weights are the numbers of phrases that the paper's own rows have; Boecking et al. score the same data set.

    Returns:
        Columns finding, variant, metric, ``published``, ``printed`` (missing where computed) and ``note``.
    """
    columns = ["finding", "variant", "metric", "published", "printed", "note"]
    cells = published.rename(columns={"value": "published"})
    phrases = published.dropna(subset="n").drop_duplicates("finding").set_index("finding")["n"].astype(float)
    parts = []
    for variant, rows in cells.groupby("variant", sort=False):
        single, average = (rows[(rows["finding"] == AVERAGE) == whole] for whole in (False, True))
        weights = single["finding"].map(phrases)
        computed = {MACRO: single["published"].mean(), WEIGHTED: np.average(single["published"], weights=weights)}
        closer = min(computed, key=lambda kind: abs(computed[kind] - average["published"].item()))
        other = {"variant": variant, "metric": average["metric"].item(), "note": COMPUTED}
        both = [{**other, "finding": kind, "published": value} for kind, value in computed.items() if kind != closer]
        parts += [single, average.assign(finding=closer), pd.DataFrame(both)]
    return pd.concat(parts, ignore_index=True)[columns]


def table_03(
    rows: pd.DataFrame, findings: Sequence[str], published: pd.DataFrame, names: Mapping[str, str], resamples: int
) -> pd.DataFrame:
    """Table 3: CNR by finding and both averages, ours and the paper's in columns of their own.

    Args:
        rows: score rows of the three models of Table 1.
        findings: those to show, in order.
        published: the paper's Table 3.
        names: the paper's name of each of our findings that is the same one. Only where all are the paper's
            (``plainsight.tables.same_names``) do the averages stand beside each other.
        resamples: bootstrap resamples of patients.

    Returns:
        The tidy columns with ``published``, ``printed`` and ``note``, the paper's weakly supervised models first: they
        have no value of ours.
    """
    ours = summarise(_headline(rows), ["variant"], ("cnr",), findings, resamples)
    order = pd.MultiIndex.from_product([[*DISCRIMINATIVE, *VARIANTS], ours["finding"].unique()])
    whole = pd.DataFrame(list(order), columns=["variant", "finding"]).assign(metric="cnr")
    whole = whole.merge(ours, how="left", on=["finding", "variant", "metric"])[ours.columns]
    known = dict(names) | ({MACRO: MACRO, WEIGHTED: WEIGHTED} if names.get(WEIGHTED) == AVERAGE else {})
    keys = whole[["variant", "metric"]].assign(finding=whole["finding"].map(known))
    theirs = keys.merge(averages(published), how="left", on=["finding", "variant", "metric"], validate="many_to_one")
    table = pd.concat([whole, theirs[["published", "printed", "note"]]], axis=1)
    return table.dropna(subset=["value", "published"], how="all").reset_index(drop=True)


def markdown_03(table: pd.DataFrame, setting: Setting) -> str:
    """Table 3 for reading: findings down; ours beside the paper's, then its weakly supervised models."""
    heading = (
        f"{caption(3, table.dropna(subset='value'), setting)} The paper prints the sample-weighted average of its own "
        "models and the macro average of ConVIRT, GLoRIA and BioViL-L, taken from Boecking et al. (2022); averages in "
        f"italics are {COMPUTED}, weighted by the phrases of its Table 9. Weakly supervised models trained on the data "
        "of ours belong beside ours; there are none yet."
    )
    cells = {(row["finding"], row["variant"]): row for row in table.to_dict("records")}
    lines = []
    for finding in table.loc[table["variant"] == VARIANTS[0], "finding"]:
        line = {"Category": finding, "n": int(cells[finding, VARIANTS[0]]["n"])}
        for variant in VARIANTS:
            line[f"{NAMES[variant]}, ours"] = markdown.ours(cells[finding, variant])
            line[f"{PUBLISHED_NAMES[variant]}, published"] = _printed(cells[finding, variant])
        for variant, name in DISCRIMINATIVE.items():
            line[f"{name}, published"] = _printed(cells.get((finding, variant), {}))
        lines.append(line)
    return f"{heading}\n\n### {HEADINGS['cnr']}\n\n{markdown.table(pd.DataFrame(lines))}\n"


def _printed(cell: Mapping[str, object]) -> str:
    """As the paper prints it; in italics what is computed from its cells."""
    if isinstance(cell.get("printed"), str):
        return cell["printed"]
    return f"*{cell['published']:.3f}*" if cell.get("note") == COMPUTED else "–"
