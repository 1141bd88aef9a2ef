"""Made-up score rows of made images with known answers, shared by the tests of tables and claims."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from plainsight import generation_scores
from plainsight.generation_scores import ALL, AS_PUBLISHED, CORRECTED, REAL, Made
from plainsight.metrics.generation import METRICS
from score_rows import FINDINGS

HALVES = 20
PROMPTS = ("impressions", "phrases")
FID = {
    "foundation": 9.0,
    "finetune_l": 2.0,
    "finetune_f": 3.0,
    "finetune_l_nouncond": 2.6,
    "finetune_f_nouncond": 3.6,
    "finetune_l_then_f": 2.5,
    "finetune_f_pa": 1.5,
}
"""As the paper orders the models; FID_XRV is a tenth of it."""
SIGNAL = {"real": 2.0, "foundation": 0.0, "finetune_l": 1.2, "finetune_f": 1.2}
"""How far the classifier's score of a finding that was asked for lies above the others."""
EXCEPTIONS = ("Edema", "Pneumothorax")


def distances(fid: float, seed: int = 0) -> pd.DataFrame:
    """``fid`` for impressions, 1 % more for phrases; halves scatter alike for all models, and a little on their own."""
    shared = np.random.default_rng(0).normal(size=HALVES)
    own = np.random.default_rng([seed, round(100 * fid)]).normal(size=HALVES)
    parts = []
    for prompts, factor in zip(PROMPTS, (1.0, 1.01), strict=True):
        for extractor, size in (("scenes", 1.0), ("phantom", 0.1)):
            for reading in (CORRECTED, AS_PUBLISHED) if extractor == "scenes" else (CORRECTED,):
                for metric in METRICS if reading == CORRECTED else ("fid",):
                    whole = fid * factor * size * (1 + 0.02 * seed)
                    values = [whole, *(whole + size * (0.3 * shared + 0.02 * own))]
                    rows = pd.DataFrame({"half": range(ALL, HALVES), "value": values, "metric": metric})
                    parts.append(rows.assign(prompts=prompts, extractor=extractor, reading=reading))
    sizes = {"n_real": 60, "n_generated": 50, "features": 12, "patients": 30}
    return pd.concat(parts, ignore_index=True).assign(**sizes)


def similarity(mean: float, seed: int = 0) -> pd.DataFrame:
    """Twelve prompts of six patients, and what the paper's code computes: .1 more; real images have .3."""
    values = mean + 0.01 * np.random.default_rng(seed).normal(size=12)
    parts = []
    for prompts in PROMPTS:
        rows = {"example_id": [f"e{i}" for i in range(12)], "patient": [f"p{i // 2}" for i in range(12)]}
        rows = pd.DataFrame({**rows, "finding": "Edema", "reading": CORRECTED, "ms_ssim": values})
        drawn = {"example_id": "", "patient": "", "finding": "", "reading": AS_PUBLISHED, "ms_ssim": mean + 0.1}
        parts.append(pd.concat([rows, pd.DataFrame([drawn])]).assign(prompts=prompts))
    real = pd.DataFrame({"example_id": ["r0", "r1"], "patient": ["p0", "p9"], "finding": "Edema", "reading": CORRECTED})
    return pd.concat([*parts, real.assign(ms_ssim=[0.2, 0.4], prompts=REAL)], ignore_index=True)


def judged(variant: str, seed: int = 0) -> pd.DataFrame:
    """Twenty images a finding and twenty healthy ones; F is a little better than L but for the paper's exceptions."""
    asked = np.repeat([*FINDINGS, "No Finding"], 20)
    parts = []
    for prompts in (REAL, *PROMPTS):
        kind = asked if prompts != "phrases" else asked[asked != "No Finding"]
        signal = SIGNAL["real" if prompts == REAL else variant]
        rng = np.random.default_rng(5)  # the same images but for what is asked: differences are those of the signal
        scores = rng.normal(size=(len(kind), len(FINDINGS)))
        for column, finding in enumerate(FINDINGS):
            sign = {"finetune_l": 1, "finetune_f": -1}.get(variant, 0) * (1 if finding in EXCEPTIONS else -1)
            strength = signal + 0.3 * sign * (prompts != REAL) + 0.1 * seed
            scores[kind == finding, column] += strength
        ids = {"example_id": [f"{prompts}-{i}" for i in range(len(kind))], "finding": kind, "prompts": prompts}
        source = "phrase" if prompts == "phrases" else "p"
        patients = [f"{source}{i % 20}" for i in range(len(kind))]
        parts.append(
            pd.concat([pd.DataFrame({**ids, "patient": patients}), pd.DataFrame(scores, columns=FINDINGS)], axis=1)
        )
    return pd.concat(parts, ignore_index=True)


def made(variant: str) -> list[Made]:
    several = (0, 1, 2) if variant in ("finetune_l", "finetune_f") else (0,)
    return [Made(variant, seed) for seed in several]


def write(folder: Path, fid: dict[str, float] = FID) -> None:
    """Score rows of every variant as files below ``folder``; only the main three have all kinds."""
    for variant, value in fid.items():
        for one in made(variant):
            kinds = {"distances": distances(value, one.seed)}
            if variant in SIGNAL:
                kinds |= {"similarity": similarity(value / 20, one.seed), "judged": judged(variant, one.seed)}
            for kind, rows in kinds.items():
                path = folder / generation_scores.place(kind, one)
                path.parent.mkdir(parents=True, exist_ok=True)
                rows.to_parquet(path, index=False)


def read(folder: Path, kind: str, variants: tuple[str, ...]) -> pd.DataFrame:
    return generation_scores.read(folder, kind, [one for variant in variants for one in made(variant)])
