"""Judges of images with random weights, in files of the published formats: a dictionary, and a whole network."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch

from plainsight import features


def write_judges(folder: Path) -> tuple[dict[str, torch.nn.Module], dict[str, str]]:
    """Both files under their published names; by name of the weights the networks, and the SHA-256 of the files."""
    import torchxrayvision

    xrv = torchxrayvision.models.DenseNet(num_classes=18)
    inception = features.build_published(features.INCEPTION_WEIGHTS).network
    named = {name.replace("classifier.", "fc."): value for name, value in inception.state_dict().items()}
    checksums = {}
    for name, content in {features.XRV_WEIGHTS: xrv, features.INCEPTION_WEIGHTS: named}.items():
        path = folder / features.PUBLISHED[name].name
        torch.save(content, path)
        checksums[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return {features.XRV_WEIGHTS: xrv.eval(), features.INCEPTION_WEIGHTS: inception.eval()}, checksums
