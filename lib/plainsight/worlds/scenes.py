"""Drawn scenes: everyday objects with attributes and relations, captions and exact masks.

Stands in for natural images: what the foundation is pretrained on, and the MS-COCO experiment of seed 000. A scene
is laid out in fractions of the image, so that it can be rendered at any resolution; the mask of an object is its
visible pixels. Shapes are signed distance fields: positive inside, in units of half the object's side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import numpy as np
import pandas as pd

from plainsight import schema
from plainsight.config import Experiments, Scale, WorldSize
from plainsight.seeding import numpy_generator
from plainsight.worlds import FINDINGS

KINDS = FINDINGS["scenes"]
SYNONYMS = {
    "ball": "sphere",
    "boat": "ship",
    "box": "crate",
    "car": "vehicle",
    "cup": "mug",
    "flower": "blossom",
    "house": "cottage",
    "moon": "crescent",
}
"""Other words for a kind; captions of rows that are grounded use the kind's own name."""

COLOURS = {
    "red": (0.85, 0.12, 0.12),
    "orange": (0.98, 0.55, 0.10),
    "yellow": (0.97, 0.87, 0.15),
    "green": (0.13, 0.58, 0.18),
    "blue": (0.12, 0.28, 0.85),
    "purple": (0.52, 0.18, 0.68),
    "pink": (0.98, 0.52, 0.72),
    "brown": (0.48, 0.28, 0.12),
    "white": (0.96, 0.96, 0.96),
    "black": (0.08, 0.08, 0.09),
}
TEXTURES = ("plain", "striped", "spotted")
SMALL, BIG = 0.36, 0.48
"""An object whose side, as a fraction of the image, is below / above these may be called small / big."""

OBJECTS = (0.15, 0.4, 0.45)
"""How often a scene has one, two and three objects; a photograph in ten of MS-COCO has one class (Lin et al. 2014)."""
NAMED = (0.15, 0.35, 0.5)
"""How often a caption names at most one, two and three of them.

Where it names one, any of its words will do to know what is drawn, and nothing ties the object to its own.
"""

SEED = 1
"""Not 0: the sizes of the toy foundation were chosen on a draw with that seed, in part by its test split."""


@dataclass(frozen=True)
class Thing:
    """One object: centre (x, y) and side as fractions of the image; angle in radians; ``flip`` mirrors it."""

    kind: str
    colour: str
    texture: str
    x: float
    y: float
    side: float
    angle: float
    flip: bool


@dataclass(frozen=True)
class Backdrop:
    """A background: its caption word, colours at the top and the bottom, the horizon (0: none) and its grain."""

    name: str
    sky: tuple[tuple[float, float, float], tuple[float, float, float]]
    ground: tuple[tuple[float, float, float], tuple[float, float, float]]
    horizon: float
    grain: float


@dataclass(frozen=True)
class Layout:
    """A scene before it has a resolution: things from the back to the front, on a backdrop."""

    things: tuple[Thing, ...]
    backdrop: Backdrop
    grain_seed: int


@dataclass(frozen=True)
class Rendering:
    """``image`` float32 (n, n, 3) in [0, 1]; ``masks``: kind -> bool (n, n), its visible pixels."""

    image: np.ndarray
    masks: dict[str, np.ndarray]


def build(size: WorldSize, scale: Scale, experiments: Experiments, out: Path, data: Path | None = None) -> None:
    """Draw the scenes of all splits at ``size.source_resolution`` and write images, masks and ``examples.parquet``.

    Training and generation: one row an image, its finding the kinds that the caption names. Validation and
    grounding: one row for each kind named, with boxes and exact mask. Every scene is its own patient.
    """
    rows = []
    for split in schema.SPLITS:
        for index in range(getattr(size, split)):
            rows += _write_scene(split, index, size.source_resolution, out)
    examples = pd.DataFrame(rows, columns=list(schema.COLUMNS))
    schema.write(examples, out / "examples.parquet", KINDS)


