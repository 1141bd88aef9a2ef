"""Figures in one style: colour-blind palette, units on every axis, intervals drawn, the same bytes every time.

Every function takes tidy frames (``plainsight.tables.summarise``) or arrays and returns a matplotlib Figure; ``save``
writes it as PNG and SVG. Models differ by colour, marker and line, so that a figure can be read in grey.
"""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import Normal, withStroke
from matplotlib.transforms import Bbox

from plainsight.files import atomic
from plainsight.statistics import MIN_PATIENTS

PALETTE = sns.color_palette("colorblind")
NAMES = {
    "foundation": "Foundation (no fine-tuning)",
    "finetune_l": "Finetune_L (learnable)",
    "finetune_f": "Finetune_F (frozen)",
}
COLOURS = {"foundation": PALETTE[7], "finetune_l": PALETTE[1], "finetune_f": PALETTE[0]}
MARKERS = {"foundation": "D", "finetune_l": "s", "finetune_f": "o"}
LINES = {"foundation": ":", "finetune_l": "--", "finetune_f": "-"}
LABELS = {
    "auc": "AUC-ROC (0 to 1)",
    "top1": "Top-1 accuracy (0 to 1)",
    "cnr": "CNR (signed ratio)",
    "cnr_abs": "|CNR| (ratio)",
    "miou": "mIoU (0 to 1)",
    "fid": "FID (lower is better)",
}
CHANCE = {"auc": 0.5, "cnr": 0.0}
ABLATION_LINES = {
    ("finetune_f", "boxes"): "Finetune_F",
    ("finetune_f_nouncond", "boxes"): "F, no unconditional training",
    ("finetune_f_pa", "boxes"): "F, PA films only",
    ("finetune_l", "boxes"): "Finetune_L",
    ("finetune_l_nouncond", "boxes"): "L, no unconditional training",
    ("finetune_l_then_f", "boxes"): "L, then steps with a frozen encoder",
    ("finetune_f", "boxes_ap"): "asked on AP films: Finetune_F",
    ("finetune_f_pa", "boxes_ap"): "asked on AP films: F, PA films only",
    ("finetune_f", "boxes_pa"): "asked on PA films: Finetune_F",
    ("finetune_f_pa", "boxes_pa"): "asked on PA films: F, PA films only",
}
"""The lines of ``ablations`` from above: variant and protocol, and what to call them."""
STYLE = {
    **sns.axes_style("whitegrid"),
    **sns.plotting_context("notebook"),
    "grid.color": "0.9",
    "grid.linewidth": 0.8,
    "axes.edgecolor": "0.7",
    "axes.linewidth": 0.8,
    "axes.titlesize": 11,
    "axes.labelsize": 10,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "figure.dpi": 100,
    "svg.hashsalt": "plainsight",
}
HEAT = LinearSegmentedColormap.from_list("heat", ["#20123a", "#8a226a", "#e4572e", "#f9c74f"])


@dataclass(frozen=True)
class Grounded:
    """One row of Figure 2: an image in [0, 1] of shape (H, W) or (H, W, 3), its boxes [x, y, w, h] in pixels, and one
    heat map (h, w) of any size a column, by the column's title; NaN where a model saw nothing. A mask, bool (H, W), is
    drawn by its outline; notes are printed on a contact sheet only."""

    title: str
    image: np.ndarray
    boxes: Sequence[Sequence[float]]
    maps: Mapping[str, np.ndarray]
    mask: np.ndarray | None = None
    notes: Sequence[str] = ()


def save(figure: Figure, stem: Path, note: str, suffixes: Sequence[str] = (".png", ".svg")) -> None:
    """Write ``<stem>.png`` and ``<stem>.svg`` without dates, versions or random ids, and close the figure.

    ``note`` stands on top, small: at which scale and on which world it was made, for figures travel alone. Pictures
    inside an SVG get 72 dots an inch, which keeps a page of radiographs below a megabyte.
    """
    with mpl.rc_context(STYLE):
        # Above, for a legend moves to the lowest edge of what is saved.
        figure.text(0.005, 1, note, va="bottom", size=8, color="0.35")
        for suffix in suffixes:
            dpi, unwanted = {".png": (110, ("Software",)), ".svg": (72, ("Date", "Creator"))}[suffix]
            with atomic(Path(stem).with_suffix(suffix)) as path:
                figure.savefig(path, dpi=dpi, metadata=dict.fromkeys(unwanted), bbox_inches="tight")
    plt.close(figure)


