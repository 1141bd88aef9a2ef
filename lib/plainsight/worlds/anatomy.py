"""A patient's chest, sampled once, and its attenuation in a PA or AP film.

Geometry is in fractions of the image; attenuation in units of one full depth of lung (air in place of soft
tissue). The patient's right side is on the image's left. ``lay_out`` gives the layers that lesions work on:

    attenuation = body + max(pedicle, heart) + vessels - lungs + lesions

Views really differ. An AP film is taken at the bedside, the heart far from the detector, in a patient who sits or
lies and breathes in less: the heart is magnified by 10-18 %, the diaphragm higher, the upper mediastinum wider, the
scapulae lie over the lungs, the clavicles higher, the patient is more often turned, and edges are less crisp.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from plainsight.worlds.raster import bump, grid, step, strokes

SIDES = ("right", "left")


@dataclass(frozen=True)
class Anatomy:
    """One patient. Lengths and places are fractions of the image's side unless said otherwise."""

    centre: float
    """x of the midline."""
    half_width: float
    """Half the inner width of the thorax at its widest, near the diaphragm."""
    apex: float
    """y of the lung apices."""
    dome: float
    """y of the right hemidiaphragm's dome."""
    dome_step: float
    """How much lower the left dome is."""
    dome_drop: float
    """Depth of the costophrenic angles below the domes."""
    wall: float
    """Thickness of the soft tissue of the chest wall."""
    thickness: float
    """Attenuation of the body (habitus)."""
    ctr: float
    """Cardiothoracic ratio: heart width over inner thoracic width."""
    heart_tilt: float
    """Angle of the heart's long axis below the horizontal, radians."""
    heart_roundness: float
    """Short over long axis of the heart."""
    mediastinum: float
    """Half width of the upper mediastinum."""
    aorta: float
    """Prominence of the aortic knob, about 1."""
    hilum: float
    """Prominence of hila and vessels, about 1."""
    rib_spacing: float
    rib_phase: float
    """Offset of the ribs in spacings, [0, 1)."""
    rib_slope: float
    """Fall of the posterior ribs from spine to chest wall."""
    rib_contrast: float
    clavicle: float
    """y of the clavicles' inner ends."""
    scapula: float
    """How far the scapulae lie over the lungs: 0 outside, 1 fully."""
    scoliosis: float
    """Sideways bow of the spine."""
    rotation: float
    """Shift of heart and mediastinum when the patient is turned, positive to the patient's left."""
    tilt: float
    """Rotation in the image plane, radians, positive clockwise."""
    breast: float
    """Breast shadows: 0 none, 1 dense."""
    bubble: float
    """Size of the gastric bubble, about 1; 0 none."""
    vessel_seed: int
    """Makes the patient's vessel tree."""


def sample_anatomy(rng: np.random.Generator) -> Anatomy:
    """Draw a patient, as a PA film at full inspiration shows them. The ratio heart to thorax stays below .49."""
    female = rng.random() < 0.5
    habitus = float(rng.beta(2, 3))
    return Anatomy(
        centre=float(rng.normal(0.5, 0.008)),
        half_width=float(np.clip(rng.normal(0.365 if female else 0.38, 0.014), 0.33, 0.41)),
        apex=float(rng.uniform(0.065, 0.11)),
        dome=float(np.clip(rng.normal(0.705, 0.03), 0.64, 0.77)),
        dome_step=float(rng.uniform(0.005, 0.035)),
        dome_drop=float(rng.uniform(0.08, 0.13)),
        wall=0.035 + 0.05 * habitus + float(rng.uniform(0, 0.01)),
        thickness=1.45 + 0.35 * habitus,
        ctr=float(np.clip(rng.normal(0.435, 0.03), 0.36, 0.485)),
        heart_tilt=float(rng.uniform(0.45, 0.85)) - 0.15 * habitus,
        heart_roundness=float(rng.uniform(0.62, 0.76)),
        mediastinum=float(rng.uniform(0.056, 0.072)),
        aorta=float(rng.uniform(0.6, 1.3)),
        hilum=float(rng.uniform(0.8, 1.2)),
        rib_spacing=float(rng.uniform(0.068, 0.082)),
        rib_phase=float(rng.random()),
        rib_slope=float(rng.uniform(0.1, 0.2)),
        rib_contrast=float(rng.uniform(0.75, 1.25)),
        clavicle=float(rng.uniform(0.155, 0.19)),
        scapula=float(rng.uniform(0.0, 0.25)),
        scoliosis=float(rng.normal(0, 0.006)),
        rotation=float(rng.normal(0, 0.006)),
        tilt=float(rng.normal(0, 0.012)),
        breast=float(rng.uniform(0.35, 1.0)) if female else 0.0,
        bubble=float(rng.uniform(0.5, 1.2)) if rng.random() < 0.6 else 0.0,
        vessel_seed=int(rng.integers(2**31)),
    )


