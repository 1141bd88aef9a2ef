"""How the parser agrees with labels made by reading: committed numbers are of today, labels are of sentences."""

import pandas as pd
import parser_quality
import pytest

from plainsight.worlds import lexicon
from plainsight.worlds.sentences import LESIONS, Fact, Sentence, corpus


def test_the_committed_agreement_is_what_the_parser_gives_now():
    committed = (parser_quality.RESULTS / "parser_quality.csv").read_text()
    now = parser_quality.quality().to_csv(index=False, lineterminator="\n")
    assert now == committed, "the parser reads otherwise: python benchmarks/parser_quality.py measure"


def test_every_sentence_of_the_sample_is_labelled_and_no_other():
    labels = parser_quality.labels()
    keys = set(zip(labels["report"], labels["sentence"], strict=True))
    assert keys <= parser_quality.texts().keys()
    assert keys == parser_quality.sample().keys()


def test_labels_say_what_their_rules_allow():
    labels = parser_quality.labels()
    empty = labels["finding"] == ""
    assert set(labels["finding"][~empty]) == set(LESIONS)
    assert set(labels["status"][~empty]) == {"asserted", "negated", "normal", "hedged"}
    assert (labels["status"][empty] == "").all()
    asserted = labels["status"] == "asserted"
    assert set(labels["side"][asserted]) == {"left", "right", "both", ""}
    assert set(labels["severity"][asserted]) <= {"", *lexicon.SEVERITIES}
    assert (labels[["side", "severity"]][~asserted] == "").all(axis=None)
    assert not labels.duplicated(["report", "sentence", "finding", "status"]).any()
    alone = labels.groupby(["report", "sentence"])["finding"].transform("size") == 1
    assert alone[empty].all()


def test_numbering_is_that_of_the_corpus():
    assert list(parser_quality.texts().values()) == [sentence.text for sentence in corpus()]


def test_agreement_by_hand():
    """One sentence right, one with the wrong side, one hedged that the parser asserts, one negation missed."""
    columns = ["report", "sentence", "finding", "status", "side", "severity"]
    rows = [
        ("CXR1", 0, "Edema", "asserted", "", "small"),
        ("CXR1", 0, "Pneumonia", "normal", "", ""),
        ("CXR1", 1, "Edema", "asserted", "left", ""),
        ("CXR2", 0, "Pneumonia", "hedged", "", ""),
        ("CXR2", 1, "Pneumothorax", "negated", "", ""),
        ("CXR2", 2, "", "", "", ""),
    ]
    said = {
        ("CXR1", 0): (Fact("Edema", "", "", "small"), Fact("Pneumonia", negated=True)),
        ("CXR1", 1): (Fact("Edema", "right"),),
        ("CXR2", 0): (Fact("Pneumonia"),),
        ("CXR2", 1): (),
        ("CXR2", 2): (),
    }
    parsed = {key: Sentence("", "", facts, hedged=key == ("CXR2", 0)) for key, facts in said.items()}
    pairs = parser_quality.compare(pd.DataFrame(rows, columns=columns), parsed)
    table = parser_quality.agreement(pairs, parsed).set_index(["measure", "finding"])
    counts = {key: tuple(value) for key, value in table[["correct", "n"]].iterrows()}
    expected = {
        "asserted precision": (2, 3),
        "asserted recall": (2, 2),
        "negated precision": (1, 1),
        "negated recall": (0, 1),
        "normal recall": (1, 1),
        "hedged left open": (0, 1),
        "side": (1, 2),
        "severity": (2, 2),
        "hedged sentence precision": (1, 1),
        "hedged sentence recall": (1, 1),
        "whole sentence": (2, 5),
    }
    assert {measure: count for (measure, finding), count in counts.items() if finding == "all"} == expected
    assert counts["asserted precision", "Edema"] == (2, 2)
    assert counts["asserted precision", "Pneumonia"] == (0, 1)
    assert ("asserted recall", "Pneumonia") not in counts


def test_wilson_intervals():
    assert parser_quality.wilson(8, 10) == pytest.approx((0.8, 0.490, 0.943), abs=5e-4)
    assert parser_quality.wilson(0, 10) == pytest.approx((0.0, 0.0, 0.278), abs=5e-4)