def lay_out(rng: np.random.Generator) -> Layout:
    """A scene of one to three objects of different kinds, now and then one in front of another.

    Objects are prominent, a third to two thirds of the image's side, as they are in the captioned photographs that seed
    000 keeps for its MS-COCO experiment.
    """
    backdrop = _backdrop(rng)
    count = int(rng.choice(3, p=OBJECTS)) + 1
    largest = (0.66, 0.56, 0.46)[count - 1]
    colours = [name for name, rgb in COLOURS.items() if _stands_out(rgb, backdrop)]
    things: list[Thing] = []
    for kind in rng.choice(KINDS, count, replace=False).tolist():
        for _ in range(40):
            side = rng.uniform(0.3, largest)
            x, y = rng.uniform(side / 2, 1 - side / 2, 2)
            share = max((_overlap(x, y, side, t) for t in things), default=0.0)
            if share < 0.02 or 0.15 < share < 0.35:
                break
        else:
            continue
        things.append(
            Thing(
                kind=kind,
                colour=str(rng.choice(colours)),
                texture=str(rng.choice(TEXTURES, p=(0.5, 0.25, 0.25))),
                x=float(x),
                y=float(y),
                side=float(side),
                angle=float(rng.uniform(-0.2, 0.2)),
                flip=bool(rng.random() < 0.5),
            )
        )
    return Layout(tuple(things), backdrop, int(rng.integers(2**32)))


def render(layout: Layout, resolution: int) -> Rendering:
    """Draw a scene; the grain of the background is fixed by the layout, the shapes are antialiased."""
    image = _paint_backdrop(layout.backdrop, resolution, np.random.default_rng(layout.grain_seed))
    masks: dict[str, np.ndarray] = {}
    for thing in layout.things:
        window, cover, colour = _draw(thing, resolution)
        image[window] += cover[..., None] * (colour - image[window])
        solid = cover > 0.5
        for mask in masks.values():
            mask[window] &= ~solid
        masks[thing.kind] = np.zeros((resolution, resolution), dtype=bool)
        masks[thing.kind][window] = solid
    return Rendering(np.clip(image, 0, 1), masks)


