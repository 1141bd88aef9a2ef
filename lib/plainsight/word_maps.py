"""A heat map for every word of a phrase from one pass through the U-Net (seed 000, Tables 6 and 8), and its scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from diffusers.models.attention_processor import Attention
from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from plainsight.attention import CrossAttentionCapture
from plainsight.config import GroundingConfig, Protocol
from plainsight.errors import InputError
from plainsight.grounding import embed_phrases, renoised_maps, resize_maps, sample_latents, target_mask
from plainsight.latents import Moments
from plainsight.metrics.localisation import area_fraction, score_batch
from plainsight.models import Model
from plainsight.tokens import align, token_weights
from plainsight.words import END, KEYWORDS, PHRASE, START, plain


class WordCapture(CrossAttentionCapture):
    """`CrossAttentionCapture` for W weightings of the tokens at once.

    Takes ``token_weights`` (R, W, T) and gives ``sums`` (R, W, h, w); for all else see there. One more column of the
    values for each weighting would widen Q, K and V for it; here the probabilities of a layer are made once,
    averaged over heads and then weighted. On a CPU with the toy scale's U-Net that costs 1.04 times the bare pass with
    16 words and 1.11 times with 48, against 1.09 and 1.28 for columns, and 16 and 48 for a pass a word. A
    layer's probabilities (R, heads, pixels, T) exist while it runs.
    """

    def __init__(self, unet: torch.nn.Module, token_weights: torch.Tensor, *arguments: object, **options: object):
        super().__init__(unet, token_weights, *arguments, **options)
        self.token_weights = token_weights.to(unet.device, torch.float32)

    def _processor(self, replaced: object) -> _WordProcessor:
        return _WordProcessor(self, replaced)

    def add(self, attention: torch.Tensor) -> None:
        """Add the weighted attention of one layer, (B, heads, pixels, T), to the sum of its resolution."""
        mean = attention.detach()[self.rows].mean(dim=1, dtype=torch.float32)
        super().add((self.token_weights @ mean.transpose(1, 2))[:, None])


class _WordProcessor:
    """AttnProcessor of diffusers, whose probabilities are read in passing."""

    def __init__(self, capture: WordCapture, processor: object) -> None:
        self.capture, self.processor = capture, processor

    def __call__(
        self,
        attn: Attention,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        temb: torch.Tensor | None = None,
    ) -> torch.Tensor:
        if not self.capture.wants(hidden_states.shape[1]):
            return self.processor(attn, hidden_states, encoder_hidden_states, attention_mask, temb)
        batch, tokens, _ = encoder_hidden_states.shape
        if attention_mask is not None:
            attention_mask = attn.prepare_attention_mask(attention_mask, tokens, batch)
        if attn.norm_cross:
            encoder_hidden_states = attn.norm_encoder_hidden_states(encoder_hidden_states)
        projected = (attn.to_q(hidden_states), attn.to_k(encoder_hidden_states), attn.to_v(encoder_hidden_states))
        query, key, value = map(attn.head_to_batch_dim, projected)
        probabilities = attn.get_attention_scores(query, key, attention_mask)
        self.capture.add(probabilities.unflatten(0, (batch, attn.heads)))
        output = attn.batch_to_head_dim(probabilities @ value)
        output = attn.to_out[1](attn.to_out[0](output))
        if attn.residual_connection:
            output = output + hidden_states
        return output / attn.rescale_output_factor


@dataclass(frozen=True)
class WordWeights:
    """The words of one phrase and their tokens."""

    words: tuple[str, ...]
    """``START``, ``END``, ``PHRASE``, ``KEYWORDS`` where one matches, then each word once, in order of appearance."""
    weights: np.ndarray
    """(W, T) float32; each row sums to 1."""
    times: tuple[int, ...]
    """How often each stands in the phrase; 1 for those in upper case."""
    lost: int
    """Words that fell out of the context, in whole or in part."""


def word_weights(tokenizer: PreTrainedTokenizerBase, phrase: str, keywords: Sequence[str] = ()) -> WordWeights:
    """Weights over the tokens of ``phrase`` for every word of it.

    As under the rule ``keyword`` of ``plainsight.tokens``, the sub-tokens of a word share its weight, punctuation stuck
    to it among them, and so do the places where it stands. Raises InputError as ``token_weights`` does.
    """
    chosen = token_weights(tokenizer, phrase, "keyword", keywords)
    rows = {
        START: token_weights(tokenizer, phrase, "start").weights,
        END: token_weights(tokenizer, phrase, "end").weights,
        PHRASE: token_weights(tokenizer, phrase, "all_words").weights,
    }
    if chosen.matched:
        rows[KEYWORDS] = chosen.weights
    places: dict[str, list[slice]] = {}
    for word, span in zip(*align(tokenizer, phrase)[:2], strict=False):  # lost words have no span
        if name := plain(word):
            places.setdefault(name, []).append(span)
    for word, spans in places.items():
        rows[word] = np.zeros(tokenizer.model_max_length, dtype=np.float32)
        for span in spans:
            rows[word][span] += 1 / (len(spans) * (span.stop - span.start))
    times = tuple(len(places[name]) if name in places else 1 for name in rows)
    return WordWeights(tuple(rows), np.stack(list(rows.values())), times, len(chosen.lost_words))


def ground_words(
    model: Model,
    latents: torch.Tensor,
    prompt_embeds: torch.Tensor,
    weights: torch.Tensor,
    keys: Sequence[str],
    config: GroundingConfig,
    **options: object,
) -> torch.Tensor:
    """`plainsight.grounding.renoised_maps` for W weightings of each phrase's tokens at once.

    The same keys and seed see the same noise as there; resized bilinearly, the maps are those of ``ground``.

    Args:
        weights: (N, W, T); a row of zeros, which fills up shorter phrases, gives a map of zeros.
        model, latents, prompt_embeds, keys, config, options: as there.

    Returns:
        (N, W, h, w) float32 on the CPU at the resolution of the latents.

    Raises:
        InputError: as there.
    """
    return renoised_maps(model, latents, prompt_embeds, weights, keys, config, capture=WordCapture, **options)


def score_words(
    model: Model,
    moments: Moments,
    examples: pd.DataFrame,
    root: Path,
    resolution: int,
    config: GroundingConfig,
    protocol: Protocol,
    keywords: Mapping[str, Sequence[str]],
    noise_seed: int = 0,
) -> pd.DataFrame:
    """Ground every word of every example's phrase and score its heat map as ``plainsight.grounding.score_examples``.

    Examples whose phrase is longer than the context are left out, as in Table 8 of seed 000, and those whose target
    lies outside the square that the model sees, or fills it; for the arguments see there (``protocol.tokens`` has no
    say).

    Returns:
        One row an example and word: example_id, patient, finding, noise_seed, ``word``, ``times`` (how often it stands
        in the phrase), auc, cnr.

    Raises:
        InputError: as there, or no phrase fits the context.
    """
    chosen = [_words(model, row, keywords) for _, row in examples.iterrows()]
    fits = [not words.lost for words in chosen]
    if not any(fits):
        raise InputError("every phrase is longer than the context of the text encoder; shorten them")
    examples, chosen = examples[fits], [words for words in chosen if not words.lost]
    frames = []
    with tqdm(total=len(examples), desc="words", unit="phrase") as bar:
        for start in range(0, len(examples), config.batch_size):
            part = examples.iloc[start : start + config.batch_size]
            words = chosen[start : start + config.batch_size]
            maps = ground_words(
                model,
                sample_latents(moments, part["image_id"].tolist(), noise_seed),
                embed_phrases(model, part["phrase"].tolist()),
                _stack(words),
                part["example_id"].tolist(),
                config,
                noise_seed=noise_seed,
                resize=protocol.resize,
                max_resolution=protocol.max_resolution,
            )
            for (_, row), mine, low in zip(part.iterrows(), words, maps, strict=True):
                mask = target_mask(row, root, resolution, protocol.target)
                if not 0 < area_fraction(mask) < 1:
                    continue
                heat = resize_maps(low[: len(mine.words)], (resolution, resolution), "bilinear").numpy()
                scores = score_batch(heat, np.broadcast_to(mask, heat.shape))
                names = {name: row[name] for name in ("example_id", "patient", "finding")}
                found = {"word": mine.words, "times": mine.times, "auc": scores["auc"], "cnr": scores["cnr"]}
                frames.append(pd.DataFrame({**names, "noise_seed": noise_seed, **found}))
            bar.update(len(part))
    return pd.concat(frames, ignore_index=True)


def _words(model: Model, row: pd.Series, keywords: Mapping[str, Sequence[str]]) -> WordWeights:
    try:
        return word_weights(model.tokenizer, row["phrase"], keywords.get(row["finding"], ()))
    except InputError as error:
        raise InputError(f"example {row['example_id']}: {error}") from None


def _stack(words: Sequence[WordWeights]) -> torch.Tensor:
    """(N, W, T) with W the greatest number of words; the rows of shorter phrases are filled up with zeros."""
    weights = torch.zeros(len(words), max(len(one.words) for one in words), words[0].weights.shape[1])
    for row, one in zip(weights, words, strict=True):
        row[: len(one.words)] = torch.from_numpy(one.weights)
    return weights
