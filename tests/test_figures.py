"""Figures: what is drawn, and that the same data give the same bytes."""

from __future__ import annotations

import dataclasses
import itertools
import re
import xml.etree.ElementTree as ET

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Rectangle
from PIL import Image

from plainsight import figures, tables
from score_rows import FINDINGS, joined, runs_like_the_paper

mpl.use("Agg")


def grounded(title: str = "Edema", boxes=((10, 20, 30, 40),)) -> figures.Grounded:
    heatmap = np.arange(16.0).reshape(4, 4)
    maps = {"Foundation": heatmap, "Finetune_L": heatmap.T, "Finetune_F": np.zeros((4, 4))}
    return figures.Grounded(title, np.linspace(0, 1, 64 * 80).reshape(64, 80), boxes, maps)


def masked() -> figures.Grounded:
    """A picture with a mask, a square of 10 x 20 pixels, and notes."""
    plain, mask = grounded(boxes=()), np.zeros((64, 80), bool)
    mask[20:40, 30:40] = True
    return dataclasses.replace(plain, mask=mask, notes=("effusion on the $left$ " * 20, "CC BY"))


def curve() -> pd.DataFrame:
    parts = []
    for run, frame in runs_like_the_paper().items():
        if run.variant != "foundation" and run.protocol == "boxes":
            parts += [frame.assign(**run._asdict(), step=step) for step in (10, 20)]
    return pd.concat(parts, ignore_index=True).assign(protocol="curve")


def drawn() -> dict[str, mpl.figure.Figure]:
    """Every kind of figure from made-up rows."""
    rows = curve()
    mean = tables.summarise(rows, ["variant", "step"], ("auc", "cnr"), (), 20)
    mean = mean[mean["finding"] == tables.WEIGHTED]
    seeds = tables.by_seed(rows, ["variant", "step"], ("auc", "cnr"))
    table = tables.table_01(joined(runs_like_the_paper()), FINDINGS, 20).assign(published=0.5, published_std=0.1)
    levels = {"reports": "reports", "labels": "class names"}
    leveled = [part.assign(level="reports") for part in (mean, seeds)]
    return {
        "contact_sheet": figures.contact_sheet({"best": [masked(), grounded()], "worst": [grounded("$x_1$")]}),
        "figure_02": figures.figure_02([grounded(), grounded("Pneumonia", ((5, 5, 9, 9), (40, 5, 9, 9)))]),
        "curves": figures.learning_curves(mean, seeds, ("auc", "cnr"), {"equal steps": 10}),
        "difficulty": figures.text_difficulty(*leveled, levels, ("auc",)),
        "scores": figures.scores_by_finding(table, "auc", "ours", "published"),
        "ablations": figures.ablations(*ablation_rows(), ("auc", "cnr"), "ours", "published"),
    }


