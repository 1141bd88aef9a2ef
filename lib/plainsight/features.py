"""What a network sees in an image: features for distances between sets of images, and scores for findings.

An `Extractor` turns images into features (N, D). At paper scale, as in seed 000, these are Inception-v3 (general) and
torchxrayvision's densenet121-res224-all (domain), once loaded and checked (`convert_published`); no pretrained weights
come with the packages, so at smaller scales DenseNets of the same package trained here stand in for both, on scenes and
on the world in use.
"""

from __future__ import annotations

import dataclasses
import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from scipy.stats import rankdata
from torch import nn

from plainsight.config import ClassifierConfig
from plainsight.errors import InputError
from plainsight.hub import File, fetch_file
from plainsight.inception import Inception
from plainsight.latents import to_model_range
from plainsight.seeding import seeded_initialisation

XRV_WEIGHTS = "densenet121-res224-all"
XRV_NAMES = {"Pleural Effusion": "Effusion"}
"""Findings whose name differs in torchxrayvision's labels."""
INCEPTION_WEIGHTS = "inception-2015-12-05"
PUBLISHED = {
    INCEPTION_WEIGHTS: File(
        "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
        "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    ),
    XRV_WEIGHTS: File(
        "https://github.com/mlmed/torchxrayvision/releases/download/v1/"
        "nih-pc-chex-mimic_ch-google-openi-kaggle-densenet121-d121-tw-lr001-rot45-tr15-sc15-seed0-best.pt",
        "56524913dd16a906422e8d8b66a7a5c46be1d82eb7ac012d8103776f1aa68899",
    ),
}
"""The judges of seed 000, with the checksums that data_manifests/weights states."""
WEIGHTS = "model.safetensors"
CONFIG = "config.json"


@dataclass(frozen=True)
class Extractor:
    """A network and how images are made ready for it.

    ``prepare`` takes uint8 images (B, 3, H, W); ``network`` takes what comes out and returns features (B, D). In
    evaluation mode, so that no image's features depend on the others in its batch.
    """

    name: str
    prepare: Callable[[torch.Tensor], torch.Tensor]
    network: Callable[[torch.Tensor], torch.Tensor]

    @torch.inference_mode()
    def __call__(self, pixels: torch.Tensor, batch_size: int) -> np.ndarray:
        """Features (N, D) float32 of uint8 images (N, 3, H, W)."""
        batches = (pixels[start : start + batch_size] for start in range(0, len(pixels), batch_size))
        return torch.cat([self.network(self.prepare(batch)).float().cpu() for batch in batches]).numpy()


def as_published(extractor: Extractor) -> Extractor:
    """The reading of FID in the code of seed 000: images already in [-1, 1] are scaled once more, as if in [0, 1].

    Its Inception thus sees [-3, 1]. Its domain extractor gets what it should; it has no second reading.
    """
    return dataclasses.replace(
        extractor, name=f"{extractor.name}_as_published", prepare=lambda pixels: 2 * extractor.prepare(pixels) - 1
    )


def grey(pixels: torch.Tensor) -> torch.Tensor:
    """uint8 images (B, 3, H, W) as torchxrayvision has them: one channel, float32 in [-1024, 1024]."""
    return 1024 * to_model_range(pixels).mean(dim=1, keepdim=True)


@dataclass
class Classifier:
    """A DenseNet that scores each of its findings on its own."""

    network: nn.Module
    findings: tuple[str, ...]
    colour: bool

    def prepare(self, pixels: torch.Tensor) -> torch.Tensor:
        """uint8 images (B, 3, H, W) as the network takes them."""
        images = to_model_range(pixels) if self.colour else grey(pixels)
        return images.to(self.network.classifier.weight.device)

    def extractor(self, name: str) -> Extractor:
        """Its last features, averaged over the image (torchxrayvision's ``features2``)."""
        return Extractor(name, self.prepare, self.network.features2)

    def scores(self, pixels: torch.Tensor, batch_size: int) -> np.ndarray:
        """A score for each finding, (N, findings) float32; higher is likelier. In logits where trained here."""
        return Extractor("scores", self.prepare, self.network)(pixels, batch_size)


def build_classifier(
    config: ClassifierConfig, findings: Sequence[str], colour: bool, seed: int, name: str = "classifier"
) -> Classifier:
    """An untrained DenseNet (Huang et al. 2017) in torchxrayvision's implementation, sized by ``config``."""
    with seeded_initialisation(seed, name):
        network = _torchxrayvision().models.DenseNet(**_architecture(config, len(findings), colour))
    return Classifier(network, tuple(findings), colour)


def pretrained_xrv(folder: Path) -> Classifier:
    """torchxrayvision's DenseNet-121 of 224 pixels, trained on all its data sets; findings by this project's names.

    The package resizes images itself, and scales its scores so that .5 is each finding's operating point. It unpickles
    the published file in ``folder``, which has to be there and checked (`convert_published`).
    """
    network = _torchxrayvision().models.DenseNet(weights=XRV_WEIGHTS, cache_dir=folder)
    network.requires_grad_(False)
    return Classifier(network, _our_names(network.targets), colour=False)


def build_published(name: str) -> Classifier:
    """The network of one of `PUBLISHED`, without its weights; Inception has features and no findings."""
    if name == INCEPTION_WEIGHTS:
        return Classifier(Inception(), (), colour=True)
    package = _torchxrayvision()
    labels = package.models.DenseNet.targets
    network = package.models.DenseNet(num_classes=len(labels), op_threshs=torch.zeros(len(labels)))
    network.input_resolution = package.models.model_urls[name]["input_resolution"]
    return Classifier(network, _our_names(labels), colour=False)


def convert_published(name: str, folder: Path, mirror: Path | None = None) -> None:
    """Write one of `PUBLISHED` into ``folder`` as `load_classifier` reads it, from its checked file.

    torchxrayvision publishes a pickled network, which could run any code: it is unpickled this once, after its checksum
    was found right, and only its weights are kept.

    Raises:
        InputError: the file can neither be found (``mirror``: see `plainsight.hub.fetch_file`) nor downloaded, or is
            another one.
    """
    source = fetch_file(PUBLISHED[name], mirror)
    if name == INCEPTION_WEIGHTS:
        weights = torch.load(source, map_location="cpu", weights_only=True)
        weights = {key.replace("fc.", "classifier."): value for key, value in weights.items()}
    else:
        weights = pretrained_xrv(source.parent).network.state_dict()
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, folder / WEIGHTS)
    (folder / CONFIG).write_text(json.dumps({"published": name}, indent=2) + "\n", encoding="utf-8")


