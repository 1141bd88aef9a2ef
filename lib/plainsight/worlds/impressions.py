"""Texts for phantom images: what the image must show, and an impression about it, from real report sentences.

``compose`` draws findings, then a real sentence for each (which settles side, zone and severity), then the rest of what
reports are made of: negations, devices, comparisons, silence. Nothing in a text contradicts what is drawn, and nothing
is asserted that is not drawn.

Splits. A report belongs to one split. Reports are grouped by the rarest finding that their usable sentences assert (and
within it by how well one of these would do as a test phrase), ordered within the group by side and zone and then by the
SHA-256 of their identifier, and dealt out in the order of ``DEAL``, so that each split gets its share of the rare
findings and of their places. A wording that reports of several splits have (such as the single word "cardiomegaly") is
given to one of these reports' splits by the SHA-256 of the wording, so that no whole assertion is read in training and
asked in a test, though one may be part of a longer one. Negated, device and comparison sentences, which no test asks
about, may recur.

Where a sentence asserts several findings, or says more than can be drawn, clauses that stand alone are cut from it, as
the phrases of MS-CXR are cut from reports; for the rare findings they double the number of wordings.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pandas as pd

from plainsight.config import TextShares
from plainsight.errors import InputError
from plainsight.schema import SPLITS
from plainsight.worlds import FINDINGS, NO_FINDING, lexicon
from plainsight.worlds.grammar import write_fact, write_nothing
from plainsight.worlds.reports import reports
from plainsight.worlds.sentences import LESIONS, Fact, Sentence, analyse, compares, corpus, has_keyword

DEAL = ("train", "grounding", "validation", "train", "generation", "train", "grounding", "train")
"""Eight reports of a group go to these splits: 4 train, 2 grounding, 1 validation, 1 generation."""

FINDING_SHARES = {
    "Atelectasis": 0.14,
    "Cardiomegaly": 0.14,
    "Consolidation": 0.09,
    "Edema": 0.10,
    "Lung Opacity": 0.16,
    "Pleural Effusion": 0.16,
    "Pneumonia": 0.10,
    "Pneumothorax": 0.11,
}
"""How often the first finding of an image is each of the eight.

Open-i's own shares (opacity 31 %, cardiomegaly 23, atelectasis 20, effusion 14, edema 5, pneumonia 4, consolidation 2,
pneumothorax 2) are flattened so that the rare ones can be learned.
"""
NUMBER_SHARES = (1 / 3, 1 / 3, 1 / 3)
"""How many findings an image has that has any.

