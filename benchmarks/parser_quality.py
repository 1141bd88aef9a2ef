"""How well ``plainsight.worlds.sentences`` reads Open-i: a sample of sentences, labels made by reading, the agreement.

    python benchmarks/parser_quality.py draw    # prints the sample, to be read and labelled

The sample is drawn by crude word searches, so that the parser has no say in what it is tested on. A sentence is named
by its report and its place among the report's sentences (from 0; findings, then impression), never by its text.
"""

from __future__ import annotations

import argparse
import re
from functools import cache

from plainsight import seeding
from plainsight.worlds.reports import reports, split_sentences

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
def texts() -> dict[tuple[str, int], str]:
    """(report, place in it) -> sentence, for every sentence of Open-i, numbered in the order of ``corpus``."""
    return {
        (report.identifier, place): text
        for report in reports()
        for place, text in enumerate(split_sentences(report.findings) + split_sentences(report.impression))
    }


@cache
def sample() -> dict[tuple[str, int], str]:
    """(report, place) -> stratum of the sentences to be labelled; no wording twice, each at its first place.

    Strata: "ordinary", uniform over all wordings; a finding "+" where its word occurs without a negation and "-" with
    one; "hedged"; the kinds of ``TRICKY``; a rare finding "plain", without a negation or a hedge; "normal", a word of
    normality and none of a finding.
    """
    first: dict[str, tuple[str, int]] = {}
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
    drawn: dict[tuple[str, int], str] = {}
    for stratum, (number, pattern) in wanted.items():
        held = [key for text, key in first.items() if key not in drawn and re.match(pattern, text)]
        rng = seeding.numpy_generator(0, "parser quality", stratum)
        drawn |= {held[index]: stratum for index in rng.choice(len(held), number, replace=False)}
    return drawn


def draw() -> None:
    """Print the sample in an order that tells nothing of the strata."""
    for key in sorted(sample()):
        print(*key, texts()[key], sep="\t")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("draw",))
    {"draw": draw}[parser.parse_args().what]()


if __name__ == "__main__":
    main()