@mpl.rc_context(STYLE)
def figure_02(rows: Sequence[Grounded]) -> Figure:
    """Figure 2 of seed 000: an image a row with its boxes in white, then one heat map a model laid over it.

    Each map is min-max scaled for itself and drawn in its own cells, without smoothing: bright is high attention.
    """
    columns = list(rows[0].maps)
    size = (1.75 * (1 + len(columns)), 1.8 * len(rows) + 0.6)
    figure, axes = plt.subplots(len(rows), 1 + len(columns), figsize=size, squeeze=False, layout="constrained")
    for line, row in zip(axes, rows, strict=True):
        draw_picture(line[0], row)
        line[0].set_ylabel(row.title)
        for axis, column in zip(line[1:], columns, strict=True):
            draw_picture(axis, row, brightest=1.4)
            draw_overlay(axis, row.maps[column], row.image.shape)
    for axis, column in zip(axes[0], ["Image and box", *columns], strict=True):
        axis.set_title(column)
    scale = mpl.cm.ScalarMappable(mpl.colors.Normalize(0, 1), HEAT)
    bar = figure.colorbar(scale, ax=axes, location="bottom", fraction=0.03, aspect=50, ticks=[0, 1])
    bar.ax.set_xticklabels(["lowest", "highest"])
    bar.set_label("attention, each map on its own scale", size=9, labelpad=-8)
    bar.outline.set_visible(False)
    return figure


@mpl.rc_context(STYLE)
def contact_sheet(bands: Mapping[str, Sequence[Grounded]]) -> Figure:
    """A line of pictures a band, by the band's name: each image with its boxes or mask, then its one map laid over it.

    Under each stand its notes, small. Text is drawn as it is: a dollar sign starts no formula.
    """
    side, left, above, below, foot = 1.9, 0.4, 0.55, 0.85, 0.3  # inches
    pair, line = 2 * side + 0.3, above + side + below
    size = (left + pair * max(map(len, bands.values())), line * len(bands) + foot)
    figure = plt.figure(figsize=size)

    def panel(x: float, y: float) -> Axes:
        return figure.add_axes((x / size[0], y / size[1], side / size[0], side / size[1]), anchor="N")

    for number, (band, rows) in enumerate(bands.items(), start=1):
        y = size[1] - number * line + below
        figure.text(0.12 / size[0], (y + side / 2) / size[1], band, rotation=90, va="center", size=12)
        for place, row in enumerate(rows):
            axes = [panel(left + place * pair + shift, y) for shift in (0, side + 0.05)]
            draw_picture(axes[0], row)
            draw_picture(axes[1], row, brightest=1.4)
            draw_overlay(axes[1], next(iter(row.maps.values())), row.image.shape)
            x = (left + place * pair) / size[0]
            title = "\n".join(_cut(text, 56) for text in row.title.splitlines())
            figure.text(x, (y + side + 0.06) / size[1], title, size=8.5, va="bottom", parse_math=False)
            notes = "\n".join("\n".join(textwrap.wrap(_cut(note, 200), 70)) for note in row.notes if note)
            figure.text(x, (y - 0.06) / size[1], notes, size=7, va="top", color="0.3", parse_math=False)
    legend = "by CNR; bright is high attention, each map on its own scale; where nothing is laid over, nothing was seen"
    figure.text(left / size[0], 0.08 / size[1], legend, size=8)
    return figure


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def draw_picture(axis: Axes, row: Grounded, brightest: float = 1.0) -> None:
    """The image, dimmed where ``brightest`` is above 1 to leave room for an overlay, and its boxes or mask."""
    axis.imshow(row.image / brightest, cmap="gray", vmin=0, vmax=1)
    rim = [withStroke(linewidth=2.8, foreground="black"), Normal()]
    for x, y, width, height in row.boxes:
        look = {"fill": False, "edgecolor": "white", "linewidth": 1.4, "path_effects": rim}
        axis.add_patch(Rectangle((x - 0.5, y - 0.5), width, height, **look))
    if row.mask is not None:
        axis.contour(row.mask, levels=[0.5], colors="white", linewidths=1.2).set_path_effects(rim)
    axis.set(xticks=[], yticks=[])
    axis.grid(False)