Flattened like FINDING_SHARES: of Open-i's reports that assert any, 64 % assert one, 26 % two, 10 % three or more.
Where a text is about one thing, a model can read it off the end token and has no use for the words.
"""
NO_FINDING_SHARE = 0.25
NO_FINDING_LABEL_SHARE = 0.4
"""Among No Finding texts of source "reports", those that are the words "No Finding" and no more."""

CONTRADICTED = {
    **{name: {name} for name in LESIONS},
    "Lung Opacity": {"Lung Opacity", "Atelectasis", "Consolidation", "Edema", "Pneumonia"},
    "Consolidation": {"Consolidation", "Pneumonia"},
    "Pneumonia": {"Pneumonia", "Consolidation"},
}
"""Negated finding -> drawn findings that it contradicts: an opacity is the sign by which four others are seen."""

_CLAUSE = re.compile(r"[,;] (?:and |with )?| with (?:associated |adjacent )?| and | without ")
_FRAGMENT = re.compile(
    r"^(?:caus|suggest|represent|probably|may|likely|associated|includ|is|are|has|have|from|in\b)|\bmay\b"
    r"|\b(?:in|to|with|of|the|both|consistent|compatible)$",
    re.IGNORECASE,
)
"""Clauses that do not stand alone."""
MAX_SENTENCE_WORDS = 22
MAX_WORDS = 55
"""Length of a text that a distractor may not exceed. 77 CLIP tokens hold about as many words; what is longer all the
same is cut there and counted when a model is trained (``plainsight.tokenizer.longer_than_context``)."""
MAX_PHRASE_WORDS = 15
MIN_PHRASES = 5
"""Phrases without XXXX that are enough to leave those with XXXX out."""


@dataclass(frozen=True)
class Impression:
    """A text and what its image must show.

    ``facts``: un-negated, at most one a finding, unmentioned ones included; ``device``: a kind of
    ``lexicon.DEVICES`` if the text says it is there, else ""; ``reports``: the Open-i reports that the text and the
    facts are from.
    """

    text: str
    facts: tuple[Fact, ...]
    device: str
    reports: tuple[str, ...]


def compose(shares: TextShares, split: str, rng: np.random.Generator) -> Impression:
    """Draw the findings of an image and write its training text, as hard as ``shares`` says.

    A finding is left unmentioned with probability ``shares.silent``; of several findings one is always mentioned, so
    that a text wholly silent about what is drawn is one of a single finding.

    Raises:
        InputError: unknown split.
    """
    stock = _stock(split)
    drawn = () if rng.random() < NO_FINDING_SHARE else _draw_findings(shares.max_findings, rng)
    chosen = tuple(_choose(_agreeing(stock.assertions[name], drawn), name, shares, rng) for name in drawn)
    facts = tuple(map(_shown, chosen))
    device = _draw_device(stock, shares, rng)
    body = _body(facts, chosen, shares, split, rng)
    extra = _distractors(facts, body, device, shares, split, rng)
    named = device if any(sentence.device for sentence in extra) else ""
    used = dict.fromkeys(sentence.report for sentence in (*chosen, *body, *extra) if sentence.report)
    return Impression(_assemble(body, extra, rng), facts, named, tuple(used))


def rewrite(facts: tuple[Fact, ...], device: str, shares: TextShares, split: str, rng: np.random.Generator) -> str:
    """Another text for an image that shows ``facts`` and ``device``, as hard as ``shares`` says.

    A real sentence is taken that says of side, zone and severity no more than the fact does; where the split has
    none, the fact is written by ``grammar.write_fact``.

    Raises:
        InputError: unknown split.
    """
    facts = tuple(fact for fact in facts if not fact.negated)
    drawn = [fact.finding for fact in facts]
    chosen = []
    for fact in facts:
        agreeing = _agreeing(_stock(split).assertions[fact.finding], drawn)
        if fitting := [sentence for sentence in agreeing if _says_no_more(sentence.asserted[0], fact)]:
            chosen.append(_choose(fitting, fact.finding, shares, rng))
        else:
            chosen.append(Sentence("", write_fact(fact, rng), (fact,)))
    body = _body(facts, tuple(chosen), shares, split, rng)
    device = device if rng.random() < shares.device else ""
    return _assemble(body, _distractors(facts, body, device, shares, split, rng), rng)


def test_phrase(finding: str, split: str, rng: np.random.Generator) -> Impression:
    """A real sentence as curated test phrases are: one un-negated finding, at most 15 words, nothing else.

    It names no keyword of another finding, and has no XXXX if the split has MIN_PHRASES without. For No Finding, a
    normal sentence and no facts.

    Raises:
        InputError: unknown finding or split.
    """
    if finding not in FINDINGS["phantom"]:
        raise InputError(f"unknown finding {finding!r}; known: {', '.join(FINDINGS['phantom'])}")
    phrases = _phrases(finding, split)
    sentence = phrases[rng.integers(len(phrases))]
    facts = () if finding == NO_FINDING else (_shown(sentence),)
    return Impression(sentence.text.rstrip("."), facts, "", (sentence.report,))


test_phrase.__test__ = False  # pytest would collect it by its name


def report_split(report: str) -> str:
    """The split of a report, for its identifier ("CXR1"); raises InputError if there is no such report."""
    try:
        return _splits()[report]
    except KeyError:
        raise InputError(f"no Open-i report {report!r}; identifiers run from CXR1 to CXR3999") from None


def counts() -> pd.DataFrame:
    """Distinct wordings for each finding (the index): columns of counts.

    ``corpus``: sentences that assert exactly this finding and hedge about none; the splits' names: wordings that
    ``compose`` draws from; ``phrases_<split>``: those that ``test_phrase`` draws from.
    """
    rows = {}
    for finding in LESIONS:
        every = {s.text for s in corpus() if not s.hedged and [fact.finding for fact in s.asserted] == [finding]}
        rows[finding] = {"corpus": len(every)}
        rows[finding] |= {split: len(_assertions(split)[finding]) for split in SPLITS}
        rows[finding] |= {f"phrases_{split}": len(_phrases(finding, split)) for split in SPLITS if split != "train"}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("finding")


# Writing --------------------------------------------------------------------------------------------------------------


def _draw_findings(most: int, rng: np.random.Generator) -> tuple[str, ...]:
    """One to ``most`` different findings, by NUMBER_SHARES and FINDING_SHARES."""
    shares = np.array(NUMBER_SHARES[:most])
    number = 1 + rng.choice(len(shares), p=shares / shares.sum())
    return tuple(rng.choice(list(FINDING_SHARES), size=number, replace=False, p=list(FINDING_SHARES.values())).tolist())


def _draw_device(stock: _Stock, shares: TextShares, rng: np.random.Generator) -> str:
    """A kind of device that the text shall name, of those the split has sentences about; or ""."""
    kinds = [kind for kind, sentences in stock.devices.items() if sentences]
    return kinds[rng.integers(len(kinds))] if rng.random() < shares.device else ""


def _choose(sentences: Sequence[Sentence], finding: str, shares: TextShares, rng: np.random.Generator) -> Sentence:
    """One sentence that asserts ``finding``, by the shares of synonyms and of XXXX.

    Where no sentence has the wording asked for, any will do.
    """
    synonym = rng.random() < shares.synonym
    worded = [sentence for sentence in sentences if has_keyword(sentence.text, finding) != synonym] or sentences
    return _pick(worded, shares, rng)


def _pick(sentences: Sequence[Sentence], shares: TextShares, rng: np.random.Generator) -> Sentence:
    """One sentence, with or without XXXX as ``shares.anonymised`` has it, if there is such a one."""
    marked = rng.random() < shares.anonymised
    preferred = [sentence for sentence in sentences if ("XXXX" in sentence.text) == marked] or sentences
    return preferred[rng.integers(len(preferred))]


def _shown(sentence: Sentence) -> Fact:
    """What an image must show for an assertion to be true of it: a pneumothorax of less than 2 cm is a small one."""
    fact = sentence.asserted[0]
    narrow = fact.finding == "Pneumothorax" and not fact.severity and lexicon.NARROW.search(sentence.text.lower())
    return replace(fact, severity="small") if narrow else fact


def _says_no_more(said: Fact, fact: Fact) -> bool:
    """Whether what a sentence says of place and size is open or the same in ``fact``."""
    pairs = ((said.side, fact.side), (said.zone, fact.zone), (said.severity, fact.severity))
    return all(word in ("", known) for word, known in pairs)


def _body(
    facts: tuple[Fact, ...], chosen: tuple[Sentence, ...], shares: TextShares, split: str, rng: np.random.Generator
) -> list[Sentence]:
    """The sentences about what is drawn, less those the text is silent about."""
    if not facts:
        return _nothing(shares, split, rng)
    mentioned = [index for index in range(len(facts)) if rng.random() >= shares.silent]
    if not mentioned and len(facts) > 1:
        mentioned = [int(rng.integers(len(facts)))]
    if shares.source == "reports":
        return [chosen[index] for index in mentioned]
    if shares.source == "labels":
        text = ", ".join(facts[index].finding for index in mentioned)
        return [Sentence("", text, ())] if mentioned else []
    # One remark ("clinical correlation recommended") an impression, at its end.
    return [
        Sentence("", write_fact(facts[index], rng, remark=index == mentioned[-1]), (facts[index],))
        for index in mentioned
    ]


def _nothing(shares: TextShares, split: str, rng: np.random.Generator) -> list[Sentence]:
    """A No Finding text: the two words, a composed normal impression, or one or two real normal sentences."""
    if shares.source == "composed":
        return [Sentence("", write_nothing(rng), ())]
    if shares.source == "labels" or rng.random() < NO_FINDING_LABEL_SHARE:
        return [Sentence("", NO_FINDING, ())]
    normal = _negations(split, frozenset())
    return [_pick(normal, shares, rng) for _ in range(rng.integers(1, 3))]


def _distractors(
    facts: tuple[Fact, ...],
    body: list[Sentence],
    device: str,
    shares: TextShares,
    split: str,
    rng: np.random.Generator,
) -> list[Sentence]:
    """Negated, device and comparison sentences that agree with what is drawn; none after the words "No Finding"."""
    if [sentence.text for sentence in body] == [NO_FINDING]:
        return []
    stock, negations = _stock(split), _negations(split, frozenset(fact.finding for fact in facts))
    pools = [negations] * _repeats(shares.negated, rng) + [stock.comparisons] * _repeats(shares.comparison, rng)
    if stock.devices.get(device):
        pools.append(stock.devices[device])
    if not body and not pools:  # silent about everything: something must be said
        pools.append(negations)
    extra: list[Sentence] = []
    for pool in pools:
        sentence = _pick(pool, shares, rng)
        words = sum(len(s.text.split()) for s in (*body, *extra, sentence))
        if words <= MAX_WORDS and sentence not in (*body, *extra):
            extra.append(sentence)
    return extra


def _repeats(share: float, rng: np.random.Generator) -> int:
    """0, 1 or 2: each with probability ``share`` after the one before."""
    return 0 if rng.random() >= share else 1 + int(rng.random() < share)


def _assemble(body: list[Sentence], extra: list[Sentence], rng: np.random.Generator) -> str:
    """Findings, negations and devices in any order; comparisons last, now and then first, as reports have them."""
    middle = [*body, *(sentence for sentence in extra if sentence.facts or sentence.device)]
    order = [middle[index] for index in rng.permutation(len(middle))]
    for sentence in extra:
        if not (sentence.facts or sentence.device):
            order.insert(0 if rng.random() < 0.25 else len(order), sentence)
    if len(order) == 1:
        return order[0].text
    return " ".join(sentence.text.rstrip(".") + "." for sentence in order)


# The stock of sentences -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Stock:
    """A split's sentences, distinct, in the order of the corpus."""

    assertions: dict[str, tuple[Sentence, ...]]
    negations: tuple[Sentence, ...]
    devices: dict[str, tuple[Sentence, ...]]
    comparisons: tuple[Sentence, ...]


