"""How much hangs on the foundation: Finetune_F and Finetune_L, trained once from each of several.

A foundation of another seed starts from other weights and learns from other batches and noise. All else is that of
scale toy: worlds, latents, autoencoder, text encoder, sizes; but L learns for as many steps as F. Needs a prepared toy
scale (``./run_all.sh --only 1_first_look``), of which it changes nothing, and takes half an hour a seed on one core:

    python benchmarks/foundations.py 1
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import yaml
from toy_sweep import borrow

from plainsight import latents, models, schema, worlds
from plainsight.grounding import score_examples
from plainsight.training.job import Job
from plainsight.training.stages import run
from plainsight.workspace import Workspace, open_workspace

RESULTS = Path(__file__).parent / "results" / "foundations.csv"


def trained_from(seed: int) -> Iterator[dict[str, object]]:
    """Train the foundation of this seed and the two variants; mean AUC-ROC of each on the grounding split."""
    space = open_workspace("toy")
    with tempfile.TemporaryDirectory() as temporary:
        runs = Path(temporary)
        borrow(space, runs, "autoencoder", "text_encoder")
        scale = yaml.safe_load(space.scale_file.read_text(encoding="utf-8"))
        scale["urgent_threads"] = 1
        recipes = yaml.safe_load(space.experiments_file.read_text(encoding="utf-8"))
        recipes["variants"]["finetune_l"]["length"] = recipes["variants"]["finetune_f"]["length"]
        files = runs / "scale.yaml", runs / "experiments.yaml"
        for file, content in zip(files, (scale, recipes), strict=True):
            file.write_text(yaml.safe_dump(content), encoding="utf-8")
        where = (*map(str, files), str(runs))
        foundation = Job("foundation", *where, "scenes", seed=seed)
        finetuned = [Job("finetune", *where, "phantom", variant) for variant in ("finetune_f", "finetune_l")]
        jobs = [(foundation, "scenes", "masks"), *((job, "phantom", "boxes") for job in (foundation, *finetuned))]
        for job, world, against in jobs:
            run(job)
            auc = mean_auc(space, job.output, world, against)
            yield {"world": world, "variant": job.variant, "against": against, "auc": round(auc, 4)}


def mean_auc(space: Workspace, folder: Path, world: str, protocol: str) -> float:
    """AUC-ROC of a model's heat maps, averaged over the phrases of a world."""
    examples = schema.read(space.world(world) / "examples.parquet", worlds.findings(world))
    how = space.experiments.protocols[protocol]
    rows = examples[(examples["split"] == how.split) & (examples["boxes"].map(len) > 0)].reset_index(drop=True)
    scores = score_examples(
        models.load(folder),
        latents.read(space.world(world) / "latents"),
        rows,
        worlds.image_root(space.world(world)),
        space.scale.resolution,
        space.scale.grounding,
        how,
        worlds.KEYWORDS,
    )
    return scores["auc"].mean()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seed", type=int, help="of the foundation; 0 is the one of scale toy")
    seed = parser.parse_args().seed
    for row in trained_from(seed):
        found = pd.DataFrame([{"foundation": seed, **row}])
        print(found.to_string(index=False, header=False), flush=True)
        found.to_csv(RESULTS, mode="a", header=not RESULTS.exists(), index=False)


if __name__ == "__main__":
    main()
