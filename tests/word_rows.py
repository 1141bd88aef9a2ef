"""Made-up rows by word, cut loose from their phrases, shared by the tests of tables, claims and publishing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from plainsight import words

PHRASES = {
    "Edema": ["Pulmonary edema.", "mild pulmonary edema", "Edema, the left lung", "left congestion"],
    "Pneumonia": ["left pneumonia", "Pneumonia of the lung", "small infiltrate, left"],
}
"""Ten patients, one after the other, have each of these phrases about each finding."""
PATIENTS = 10
KEYWORDS = {"Edema": ("edema",), "Pneumonia": ("pneumonia",)}


def attached(contrast: dict[str, float], seed: int = 0, raw: int = 0) -> pd.DataFrame:
    """Rows by word as ``word_maps.score_words`` gives them; a word's CNR is about its ``contrast``, else about 0."""
    rng = np.random.default_rng([seed, raw])
    rows = []
    for finding, phrases in PHRASES.items():
        for number in range(PATIENTS * len(phrases)):
            phrase = phrases[number // PATIENTS]
            found = [words.START, words.END, words.PHRASE, *sorted(words.distinct(phrase))]
            found += [words.KEYWORDS] * any(key in phrase.lower() for key in KEYWORDS[finding])
            for word in found:
                cnr = contrast.get(word, 0) + 0.02 * rng.standard_normal()
                row = (f"{finding}-{number}", f"p{number % PATIENTS}", finding, 0, word, 1, 0.5 + cnr / 4, cnr, raw)
                rows.append(row)
    columns = ["example_id", "patient", "finding", "noise_seed", "word", "times", "auc", "cnr", "raw"]
    return pd.DataFrame(rows, columns=columns)


CONTRAST = {
    "foundation": {"EOS": 0.2, "left": 0.1},
    "finetune_l": {"EOS": 0.7, "SOS": 0.1},
    "finetune_f": {"EOS": 0.8, "edema": 1.2, "pneumonia": 1.1, "KEYWORDS": 1.15, "PHRASE": 1.0, "lung": 0.9},
}
"""What the paper says of the three models."""


def like_the_paper(raw: bool = True) -> dict[tuple[str, int], pd.DataFrame]:
    """(variant, seed) -> rows; raw impressions lose a third of the keywords' contrast."""
    found = {}
    for variant, contrast in CONTRAST.items():
        for seed in (0,) if variant == "foundation" else (0, 1, 2):
            worse = {**contrast, "KEYWORDS": contrast.get("KEYWORDS", 0) * 2 / 3}
            kinds = [attached(contrast, seed)] + [attached(worse, seed, raw=1)] * raw
            found[variant, seed] = words.detach(pd.concat(kinds, ignore_index=True))
    return found


def write(frames: dict[tuple[str, int], pd.DataFrame], folder: Path) -> None:
    for (variant, seed), frame in frames.items():
        path = folder / "scores" / variant / f"seed{seed}" / "words.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.to_parquet(path, index=False)