def _usable(sentence: Sentence) -> bool:
    """Whether all that the sentence says can be drawn or is a negation."""
    return not (sentence.hedged or sentence.other) and len(sentence.text.split()) <= MAX_SENTENCE_WORDS


def _assertion(sentence: Sentence) -> str:
    """The one finding that a usable sentence asserts, without contradicting itself; else ""."""
    if not _usable(sentence) or sentence.device or len(sentence.asserted) != 1:
        return ""
    finding = sentence.asserted[0].finding
    return "" if _contradicts(sentence, {finding}) else finding


def _is_phrase(sentence: Sentence, finding: str) -> bool:
    """Whether an assertion can be a test phrase: short, located, nothing negated, no keyword of another finding."""
    others = (name for name in LESIONS if name != finding)
    fact = sentence.asserted[0]
    return (
        len(sentence.facts) == 1
        and bool(fact.side or fact.zone or finding in ("Cardiomegaly", "Edema"))
        and len(sentence.text.split()) <= MAX_PHRASE_WORDS
        and not any(has_keyword(sentence.text, name) for name in others)
    )


@cache
def _clauses() -> tuple[Sentence, ...]:
    """Clauses that alone say what the sentence they are cut from says there, as curated phrases are cut from reports.

    "Moderate cardiomegaly with small bilateral pleural effusions." gives two. A clause must say where or how much.
    """
    found = []
    for sentence in corpus():
        if not sentence.asserted or _assertion(sentence):
            continue
        for part in _CLAUSE.split(sentence.text.rstrip(".")):
            clause = replace(analyse(part.strip() + "."), report=sentence.report)
            if not (finding := _assertion(clause)) or not _is_phrase(clause, finding) or _FRAGMENT.search(part.strip()):
                continue
            fact = clause.asserted[0]
            if fact in sentence.facts and (fact.side or fact.zone or fact.severity):
                found.append(replace(clause, text=clause.text[0].upper() + clause.text[1:]))
    return tuple(found)


