"""How well ``plainsight.worlds.sentences`` reads Open-i: a sample of sentences, labels made by reading, the agreement.

    python benchmarks/parser_quality.py draw       # prints the sample, to be read and labelled
    python benchmarks/parser_quality.py measure    # prints where parser and labels differ; writes the agreement

The sample is drawn by crude word searches, so that the parser has no say in what it is tested on. A sentence is named
by its report and its place among the report's sentences (from 0; findings, then impression), never by its text.
"""

from __future__ import annotations

import argparse
import re
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pandas as pd
from scipy.stats import binomtest

from plainsight import seeding
from plainsight.files import atomic
from plainsight.worlds.reports import reports, split_sentences
from plainsight.worlds.sentences import LESIONS, Sentence, analyse

RESULTS = Path(__file__).parent / "results"
PAIR = ["asserted", "negated", "normal", "hedged", "parsed_asserted", "parsed_negated"]
PAIR += ["side", "severity", "parsed_side", "parsed_severity"]
Key = tuple[str, int]
"""A sentence: its report, and its place among the report's sentences."""

FINDING_WORDS = {
    "Atelectasis": r"\batel|collaps|volume loss",
    "Cardiomegaly": r"cardiomeg|enlarg|(?:heart|cardiac).*\blarge",
    "Consolidation": r"consolid",
    "Edema": r"edema|congest|failure|overload|kerley|chf",
    "Lung Opacity": r"opaci|infiltrat|air ?-?space|densit|\bhaz[ye]",
    "Pleural Effusion": r"effusion|fluid|blunt",
    "Pneumonia": r"pneumonia|pneumonic|infect",
    "Pneumothorax": r"pneumothora",
}
ANY = "|".join(FINDING_WORDS.values())
NEGATION = r"\b(?:no|not|nor|without|free|negative|absen[a-z]+|clear[a-z]*|resol[a-z]+|normal)\b"
HEDGE = (
    r"\b(?:may|might|could|possibl[a-z]+|question[a-z]*|cannot|exclu[a-z]+|versus|vs|suspicio[a-z]+|suspect[a-z]*"
    r"|concern[a-z]*|borderline|likely|probabl[a-z]+|correlat[a-z]+|differential|suggest[a-z]*|consider[a-z]*)\b"
)
RARE = ("Consolidation", "Edema", "Pneumonia", "Pneumothorax")
TRICKY = {
    "turning": rf"(?=.*(?:{ANY}))(?=.*{NEGATION}).*\b(?:but|with|which|however|except|other than|although|while)\b",
    "three words": rf"(?:{ANY}).*(?:{ANY}).*(?:{ANY})",
    "two sides": rf"(?=.*(?:{ANY}))(?=.*\bleft).*\bright",
    "change": rf"(?=.*(?:{ANY})).*(?:resol[uv]|improv|clear(?:ing|ed)|creas|longer|chang|new\b)",
    "long": rf"(?=.*(?:{ANY}))(?:\S+ ){{28}}",
    "masked": rf"(?=.*(?:{ANY})).*(?:xxxx.*){{2}}",
    "past": rf"(?=.*(?:{ANY})).*\b(?:history|prior|previous|old|status post|since)\b",
}


@cache
def texts() -> dict[Key, str]:
    """(report, place in it) -> sentence, for every sentence of Open-i, numbered in the order of ``corpus``."""
    return {
        (report.identifier, place): text
        for report in reports()
        for place, text in enumerate(split_sentences(report.findings) + split_sentences(report.impression))
    }


