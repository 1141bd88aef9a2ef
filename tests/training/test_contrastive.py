"""The contrastive loss against its closed form, and the cut of padding."""

import math

import pytest
import torch

from plainsight import models
from plainsight.config import TextEncoderConfig
from plainsight.training import contrastive


def test_equal_similarities_cost_the_logarithm_of_the_batch():
    assert contrastive.contrastive_loss(torch.zeros(8, 8)).item() == pytest.approx(math.log(8))


def test_the_loss_is_symmetric_and_small_for_a_perfect_match():
    logits = torch.randn(5, 5, generator=torch.Generator().manual_seed(0))
    assert contrastive.contrastive_loss(logits).item() == pytest.approx(contrastive.contrastive_loss(logits.T).item())
    assert contrastive.contrastive_loss(100 * torch.eye(5)).item() < 1e-6


def test_cutting_padding_changes_no_text_embedding():
    encoder = models.build_text_encoder(TextEncoderConfig(16, 2, 2, 1, 1, 1e-3), 0).eval()
    ids = models.token_ids(models.clip_tokenizer(), ["a red ball", "a small blue house next to a tall tree"])
    short = contrastive.without_padding(ids, encoder.config.eos_token_id)
    assert short.shape[1] == 11
    with torch.no_grad():
        assert torch.allclose(encoder(short).pooler_output, encoder(ids).pooler_output, atol=1e-5)


def test_training_learns_to_match_images_with_their_words():
    words = ["red", "green", "blue"]
    pixels = torch.zeros(3, 3, 16, 16, dtype=torch.uint8)
    for channel in range(3):
        pixels[channel, channel] = 255
    towers = contrastive.Towers(models.build_text_encoder(TextEncoderConfig(16, 1, 2, 1, 1, 1e-3), 0), 0)
    optimizer = torch.optim.AdamW(towers.parameters(), lr=3e-3)
    ids = models.token_ids(models.clip_tokenizer(), words)
    losses = [contrastive.train_step(towers, optimizer, pixels, ids, step, 0) for step in range(30)]
    assert losses[-1] < 0.5 * losses[0]
    assert contrastive.retrieval_accuracy(towers.eval(), pixels, ids) == 1.0