def pose(patient: Anatomy, view: str, rng: np.random.Generator) -> Anatomy:
    """The patient as one film shows them: ``view`` PA or AP, with the small changes from film to film."""
    shift, breath, turn, tilt = rng.normal(size=4)
    magnification, rise, over = rng.random(3)
    changes = {
        "centre": patient.centre + 0.006 * shift,
        "dome": patient.dome + 0.008 * breath,
        "rotation": patient.rotation + 0.004 * turn,
        "tilt": patient.tilt + 0.008 * tilt,
    }
    if view == "AP":
        changes |= {
            "ctr": patient.ctr * (1.10 + 0.08 * magnification),
            "dome": changes["dome"] - 0.035 - 0.035 * rise,
            "apex": patient.apex + 0.015,
            "dome_drop": patient.dome_drop * 0.85,
            "heart_tilt": patient.heart_tilt - 0.12,
            "mediastinum": patient.mediastinum * 1.15,
            "clavicle": patient.clavicle - 0.025,
            "scapula": 0.7 + 0.3 * over,
            "rotation": patient.rotation + 0.011 * turn,
            "tilt": patient.tilt + 0.025 * tilt,
            "bubble": patient.bubble * 0.6,
            "breast": patient.breast * 0.7,
        }
    return dataclasses.replace(patient, **changes)


@dataclass(frozen=True)
class Layers:
    """A posed patient on the pixel grid; every array is float32 (resolution, resolution)."""

    anatomy: Anatomy
    p: np.ndarray
    """Position across: distance from the midline, positive to the patient's left."""
    q: np.ndarray
    """Position down, in the patient's frame."""
    lungs: dict[str, np.ndarray]
    """Depth of lung for each side, in [0, 1]: soft at the edges, going on behind heart and hilum."""
    lung: np.ndarray
    """Both lungs together."""
    heart: np.ndarray
    """Profile of the heart in [0, 1]; its silhouette is where this is > 1/2."""
    vessels: np.ndarray
    """Hila and lung vessels, attenuation."""
    air: np.ndarray
    """Depth of lung less what the heart takes up: what a lesion can fill."""
    pedicle: np.ndarray
    """The mediastinum above and behind the heart, attenuation."""
    body: np.ndarray
    """All else: soft tissue, bones, abdomen, attenuation; 0 beside the patient."""

    @property
    def resolution(self) -> int:
        return len(self.q)

    def window(self, p: tuple[float, float], q: tuple[float, float]) -> tuple[slice, slice]:
        """Rows and columns that hold a range of patient coordinates (tilt included): small parts are drawn there."""
        ranges = []
        for low, high in (q, (p[0] + self.anatomy.centre, p[1] + self.anatomy.centre)):
            slack = 0.5 * abs(self.anatomy.tilt) + 0.01
            first, last = (int(np.clip(v, 0, 1) * self.resolution) for v in (low - slack, high + slack))
            ranges.append(slice(first, min(last + 1, self.resolution)))
        return ranges[0], ranges[1]

    def half(self, side: str) -> tuple[slice, slice]:
        """The window around one lung."""
        reach = (-0.02, self.anatomy.half_width * 1.05 + 0.02)
        bottom = self.anatomy.dome + self.anatomy.dome_step + self.anatomy.dome_drop + 0.06
        return self.window(reach if side == "left" else (-reach[1], -reach[0]), (self.anatomy.apex - 0.03, bottom))

    def to_image(self, p: np.ndarray, q: np.ndarray) -> np.ndarray:
        """Patient coordinates -> image coordinates (N, 2)."""
        x = p + self.anatomy.centre + self.anatomy.tilt * (q - 0.5)
        return np.stack([x, q - self.anatomy.tilt * (x - 0.5)], axis=-1)


