"""Figure 1: what is drawn, and that the same maps give the same bytes."""

from __future__ import annotations

import dataclasses

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from plainsight import figures
from plainsight.figure_method import Method, figure_01
from plainsight.token_maps import TokenMaps

mpl.use("Agg")
TOKENS = ("SOS", "$pleural$", "ef", "fusion", "EOS")


def method() -> Method:
    rng = np.random.default_rng(0)
    weights = np.array([0, 0, 0.5, 0.5, 0], np.float32)
    heatmap = np.arange(64.0 * 80).reshape(64, 80)
    maps = TokenMaps(TOKENS, rng.random((5, 8, 8)), weights, heatmap)
    latents = {step: rng.standard_normal((4, 8, 8)) for step in (701, 601, 501, 401, 1)}
    both = ("finetune_f", "finetune_l")
    return Method(
        np.linspace(0, 1, 64 * 80).reshape(64, 80),
        [[10, 20, 30, 40]],
        latents,
        "There is $pleural$ effusion",
        dict.fromkeys(both, maps),
        dict.fromkeys(both, heatmap),
    )


@pytest.fixture(scope="module")
def figure():
    made = figure_01(method())
    yield made
    mpl.pyplot.close("all")


def test_both_models_are_drawn_with_a_map_a_token(figure):
    page, *panels = figure.axes
    # The image, three latents, and for each model its tokens and its heat map.
    assert len(panels) == 1 + 3 + 2 * (len(TOKENS) + 1)
    texts = [text.get_text() for text in page.texts]
    assert [texts.count(token) for token in TOKENS] == [2] * len(TOKENS)
    for said in (
        "Finetune_F",
        "Finetune_L",
        "text encoder,\nfrozen",
        "text encoder,\nlearnable",
        "t = 701",
        "t = 501",
        "t = 1",
    ):
        assert said in texts, said
    assert "“There is $pleural$ effusion”" in texts and "its latent, noised to each\nof 5 timesteps" in texts


def test_the_keywords_tokens_alone_are_framed(figure):
    maps = [axis for axis in figure.axes[1:] if np.shape(axis.images[0].get_array()) == (8, 8)]
    widths = [axis.spines["left"].get_linewidth() for axis in maps]
    assert [width > 2 for width in widths] == [False, False, True, True, False] * 2
    colours = [to_rgb(axis.spines["left"].get_edgecolor()) for axis in (maps[2], maps[7])]
    assert colours == [to_rgb(figures.COLOURS[variant]) for variant in ("finetune_f", "finetune_l")]


def test_the_box_is_drawn_on_the_heat_maps_and_not_on_what_is_asked(figure):
    boxes = [[patch.get_bbox().bounds for patch in axis.patches] for axis in figure.axes[1:]]
    drawn = [one for one in boxes if one]
    assert drawn == [[(9.5, 19.5, 30, 40)]] * 2 and boxes[0] == []
    overlays = [axis.images[1] for axis in figure.axes[1:] if len(axis.images) == 2]
    assert all((np.diff(np.asarray(one.get_array()).ravel()) > 0).all() for one in overlays) and len(overlays) == 2


def test_long_phrases_shrink_and_the_same_maps_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        figures.save(figure_01(method()), tmp_path / name, "toy", (".svg",))
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    long = figure_01(dataclasses.replace(method(), phrase="There is " + "very " * 10 + "long"))
    sizes = [text.get_size() for text in long.axes[0].texts if text.get_style() == "italic"]
    assert len(sizes) == 1 and sizes[0] < 4
    mpl.pyplot.close("all")
