"""plainsight data: what is said of whole, partial and damaged trees, and with which exit code."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from coco_tree import write_coco
from mimic_tree import ASKED, FILMS, write_counts, write_csv, write_mimic, write_ms_cxr, write_reports, write_tree
from plainsight import cli, datacheck
from plainsight.data import manifests, mimic_cxr
from plainsight.errors import InputError
from vindr_tree import write_vindr

ROOT = Path(__file__).parents[1]
SECRETS = {str(number) for film in FILMS for number in (film.patient, film.study, film.dicom)} | {"edema", "effusion"}


def said(name, data, everything=False):
    findings = datacheck.check(manifests.read(name, ROOT / "data_manifests"), data, everything)
    text = "\n".join(map(str, findings))
    assert not any(secret in text.lower() for secret in SECRETS)
    return datacheck.healthy(findings), text


@pytest.fixture
def data(tmp_path):
    return write_tree(tmp_path / "data")


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        (
            "mimic_cxr_jpg",
            [
                "there    tables: 18 images of 14 patients, 17 of them PA or AP",
                "there    labels of 17 studies",
                "there    18 of 18 images looked at, none is missing or damaged",
                "note     no SHA256SUMS.txt: nothing was compared with the publisher's checksums",
            ],
        ),
        ("mimic_cxr_reports", ["there    17 reports; 15 of 17 looked at have an impression long enough"]),
        ("ms_cxr", ["v1.1.0.csv: 7 boxes, 3 images, 3 patients, 6 phrases, 5 unions, 5 merged"]),
    ],
)
def test_a_healthy_tree(data, name, lines):
    healthy, text = said(name, data)
    assert healthy
    for line in lines:
        assert line in text


def test_the_data_sets_own_folder_will_do_for_the_root(data):
    assert said("ms_cxr", data / "ms_cxr") == said("ms_cxr", data)


def remove(data, film):
    (data / "mimic_cxr_jpg" / film.file).unlink()


@pytest.mark.parametrize(
    ("name", "damage", "line"),
    [
        (
            "mimic_cxr_jpg",
            lambda d: remove(d, FILMS[4]),
            "missing  1 of the 18 of 18 images looked at, the first that of row 5",
        ),
        (
            "mimic_cxr_jpg",
            lambda d: (d / "mimic_cxr_jpg" / FILMS[6].file).write_bytes(b"no picture"),
            "damaged  1 of the 18 of 18 images looked at, the first that of row 7",
        ),
        (
            "mimic_cxr_jpg",
            lambda d: (d / "mimic_cxr_jpg" / "mimic-cxr-2.0.0-chexpert.csv.gz").unlink(),
            "holds no mimic-cxr-2.0.0-chexpert.csv.gz",
        ),
        (
            "mimic_cxr_jpg",
            lambda d: (d / "mimic_cxr_jpg" / "counts.json").unlink(),
            "images: expected 377,110, found 18",
        ),
        (
            "mimic_cxr_reports",
            lambda d: (d / "mimic_cxr_reports" / "mimic-cxr-reports.zip").unlink(),
            "mimic_cxr_reports: holds no mimic-cxr-reports.zip and no files/",
        ),
        (
            "mimic_cxr_reports",
            lambda d: (d / "mimic_cxr_reports" / "counts.json").unlink(),
            "expected 227,835, found 17",
        ),
        (
            "mimic_cxr_reports",
            lambda d: (d / "mimic_cxr_reports" / "mimic-cxr-reports.zip").write_bytes(b"PK"),
            "damaged  ",
        ),
        ("ms_cxr", lambda d: (d / "ms_cxr" / "MS_CXR_Local_Alignment_v1.1.0.csv").unlink(), "missing  "),
        ("ms_cxr", lambda d: write_csv(d / "ms_cxr" / "MS_CXR_Local_Alignment_v1.1.0.csv", ["x"], [[1]]), "damaged  "),
    ],
)
def test_what_is_missing_or_damaged(data, name, damage, line):
    damage(data)
    healthy, text = said(name, data)
    assert not healthy and line in text


def test_unzipped_reports_are_counted_and_read_as_zipped_ones_are(tmp_path):
    folder = tmp_path / "mimic_cxr_reports"
    write_reports(folder, zipped=False)
    healthy, text = said("mimic_cxr_reports", tmp_path)
    assert healthy and "there    17 reports; 15 of 17 looked at have an impression long enough" in text
    next(folder.rglob("s*.txt")).unlink()
    healthy, text = said("mimic_cxr_reports", tmp_path)
    assert not healthy and "reports: expected 17, found 16" in text


def test_pictures_cut_short_are_seen_where_everything_is_read(data, tmp_path):
    film = data / "mimic_cxr_jpg" / FILMS[3].file
    film.write_bytes(film.read_bytes()[:-200])
    assert said("mimic_cxr_jpg", data)[0]
    healthy, text = said("mimic_cxr_jpg", data, everything=True)
    assert not healthy and "damaged  1 of the 18 of 18 images looked at, the first that of row 4" in text
    write_vindr(tmp_path / "vindr_cxr")
    picture = min((tmp_path / "vindr_cxr" / "test").iterdir())
    picture.write_bytes(picture.read_bytes()[:-10])
    assert said("vindr_cxr", tmp_path)[0]
    assert "damaged  1 of the 6 of 6 images" in said("vindr_cxr", tmp_path, everything=True)[1]


def test_a_folder_that_may_not_be_opened_counts_as_missing(data, monkeypatch):
    closed, look, may = data / "mimic_cxr_jpg" / FILMS[4].file, os.stat, os.access

    def stat(path, *args, **kwargs):
        if str(path) == str(closed):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return look(path, *args, **kwargs)

    monkeypatch.setattr(os, "stat", stat)
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != str(closed) and may(path, mode))
    healthy, text = said("mimic_cxr_jpg", data)
    assert not healthy and "missing  1 of the 18 of 18 images looked at, the first that of row 5" in text
    images = mimic_cxr.read_images(data / "mimic_cxr_jpg")
    with pytest.raises(InputError, match="1 of 18 images here are missing or out of reach, the first that of row 5 of"):
        mimic_cxr.check_files(images, data / "mimic_cxr_jpg", "here")


def test_a_sample_is_looked_at_unless_everything_is(data, monkeypatch):
    monkeypatch.setattr(datacheck, "SAMPLE", 4)
    assert "4 of 18 images looked at" in said("mimic_cxr_jpg", data)[1]
    assert "18 of 18 images looked at" in said("mimic_cxr_jpg", data, everything=True)[1]
    assert datacheck._spread(1000, False) == [0, 333, 666, 999]


def test_checksums_of_tables_always_and_of_pictures_where_everything_is_asked_for(data):
    folder = data / "mimic_cxr_jpg"
    names = [
        path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.suffix in (".gz", ".jpg")
    ]
    lines = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()} {name}" for name in names]
    sums = folder / "SHA256SUMS.txt"
    sums.write_text("\n".join([*lines, f"{'0' * 64} not/here.csv"]) + "\n")
    assert "3 files are what their checksum says" in said("mimic_cxr_jpg", data)[1]
    assert "21 files are what their checksum says" in said("mimic_cxr_jpg", data, everything=True)[1]
    picture = next(i for i, name in enumerate(names) if name.endswith(".jpg"))
    sums.write_text("\n".join(line if i != picture else "0" * 64 + line[64:] for i, line in enumerate(lines)))
    assert said("mimic_cxr_jpg", data)[0]
    healthy, text = said("mimic_cxr_jpg", data, everything=True)
    assert not healthy and "1 of 21 files are not what their checksum says, first a picture or a report" in text
    sums.write_text("short sum\n")
    assert "is not a list of checksums" in said("mimic_cxr_jpg", data)[1]


def test_no_such_folder(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        said("ms_cxr", tmp_path / "absent")


def test_exit_codes(data, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert cli.main(["data", "check", "ms_cxr", "--data", str(data)]) == 0
    assert capsys.readouterr().out.startswith("MS-CXR: Making the Most of")
    (data / "ms_cxr" / "counts.json").unlink()
    assert cli.main(["data", "check", "ms_cxr", "--data", str(data)]) == 1
    assert cli.main(["data", "check", "mars", "--data", str(data)]) == 2
    assert "plainsight data: unknown data set 'mars'; known: chest_imagenome, coco_2017" in capsys.readouterr().err
    assert cli.main(["data", "fetch", "ms_cxr", "--data", str(data)]) == 2
    assert "ms_cxr is not open and never fetched" in capsys.readouterr().err


def test_windows_line_ends_and_json(tmp_path):
    write_mimic(tmp_path / "mimic_cxr_jpg", gz=False, newline="\r\n")
    write_ms_cxr(tmp_path / "ms_cxr", suffix=".json")
    assert said("mimic_cxr_jpg", tmp_path)[0] and said("ms_cxr", tmp_path)[0]
    assert len({film.dicom for film in ASKED}) == 3


@pytest.mark.parametrize(
    ("name", "write", "lines"),
    [
        (
            "vindr_cxr",
            write_vindr,
            [
                "test set: 3 pairs of image and finding with 5 boxes",
                "6 of 6 images looked at, none",
            ],
        ),
        (
            "coco_2017",
            write_coco,
            ["val: 4 captions, 4 outlined objects", "missing  annotations/captions_train2017.json"],
        ),
    ],
)
def test_other_data_sets(tmp_path, name, write, lines):
    write(tmp_path / name)
    _, text = said(name, tmp_path)
    for line in lines:
        assert line in text


def test_counts_that_are_none_do_not_hide_the_rest(tmp_path):
    folder = write_coco(tmp_path / "coco_2017")
    (folder / "counts.json").write_text("[]")
    healthy, text = said("coco_2017", tmp_path)
    assert not healthy and "is not a list of counts" in text and "train2017: 0 of 118,287 images" in text


def test_photographs_of_both_parts_where_everything_is_looked_at(tmp_path):
    folder = write_coco(tmp_path / "coco_2017")
    write_coco(folder, "train", photographs=4)
    write_counts(folder, {"val images": 2, "train images": 4, "classes": 3})
    healthy, text = said("coco_2017", tmp_path, everything=True)
    assert healthy and "train: 8 captions, 8 outlined objects" in text and "4 of 4 images looked at, none" in text


def test_nih_and_open_i(tmp_path):
    image = tmp_path / "nih_chestxray14" / "images" / "00013118_008.png"
    image.parent.mkdir(parents=True)
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(image)
    healthy, text = said("nih_chestxray14", tmp_path)
    assert healthy and "1 of 112,120 images, 1 of them with boxes" in text
    image.write_bytes(image.read_bytes()[:20])
    assert not said("nih_chestxray14", tmp_path)[0]
    assert "3,955 reports inside the package" in said("open_i", tmp_path)[1]
