"""Table 2 of seed 000: fine-tuning in the world that the foundation comes from, over training steps.

Tidy as in ``plainsight.tables`` and ``plainsight.tables_generation``, with ``steps`` among the row keys: 0 for the
foundation. The table holds every step that was scored, not only the paper's two, the first that is kept and the last.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from plainsight import markdown
from plainsight.config import Variant
from plainsight.generation_scores import AS_PUBLISHED, CORRECTED
from plainsight.tables import NAMES, VARIANTS, WEIGHTED, Setting, summarise
from plainsight.tables_generation import BEYOND, INCEPTION, NONE, cell_text, distance_values, features_of, tidy

FID, AUC = "fid", "auc"
FROZEN = {"foundation": "–", "finetune_l": "no", "finetune_f": "yes"}
MOMENTS = ("start", "low", "high")
"""No training, and the paper's low and high number of steps: here the first that is kept, and the last."""


def by_steps(rows: pd.DataFrame, recipes: Mapping[str, Variant], ends: Mapping[str, int]) -> pd.DataFrame:
    """Score rows with a column ``steps`` (0 for the foundation), and ``variant`` reduced to foundation, F or L.

    Args:
        rows: score rows over milestones (``step``), or of made images (``weights``).
        recipes: the fine-tuned variants among them.
        ends: how many steps each trains.
    """
    kept = rows["step"] if "step" in rows else pd.to_numeric(rows["weights"].str.removeprefix("step"), errors="coerce")
    rows = rows.assign(steps=kept.fillna(rows["variant"].map(ends)).fillna(0).astype(int))
    names = {name: "finetune_l" if recipe.train_text_encoder else "finetune_f" for name, recipe in recipes.items()}
    return rows.assign(variant=rows["variant"].replace(names))


def moments(steps: pd.Series) -> pd.Series:
    """Which of MOMENTS each number of steps is; missing for those between."""
    trained = steps[steps > 0]
    return steps.map(dict(zip((0, trained.min(), trained.max()), MOMENTS, strict=True)))


def table_02(rows: pd.DataFrame, images: pd.DataFrame, resamples: int) -> pd.DataFrame:
    """Table 2: distances of made from real images, and AUC-ROC of the object's word against its exact mask.

    Args:
        rows, images: score rows of protocols ``masks`` and ``masks_milestones`` and of kind ``distances``, by steps.
            Every phrase counts the same.
        resamples: bootstrap resamples of patients, for AUC-ROC.

    Returns:
        The tidy columns by variant, steps, extractor, reading and metric: AUC-ROC at every step, every distance where
        images were made.
    """
    auc = summarise(rows, ["variant", "steps"], (AUC,), (), resamples, averages=(WEIGHTED,))
    parts = [tidy(distance_values(part)).assign(steps=steps) for steps, part in images.groupby("steps")]
    parts.append(auc.assign(extractor=NONE, reading=CORRECTED))
    table = pd.concat(parts, ignore_index=True)
    by = table.assign(variant=table["variant"].map(VARIANTS.index)).sort_values(["variant", "steps"], kind="stable")
    keys, cell = ["variant", "steps", "extractor", "reading", "metric"], ["value", "std", "low", "high"]
    counts = ["n", "n_real", "features", "patients", "seeds"]
    return table.loc[by.index, [*keys, *cell, *counts]].reset_index(drop=True)


def beside_02(table: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """The table with the paper's ``published_steps`` and its values, where its number of steps has the same role.

    FID stands beside the reading that the paper's text describes; its code computes the other.
    """
    theirs = published.assign(published_steps=published["steps"].astype(int), reading=CORRECTED)
    theirs = theirs.rename(columns={"value": "published"})
    roles = theirs["published_steps"].set_axis(moments(theirs["published_steps"])).drop_duplicates()
    ours = table.assign(published_steps=moments(table["steps"]).map(roles))
    keys = ["variant", "published_steps", "reading", "metric"]
    return ours.merge(theirs[[*keys, "published", "printed", "note"]], how="left", on=keys, validate="many_to_one")


def caption_02(table: pd.DataFrame, setting: Setting) -> str:
    """What a reader must know of Table 2."""
    pretrained = "" if setting.data_of_the_papers else ", on which the foundation was pretrained, too"
    pictures = "photographs" if setting.data_of_the_papers else "scenes"
    phrases, images = (table[table["metric"] == metric].iloc[0] for metric in (AUC, FID))
    return (
        f"{setting.title(2)}{pretrained}; {int(table['seeds'].max())} training seed. "
        f"AUC-ROC: the object's word against its exact mask, {int(phrases['n'])} phrases of {int(phrases['patients'])} "
        f"{pictures}, every caption with the word in it [95 % interval, {pictures} resampled]. FID: "
        f"{int(images['n'])} made images and {int(images['n_real'])} real ones, by "
        f"{features_of(images['extractor'], INCEPTION)} "
        f"[95 % interval, random halves of the {pictures}]. Published: MS-COCO, Stable Diffusion v2 "
        f"at 512 px: {setting.comparison}."
    )


def markdown_02(table: pd.DataFrame, heading: str) -> str:
    """Table 2 for reading: the paper's five rows, then the other distances. ``table`` from ``beside_02``."""
    rows, others = [], []
    for (variant, steps), cells in table.dropna(subset="published_steps").groupby(["variant", "steps"], sort=False):
        found = {(cell["metric"], cell["reading"]): cell for cell in cells.to_dict("records")}
        theirs = int(cells["published_steps"].iloc[0])
        row = {"Method": NAMES[variant], "Steps, ours": steps, "Steps, published": theirs, "Frozen": FROZEN[variant]}
        for metric, label in ((FID, "FID ↓"), (AUC, "AUC-ROC (%) ↑")):
            cell = found[metric, CORRECTED]
            row |= {f"{label}, ours": cell_text(cell), f"{label}, published": markdown.theirs(cell)}
        rows.append(row)
        other = {"Method": NAMES[variant], "Steps": steps, "FID ↓, code": cell_text(found[FID, AS_PUBLISHED])}
        others.append(other | {label: cell_text(found[metric, CORRECTED]) for metric, label in BEYOND.items()})
    notes = [f"† {note}." for note in dict.fromkeys(table["note"].dropna()) if note]
    title = "### Beyond the paper: FID as its code computes it, and other distances"
    blocks = (markdown.table(pd.DataFrame(block)) for block in (rows, others))
    return "\n\n".join([heading, next(blocks), *notes, title, next(blocks)]) + "\n"