def _contradicts(sentence: Sentence, drawn: Collection[str]) -> bool:
    """Whether the sentence negates what one of the drawn findings would show."""
    return any(not CONTRADICTED[name].isdisjoint(drawn) for name in sentence.denied)


def _agreeing(sentences: Sequence[Sentence], drawn: Collection[str]) -> list[Sentence]:
    """The sentences that contradict none of the drawn findings."""
    return [sentence for sentence in sentences if not _contradicts(sentence, drawn)]


@cache
def _splits() -> dict[str, str]:
    """Report -> split, by the rule of the module's docstring."""
    texts: dict[str, set[str]] = {name: set() for name in LESIONS}
    held: dict[str, list[Sentence]] = {report.identifier: [] for report in reports()}
    for sentence in _wordings():
        held[sentence.report].append(sentence)
        texts[sentence.asserted[0].finding].add(_key(sentence))

    def rank(sentence: Sentence) -> tuple[int, int, str, str]:
        fact = sentence.asserted[0]
        unfit = 2 * (not _is_phrase(sentence, fact.finding)) + ("XXXX" in sentence.text)
        return len(texts[fact.finding]), unfit, fact.side, fact.zone

    ranks = {report: min(map(rank, sentences), default=(0, 0, "", "")) for report, sentences in held.items()}
    groups: dict[tuple[int, int], list[str]] = {}
    for report in sorted(ranks, key=lambda report: (ranks[report], _digest(report))):
        groups.setdefault(ranks[report][:2], []).append(report)
    return {report: DEAL[index % len(DEAL)] for members in groups.values() for index, report in enumerate(members)}


