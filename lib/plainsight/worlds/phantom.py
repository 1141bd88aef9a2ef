"""The phantom world: chest films drawn by code, so that where a finding is, is known to the pixel.

``draw`` makes one film of a patient from facts; ``build`` makes the world's images, masks and tables.

Confounders (``plainsight.config.Confounders``) are correlations that are not lesions, as real data have them:
a device is likelier where there is edema, and an AP film where there are more findings. A device named by the text is
always drawn; the probabilities hold where the text names none. AP films show lines and tubes, PA films
mostly pacemakers. AP films magnify the heart, as they do: one that a text calls normal may look as wide there as an
enlarged one does on a PA film.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter
from tqdm import tqdm

from plainsight import schema
from plainsight.config import Confounders, Experiments, Scale, WorldSize
from plainsight.files import atomic
from plainsight.seeding import numpy_generator
from plainsight.worlds import FINDINGS
from plainsight.worlds.anatomy import Anatomy, central, lay_out, pose, sample_anatomy
from plainsight.worlds.devices import DEVICES, draw_device, side_marker
from plainsight.worlds.impressions import Impression, compose, rewrite, test_phrase
from plainsight.worlds.lesions import DRAW, draw_lesions
from plainsight.worlds.raster import band_noise, grid
from plainsight.worlds.sentences import Fact

DEVICE_SHARES = {"PA": (0.35, 0.025, 0.025, 0.60), "AP": (0.50, 0.20, 0.20, 0.10)}
"""Which of `DEVICES` it is where one is drawn and the text names none."""

SEED = 0


@dataclass(frozen=True)
class Drawing:
    """One film and what is on it."""

    image: np.ndarray
    """float32 (resolution, resolution) in [0, 1], bone bright."""
    masks: dict[str, np.ndarray]
    """Finding -> bool (resolution, resolution)."""
    boxes: dict[str, list[list[float]]]
    """Finding -> one tight [x, y, w, h] in pixels for each lesion."""
    device: str
    """One of `DEVICES`, or ""."""


def draw(
    facts: Sequence[Fact],
    device: str,
    patient: Anatomy,
    view: str,
    resolution: int,
    rng: np.random.Generator,
    confounders: Confounders,
) -> Drawing:
    """One film of ``patient`` in ``view`` (PA or AP) that shows every fact that is not negated.

    What a fact leaves open ("") is sampled. The same generator state gives the same geometry at every
    resolution, and the same anatomy and exposure whatever the facts; lesions are drawn by their order in ``facts``.
    """
    posing, placing, wiring, filming = rng.spawn(4)
    layers = lay_out(pose(patient, view, posing), resolution)
    added, vessels = np.zeros_like(layers.p), layers.vessels
    masks: dict[str, np.ndarray] = {}
    boxes: dict[str, list[list[float]]] = {}
    for fact in facts:
        if fact.negated or fact.finding not in DRAW:
            continue
        for lesion in draw_lesions(fact.finding, fact.side, fact.zone, fact.severity, layers, placing.spawn(1)[0]):
            added += lesion.attenuation
            vessels = vessels * lesion.vessels
            masks[fact.finding] = masks.get(fact.finding, False) | lesion.mask
            boxes.setdefault(fact.finding, []).append(tight_box(lesion.mask))
    attenuation = layers.body + central(layers, layers.heart) - layers.lung + vessels + added
    device = device or draw_device_name("Edema" in masks, view, confounders, wiring)
    if device:
        attenuation += draw_device(device, layers, wiring)
    attenuation += side_marker(layers, wiring)
    return Drawing(expose(attenuation, layers.lung, view, filming), masks, boxes, device)


def tight_box(mask: np.ndarray) -> list[float]:
    """The smallest [x, y, w, h] in pixels around a mask that is not empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    x, y = float(columns[0]), float(rows[0])
    return [x, y, float(columns[-1]) + 1 - x, float(rows[-1]) + 1 - y]


def draw_device_name(edema: bool, view: str, confounders: Confounders, rng: np.random.Generator) -> str:
    """A device nobody wrote about, or "": likelier with edema."""
    chance, kind = rng.random(), str(rng.choice(DEVICES, p=DEVICE_SHARES[view]))
    return kind if chance < (confounders.device_with_edema if edema else confounders.device_otherwise) else ""


def draw_view(findings: int, confounders: Confounders, rng: np.random.Generator) -> str:
    """AP with probability ``ap_base`` + ``ap_per_finding`` for each finding (at most 0.95), else PA."""
    return "AP" if rng.random() < min(confounders.ap_base + confounders.ap_per_finding * findings, 0.95) else "PA"