def draw_overlay(axis: Axes, heatmap: np.ndarray, shape: tuple[int, ...]) -> None:
    """A heat map over an image of that ``shape``, from its least to its greatest value."""
    low, span = np.nanmin(heatmap), np.nanmax(heatmap) - np.nanmin(heatmap)
    scaled = (heatmap - low) / span if span > 0 else np.zeros_like(heatmap)
    extent = (-0.5, shape[1] - 0.5, shape[0] - 0.5, -0.5)
    axis.imshow(
        scaled,
        cmap=HEAT,
        vmin=0,
        vmax=1,
        alpha=np.nan_to_num(0.1 + 0.5 * scaled),
        extent=extent,
        interpolation="nearest",
    )


@mpl.rc_context(STYLE)
def learning_curves(
    mean: pd.DataFrame, seeds: pd.DataFrame, metrics: Sequence[str], marks: Mapping[str, float]
) -> Figure:
    """Localisation against training steps, a panel a metric.

    Args:
        mean: tidy rows (variant, step, metric, value, low, high), averaged over training seeds: line and band.
        seeds: the same for each training seed (column ``seed``): thin lines.
        metrics: the panels.
        marks: vertical lines, by label, at training steps.
    """
    figure, axes = plt.subplots(1, len(metrics), figsize=(4.6 * len(metrics), 3.9), squeeze=False, layout="constrained")
    for axis, metric in zip(axes[0], metrics, strict=True):
        _curves(axis, mean[mean["metric"] == metric], metric, seeds[seeds["metric"] == metric])
        for label, step in marks.items():
            axis.axvline(step, color="0.35", linewidth=0.9, linestyle=(0, (1, 2)))
            place = {"va": "bottom", "ha": "center", "fontsize": 9, "color": "0.25"}
            axis.text(step, 1.01, label, transform=axis.get_xaxis_transform(), **place)
    _legend_below(figure, axes[0][0])
    return figure


@mpl.rc_context(STYLE)
def text_difficulty(
    mean: pd.DataFrame, seeds: pd.DataFrame, levels: Mapping[str, str], metrics: Sequence[str]
) -> Figure:
    """Localisation against training steps by difficulty of the training text: a row a metric, a column a level.

    Args:
        mean: tidy rows (level, variant, step, metric, value, low, high); ``variant`` finetune_f or finetune_l.
        seeds: the same for each training seed (column ``seed``): thin lines.
        levels: title of each ``level``, in the order of the columns. A level without rows stays an empty panel that
            says so.
        metrics: the rows of panels.

    A title says how many trainings stand behind its column.
    """
    size = (3.3 * len(levels), 2.9 * len(metrics) + 0.5)
    shape = {"sharex": True, "sharey": "row", "squeeze": False, "figsize": size, "layout": "constrained"}
    figure, axes = plt.subplots(len(metrics), len(levels), **shape)
    for line, metric in zip(axes, metrics, strict=True):
        for axis, (level, title) in zip(line, levels.items(), strict=True):
            rows, single = (part[(part["level"] == level) & (part["metric"] == metric)] for part in (mean, seeds))
            _curves(axis, rows, metric, single)
            trainings = single["seed"].nunique()
            counted = f"{title}\n({trainings} training{'s' * (trainings != 1)} each)" if trainings else title
            axis.set(title=counted if metric == metrics[0] else "")
            axis.label_outer()
            if rows.empty:
                axis.text(0.5, 0.6, "not run", transform=axis.transAxes, ha="center", color="0.4")
    _legend_below(figure, *axes[0])
    return figure


