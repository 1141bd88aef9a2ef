"""Raw impressions agree with the image they are about, and ask for its finding."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from plainsight import schema
from plainsight.config import Experiments, read_yaml
from plainsight.errors import InputError
from plainsight.seeding import numpy_generator
from plainsight.worlds import phantom
from plainsight.worlds.impressions import CONTRADICTED
from plainsight.worlds.lesions import DRAW
from plainsight.worlds.raw_impressions import raw_impressions, written
from plainsight.worlds.sentences import parse

EXPERIMENTS = read_yaml(Path(__file__).parents[2] / "workflow" / "experiments.yaml", Experiments)


def drawn(index: int) -> phantom.Impression:
    """What the grounding image of this number shows."""
    rng = numpy_generator(phantom.SEED, "phantom", "grounding", index)
    return phantom.draw_impression("grounding", tuple(DRAW)[index % len(DRAW)], EXPERIMENTS, rng)


@pytest.fixture(scope="module")
def examples() -> pd.DataFrame:
    """Rows as the phantom world writes them, without their images."""
    rows = []
    for index in range(64):
        name = f"grounding-{index:05d}"
        row = {"example_id": name, "image_id": name, "split": "grounding", "phrase": drawn(index).text}
        rows.append({**row, "finding": tuple(DRAW)[index % len(DRAW)]})
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def texts(examples) -> list[str]:
    return written(examples, EXPERIMENTS)


def test_the_finding_asked_for_is_asserted_and_nothing_drawn_is_denied(examples, texts):
    for index, text in enumerate(texts):
        shown = {fact.finding for fact in drawn(index).facts}
        asserted = {fact.finding for fact in parse(text) if not fact.negated}
        assert examples["finding"][index] in asserted, text
        assert asserted <= shown, text
        for fact in parse(text):
            assert not fact.negated or CONTRADICTED[fact.finding].isdisjoint(shown), text


def test_they_are_raw(examples, texts):
    longer = [len(text.split()) > len(phrase.split()) for text, phrase in zip(texts, examples["phrase"], strict=True)]
    assert sum(longer) > 0.8 * len(texts)
    assert any("XXXX" in text for text in texts)
    assert any(fact.negated for text in texts for fact in parse(text))


def test_a_text_depends_on_its_example_alone(examples, texts):
    assert written(examples.iloc[[40, 3]], EXPERIMENTS) == [texts[40], texts[3]]


def test_a_world_that_has_changed_is_refused_without_its_text(examples):
    with pytest.raises(InputError, match=r"example grounding-00001: .*prepare it again") as caught:
        written(examples.assign(phrase=["Mrs Example"] * 64).iloc[[1]], EXPERIMENTS)
    assert "Mrs" not in str(caught.value)


def test_worlds_of_real_reports_keep_them_and_images_without_one_are_left_out(examples, texts, tmp_path):
    assert raw_impressions("phantom", examples, tmp_path, EXPERIMENTS)["phrase"].to_list() == texts
    assert raw_impressions("nih", examples, tmp_path, EXPERIMENTS).empty
    kept = pd.DataFrame({"image_id": examples["image_id"][:3], "text": "raw", "phrase": ["One.", "Two.", "Three."]})
    schema.write_texts(pd.concat([kept, kept.assign(text="reports", phrase="Other.")]), tmp_path / "texts.parquet")
    found = raw_impressions("ms_cxr", examples.iloc[[2, 5, 0]], tmp_path, EXPERIMENTS)
    assert found["phrase"].to_list() == ["Three.", "One."]
    assert found["example_id"].to_list() == ["grounding-00002", "grounding-00000"]