def expose(attenuation: np.ndarray, lung: np.ndarray, view: str, rng: np.random.Generator) -> np.ndarray:
    """Attenuation -> film in [0, 1]: parenchymal texture, scatter, unsharpness, tone curve, noise.

    The tone curve is the sigmoid of digital detectors; AP films are flatter, less crisp and noisier.
    """
    resolution = len(attenuation)
    portable = view == "AP"
    fine, coarse = band_noise(rng, 90, resolution), band_noise(rng, 7, resolution)
    middle, slope, tilt_x, tilt_y = rng.normal(size=4)
    x, y = grid(resolution)
    film = attenuation + (0.028 * fine + 0.03 * coarse) * (0.3 + lung)
    film += np.float32(0.05 * tilt_x) * (x - 0.5) + np.float32(0.05 * tilt_y) * (y - 0.5)
    film = gaussian_filter(film, (0.0030 if portable else 0.0016) * resolution, truncate=2.5)
    level = 1.12 + 0.07 * middle - (0.06 if portable else 0.0)
    contrast = (1.95 if portable else 2.45) * np.exp(0.08 * slope)
    image = 1 / (1 + np.exp(np.float32(-contrast) * (film - np.float32(level))))
    floor = 1 / (1 + np.exp(contrast * level))
    image = (image - np.float32(floor)) * np.float32(0.97 / (0.96 - floor)) + np.float32(0.015)
    image += rng.standard_normal(image.shape, dtype=np.float32) * np.float32(0.016 if portable else 0.010)
    return np.clip(image, 0, 1).astype(np.float32)


def build(size: WorldSize, scale: Scale, experiments: Experiments, out: Path, data: Path | None = None) -> None:
    """Write ``examples.parquet``, ``texts.parquet`` (train), ``images/`` and ``masks/`` (validation, grounding).

    Each row is one image. Training and generation rows have an impression as reports have them; validation and
    grounding rows one curated phrase about one finding, balanced over the eight, and in half of them one or two further
    findings that the phrase does not mention. Patients, like reports, belong to one split.
    """
    rows: list[dict] = []
    texts: list[dict] = []
    counts = {split: getattr(size, split) for split in schema.SPLITS}
    out = Path(out)
    with (
        atomic(out / "images") as images,
        atomic(out / "masks") as masks,
        tqdm(total=sum(counts.values()), desc="phantom", unit="image") as bar,
    ):
        images.mkdir()
        masks.mkdir()
        for split, count in counts.items():
            for index in range(count):
                rng = numpy_generator(SEED, "phantom", split, index)
                number = index // size.images_per_patient
                patient = sample_anatomy(numpy_generator(SEED, "phantom", split, "patient", number))
                finding = tuple(DRAW)[index % len(DRAW)]
                impression = draw_impression(split, finding, experiments, rng)
                view = draw_view(len({fact.finding for fact in impression.facts}), experiments.confounders, rng)
                drawing = draw(
                    impression.facts,
                    impression.device,
                    patient,
                    view,
                    size.source_resolution,
                    rng,
                    experiments.confounders,
                )
                name = f"{split}-{index:05d}"
                schema.write_image(drawing.image, images / f"{name}.png")
                row = {
                    "example_id": name,
                    "image_id": name,
                    "image": f"images/{name}.png",
                    "phrase": impression.text,
                    "finding": "|".join(drawing.masks) or "No Finding",
                    "boxes": [box for boxes in drawing.boxes.values() for box in boxes],
                    "mask": "",
                    "patient": f"{split}-{number:05d}",
                    "view": view,
                    "split": split,
                    "source": "|".join(impression.reports),
                    "width": size.source_resolution,
                    "height": size.source_resolution,
                }
                if split in ("validation", "grounding"):
                    row |= {"finding": finding, "boxes": drawing.boxes[finding], "mask": f"masks/{name}.png"}
                    schema.write_image(drawing.masks[finding], masks / f"{name}.png")
                if split == "train":
                    texts.extend(_texts(name, impression, drawing.device, experiments))
                rows.append(row)
                bar.update()
    schema.write_texts(pd.DataFrame(texts, columns=["image_id", "text", "phrase"]), out / "texts.parquet")
    schema.write(pd.DataFrame(rows, columns=list(schema.COLUMNS)), out / "examples.parquet", FINDINGS["phantom"])


def draw_impression(split: str, finding: str, experiments: Experiments, rng: np.random.Generator) -> Impression:
    """The text of an image and all the facts that the image shows."""
    if split in ("train", "generation"):
        return compose(experiments.texts["reports"], split, rng)
    phrase = test_phrase(finding, split, rng)
    others = [name for name in DRAW if name != finding and name not in {fact.finding for fact in phrase.facts}]
    further = rng.choice(others, size=int(rng.integers(1, 3)), replace=False) if rng.random() < 0.5 else []
    extra = tuple(Fact(str(name), "", "", "", False) for name in further)
    return Impression(phrase.text, (*phrase.facts, *extra), phrase.device, phrase.reports)


def _texts(name: str, impression: Impression, device: str, experiments: Experiments) -> list[dict]:
    """The image's text at every level of difficulty; level ``reports`` is the one it was drawn from."""
    rows = []
    for level, shares in experiments.texts.items():
        if shares.source == "captions":
            continue
        if level == "reports":
            phrase = impression.text
        else:
            rng = numpy_generator(SEED, "phantom", "text", level, name)
            phrase = rewrite(impression.facts, device, shares, "train", rng)
        rows.append({"image_id": name, "text": level, "phrase": phrase})
    return rows
