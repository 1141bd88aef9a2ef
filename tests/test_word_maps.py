"""Every word at once gives what one word at a time gives."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F

from plainsight import grounding, models
from plainsight.config import GroundingConfig, Protocol
from plainsight.errors import InputError
from plainsight.latents import Moments
from plainsight.tokenizer import clip_tokenizer
from plainsight.tokens import token_weights
from plainsight.word_maps import WordCapture, ground_words, score_words, word_weights
from plainsight.words import END, KEYWORDS, PHRASE, START

TOKENIZER = clip_tokenizer()
CONFIG = GroundingConfig(num_inference_steps=10, last_n=3, batch_size=64)
FINDINGS = {"Pleural Effusion": ("pleural", "effusion"), "Cardiomegaly": ("cardiomegaly",)}


# --- words and their tokens ---


def test_every_word_weighs_what_the_keyword_rule_gives_it():
    phrase = "Small left pleural effusions, XXXX mild cardiomegaly."
    found = word_weights(TOKENIZER, phrase, ("pleural",))
    names = ("small", "left", "pleural", "effusions", "xxxx", "mild", "cardiomegaly")
    assert found.words == (START, END, PHRASE, KEYWORDS, *names)
    assert found.times == (1,) * 11 and found.lost == 0
    np.testing.assert_allclose(found.weights.sum(axis=1), 1, rtol=1e-6)
    for word, row in zip(names, found.weights[4:], strict=True):
        np.testing.assert_array_equal(row, token_weights(TOKENIZER, phrase, "keyword", (word,)).weights)
    for row, rule in zip(found.weights, ("start", "end", "all_words"), strict=False):
        np.testing.assert_array_equal(row, token_weights(TOKENIZER, phrase, rule).weights)


def test_a_word_that_stands_twice_is_one_and_weighs_both_places():
    found = word_weights(TOKENIZER, "Cardiomegaly - stable, cardiomegaly.")
    assert found.words == (START, END, PHRASE, "cardiomegaly", "stable")
    assert found.times == (1, 1, 1, 2, 1)
    expected = np.zeros(77)
    expected[1:5] = 1 / 4 / 2  # start, four sub-tokens, "-", "stable", ",", four sub-tokens and the full stop
    expected[8:13] = 1 / 5 / 2
    np.testing.assert_allclose(found.weights[3], expected, rtol=1e-6)


def test_keywords_stand_for_themselves_only_where_one_matches():
    assert KEYWORDS not in word_weights(TOKENIZER, "enlarged heart", ("cardiomegaly",)).words


def test_words_beyond_the_context_are_counted():
    found = word_weights(TOKENIZER, "left " * 74 + "cardiomegaly")
    assert found.lost == 1 and found.words == (START, END, PHRASE, "left")


# --- capture ---


@pytest.fixture(scope="module")
def given(tiny_model):
    generator = torch.Generator().manual_seed(1)
    phrases = ["small left pleural effusion", "cardiomegaly", "enlarged heart"]
    with torch.no_grad():
        text = tiny_model.encode_text(phrases)
    noisy = torch.randn(3, 4, 8, 8, generator=generator)
    return noisy, torch.tensor([7, 300, 950]), text, torch.rand(3, 5, 77, generator=generator)


@pytest.mark.parametrize("masked", [False, True])
def test_sums_are_those_of_stored_maps_and_output_is_unchanged(masked, given, tiny_model, stored_attention):
    *inputs, weights = given
    options = {}
    if masked:
        options["encoder_attention_mask"] = (torch.arange(77) < torch.tensor([[77], [5], [40]])).float()
    unet = tiny_model.unet
    before = dict(unet.attn_processors)
    with torch.no_grad():
        bare = unet(*inputs, **options).sample
        with WordCapture(unet, weights, (8, 8)) as capture:
            captured = unet(*inputs, **options).sample
    torch.testing.assert_close(captured, bare, atol=1e-5, rtol=1e-5)
    assert all(processor is before[name] for name, processor in unet.attn_processors.items())
    expected = {}
    for stored in stored_attention(unet, *inputs, **options):
        side = int(stored.shape[2] ** 0.5)
        maps = torch.einsum("bhpt,bwt->bwp", stored, weights.double()) / stored.shape[1]
        expected[side, side] = expected.get((side, side), 0) + maps.unflatten(-1, (side, side))
    assert capture.sums.keys() == expected.keys() and len(expected) == 2
    for size, maps in capture.sums.items():
        # An error of 1e-6 of a logit of tens is 1e-5 of its weight: how much of it there is differs between processors.
        torch.testing.assert_close(maps.double(), expected[size], atol=1e-5, rtol=1e-4)


def test_some_rows_and_some_layers_of_a_batch(given, tiny_model):
    *inputs, weights = given
    with torch.no_grad():
        with WordCapture(tiny_model.unet, weights, (8, 8)) as every:
            tiny_model.unet(*inputs)
        with WordCapture(tiny_model.unet, weights[1:], (8, 8), rows=slice(1, None), max_resolution=4) as some:
            tiny_model.unet(*inputs)
    assert set(some.sums) == {(4, 4)}
    torch.testing.assert_close(some.sums[4, 4], every.sums[4, 4][1:], atol=1e-6, rtol=1e-5)


def test_low_precision_sums_are_float32_and_close(given, tiny_model_dir):
    *inputs, weights = given
    unet = models.load(tiny_model_dir).unet
    with torch.no_grad():
        with WordCapture(unet, weights, (8, 8)) as exact:
            unet(*inputs)
        with WordCapture(unet.to(torch.bfloat16), weights, (8, 8)) as rounded:
            unet(inputs[0].bfloat16(), inputs[1], inputs[2].bfloat16())
    for size, maps in rounded.sums.items():
        assert maps.dtype == torch.float32
        # Sharp attention turns at a few places with the last digits of the features.
        assert (maps - exact.sums[size]).abs().mean() < 0.01 * exact.sums[size].mean()


# --- grounding ---


def test_words_are_grounded_as_one_at_a_time(given, tiny_model):
    latents, _, text, weights = given
    keys = ["a", "b", "c"]
    maps = ground_words(tiny_model, latents, text, weights, keys, CONFIG, noise_seed=5)
    assert maps.shape == (3, 5, 8, 8) and maps.dtype == torch.float32
    for word in range(5):
        alone = grounding.ground(tiny_model, latents, text, weights[:, word], keys, CONFIG, noise_seed=5, size=(64, 64))
        large = F.interpolate(maps[:, [word]], (64, 64), mode="bilinear", align_corners=False)[:, 0]
        torch.testing.assert_close(large, alone, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("batch_size", [1, 4])
def test_batch_size_and_company_change_no_map(batch_size, given, tiny_model):
    latents, _, text, weights = given
    keys, split = ["a", "b", "c"], GroundingConfig(10, 3, batch_size)
    whole = ground_words(tiny_model, latents, text, weights, keys, CONFIG, noise_seed=0)
    torch.testing.assert_close(
        ground_words(tiny_model, latents, text, weights, keys, split, noise_seed=0), whole, atol=1e-7, rtol=1e-4
    )
    last = (latents[2:], text[2:], torch.cat([weights[2:, :2], torch.zeros(1, 9, 77)], dim=1), keys[2:])
    alone = ground_words(tiny_model, *last, split, noise_seed=0)
    torch.testing.assert_close(alone[:, :2], whole[2:, :2], atol=1e-7, rtol=1e-4)
    assert not alone[:, 2:].any()


# --- scores ---

EXAMPLES = pd.DataFrame(
    [
        ("e1", "i1", "Small left pleural effusion", "Pleural Effusion", [[30, 20, 40, 40]], "p1"),
        ("e2", "i2", "enlarged heart, left heart", "Cardiomegaly", [[0, 0, 25, 50], [60, 60, 40, 40]], "p2"),
        ("e3", "i1", "left " * 75 + "edema", "Edema", [[10, 10, 100, 80]], "p1"),
        ("e4", "i2", "Cardiomegaly.", "Cardiomegaly", [[10, 10, 50, 80]], "p2"),
    ],
    columns=["example_id", "image_id", "phrase", "finding", "boxes", "patient"],
).assign(width=120, height=100, mask="")


@pytest.fixture(scope="module")
def moments():
    mean = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(3))
    return Moments(("i1", "i2"), mean, torch.full_like(mean, 0.1))


@pytest.fixture(scope="module")
def rows(tiny_model, moments, tmp_path_factory):
    return score(tiny_model, moments, EXAMPLES, 2)


def score(model, moments, examples, batch_size, function=score_words, **protocol):
    how = (None, 64, GroundingConfig(10, 3, batch_size), Protocol(target="boxes", **protocol), FINDINGS)
    return function(model, moments, examples, *how, noise_seed=7)


def test_rows_by_word(rows):
    names = ["example_id", "patient", "finding", "noise_seed", "word", "times", "auc", "cnr"]
    assert list(rows.columns) == names
    assert rows.groupby("example_id", sort=False)["word"].agg(list).to_dict() == {
        "e1": [START, END, PHRASE, KEYWORDS, "small", "left", "pleural", "effusion"],
        "e2": [START, END, PHRASE, "enlarged", "heart", "left"],  # no keyword of its finding
        "e4": [START, END, PHRASE, KEYWORDS, "cardiomegaly"],  # e3 is longer than the context
    }
    assert rows.loc[rows["times"] > 1, ["example_id", "word"]].to_numpy().tolist() == [["e2", "heart"]]


def test_words_about_what_the_model_cannot_see_have_no_row(rows, tiny_model, moments):
    outside = [[0, 0, 20, 20]]  # left of the square in the middle
    wide = EXAMPLES.assign(width=[400, *EXAMPLES["width"][1:]], boxes=[outside, *EXAMPLES["boxes"][1:]])
    assert "e1" in set(rows["example_id"]) and "e1" not in set(score(tiny_model, moments, wide, 2)["example_id"])


@pytest.mark.parametrize(
    ("word", "rule"), list(zip((START, END, PHRASE, KEYWORDS), ("start", "end", "all_words", "keyword"), strict=True))
)
def test_tokens_that_are_no_words_score_as_their_rule(word, rule, rows, tiny_model, moments):
    expected = score(tiny_model, moments, EXAMPLES, 2, grounding.score_examples, tokens=rule).set_index("example_id")
    mine = rows[rows["word"] == word].set_index("example_id")
    if rule == "keyword":
        assert mine.index.tolist() == expected.index[expected["keyword_matched"] == 1].tolist()
    for metric in ("auc", "cnr"):
        np.testing.assert_allclose(mine[metric], expected.loc[mine.index, metric], rtol=1e-3)


def test_a_word_scores_as_if_it_were_the_keyword(rows, tiny_model, moments):
    heart = {**FINDINGS, "Cardiomegaly": ("heart",)}
    how = (None, 64, GroundingConfig(10, 3, 2), Protocol(target="boxes"), heart)
    expected = grounding.score_examples(tiny_model, moments, EXAMPLES.iloc[[1]], *how, noise_seed=7)
    mine = rows[(rows["example_id"] == "e2") & (rows["word"] == "heart")]
    assert mine["cnr"].item() == pytest.approx(expected["cnr"].item(), rel=1e-3)


def test_rows_depend_neither_on_batches_nor_on_the_order_of_examples(rows, tiny_model, moments):
    keys = ["example_id", "word"]
    other = score(tiny_model, moments, EXAMPLES.iloc[::-1], 3).sort_values(keys, ignore_index=True)
    pd.testing.assert_frame_equal(other, rows.sort_values(keys, ignore_index=True), rtol=1e-3)


def test_phrases_that_cannot_be_asked_are_named_without_their_words(tiny_model, moments):
    with pytest.raises(InputError, match="every phrase is longer"):
        score(tiny_model, moments, EXAMPLES.iloc[[2]], 2)
    endless = EXAMPLES.iloc[[0]].assign(phrase="xq" * 200)
    with pytest.raises(InputError, match="example e1: the phrase's first word") as caught:
        score(tiny_model, moments, endless, 2)
    assert "xq" not in str(caught.value)