def ablation_rows() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Averages of two variants, one of them by view as well, and single seeds of the first."""
    lines = [("finetune_f_pa", "boxes_ap", 0.4), ("finetune_f_pa", "boxes", 0.5), ("finetune_f", "boxes", 0.6)]
    frame = pd.DataFrame(lines, columns=["variant", "protocol", "value"])
    frame = frame.assign(low=frame["value"] - 0.1, high=frame["value"] + 0.1, published_std=np.nan)
    frame["published"] = [np.nan, np.nan, 0.8]
    seeds = pd.DataFrame({"variant": "finetune_f", "protocol": "boxes", "seed": [0, 1], "value": [0.7, 0.5]})
    seeds = pd.concat([seeds, frame.assign(seed=0)[1:2][list(seeds.columns)]])
    return tuple(pd.concat([rows.assign(metric=name) for name in ("auc", "cnr")]) for rows in (frame, seeds))


@pytest.fixture(scope="module")
def once():
    figure_of = drawn()
    yield figure_of
    mpl.pyplot.close("all")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folders = [tmp_path_factory.mktemp(name) for name in ("first", "second")]
    for folder in folders:
        made = drawn()
        for name in ("figure_02", "curves"):  # the others are saved by the same function
            made[name].set_size_inches(4, 3)
            figures.save(made[name], folder / name, "scale toy, world phantom")
    mpl.pyplot.close("all")
    return folders


def test_the_same_data_give_the_same_bytes(saved):
    first, second = saved
    names = sorted(path.name for path in first.iterdir())
    assert len(names) == 4
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


def test_nothing_in_a_picture_changes_by_itself(saved):
    for path in saved[0].glob("*.png"):
        assert set(Image.open(path).info) <= {"dpi"}
    for path in saved[0].glob("*.svg"):
        text = path.read_text(encoding="utf-8")
        ET.fromstring(text)
        assert not re.search(r"<dc:date>|Matplotlib v", text)
        assert path.stat().st_size < 1_000_000


def test_figure_02_draws_every_box_in_white_on_every_picture():
    figure = figures.figure_02([grounded(boxes=((10, 20, 30, 40), (50, 20, 10, 10)))])
    pictures = figure.axes[:4]
    assert [axis.get_title() for axis in pictures] == ["Image and box", "Foundation", "Finetune_L", "Finetune_F"]
    for axis in pictures:
        boxes = [patch for patch in axis.patches if isinstance(patch, Rectangle)]
        assert [box.get_bbox().bounds for box in boxes] == [(9.5, 19.5, 30, 40), (49.5, 19.5, 10, 10)]
        assert all(box.get_edgecolor() == (1, 1, 1, 1) for box in boxes)
    assert pictures[0].get_ylabel() == "Edema"
    mpl.pyplot.close(figure)


def test_heat_maps_cover_the_image_and_keep_their_order():
    figure = figures.figure_02([grounded()])
    image, overlay = figure.axes[1].images
    assert tuple(overlay.get_extent()) == tuple(image.get_extent()) == (-0.5, 79.5, 63.5, -0.5)
    shown = np.asarray(overlay.get_array())
    assert (shown.min(), shown.max()) == (0, 1)
    assert (np.diff(shown.ravel()) > 0).all()
    mpl.pyplot.close(figure)


def test_curves_draw_the_intervals_they_are_given(once):
    figure = once["curves"]
    assert figure.axes[0].get_ylabel() == figures.LABELS["auc"]
    assert len(figure.axes[0].collections) == 2  # one band a variant
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == [figures.NAMES["finetune_f"], figures.NAMES["finetune_l"], "chance"]


def test_a_level_that_was_not_run_says_so(once):
    figure = once["difficulty"]
    texts = [[text.get_text() for text in axis.texts] for axis in figure.axes]
    assert texts == [[], ["not run"]]


def test_without_published_values_only_ours_is_drawn():
    table = tables.table_01(joined(runs_like_the_paper()), FINDINGS, 20).assign(published=np.nan, published_std=np.nan)
    figure = figures.scores_by_finding(table, "cnr", "ours", "published")
    assert [axis.get_title() for axis in figure.axes] == ["ours"]
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == [*FINDINGS, tables.MACRO, tables.WEIGHTED]
    mpl.pyplot.close(figure)


def test_ablations_are_drawn_line_by_line_with_the_seeds_of_what_was_trained_often(once):
    figure = once["ablations"]
    above, below = figure.axes[:2], figure.axes[2:]
    names = [[label.get_text() for label in line[0].get_yticklabels()] for line in (above, below)]
    assert names == [["Finetune_F", "F, PA films only", "asked on AP films: F, PA films only"], ["Finetune_F"]]
    dots = [container.lines[0].get_xydata().tolist() for container in above[0].containers]
    assert dots == [[[0.4, 2]], [[0.5, 1]], [[0.6, 0]]]
    ticks = [line.get_xydata().tolist() for line in above[0].lines if line.get_label() == "single trainings"]
    assert ticks == [[[0.7, 0.3], [0.5, 0.3]]]
    assert [container.lines[0].get_xydata().tolist() for container in below[0].containers] == [[[0.8, 0]]]


def test_figure_03_draws_every_word_once_and_keywords_apart():
    pairs = pd.DataFrame({"finding": "Edema", "word": ["edema", "left", "the"], "training_share": [0.5, 0.2, 0.9]})
    pairs["keyword"] = pairs["word"] == "edema"
    parts = [pairs.assign(variant=v, seed=s, cnr=[1.0, s, -s]) for v in tables.VARIANTS for s in (0, 1)]
    found = {"value": 0.5, "low": -0.25, "high": 0.75, "words": 3}
    figure = figures.figure_03(pd.concat(parts), pd.DataFrame([{"variant": v, **found} for v in tables.VARIANTS]))
    for axis, variant in zip(figure.axes, tables.VARIANTS, strict=True):
        other, keyword = (dots.get_offsets().tolist() for dots in axis.collections)
        assert sorted(other) == [[20, 0.5], [90, -0.5]] and keyword == [[50, 1]]
        assert axis.get_title() == f"{figures.NAMES[variant]}\nρ 0.50 [-0.25, 0.75]\n3 dots, 3 different words"
    empty = pd.concat(parts).head(0)
    figures.figure_03(empty, pd.DataFrame([{"variant": "foundation", **found}]))
    mpl.pyplot.close("all")


def test_a_contact_sheet_draws_boxes_and_outlines_on_image_and_map(once):
    figure = once["contact_sheet"]
    assert len(figure.axes) == 6
    outline = [axis.collections for axis in figure.axes[:2]]
    for image in outline:
        corners = image[0].get_paths()[0].vertices
        assert corners.min(axis=0).tolist() == [29.5, 19.5] and corners.max(axis=0).tolist() == [39.5, 39.5]
    for axis in figure.axes[2:]:
        assert [patch.get_bbox().bounds for patch in axis.patches] == [(9.5, 19.5, 30, 40)] and not axis.collections
    assert [len(axis.images) for axis in figure.axes] == [1, 2] * 3


def test_a_contact_sheet_prints_text_as_it_is_and_cuts_it(once, tmp_path):
    figure = once["contact_sheet"]
    texts = {text.get_text() for text in figure.texts}
    assert {"best", "worst", "Edema", "$x_1$"} - texts == set()
    note = next(text for text in texts if text.endswith("\nCC BY"))
    assert len(note) <= 210 and "…" in note and max(map(len, note.splitlines())) <= 70
    figures.save(figure, tmp_path / "sheet", "", (".png",))
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.png"]


def test_made_images_are_drawn_with_intervals_and_the_papers_without():
    variants, prompts = ("foundation", "finetune_l"), ("Impressions", "Phrases")
    cells = [
        {
            "finding": name,
            "variant": variant,
            "metric": metric,
            "value": 2.0,
            "low": 1.5,
            "high": 3.0,
            "published": 60.0,
        }
        for name in prompts
        for variant in variants
        for metric in ("fid", "ms_ssim")
    ]
    titles = {"fid": "FID\n(squared units)", "ms_ssim": "MS-SSIM (0 to 1)"}
    figure = figures.made_images(pd.DataFrame(cells), titles, "Ours", "Published", {"ms_ssim": 0.7})
    assert len(figure.axes) == 4
    assert [axis.get_xlabel() for axis in figure.axes] == 2 * [*titles.values()]
    real = [[line.get_xdata()[0] for line in axis.lines if line.get_linestyle() == "--"] for axis in figure.axes]
    assert real == [[], [0.7], [], []]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == list(prompts)
    for axis, value, width in zip(figure.axes, (2.0, 2.0, 60.0, 60.0), (1.5, 1.5, 0.0, 0.0), strict=True):
        dots = [line for line in axis.lines if line.get_linestyle() == "None" and len(line.get_xdata()) == 2]
        assert len(dots) == len(variants) and all((dot.get_xdata() == value).all() for dot in dots)
        bars = [path.vertices[:, 0] for bars in axis.collections for path in bars.get_paths()]
        assert {round(float(np.ptp(bar)), 6) for bar in bars} == {width}
        assert axis.get_xlim()[0] == 0
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        *(figures.NAMES[name] for name in variants),
        "Test images",
    ]


def test_samples_are_drawn_as_they_are():
    rng = np.random.default_rng(0)
    rows = {
        title: [rng.integers(0, 255, (8, 8, 3), dtype=np.uint8) for _ in range(3)] for title in ("Edema", "Healthy")
    }
    figure = figures.samples(rows, ["Real", "L", "F"])
    pictures = [axis.images[0].get_array() for axis in figure.axes]
    for drawn, given in zip(pictures, [image for line in rows.values() for image in line], strict=True):
        np.testing.assert_array_equal(drawn, given)
    assert [axis.get_title() for axis in figure.axes[:3]] == ["Real", "L", "F"]
    assert [figure.axes[number].get_ylabel() for number in (0, 3)] == ["Edema", "Healthy"]


def points(variants) -> pd.DataFrame:
    rows = [(variant, f"name of {variant}", x, x / 10, 0.1, 0.9, 0.5) for x, variant in enumerate(variants, 1)]
    return pd.DataFrame(rows, columns=["variant", "name", "y", "x", "x_low", "x_high", "y_low"]).assign(y_high=np.nan)


def test_points_of_several_variants_are_named_in_the_legend_and_of_one_beside_them():
    several = ("foundation", "finetune_f", "finetune_f", "finetune_f_pa", "other")
    one = points(("finetune_l", "finetune_l")).assign(name=["Edema", "Pneumonia"])
    panels = {"models": points(several), "findings": one}
    figure = figures.against_grounding(panels, ("CNR", "difference"), ("FID", "AUC"))
    left, right = figure.axes
    assert [axis.get_xlabel() for axis in figure.axes] == ["CNR", "difference"] and left.get_ylabel() == "FID"
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == [f"name of {name}" for name in dict.fromkeys(several)]
    assert [text.get_text() for text in right.texts] == ["Edema", "Pneumonia"] and not left.texts
    main, ablation = (box.lines[0] for box in left.containers[1:3])
    assert main.get_color() == ablation.get_color() == figures.COLOURS["finetune_f"]
    assert main.get_markerfacecolor() != "white" and ablation.get_markerfacecolor() == "white"
    mpl.pyplot.close(figure)


def test_names_of_close_points_do_not_cover_each_other_nor_leave_the_panel():
    close = points(("finetune_l",) * 4).assign(
        name=["Pleural Effusion", "Atelectasis", "Lung Opacity", "Edema"], x=[0.5, 0.51, 0.5, 0.9], y=[1, 1.01, 1.2, 3]
    )
    figure = figures.against_grounding({"a": close, "b": close, "c": close}, ("CNR",) * 3, ("AUC",) * 3)
    figure.draw_without_rendering()
    for axis in figure.axes:
        boxes = [name.get_window_extent() for name in axis.texts]
        assert [name.get_text() for name in axis.texts] == close["name"].to_list()
        assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
        assert all(axis.bbox.x0 <= box.x0 and box.x1 <= axis.bbox.x1 for box in boxes)
    mpl.pyplot.close(figure)


def test_bars_reach_from_bound_to_bound_and_a_missing_bound_draws_none():
    figure = figures.against_grounding({"one": points(("finetune_l",))}, ("CNR",), ("FID",), log=True)
    across, up = (bar.get_segments()[0].tolist() for bar in figure.axes[0].containers[0].lines[2])
    assert np.allclose(across, [[0.1, 1], [0.9, 1]]) and np.allclose(up, [[0.1, 0.5], [0.1, 1]])
    assert figure.axes[0].get_yscale() == "log"
    mpl.pyplot.close(figure)


def test_in_domain_curves_have_the_foundation_as_a_level_line():
    rows = [("foundation", 0, "auc", 0.9)] + [(v, s, "auc", 0.8) for v in ("finetune_f", "finetune_l") for s in (5, 9)]
    table = pd.DataFrame(rows, columns=["variant", "steps", "metric", "value"])
    figure = figures.in_domain(table.assign(low=table["value"] - 0.1, high=table["value"] + 0.1), ("auc",))
    lines = {line.get_label(): line for line in figure.axes[0].get_lines()}
    assert set(lines[figures.NAMES["foundation"]].get_ydata()) == {0.9}
    assert lines[figures.NAMES["finetune_f"]].get_xdata().tolist() == [5, 9]
    assert figure.axes[0].get_xlabel() == "training steps"
    mpl.pyplot.close(figure)
