"""What each finding does to a film: added attenuation and an exact mask, one small function a finding.

A lesion has a soft profile in [0, 1], free of texture. Its mask is where the profile exceeds half its peak: the
usual full width at half maximum of a soft-edged object, and the same pixels at any resolution. Secondary signs
(volume loss, blurred vessels, the haze beyond the bat wings) change pixels outside the mask, as on real films.
Sizes and places are those of real boxes (``plainsight.worlds.annotations``), laid onto the patient's own lungs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

import plainsight.worlds.annotations as annotations
from plainsight.errors import InputError
from plainsight.worlds.anatomy import (
    SIDES,
    Layers,
    across,
    central,
    diaphragm,
    dome,
    heart_profile,
    lateral_edge,
    lung_region,
    medial_edge,
)
from plainsight.worlds.raster import band_noise, bump, step

HALF_WIDTH = 0.37
"""Half the inner width of the thorax on an average film of the box lists."""

STRENGTH = {"trace": 0.75, "small": 0.85, "": 1.0, "moderate": 1.0, "large": 1.2}
"""How a severity word scales density; size follows from the quantiles of the real areas."""


@dataclass(frozen=True)
class Lesion:
    """One lesion: arrays of shape (resolution, resolution)."""

    attenuation: np.ndarray
    """Added to the film; negative for free air."""
    mask: np.ndarray
    """Bool: where the soft profile exceeds half its peak."""
    vessels: np.ndarray
    """Factor on the vessels: 1 unchanged, 0 hidden, below 0 air in the bronchi of consolidated lung."""


@dataclass(frozen=True)
class Place:
    """A real box in the patient's own lung: ``out`` from the midline, ``q`` down; width and height."""

    side: str
    out: float
    q: float
    width: float
    height: float


def draw_lesions(
    finding: str, side: str, zone: str, severity: str, layers: Layers, rng: np.random.Generator
) -> list[Lesion]:
    """Draw a finding; what is "" is sampled as the real lists have it. Both sides give two lesions, right first.

    Raises:
        InputError: ``finding`` is not one that can be drawn.
    """
    if finding not in DRAW:
        raise InputError(f"phantom: no lesion for finding {finding!r}; known: {', '.join(DRAW)}")
    if finding == "Cardiomegaly":
        return [cardiomegaly(layers, "left", "", severity, rng)]
    sides = SIDES if side == "both" else (side or _sample_side(finding, zone, rng),)
    if sides == ("both",):
        sides = SIDES
    if finding == "Edema" and len(sides) == 2:  # the cause is central: much the same on either side
        seed = rng.integers(2**63)
        return [edema(layers, one, zone, severity, np.random.default_rng(seed)) for one in sides]
    return [DRAW[finding](layers, one, zone, severity, rng) for one in sides]


def _sample_side(finding: str, zone: str, rng: np.random.Generator) -> str:
    """Right, left or both, as often as in the real lists; behind the heart is the left lung."""
    both, right = rng.random(2)
    if zone == "retrocardiac":
        return "left"
    if zone == "diffuse" or both < annotations.bilateral_share(finding):
        return "both"
    return "right" if right < annotations.right_share(finding) else "left"


def atelectasis(layers: Layers, side: str, zone: str, severity: str, rng: np.random.Generator) -> Lesion:
    """Plate-like bands where the real box is wide, else a wedge towards the hilum with loss of volume."""
    spot = place("Atelectasis", layers, side, zone, severity, rng)
    density = STRENGTH[severity] * rng.uniform(0.5, 0.7)
    # A reader's box leaves a margin around streaks that fade out.
    spot = dataclasses.replace(spot, width=1.2 * spot.width, height=1.2 * spot.height)
    window, dp, dq = _local(layers, spot)
    lung = layers.lungs[side][window]
    shape = np.zeros_like(dp)
    if spot.width > 1.25 * spot.height:
        count = 1 + int(rng.random() < 0.5) if spot.height > 0.06 else 1
        thickness = float(np.clip(spot.height * rng.uniform(0.07, 0.11), 0.007, 0.016))
        for level in np.linspace(-0.6, 0.6, count) if count > 1 else (0.0,):
            bow, reach = rng.uniform(0.0, 0.3), rng.uniform(0.7, 1.0)
            slope = (1 - abs(level)) * rng.uniform(-0.75, 0.75)
            off = (dq - float(level) - slope * dp + bow * dp * dp) * np.float32(spot.height / 2)
            np.maximum(shape, bump(off, thickness) * step(reach - np.abs(dp), 0.3), out=shape)
        loss = 0.012
    else:
        # The collapsed lobe: narrow above, broad below, its outer border straight and sharp.
        border = step((-0.15 + 0.85 * dq - dp) * np.float32(spot.width / 2), 0.022)
        shape = border * step(1 - dq, 0.5) * step(dq + 1, 0.5) * step(1.1 + dp, 0.5)
        loss = rng.uniform(0.02, 0.045)
    profile = _whole(layers, window, shape * np.minimum(2 * lung, 1))
    added = profile * layers.air * np.float32(density)
    rise = step(layers.q[window] - diaphragm(layers.anatomy, side, across(side, layers.p[window])) + loss, 0.012)
    added[window] += (1 - profile[window]) * lung * rise
    return Lesion(added, half_peak(profile), 1 - 0.6 * profile)


