"""Scores of a folder of heat maps against boxes or masks of one's own: rows, averages, a contact sheet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from plainsight import mapfolder, schema, statistics
from plainsight.errors import InputError
from plainsight.figures import Grounded
from plainsight.metrics.localisation import METRICS, area_fraction, score
from plainsight.seeding import numpy_generator
from plainsight.tables import WEIGHTED
from plainsight.worlds import folder
from plainsight.worlds.folder import Table

COLUMNS = ("id", "patient", "finding", "area_fraction", *METRICS)
CREDITS = ("licence", "license", "credit", "credits")
"""Carried columns, whatever the case, that are printed beside the picture they speak of."""
BAND = 4
"""How many of the best, the median and the worst rows a contact sheet shows."""


def score_maps(table: Table, root: Path, maps: Path) -> pd.DataFrame:
    """Score every row's map in the pixels of its image, inside what the model saw: where the map is not NaN.

    Args:
        table: from ``plainsight.worlds.folder.read``.
        root: the folder that image and mask paths are relative to.
        maps: the folder of maps, see ``plainsight.mapfolder``; maps made elsewhere will do too.

    Returns:
        One row a row of the table, in its order: `COLUMNS`, then the carried columns. ``area_fraction`` is the share of
        the seen pixels that are inside. A metric is NaN where no seen pixel is inside, or every one.

    Raises:
        InputError: rows without boxes or mask, a mask of another size, missing maps, maps of other rows, a damaged map
            or image, or a carried column with the name of a score.
    """
    if clash := [name for name in table.carried if name in COLUMNS]:
        raise InputError(f"{table.path}: column {clash[0]!r} has the name of a score; rename it")
    folder.check_targets(table, root)
    ids = table.examples["example_id"]
    if absent := mapfolder.missing(maps, ids):
        raise InputError(
            f"{maps}: {len(absent)} of {len(ids)} maps are missing, the first that of {absent[0]!r}; run plainsight "
            "ground with this table, or take their rows out of it"
        )
    mapfolder.check(maps, mapfolder.asked(table))
    with tqdm(table.examples.iterrows(), total=len(ids), desc="scoring", unit="row") as examples:
        rows = [_score_row(example, root, maps) for _, example in examples]
    return pd.concat([pd.DataFrame(rows, columns=COLUMNS, index=table.examples.index), table.carried], axis=1)


def summarise(scores: pd.DataFrame, resamples: int = 10_000) -> pd.DataFrame:
    """Averages of score rows with 95 % bootstrap intervals over patients, over all rows and by finding.

    Returns:
        Columns finding, metric, value, low, high, n (rows), patients, and ``left_out``: rows whose score is not
        finite. Low and high are NaN with one patient; with no row left, value is too.
    """
    groups = [(WEIGHTED, scores), *scores.groupby("finding", sort=True)]
    return pd.DataFrame([_average(rows, finding, metric, resamples) for finding, rows in groups for metric in METRICS])


def headline(summary: pd.DataFrame) -> str:
    """The averages over all rows in one line, with their intervals; of a single patient there are none."""
    whole = summary[summary["finding"] == WEIGHTED]
    if whole["patients"].max() < 2:
        means = ", ".join(f"{cell.metric} {cell.value:.3g}" for cell in whole.itertuples())
        return f"{means}; no intervals, for one patient gives none"
    return ", ".join(f"{cell.metric} {cell.value:.3g} [{cell.low:.3g}, {cell.high:.3g}]" for cell in whole.itertuples())


def choose(scores: pd.DataFrame, band: int = BAND) -> dict[str, list[int]]:
    """Rows for a contact sheet, by position: the best by CNR, those around the median, and the worst; ties by id.

    Rows without a CNR are left out. With fewer than three times ``band`` rows the bands are shorter and share no row.
    """
    ranked = scores.assign(position=range(len(scores))).dropna(subset="cnr")
    order = ranked.sort_values(["cnr", "id"], ascending=[False, True])["position"].tolist()
    if len(order) < 3:
        bands = {"best": order[:1], "worst": order[1:]}
    else:
        size = min(band, len(order) // 3)
        middle = (len(order) - size) // 2
        bands = {"best": order[:size], "median": order[middle : middle + size], "worst": order[-size:]}
    return {name: positions for name, positions in bands.items() if positions}


def picture(table: Table, scores: pd.DataFrame, position: int, root: Path, maps: Path) -> Grounded:
    """A row of a contact sheet: image, boxes or mask, map, and what to print beside them."""
    example, row = table.examples.iloc[position], scores.iloc[position]
    mask = folder.target(example, root) if example["mask"] else None
    credit = [row[column] for column in table.carried if column.lower() in CREDITS and row[column]]
    return Grounded(
        title=f"{row['id']}\n{row['finding']}, CNR {row['cnr']:.2f}",
        image=schema.load_image(root, example),
        boxes=[] if example["mask"] else example["boxes"],
        maps={"": mapfolder.read(maps, example["example_id"], (example["height"], example["width"]))},
        mask=mask,
        notes=(example["phrase"], " · ".join(credit)),
    )


def _score_row(example: Mapping[str, object], root: Path, maps: Path) -> tuple[object, ...]:
    mask = folder.target(example, root)
    heatmap = mapfolder.read(maps, example["example_id"], mask.shape)
    scores = score(heatmap, mask)
    fraction = area_fraction(mask[~np.isnan(heatmap)])
    own = (example["example_id"], example["patient"], example["finding"])
    return (*own, fraction, *(scores[metric] for metric in METRICS))


def _average(rows: pd.DataFrame, finding: str, metric: str, resamples: int) -> dict[str, object]:
    values = rows[metric].to_numpy(dtype=float)
    finite = np.isfinite(values)
    cell = {"finding": finding, "metric": metric, "value": np.nan, "low": np.nan, "high": np.nan, "n": 0, "patients": 0}
    if finite.any():
        patients = rows["patient"].to_numpy(dtype=str)[finite]
        rng = numpy_generator(0, "summary", finding)
        found = statistics.bootstrap_mean(values[finite], patients, resamples=resamples, rng=rng)
        numbers = {"value": found.estimate, "low": found.low, "high": found.high}
        cell |= numbers | {"n": found.n_rows, "patients": found.n_patients}
    return cell | {"left_out": int((~finite).sum())}