@mpl.rc_context(STYLE)
def in_domain(table: pd.DataFrame, metrics: Sequence[str]) -> Figure:
    """Table 2 of seed 000 over training steps, a panel a metric: F and L as lines, the foundation as a level line.

    ``table``: tidy rows (variant, steps, metric, value, low, high), the foundation's at 0 steps.
    """
    size = (4.6 * len(metrics), 3.9)
    figure, axes = plt.subplots(1, len(metrics), figsize=size, squeeze=False, layout="constrained")
    for axis, metric in zip(axes[0], metrics, strict=True):
        rows = table[table["metric"] == metric].rename(columns={"steps": "step"})
        for start in rows[rows["variant"] == "foundation"].itertuples():
            look = {"color": COLOURS["foundation"], "linestyle": LINES["foundation"]}
            axis.axhline(start.value, linewidth=2, label=NAMES["foundation"], **look)
            axis.axhspan(start.low, start.high, color=COLOURS["foundation"], alpha=0.15, linewidth=0)
        _curves(axis, rows[rows["variant"] != "foundation"], metric)
    _legend_below(figure, *axes[0])
    return figure


def _curves(axis: Axes, rows: pd.DataFrame, metric: str, seeds: pd.DataFrame | None = None) -> None:
    """One line a variant with its interval as a band, a thin one a training where ``seeds`` is given; and chance."""
    for (variant, _), line in seeds.groupby(["variant", "seed"]) if seeds is not None else ():
        look = {"color": COLOURS[variant], "linestyle": LINES[variant], "linewidth": 0.8, "alpha": 0.6}
        axis.plot(line["step"], line["value"], **look)
    for variant, line in rows.groupby("variant"):
        look = {"color": COLOURS[variant], "linestyle": LINES[variant], "marker": MARKERS[variant]}
        axis.plot(line["step"], line["value"], linewidth=2, markersize=5, label=NAMES[variant], **look)
        axis.fill_between(line["step"], line["low"], line["high"], color=COLOURS[variant], alpha=0.15, linewidth=0)
    if metric in CHANCE:
        axis.axhline(CHANCE[metric], color="0.4", linewidth=1, label="chance", zorder=1)
    axis.set(xlabel="training steps", ylabel=LABELS[metric])


@mpl.rc_context(STYLE)
def scores_by_finding(frame: pd.DataFrame, metric: str, ours: str, published: str) -> Figure:
    """One metric by finding: our dots with 95 % intervals left, the paper's right; thin bars are trainings' spread.

    Args:
        frame: tidy rows (finding, variant, metric, value, std, low, high, patients, published, published_std), as
            table 1.
        metric: which metric to draw.
        ours, published: titles of the two panels. Without any published value only ours is drawn.
    """
    rows = frame[frame["metric"] == metric]
    rows = rows.assign(**{side: rows[side].where(rows["patients"] >= MIN_PATIENTS) for side in ("low", "high")})
    both = rows["published"].notna().any()
    names = list(dict.fromkeys(rows["finding"]))
    size = {"figsize": (9.6 if both else 5.6, 0.46 * len(names) + 1.7), "layout": "constrained"}
    figure, axes = plt.subplots(1, 1 + both, sharey=True, sharex=True, squeeze=False, **size)
    left = (rows["value"], rows["value"] - rows["low"], rows["high"] - rows["value"])
    right = (rows["published"], np.nan * rows["published"], np.nan * rows["published"])
    note, spread = "thick bars: 95 % interval over patients", "thin bars: ± 1 std over trainings"
    trainings = [spread if rows[std].notna().any() else "" for std in ("std", "published_std")]
    if (rows["patients"] < MIN_PATIENTS).any():
        note += f"\n(none for fewer than {MIN_PATIENTS})"
    panels = [(ours, left, "std", "\n".join(filter(None, [note, trainings[0]])))]
    panels.append((published, right, "published_std", trainings[1] or "spread not printed"))
    for axis, (title, values, std, note) in zip(axes[0], panels, strict=False):
        _dots(axis, rows, names, *values, std=rows[std])
        if metric in CHANCE:
            axis.axvline(CHANCE[metric], color="0.4", linewidth=1, label="chance", zorder=1)
        axis.set(title=title, xlabel=f"{LABELS[metric]}\n{note}")
    axes[0][0].set(yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.5, -0.5))
    _legend_below(figure, axes[0][0])
    return figure