def cardiomegaly(layers: Layers, side: str, zone: str, severity: str, rng: np.random.Generator) -> Lesion:
    """An enlarged heart; the mask is its whole silhouette, as readers box the heart and not its excess."""
    share = {"trace": 0.53, "small": 0.555, "": 0.60, "moderate": 0.62, "large": 0.69}[severity]
    ratio = float(np.clip(share + rng.normal(0, 0.035), 0.525, 0.75))
    heart = dataclasses.replace(
        layers.anatomy,
        ctr=max(ratio, layers.anatomy.ctr * 1.12),
        heart_tilt=layers.anatomy.heart_tilt * 0.85,
        heart_roundness=min(layers.anatomy.heart_roundness * 1.06, 0.85),
    )
    profile = heart_profile(heart, layers.p, layers.q)
    added = central(layers, profile) - central(layers, layers.heart)
    return Lesion(np.maximum(added, 0), profile > 0.36, 1 - 0.6 * profile)


def consolidation(layers: Layers, side: str, zone: str, severity: str, rng: np.random.Generator) -> Lesion:
    """Dense and lobar: one border straight along a fissure, air-filled bronchi dark inside."""
    spot = place("Consolidation", layers, side, zone, severity, rng)
    density = STRENGTH[severity] * rng.uniform(0.7, 0.85)
    window, dp, dq = _local(layers, spot)
    fine, coarse = (band_noise(rng, cells, layers.resolution)[window] for cells in (48, 14))
    shape = step(1.08 - np.sqrt(np.square(dp) + np.square(dq)) + 0.16 * coarse, 0.4)
    fall = rng.uniform(-0.15, 0.25)
    upper = spot.q < _middle(layers, side)
    fissure = (0.62 - dq + fall * dp) if upper else (dq + 0.62 - fall * dp)
    if rng.random() < 0.65:
        shape *= step(fissure * np.float32(spot.height / 2), 0.02)
    shape *= np.minimum(2 * layers.lungs[side][window], 1)
    profile = _whole(layers, window, shape)
    texture = _whole(layers, window, 0.94 + 0.05 * fine + 0.06 * coarse)
    added = profile * texture * layers.air * np.float32(density)
    return Lesion(added, half_peak(profile), 1 - 1.7 * profile)


def edema(layers: Layers, side: str, zone: str, severity: str, rng: np.random.Generator) -> Lesion:
    """Haze spreading from the hilum (bat wing) or through the lung (diffuse); vessels lose their edges."""
    spot = place("Edema", layers, side, zone, severity, rng)
    a = layers.anatomy
    density = STRENGTH[severity] * rng.uniform(0.38, 0.52)
    if zone != "diffuse":
        centre = a.mediastinum + 0.30 * spot.width
        middle = a.apex + (dome(a, side) - a.apex) * rng.uniform(0.50, 0.62)
        reach = max(spot.width, 0.2) * 1.1
        q = middle if zone in ("", "perihilar", "retrocardiac") else spot.q  # else where the sentence puts it
        spot = dataclasses.replace(spot, out=centre, q=q, width=reach, height=max(spot.height, 0.36))
    window, dp, dq = _local(layers, spot)
    lung = layers.lungs[side][window]
    fine, coarse = (band_noise(rng, cells, layers.resolution)[window] for cells in (40, 12))
    shape = step(1.0 - np.sqrt(dp * dp + dq * dq) + 0.14 * coarse, 1.1) * np.minimum(2 * lung, 1)
    profile = _whole(layers, window, shape)
    haze = np.float32(0.16) * layers.lungs[side]
    added = (profile * _whole(layers, window, 0.92 + 0.16 * fine + 0.10 * coarse) * density + haze) * layers.air
    blurred = np.zeros_like(added)
    blurred[window] = gaussian_filter(layers.vessels[window], 0.009 * layers.resolution, truncate=2.5)
    hidden = np.minimum(0.5 * layers.lungs[side] + 0.4 * profile, 0.9)
    return Lesion(added + 1.15 * hidden * blurred, half_peak(profile), 1 - hidden)


