"""Annotations of RadGraph-XL (Delbrouck et al. 2024): which words of a sentence name a place.

The model is not run here; its package (https://pypi.org/project/radgraph/) brings an old library of its own. Where it
is installed, this writes the file for MS-CXR, which belongs beside its other files and holds sentences as they do:

    rows = pandas.read_csv("MS_CXR_Local_Alignment_v1.1.0.csv")
    annotated = radgraph.RadGraph(model_type="radgraph-xl")(sorted(set(rows["label_text"])))
    json.dump(annotated, open("radgraph_xl.json", "w"))
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from plainsight.data.tables import read_json
from plainsight.errors import InputError

FILE = "radgraph_xl.json"
PLACE = "Anatomy::definitely present"
"""The label that seed 003 calls ANAT-DP."""


def places(path: Path, sentences: Iterable[str]) -> list[list[str]]:
    """The words for places in each of the ``sentences``, in their order; [] where there is none.

    Sentences are found by their letters and digits, because the model's own text has other spaces.

    Raises:
        InputError: no such file, or a damaged one; a sentence that is not in it.
    """
    content = read_json(path)
    known: dict[str, list[str]] = {}
    annotations = content.values() if isinstance(content, dict) else ()
    for number, annotation in enumerate(annotations, start=1):
        try:
            entities = sorted(annotation["entities"].values(), key=lambda entity: entity["start_ix"])
            known[_bare(annotation["text"])] = [one["tokens"] for one in entities if one["label"] == PLACE]
        except (AttributeError, KeyError, TypeError):
            raise InputError(
                f"{path}: entry {number} of {len(annotations)} is no annotation of RadGraph; write it again"
            ) from None
    wanted = [_bare(sentence) for sentence in sentences]
    if lacking := sum(sentence not in known for sentence in wanted):
        raise InputError(f"{path}: {lacking} of {len(wanted)} sentences are not annotated; write the file again")
    return [known[sentence] for sentence in wanted]


def _bare(text: str) -> str:
    return "".join(filter(str.isalnum, text.lower()))