def bounding_box(mask: np.ndarray) -> list[float]:
    """The smallest box [x, y, w, h] around the true pixels of a mask."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    left, top = columns[0], rows[0]
    return [float(v) for v in (left, top, columns[-1] + 1 - left, rows[-1] + 1 - top)]


# --- captions -------------------------------------------------------------------------------------------------------


def caption(layout: Layout, rng: np.random.Generator, synonym: float) -> tuple[str, tuple[str, ...]]:
    """A true caption of one to three of the objects, and the kinds it names.

    ``synonym`` is the probability that a kind goes by another word.
    """
    things = layout.things
    count = min(len(things), int(rng.choice(3, p=NAMED)) + 1)
    chosen = [things[i] for i in rng.permutation(len(things))[:count]]
    nouns = [_noun_phrase(t, rng, synonym) for t in chosen]
    relation = _relation(chosen[0], chosen[1], things, rng) if count > 1 else ""
    text = str(rng.choice(_PATTERNS[count])).format(*nouns, relation=relation)
    if rng.random() < 0.3:
        text = f"{text} {layout.backdrop.name}"
    return text, tuple(t.kind for t in chosen)


_PATTERNS = {
    1: (
        "{0}",
        "a picture of {0}",
        "a photo of {0}",
        "there is {0}",
        "this is {0}",
        "the picture shows {0}",
        "we see {0}",
    ),
    2: (
        "{0} {relation} {1}",
        "there is {0} {relation} {1}",
        "a picture of {0} {relation} {1}",
        "{0} and {1}",
        "we see {0} and {1}",
        "{0} is {relation} {1}",
    ),
    3: (
        "{0}, {1} and {2}",
        "{0} {relation} {1}, and {2}",
        "there are {0}, {1} and {2}",
        "{2}, and {0} {relation} {1}",
        "a scene with {0}, {1} and {2}",
    ),
}


def _noun_phrase(thing: Thing, rng: np.random.Generator, synonym: float) -> str:
    """``a small red striped ball``, any of the attributes left out now and then."""
    size = "small" if thing.side < SMALL else "big" if thing.side > BIG else ""
    words = [
        word
        for word, share in ((size, 0.5), (thing.colour, 0.75), (thing.texture, 0.5))
        if word not in ("", "plain") and rng.random() < share
    ]
    named = SYNONYMS[thing.kind] if thing.kind in SYNONYMS and rng.random() < synonym else thing.kind
    words.append(named)
    return f"{'an' if words[0][0] in 'aeiou' else 'a'} {' '.join(words)}"


def _relation(a: Thing, b: Thing, things: tuple[Thing, ...], rng: np.random.Generator) -> str:
    """A relation that holds of ``a`` to ``b``; what hides a part is in front, else the wider gap decides."""
    if _touch(a, b):
        return "in front of" if things.index(a) > things.index(b) else "behind"
    dx, dy = a.x - b.x, a.y - b.y
    near = max(abs(dx), abs(dy)) < (a.side + b.side) / 2 + 0.12
    if near and rng.random() < 0.3:
        return str(rng.choice(("next to", "beside", "near")))
    if abs(dx) > abs(dy):
        return str(rng.choice(("left of", "to the left of") if dx < 0 else ("right of", "to the right of")))
    return str(rng.choice(("above", "over") if dy < 0 else ("below", "under")))


def _overlap(x: float, y: float, side: float, other: Thing) -> float:
    """Area that two squares share, as a fraction of the smaller one."""
    reach = (side + other.side) / 2
    smaller = min(side, other.side)
    wide, high = (min(smaller, max(0.0, reach - abs(d))) for d in (x - other.x, y - other.y))
    return wide * high / smaller**2


def _touch(a: Thing, b: Thing, resolution: int = 64) -> bool:
    """Whether the drawn shapes, not only their squares, share a pixel."""
    if _overlap(a.x, a.y, a.side, b) == 0:
        return False
    counts = np.zeros((resolution, resolution), dtype=int)
    for thing in (a, b):
        window, cover, _ = _draw(thing, resolution)
        counts[window] += cover > 0.5
    return bool((counts == 2).any())


# --- backgrounds ----------------------------------------------------------------------------------------------------

_DAY = ((0.45, 0.68, 0.93), (0.80, 0.90, 0.98))
_BACKDROPS = (
    Backdrop("on the grass", _DAY, ((0.52, 0.75, 0.42), (0.36, 0.62, 0.28)), 0.5, 0.06),
    Backdrop("on the sand", _DAY, ((0.93, 0.85, 0.65), (0.84, 0.72, 0.50)), 0.5, 0.05),
    Backdrop(
        "in the snow", ((0.62, 0.70, 0.80), (0.80, 0.85, 0.90)), ((0.90, 0.92, 0.95), (0.80, 0.84, 0.90)), 0.5, 0.03
    ),
    Backdrop("by the sea", _DAY, ((0.22, 0.50, 0.68), (0.14, 0.36, 0.55)), 0.5, 0.05),
    Backdrop("in the sky", ((0.35, 0.60, 0.90), (0.78, 0.88, 0.97)), _DAY, 0.0, 0.06),
    Backdrop("at night", ((0.04, 0.05, 0.14), (0.14, 0.14, 0.30)), ((0.10, 0.13, 0.12), (0.06, 0.08, 0.08)), 0.6, 0.03),
    Backdrop(
        "on a table", ((0.88, 0.84, 0.78), (0.80, 0.76, 0.70)), ((0.68, 0.50, 0.34), (0.56, 0.40, 0.26)), 0.5, 0.05
    ),
    Backdrop("against a wall", ((0.78, 0.76, 0.72), (0.66, 0.64, 0.62)), _DAY, 0.0, 0.12),
)


def _backdrop(rng: np.random.Generator) -> Backdrop:
    """One of the backgrounds, its colours and horizon varied."""
    base = _BACKDROPS[rng.integers(len(_BACKDROPS))]

    def vary(pair: tuple) -> tuple:
        shift = rng.normal(0, 0.03, 3)
        return tuple(tuple(np.clip(np.asarray(colour) + shift, 0, 1).tolist()) for colour in pair)

    horizon = base.horizon and float(np.clip(base.horizon + rng.normal(0, 0.12), 0.2, 0.85))
    return Backdrop(base.name, vary(base.sky), vary(base.ground), horizon, base.grain)


def _stands_out(colour: tuple[float, float, float], backdrop: Backdrop) -> bool:
    """Whether an object of this colour can be told from the background everywhere."""
    shades = backdrop.sky + (backdrop.ground if backdrop.horizon else ())
    return min(np.linalg.norm(np.subtract(colour, shade)) for shade in shades) > 0.33


def _paint_backdrop(backdrop: Backdrop, n: int, rng: np.random.Generator) -> np.ndarray:
    """Float32 (n, n, 3): vertical gradients, with soft blotches of two sizes that do not depend on ``n``."""
    at = (np.arange(n, dtype=np.float32) + 0.5) / n
    column = _gradient(backdrop.sky, at / (backdrop.horizon or 1))
    if backdrop.horizon:
        ground = _gradient(backdrop.ground, (at - backdrop.horizon) / (1 - backdrop.horizon))
        column = np.where((at > backdrop.horizon)[:, None], ground, column)
    blotches = sum(_blotches(cells, at, rng) / 2 for cells in (6, 24))
    return column[:, None] + (backdrop.grain * blotches)[..., None]


def _gradient(pair: tuple, position: np.ndarray) -> np.ndarray:
    first, last = (np.asarray(colour, dtype=np.float32) for colour in pair)
    return first + np.clip(position, 0, 1)[:, None] * (last - first)


def _blotches(cells: int, at: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Values of a random (cells + 1)^2 lattice interpolated linearly at positions ``at`` in both directions."""
    lattice = rng.standard_normal((cells + 1, cells + 1)).astype(np.float32)
    weights = np.maximum(0, 1 - np.abs(at[:, None] * cells - np.arange(cells + 1, dtype=np.float32)))
    return weights @ lattice @ weights.T


