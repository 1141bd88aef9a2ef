"""Strict reading of published tables: encodings, line ends, zipped or not, and what is said of damage."""

from __future__ import annotations

import gzip
import json

import pandas as pd
import pytest

from plainsight.data import counts, places, tables
from plainsight.errors import InputError

PLAIN = b'a,b,c\n1,x,\xc3\xa9\n2,"y, z",w\n'


@pytest.mark.parametrize(
    "raw",
    [PLAIN, PLAIN.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + PLAIN, PLAIN + b"\n", PLAIN[:-1]],
    ids=["unix", "windows", "byte-order mark", "blank line at the end", "no newline at the end"],
)
@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_the_same_cells_however_it_is_saved(tmp_path, raw, suffix):
    path = tmp_path / f"t{suffix}"
    path.write_bytes(gzip.compress(raw) if suffix.endswith(".gz") else raw)
    table = tables.read_csv(path, ("c", "b"))
    assert table.to_dict("list") == {"c": ["é", "w"], "b": ["x", "y, z"]}
    assert table.index.tolist() == [1, 2]


def test_rows_are_counted_as_they_stand_blank_lines_too(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"a,b\n1,2\n\n3,4\n")
    assert tables.read_csv(tmp_path / "t.csv", ("a",)).index.tolist() == [1, 3]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"a,b\n1,2\n", "column 'c' is missing"),
        (b"a,c,c\n1,2,3\n", "column 'c' occurs twice"),
        (b"a,c\n1,2\n3\n", "row 2 has 1 cells, the header 2"),
        (b"a,c\n1,2,3\n", "row 1 has 3 cells, the header 2"),
        (b"a,c\n", "has no rows"),
        (b"", "column 'a' is missing"),
        (b"a,c\n1,\xe9\n", "is not UTF-8 text"),
        ("a,c\n1,2\n".encode("utf-16"), "is not UTF-8 text"),
        (b'a,c\n1,"2\n', "is not a CSV table"),
    ],
)
def test_damaged_tables_are_named_without_their_cells(tmp_path, raw, message):
    (tmp_path / "t.csv").write_bytes(raw)
    with pytest.raises(InputError) as caught:
        tables.read_csv(tmp_path / "t.csv", ("a", "c"))
    assert message in str(caught.value) and "t.csv" in str(caught.value) and "\n" not in str(caught.value)


def test_damaged_archives_and_missing_files(tmp_path):
    whole = gzip.compress(b"a,c\n" + b"1,2\n" * 500)
    for raw in (whole[:-12], whole[:30] + b"\0\0\0" + whole[33:], b"no gzip"):
        (tmp_path / "t.csv.gz").write_bytes(raw)
        with pytest.raises(InputError, match=r"t\.csv\.gz: is truncated or no gzip file"):
            tables.read_csv(tmp_path / "t.csv.gz", ("a",))
    with pytest.raises(InputError, match=r"absent\.csv: no such file"):
        tables.read_csv(tmp_path / "absent.csv", ("a",))
    with pytest.raises(InputError, match="cannot be read"):
        tables.read_csv(tmp_path, ("a",))


def test_numbers_are_finite(tmp_path):
    table = pd.DataFrame({"x": ["1", "2.5"], "y": ["3", "nan"]}, index=[1, 2])
    assert tables.numbers(table, ["x"], tmp_path)["x"].tolist() == [1.0, 2.5]
    for wrong in ("nan", "", "inf", "one"):
        with pytest.raises(InputError, match=r"row 2, column 'y': is not a number"):
            tables.numbers(table.assign(y=["3", wrong]), ["x", "y"], tmp_path)


def test_json_in_one_line(tmp_path):
    (tmp_path / "t.json.gz").write_bytes(gzip.compress(json.dumps({"a": [1]}).encode()))
    assert tables.read_json(tmp_path / "t.json.gz") == {"a": [1]}
    (tmp_path / "t.json").write_text('{"a": [1,\n 2')
    with pytest.raises(InputError, match=r"t\.json: is not valid JSON \(line 2\)"):
        tables.read_json(tmp_path / "t.json")


def test_counts_stand_side_by_side(tmp_path):
    release = {"images": 1000, "patients": (3, 4)}
    counts.require({"images": 1000, "patients": 4}, release, tmp_path)
    with pytest.raises(InputError) as caught:
        counts.require({"images": 12345, "patients": 5}, release, tmp_path)
    assert "images: expected 1,000, found 12,345; patients: expected 3 or 4, found 5" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_part_states_its_own_counts(tmp_path):
    path = tmp_path / "counts.json"
    path.write_text('{"images": 7}')
    counts.require({"images": 7, "patients": 3}, {"images": 1000, "patients": 3}, tmp_path)
    with pytest.raises(InputError, match="images: expected 7, found 1,000"):
        counts.require({"images": 1000}, {"images": 1000}, tmp_path)
    for text, message in (
        ('{"image": 7}', "unknown key 'image'; known: images"),
        ('{"images": "7"}', "is not a list of counts"),
        ('{"images": true}', "is not a list of counts"),
        ("[7]", "is not a list of counts"),
        ("{", "is not valid JSON"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=message):
            counts.require({"images": 7}, {"images": 1000}, tmp_path)


@pytest.mark.parametrize(
    ("folders", "found"),
    [
        (["ms_cxr"], "ms_cxr"),
        (["physionet.org/files/ms-cxr/0.1", "physionet.org/files/ms-cxr/1.1.0"], "physionet.org/files/ms-cxr/1.1.0"),
        (["ms-cxr/1.9.0", "ms-cxr/1.10.0", "ms-cxr/notes"], "ms-cxr/1.10.0"),
        (["ms_cxr", "ms-cxr/1.1.0"], "ms_cxr"),
    ],
)
def test_where_a_data_set_is_looked_for(tmp_path, folders, found):
    for name in folders:
        (tmp_path / name).mkdir(parents=True)
    assert places.locate("ms_cxr", tmp_path) == tmp_path / found


def test_a_data_set_that_is_not_there(tmp_path):
    (tmp_path / "ms-cxr" / "notes").mkdir(parents=True)
    for name in ("ms_cxr", "coco_2017"):
        with pytest.raises(InputError, match=f"holds no folder {name}; see data_manifests/{name}/README.md"):
            places.locate(name, tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        places.locate("ms_cxr", tmp_path / "absent")
