"""Texts agree with what is drawn, whatever the shares; splits share nothing that is asserted."""

import re
from dataclasses import replace
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plainsight.config import TextShares
from plainsight.errors import InputError
from plainsight.schema import SPLITS
from plainsight.worlds import lexicon
from plainsight.worlds.grammar import write_fact, write_nothing
from plainsight.worlds.impressions import (
    CONTRADICTED,
    FINDING_SHARES,
    NO_FINDING_SHARE,
    NUMBER_SHARES,
    compose,
    counts,
    report_split,
    rewrite,
    test_phrase,
)
from plainsight.worlds.reports import reports
from plainsight.worlds.sentences import LESIONS, Fact, corpus, has_keyword, parse

REPORTS = TextShares(
    source="reports", synonym=0.5, negated=0.6, device=0.4, comparison=0.4, anonymised=0.3, silent=0.25
)
PLAIN = TextShares(source="reports")
SHARE = st.floats(0, 1)
SHARES = st.builds(
    TextShares,
    source=st.sampled_from(["reports", "composed", "labels"]),
    max_findings=st.integers(1, 3),
    synonym=SHARE,
    negated=SHARE,
    device=SHARE,
    comparison=SHARE,
    anonymised=SHARE,
    silent=SHARE,
)


def check(text: str, facts: tuple[Fact, ...], labels: bool) -> None:
    """The text asserts nothing that is not drawn, places it as it is drawn, and denies nothing that is."""
    drawn = {fact.finding: fact for fact in facts}
    for fact in parse(text):
        if fact.negated:
            assert CONTRADICTED[fact.finding].isdisjoint(drawn), text
        else:
            assert fact.finding in drawn, text
            if not labels:
                for said, true in zip((fact.side, fact.zone, fact.severity), place(drawn[fact.finding]), strict=True):
                    assert said in ("", true), text


def place(fact: Fact) -> tuple[str, str, str]:
    return fact.side, fact.zone, fact.severity


@settings(max_examples=200, deadline=None)
@given(SHARES, st.sampled_from(SPLITS), st.integers(0, 2**32 - 1))
def test_a_composed_text_agrees_with_its_image(shares, split, seed):
    impression = compose(shares, split, np.random.default_rng(seed))
    assert impression.text
    assert len(impression.text.split()) <= 3 * 22 + 10
    assert len({fact.finding for fact in impression.facts}) == len(impression.facts) <= shares.max_findings
    assert not any(fact.negated for fact in impression.facts)
    assert all(report_split(report) == split for report in impression.reports)
    check(impression.text, impression.facts, shares.source == "labels")


FACT = st.builds(
    Fact,
    finding=st.sampled_from(LESIONS),
    side=st.sampled_from(["", "left", "right", "both"]),
    zone=st.sampled_from(["", *lexicon.ZONES]),
    severity=st.sampled_from(["", *lexicon.SEVERITIES]),
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(FACT, max_size=3, unique_by=lambda fact: fact.finding),
    st.sampled_from(["", *lexicon.DEVICES]),
    SHARES,
    st.sampled_from(SPLITS),
    st.integers(0, 2**32 - 1),
)
def test_a_rewritten_text_agrees_with_the_image(facts, device, shares, split, seed):
    text = rewrite(tuple(facts), device, shares, split, np.random.default_rng(seed))
    assert text
    check(text, tuple(facts), shares.source == "labels")
    others = [pattern for kind, pattern in lexicon.DEVICES.items() if kind != device]
    assert not any(pattern.search(text.lower()) for pattern in others)


def test_the_same_generator_gives_the_same_text():
    assert compose(REPORTS, "train", np.random.default_rng(3)) == compose(REPORTS, "train", np.random.default_rng(3))


