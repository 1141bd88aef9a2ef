"""The 3,955 Open-i chest radiograph reports that travel inside the torchxrayvision package, and their sentences.

The archive is read where the package lies, without importing the package (its import loads torch). Demner-Fushman et
al., "Preparing a collection of radiology examinations for distribution and retrieval", JAMIA 2016; CC BY-NC-ND, so that
no text of it is copied into this repository.
"""

from __future__ import annotations

import importlib.util
import re
import tarfile
import xml.etree.ElementTree as ElementTree
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from plainsight.errors import InputError

ARCHIVE = "NLMCXR_reports.tgz"
RELEASE = 3955


@dataclass(frozen=True)
class Report:
    """One report: identifier (``CXR1`` ... ``CXR3999``) and the text of two sections, "" where absent."""

    identifier: str
    findings: str
    impression: str


def package_data() -> Path:
    """Folder ``data`` of the installed torchxrayvision package; raises InputError if it is not installed."""
    spec = importlib.util.find_spec("torchxrayvision")
    if spec is None or spec.origin is None:
        raise InputError(
            "the package torchxrayvision, which carries the Open-i reports, is not installed: pip install it"
        )
    return Path(spec.origin).parent / "data"


@cache
def reports() -> tuple[Report, ...]:
    """All 3,955 reports, ordered by number, read once a process (about a second).

    Raises InputError for an archive that is missing or damaged, or holds another number of different reports.
    """
    archive = package_data() / ARCHIVE
    if not archive.is_file():
        raise InputError(f"{archive}: no such file; reinstall torchxrayvision")
    found: dict[int, Report] = {}
    try:
        with tarfile.open(archive) as tar:
            for count, member in enumerate((one for one in tar if one.name.endswith(".xml")), start=1):
                report = _checked(tar.extractfile(member).read(), f"{archive}: report {count}")
                found[int(report.identifier.removeprefix("CXR"))] = report
    except (tarfile.TarError, EOFError, zlib.error, OSError):
        raise InputError(f"{archive}: is truncated or no archive; reinstall torchxrayvision") from None
    if len(found) != RELEASE:
        raise InputError(
            f"{archive}: expected {RELEASE:,} reports, found {len(found):,} different ones; reinstall torchxrayvision"
        )
    return tuple(report for _, report in sorted(found.items()))


def _checked(xml: bytes, where: str) -> Report:
    try:
        report = read_report(xml)
    except (ElementTree.ParseError, AttributeError):
        raise InputError(f"{where} is not in the XML of Open-i; reinstall torchxrayvision") from None
    if not re.fullmatch(r"CXR\d+", report.identifier or ""):
        raise InputError(f"{where} has no identifier such as CXR1; reinstall torchxrayvision")
    return report


def read_report(xml: bytes) -> Report:
    """One report from its XML; white space is collapsed to single spaces."""
    root = ElementTree.fromstring(xml)
    sections = {node.get("Label"): " ".join((node.text or "").split()) for node in root.iter("AbstractText")}
    return Report(root.find("uId").get("id"), sections.get("FINDINGS", ""), sections.get("IMPRESSION", ""))


# A full stop ends a sentence unless it belongs to a decimal (1.2 cm), a list mark (2.), or an abbreviation.
_LIST_MARK = re.compile(r"(?:(?<=^)|(?<=[.:;?!] )|(?<=[a-zX] ))\d{1,2}[.)]\s*(?=[A-Za-z])")
_BOUNDARY = re.compile(r"(?<!\bDr)(?<!\bvs)(?<!\bi\.e)(?<!\be\.g)(?<!\bapprox)[.?!]+(?:\s+|(?=[A-Z][a-z]))|\s*\n\s*")


def split_sentences(text: str) -> list[str]:
    """Sentences of a section, in order, each ending in one full stop.

    Decimals ("1.2 cm"), list marks ("1. ... 2. ...", dropped) and the anonymisation mark "XXXX", which may stand for a
    word, a date or the end of a sentence, are respected. Fragments without a letter are dropped.
    """
    text = _LIST_MARK.sub("\n", text)
    parts = (part.strip(" .,;:-?!") for part in _BOUNDARY.split(text))
    return [part + "." for part in parts if re.search(r"[A-Za-z]{2}", part)]
