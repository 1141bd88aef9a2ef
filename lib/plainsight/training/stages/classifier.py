"""The stage that trains a judge of images."""

from __future__ import annotations

import numpy as np
import torch

from plainsight import features, provenance, worlds
from plainsight.config import Scale
from plainsight.files import atomic
from plainsight.training import classifier
from plainsight.training.job import FOUNDATION_WORLD, Job
from plainsight.training.loop import batch_indices, run_steps, write_losses
from plainsight.training.stages.common import device, split_pixels


def run(job: Job, scale: Scale) -> None:
    """What looks at images made later: its features tell how like real ones they are, its scores what they show.

    No model that makes images ever sees it. It is checked on the images whose texts are the prompts.
    """
    config = scale.classifier
    names = worlds.placed(job.world)
    rows, pixels = split_pixels(job, job.world, "train", scale.resolution)
    truth = torch.from_numpy(features.labels(rows["finding"], names))
    judge = features.build_classifier(config, names, job.world == FOUNDATION_WORLD, job.seed)
    judge.network.to(device())
    optimizer = torch.optim.AdamW(judge.network.parameters(), lr=config.learning_rate)

    def step(index: int) -> float:
        chosen = batch_indices(len(rows), config.batch_size, index, job.seed, "classifier")
        return classifier.train_step(judge, optimizer, pixels[chosen], truth[chosen], index, job.seed)

    losses = run_steps(
        step,
        config.steps,
        {"network": judge.network, "optimizer": optimizer},
        job.checkpoint,
        scale.denoising.checkpoint_every,
        job.name,
    )
    judge.network.eval()
    held_out, images = split_pixels(job, job.world, "generation", scale.resolution)
    scores = judge.scores(images, config.batch_size)
    auc = features.auc_by_finding(scores, held_out["finding"], names, healthy=None)
    with atomic(job.output) as folder:
        features.save_classifier(judge, config, folder)
        write_losses(folder, losses)
        provenance.record(folder, job, {"auc": float(np.nanmean(list(auc.values())))})
