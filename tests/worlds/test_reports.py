"""The Open-i archive and the splitting of its text. Sentences here are invented; identifiers are real."""

import importlib.util
import subprocess
import sys

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


def test_a_missing_archive_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "package_data", lambda: tmp_path)
    with pytest.raises(InputError, match="NLMCXR_reports"):
        reports.__wrapped__()


def test_torchxrayvision_is_not_imported():
    code = "import sys; from plainsight.worlds.reports import reports; reports(); print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
