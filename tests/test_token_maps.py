"""Maps token by token, against the heat map that grounding gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from plainsight import grounding
from plainsight.config import GroundingConfig
from plainsight.token_maps import noised, token_maps
from plainsight.tokens import token_weights

CONFIG = GroundingConfig(num_inference_steps=4, last_n=2, batch_size=3)
PHRASE, KEYWORDS = "There is cardiomegaly", ("cardiomegaly", "cardiac")


@pytest.fixture(scope="module")
def latent() -> torch.Tensor:
    return torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def found(tiny_model, latent):
    return token_maps(tiny_model, latent, PHRASE, KEYWORDS, "e1", CONFIG, 3, (64, 64))


def test_tokens_are_spelled_out_and_the_keywords_share_the_weight(found):
    assert found.tokens == ("SOS", "there", "is", "cardi", "ome", "gal", "y", "EOS")
    assert found.weights.tolist() == [0, 0, 0, 0.25, 0.25, 0.25, 0.25, 0]
    assert found.maps.shape == (8, 8, 8) and (found.maps >= 0).all()
    # Padding gets the rest of a softmax over all tokens.
    assert (found.maps.sum(axis=0) < 1).all()


@torch.inference_mode()
def test_the_keywords_heat_map_is_that_of_grounding(tiny_model, latent, found):
    weights = torch.from_numpy(token_weights(tiny_model.tokenizer, PHRASE, "keyword", KEYWORDS).weights)[None]
    asked = (tiny_model, latent, tiny_model.encode_text([PHRASE]), weights, ["e1"], CONFIG)
    expected = grounding.ground(*asked, noise_seed=3, size=(64, 64))[0].numpy()
    np.testing.assert_allclose(found.heatmap, expected, rtol=1e-4, atol=1e-7)


def test_the_noised_latents_go_from_noise_to_the_image(tiny_model, latent):
    seen = noised(tiny_model, latent, "e1", CONFIG, 3)
    assert list(seen) == [251, 1]
    distance = [np.abs(one - latent[0].numpy()).mean() for one in seen.values()]
    assert distance[0] > 5 * distance[1] > 0
    again = noised(tiny_model, latent, "e2", CONFIG, 3)
    assert not np.allclose(again[251], seen[251])
