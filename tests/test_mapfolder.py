from __future__ import annotations

import json

import numpy as np
import pytest

from own_data import ROWS, write_images, write_table
from plainsight import mapfolder
from plainsight.errors import InputError
from plainsight.worlds import folder

SETTINGS = {"model": "abc", "tokens": "all_words", "steps": 50, "last": 40, "seed": 0}


@pytest.fixture
def asked(tmp_path):
    def of(rows):
        return mapfolder.asked(folder.read(write_table(tmp_path / "table.csv", rows), images))

    images = write_images(tmp_path / "images")
    return of


def test_a_map_comes_back_as_it_was(tmp_path):
    heatmap = np.array([[np.nan, 1.5, 2.5]], dtype=np.float32)
    mapfolder.write(heatmap, tmp_path, "a.b c")
    assert [path.name for path in tmp_path.iterdir()] == ["a.b c.npy"]
    np.testing.assert_array_equal(mapfolder.read(tmp_path, "a.b c", (1, 3)), heatmap)
    assert mapfolder.missing(tmp_path, ["z", "a.b c", "a"]) == ["z", "a"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "no such map"),
        (b"", "is not a NumPy file or damaged"),
        (b"PK\x03\x04", "is not a NumPy file or damaged"),
        ("cut", "is not a NumPy file or damaged"),
        (np.array([[{}]]), "is not a NumPy file or damaged"),
        (np.zeros((2, 3), int), "not floating-point numbers"),
        (np.zeros((3, 2)), "the map is 3 x 2, its image 2 x 3"),
        (np.full((2, 3), np.nan), "holds no number"),
        (np.array([[0, 1, 2], [0, 0, np.inf]]), "or an infinite one"),
    ],
)
def test_files_that_hold_no_map(tmp_path, content, problem):
    path = tmp_path / "a.npy"
    if isinstance(content, np.ndarray):
        np.save(path, content)
    elif content == "cut":
        np.save(path, np.zeros((2, 3)))
        path.write_bytes(path.read_bytes()[:-8])
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=problem) as caught:
        mapfolder.read(tmp_path, "a", (2, 3))
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_what_a_row_asks_for_is_its_image_phrase_and_keywords(asked):
    rows = [row | {"id": str(i), "keywords": "", "credit": "x"} for i, row in enumerate(ROWS)]
    before = asked(rows)
    same = [row | {"patient": "p", "credit": "y", "boxes": "1 1 2 2"} for row in rows]
    assert asked(same) == before == asked(rows[::-1])
    for change in ({"image": "tall.png"}, {"phrase": "small"}, {"keywords": "left"}):
        after = asked([rows[0] | change, *rows[1:]])
        assert [key for key in before if after[key] != before[key]] == ["0"]


def test_settings_are_kept_and_not_mixed(tmp_path):
    maps = tmp_path / "maps"
    mapfolder.check(maps, {"a": "1"}, SETTINGS)  # need not be there
    assert not maps.exists()
    mapfolder.claim(maps, {"a": "1"}, SETTINGS)
    mapfolder.write(np.zeros((1, 1)), maps, "a")
    mapfolder.check(maps, {"a": "1", "b": "2"}, SETTINGS)
    mapfolder.claim(maps, {"b": "2"}, SETTINGS)
    assert json.loads((maps / "settings.json").read_text()) == {"settings": SETTINGS, "rows": {"a": "1", "b": "2"}}
    changed = {"tokens": "end", "steps": 20, "last": 10, "seed": 1}
    for name, value in changed.items():
        with pytest.raises(InputError, match=f"made with {name} {SETTINGS[name]}, not {value}; choose another folder"):
            mapfolder.check(maps, {"a": "1"}, SETTINGS | {name: value})
    with pytest.raises(InputError, match="made with another model; choose another folder"):
        mapfolder.check(maps, {"a": "1"}, SETTINGS | {"model": "xyz"})


@pytest.mark.parametrize("settings", [SETTINGS, None])
def test_a_map_does_not_pass_for_that_of_another_row(tmp_path, settings):
    mapfolder.claim(tmp_path, {"a": "1", "b": "2"}, SETTINGS)
    mapfolder.write(np.zeros((1, 1)), tmp_path, "a")
    mapfolder.check(tmp_path, {"a": "1", "b": "3"}, settings)  # b has no map yet
    with pytest.raises(InputError, match="the map of 'a' was made for another image, phrase or keywords"):
        mapfolder.check(tmp_path, {"a": "3"}, settings)


def test_maps_of_unknown_origin_can_be_scored_not_added_to(tmp_path):
    mapfolder.write(np.zeros((1, 1)), tmp_path, "a")
    mapfolder.check(tmp_path, {"a": "1"})
    mapfolder.check(tmp_path, {"b": "1"}, SETTINGS)
    with pytest.raises(InputError, match=r"holds 1 maps but no settings\.json"):
        mapfolder.check(tmp_path, {"a": "1", "b": "1"}, SETTINGS)


@pytest.mark.parametrize("content", ["", "[]", '{"rows": {}}', '{"settings": 1, "rows": {}}'])
def test_settings_that_are_not_ours(tmp_path, content):
    (tmp_path / "settings.json").write_text(content)
    with pytest.raises(InputError, match=r"settings\.json: is not what plainsight ground writes"):
        mapfolder.check(tmp_path, {}, SETTINGS)
