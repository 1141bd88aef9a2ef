"""What lies on or in the patient but is no finding: central line, tubes, pacemaker, and the film's side marker."""

from __future__ import annotations

import numpy as np

from plainsight.worlds.anatomy import Layers
from plainsight.worlds.raster import path, step, strokes

DEVICES = ("line", "endotracheal", "gastric", "pacemaker")
METAL = 1.1


def draw_device(device: str, layers: Layers, rng: np.random.Generator) -> np.ndarray:
    """Attenuation of a ``line`` (central venous catheter), ``endotracheal`` or ``gastric`` tube, or ``pacemaker``."""
    draw = {"line": _line, "endotracheal": _endotracheal, "gastric": _gastric, "pacemaker": _pacemaker}
    return draw[device](layers, rng)


def side_marker(layers: Layers, rng: np.random.Generator) -> np.ndarray:
    """A lead letter in an upper corner: R on the image's left or L on its right."""
    letter = "R" if rng.random() < 0.5 else "L"
    x = rng.uniform(0.05, 0.1) if letter == "R" else rng.uniform(0.9, 0.95)
    y, size = rng.uniform(0.06, 0.3), rng.uniform(0.018, 0.026)
    outline = {
        "L": [[0, -1], [0, 1], [1, 1]],
        "R": [[0, 1], [0, -1], [0.8, -0.9], [0.9, -0.4], [0.7, -0.05], [0, 0], [0.95, 1]],
    }[letter]
    points = path(np.array([x, y]) + size * np.array(outline) * (0.7, 1.0), 0.001)
    return _wire(points, METAL, 0.0028, layers.resolution)


def _line(layers: Layers, rng: np.random.Generator) -> np.ndarray:
    """From the neck or below a clavicle to the superior vena cava."""
    a = layers.anatomy
    side = 1 if rng.random() < 0.35 else -1
    end = (-0.65 * a.mediastinum + rng.normal(0, 0.006), rng.uniform(0.36, 0.46))
    if rng.random() < 0.5:
        start = [(side * 0.11, -0.02), (side * 0.085, 0.10)]
    else:
        start = [(side * 0.36, 0.28), (side * 0.27, 0.19), (side * 0.12, 0.165)]
    route = np.array([*start, (-0.4 * a.mediastinum + side * 0.01, 0.235), end])
    return _wire(_smooth(layers, route), 0.42, 0.0034, layers.resolution)


def _endotracheal(layers: Layers, rng: np.random.Generator) -> np.ndarray:
    """Down the trachea, to above the carina."""
    return _tube(np.array([(0.0, -0.02), (0.004, 0.12), (0.0, rng.uniform(0.24, 0.31))]), layers)


def _gastric(layers: Layers, rng: np.random.Generator) -> np.ndarray:
    """Down the oesophagus and through the diaphragm."""
    dome = layers.anatomy.dome
    tip = dome + rng.uniform(0.06, 0.14)
    return _tube(np.array([(0.01, -0.02), (0.012, 0.3), (0.02, 0.55), (0.035, dome), (0.12, tip)]), layers)


def _tube(route: np.ndarray, layers: Layers) -> np.ndarray:
    """Both walls of a tube along a route."""
    points = _smooth(layers, route)
    wall = [_wire(points + np.array([dx, 0]), 0.45, 0.0025, layers.resolution) for dx in (-0.0055, 0.0055)]
    return wall[0] + wall[1]


def _pacemaker(layers: Layers, rng: np.random.Generator) -> np.ndarray:
    """A generator below the left clavicle (now and then the right) with one or two leads to the heart."""
    a = layers.anatomy
    side = 1 if rng.random() < 0.85 else -1
    p, q = side * 0.74 * a.half_width, 0.26 + rng.uniform(0, 0.03)
    out, down = (layers.p - p) / 0.055, (layers.q - q) / 0.042
    box = METAL * step(1 - np.sqrt(np.sqrt(out**4 + down**4)), 0.12)
    tips = [(0.22 * a.half_width, a.dome - 0.03), (-0.12 * a.half_width, a.dome - 0.16)]
    for tip in tips[: 1 + (rng.random() < 0.6)]:
        route = np.array(
            [(p, q - 0.02), (side * 0.17, 0.185), (-0.03, 0.25), (-0.05, 0.42), (-0.02, tip[1] - 0.06), tip]
        )
        box = box + _wire(_smooth(layers, route), 0.6, 0.003, layers.resolution)
    return box


def _smooth(layers: Layers, route: np.ndarray) -> np.ndarray:
    """A rounded path in image coordinates through a few points in patient coordinates."""
    for _ in range(3):  # Chaikin's corner cutting (1974)
        cut = np.stack([0.75 * route[:-1] + 0.25 * route[1:], 0.25 * route[:-1] + 0.75 * route[1:]], axis=1)
        route = np.concatenate([route[:1], cut.reshape(-1, 2), route[-1:]])
    return path(layers.to_image(route[:, 0], route[:, 1]), 0.001)


def _wire(points: np.ndarray, height: float, sigma: float, resolution: int) -> np.ndarray:
    """A line of even thickness through image points."""
    gaps = np.hypot(*np.diff(points, axis=0, append=points[-1:]).T)
    return strokes(points, np.full(len(points), height), sigma, gaps, resolution)