# --- shapes: u to the right, v down, both about -1 to 1; values are distances to the edge, positive inside ----------

Field = np.ndarray
Part = tuple[Field, tuple[float, float, float], bool]
"""A field, its colour, and whether the object's texture lies on it. Parts are painted in order."""

_DARK, _LIGHT, _WOOD, _GLASS = (0.12, 0.12, 0.13), (0.95, 0.95, 0.93), (0.42, 0.27, 0.14), (0.70, 0.86, 0.95)


def _ellipse(u: Field, v: Field, x: float, y: float, rx: float, ry: float) -> Field:
    return (1 - np.sqrt(((u - x) / rx) ** 2 + ((v - y) / ry) ** 2)) * min(rx, ry)


def _disc(u: Field, v: Field, x: float, y: float, r: float) -> Field:
    return r - np.sqrt((u - x) ** 2 + (v - y) ** 2)


def _polygon(u: Field, v: Field, *corners: tuple[float, float]) -> Field:
    """A convex polygon, its corners clockwise as seen (v points down)."""
    edges = []
    for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
        length = float(np.hypot(x1 - x0, y1 - y0))
        edges.append(((x1 - x0) / length) * (v - y0) - ((y1 - y0) / length) * (u - x0))
    return reduce(np.minimum, edges)


def _bar(u: Field, v: Field, x0: float, y0: float, x1: float, y1: float) -> Field:
    return np.minimum(np.minimum(u - x0, x1 - u), np.minimum(v - y0, y1 - v))


def _either(*fields: Field) -> Field:
    return reduce(np.maximum, fields)


def _shade(colour: tuple, factor: float) -> tuple:
    """Towards black (factor < 1) or towards white (factor > 1)."""
    rgb = np.asarray(colour)
    return tuple(rgb * factor if factor <= 1 else rgb + (1 - rgb) * (factor - 1))


def _ball(u: Field, v: Field, c: tuple) -> list[Part]:
    disc = _disc(u, v, 0, 0, 0.95)
    seams = _either(*(0.06 - np.abs(_disc(u, v, x, 0, 1.0)) for x in (-1.2, 1.2)))
    return [
        (disc, c, True),
        (np.minimum(disc, seams), _shade(c, 0.45), False),
        (_disc(u, v, -0.4, -0.45, 0.14), _shade(c, 1.7), False),
    ]


