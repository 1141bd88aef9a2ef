"""Reports of MIMIC-CXR: which lines are headings, which section is the impression, archive or folder, damage."""

from __future__ import annotations

import zipfile

import pytest

from mimic_tree import FILMS, write_counts, write_mimic, write_reports
from plainsight.data import mimic_cxr, mimic_reports
from plainsight.errors import InputError


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        ("REPORT\n \n IMPRESSION:  A film.\n", "A film."),
        ("REPORT\n IMPRESSION: \n \n  One line\n and  another.\n \n And more.", "One line and another. And more."),
        ("REPORT\n FINDINGS: x\n IMPRESSION: y\n RECOMMENDATION(S): z", "y"),
        ("REPORT\n CONCLUSION: y", "y"),
        ("REPORT\n FINDINGS AND IMPRESSION: y", "y"),
        ("REPORT\n FINDINGS/IMPRESSION: y", "y"),
        ("REPORT\n IMPRESSOIN: y", "y"),
        ("REPORT\n NDICATION: y", "y"),  # so in MIMIC's scripts
        ("REPORT\n PRELIMINARY IMPRESSION: y", "y"),
        # Of two the last that is not empty counts.
        ("REPORT\n IMPRESSION: first\n IMPRESSION: second", "second"),
        ("REPORT\n IMPRESSION: first\n IMPRESSION: \n \n", "first"),
        # What is no heading: another case, no space in front, no space behind, a colon in the middle, the first line.
        ("REPORT\n Impression: y", ""),
        ("REPORT\nIMPRESSION: y", ""),
        ("REPORT\n IMPRESSION:y", ""),
        ("REPORT\n IMPRESSION 2: y", ""),
        (" IMPRESSION: y", ""),
        ("REPORT\n FINDINGS: x IMPRESSION: y", ""),
        # Below a heading that has its line for itself the next line is no heading.
        ("REPORT\n FINDINGS:\n IMPRESSION: y\n", ""),
        ("REPORT\n FINDINGS: \n IMPRESSION: y\n", "y"),
        ("REPORT\n FINDINGS:\n \n IMPRESSION: y\n", "y"),
        ("", ""),
        ("Only a sentence.", ""),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_the_impression_of_a_report(report, expected, newline):
    assert mimic_reports.impression(report.replace("\n", newline)) == expected


def test_sections_keep_their_order_and_leave_the_preamble_out():
    report = "FINAL REPORT\n INDICATION: a\n b\n COMPARISON: None.\n FINDINGS (AP, PORTABLE): c\n"
    assert mimic_reports.sections(report) == [
        ("INDICATION", "a\n b"),
        ("COMPARISON", "None."),
        ("FINDINGS (AP, PORTABLE)", "c\n"),
    ]


@pytest.fixture
def images(tmp_path):
    write_mimic(tmp_path / "jpg")
    return mimic_cxr.read_images(tmp_path / "jpg")


@pytest.mark.parametrize(("zipped", "newline"), [(True, "\n"), (False, "\n"), (True, "\r\n")])
def test_archive_and_folder_give_the_same(tmp_path, images, zipped, newline):
    write_reports(tmp_path / "reports", zipped=zipped, newline=newline)
    found = mimic_reports.read_impressions(tmp_path / "reports", images)
    assert found.tolist() == [film.impression for film in FILMS]
    assert found.index.equals(images.index)


def test_the_archive_may_have_a_folder_on_top(tmp_path, images):
    write_reports(tmp_path, zipped=False)
    (tmp_path / "mimic-cxr-reports").mkdir()
    (tmp_path / "files").rename(tmp_path / "mimic-cxr-reports" / "files")
    assert mimic_reports.read_impressions(tmp_path, images).iloc[1] == FILMS[1].impression
    with zipfile.ZipFile(tmp_path / "mimic-cxr-reports.zip", "w") as archive:
        for path in (tmp_path / "mimic-cxr-reports").rglob("*.txt"):
            archive.write(path, path.relative_to(tmp_path))
    assert mimic_reports.read_impressions(tmp_path, images).iloc[1] == FILMS[1].impression


def damaged(folder, change):
    """The archive again, each (name, text) as ``change`` gives it back; None leaves it out."""
    path = folder / "mimic-cxr-reports.zip"
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, raw in members.items():
            if (new := change(name, raw)) is not None:
                archive.writestr(name, new)


SECOND = f"s{FILMS[1].study}.txt"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "mimic-cxr-reports.zip").unlink(), "holds no mimic-cxr-reports.zip and no files/"),
        (lambda f: (f / "mimic-cxr-reports.zip").write_bytes(b"PK no archive"), "is truncated or no zip archive"),
        (
            lambda f: (f / "mimic-cxr-reports.zip").write_bytes((f / "mimic-cxr-reports.zip").read_bytes()[:-40]),
            "is truncated or no zip archive",
        ),
        (
            lambda f: damaged(f, lambda name, raw: None if SECOND in name else raw),
            "reports: expected 17, found 16",
        ),
        (
            lambda f: (damaged(f, lambda name, raw: None if SECOND in name else raw), write_counts(f, {"reports": 16})),
            "the report of metadata row 2 is not in the archive",
        ),
        (
            lambda f: damaged(f, lambda name, raw: b"\xff\xfe" + raw if SECOND in name else raw),
            "the report of metadata row 2 is not UTF-8 text",
        ),
        (lambda f: (f / "counts.json").unlink(), "reports: expected 227,835, found 17"),
    ],
)
def test_damage_is_named_without_a_word_of_a_report(tmp_path, images, damage, message):
    write_reports(tmp_path)
    damage(tmp_path)
    with pytest.raises(InputError) as caught:
        mimic_reports.read_impressions(tmp_path, images)
    said = str(caught.value)
    assert message in said and "\n" not in said
    assert str(FILMS[1].study) not in said and str(FILMS[1].patient) not in said


def test_a_flipped_bit_in_the_archive_is_noticed(tmp_path, images):
    write_reports(tmp_path)
    damaged(tmp_path, lambda name, raw: raw)  # stored, so that a bit of text can be flipped
    path = tmp_path / "mimic-cxr-reports.zip"
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"some edema")] ^= 1
    path.write_bytes(bytes(raw))
    with pytest.raises(InputError, match="the report of metadata row 2 is damaged in the archive"):
        mimic_reports.read_impressions(tmp_path, images)


def test_a_report_that_occurs_twice(tmp_path, images):
    write_reports(tmp_path)
    with zipfile.ZipFile(tmp_path / "mimic-cxr-reports.zip", "a") as archive:
        archive.writestr(f"copy/{archive.namelist()[1]}", "REPORT\n IMPRESSION: another\n")
    with pytest.raises(InputError, match=r"mimic-cxr-reports\.zip: 1 reports occur twice") as caught:
        mimic_reports.read_impressions(tmp_path, images)
    assert "another" not in str(caught.value)


def test_a_missing_report_in_a_folder(tmp_path, images):
    write_reports(tmp_path, zipped=False)
    next(tmp_path.rglob(SECOND)).unlink()
    with pytest.raises(InputError, match="reports: expected 17, found 16"):
        mimic_reports.read_impressions(tmp_path, images)
    write_counts(tmp_path, {"reports": 16})
    with pytest.raises(InputError, match="the report of metadata row 2 is missing") as caught:
        mimic_reports.read_impressions(tmp_path, images)
    assert str(FILMS[1].study) not in str(caught.value)
