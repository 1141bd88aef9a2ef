"""Score rows of made images: ``runs/<scale>/<world>/scores/<variant>/seed<k>/<kind>[_<weights>].parquet``.

Three kinds, none of which holds text or pixels; all of them name the ``prompts`` that the images were made of:

- ``distances``: how like the real images they are. A row for each extractor, reading, metric
  (``plainsight.metrics.generation.METRICS``) and half: ``half`` -1 is all images, 0 upwards are random halves of the
  patients, the same for every model, so that models are compared half by half; ``value``; and, of all images,
  ``n_real``, ``n_generated``, ``features`` (how many an extractor gives) and ``patients`` (how many were halved). The
  reading ``as_published`` is what the code of seed 000 computes (``plainsight.features.as_published``), of FID alone.
- ``similarity``: how like each other the images of a prompt are. A row a prompt with ``ms_ssim``, and one of reading
  ``as_published``, the mean over the pairs of images that the code of seed 000 draws, which is of no prompt. Where
  ``prompts`` is ``REAL``, a row is about as many real images of different patients: what there is to be reached.
- ``judged``: what a classifier sees, in worlds with healthy images. A row an image, ``prompts`` being ``REAL`` for real
  ones: example_id, patient, finding (asked for; several joined by ``|``), and the score of each finding in a column of
  its name.

This module only reads; ``plainsight.fidelity`` makes them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from plainsight.config import DenoisingConfig
from plainsight.errors import InputError

KINDS = ("distances", "similarity", "judged")
_REPORTS, _CAPTIONS = ("impressions", "phrases"), ("captions",)
PROMPTS = {"phantom": _REPORTS, "ms_cxr": _REPORTS, "scenes": _CAPTIONS, "coco": _CAPTIONS}
"""Whose texts images are made of: raw impressions of split ``generation`` and curated phrases of split ``grounding``;
in a world whose texts are captions, those of split ``generation``."""
REAL = "real"
CORRECTED, AS_PUBLISHED = "corrected", "as_published"
"""Readings: what the text of seed 000 says, and what its code does."""
ALL = -1
"""``half`` of all images."""


class Made(NamedTuple):
    """What images were made by: a variant, its training seed (0 for the foundation), and which of its weights."""

    variant: str
    seed: int
    weights: str = "raw"
    """``raw``: the end of training; ``step<N>``: a kept milestone (``plainsight.models.load``)."""


def place(kind: str, made: Made) -> Path:
    """The file of score rows of a kind, below ``runs/<scale>/<world>``; InputError for an unknown kind."""
    if kind not in KINDS:
        raise InputError(f"no score rows of kind {kind!r}; known: {', '.join(KINDS)}")
    suffix = "" if made.weights == "raw" else f"_{made.weights}"
    return Path("scores", made.variant, f"seed{made.seed}", f"{kind}{suffix}.parquet")


def first_milestone(config: DenoisingConfig) -> str:
    """The name of the first weights that are kept in training: few steps, as in the upper half of Table 2."""
    return f"step{round(min(config.milestones) * config.steps)}"


def read(folder: Path | str, kind: str, wanted: Iterable[Made]) -> pd.DataFrame:
    """Score rows of a kind below ``runs/<scale>/<world>``, with columns ``variant``, ``seed`` and ``weights`` in front.

    Raises InputError, with all of them in one line, for files that are missing, and for an unknown kind.
    """
    paths = {made: Path(folder) / place(kind, made) for made in wanted}
    if absent := [str(path) for path in paths.values() if not path.is_file()]:
        raise InputError(f"no score rows {', '.join(absent)}; make them with ./run_all.sh first")
    frames = [pd.read_parquet(path).assign(**made._asdict()) for made, path in paths.items()]
    rows = pd.concat(frames, ignore_index=True)
    return rows[[*Made._fields, *(name for name in rows if name not in Made._fields)]]
