"""The classifier's loss, its shifts, and that it learns what is there to be seen."""

import numpy as np
import pytest
import torch

from plainsight import features
from plainsight.config import ClassifierConfig
from plainsight.training import classifier as training

CONFIG = ClassifierConfig(4, (1, 2), 8, steps=60, batch_size=16, learning_rate=3e-3)


@pytest.fixture
def task():
    """Dark noise; a bright square in the upper half is the first finding, one in the lower half the second."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 60, size=(48, 3, 32, 32))
    labels = rng.integers(0, 2, size=(48, 2))
    for image, (upper, lower) in zip(pixels, labels, strict=True):
        for row, present in ((4, upper), (20, lower)):
            column = rng.integers(4, 20)
            image[:, row : row + 8, column : column + 8] += 180 * present
    return torch.from_numpy(pixels).to(torch.uint8), torch.from_numpy(labels)


def test_training_learns_which_findings_are_there(task):
    pixels, labels = task
    classifier = features.build_classifier(CONFIG, ["upper", "lower"], colour=False, seed=0)
    optimizer = torch.optim.AdamW(classifier.network.parameters(), lr=CONFIG.learning_rate)
    for step in range(CONFIG.steps):
        rows = torch.arange(16) + 16 * (step % 3)
        training.train_step(classifier, optimizer, pixels[rows], labels[rows], step, seed=0)
    classifier.network.eval()
    names = ["|".join(n for n, p in zip(("upper", "lower"), row, strict=True) if p) or "none" for row in labels]
    found = features.auc_by_finding(classifier.scores(pixels, 48), names, ["upper", "lower"], "none")
    assert min(found.values()) > 0.9


def test_the_first_loss_is_the_binary_cross_entropy_of_the_logits(task):
    pixels, labels = (part[:8] for part in task)
    classifier = features.build_classifier(CONFIG, ["upper", "lower"], colour=True, seed=0)
    optimizer = torch.optim.SGD(classifier.network.parameters(), lr=0.0)
    plain = torch.full_like(pixels, 7)  # a shift changes nothing about it
    found = training.train_step(classifier, optimizer, plain, labels, 0, seed=0)
    with torch.no_grad():
        chance = torch.sigmoid(classifier.network(classifier.prepare(plain)).double())
    expected = -(labels * chance.log() + (1 - labels) * (1 - chance).log()).mean()
    assert found == pytest.approx(expected.item(), rel=1e-5)


def test_steps_repeat_by_seed_and_step(task):
    pixels, labels = (part[:8] for part in task)

    def loss(step, seed):
        classifier = features.build_classifier(CONFIG, ["upper", "lower"], colour=False, seed=0)
        optimizer = torch.optim.SGD(classifier.network.parameters(), lr=0.0)
        return training.train_step(classifier, optimizer, pixels, labels, step, seed)

    assert loss(3, 0) == loss(3, 0)
    assert len({loss(3, 0), loss(4, 0), loss(3, 1)}) == 3


def test_shifts_move_each_image_by_a_sixteenth_at_most():
    rows, columns = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")
    pixels = torch.stack([rows, columns, rows]).to(torch.uint8).expand(64, 3, 32, 32)
    moved = training.shifted(pixels, torch.Generator().manual_seed(0))
    assert moved.shape == pixels.shape and moved.dtype == torch.uint8
    offsets = {(int(image[0, 16, 16]) - 16, int(image[1, 16, 16]) - 16) for image in moved}
    assert {abs(offset) for pair in offsets for offset in pair} == {0, 1, 2}
    for image in moved:
        down, right = int(image[0, 16, 16]) - 16, int(image[1, 16, 16]) - 16
        assert torch.equal(image[0], (rows + down).clamp(0, 31).to(torch.uint8))
        assert torch.equal(image[1], (columns + right).clamp(0, 31).to(torch.uint8))
