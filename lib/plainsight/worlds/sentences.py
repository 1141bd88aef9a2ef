"""Facts in a report sentence: which finding, where, how severe, asserted or negated; and the sentences of Open-i.

Rules in the manner of NegEx (Chapman et al., J Biomed Inform 2001) and of the CheXpert labeler (Irvin et al., AAAI
2019): words that mention a finding, triggers before and after them, words that end a trigger's reach
(``plainsight.worlds.lexicon``). What counts as a mention, beyond the keywords of seed 000's Table 9:

================  ====================================================================================================
Atelectasis       collapse of a lung or lobe, volume loss
Cardiomegaly      a heart, cardiac or cardiomediastinal silhouette that is enlarged, large, or increased in size
Consolidation     its own word only: "airspace disease" and "infiltrate" are Lung Opacity, as in CheXpert
Edema             vascular or pulmonary congestion, heart failure, CHF, fluid overload, Kerley lines
Lung Opacity      airspace disease, infiltrate, hazy or patchy or streaky densities; not nodules, masses, calcium, metal
Pleural Effusion  pleural fluid, and a blunted costophrenic angle or sulcus
Pneumonia         infection, infectious process or infiltrate, bronchopneumonia
Pneumothorax      its own word; hydropneumothorax is Pneumothorax and Pleural Effusion
================  ====================================================================================================

Statements of normality negate what they cover: "lungs are clear" the five parenchymal findings, "heart size is normal"
Cardiomegaly, "vascularity is normal" Edema, "no acute cardiopulmonary disease" all but Cardiomegaly (which is seldom
acute), "normal chest" all eight.

Certainty. "Likely", "probable", "consistent with" and "suggesting" lean towards the finding and count as asserted, also
where anonymisation hides the word ("XXXX representing"). "May", "could", "possible", "versus", "or", "cannot be
excluded", "suspicious for", "borderline", a history of something and advice to look for it commit to nothing: they give
no fact, and the sentence is ``hedged``; so is one that asserts and negates the same finding. What "has resolved" is
negated. "Opacity representing atelectasis" is one finding, atelectasis.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache

from plainsight.worlds import FINDINGS, KEYWORDS, lexicon
from plainsight.worlds.reports import reports, split_sentences

LESIONS = tuple(name for name in FINDINGS["phantom"] if name != "No Finding")


@dataclass(frozen=True)
class Fact:
    """One finding, asserted or negated; "" where the text leaves something open. Sides are the patient's.

    side: "left" | "right" | "both" | ""; zone: "upper" | "middle" | "lower" | "apical" | "basal" | "retrocardiac" |
    "perihilar" | "diffuse" | ""; severity: "trace" | "small" | "moderate" | "large" | "".
    """

    finding: str
    side: str = ""
    zone: str = ""
    severity: str = ""
    negated: bool = False


@dataclass(frozen=True)
class Sentence:
    """A report's sentence and what it says.

    ``hedged``: it mentions a finding without committing to it, or spreads one over zones that a Fact cannot hold.
    ``other``: it speaks of what the phantom does not draw (nodules, fractures, scars, surgery ...).
    ``device``: the kind of ``lexicon.DEVICES`` that it says is there, else "".
    """

    report: str
    text: str
    facts: tuple[Fact, ...]
    hedged: bool = False
    other: bool = False
    device: str = ""

    @property
    def asserted(self) -> tuple[Fact, ...]:
        """The facts that are not negated."""
        return tuple(fact for fact in self.facts if not fact.negated)

    @property
    def denied(self) -> frozenset[str]:
        """The findings that are negated."""
        return frozenset(fact.finding for fact in self.facts if fact.negated)


def compares(sentence: Sentence) -> bool:
    """Whether a sentence only compares with another study or advises, and says nothing about findings."""
    words = re.findall(r"[a-z][a-z'-]*", sentence.text.lower())
    return (
        not (sentence.facts or sentence.hedged or sentence.other or sentence.device)
        and lexicon.COMPARISON_WORDS.issuperset(words)
        and bool(lexicon.COMPARES.search(sentence.text.lower()))
    )


def has_keyword(text: str, finding: str) -> bool:
    """Whether ``text`` contains a keyword of ``finding`` (Table 9 of seed 000)."""
    lower = text.lower()
    return any(word in lower for word in KEYWORDS[finding])


def parse(text: str) -> tuple[Fact, ...]:
    """Facts of a text of one or more sentences, in order, each once. Hedged mentions give none."""
    return tuple(dict.fromkeys(fact for sentence in split_sentences(text) for fact in analyse(sentence).facts))


@cache
def corpus() -> tuple[Sentence, ...]:
    """Every sentence of FINDINGS and IMPRESSION of every Open-i report, analysed once a process (seconds)."""
    return tuple(
        replace(analyse(text), report=report.identifier)
        for report in reports()
        for section in (report.findings, report.impression)
        for text in split_sentences(section)
    )


@cache
def analyse(text: str) -> Sentence:
    """What one sentence says; ``report`` is left empty."""
    plain = " ".join(re.sub(r"[- ]sided\b", "", text.lower()).split()).rstrip(".")
    # A pseudo-negation is blanked at its length, so that places in both strings agree.
    scope = lexicon.PSEUDO.sub(lambda match: "~" * len(match.group()), plain)
    mentions = _mentions(plain)
    facts: list[Fact] = []
    hedged = False
    for index, mention in enumerate(mentions):
        status = _status(scope, mentions, index)
        if status == "hedged":
            hedged = True
            continue
        fact, scattered = _located(mention, _region(plain, mentions, index), negated=status == "negated")
        hedged |= scattered and not fact.negated
        facts.append(fact)
        if plain.startswith("hydro", mention.start):
            facts.append(replace(fact, finding="Pleural Effusion", zone=""))
    facts, split = _united(facts)
    asserted = {fact.finding for fact in facts if not fact.negated}
    facts += _normal(plain)
    hedged |= split or any(fact.negated and fact.finding in asserted for fact in facts)
    named, device = _device(plain)
    rest = lexicon.DEVICE_PLACES.sub("", plain) if device else plain
    other = bool(lexicon.OTHER.search(rest)) or (named and not device)
    return Sentence("", text, tuple(dict.fromkeys(facts)), hedged, other, device)


@dataclass(frozen=True)
class _Mention:
    finding: str
    start: int
    end: int


def _mentions(plain: str) -> list[_Mention]:
    """Findings named in the sentence, in order; opacities that are something else or describe another are left out."""
    found: list[_Mention] = []
    for match in lexicon.MENTION.finditer(plain):
        finding = LESIONS[int(match.lastgroup[1:])]
        if finding == "Lung Opacity" and lexicon.NOT_OPACITY.search(plain[: match.start()]):
            continue
        found.append(_Mention(finding, match.start(), match.end()))
    merged: list[_Mention] = []
    for mention in found:
        if (
            merged
            and merged[-1].finding == "Lung Opacity"
            and _describes(plain[merged[-1].end : mention.start], mention)
        ):
            merged[-1] = _Mention(mention.finding, merged[-1].start, mention.end)
        else:
            merged.append(mention)
    return merged


def _describes(between: str, mention: _Mention) -> bool:
    """Whether the text between an opacity and a mention makes the one a description of the other."""
    if mention.finding == "Lung Opacity" and len(between) < 3:
        return True
    of_the_lung = mention.finding in (*lexicon.PARENCHYMAL, "Pleural Effusion")
    return of_the_lung and bool(lexicon.DESCRIBES.search(between)) and not lexicon.PRE_HEDGE.search(between)


def _status(scope: str, mentions: list[_Mention], index: int) -> str:
    """ "asserted", "negated" or "hedged", from the triggers in the mention's clause."""
    mention = mentions[index]
    breaks = [match.span() for match in lexicon.BREAK.finditer(scope)]
    start = max((end for _, end in breaks if end <= mention.start), default=0)
    end = min((begin for begin, _ in breaks if begin >= mention.end), default=len(scope))
    before, inside, after = scope[start : mention.start], scope[mention.start : mention.end], scope[mention.end : end]
    triggers = list(lexicon.PRE_NEGATION.finditer(before))
    if triggers:
        reach = before[triggers[-1].end() :]
        rest = reach + inside + after
        if not lexicon.AFFIRMS.search(reach) or lexicon.LIST.search(rest):
            near = re.search(r"\b(?:near|partial|incomplete)[a-z ]*$", before[: triggers[-1].start()])
            return "hedged" if near else "negated"
    if re.search(r"\b(?:not|no longer|non)\b", inside) or lexicon.POST_NEGATION.search(after):
        return "negated"
    # "A ... versus B": a hedge behind A may lie just behind the next mention.
    following = mentions[index + 1].start - mention.end + 40 if index + 1 < len(mentions) else len(after)
    doubted = (
        lexicon.PRE_HEDGE.search(lexicon.PRE_HEDGE_EXEMPT.sub(" ", before + inside))
        or "?" in before
        or lexicon.POST_HEDGE.search(after[:following])
    )
    return "hedged" if doubted else "asserted"