def save_classifier(classifier: Classifier, config: ClassifierConfig, folder: Path) -> None:
    """Write weights and settings into ``folder``, made if missing."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(classifier.network.state_dict(), folder / WEIGHTS)
    record = {"findings": classifier.findings, "colour": classifier.colour, "config": dataclasses.asdict(config)}
    (folder / CONFIG).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def load_classifier(folder: Path, device: str | torch.device = "cpu") -> Classifier:
    """Read a classifier in evaluation mode; raises InputError where it is missing or damaged."""
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; train the classifier first")
    try:
        record = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        if "published" in record:
            classifier = build_published(record["published"])
        else:
            config = ClassifierConfig(**record["config"])
            classifier = build_classifier(config, record["findings"], record["colour"], seed=0)
        classifier.network.load_state_dict(load_file(folder / WEIGHTS))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{folder}: not a saved classifier ({reason}); delete it and train it again") from None
    classifier.network.requires_grad_(False).eval().to(device)
    return classifier


def labels(findings: Sequence[str], names: Sequence[str]) -> np.ndarray:
    """Which of ``names`` each image has, (N, len(names)) bool, from findings joined by ``|``."""
    present = [set(text.split("|")) for text in findings]
    return np.array([[name in found for name in names] for found in present])


def auc_by_finding(
    scores: np.ndarray, findings: Sequence[str], names: Sequence[str], healthy: str | None
) -> dict[str, float]:
    """AUC-ROC of each finding against healthy images (Table 5 of seed 000): is what was asked for, there to be seen?

    Args:
        scores: (N, len(names)), higher is likelier.
        findings: what each of the N images was asked to show, several joined by ``|``; each of them counts.
        names: the findings of the columns of ``scores``.
        healthy: the finding of the negatives, such as No Finding; None for every image without the finding in question.

    Returns:
        By finding, without ``healthy``; NaN for one without images or without negatives.
    """
    present = labels(findings, names)
    negative = ~present if healthy is None else np.repeat(labels(findings, [healthy]), len(names), axis=1)
    return {
        name: _auc(scores[present[:, column], column], scores[negative[:, column], column])
        for column, name in enumerate(names)
        if name != healthy
    }


def _auc(positive: np.ndarray, negative: np.ndarray) -> float:
    if not len(positive) or not len(negative):
        return float("nan")
    # The rank-sum form, which a thousand halves of a table need to be quick.
    ranks = rankdata(np.concatenate([positive, negative]))[: len(positive)]
    return float((ranks.mean() - (len(positive) + 1) / 2) / len(negative))


def _our_names(labels: Sequence[str]) -> tuple[str, ...]:
    """torchxrayvision's labels by this project's names."""
    ours = {theirs: name for name, theirs in XRV_NAMES.items()}
    return tuple(ours.get(label, label) for label in labels)


def _architecture(config: ClassifierConfig, n_findings: int, colour: bool) -> dict[str, object]:
    return {
        "growth_rate": config.growth_rate,
        "block_config": config.block_config,
        "num_init_features": config.num_init_features,
        "num_classes": n_findings,
        "in_channels": 3 if colour else 1,
    }


def _torchxrayvision() -> object:
    """The package, without the silence that importing it imposes on every warning of the process."""
    with warnings.catch_warnings(action="ignore"):
        import torchxrayvision
    return torchxrayvision