def _dots(
    axis: Axes,
    rows: pd.DataFrame,
    names: list[str],
    value: pd.Series,
    below: pd.Series,
    above: pd.Series,
    std: pd.Series | None = None,
) -> None:
    """One dot with its bar a finding and variant, and a thin one with caps of length ``std`` to either side; the
    variants of a finding stand a little apart."""
    variants = list(dict.fromkeys(rows["variant"]))
    for place, variant in zip(np.linspace(-0.24, 0.24, len(variants)), variants, strict=True):
        mine = rows.index[rows["variant"] == variant]
        at = rows["finding"][mine].map(names.index) + place
        look = {"color": COLOURS[variant], "marker": MARKERS[variant], "linestyle": "", "markersize": 5}
        axis.errorbar(value[mine], at, xerr=(below[mine], above[mine]), label=NAMES[variant], elinewidth=2, **look)
        if std is not None:
            axis.errorbar(value[mine], at, xerr=std[mine], elinewidth=0.8, capsize=2.5, **{**look, "marker": ""})
    axis.grid(axis="y", visible=False)


@mpl.rc_context(STYLE)
def ablations(frame: pd.DataFrame, seeds: pd.DataFrame, metrics: Sequence[str], ours: str, published: str) -> Figure:
    """Averages of the ablations beside the models they depart from: ours above, the paper's below, a column a metric.

    Args:
        frame: tidy rows (variant, protocol, metric, value, low, high, published, published_std); `ABLATION_LINES` says
            which are drawn, in which order and under which names.
        seeds: the average of each training seed (variant, protocol, seed, metric, value): ticks where there are
            several, a long one for the first, which is the seed of ablations that are trained once.
        metrics: the columns of panels.
        ours, published: titles of the two lines of panels.
    """
    spread = frame["published_std"].fillna(0)
    theirs = frame.assign(value=frame["published"], low=frame["published"] - spread, high=frame["published"] + spread)
    lines = {ours: (frame, seeds), published: (theirs.dropna(subset="value"), seeds.head(0))}
    keys = [_keys(rows) for rows, _ in lines.values()]
    size = {"figsize": (3.1 * len(metrics) + 2.2, 0.3 * sum(map(len, keys)) + 2.4), "layout": "constrained"}
    shape = {"height_ratios": [len(names) for names in keys], "sharex": "col", "sharey": "row", "squeeze": False}
    figure, axes = plt.subplots(2, len(metrics), **size, **shape)
    for line, names, (title, (rows, single)) in zip(axes, keys, lines.items(), strict=True):
        for axis, metric in zip(line, metrics, strict=True):
            _line_a_row(axis, rows[rows["metric"] == metric], single[single["metric"] == metric], names)
            if metric in CHANCE:
                axis.axvline(CHANCE[metric], color="0.4", linewidth=1, label="chance", zorder=1)
        labels = [ABLATION_LINES[key] for key in names]
        line[0].set(yticks=range(len(names)), yticklabels=labels, ylim=(len(names) - 0.5, -0.5))
        line[0].set_title(title, loc="left", fontweight="bold")
    for axis, metric in zip(axes[1], metrics, strict=True):
        axis.set_xlabel(LABELS[metric])
    _legend_below(figure, axes[0][0])
    return figure


def _keys(rows: pd.DataFrame) -> list[tuple[str, str]]:
    """Those of `ABLATION_LINES` that are among ``rows``, in its order."""
    there = set(zip(rows["variant"], rows["protocol"], strict=True))
    return [key for key in ABLATION_LINES if key in there]


def _line_a_row(axis: Axes, rows: pd.DataFrame, seeds: pd.DataFrame, names: list[tuple[str, str]]) -> None:
    """A dot with its bar for each of ``names``, F and L told apart as everywhere; single seeds as ticks below it."""
    for cell in rows.to_dict("records"):
        family, at = cell["variant"][: len("finetune_f")], names.index((cell["variant"], cell["protocol"]))
        look = {"color": COLOURS[family], "marker": MARKERS[family], "linestyle": "", "label": NAMES[family]}
        bar = [[cell["value"] - cell["low"]], [cell["high"] - cell["value"]]]
        axis.errorbar(cell["value"], at, xerr=bar, markersize=5, elinewidth=1.4, **look)
        mine = seeds[(seeds["variant"] == cell["variant"]) & (seeds["protocol"] == cell["protocol"])]
        if len(mine) > 1:
            ticks = {"color": COLOURS[family], "marker": "|", "linestyle": ""}
            first, place = mine.loc[mine["seed"].idxmin(), "value"], at + 0.3
            axis.plot(mine["value"], np.full(len(mine), place), markersize=5, label="single trainings", **ticks)
            axis.plot(first, place, markersize=10, markeredgewidth=2.2, label="first seed", **ticks)
    axis.grid(axis="y", visible=False)


