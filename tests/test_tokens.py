from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plainsight.errors import InputError
from plainsight.tokenizer import clip_tokenizer
from plainsight.tokens import RULES, parse_rule, token_weights

EFFUSION = ("pleural", "effusion", "effusions")
TOKENIZER = clip_tokenizer()


def spell(tokens: tuple[str, ...]) -> list[str]:
    return [token.replace("</w>", "") for token in tokens]


def test_the_papers_examples_of_sub_tokens() -> None:
    assert spell(token_weights(TOKENIZER, "Consolidation", "all_words").tokens) == ["consolidation"]
    assert spell(token_weights(TOKENIZER, "Cardiomegaly", "all_words").tokens) == ["cardi", "ome", "gal", "y"]


def test_sub_tokens_of_a_matched_word_share_its_weight() -> None:
    chosen = token_weights(TOKENIZER, "mild cardiomegaly again", "keyword", ("cardiomegaly", "cardiac"))
    expected = np.zeros(77, dtype=np.float32)
    expected[2:6] = 1 / 4
    np.testing.assert_array_equal(chosen.weights, expected)
    assert chosen.matched
    assert chosen.lost_words == ()


def test_effusions_counts_twice_as_published() -> None:
    chosen = token_weights(TOKENIZER, "small pleural effusions", "keyword", EFFUSION)
    # start, small, ple ural, ef fu sions: one match of "pleural", two of "effusions"
    expected = np.zeros(77)
    expected[2:4] = 1 / 3 / 2
    expected[4:7] = 2 / 3 / 3
    np.testing.assert_allclose(chosen.weights, expected, rtol=1e-6)
    single = token_weights(TOKENIZER, "small pleural effusion", "keyword", EFFUSION).weights
    np.testing.assert_allclose(single[2:6], 1 / 4, rtol=1e-6)


def test_case_and_punctuation_stuck_to_a_word() -> None:
    chosen = token_weights(TOKENIZER, "Left EFFUSION, follow-up advised.", "keyword", EFFUSION)
    assert spell(chosen.tokens) == ["ef", "fusion", ","]
    np.testing.assert_allclose(chosen.weights[2:5], 1 / 3, rtol=1e-6)


def test_hyphens_do_not_shift_positions() -> None:
    chosen = token_weights(TOKENIZER, "left-sided hydro-pneumothorax", "keyword", ("pneumothorax",))
    ids = TOKENIZER("left-sided hydro-pneumothorax").input_ids
    used = TOKENIZER.decode([ids[i] for i in np.flatnonzero(chosen.weights)])
    assert used.replace(" ", "") == "hydro-pneumothorax"


def test_without_a_match_all_words_and_nothing_else() -> None:
    chosen = token_weights(TOKENIZER, "enlarged heart", "keyword", ("cardiomegaly", "cardiac"))
    assert not chosen.matched
    assert spell(chosen.tokens) == ["enlar", "ged", "heart"]
    np.testing.assert_array_equal(chosen.weights, token_weights(TOKENIZER, "enlarged heart", "all_words").weights)
    np.testing.assert_allclose(chosen.weights[:5], [0, 1 / 3, 1 / 3, 1 / 3, 0], rtol=1e-6)


def test_start_and_end() -> None:
    assert np.flatnonzero(token_weights(TOKENIZER, "heart", "start").weights).tolist() == [0]
    assert np.flatnonzero(token_weights(TOKENIZER, "heart", "end").weights).tolist() == [2]
    assert np.flatnonzero(token_weights(TOKENIZER, "a " * 90, "end").weights).tolist() == [76]


def test_words_beyond_the_context_are_named_and_not_used() -> None:
    # 74 one-token words leave one place: "cardiomegaly" (four tokens) is cut, and what is cut is lost whole.
    phrase = "left " * 74 + "cardiomegaly with edema"
    chosen = token_weights(TOKENIZER, phrase, "keyword", ("cardiomegaly",))
    assert chosen.lost_words == ("cardiomegaly", "with", "edema")
    assert not chosen.matched
    assert np.flatnonzero(chosen.weights).tolist() == list(range(1, 75))
    fits = token_weights(TOKENIZER, "left " * 71 + "cardiomegaly", "keyword", ("cardiomegaly",))
    assert fits.lost_words == ()
    assert np.flatnonzero(fits.weights).tolist() == [72, 73, 74, 75]


@pytest.mark.parametrize("phrase", ["", "   "])
def test_phrase_without_words_is_refused(phrase: str) -> None:
    with pytest.raises(InputError, match="no words"):
        token_weights(TOKENIZER, phrase, "all_words")


def test_unknown_rule_and_endless_word_are_refused() -> None:
    with pytest.raises(InputError, match="keyword, all_words, start, end"):
        token_weights(TOKENIZER, "edema", "last")
    with pytest.raises(InputError, match="longer than the context"):
        token_weights(TOKENIZER, "xq" * 200, "all_words")


WORDS = st.sampled_from(
    ["pleural", "effusion.", "(small)", "follow-up", "3.5", "it's", "XXXX", "café", "T4/T5", "—", "Cardiomegaly,"]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=60).map(" ".join), st.sampled_from(RULES))
def test_weights_are_a_distribution_over_tokens_that_are_there(phrase: str, rule: str) -> None:
    chosen = token_weights(TOKENIZER, phrase, rule, ("effusion", "cardiomegaly"))
    assert chosen.weights.shape == (77,)
    assert chosen.weights.min() >= 0
    np.testing.assert_allclose(chosen.weights.sum(), 1, rtol=1e-5)
    ids = TOKENIZER(phrase, truncation=True).input_ids
    positions = np.flatnonzero(chosen.weights)
    assert len(positions) == len(chosen.tokens)
    assert positions.max() < len(ids)
    if rule in ("keyword", "all_words"):
        assert positions.min() >= 1
        assert positions.max() < len(ids) - 1


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("all_words", ("all_words", ())),
        ("end", ("end", ())),
        ("effusion, pleural,", ("keyword", ("effusion", "pleural"))),
        ("keyword", ("keyword", ("keyword",))),
        (",", ("keyword", ())),
    ],
)
def test_rules_as_they_are_written(text, rule):
    assert parse_rule(text) == rule
