"""What counts as a word of a phrase, and score rows by word from which no phrase can be put together again.

A word is what stands between two spaces, in lower case and without the punctuation at its ends: "Pleural" and
"pleural," are one word, "ground-glass" is one. `SPECIAL` ones stand in the same column, in upper case.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from plainsight.errors import InputError
from plainsight.results import Run
from plainsight.seeding import numpy_generator

START, END = "SOS", "EOS"
"""The start and the end token, under the names that seed 000 prints."""
KEYWORDS = "KEYWORDS"
"""All keywords of the finding together (``plainsight.tokens``, rule ``keyword``), in phrases that hold one."""
PHRASE = "PHRASE"
"""All words of the phrase together (the rule ``all_words``)."""
SPECIAL = (START, END, KEYWORDS, PHRASE)
SEVERAL = (KEYWORDS, PHRASE)
"""Those that are several words, and none of their own."""
MIN_PATIENTS = 5
"""Fewer patients' texts must not show that a word is among them: what only few reports hold may name somebody."""
COUNTS = "scores/word_counts.parquet"
SPLITS = "scores/split_counts.parquet"
"""Below ``runs/<scale>/<world>``: what the step ``word_counts`` makes."""
_TYPES = {"raw": "int8", "word": "str", "finding": "str", "example_id": "int32", "patient": "int32"}
_TYPES |= {"noise_seed": "int32", "times": "int32", "auc": "float32", "cnr": "float32"}
COLUMNS = tuple(_TYPES)
"""Of rows by word. ``raw``: 0 for a curated phrase, 1 for a raw impression; ``times``: how often the word stands in the
phrase; ``auc``, ``cnr``: of the word's heat map against the boxes of the phrase's finding."""


def plain(word: str) -> str:
    """``word`` in lower case without the punctuation at its ends; "" where nothing else is left."""
    return re.sub(r"^[\W_]+|[\W_]+$", "", word.lower())


def distinct(phrase: str) -> set[str]:
    """The words of a phrase, each once."""
    return {word for part in phrase.split() if (word := plain(part))}


def count_texts(texts: pd.DataFrame, findings: Iterable[str], words: Iterable[str]) -> pd.DataFrame:
    """How many texts about each finding hold each word.

    Args:
        texts: columns ``phrase``, ``finding`` and ``patient``; a text about several findings, joined by ``|``, counts
            for each.
        findings: the findings to count for.
        words: the words to count.

    Returns:
        Columns finding, word, ``with_word``, ``training_patients`` (whose texts those are) and ``texts``, the number of
        texts about the finding.
    """
    held, words = texts["phrase"].map(distinct), list(words)
    about = texts["finding"].str.split("|").map(set)
    rows = []
    for finding in findings:
        mine = about.map(lambda names, finding=finding: finding in names)
        holders: dict[str, list[str]] = {word: [] for word in words}
        for patient, found in zip(texts.loc[mine, "patient"], held[mine], strict=True):
            for word in found & holders.keys():
                holders[word].append(patient)
        total = int(mine.sum())
        rows += [(finding, word, len(whose), len(set(whose)), total) for word, whose in holders.items()]
    # Types are stated because there may be no words.
    types = {"finding": "str", "word": "str", "with_word": "int64", "training_patients": "int64", "texts": "int64"}
    return pd.DataFrame(rows, columns=list(types)).astype(types)


def detach(rows: pd.DataFrame) -> pd.DataFrame:
    """Score rows by word, cut loose from their phrases, so that they may travel where single words may.

    A word that fewer than ``MIN_PATIENTS`` patients' texts hold is left out. Examples and patients are numbered anew
    for each word, in an order drawn by the word alone: rows of one word keep what resampling and pairing need, across
    models, training seeds and kinds of text, but rows of two words cannot be told to be of one phrase. (What equal
    counts still give away is which words go together in a sentence that many patients share, and that names nobody.)
    Rows come back sorted, with the columns of `COLUMNS`.
    """
    enough = rows.groupby("word")["patient"].transform("nunique") >= MIN_PATIENTS
    kept = rows[enough | rows["word"].isin(SPECIAL)]
    parts = [
        part.assign(**{name: _numbered(part[name], str(word)) for name in ("example_id", "patient")})
        for word, part in kept.groupby("word")
    ]
    loose = pd.concat(parts) if parts else kept
    return loose[list(COLUMNS)].astype(_TYPES).sort_values(["word", "raw", "example_id"], ignore_index=True)


def refuse_attached(rows: pd.DataFrame, where: str) -> None:
    """InputError for rows by word that ``detach`` did not make: their words could be put together to phrases."""
    for word, part in rows.groupby("word"):
        for name in ("example_id", "patient"):
            numbers = part[name].unique()
            if not pd.api.types.is_integer_dtype(part[name]) or set(numbers) != set(range(len(numbers))):
                raise InputError(f"{where}: {name} is not numbered anew for each word; run the step 'words' again")
        if word not in SPECIAL and part["patient"].nunique() < MIN_PATIENTS:
            raise InputError(f"{where}: holds a word of fewer than {MIN_PATIENTS} patients; run the step 'words' again")


def read(folder: Path | str, wanted: Iterable[tuple[str, int]]) -> pd.DataFrame:
    """The rows by word of the ``wanted`` variants and training seeds below ``runs/<scale>/<world>``, in one frame.

    Columns ``variant``, ``seed`` and ``protocol`` (always "words") stand in front, as in ``plainsight.results.read``.
    Raises InputError, with all of them in one line, for files that are missing.
    """
    runs = [Run(variant, seed, "words") for variant, seed in wanted]
    paths = [Path(folder, "scores", run.variant, f"seed{run.seed}", "words.parquet") for run in runs]
    if absent := [str(path) for path in paths if not path.is_file()]:
        raise InputError(f"no rows by word {', '.join(absent)}; make them with ./run_all.sh first")
    frames = [pd.read_parquet(path) for path in paths]
    return pd.concat(
        [frame.assign(**run._asdict()) for run, frame in zip(runs, frames, strict=True)], ignore_index=True
    )[[*Run._fields, *COLUMNS]]


def _numbered(names: pd.Series, word: str) -> np.ndarray:
    different, place = np.unique(names.to_numpy(dtype=str), return_inverse=True)
    return numpy_generator(0, "words", str(names.name), word).permutation(len(different))[place]
