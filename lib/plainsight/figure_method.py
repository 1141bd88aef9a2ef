"""Figure 1 of seed 000, drawn from real maps: how a diffusion model is asked where the words of a phrase are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, PathPatch, Polygon
from matplotlib.path import Path as Outline

from plainsight.figures import COLOURS, HEAT, STYLE, Grounded, draw_overlay, draw_picture
from plainsight.token_maps import TokenMaps

WIDTH, HEIGHT = 12.6, 5.8
"""Of the page, in inches; all places below are inches from its lower left corner."""
ROWS = {"finetune_f": 3.1, "finetune_l": 0.55}
"""Where the row of each model begins, from below."""
MAPS, END = 5.05, 10.7
"""Where the maps of the tokens and the heat maps begin, from the left."""
ENCODERS = {"finetune_f": "frozen", "finetune_l": "learnable"}
NAMES = {"finetune_f": "Finetune_F", "finetune_l": "Finetune_L"}
SIDE = 1.75
"""Of the pictures at either end."""
INK, PALE = "0.25", "0.97"
FLAME = [
    *((0.0, 0.5), (0.05, 0.3), (0.3, 0.15), (0.3, -0.15)),
    *((0.3, -0.38), (0.15, -0.5), (0.0, -0.5)),
    *((-0.15, -0.5), (-0.3, -0.38), (-0.3, -0.15)),
    *((-0.3, 0.05), (-0.08, 0.2), (0.0, 0.5)),
]
"""A Bezier outline of height 1 around the origin."""


@dataclass(frozen=True)
class Method:
    """What Figure 1 shows: one image, one phrase, two models."""

    image: np.ndarray
    """(H, W) or (H, W, 3) in [0, 1]."""
    boxes: Sequence[Sequence[float]]
    """[x, y, w, h] in pixels."""
    latents: Mapping[int, np.ndarray]
    """The noised latent (c, h, w) by timestep, the noisiest first."""
    phrase: str
    seen: Mapping[str, TokenMaps]
    """By variant, finetune_f and finetune_l."""
    heatmaps: Mapping[str, np.ndarray]
    """By variant, the keywords' heat map in the pixels of the image; NaN where the model saw nothing."""


@mpl.rc_context(STYLE)
def figure_01(method: Method) -> Figure:
    """From left to right: what is asked, both models and what learns in them, a map a token, the keywords' heat map."""
    figure = plt.figure(figsize=(WIDTH, HEIGHT))
    page = figure.add_axes((0, 0, 1, 1))
    page.set(xlim=(0, WIDTH), ylim=(0, HEIGHT))
    page.set_axis_off()
    titles = ("An image, a phrase", "Two models read both", "Where each token is attended to", "The keyword’s map")
    for x, title in zip((0.2, 2.75, MAPS, END), titles, strict=True):
        page.text(x, HEIGHT - 0.3, title, size=11, weight="bold", color=INK)
    said = "cross-attention, mean over heads, layers and timesteps"
    page.text(MAPS, HEIGHT - 0.55, said, size=9, color=INK)
    _inputs(figure, page, method)
    for variant in ROWS:
        _model(page, variant)
        _maps(figure, page, variant, method)
    _legend(page)
    return figure


