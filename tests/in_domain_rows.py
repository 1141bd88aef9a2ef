"""Made-up score rows of Table 2 with known answers, shared by the tests of its table, figure and claims."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from plainsight.config import Variant
from plainsight.generation_scores import ALL, AS_PUBLISHED, CORRECTED, Made, place
from plainsight.metrics.generation import METRICS
from plainsight.results import Run
from score_rows import score_rows

RECIPES = {
    "in_domain_f": Variant("foundation", False, "captions", 2.0),
    "in_domain_l": Variant("foundation", True, "captions", 2.0),
}
ENDS = dict.fromkeys(RECIPES, 80)
"""Steps; weights are kept after 10, 40 and 80."""
AUC = {
    "foundation": {0: 0.92},
    "in_domain_f": {10: 0.9, 40: 0.905, 80: 0.91},
    "in_domain_l": {10: 0.7, 40: 0.8, 80: 0.85},
}
FID = {"foundation": {0: 26.0}, "in_domain_f": {10: 24.0, 80: 19.0}, "in_domain_l": {10: 30.0, 80: 25.0}}
"""The paper's order, by steps."""
HALVES = 50
SCENES = 40


def localised() -> dict[Run, pd.DataFrame]:
    """Score rows as the step ``ground`` writes them: 80 phrases of 40 scenes."""
    found = {}
    for number, (variant, means) in enumerate(AUC.items()):
        parts = [
            score_rows(mean, 100 * number + step, SCENES, findings=("ball", "boat")).assign(
                step=step, keyword_matched=1
            )
            for step, mean in means.items()
        ]
        rows = pd.concat(parts, ignore_index=True)
        trained = variant in RECIPES
        found[Run(variant, 0, "masks_milestones" if trained else "masks")] = (
            rows if trained else rows.drop(columns="step")
        )
    return found


def made() -> dict[Made, pd.DataFrame]:
    """Score rows of kind ``distances``: the halves of a model scatter by 1 around its FID, alike for all models.

    Of FID as the code computes it all is twice as much; every other metric is a hundredth.
    """
    noise = np.random.default_rng(0).standard_normal(HALVES)
    found = {}
    for variant, distances in FID.items():
        for step, fid in distances.items():
            whole = pd.DataFrame({"half": range(ALL, HALVES), "value": [fid, *(fid + 3 + noise)]})
            parts = [whole.assign(metric="fid", reading=CORRECTED)]
            parts.append(whole.assign(metric="fid", reading=AS_PUBLISHED, value=2 * whole["value"]))
            small = whole.assign(reading=CORRECTED, value=whole["value"] / 100)
            parts += [small.assign(metric=metric) for metric in METRICS if metric != "fid"]
            rows = pd.concat(parts, ignore_index=True).assign(prompts="captions", extractor="scenes")
            weights = f"step{step}" if step == 10 else "raw"
            counts = {"n_real": 30, "n_generated": 35, "features": 8, "patients": 32}
            found[Made(variant, 0, weights)] = rows.assign(**counts)
    return found


def write(folder: Path) -> None:
    """All of them as files below ``folder``."""
    files = {
        Path("scores", run.variant, f"seed{run.seed}", f"{run.protocol}.parquet"): f for run, f in localised().items()
    }
    files |= {place("distances", name): frame for name, frame in made().items()}
    for path, frame in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        frame.to_parquet(folder / path, index=False)
