"""The CLIP byte-pair tokenizer of Stable Diffusion, built from the vocabulary that open_clip carries."""

from __future__ import annotations

import functools
import gzip
import importlib.util
import itertools
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from transformers import CLIPTokenizer, PreTrainedTokenizerBase
from transformers.convert_slow_tokenizer import bytes_to_unicode

MERGES = 49152 - 256 - 2
"""CLIP reads this many merges of the vocabulary file (openai/CLIP, ``simple_tokenizer.py``)."""
CONTEXT_LENGTH = 77
PAD_TOKEN = "!"
"""Token 0, as stable-diffusion-2-base's ``tokenizer/special_tokens_map.json`` has it; Stable Diffusion 1 pads with the
end token (huggingface/diffusers issue 2201)."""


@functools.lru_cache(maxsize=1)
def clip_tokenizer() -> CLIPTokenizer:
    """The tokenizer of CLIP (Radford et al. 2021): 49,408 tokens, context of 77, padded as Stable Diffusion 2 is.

    "consolidation" is one token and "cardiomegaly" four, as in the papers. Nothing is downloaded.
    """
    folder = Path(importlib.util.find_spec("open_clip").origin).parent
    lines = gzip.decompress((folder / "bpe_simple_vocab_16e6.txt.gz").read_bytes()).decode("utf-8").split("\n")
    merges = [tuple(line.split()) for line in lines[1 : MERGES + 1]]
    characters = list(bytes_to_unicode().values())
    tokens = [*characters, *(c + "</w>" for c in characters), *("".join(pair) for pair in merges)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(
        vocab={token: index for index, token in enumerate(tokens)},
        merges=merges,
        model_max_length=CONTEXT_LENGTH,
        pad_token=PAD_TOKEN,
    )


def longer_than_context(tokenizer: PreTrainedTokenizerBase, texts: Iterable[str]) -> int:
    """How many of ``texts`` have more tokens than the text encoder reads: their last words are cut off."""
    ids = [tokenizer(text, verbose=False).input_ids for text in texts]
    return sum(len(tokens) > tokenizer.model_max_length for tokens in ids)


def share_seen(tokenizer: CLIPTokenizer, seen: Iterable[str], asked: Iterable[str]) -> tuple[float, float]:
    """How much of the vocabulary of ``asked`` the texts ``seen`` ever held, as two shares in [0, 1].

    The first counts distinct sub-tokens of ``asked``, the second their occurrences.
    """
    known = set(itertools.chain.from_iterable(tokenizer(list(seen), add_special_tokens=False).input_ids))
    used = Counter(itertools.chain.from_iterable(tokenizer(list(asked), add_special_tokens=False).input_ids))
    common = known & used.keys()
    return len(common) / len(used), sum(used[token] for token in common) / used.total()