def test_shares_are_what_they_say():
    drawn = [compose(REPORTS, "train", np.random.default_rng(seed)) for seed in range(1500)]
    assert np.mean([not i.facts for i in drawn]) == pytest.approx(NO_FINDING_SHARE, abs=0.03)
    numbers = [len(i.facts) for i in drawn if i.facts]
    assert np.mean(np.array(numbers) == 1) == pytest.approx(NUMBER_SHARES[0], abs=0.03)
    firsts = [i.facts[0].finding for i in drawn if i.facts]
    for finding, share in FINDING_SHARES.items():
        assert firsts.count(finding) / len(firsts) == pytest.approx(share, abs=0.035)
    words = np.array([len(i.text.split()) for i in drawn])
    assert np.mean(words <= 55) > 0.99
    silent = [i for i in drawn if len(i.facts) == 1 and not any(not f.negated for f in parse(i.text))]
    assert len(silent) / numbers.count(1) == pytest.approx(REPORTS.silent, abs=0.04)
    assert np.mean([bool(i.device) for i in drawn]) == pytest.approx(REPORTS.device * 0.9, abs=0.06)
    assert len({i.text for i in drawn}) > 1200


def test_plain_texts_have_a_keyword_and_nothing_else():
    for seed in range(300):
        impression = compose(PLAIN, "train", np.random.default_rng(seed))
        assert impression.device == ""
        for fact in impression.facts:
            assert has_keyword(impression.text, fact.finding)


def test_synonyms_avoid_the_keyword_where_there_are_any():
    shares = TextShares(source="reports", max_findings=1, synonym=1.0)
    drawn = [compose(shares, "train", np.random.default_rng(seed)) for seed in range(400)]
    for finding in ("Cardiomegaly", "Lung Opacity", "Edema", "Atelectasis"):
        texts = [i.text for i in drawn if i.facts and i.facts[0].finding == finding]
        assert texts
        assert not any(has_keyword(text, finding) for text in texts)


def test_labels_are_class_names():
    shares = TextShares(source="labels")
    for seed in range(50):
        impression = compose(shares, "train", np.random.default_rng(seed))
        names = [fact.finding for fact in impression.facts]
        assert impression.text == (", ".join(names) or "No Finding")


def test_no_finding_texts():
    texts = [rewrite((), "", PLAIN, "train", np.random.default_rng(seed)) for seed in range(300)]
    assert 0.3 < np.mean([text == "No Finding" for text in texts]) < 0.5
    assert all(parse(text) for text in texts if text != "No Finding")


@pytest.mark.parametrize("finding", LESIONS)
def test_the_grammar_says_the_fact_and_no_more(finding):
    rng = np.random.default_rng(0)
    places = [("", "")] if finding == "Cardiomegaly" else product(("", "left", "right", "both"), ("", *lexicon.ZONES))
    for (side, zone), severity in product(places, ("", *lexicon.SEVERITIES)):
        fact = Fact(finding, side, zone, severity)
        assert parse(write_fact(fact, rng)) == (fact,)
    assert len({write_fact(Fact(finding), rng) for _ in range(1000)}) > 200


def test_normal_impressions_deny_and_vary():
    rng = np.random.default_rng(0)
    texts = {write_nothing(rng) for _ in range(500)}
    assert len(texts) > 100
    assert all(facts and all(fact.negated for fact in facts) for facts in map(parse, texts))


def test_every_split_has_wordings_of_every_finding():
    table = counts()
    assert list(table.index) == list(LESIONS)
    assert (table[list(SPLITS)] >= 2).all(axis=None)
    assert (table[["train", "grounding"]] >= 7).all(axis=None)
    assert (table["phrases_grounding"] >= 4).all()
    assert 1_100 < table["corpus"].sum() < 1_300


@pytest.mark.parametrize("finding", LESIONS)
def test_all_findings_at_once_can_be_written(finding):
    """However much is drawn, each split has a sentence that denies none of it."""
    everything = tuple(Fact(name) for name in LESIONS)
    for split in SPLITS:
        text = rewrite(everything, "", PLAIN, split, np.random.default_rng(0))
        check(text, everything, labels=True)
        assert compose(TextShares(source="reports"), split, np.random.default_rng(LESIONS.index(finding))).text


