"""The stage that makes a judge of images: trained here, or loaded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from plainsight import features, provenance, worlds
from plainsight.config import Scale
from plainsight.files import atomic
from plainsight.training import classifier
from plainsight.training.job import Job
from plainsight.training.loop import batch_indices, run_steps, write_losses
from plainsight.training.stages.common import device, split_pixels


def run(job: Job, scale: Scale) -> None:
    """What looks at images made later: its features tell how like real ones they are, its scores what they show.

    No model that makes images ever sees it. It is checked on the images whose texts are the prompts.
    """
    if scale.pretrained is None:
        train(job, scale)
    else:
        load(job, scale)


def load(job: Job, scale: Scale) -> None:
    """The published judges of seed 000: Inception of photographs, a DenseNet of radiographs."""
    name = features.INCEPTION_WEIGHTS if job.world == scale.foundation_world else features.XRV_WEIGHTS
    with atomic(job.output) as folder:
        features.convert_published(name, folder, Path(job.weights) if job.weights else None)
        judge = features.load_classifier(folder, device())
        names = [finding for finding in worlds.placed(job.world) if finding in judge.findings]
        provenance.record(folder, job, {"auc": _auc(job, scale, judge, names)} if names else {})


def train(job: Job, scale: Scale) -> None:
    """A DenseNet of the images of one world."""
    config = scale.classifier
    names = worlds.placed(job.world)
    rows, pixels = split_pixels(job, job.world, "train", scale.resolution)
    truth = torch.from_numpy(features.labels(rows["finding"], names))
    judge = features.build_classifier(config, names, job.world == scale.foundation_world, job.seed)
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
    with atomic(job.output) as folder:
        features.save_classifier(judge, config, folder)
        write_losses(folder, losses)
        provenance.record(folder, job, {"auc": _auc(job, scale, judge, names)})


def _auc(job: Job, scale: Scale, judge: features.Classifier, names: list[str]) -> float:
    """AUC on real images, mean over the findings ``names``."""
    held_out, images = split_pixels(job, job.world, "generation", scale.resolution)
    columns = [judge.findings.index(name) for name in names]
    scores = judge.scores(images, scale.generation.batch_size)[:, columns]
    auc = features.auc_by_finding(scores, held_out["finding"], names, healthy=None)
    return float(np.nanmean(list(auc.values())))