def lung_opacity(layers: Layers, side: str, zone: str, severity: str, rng: np.random.Generator) -> Lesion:
    """A soft, ill-defined patch through which the vessels stay visible."""
    spot = place("Lung Opacity", layers, side, zone, severity, rng)
    density = STRENGTH[severity] * rng.uniform(0.40, 0.52)
    window, dp, dq = _local(layers, spot)
    fine, coarse = (band_noise(rng, cells, layers.resolution)[window] for cells in (36, 12))
    shape = step(1.0 - np.sqrt(dp * dp + dq * dq) + 0.36 * coarse, 0.95)
    profile = _whole(layers, window, shape * np.minimum(2 * layers.lungs[side][window], 1))
    texture = _whole(layers, window, 0.95 + 0.10 * fine + 0.12 * coarse)
    return Lesion(profile * texture * layers.air * np.float32(density), half_peak(profile), 1 - 0.3 * profile)


def pleural_effusion(layers: Layers, side: str, zone: str, severity: str, rng: np.random.Generator) -> Lesion:
    """Fluid in place of lung from the base up: the angle blunted, the surface climbing along the chest wall."""
    a = layers.anatomy
    real = annotations.sample("Pleural Effusion", side, "", severity, rng)
    angle = dome(a, side) + a.dome_drop
    depth = float(np.clip(0.75 * real.height, 0.06, 0.45)) * (dome(a, side) - a.apex) / 0.61 + 0.03
    window = layers.half(side)
    out, q = across(side, layers.p[window]), layers.q[window]
    inward = np.maximum(lateral_edge(a, q) - out, 0)
    # A meniscus: steep along the chest wall, nearly level further in.
    sag = np.float32(min(rng.uniform(0.6, 0.75) * depth, 0.19))
    surface = np.float32(angle - depth) + sag * (1 - np.exp(inward * np.float32(-1 / (0.5 * real.width + 0.02))))
    shape = step(q - surface, rng.uniform(0.018, 0.035)) * np.minimum(2.2 * layers.lungs[side][window], 1)
    profile = _whole(layers, window, shape)
    density = STRENGTH[severity] * rng.uniform(0.75, 0.85)
    # The pleura is thickened by a film of fluid above the level, too.
    return Lesion(profile * layers.air * np.float32(density), half_peak(profile), 1 - profile)


def pneumonia(layers: Layers, side: str, zone: str, severity: str, rng: np.random.Generator) -> Lesion:
    """Patchy, segmental airspace shadowing: fluffy blotches that run together."""
    spot = place("Pneumonia", layers, side, zone, severity, rng)
    density = STRENGTH[severity] * rng.uniform(0.62, 0.78)
    window, dp, dq = _local(layers, spot)
    fine, blotches = (band_noise(rng, cells, layers.resolution)[window] for cells in (44, 22))
    patches = step(blotches + 0.5, 1.4)
    shape = step(1.0 - np.sqrt(dp * dp + dq * dq) + 0.22 * blotches, 0.6) * (0.42 + 0.58 * patches)
    profile = _whole(layers, window, shape * np.minimum(2 * layers.lungs[side][window], 1))
    texture = _whole(layers, window, 0.95 + 0.12 * fine)
    return Lesion(profile * texture * layers.air * np.float32(density), half_peak(profile), 1 - 0.8 * profile)


