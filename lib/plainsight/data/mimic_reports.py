"""The free-text reports of MIMIC-CXR (Johnson et al. 2019), and the impression of each.

A report is cut into sections as MIMIC's own scripts do it: a heading stands at the start of a line, after one space, in
capitals, and ends with a colon; the impression's heading has many spellings. What those scripts settle by hand for some
fifty studies is left out, because it names them.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from plainsight.data.counts import require
from plainsight.data.identifiers import MIMIC_PATIENT, MIMIC_STUDY
from plainsight.data.tables import Missing
from plainsight.errors import InputError

ARCHIVE = "mimic-cxr-reports.zip"
RELEASE = {"reports": 227_835}
SHORTEST = 8
"""Characters: seeds 000 and 001 train on impressions "that have over 7 characters"."""

_HEADING = re.compile(r" ([A-Z ()/,-]+):(\s|$)")
_MEMBER = re.compile(rf"(?:^|/)files/p1\d/p({MIMIC_PATIENT})/s({MIMIC_STUDY})\.txt$")
_IMPRESSIONS = {
    "conclusion",
    "impresson",
    "imprression",
    "imoression",
    "impressoin",
    "imprssion",
    "impresion",
    "imperssion",
    "mpression",
    "impession",
    "ndication",
}
"""Headings that mean the impression and do not contain the word, misspelt ones among them; the last, of one report, is
more likely an indication, but MIMIC's scripts take it so."""


def impression(report: str) -> str:
    """The impression of a report with white space collapsed; "" where it has none.

    Of several sections of that name the last one that is not empty counts.
    """
    texts = [" ".join(text.split()) for heading, text in sections(report) if is_impression(heading)]
    return next(filter(None, reversed(texts)), "")


def is_impression(heading: str) -> bool:
    """Whether a heading, in any case, is one of those that MIMIC's scripts take for the impression."""
    heading = heading.strip().lower()
    return "impression" in heading or heading in _IMPRESSIONS


def sections(report: str) -> list[tuple[str, str]]:
    """(heading, text) of each section, in order; what comes before the first heading is left out.

    The first line is never a heading, nor is one right below a heading that has its line for itself.
    """
    lines = report.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    found: list[tuple[str, list[str]]] = []
    barred = 0
    for number, line in enumerate(lines):
        heading = _HEADING.match(line) if number > barred else None
        if heading is None:
            if found:
                found[-1][1].append(line)
            continue
        found.append((heading[1], [line[heading.end() :]]))
        barred = number + 1 if heading[2] == "" else number
    return [(heading, "\n".join(text)) for heading, text in found]


def read_impressions(folder: Path, studies: pd.DataFrame) -> pd.Series:
    """The impressions of ``studies`` (rows of ``mimic_cxr.read_images``), with their index; "" where there is none.

    The reports lie in ``folder`` as ``mimic-cxr-reports.zip`` or unzipped below ``files/``.

    Raises:
        InputError: neither is there; it is damaged or holds another number of reports than the release; a report is
            missing or is not UTF-8 text.
    """
    with opened(folder) as (_, read):
        texts: dict[str, str] = {}
        for row, patient, study in studies[["patient", "study"]].itertuples():
            if study not in texts:
                texts[study] = impression(read(patient, study, f"the report of metadata row {row}"))
        return studies["study"].map(texts)


@contextmanager
def opened(folder: Path) -> Iterator[tuple[list[tuple[str, str]], Callable[[str, str, str], str]]]:
    """(patient, study) of every report in ``folder``, in order, and a function that gives the report of such a pair.

    The function's third argument is how messages name the report. Raises InputError as ``read_impressions`` does.
    """
    archive = folder / ARCHIVE
    if archive.is_file():
        with _zip(archive) as zipped:
            members = _members(zipped.namelist(), archive)
            require({"reports": len(members)}, RELEASE, folder)
            yield (
                sorted(members),
                lambda patient, study, where: _from_zip(zipped, members.get((patient, study)), archive, where),
            )
        return
    places = folder / "files", folder / "mimic-cxr-reports" / "files"  # where unzipping the archive puts them
    unzipped = next((path for path in places if path.is_dir()), None)
    if unzipped is None:
        raise Missing(f"{folder}: holds no {ARCHIVE} and no files/; see data_manifests/mimic_cxr_reports/README.md")
    found = _members((path.as_posix() for path in unzipped.glob("p1?/p*/s*.txt")), unzipped)
    require({"reports": len(found)}, RELEASE, folder)
    yield sorted(found), lambda patient, study, where: _from_file(found.get((patient, study)), unzipped, where)


def _members(names: Iterable[str], place: Path) -> dict[tuple[str, str], str]:
    """(patient, study) -> name, for every name of a report; raises InputError where a report occurs twice."""
    matches = [match for match in map(_MEMBER.search, names) if match]
    members = {(match[1], match[2]): match.string for match in matches}
    if len(members) < len(matches):
        raise InputError(f"{place}: {len(matches) - len(members):,} reports occur twice; fetch it again")
    return members


@contextmanager
def _zip(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, EOFError):
        raise InputError(f"{path}: is truncated or no zip archive; fetch it again") from None
    with archive:
        yield archive


def _from_zip(archive: zipfile.ZipFile, member: str | None, path: Path, where: str) -> str:
    if member is None:
        raise InputError(f"{path}: {where} is not in the archive; fetch it again")
    try:
        return _decoded(archive.read(member), path, where)
    except (zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError, RuntimeError, OSError):
        raise InputError(f"{path}: {where} is damaged in the archive; fetch it again") from None


def _from_file(path: str | None, folder: Path, where: str) -> str:
    if path is None:
        raise InputError(f"{folder}: {where} is missing; unzip {ARCHIVE} again")
    try:
        return _decoded(Path(path).read_bytes(), folder, where)
    except OSError as error:
        raise InputError(f"{folder}: {where} cannot be read ({error.strerror}); allow it or unzip it again") from None


def _decoded(raw: bytes, place: Path, where: str) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{place}: {where} is not UTF-8 text; fetch it again") from None