def test_no_wording_is_in_two_splits():
    wordings = {split: set() for split in SPLITS}
    for split, finding in product(SPLITS, LESIONS):
        for seed in range(25):
            wordings[split].add(test_phrase(finding, split, np.random.default_rng(seed)).text.lower())
    for one, other in combinations(SPLITS, 2):
        assert wordings[one].isdisjoint(wordings[other])
    trained = {
        sentence.lower()
        for seed in range(400)
        for sentence in compose(PLAIN, "train", np.random.default_rng(seed)).text.split(". ")
    }
    assert wordings["grounding"].isdisjoint(text.rstrip(".") for text in trained)


def test_every_report_has_one_split():
    shares = {split: 0 for split in SPLITS}
    for report in reports():
        shares[report_split(report.identifier)] += 1
    total = sum(shares.values())
    assert total == 3955
    assert shares["train"] / total == pytest.approx(0.5, abs=0.02)
    assert shares["grounding"] / total == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize("split", ["validation", "grounding", "generation"])
@pytest.mark.parametrize("finding", LESIONS)
def test_a_test_phrase_asserts_one_finding(finding, split):
    for seed in range(10):
        phrase = test_phrase(finding, split, np.random.default_rng(seed))
        assert len(phrase.facts) == 1
        (said,) = parse(phrase.text)
        assert said.severity in ("", phrase.facts[0].severity)
        assert replace(said, severity=phrase.facts[0].severity) == phrase.facts[0]
        assert phrase.facts[0].finding == finding
        assert len(phrase.text.split()) <= 15
        assert not phrase.text.endswith(".")
        assert phrase.device == ""
        assert [report_split(report) for report in phrase.reports] == [split]
        assert not any(has_keyword(phrase.text, other) for other in LESIONS if other != finding)


def test_a_pneumothorax_of_less_than_2_cm_is_drawn_small():
    drawn = {}
    for seed in range(300):
        phrase = test_phrase("Pneumothorax", "grounding", np.random.default_rng(seed))
        drawn[phrase.text] = phrase.facts[0].severity
    measured = [severity for text, severity in drawn.items() if re.search(r"\b(?:\d+ mm|[01](?:\.\d)? cm)\b", text)]
    assert measured and set(measured) == {"small"}
    assert "" in drawn.values()


def test_a_normal_test_phrase():
    phrase = test_phrase("No Finding", "generation", np.random.default_rng(0))
    assert phrase.facts == ()
    assert all(fact.negated for fact in parse(phrase.text))


def test_anonymised_words_are_a_setting():
    marked = TextShares(source="reports", anonymised=1.0, max_findings=1)
    texts = [compose(marked, "train", np.random.default_rng(seed)).text for seed in range(200)]
    plain = [compose(PLAIN, "train", np.random.default_rng(seed)).text for seed in range(200)]
    assert np.mean(["XXXX" in text for text in texts]) > 0.6
    assert np.mean(["XXXX" in text for text in plain]) < 0.02


def test_unknown_names_are_named():
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="split 'test'"):
        compose(PLAIN, "test", rng)
    with pytest.raises(InputError, match="finding 'Mass'"):
        test_phrase("Mass", "grounding", rng)
    with pytest.raises(InputError, match="CXR0"):
        report_split("CXR0")


def test_the_corpus_is_not_in_the_package():
    """Sentences stay in the archive: no long sentence of a report stands in the source of these modules."""
    source = " ".join(path.read_text(encoding="utf-8").lower() for path in Path(lexicon.__file__).parent.glob("*.py"))
    texts = {sentence.text.lower().rstrip(".") for sentence in corpus() if len(sentence.text.split()) > 7}
    assert not [text for text in texts if text in source]