def _key(sentence: Sentence) -> str:
    """What makes two wordings the same: the text but for case and the final stop."""
    return sentence.text.lower().rstrip(".")


@cache
def _assertions(split: str) -> dict[str, tuple[Sentence, ...]]:
    """Finding -> the split's distinct wordings that assert it and nothing else."""
    held: dict[str, dict[str, Sentence]] = {name: {} for name in LESIONS}
    for sentence in _wordings():
        if report_split(sentence.report) == split and _owners()[_key(sentence)] == split:
            held[sentence.asserted[0].finding].setdefault(_key(sentence), sentence)
    return {name: tuple(wordings.values()) for name, wordings in held.items()}


@cache
def _wordings() -> tuple[Sentence, ...]:
    """All assertions: whole sentences, then clauses."""
    return tuple(sentence for sentence in (*corpus(), *_clauses()) if _assertion(sentence))


@cache
def _owners() -> dict[str, str]:
    """Wording -> the one split that may use it."""
    holders: dict[str, list[str]] = {}
    for sentence in _wordings():
        holders.setdefault(_key(sentence), []).append(report_split(sentence.report))
    return {key: splits[int(_digest(key), 16) % len(splits)] for key, splits in holders.items()}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def _stock(split: str) -> _Stock:
    """The sentences of a split, sorted by what they are for; InputError for an unknown split."""
    if split not in SPLITS:
        raise InputError(f"unknown split {split!r}; known: {', '.join(SPLITS)}")
    devices: dict[str, list[Sentence]] = {name: [] for name in lexicon.DEVICES}
    negations: list[Sentence] = []
    comparisons: list[Sentence] = []
    seen: set[str] = set()
    for sentence in corpus():
        key = _key(sentence)
        if report_split(sentence.report) != split or key in seen or not _usable(sentence):
            continue
        seen.add(key)
        if sentence.device:
            # A side, which an image's device need not have, is left to sentences about findings.
            if not sentence.facts and not re.search(r"\b(?:left|right)\b(?! atri| ventr)", key):
                devices[sentence.device].append(sentence)
        elif sentence.facts and not sentence.asserted:
            negations.append(sentence)
        elif compares(sentence):
            comparisons.append(sentence)
    return _Stock(
        _assertions(split),
        tuple(negations),
        {name: tuple(held) for name, held in devices.items()},
        tuple(comparisons),
    )


@cache
def _negations(split: str, drawn: frozenset[str]) -> tuple[Sentence, ...]:
    """The split's negated and normal sentences that contradict none of the drawn findings."""
    return tuple(_agreeing(_stock(split).negations, drawn))


@cache
def _phrases(finding: str, split: str) -> tuple[Sentence, ...]:
    """What ``test_phrase`` chooses among: without XXXX if MIN_PHRASES or more are."""
    stock = _stock(split)
    if finding == NO_FINDING:
        held = [s for s in stock.negations if s.denied >= set(LESIONS) - {"Cardiomegaly"}]
    else:
        held = [s for s in stock.assertions[finding] if _is_phrase(s, finding)]
    plain = [s for s in held if "XXXX" not in s.text]
    return tuple(plain if len(plain) >= MIN_PHRASES else held)
