"""Sizes for the toy scale: train briefly with some settings changed, score on the validation split, record a row.

Looks at the foundation (on scenes) or at Finetune_F alone, never at Finetune_L and never at a test split, so that no
setting is chosen for the gap it shows. Needs a prepared toy scale (``./run_all.sh``), of which it changes nothing:

    python benchmarks/toy_sweep.py foundation --steps 600 --set denoising.learning_rate=1e-3
    python benchmarks/toy_sweep.py finetune_f --steps 400 --set denoising.learning_rate=1e-3
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
import time
from pathlib import Path

import pandas as pd
import torch
import yaml

from plainsight import latents, models, schema, worlds
from plainsight.config import Scale, read_yaml
from plainsight.grounding import score_examples
from plainsight.training.job import Job
from plainsight.training.stages import run
from plainsight.workspace import Workspace, open_workspace

RESULTS = Path(__file__).parent / "results" / "toy_sweep.csv"


def changed_scale(path: Path, settings: list[str], folder: Path, steps: int) -> Path:
    """The scale file at ``path`` with ``section.key=value`` settings applied, written to ``folder``."""
    scale = yaml.safe_load(path.read_text(encoding="utf-8"))
    for setting in (*settings, f"denoising.foundation_steps={steps}", f"denoising.steps={steps}"):
        place, value = setting.split("=")
        section, key = place.split(".")
        scale[section][key] = json.loads(value)
    (folder / path.name).write_text(yaml.safe_dump(scale), encoding="utf-8")
    return folder / path.name


def borrow(space: Workspace, runs: Path, *models_of_scenes: str) -> None:
    """Make the empty folder ``runs`` one in which can be trained: prepared worlds and models, as links."""
    for name in ("scenes", "phantom"):
        (runs / name / "models").mkdir(parents=True)
        for part in ("examples.parquet", "texts.parquet", "world.json", "images", "masks", "latents"):
            if (source := space.world(name) / part).exists():
                (runs / name / part).symlink_to(source.resolve())
    for model in models_of_scenes:
        (runs / "scenes" / "models" / model).symlink_to((space.runs / "scenes" / "models" / model).resolve())


def train_and_score(variant: str, settings: list[str], steps: int) -> dict[str, object]:
    """Train ``variant`` for ``steps`` in a folder that is thrown away; its scores on the validation split."""
    space = open_workspace("toy")
    world = "scenes" if variant == "foundation" else space.scale.world
    with tempfile.TemporaryDirectory() as temporary:
        runs = Path(temporary)
        file = changed_scale(space.scale_file, settings, runs, steps)
        borrow(space, runs, "autoencoder", "text_encoder", *(() if variant == "foundation" else ("foundation",)))
        stage = "foundation" if variant == "foundation" else "finetune"
        job = Job(stage, str(file), str(space.experiments_file), str(runs), world, variant)
        start = time.perf_counter()
        run(job)
        seconds = time.perf_counter() - start
        scores = validation_scores(job.output, read_yaml(file, Scale), space, world)
    means = {f"{rule}_{metric}": scores[rule][metric].mean() for rule in scores for metric in ("auc", "top1", "cnr")}
    shown = {"variant": variant, "settings": " ".join(settings), "steps": steps, "seconds_per_step": seconds / steps}
    return shown | {name: round(value, 4) for name, value in means.items()}


def validation_scores(folder: Path, scale: Scale, space: Workspace, world: str) -> dict[str, pd.DataFrame]:
    """Score rows of the validation split by the keyword and by the end token."""
    examples = schema.read(space.world(world) / "examples.parquet", worlds.findings(world))
    rows = examples[(examples["split"] == "validation") & (examples["boxes"].map(len) > 0)].reset_index(drop=True)
    protocol = dataclasses.replace(space.experiments.protocols["boxes"], split="validation")
    moments = latents.read(space.world(world) / "latents")
    return {
        rule: score_examples(
            models.load(folder),
            moments,
            rows,
            worlds.image_root(space.world(world)),
            scale.resolution,
            scale.grounding,
            dataclasses.replace(protocol, tokens=rule),
            worlds.KEYWORDS,
        )
        for rule in ("keyword", "end")
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("variant", choices=("foundation", "finetune_f"))
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", dest="settings")
    given = parser.parse_args()
    torch.set_num_threads(1)
    row = pd.DataFrame([train_and_score(given.variant, given.settings, given.steps)])
    row["seconds_per_step"] = row["seconds_per_step"].round(2)
    print(row.to_string(index=False))
    row.to_csv(RESULTS, mode="a", header=not RESULTS.exists(), index=False)


if __name__ == "__main__":
    main()