def _box(u: Field, v: Field, c: tuple) -> list[Part]:
    front = _polygon(u, v, (-0.9, -0.45), (0.4, -0.45), (0.4, 0.9), (-0.9, 0.9))
    top = _polygon(u, v, (-0.45, -0.9), (0.85, -0.9), (0.4, -0.45), (-0.9, -0.45))
    flank = _polygon(u, v, (0.4, -0.45), (0.85, -0.9), (0.85, 0.45), (0.4, 0.9))
    tape = np.minimum(front, 0.1 - np.abs(u + 0.25))
    return [
        (top, _shade(c, 1.35), False),
        (flank, _shade(c, 0.6), False),
        (front, c, True),
        (tape, _shade(c, 0.5), False),
    ]


def _house(u: Field, v: Field, c: tuple) -> list[Part]:
    chimney = _bar(u, v, 0.35, -0.85, 0.6, -0.2)
    wall = _bar(u, v, -0.72, -0.1, 0.72, 0.95)
    roof = _polygon(u, v, (0, -0.95), (0.98, -0.08), (-0.98, -0.08))
    panes = _either(_bar(u, v, -0.5, 0.12, -0.14, 0.48), _bar(u, v, 0.3, 0.12, 0.58, 0.48))
    door = _bar(u, v, -0.08, 0.4, 0.22, 0.95)
    return [
        (chimney, _WOOD, False),
        (wall, c, True),
        (roof, _shade(c, 0.5), False),
        (panes, _GLASS, False),
        (door, _WOOD, False),
    ]


def _tree(u: Field, v: Field, c: tuple) -> list[Part]:
    trunk = _polygon(u, v, (-0.12, 0.1), (0.12, 0.1), (0.2, 0.98), (-0.2, 0.98))
    crown = _either(_disc(u, v, 0, -0.5, 0.47), _disc(u, v, -0.38, -0.08, 0.42), _disc(u, v, 0.38, -0.08, 0.42))
    return [(trunk, _WOOD, False), (crown, c, True)]


def _star(u: Field, v: Field, c: tuple) -> list[Part]:
    """Five points: folded by angle into one half point, whose edge is the line from its tip to the notch."""
    radius, fifth = np.hypot(u, v), 2 * np.pi / 5
    folded = np.abs((np.arctan2(u, -v) + fifth / 2) % fifth - fifth / 2)
    x, y = radius * np.sin(folded), radius * np.cos(folded)
    tip, notch = (0.0, 1.0), (0.42 * np.sin(fifth / 2), 0.42 * np.cos(fifth / 2))
    length = np.hypot(notch[0] - tip[0], notch[1] - tip[1])
    return [(((y - tip[1]) * -notch[0] + x * (notch[1] - tip[1])) / length, c, True)]


def _moon(u: Field, v: Field, c: tuple) -> list[Part]:
    return [(np.minimum(_disc(u, v, 0.1, 0, 0.95), -_disc(u, v, 0.55, -0.05, 0.78)), c, True)]


def _cup(u: Field, v: Field, c: tuple) -> list[Part]:
    handle = np.minimum(_disc(u, v, 0.52, 0.05, 0.44), -_disc(u, v, 0.52, 0.05, 0.24))
    body = _polygon(u, v, (-0.85, -0.6), (0.55, -0.6), (0.4, 0.85), (-0.7, 0.85))
    rim = _ellipse(u, v, -0.15, -0.6, 0.7, 0.2)
    inside = _ellipse(u, v, -0.15, -0.6, 0.58, 0.13)
    return [
        (handle, _shade(c, 0.75), False),
        (body, c, True),
        (rim, _shade(c, 1.3), False),
        (inside, _shade(c, 0.4), False),
    ]


