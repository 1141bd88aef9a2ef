"""Raw impressions about the test images of the phantom world, for Table 8 of seed 000.

That table asks about the boxes of the curated phrases with the reports they were cut from: several sentences, further
findings, negations, comparisons, anonymisation marks. The images of the split ``generation`` have such texts, but most
show several findings, and their boxes do not say which is which. So the text is written anew for the images whose
boxes are of one finding, from real sentences of the same split; it agrees with all that is drawn, and
says nothing of lines and tubes, of which an image of this split does not keep which it has.
"""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from plainsight.config import Experiments
from plainsight.errors import InputError
from plainsight.seeding import numpy_generator
from plainsight.worlds.impressions import rewrite
from plainsight.worlds.phantom import SEED, draw_impression

WORLDS = ("phantom",)
"""The worlds whose images can be given raw impressions; ``nih`` has no reports."""


def raw_impressions(examples: pd.DataFrame, experiments: Experiments) -> list[str]:
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