def _inputs(figure: Figure, page: Axes, method: Method) -> None:
    """The image, some of its noised latents, and the phrase."""
    middle = 0.2 + SIDE / 2
    draw_picture(_panel(figure, 0.2, 3.45, SIDE), Grounded("", method.image, (), {}))
    shown = list(method.latents.items())
    for place, (timestep, latent) in enumerate([shown[0], shown[len(shown) // 2], shown[-1]]):
        x = 0.2 + place * (SIDE - 0.52) / 2
        _panel(figure, x, 2.15, 0.52).imshow(_colours(latent), interpolation="nearest")
        page.text(x + 0.26, 2.1, f"t = {timestep}", ha="center", va="top", size=8)
    steps = f"its latent, noised to each\nof {len(method.latents)} timesteps"
    page.text(middle, 1.87, steps, ha="center", va="top", size=9, color=INK)
    _arrow(page, (middle, 3.42), (middle, 2.72))
    _box(page, 0.2, 0.72, SIDE, 0.42, "0.6", "white")
    look = {"style": "italic", "size": min(9, 200 / len(method.phrase)), "parse_math": False}
    page.text(middle, 0.93, f"“{method.phrase}”", ha="center", va="center", **look)
    for y in ROWS.values():
        _arrow(page, (0.2 + SIDE + 0.06, 2.41), (2.58, y + 1.45))
        _arrow(page, (0.2 + SIDE + 0.06, 0.93), (2.58, y + 0.37), linestyle=(0, (4, 2)))


def _model(page: Axes, variant: str) -> None:
    """One model: its text encoder with the sign of whether it learns, and the U-Net, which always does."""
    x, y, colour = 2.75, ROWS[variant], COLOURS[variant]
    _box(page, x - 0.12, y - 0.08, 1.94, 2.08, colour, PALE)
    page.text(x, y + 2.1, NAMES[variant], size=10.5, color=colour, weight="bold")
    _unet(page, x, y + 1.02, 1.7, 0.86)
    page.text(x + 0.7, y + 1.45, "U-Net", ha="center", va="center", size=9.5, color=INK)
    _flame(page, x + 1.2, y + 1.45, 0.34)
    _arrow(page, (x + 0.85, y + 0.7), (x + 0.85, y + 1.17))
    _box(page, x, y + 0.06, 1.7, 0.62, colour, "white")
    page.text(x + 0.1, y + 0.37, f"text encoder,\n{ENCODERS[variant]}", va="center", size=9.5, color=INK)
    sign = _snowflake if variant == "finetune_f" else _flame
    sign(page, x + 1.42, y + 0.37, 0.36)
    _arrow(page, (x + 1.88, y + 1.45), (MAPS - 0.12, y + 1.22))


def _maps(figure: Figure, page: Axes, variant: str, method: Method) -> None:
    """A map a token, those of the keywords framed and led to their mean, which is laid over the image."""
    seen, y, colour = method.seen[variant], ROWS[variant], COLOURS[variant]
    step = (END - 0.55 - MAPS) / len(seen.tokens)
    side = min(0.88 * step, 0.9)
    for place, (token, heat, weight) in enumerate(zip(seen.tokens, seen.maps, seen.weights, strict=True)):
        panel, framed = _panel(figure, MAPS + place * step, y + 0.85, side), weight > 0
        panel.imshow(heat, cmap=HEAT, interpolation="nearest")
        for spine in panel.spines.values():
            spine.set(color=colour if framed else "0.8", linewidth=2.4 if framed else 0.8)
        look = {"color": colour, "weight": "bold"} if framed else {"color": INK}
        x = MAPS + place * step + side / 2
        page.text(x, y + 0.93 + side, token, ha="center", va="bottom", size=9.5, parse_math=False, **look)
    places = np.flatnonzero(seen.weights)
    ends = [MAPS + places[0] * step, MAPS + places[-1] * step + side]
    page.plot(
        [ends[0], ends[0], ends[1], ends[1]], [y + 0.78, y + 0.66, y + 0.66, y + 0.78], color=colour, linewidth=1.6
    )
    corner = np.mean(ends)
    page.plot([corner, corner], [y + 0.66, y + 0.4], color=colour, linewidth=1.6)
    _arrow(page, (corner, y + 0.4), (END - 0.1, y + 0.4), color=colour)
    page.text(corner + 0.12, y + 0.46, "mean", size=9, color=colour)
    image = _panel(figure, END, y + 0.05, SIDE)
    draw_picture(image, Grounded("", method.image, method.boxes, {}), brightest=1.4)
    draw_overlay(image, method.heatmaps[variant], method.image.shape)


def _legend(page: Axes) -> None:
    _snowflake(page, 2.85, 0.17, 0.26)
    page.text(3.05, 0.17, "stays as it was", va="center", size=9, color=INK)
    _flame(page, 4.3, 0.17, 0.26)
    page.text(4.47, 0.17, "learns", va="center", size=9, color=INK)
    page.text(MAPS, 0.17, "bright is high attention, each map on its own scale", va="center", size=9, color=INK)
    page.text(END, 0.17, "white: the finding’s box", va="center", size=9, color=INK)


def _panel(figure: Figure, x: float, y: float, side: float) -> Axes:
    panel = figure.add_axes((x / WIDTH, y / HEIGHT, side / WIDTH, side / HEIGHT))
    panel.set(xticks=[], yticks=[])
    panel.grid(False)
    return panel


def _colours(latent: np.ndarray) -> np.ndarray:
    """A latent (c, h, w) as a picture (h, w, 3): its first three channels, four standard deviations wide."""
    return np.clip(0.5 + latent[:3].transpose(1, 2, 0) / 4, 0, 1)


def _arrow(page: Axes, start: tuple[float, float], end: tuple[float, float], **look: object) -> None:
    shape = {"arrowstyle": "-|>", "mutation_scale": 11, "shrinkA": 0, "shrinkB": 0, "linewidth": 1.4, "color": "0.45"}
    page.add_patch(FancyArrowPatch(start, end, **(shape | look)))


def _box(page: Axes, x: float, y: float, width: float, height: float, edge: object, face: object) -> None:
    shape = FancyBboxPatch((x, y), width, height, boxstyle="round,pad=0,rounding_size=0.1")
    shape.set(edgecolor=edge, facecolor=face, linewidth=1.3)
    page.add_patch(shape)


def _unet(page: Axes, x: float, y: float, width: float, height: float) -> None:
    """Two funnels, narrow end to narrow end."""
    outline = [(0, 0), (0.5, 0.2), (1, 0), (1, 1), (0.5, 0.8), (0, 1)]
    corners = [(x + a * width, y + b * height) for a, b in outline]
    page.add_patch(Polygon(corners, facecolor="white", edgecolor="0.5", linewidth=1.3, joinstyle="round"))


def _snowflake(page: Axes, x: float, y: float, size: float) -> None:
    for angle in np.arange(6) * np.pi / 3:
        arm = np.array([np.sin(angle), np.cos(angle)]) * size / 2
        page.plot([x, x + arm[0]], [y, y + arm[1]], color=COLOURS["finetune_f"], linewidth=1.6, solid_capstyle="round")
        for side in (-1, 1):
            twig = np.array([np.sin(angle + side * 0.8), np.cos(angle + side * 0.8)]) * size / 6
            start = np.array([x, y]) + 0.6 * arm
            line = np.stack([start, start + twig]).T
            page.plot(*line, color=COLOURS["finetune_f"], linewidth=1.3, solid_capstyle="round")


def _flame(page: Axes, x: float, y: float, size: float) -> None:
    codes = [Outline.MOVETO, *[Outline.CURVE4] * 12]
    for scale, colour in ((1.0, "#e4572e"), (0.55, "#f9c74f")):
        points = np.array(FLAME) * size * scale + (x, y - size * (1 - scale) * 0.45)
        page.add_patch(PathPatch(Outline(points, codes), facecolor=colour, edgecolor="none"))
