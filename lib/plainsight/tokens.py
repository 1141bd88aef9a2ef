"""Which tokens of a phrase stand for its finding: from words to weights over the tokens of the text encoder."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from transformers import PreTrainedTokenizerBase

from plainsight.errors import InputError

RULES = ("keyword", "all_words", "start", "end")


@dataclass(frozen=True)
class TokenWeights:
    """What a token rule chose in one phrase."""

    weights: np.ndarray
    """(T,) float32, not negative, sum 1; T is the context length of the tokenizer."""
    tokens: tuple[str, ...]
    """The tokens with a weight, in the order of the phrase, as the tokenizer spells them."""
    matched: bool
    """Whether a keyword matched; always False under the other rules."""
    lost_words: tuple[str, ...]
    """Words that fell out of the context, in whole or in part: the text encoder does not read them."""


def parse_rule(text: str) -> tuple[str, tuple[str, ...]]:
    """A rule as written on a command line, with its keywords: all_words, start, end, or words joined by commas."""
    if text in RULES and text != "keyword":
        return text, ()
    return "keyword", tuple(word.strip() for word in text.split(",") if word.strip())


def token_weights(
    tokenizer: PreTrainedTokenizerBase, phrase: str, rule: str, keywords: Sequence[str] = ()
) -> TokenWeights:
    """Weights over the tokens of ``phrase`` by one of four rules.

    ``keyword`` is the rule of seed 000 (Table 9, and its code for the details): split the phrase on spaces; a word
    matches a keyword that it contains, whatever the case; average over the sub-tokens of a word (punctuation stuck
    to the word is among them), then over all matches of a word and a keyword. "effusions" counts twice, as
    published, because it contains both "effusion" and "effusions". With no match the rule falls back to
    ``all_words``: the mean over the tokens of all words, without start, end and padding. ``start`` and ``end`` are
    those tokens alone; the end token of a phrase longer than the context is the last token of the context.

    Args:
        tokenizer: tokenizer of the text encoder; it puts one start token before the words and one end token after them.
        phrase: the text whose embedding conditions the U-Net.
        rule: one of `RULES`.
        keywords: words that stand for the finding (``plainsight.worlds.KEYWORDS``); used by ``keyword`` only.

    Raises:
        InputError: an unknown rule, a phrase without words, or a tokenizer for which the words, each on its own, do not
            give the tokens of the phrase.
    """
    # No message holds the phrase: it may come from a data set whose text must not be passed on.
    if rule not in RULES:
        raise InputError(f"token rule {rule!r} is not one of {', '.join(RULES)}")
    words, spans, lost = align(tokenizer, phrase)
    ids = tokenizer(phrase, truncation=True, max_length=tokenizer.model_max_length).input_ids
    weights = np.zeros(tokenizer.model_max_length)
    matches: list[slice] = []
    if rule == "keyword":
        matches = [
            span
            for word, span in zip(words, spans, strict=False)  # lost words have no span
            for keyword in keywords
            if keyword.lower() in word.lower()
        ]
    if rule == "start":
        weights[0] = 1
    elif rule == "end":
        weights[len(ids) - 1] = 1
    else:
        # Without a match every token of every word that is left weighs the same.
        for span in matches or [slice(spans[0].start, spans[-1].stop)]:
            weights[span] += 1 / (span.stop - span.start)
        weights /= weights.sum()
    tokens = tokenizer.convert_ids_to_tokens([ids[position] for position in np.flatnonzero(weights)])
    return TokenWeights(weights.astype(np.float32), tuple(tokens), bool(matches), lost)


def align(tokenizer: PreTrainedTokenizerBase, phrase: str) -> tuple[list[str], list[slice], tuple[str, ...]]:
    """Words of ``phrase``, the token positions of those that fit the context, and the words that do not."""
    words = phrase.split()
    pieces = [tokenizer(word, add_special_tokens=False).input_ids for word in words]
    whole = tokenizer(phrase, add_special_tokens=False, verbose=False).input_ids  # too long is dealt with below
    if not whole:
        raise InputError("the phrase has no words; give at least one")
    if list(itertools.chain(*pieces)) != whole:
        raise InputError("the tokenizer joins neighbouring words, so tokens cannot be told apart; use a CLIP tokenizer")
    ends = 1 + np.cumsum([len(piece) for piece in pieces])
    fits = int(np.searchsorted(ends, tokenizer.model_max_length - 1, side="right"))
    if fits == 0:
        raise InputError("the phrase's first word alone is longer than the context of the text encoder; shorten it")
    spans = [slice(int(end) - len(piece), int(end)) for end, piece in zip(ends[:fits], pieces, strict=False)]
    return words, spans, tuple(words[fits:])
