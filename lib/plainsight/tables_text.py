"""Table 7 of seed 000 from score rows: localisation by the variability of the training text."""

from __future__ import annotations

import pandas as pd

from plainsight import markdown
from plainsight.tables import HEADINGS, NAMES, WEIGHTED, Setting, caption, summarise

METRICS = ("cnr", "auc", "top1")
LEVELS = {
    "reports": "whole reports",
    "sentences": "report sentences",
    "composed": "composed impressions",
    "labels": "class names",
}
"""The levels of text, the most variable first, and what to call them. ``composed``, a hundred impressions a class,
stands in for the paper's list by ChatGPT; ``sentences`` is not in the paper."""
TEXTS = {"reports": "impressions", "composed": "chatgpt", "labels": "labels"}
"""Our level and the text in the published Table 7 that comes nearest to it."""
RECIPES = ("finetune_l", "finetune_f")
VARIANTS = {
    recipe if level == "reports" else f"{recipe}_{level}": (recipe, level) for level in LEVELS for recipe in RECIPES
}
"""Every variant of Table 7, with its recipe and its level."""


def by_level(rows: pd.DataFrame) -> pd.DataFrame:
    """The score rows of ``VARIANTS``, with ``variant`` reduced to the recipe and a column ``level``."""
    rows = rows[rows["variant"].isin(VARIANTS)]
    pairs = [VARIANTS[variant] for variant in rows["variant"]]
    return rows.assign(variant=[recipe for recipe, _ in pairs], level=[level for _, level in pairs])


def table_07(rows: pd.DataFrame, resamples: int) -> pd.DataFrame:
    """Table 7: averages over the phrases of ``rows`` by level of text and recipe, the most variable text first.

    Args:
        rows: from ``by_level``, of the phrases that name their finding.
        resamples: bootstrap resamples of patients.

    Returns:
        The tidy columns with ``level``; both averages of CNR, which the paper prints, AUC-ROC and Top-1.
    """
    order = {name: place for place, name in enumerate([*LEVELS, *RECIPES])}
    rows = rows.sort_values(["level", "variant"], key=lambda names: names.map(order), kind="stable")
    table = summarise(rows, ["level", "variant"], METRICS, (), resamples)
    return table[["level", *table.columns.drop("level")]]


def beside_07(table: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Table 7 with the paper's values in new columns, ``published``, ``printed`` and ``note``.

    They stand beside the sample-weighted averages: the paper does not say how it averages here, but in its other
    tables of these models it weights by sample.
    """
    theirs = published.assign(level=published["text"].map({text: level for level, text in TEXTS.items()}))
    theirs = theirs.assign(finding=WEIGHTED).rename(columns={"value": "published"})
    keys = ["finding", "level", "variant", "metric"]
    return table.merge(theirs[[*keys, "published", "printed", "note"]], how="left", on=keys, validate="one_to_one")


def markdown_07(table: pd.DataFrame, published: pd.DataFrame, setting: Setting, phrases: int) -> str:
    """Table 7 for reading: levels down; learnable and frozen, ours and the paper's; a block a metric.

    Args:
        table: from ``beside_07``.
        published: the paper's Table 7, for its names of the texts and their variability.
        setting: where the numbers come from.
        phrases: how many phrases there are in all, of which those of the table name their finding.
    """
    heading = (
        f"{caption(7, table, setting)} Only the phrases that hold the name of their finding, of {phrases} in all; "
        "sample-weighted. Composed impressions, a hundred a class, stand in for the paper's list by ChatGPT. The paper "
        "prints CNR alone, and neither its spread nor how it averages."
    )
    whole, parts = table[table["finding"] == WEIGHTED], [heading]
    said = published.drop_duplicates("text").set_index("text")["variability"]
    for metric in METRICS:
        block = []
        for level, cells in whole[whole["metric"] == metric].groupby("level", sort=False):
            theirs = TEXTS.get(level)
            row = {"Training text": LEVELS[level], "Published as": theirs or "–", "Variability": said.get(theirs, "–")}
            row["Seeds"] = int(cells["seeds"].max())
            for cell in cells.to_dict("records"):
                row[f"{NAMES[cell['variant']]}, ours"] = markdown.ours(cell)
                if metric == "cnr":
                    row[f"{NAMES[cell['variant']]}, published"] = markdown.theirs(cell)
            block.append(row)
        parts += [f"### {HEADINGS[metric]}", markdown.table(pd.DataFrame(block))]
    return "\n\n".join(parts) + "\n"