def _region(plain: str, mentions: list[_Mention], index: int) -> str:
    """The stretch of text whose adjectives belong to a mention: up to a conjunction between it and its neighbours."""
    start, end = 0, len(plain)
    if index > 0:
        left = mentions[index - 1].end
        start = left + _divide(plain[left : mentions[index].start])
    if index + 1 < len(mentions):
        right = mentions[index].end
        end = right + _divide(plain[right : mentions[index + 1].start])
    return plain[start:end]


def _divide(between: str) -> int:
    """Where the text between two mentions passes from one to the other: at its last conjunction, else at its start."""
    cuts = [
        match.start() for match in re.finditer(r",|;|\band\b|\bwith\b|\bor\b|\bthere\b|\bwithout\b|\bno\b", between)
    ]
    return cuts[-1] if cuts else 0


def _located(mention: _Mention, region: str, negated: bool) -> tuple[Fact, bool]:
    """The fact with its side, zone and severity, and whether the zones named are more than it can hold."""
    if mention.finding == "Cardiomegaly":  # "a slightly large heart" is slight
        return Fact(mention.finding, severity=_severity(re.sub(r"\blarge\b", "", region)), negated=negated), False
    zones = [name for name, pattern in lexicon.ZONES.items() if pattern.search(region)]
    if {"upper", "apical"} >= set(zones) and zones:
        zones = zones[:1]
    if len(zones) > 1 and {"lower", "basal", "retrocardiac"} >= set(zones):
        zones = zones[:1]
    if len(zones) > 1 and zones[-1] == "diffuse":
        zones = ["diffuse"]
    zone = zones[0] if len(zones) == 1 else ""
    return Fact(mention.finding, side_of(region), zone, _severity(region), negated), len(zones) > 1


