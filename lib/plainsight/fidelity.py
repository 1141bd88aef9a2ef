"""From a model to score rows of the images it makes (``plainsight.generation_scores`` says what they hold).

Every model makes its images of the same prompts from the same noise.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from plainsight import features, generation
from plainsight.config import GenerationConfig
from plainsight.features import Classifier, Extractor
from plainsight.files import atomic
from plainsight.generation import Prompt
from plainsight.generation_scores import AS_PUBLISHED, CORRECTED, PROMPTS, REAL
from plainsight.metrics import diversity
from plainsight.metrics.generation import METRICS, by_half
from plainsight.models import Model
from plainsight.seeding import numpy_generator
from plainsight.worlds import NO_FINDING

NOISE_SEED = 0
REPETITIONS = 4
"""Images of one prompt that are compared with each other (seed 000, evaluation metrics)."""
REPEATED_PROMPTS = 100
"""Of how many prompts (seed 000, evaluation metrics)."""
MARK = ".made_by"
"""Hidden file in a folder of images: a digest of what they are made by."""


def real_examples(examples: pd.DataFrame) -> pd.DataFrame:
    """The real images that made ones are compared with, whatever the prompts: split ``generation``, No Finding capped.

    Table 9 of seed 000: the texts of the same images are the prompts ``impressions``.
    """
    rows = examples[examples["split"] == "generation"].drop_duplicates("image_id")
    return generation.cap_healthy(rows, NO_FINDING, seed=0)


def prompt_examples(examples: pd.DataFrame, world: str) -> dict[str, pd.DataFrame]:
    """The examples whose phrases are the prompts, by the name of the set (``plainsight.generation_scores.PROMPTS``).

    Curated phrases are as many as impressions at most, so that distances, whose bias depends on the number of images,
    can be compared between the two: findings in turn, each in the order of the table.
    """
    first, *others = PROMPTS[world]
    sets = {first: real_examples(examples)}
    for name in others:
        phrases = examples[examples["split"] == "grounding"]
        turn = phrases.groupby("finding").cumcount().sort_values(kind="stable")
        sets[name] = phrases.loc[turn.index[: len(sets[first])].sort_values()]
    return sets


def make(
    model: Model, chosen: pd.DataFrame, folder: Path, config: GenerationConfig, repetitions: Sequence[int]
) -> list[Path]:
    """An image a repetition of each example's phrase, below ``folder``; what lies there already is taken as it is.

    Images of another model or other prompts than the folder's ``MARK`` names are deleted first: they are from before
    the model was trained anew. All else that does not belong there is an error, see ``plainsight.generation.generate``.
    """
    wanted = [Prompt(row.example_id, row.phrase, number) for row in chosen.itertuples() for number in repetitions]
    made_by = json.dumps([generation.identity(model, config, NOISE_SEED), wanted])
    digest = hashlib.sha256(made_by.encode()).hexdigest()
    mark = folder / MARK
    if mark.is_file() and mark.read_text() != digest:
        shutil.rmtree(folder)
    with atomic(mark) as temporary:
        temporary.write_text(digest)
    return generation.generate(model, wanted, folder, config, NOISE_SEED, folder.name)


def distances(
    pixels: Mapping[str, torch.Tensor],
    examples: Mapping[str, pd.DataFrame],
    extractors: Mapping[str, Extractor],
    general: str,
    batch_size: int,
    resamples: int,
) -> pd.DataFrame:
    """Score rows of kind ``distances``.

    Args:
        pixels: uint8 images (N, 3, H, W) by name of the prompts, and of ``REAL``.
        examples: the example of each image, likewise.
        extractors: by the name that stands in the rows.
        general: the extractor that has a reading ``as_published``: the code of seed 000 scales its images twice.
        batch_size: images at once; changes nothing but rounding.
        resamples: number of halves.
    """
    readings = [(name, CORRECTED, extractor, METRICS) for name, extractor in extractors.items()]
    readings.append((general, AS_PUBLISHED, features.as_published(extractors[general]), ("fid",)))
    patients = {name: rows["patient"].to_numpy() for name, rows in examples.items()}
    frames = []
    for name, reading, extractor, metrics in readings:
        seen = {prompts: extractor(images, batch_size) for prompts, images in pixels.items()}
        for prompts in (name for name in pixels if name != REAL):
            sets = (seen[REAL], seen[prompts], patients[REAL], patients[prompts])
            found = by_half(*sets, resamples, seed=0, metrics=metrics)
            sizes = {"n_real": len(seen[REAL]), "n_generated": len(seen[prompts]), "features": seen[REAL].shape[1]}
            sizes["patients"] = len({*patients[REAL], *patients[prompts]})
            frames.append(found.assign(prompts=prompts, extractor=name, reading=reading, **sizes))
    columns = ["prompts", "extractor", "reading", "metric", "half", "value", *sizes]
    return pd.concat(frames, ignore_index=True)[columns]


def similarity(images: torch.Tensor, chosen: pd.DataFrame, prompts: str) -> pd.DataFrame:
    """Score rows of kind ``similarity`` from the images (P, K, 3, H, W) uint8 of P prompts, K of each."""
    rows = chosen[["example_id", "patient", "finding"]].reset_index(drop=True)
    rows = rows.assign(reading=CORRECTED, ms_ssim=diversity.ms_ssim_corrected(images))
    drawn = diversity.ms_ssim_as_published(images, numpy_generator(0, "ms_ssim_as_published", prompts)).mean()
    all_of_them = {"example_id": "", "patient": "", "finding": "", "reading": AS_PUBLISHED, "ms_ssim": drawn}
    rows = pd.concat([rows, pd.DataFrame([all_of_them])], ignore_index=True)
    return rows.assign(prompts=prompts)


def real_similarity(images: torch.Tensor, real: pd.DataFrame) -> pd.DataFrame:
    """Score rows of kind ``similarity`` of real images (N, 3, H, W) uint8: how alike those of different patients are.

    An image a patient, in an order of chance, as many at a time as there are made of a prompt; each row bears the names
    of its first. ``real`` are the examples of the images.
    """
    alone = np.flatnonzero(~real["patient"].duplicated())
    together = min(REPETITIONS, len(alone))
    drawn = numpy_generator(0, "real_similarity").permutation(alone)
    groups = drawn[: len(drawn) // together * together].reshape(-1, together)[:REPEATED_PROMPTS]
    rows = real.iloc[groups[:, 0]][["example_id", "patient", "finding"]].reset_index(drop=True)
    alike = diversity.ms_ssim_corrected(images[torch.from_numpy(groups)])
    return rows.assign(reading=CORRECTED, ms_ssim=alike, prompts=REAL)


def judged(
    pixels: Mapping[str, torch.Tensor], examples: Mapping[str, pd.DataFrame], judge: Classifier, batch_size: int
) -> pd.DataFrame:
    """Score rows of kind ``judged``; arguments as `distances`."""
    frames = []
    for prompts, images in pixels.items():
        rows = examples[prompts][["example_id", "patient", "finding"]].reset_index(drop=True)
        scores = pd.DataFrame(judge.scores(images, batch_size), columns=list(judge.findings))
        frames.append(pd.concat([rows.assign(prompts=prompts), scores], axis=1))
    return pd.concat(frames, ignore_index=True)