def _car(u: Field, v: Field, c: tuple) -> list[Part]:
    cabin = _polygon(u, v, (-0.4, -0.5), (0.3, -0.5), (0.6, 0.0), (-0.62, 0.0))
    body = np.minimum(_bar(u, v, -0.98, -0.05, 0.98, 0.42), _ellipse(u, v, 0, 0.3, 1.15, 0.75))
    glass = _either(
        _polygon(u, v, (-0.33, -0.4), (-0.05, -0.4), (-0.05, -0.04), (-0.47, -0.04)),
        _polygon(u, v, (0.05, -0.4), (0.24, -0.4), (0.45, -0.04), (0.05, -0.04)),
    )
    wheels = _either(_disc(u, v, -0.52, 0.4, 0.25), _disc(u, v, 0.52, 0.4, 0.25))
    hubs = _either(_disc(u, v, -0.52, 0.4, 0.1), _disc(u, v, 0.52, 0.4, 0.1))
    return [
        (cabin, _shade(c, 0.8), False),
        (body, c, True),
        (glass, _GLASS, False),
        (wheels, _DARK, False),
        (hubs, _LIGHT, False),
    ]


def _fish(u: Field, v: Field, c: tuple) -> list[Part]:
    tail = _polygon(u, v, (0.4, 0.0), (0.98, -0.5), (0.85, 0.0), (0.98, 0.5))
    fin = _polygon(u, v, (-0.2, -0.3), (0.3, -0.72), (0.35, -0.2))
    body = _ellipse(u, v, -0.2, 0, 0.78, 0.48)
    eye, pupil = _disc(u, v, -0.62, -0.12, 0.12), _disc(u, v, -0.64, -0.12, 0.06)
    dark = _shade(c, 0.65)
    return [(tail, dark, False), (fin, dark, False), (body, c, True), (eye, _LIGHT, False), (pupil, _DARK, False)]


def _flower(u: Field, v: Field, c: tuple) -> list[Part]:
    stem = _bar(u, v, -0.06, -0.2, 0.06, 0.98)
    leaves = _either(_ellipse(u, v, 0.26, 0.6, 0.27, 0.12), _ellipse(u, v, -0.26, 0.75, 0.27, 0.12))
    turns = np.arange(6) * np.pi / 3
    petals = _either(*(_disc(u, v, 0.36 * np.sin(t), -0.32 + 0.36 * np.cos(t), 0.28) for t in turns))
    green = (0.16, 0.45, 0.16)
    heart = (0.98, 0.82, 0.2) if c != COLOURS["yellow"] else _WOOD
    return [
        (stem, green, False),
        (leaves, green, False),
        (petals, c, True),
        (_disc(u, v, 0, -0.32, 0.22), heart, False),
    ]


def _boat(u: Field, v: Field, c: tuple) -> list[Part]:
    mast = _bar(u, v, -0.05, -0.95, 0.04, 0.4)
    sails = _either(
        _polygon(u, v, (0.06, -0.85), (0.75, 0.25), (0.06, 0.25)),
        _polygon(u, v, (-0.08, -0.6), (-0.08, 0.25), (-0.6, 0.25)),
    )
    hull = _polygon(u, v, (-0.98, 0.35), (0.98, 0.35), (0.6, 0.85), (-0.65, 0.85))
    return [(mast, _WOOD, False), (sails, _shade(c, 1.6), False), (hull, c, True)]


def _kite(u: Field, v: Field, c: tuple) -> list[Part]:
    tail = np.minimum(0.05 - np.abs(u - 0.12 * np.sin(9 * v)), np.minimum(v - 0.4, 0.98 - v))
    bows = _either(*(_ellipse(u, v, 0.12 * np.sin(9 * y), y, 0.17, 0.08) for y in (0.68, 0.9)))
    sail = _polygon(u, v, (0, -0.98), (0.62, -0.3), (0, 0.5), (-0.62, -0.3))
    spars = np.minimum(sail, _either(0.04 - np.abs(u), 0.04 - np.abs(v + 0.3)))
    dark = _shade(c, 0.5)
    return [(tail, dark, False), (bows, dark, False), (sail, c, True), (spars, dark, False)]


_SHAPES: dict[str, Callable[[Field, Field, tuple], list[Part]]] = {
    "ball": _ball,
    "boat": _boat,
    "box": _box,
    "car": _car,
    "cup": _cup,
    "fish": _fish,
    "flower": _flower,
    "house": _house,
    "kite": _kite,
    "moon": _moon,
    "star": _star,
    "tree": _tree,
}