def side_of(region: str) -> str:
    """ "left", "right", "both" or "" as a stretch of text says; "left greater than right" is both."""
    if lexicon.BOTH_SIDES.search(region):
        return "both"
    text = lexicon.NOT_A_SIDE.sub(" ", region)
    left, right = bool(lexicon.LEFT.search(text)), bool(lexicon.RIGHT.search(text))
    if left != right:
        return "left" if left else "right"
    return "both" if left or lexicon.PLURAL.search(text) else ""


def _united(facts: list[Fact]) -> tuple[list[Fact], bool]:
    """One fact for each finding asserted; True if two mentions of it differ in zone or severity."""
    united: dict[tuple[str, bool], Fact] = {}
    scattered = False
    for fact in facts:
        key = (fact.finding, fact.negated)
        if (first := united.get(key)) is None or fact.negated:
            united.setdefault(key, fact)
            continue
        differ = ((first.zone, fact.zone), (first.severity, fact.severity))
        scattered |= any(one and other and one != other for one, other in differ)
        side = "both" if first.side and fact.side and first.side != fact.side else first.side or fact.side
        zone = (first.zone or fact.zone) if not scattered else ""
        united[key] = Fact(fact.finding, side, zone, first.severity or fact.severity)
    return list(united.values()), scattered


def _severity(region: str) -> str:
    """The severest size named: "small to moderate" is moderate."""
    named = [name for name, pattern in lexicon.SEVERITIES.items() if pattern.search(region)]
    return named[-1] if named else ""


def _normal(plain: str) -> list[Fact]:
    """What statements of normality deny."""
    facts: list[Fact] = []
    if lexicon.NORMAL_HEART.search(plain):
        facts.append(Fact("Cardiomegaly", negated=True))
    for match in lexicon.NORMAL_LUNGS.finditer(plain):
        side = side_of(plain[max(0, match.start() - 6) : match.end()])
        facts += [Fact(name, side.replace("both", ""), negated=True) for name in lexicon.PARENCHYMAL]
    if lexicon.NORMAL_VESSELS.search(plain):
        facts.append(Fact("Edema", negated=True))
    for match in lexicon.NOTHING_ACUTE.finditer(plain):
        if not lexicon.ELSEWHERE.search(match.group()) and (
            not lexicon.ELSEWHERE.search(plain) or lexicon.CHEST.search(match.group())
        ):
            facts += [Fact(name, negated=True) for name in LESIONS if name != "Cardiomegaly"]
    if lexicon.NORMAL_CHEST.search(plain):
        facts += [Fact(name, negated=True) for name in LESIONS]
    return facts


def _device(plain: str) -> tuple[bool, str]:
    """Whether a device is named, and the one kind that is in place; "" for several kinds and for removed ones."""
    kinds = [name for name, pattern in lexicon.DEVICES.items() if pattern.search(plain)]
    return bool(kinds), kinds[0] if len(kinds) == 1 and not lexicon.NOT_IN_PLACE.search(plain) else ""