def pneumothorax(layers: Layers, side: str, zone: str, severity: str, rng: np.random.Generator) -> Lesion:
    """Free air between chest wall and lung: dark, without vessels, bounded by a fine pleural line."""
    a = layers.anatomy
    spot = place("Pneumothorax", layers, side, zone, severity, rng)
    gap = float(np.clip(0.26 * spot.width / 0.2, 0.09, 0.55)) * (1.25 if severity == "large" else 1.0)
    window = layers.half(side)
    p, q = layers.p[window], layers.q[window]
    out = across(side, p)
    root = a.mediastinum + 0.01
    base = dome(a, side) + a.dome_drop
    # The lung retracts towards its root and base; air gathers at the apex and along the wall.
    fallen_out = root + (out - root) * np.float32(1 / (1 - gap))
    fallen_q = base + (q - base) * np.float32(1 / (1 - 0.62 * gap))
    retracted = lung_region(a, side, fallen_out if side == "left" else -fallen_out, fallen_q, 0.012)
    bottom = max(spot.q + spot.height / 2, a.apex + 0.5 * gap * (base - a.apex) + 0.02)
    top = spot.q - spot.height / 2 if spot.q > a.apex + 0.45 * (base - a.apex) else -1.0
    extent = step(np.float32(bottom) - q, 0.08) * step(q - np.float32(top), 0.08)
    region = lung_region(a, side, p, q)
    shape = region * (1 - retracted) * extent
    profile = _whole(layers, window, shape)
    line = (
        4 * retracted * (1 - retracted) * region * region * np.minimum(1.6 * extent, 1) * step(out - root - 0.02, 0.04)
    )
    density = STRENGTH[severity] * rng.uniform(0.30, 0.40)
    added = -profile * (0.35 + 0.65 * layers.air) * np.float32(density)
    added[window] += 0.17 * line + 0.07 * retracted * layers.lungs[side][window]
    return Lesion(added, half_peak(profile), 1 - profile)


DRAW: dict[str, Callable[[Layers, str, str, str, np.random.Generator], Lesion]] = {
    "Atelectasis": atelectasis,
    "Cardiomegaly": cardiomegaly,
    "Consolidation": consolidation,
    "Edema": edema,
    "Lung Opacity": lung_opacity,
    "Pleural Effusion": pleural_effusion,
    "Pneumonia": pneumonia,
    "Pneumothorax": pneumothorax,
}
"""Finding -> the function that draws one lesion of it in the lung of ``side``."""


def half_peak(profile: np.ndarray) -> np.ndarray:
    """The mask of a soft profile: where it exceeds half its peak."""
    return profile > 0.5 * profile.max()


def place(finding: str, layers: Layers, side: str, zone: str, severity: str, rng: np.random.Generator) -> Place:
    """A real box laid onto the patient's lung, moved inwards where it would leave it."""
    a = layers.anatomy
    box = annotations.sample(finding, side, zone, severity, rng)
    across_scale = a.half_width / HALF_WIDTH
    down_scale = (dome(a, side) - a.apex) / (annotations.LUNG_BOTTOM - annotations.LUNG_TOP)
    width, height = box.width * across_scale, box.height * down_scale
    q = a.apex + (box.y - annotations.LUNG_TOP) * down_scale
    if zone == "diffuse":
        q, width, height = _middle(layers, side), 0.85 * a.half_width, 0.85 * (dome(a, side) - a.apex)
    q = float(np.clip(q, a.apex + 0.3 * height + 0.02, dome(a, side) + 0.03 - 0.2 * height))
    inner, outer = float(medial_edge(a, side, np.float64(q))), float(lateral_edge(a, np.float64(q)))
    beside_heart = zone in ("retrocardiac", "perihilar")
    out = inner + 0.3 * width + 0.02 if beside_heart else abs(box.x - 0.5) * across_scale
    margin = min(0.42 * width, 0.5 * (outer - inner))
    return Place(side, float(np.clip(out, inner + margin, outer - margin)), q, width, height)


def _middle(layers: Layers, side: str) -> float:
    """Half way between apex and dome."""
    return 0.5 * (layers.anatomy.apex + dome(layers.anatomy, side))


def _local(layers: Layers, spot: Place) -> tuple[tuple[slice, slice], np.ndarray, np.ndarray]:
    """The window of a lung, and coordinates in it that are -1 and 1 at the edges of the box."""
    window = layers.half(spot.side)
    dp = (across(spot.side, layers.p[window]) - np.float32(spot.out)) * np.float32(2 / spot.width)
    dq = (layers.q[window] - np.float32(spot.q)) * np.float32(2 / spot.height)
    return window, dp, dq


def _whole(layers: Layers, window: tuple[slice, slice], part: np.ndarray) -> np.ndarray:
    """An array of the whole image, 0 outside the window."""
    image = np.zeros_like(layers.p)
    image[window] = part
    return image