@mpl.rc_context(STYLE)
def figure_03(points: pd.DataFrame, correlations: pd.DataFrame) -> Figure:
    """Figure 3 of seed 000: how common a word is in training texts about a finding against its CNR, a panel a model.

    Args:
        points: a row for each finding, word, variant and seed (``plainsight.tables_words.points``); seeds are averaged.
        correlations: of each variant (``plainsight.tables_words.correlations``), for the titles.
    """
    variants = correlations["variant"].to_list()
    shape = {"sharex": True, "sharey": True, "squeeze": False, "figsize": (3.4 * len(variants), 3.9)}
    figure, axes = plt.subplots(1, len(variants), layout="constrained", **shape)
    for axis, cell in zip(axes[0], correlations.to_dict("records"), strict=True):
        variant = cell["variant"]
        mean = points[points["variant"] == variant].groupby(["finding", "word", "keyword"]).mean(numeric_only=True)
        mean = mean.reset_index()
        for keyword, dots in mean.groupby("keyword"):
            look = {"marker": MARKERS[variant], "color": COLOURS[variant] if keyword else "none", "edgecolor": "0.25"}
            axis.scatter(100 * dots["training_share"], dots["cnr"], s=28, linewidth=0.7, **look)
        axis.axhline(CHANCE["cnr"], color="0.4", linewidth=1, label="chance", zorder=1)
        rho = f"ρ {cell['value']:.2f} [{cell['low']:.2f}, {cell['high']:.2f}]"
        counted = f"{len(mean)} dots, {cell['words']} different words"
        axis.set(title=f"{NAMES[variant]}\n{rho}\n{counted}", xlabel="training texts with the word (%)")
    for fill, label in (("none", "a word and a finding"), ("0.5", "a keyword and its finding")):  # of every panel
        axes[0][0].plot([], [], "o", markersize=5, color=fill, markeredgecolor="0.25", label=label)
    axes[0][0].set_ylabel(LABELS["cnr"])
    _legend_below(figure, axes[0][0])
    return figure


@mpl.rc_context(STYLE)
def made_images(
    frame: pd.DataFrame, titles: Mapping[str, str], ours: str, published: str, real: Mapping[str, float]
) -> Figure:
    """How good made images are: a column a metric, ours with 95 % intervals above, the paper's, without, below.

    Args:
        frame: tidy rows (finding, variant, metric, value, low, high, published), ``finding`` being what stands on the
            vertical axis: the prompts.
        titles: what stands under each column, by metric, units included.
        ours, published: titles of the two lines of panels.
        real: what real images of ours have, by metric, where that can be said: a line.
    """
    names = list(dict.fromkeys(frame["finding"]))
    theirs = frame.assign(value=frame["published"], low=frame["published"], high=frame["published"])
    size = {"figsize": (3.2 * len(titles) + 1, 2 * (0.6 * len(names) + 1.2) + 0.6), "layout": "constrained"}
    figure, axes = plt.subplots(2, len(titles), sharey=True, squeeze=False, **size)
    for line, title, rows in zip(axes, (ours, published), (frame, theirs), strict=True):
        for axis, metric in zip(line, titles, strict=True):
            mine = rows[rows["metric"] == metric]
            _dots(axis, mine, names, mine["value"], mine["value"] - mine["low"], mine["high"] - mine["value"])
            if rows is frame and metric in real:
                axis.axvline(real[metric], color="0.4", linewidth=1, linestyle="--", label="Test images")
            axis.set_xlim(0, 1.05 * axis.get_xlim()[1])
            axis.set_xlabel(titles[metric])
        line[0].set_title(title, loc="left", fontweight="bold")
    axes[0][0].set(yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.5, -0.5))
    _legend_below(figure, *axes[0])
    return figure


