"""Made-up score rows with known answers, shared by the tests of tables, figures, results and claims."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from plainsight.results import Run

FINDINGS = (
    *("Atelectasis", "Cardiomegaly", "Consolidation", "Edema"),
    *("Lung Opacity", "Pleural Effusion", "Pneumonia", "Pneumothorax"),
)

PHRASES = 20
"""Phrases a finding, two a patient: ten patients, the least that a claim is judged by."""


def score_rows(mean: float, seed: int, phrases: int = 6, spread: float = 0.02, findings=FINDINGS) -> pd.DataFrame:
    """``phrases`` rows a finding, two a patient: AUC around ``mean``, the other metrics made from it."""
    rng = np.random.default_rng(seed)
    n = phrases * len(findings)
    auc = mean + spread * rng.standard_normal(n)
    cnr = 4 * (auc - 0.55)
    return pd.DataFrame(
        {
            "example_id": [f"e{i:04d}" for i in range(n)],
            "patient": [f"p{i // 2:04d}" for i in range(n)],
            "finding": np.repeat(findings, phrases),
            "area_fraction": 0.1,
            "noise_seed": 0,
            "auc": auc,
            "top1": (auc > 0.6).astype(float),
            "cnr": cnr,
            "cnr_abs": abs(cnr),
            "miou": auc / 3,
        }
    )


def runs_like_the_paper(seeds=(0, 1, 2)) -> dict[Run, pd.DataFrame]:
    """Headline runs in which F grounds, L does not, and the foundation lies between."""
    frames = {Run("foundation", 0, "boxes"): score_rows(0.6, 10, PHRASES)}
    for seed in seeds:
        for protocol, gain in (("boxes", 0.0), ("boxes_equal_steps", -0.02)):
            frames[Run("finetune_l", seed, protocol)] = score_rows(0.52 + 0.02 * seed + gain, 20 + seed, PHRASES)
            frames[Run("finetune_f", seed, protocol)] = score_rows(0.8 + 0.002 * seed + gain, 30 + seed, PHRASES)
    return frames


LEVELS = {"reports": (0.57, 0.80), "sentences": (0.57, 0.75), "composed": (0.58, 0.65), "labels": (0.59, 0.70)}
"""AUC of L and of F by level of training text, in the published order; both above the 0.55 of a CNR of 0."""


def levels_like_the_paper(seeds=(0, 1, 2)) -> dict[Run, pd.DataFrame]:
    """The foundation, and L and F trained on each level of text: on reports with all seeds, else as ``seeds`` says."""
    frames = {Run("foundation", 0, "boxes"): score_rows(0.62, 10, PHRASES, 0.01)}
    for level, means in LEVELS.items():
        for recipe, mean in zip(("finetune_l", "finetune_f"), means, strict=True):
            variant = recipe if level == "reports" else f"{recipe}_{level}"
            for seed in (0, 1, 2) if level == "reports" else seeds:
                # Trainings lie far apart, so that it matters which ones are compared.
                frames[Run(variant, seed, "boxes")] = score_rows(mean + 0.01 * seed, 20, PHRASES, 0.01)
    return frames


def joined(frames: dict[Run, pd.DataFrame]) -> pd.DataFrame:
    """What ``results.read`` gives for these runs."""
    return pd.concat([frame.assign(**run._asdict()) for run, frame in frames.items()], ignore_index=True)


def write(frames: dict[Run, pd.DataFrame], folder: Path) -> None:
    """The same as files below ``folder``."""
    for run, frame in frames.items():
        path = folder / "scores" / run.variant / f"seed{run.seed}" / f"{run.protocol}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.to_parquet(path)