@cache
def sample() -> dict[Key, str]:
    """(report, place) -> stratum of the sentences to be labelled; no wording twice, each at its first place.

    Strata: "ordinary", uniform over all wordings; a finding "+" where its word occurs without a negation and "-" with
    one; "hedged"; the kinds of ``TRICKY``; a rare finding "plain", without a negation or a hedge; "normal", a word of
    normality and none of a finding.
    """
    first: dict[str, Key] = {}
    for key, text in texts().items():
        first.setdefault(text.lower(), key)
    wanted = {"ordinary": (40, r"")}
    for finding, words in FINDING_WORDS.items():
        wanted[f"{finding} +"] = (10, rf"(?!.*{NEGATION}).*(?:{words})")
        wanted[f"{finding} -"] = (5, rf"(?=.*{NEGATION}).*(?:{words})")
    wanted["hedged"] = (24, rf"(?=.*(?:{ANY})).*{HEDGE}")
    wanted |= {name: (8, pattern) for name, pattern in TRICKY.items()}
    for finding in RARE:
        wanted[f"{finding} plain"] = (8, rf"(?!.*{NEGATION})(?!.*{HEDGE}).*(?:{FINDING_WORDS[finding]})")
    wanted["normal"] = (16, rf"(?!.*(?:{ANY})).*(?:normal|clear|unremarkable|within)")
    drawn: dict[Key, str] = {}
    for stratum, (number, pattern) in wanted.items():
        held = [key for text, key in first.items() if key not in drawn and re.match(pattern, text)]
        rng = seeding.numpy_generator(0, "parser quality", stratum)
        drawn |= {held[index]: stratum for index in rng.choice(len(held), number, replace=False)}
    return drawn


def draw() -> None:
    """Print the sample in an order that tells nothing of the strata."""
    for key in sorted(sample()):
        print(*key, texts()[key], sep="\t")


def labels() -> pd.DataFrame:
    """The labels, a row a finding mentioned; ``results/README.md`` has their rules."""
    return pd.read_csv(RESULTS / "parser_labels.csv", keep_default_na=False)


def compare(read: pd.DataFrame, parsed: Mapping[Key, Sentence]) -> pd.DataFrame:
    """What labels and parser say of each (report, place, finding), the index, that either of them speaks of.

    Columns: True or False for each status that was read (``asserted``, ``negated``, ``normal``, ``hedged``) and that
    the parser gave (``parsed_asserted``, ``parsed_negated``); ``side`` and ``severity`` of what is asserted, and the
    parser's, False where nothing is; ``differs``: asserted or negated by one alone, or another side.
    """
    pairs: dict[tuple[str, int, str], dict[str, object]] = defaultdict(lambda: dict.fromkeys(PAIR, False))
    for row in read[read["finding"] != ""].itertuples():
        pair = pairs[row.report, row.sentence, row.finding]
        pair[row.status] = True
        if row.status == "asserted":
            pair |= {"side": row.side, "severity": row.severity}
    for key, sentence in parsed.items():
        for fact in sentence.facts:
            pair = pairs[*key, fact.finding]
            pair["parsed_negated" if fact.negated else "parsed_asserted"] = True
            if not fact.negated:
                pair |= {"parsed_side": fact.side, "parsed_severity": fact.severity}
    table = pd.DataFrame.from_dict(pairs, orient="index", columns=PAIR).rename_axis(["report", "sentence", "finding"])
    table["differs"] = (
        (table["asserted"] != table["parsed_asserted"])
        | ((table["negated"] | table["normal"]) != table["parsed_negated"])
        | (table["side"] != table["parsed_side"])
    )
    return table.sort_index()