@mpl.rc_context(STYLE)
def samples(rows: Mapping[str, Sequence[np.ndarray]], columns: Sequence[str]) -> Figure:
    """Images side by side, drawn as they are: a row a prompt by its title, uint8 images (H, W, 3) by column."""
    size = (1.5 * len(columns) + 1, 1.55 * len(rows) + 0.4)
    figure, axes = plt.subplots(len(rows), len(columns), figsize=size, squeeze=False, layout="constrained")
    for line, (title, images) in zip(axes, rows.items(), strict=True):
        for axis, image in zip(line, images, strict=True):
            axis.imshow(image, interpolation="nearest")
            axis.set(xticks=[], yticks=[])
            axis.grid(False)
        line[0].set_ylabel(title)
    for axis, column in zip(axes[0], columns, strict=True):
        axis.set_title(column)
    return figure


@mpl.rc_context(STYLE)
def against_grounding(
    panels: Mapping[str, pd.DataFrame], x: Sequence[str], y: Sequence[str], log: bool = False
) -> Figure:
    """Points with their intervals: localisation across, something about made images up; a panel a title.

    Args:
        panels: by title, columns variant, ``name``, x, x_low, x_high, y, y_low, y_high. Points of several variants are
            named in the legend, those of a panel with one variant by its side.
        x, y: labels of the axes, one a panel.
        log: whether the axes up are logarithmic.
    """
    figure, axes = plt.subplots(1, len(panels), figsize=(4.6 * len(panels), 4.3), squeeze=False, layout="constrained")
    for axis, across, up, (title, points) in zip(axes[0], x, y, panels.items(), strict=True):
        several = points["variant"].nunique() > 1
        for number, (variant, dots) in enumerate(points.groupby("variant", sort=False)):
            family = next((known for known in NAMES if variant == known or variant.startswith(f"{known}_")), "")
            look = {"color": COLOURS.get(family, "0.25"), "marker": MARKERS.get(variant, "^v<>PX*"[number % 7])}
            look |= {"markerfacecolor": "white"} if family != variant else {}
            sides = {side: dots[[f"{side}_low", f"{side}_high"]].sub(dots[side], axis=0).abs().T for side in "xy"}
            bars = {f"{side}err": np.nan_to_num(bounds) for side, bounds in sides.items()}
            shown = {"label": dots["name"].iloc[0]} if several else {}
            axis.errorbar(dots["x"], dots["y"], **bars, linestyle="", markersize=6, elinewidth=0.8, **look, **shown)
        axis.set(title=title, xlabel=across, ylabel=up, yscale="log" if log else "linear")
        if log:
            for which in (axis.yaxis.set_major_formatter, axis.yaxis.set_minor_formatter):
                which(lambda value, _: f"{value:g}")
        if not several:
            _name_points(axis, points)
    _legend_below(figure, *axes[0])
    return figure


def _name_points(axis: Axes, points: pd.DataFrame) -> None:
    """A name beside each point, at the corner where it covers the fewest points and names and stays in the panel."""
    axis.figure.draw_without_rendering()
    taken = [Bbox.from_bounds(*(place - 4), 8, 8) for place in axis.transData.transform(points[["x", "y"]])]
    corners = [
        {"xytext": (x, y), "ha": "left" if x > 0 else "right", "va": "bottom" if y > 0 else "top"}
        for x, y in itertools.product((5, -5), (3, -3))
    ]
    for dot in points.itertuples():
        names = [
            axis.annotate(dot.name, (dot.x, dot.y), textcoords="offset points", fontsize=8, color="0.25", **corner)
            for corner in corners
        ]
        boxes = [name.get_window_extent() for name in names]
        covered = [box.count_overlaps(taken) + (not _inside(box, axis.bbox)) for box in boxes]
        best = covered.index(min(covered))
        taken.append(boxes[best])
        for name in (*names[:best], *names[best + 1 :]):
            name.remove()


def _inside(box: Bbox, panel: Bbox) -> bool:
    return panel.x0 <= box.x0 and box.x1 <= panel.x1 and panel.y0 <= box.y0 and box.y1 <= panel.y1


def _legend_below(figure: Figure, *axes: Axes) -> None:
    """One legend under all panels, each entry once."""
    found = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    if found:
        figure.legend(found.values(), found.keys(), loc="outside lower center", ncols=len(found), frameon=False)
