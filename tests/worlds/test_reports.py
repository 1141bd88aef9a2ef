"""The Open-i archive and the splitting of its text. Sentences here are invented; identifiers are real."""

import importlib.util
import io
import subprocess
import sys
import tarfile

import pytest

from plainsight.errors import InputError
from plainsight.worlds import reports as module
from plainsight.worlds.reports import read_report, reports, split_sentences


def test_all_reports_are_read_once_and_in_order():
    found = reports()
    assert len(found) == 3955
    assert found[0].identifier == "CXR1"
    assert found[-1].identifier == "CXR3999"
    assert len({report.identifier for report in found}) == 3955
    assert sum(bool(report.impression) for report in found) > 3900
    assert sum(bool(report.findings) for report in found) > 3400
    assert reports() is found


def test_a_report_is_read_from_its_xml():
    xml = b"""<?xml version="1.0" encoding="utf-8"?><eCitation><uId id="CXR7"/>
    <AbstractText Label="COMPARISON">None.</AbstractText>
    <AbstractText Label="FINDINGS">Heart is big.
       Lungs XXXX.</AbstractText><AbstractText Label="IMPRESSION"/></eCitation>"""
    report = read_report(xml)
    assert (report.identifier, report.findings, report.impression) == ("CXR7", "Heart is big. Lungs XXXX.", "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A nodule of 1.2 cm. Heart normal.", ["A nodule of 1.2 cm.", "Heart normal."]),
        ("1. Small effusion. 2. No edema.", ["Small effusion.", "No edema."]),
        ("1) Small effusion 2) No edema", ["Small effusion.", "No edema."]),
        ("Compared to XXXX. XXXX opacity.", ["Compared to XXXX.", "XXXX opacity."]),
        ("Chest x-XXXX, XXXX: stable", ["Chest x-XXXX, XXXX: stable."]),
        ("Discussed with Dr. XXXX today. Stable.", ["Discussed with Dr. XXXX today.", "Stable."]),
        ("No effusion.Heart is normal.", ["No effusion.", "Heart is normal."]),
        ("Question of edema? Stable!", ["Question of edema.", "Stable."]),
        (" . 3. ", []),
        ("", []),
    ],
)
def test_sentences(text, expected):
    assert split_sentences(text) == expected


def test_splitting_again_changes_nothing():
    for report in reports()[::40]:
        for sentence in split_sentences(report.findings):
            assert split_sentences(sentence) == [sentence]


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="torchxrayvision"):
        module.package_data()


def archive(folder, *texts):
    """The archive with one report a text."""
    with tarfile.open(folder / module.ARCHIVE, "w:gz") as tar:
        for number, text in enumerate(texts):
            member = tarfile.TarInfo(f"ecgen-radiology/{number}.xml")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text))


def xml(identifier):
    return (
        f"<eCitation><uId id='{identifier}'/><AbstractText Label='FINDINGS'>Secret.</AbstractText></eCitation>".encode()
    )


WHOLE = (xml("CXR1"), xml("CXR12"), xml("CXR2"))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "no such file"),
        (lambda path: path.write_bytes(path.read_bytes()[:-30]), "is truncated or no archive"),
        (lambda path: path.write_bytes(b"<html>not found</html>"), "is truncated or no archive"),
        (lambda path: path.write_bytes(b""), "is truncated or no archive"),
        (lambda path: archive(path.parent, *WHOLE[:2]), "expected 3 reports, found 2 different ones"),
        (lambda path: archive(path.parent, *WHOLE, WHOLE[0][:-9]), "report 4 is not in the XML of Open-i"),
        (lambda path: archive(path.parent, WHOLE[0], WHOLE[0], WHOLE[1]), "expected 3 reports, found 2 different ones"),
        (lambda path: archive(path.parent, *WHOLE, xml("CXR3")), "expected 3 reports, found 4 different ones"),
        (lambda path: archive(path.parent, WHOLE[0], b"<eCitation/>"), "report 2 is not in the XML of Open-i"),
        (lambda path: archive(path.parent, b"\xff\xfe" + WHOLE[0]), "report 1 is not in the XML of Open-i"),
        (lambda path: archive(path.parent, xml("MIMIC1")), "report 1 has no identifier such as CXR1"),
    ],
)
def test_a_damaged_archive_is_named(monkeypatch, tmp_path, damage, message):
    monkeypatch.setattr(module, "package_data", lambda: tmp_path)
    monkeypatch.setattr(module, "RELEASE", 3)
    archive(tmp_path, *WHOLE)
    assert [report.identifier for report in reports.__wrapped__()] == ["CXR1", "CXR2", "CXR12"]
    damage(tmp_path / module.ARCHIVE)
    with pytest.raises(InputError) as caught:
        reports.__wrapped__()
    said = str(caught.value)
    assert f"{module.ARCHIVE}: {message}" in said and "Secret" not in said and "\n" not in said


def test_torchxrayvision_is_not_imported():
    code = "import sys; from plainsight.worlds.reports import reports; reports(); print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