def agreement(pairs: pd.DataFrame, parsed: Mapping[Key, Sentence]) -> pd.DataFrame:
    """Shares with their 95 % Wilson intervals, over the sentences of ``parsed`` and their ``pairs``.

    asserted, negated: precision and recall; negations that statements of normality imply are right where labelled so,
    and their recall is that of ``normal``. hedged: pairs left open of which the parser states nothing. side, severity:
    of what both assert. Of sentences: those that the parser calls hedged, and those of which no pair differs.
    """
    negated, both = pairs["negated"] | pairs["normal"], pairs["asserted"] & pairs["parsed_asserted"]
    stated = pairs["parsed_asserted"] | pairs["parsed_negated"]
    measures = {
        "asserted precision": (pairs["parsed_asserted"], both),
        "asserted recall": (pairs["asserted"], both),
        "negated precision": (pairs["parsed_negated"], pairs["parsed_negated"] & negated),
        "negated recall": (pairs["negated"], pairs["negated"] & pairs["parsed_negated"]),
        "normal recall": (pairs["normal"], pairs["normal"] & pairs["parsed_negated"]),
        "hedged left open": (pairs["hedged"], pairs["hedged"] & ~stated),
        "side": (both, both & (pairs["side"] == pairs["parsed_side"])),
        "severity": (both, both & (pairs["severity"] == pairs["parsed_severity"])),
    }
    finding = pairs.index.get_level_values("finding")
    rows = []
    for measure, (among, right) in measures.items():
        rows.append((measure, "all", right.sum(), among.sum()))
        rows += [(measure, name, right[finding == name].sum(), among[finding == name].sum()) for name in LESIONS]
    hedged = {key[:2] for key in pairs.index[pairs["hedged"]]}
    flagged = {key for key, sentence in parsed.items() if sentence.hedged}
    differing = {key[:2] for key in pairs.index[pairs["differs"]]}
    rows += [
        ("hedged sentence precision", "all", len(hedged & flagged), len(flagged)),
        ("hedged sentence recall", "all", len(hedged & flagged), len(hedged)),
        ("whole sentence", "all", len(parsed.keys() - differing), len(parsed)),
    ]
    columns = ["measure", "finding", "correct", "n", "share", "low", "high"]
    return pd.DataFrame([(*row, *wilson(*row[2:])) for row in rows if row[3]], columns=columns)


def wilson(correct: int, n: int) -> tuple[float, ...]:
    """A share and the bounds of its 95 % interval (Wilson, J Am Stat Assoc 1927), to three places."""
    interval = binomtest(int(correct), int(n)).proportion_ci(method="wilson")
    return tuple(round(float(share), 3) for share in (correct / n, interval.low, interval.high))


def in_phantom_texts(said: Sentence) -> bool:
    """Whether phantom texts may hold the sentence whole, by what the parser says of it."""
    return bool(said.facts) and len(said.asserted) <= 1 and not (said.hedged or said.other or said.device)


def quality() -> pd.DataFrame:
    """``agreement`` over the sample and over parts of it.

    Parts: ``ordinary``, the stratum drawn from all wordings alike; ``certain``, without the sentences that have a
    doubtful label; ``phantom``, those that phantom texts are made of: the parser finds at most one finding asserted, no
    hedge, no device and nothing that the phantom does not draw.
    """
    read = labels()
    parsed = {key: analyse(texts()[key]) for key in sample()}
    doubtful = set(read[read["doubtful"] != ""][["report", "sentence"]].itertuples(index=False, name=None))
    parts = {
        "all": set(parsed),
        "certain": parsed.keys() - doubtful,
        "ordinary": {key for key, stratum in sample().items() if stratum == "ordinary"},
        "phantom": {key for key, said in parsed.items() if in_phantom_texts(said)},
    }
    pairs = compare(read, parsed)
    tables = []
    for part, keys in parts.items():
        held = pairs[[key[:2] in keys for key in pairs.index]]
        table = agreement(held, {key: parsed[key] for key in keys})
        table.insert(0, "sentences", part)
        tables.append(table if part == "all" else table[table["finding"] == "all"])
    return pd.concat(tables, ignore_index=True)


def measure() -> None:
    """Print the pairs on which labels and parser differ, and write ``results/parser_quality.csv``."""
    pairs = compare(labels(), {key: analyse(texts()[key]) for key in sample()})
    for key, pair in pairs[pairs["differs"] | (pairs["severity"] != pairs["parsed_severity"])].iterrows():
        print(*key, *(name if said is True else f"{name}={said}" for name, said in pair.items() if said), sep="\t")
    with atomic(RESULTS / "parser_quality.csv") as path:
        quality().to_csv(path, index=False, lineterminator="\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("draw", "measure"))
    {"draw": draw, "measure": measure}[parser.parse_args().what]()


if __name__ == "__main__":
    main()