HEART = 0.52
"""Attenuation of the heart's full depth."""
DISPLACED = 0.6
"""Share of the lung's depth that the heart takes up."""
PEDICLE = 0.52
"""Attenuation of the upper mediastinum."""


def lay_out(anatomy: Anatomy, resolution: int) -> Layers:
    """Draw a posed patient's layers."""
    x, y = grid(resolution)
    q = y + np.float32(anatomy.tilt) * (x - np.float32(0.5))
    p = x - np.float32(anatomy.centre) - np.float32(anatomy.tilt) * (y - np.float32(0.5))
    draft = Layers(anatomy, p, q, {}, *[np.zeros_like(p) for _ in range(6)])
    for side in SIDES:
        draft.lungs[side] = np.zeros_like(p)
        window = draft.half(side)
        draft.lungs[side][window] = lung_depth(anatomy, side, p[window], q[window])
    np.add(draft.lungs["right"], draft.lungs["left"], out=draft.lung)
    reach = 0.8 * anatomy.half_width
    window = draft.window((-reach, reach), (0.2, anatomy.dome + 0.12))
    draft.heart[window] = heart_profile(anatomy, p[window], q[window])
    np.multiply(draft.lung, 1 - np.float32(DISPLACED) * draft.heart, out=draft.air)
    draft.pedicle[:] = _pedicle(draft)
    draft.vessels[:] = _vessels(draft)
    draft.body[:] = _body(draft)
    return draft


def central(layers: Layers, heart: np.ndarray) -> np.ndarray:
    """Attenuation of mediastinum and heart together.

    They lie side by side, so that the deeper one counts; the heart takes the place of part of the lung.
    """
    return np.maximum(layers.pedicle, np.float32(HEART) * heart) + np.float32(DISPLACED) * heart * layers.lung


def dome(anatomy: Anatomy, side: str) -> float:
    """q of the top of a hemidiaphragm."""
    return anatomy.dome + (anatomy.dome_step if side == "left" else 0.0)


def across(side: str, p: np.ndarray) -> np.ndarray:
    """Distance from the midline towards ``side``: positive in that half of the chest."""
    return p if side == "left" else -p


def lateral_edge(anatomy: Anatomy, q: np.ndarray) -> np.ndarray:
    """Distance of the inner chest wall from the midline at height ``q``."""
    t = np.clip((q - anatomy.apex) / (anatomy.dome - anatomy.apex), 0, 1.1)
    rounding = np.sqrt(np.maximum(1 - np.square(np.minimum(t * 1.9, 1) - 1), 0))
    return anatomy.half_width * (0.34 + 0.43 * rounding + 0.23 * t)


def medial_edge(anatomy: Anatomy, side: str, q: np.ndarray) -> np.ndarray:
    """Distance of the lung's inner edge from the midline at height ``q``."""
    t = (q - anatomy.apex) / (anatomy.dome - anatomy.apex)
    turned = anatomy.rotation if side == "left" else -anatomy.rotation
    return anatomy.mediastinum + turned + 0.8 * anatomy.half_width * np.square(np.maximum(0.16 - t, 0)) / 0.16