def _draw(thing: Thing, n: int) -> tuple[tuple[slice, slice], np.ndarray, np.ndarray]:
    """Where a thing falls on an n x n image: its window, and there its coverage (h, w) and colour (h, w, 3)."""
    half = thing.side * n / 2
    rows, columns = (
        slice(max(0, int(np.floor(c * n - 1.2 * half))), min(n, int(np.ceil(c * n + 1.2 * half))))
        for c in (thing.y, thing.x)
    )
    x = ((np.arange(columns.start, columns.stop, dtype=np.float32) + 0.5) - thing.x * n) / np.float32(half)
    y = ((np.arange(rows.start, rows.stop, dtype=np.float32) + 0.5) - thing.y * n) / np.float32(half)
    cos, sin = np.float32(np.cos(thing.angle)), np.float32(np.sin(thing.angle))
    u, v = cos * x[None] + sin * y[:, None], cos * y[:, None] - sin * x[None]
    if thing.flip:
        u = -u
    ink = _ink(thing, u, v)
    cover, colour = np.zeros_like(u), np.zeros((*u.shape, 3), dtype=np.float32)
    for field, rgb, textured in _SHAPES[thing.kind](u, v, COLOURS[thing.colour]):
        alpha = np.clip(field * half + 0.5, 0, 1).astype(np.float32)
        painted = np.asarray(rgb, dtype=np.float32)
        if textured and ink is not None:
            painted = painted + ink[..., None] * (_ink_colour(thing.colour) - painted)
        cover = cover + alpha - cover * alpha
        colour += alpha[..., None] * (painted - colour)
    light = 1 - 0.12 * np.clip(u + v, -1, 1)  # daylight from the upper left
    return (rows, columns), cover, colour / np.maximum(cover, 1e-6)[..., None] * light[..., None]


def _ink(thing: Thing, u: Field, v: Field) -> Field | None:
    """How much of the texture's colour lies where, 0 to 1; None for a plain thing."""
    if thing.texture == "plain":
        return None
    stripes = thing.texture == "striped"
    depth = np.sin(7 * (u + 0.5 * v)) if stripes else np.cos(8 * u) * np.cos(8 * v) - 0.35
    return np.clip(3 * depth + 0.5, 0, 1)


def _ink_colour(colour: str) -> np.ndarray:
    """Stripes and spots are dark on light colours, light on dark ones."""
    rgb = np.asarray(COLOURS[colour], dtype=np.float32)
    return rgb * np.float32(0.45) if rgb.mean() > 0.45 else rgb + (1 - rgb) * np.float32(0.6)


# --- writing --------------------------------------------------------------------------------------------------------


def _write_scene(split: str, index: int, resolution: int, out: Path) -> list[dict]:
    """Draw and write one scene and, where it is grounded, the masks of the kinds named; its rows."""
    rng = numpy_generator(SEED, "scenes", split, index)
    layout = lay_out(rng)
    rendering = render(layout, resolution)
    grounded = split in ("validation", "grounding")
    text, kinds = caption(layout, rng, synonym=0.0 if grounded else 0.15)
    image_id = f"scenes-{split}-{index:06d}"
    image = f"images/{split}/{index:06d}.jpg"
    schema.write_image(rendering.image, out / image)
    row = {
        "example_id": image_id,
        "image_id": image_id,
        "image": image,
        "phrase": text,
        "finding": "|".join(kinds),
        "boxes": [bounding_box(rendering.masks[kind]) for kind in kinds],
        "mask": "",
        "patient": image_id,
        "view": "",
        "split": split,
        "source": f"scene {split} {index}",
        "width": resolution,
        "height": resolution,
    }
    if not grounded:
        return [row]
    rows = []
    for kind in kinds:
        mask = f"masks/{split}/{index:06d}-{kind}.png"
        schema.write_image(rendering.masks[kind], out / mask)
        box = bounding_box(rendering.masks[kind])
        rows.append(row | {"example_id": f"{image_id}-{kind}", "finding": kind, "boxes": [box], "mask": mask})
    return rows
