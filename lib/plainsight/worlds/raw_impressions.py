"""Raw impressions about the test images, for Table 8 of seed 000.

That table asks about the boxes of the curated phrases with the reports they were cut from: several sentences, further
findings, negations, comparisons, anonymisation marks. Worlds of real reports keep those of their test images. The
phantom world has to write them: its images of the split ``generation`` have such texts, but most
show several findings, and their boxes do not say which is which. So the text is written anew for the images whose
boxes are of one finding, from real sentences of the same split; it agrees with all that is drawn, and
says nothing of lines and tubes, of which an image of this split does not keep which it has.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from plainsight import schema
from plainsight.config import Experiments
from plainsight.errors import InputError
from plainsight.seeding import numpy_generator
from plainsight.worlds.impressions import rewrite
from plainsight.worlds.phantom import SEED, draw_impression


def raw_impressions(world: str, examples: pd.DataFrame, folder: Path, experiments: Experiments) -> pd.DataFrame:
    """The ``examples`` of a ``world`` prepared in ``folder`` that have a raw impression, with it as their phrase.

    None of them in a world without reports. Raises InputError as `written` does.
    """
    if world == "phantom":
        return examples.assign(phrase=written(examples, experiments))
    kept = folder / "texts.parquet"
    if not kept.exists():
        return examples.head(0)
    texts = schema.read_texts(kept)
    own = texts[texts["text"] == schema.RAW].set_index("image_id")["phrase"]
    return examples.assign(phrase=examples["image_id"].map(own)).dropna(subset="phrase").reset_index(drop=True)


def written(examples: pd.DataFrame, experiments: Experiments) -> list[str]:
    """A text as hard as the training text ``reports`` for each example of the phantom world's split ``grounding``.

    Never silent about the finding that is asked for. The same example always gets the same text. Raises InputError for
    an example that the phantom world of today does not draw.
    """
    shares = replace(experiments.texts["reports"], silent=0.0)
    texts = []
    for row in examples.to_dict("records"):
        name, split = row["image_id"], row["split"]
        rng = numpy_generator(SEED, "phantom", split, int(name.removeprefix(f"{split}-")))
        drawn = draw_impression(split, row["finding"], experiments, rng)
        if drawn.text != row["phrase"]:
            raise InputError(f"example {row['example_id']}: is not what the phantom world draws now; prepare it again")
        texts.append(rewrite(drawn.facts, "", shares, split, numpy_generator(SEED, "phantom", "text", "raw", name)))
    return texts