def diaphragm(anatomy: Anatomy, side: str, outward: np.ndarray) -> np.ndarray:
    """q of the diaphragm at distance ``outward`` from the midline: a dome falling to the costophrenic angle."""
    u = outward * np.float32(1 / anatomy.half_width) - np.float32(0.46)
    outer, inner = np.maximum(u, 0) * np.float32(1 / 0.54), np.minimum(u, 0) * np.float32(1 / 0.46)
    return dome(anatomy, side) + anatomy.dome_drop * outer**2 * (0.35 + 0.65 * outer) + 0.035 * inner**2


def lung_region(anatomy: Anatomy, side: str, p: np.ndarray, q: np.ndarray, edge: float = 0.012) -> np.ndarray:
    """One lung at patient coordinates: 1 inside, 0 outside, changing over ``edge`` at its border."""
    outward = across(side, p)
    return _region(anatomy, side, outward, q, lateral_edge(anatomy, q) - outward, edge)


def lung_depth(anatomy: Anatomy, side: str, p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Depth of one lung at patient coordinates, [0, 1]: the chest is a barrel, deepest in the middle."""
    outward = across(side, p)
    wall = lateral_edge(anatomy, q) - outward
    barrel = np.sqrt(np.clip(wall * np.float32(1 / 0.13) + np.float32(0.30), 0.1, 1))
    return _region(anatomy, side, outward, q, wall, 0.012) * barrel


def _region(
    anatomy: Anatomy, side: str, outward: np.ndarray, q: np.ndarray, wall: np.ndarray, edge: float
) -> np.ndarray:
    """``lung_region`` with the distance ``wall`` from the chest wall at hand."""
    region = step(wall, edge)
    region *= step(outward - medial_edge(anatomy, side, q), 2 * edge)
    region *= step(diaphragm(anatomy, side, outward) - q, 0.8 * edge)
    region *= step(q - np.float32(anatomy.apex), 0.03)
    return region


def heart_size(anatomy: Anatomy) -> tuple[float, float, float, float]:
    """Centre p, q and half width, half height of the heart's main ellipse."""
    width = anatomy.ctr * anatomy.half_width
    c, s = np.cos(anatomy.heart_tilt), np.sin(anatomy.heart_tilt)
    long = width / np.sqrt(c**2 + (anatomy.heart_roundness * s) ** 2)
    height = long * np.sqrt(s**2 + (anatomy.heart_roundness * c) ** 2)
    return 0.30 * width + anatomy.rotation, float(dome(anatomy, "left") + 0.045 - height), width, float(height)


def heart_profile(anatomy: Anatomy, p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """The heart in [0, 1]: an ellipse along its axis, apex to the patient's left, and the right atrium."""
    centre_p, centre_q, width, height = heart_size(anatomy)
    c, s = np.float32(np.cos(anatomy.heart_tilt)), np.float32(np.sin(anatomy.heart_tilt))
    long = float(width / np.sqrt(c**2 + (anatomy.heart_roundness * s) ** 2))
    dp, dq = p - np.float32(centre_p), q - np.float32(centre_q)
    along, aside = (c * dp + s * dq) / np.float32(long), (c * dq - s * dp) / np.float32(long * anatomy.heart_roundness)
    main = np.sqrt(along * along + aside * aside)
    atrium_p, atrium_q = centre_p - 0.62 * width, centre_q + 0.25 * height
    atrium = np.hypot((p - np.float32(atrium_p)) / (0.38 * width), (q - np.float32(atrium_q)) / (0.55 * height))
    inside = np.maximum((1 - main) * np.float32(0.7 * width), (1 - atrium) * np.float32(0.38 * width))
    # A sharp border, then slowly deeper towards the middle.
    return np.clip(step(inside, 0.014) * (np.float32(0.72) + inside * np.float32(0.28 / (0.6 * width))), 0, 1)


def _pedicle(draft: Layers) -> np.ndarray:
    """Upper mediastinum with aortic knob, pulmonary trunk, ascending aorta and trachea."""
    a, total = draft.anatomy, np.zeros_like(draft.p)
    window = draft.window((-0.2, 0.2), (0.0, 0.72))
    turned, q = draft.p[window] - np.float32(a.rotation), draft.q[window]
    width = a.mediastinum * (0.70 + 0.8 * step(q - 0.40, 0.4))
    band = PEDICLE * step(width - np.abs(turned), 0.022) * step(q - 0.03, 0.12) * step(0.66 - q, 0.12)
    knob = np.hypot(turned - 0.8 * a.mediastinum, (q - 0.285) * 0.85)
    trunk = np.hypot(turned - 0.85 * a.mediastinum, (q - 0.375) * 0.7)
    ascending = np.hypot((turned + 0.5 * a.mediastinum) * 1.6, (q - 0.36) * 0.5)
    band = np.maximum(band, 0.55 * step(0.022 + 0.016 * a.aorta - knob, 0.014))
    band = np.maximum(band, 0.42 * step(0.036 - trunk, 0.022))
    band += 0.12 * step(0.05 - ascending, 0.03)
    band -= 0.25 * step(0.014 - np.abs(turned + 0.002), 0.012) * step(0.36 - q, 0.06) * step(q - 0.03, 0.06)
    total[window] = band
    return total


def _body(draft: Layers) -> np.ndarray:
    """Soft tissue, spine, ribs, clavicles, scapulae, breasts and abdomen."""
    a, p, q = draft.anatomy, draft.p, draft.q
    t = np.maximum((q - np.float32(a.apex)) * np.float32(1 / (a.dome - a.apex)), 0)
    torso = lateral_edge(a, q) + a.wall * (1 + 0.25 * t)
    shoulder = 0.085 + 0.42 * step(q - (0.085 + 0.02 * a.scapula), 0.17)
    # Below the shoulders the trunk narrows to the chest wall.
    edge = np.minimum(shoulder, torso + step(0.42 - q, 0.36) * np.maximum(0.49 - torso, 0)) - np.abs(p)
    rim = np.sqrt(np.clip(edge * np.float32(1 / 0.16) + np.float32(0.1), 0, 1))
    total = (0.35 + 0.65 * rim) * (a.thickness * (0.82 + 0.18 * np.minimum(t, 1)))
    total += (0.15 + 2.0 * a.wall) * step(q - (a.dome + 0.04), 0.12)
    for part in (_spine, _ribs, _clavicles, _scapulae, _breasts, _bubble):
        part(draft, total)
    return np.maximum(total, 0) * step(edge, 0.02)


def _spine(draft: Layers, total: np.ndarray) -> None:
    """Vertebral bodies with the discs between them, faint where the abdomen is dense."""
    a = draft.anatomy
    window = draft.window((-0.08, 0.08), (0, 1))
    p, q = draft.p[window], draft.q[window]
    off = np.abs(p - np.float32(a.scoliosis) * np.sin(np.float32(2 * np.pi) * q))
    discs = 0.13 + 0.035 * np.cos(q * np.float32(2 * np.pi / 0.058))
    total[window] += step(0.036 - off, 0.014) * discs * (1 - 0.4 * step(q - 0.5, 0.3))


def _ribs(draft: Layers, total: np.ndarray) -> None:
    """Posterior ribs falling from the spine outwards, anterior ribs rising towards the wall; denser cortex."""
    a = draft.anatomy
    reach = a.half_width * 1.1
    window = draft.window((-reach, reach), (a.apex - 0.03, a.dome + 0.22))
    q, u = draft.q[window], np.abs(draft.p[window]) * np.float32(1 / a.half_width)
    inside = step(1.03 - u, 0.1) * step(a.dome + 0.14 - q, 0.2)
    tau = np.float32(2 * np.pi)
    spread = tau / (np.float32(a.rib_spacing) * (np.float32(0.75) + np.float32(0.6) * q))
    u2 = u * u
    fall = np.float32(1.1 * a.rib_slope) * u2 * np.sqrt(u) - 0.05 * np.sin(2.4 * u)
    back = np.cos((q - fall) * spread - tau * np.float32(a.rib_phase))
    front = np.cos((q + 0.24 * u2 - 0.14 * u) * spread * np.float32(0.92) + tau * np.float32(a.rib_phase))
    bone = step(back - 0.15, 0.7) * (0.75 + 0.5 * step(0.45 - back, 0.5)) * step(u - 0.06, 0.06)
    bone += 0.32 * step(front - 0.1, 1.2) * step(u - 0.5, 0.3) * step(q - 0.2, 0.1)
    total[window] += np.float32(0.16 * a.rib_contrast) * inside * bone


def _clavicles(draft: Layers, total: np.ndarray) -> None:
    """S-shaped bars from the sternum up to the shoulders."""
    a = draft.anatomy
    for side in SIDES:
        reach = (0.0, 0.44) if side == "left" else (-0.44, 0.0)
        window = draft.window(reach, (a.clavicle - 0.13, a.clavicle + 0.04))
        turned = a.rotation if side == "left" else -a.rotation
        out = across(side, draft.p[window]) - np.float32(0.8 * turned)
        off = np.abs(draft.q[window] - (a.clavicle - 0.20 * out - 0.022 * np.sin(15 * out)))
        bar = step(0.0145 - off, 0.011) * (0.8 + 0.45 * step(off - 0.008, 0.006))
        total[window] += 0.26 * bar * step(out - 0.028, 0.025) * step(0.40 - out, 0.06)


def _scapulae(draft: Layers, total: np.ndarray) -> None:
    """Blades behind the shoulders; in AP films their inner edge lies over the lungs."""
    a = draft.anatomy
    for reach in ((0.2, 0.5), (-0.5, -0.2)):
        window = draft.window(reach, (0.08, 0.5))
        p, q = np.abs(draft.p[window]), draft.q[window]
        out = p - (a.half_width * (1.02 - 0.34 * a.scapula) + 0.12 * (q - 0.2))
        blade = step(out, 0.012) * step(0.15 - out, 0.05) * step(0.47 - q - 1.1 * out, 0.1)
        total[window] += (0.15 * blade + 0.07 * bump(out - 0.006, 0.007) * step(0.47 - q, 0.08)) * step(q - 0.14, 0.08)
        total[window] += 0.2 * step(0.06 - np.hypot(p - 0.40, q - 0.17), 0.03)


def _breasts(draft: Layers, total: np.ndarray) -> None:
    """Soft half-discs over the lower lungs with a visible lower edge."""
    a = draft.anatomy
    if not a.breast:
        return
    centre, middle = 0.60 * a.half_width, a.dome - 0.095
    for reach in ((centre - 0.22, centre + 0.22), (-centre - 0.22, 0.22 - centre)):
        window = draft.window(reach, (middle - 0.16, middle + 0.16))
        p, q = np.abs(draft.p[window]) - np.float32(centre), draft.q[window] - np.float32(middle)
        off = np.hypot(p * np.float32(1 / 0.19), q * np.float32(1 / 0.14))
        fullness = np.clip(off * off + 0.35 * step(q, 0.1), 0.3, 1)
        total[window] += np.float32(0.28 * a.breast) * step(1 - off, 0.16) * fullness


def _bubble(draft: Layers, total: np.ndarray) -> None:
    """Gas in the stomach below the left dome."""
    a = draft.anatomy
    centre, middle = 0.42 * a.half_width, a.dome + a.dome_step + 0.065
    window = draft.window((centre - 0.1, centre + 0.1), (middle - 0.08, middle + 0.08))
    off = np.hypot(draft.p[window] - np.float32(centre), 1.5 * (draft.q[window] - np.float32(middle)))
    total[window] -= 0.42 * min(2 * a.bubble, 1) * step(0.055 * a.bubble - off, 0.025)


def vessel_tree(anatomy: Anatomy, side: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Branching lines from the hilum outwards: points (N, 2) in patient coordinates, widths, spacings."""
    points, widths, strides = _unit_tree(anatomy.vessel_seed, side)
    height = anatomy.dome - anatomy.apex
    reach = np.array([anatomy.half_width * 0.95, height * 0.52])
    placed = np.array([anatomy.mediastinum * 1.05, anatomy.apex + height * 0.52]) + points * reach
    placed[:, 0] *= 1 if side == "left" else -1
    return placed, widths, np.hypot(*(strides * reach).T)


@lru_cache(maxsize=8)
def _unit_tree(seed: int, side: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The tree in a lung of unit size: points (N, 2) from the hilum, widths (N,), steps along the branch (N, 2)."""
    rng = np.random.default_rng([seed, SIDES.index(side)])
    count = 9
    starts = rng.normal(size=(count, 2)) * (0.023, 0.08)
    # Upwards, outwards and, most and widest, downwards.
    angles = np.sort(rng.uniform(-1.35, 1.4, count)) + 0.05
    widths = rng.uniform(0.8, 1.2, count) * np.where(angles > 0.3, 1.15, 0.85)
    batches = []
    for extent, length in ((0.85, 36), (0.55, 26), (0.35, 20)):
        bend = rng.normal(size=(len(starts), 1)) * 0.9 * np.linspace(0, 1, length)[None, :]
        direction = angles[:, None] + bend
        run = extent * rng.uniform(0.7, 1.0, (len(starts), 1)) / length
        strides = np.stack([np.cos(direction) * run, np.sin(direction) * run], axis=-1)
        line = starts[:, None, :] + np.cumsum(strides, axis=1)
        taper = widths[:, None] * np.linspace(1, 0.35, length)[None, :]
        batches.append((line.reshape(-1, 2), taper.ravel(), strides.reshape(-1, 2)))
        parent = np.repeat(np.arange(len(starts)), 2)
        fork = rng.integers(length // 4, length - 4, len(parent))
        starts = line[parent, fork]
        angles = direction[parent, fork] + rng.choice([-1, 1], len(parent)) * rng.uniform(0.3, 0.8, len(parent))
        widths = taper[parent, fork] * 0.75
    points, tapers, steps = (np.concatenate(part) for part in zip(*batches, strict=True))
    return points, tapers, steps


def _vessels(draft: Layers) -> np.ndarray:
    """Hila, and vessels that thin out towards the periphery."""
    a = draft.anatomy
    trees = [vessel_tree(a, side) for side in SIDES]
    points, width, gap = (np.concatenate(part) for part in zip(*trees, strict=True))
    image_points = draft.to_image(points[:, 0], points[:, 1])
    thick = width > 0.6
    tree = np.zeros_like(draft.p)
    for chosen, sigma in ((thick, 0.0062), (~thick, 0.0034)):
        tree += strokes(image_points[chosen], 0.26 * width[chosen], sigma, gap[chosen], draft.resolution)
    tree = tree / (1 + np.float32(1.3) * tree)  # crossing vessels lie behind one another: keep them from burning in
    tree *= 1 - np.float32(0.6) * draft.heart
    hilum_q = a.apex + (a.dome - a.apex) * 0.50
    for side in SIDES:
        centre = a.mediastinum * 1.15
        middle = hilum_q + (0.012 if side == "right" else 0.0)
        reach = (centre - 0.05, centre + 0.05) if side == "left" else (-centre - 0.05, 0.05 - centre)
        window = draft.window(reach, (middle - 0.09, middle + 0.09))
        out = across(side, draft.p[window]) - np.float32(centre)
        off = np.hypot(out * np.float32(1 / 0.035), (draft.q[window] - np.float32(middle)) * np.float32(1 / 0.062))
        tree[window] += 0.34 * step(1 - off, 0.9) * (0.7 + tree[window])
    return np.float32(a.hilum) * tree * np.minimum(draft.lung * 1.5, 1)
