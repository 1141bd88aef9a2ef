from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

from own_data import ROWS, write_images, write_table
from plainsight import grounding, maps, models, schema
from plainsight.config import GroundingConfig
from plainsight.errors import InputError
from plainsight.latents import Moments
from plainsight.tokens import token_weights
from plainsight.worlds import folder, radiographs

CONFIG = GroundingConfig(num_inference_steps=5, last_n=3, batch_size=2)


@pytest.fixture
def images(tmp_path):
    return write_images(tmp_path / "images")


@pytest.fixture
def write(tiny_model, images, tmp_path):
    """Writes maps of ``rows`` to a folder below tmp_path, by its name; returns how many were written."""

    def run(rows=ROWS, out="maps", config=CONFIG, model=tiny_model, **how):
        rows = [row | {"id": row.get("id", f"r{i}")} for i, row in enumerate(rows)]
        table = folder.read(write_table(tmp_path / "table.csv", rows), images)
        return maps.write_maps(model, table, images, tmp_path / out, config, **how)

    return run


def read(path):
    return {file.stem: np.load(file) for file in sorted(path.glob("*.npy"))}


def assert_same(found, wanted):
    assert list(found) == list(wanted)
    for key, heatmap in wanted.items():
        assert found[key].dtype == np.float32
        np.testing.assert_allclose(found[key], heatmap, atol=1e-7, rtol=1e-4)  # NaN in the same places


def by_hand(model, images, row, key, rule="all_words", words=()):
    """The map of one row from the parts of the library, one image and one phrase."""
    pixels = schema.read_image(images / row["image"])
    how = radiographs.fit(pixels.shape[1], pixels.shape[0], 64)
    square = torch.tensor(radiographs.fit_image(pixels, how)).expand(1, 3, 64, 64) * 2 - 1
    mean, logvar = model.encode_images(square)
    factor = model.vae.config.scaling_factor
    moments = Moments((row["image"],), mean * factor, (logvar / 2).exp() * factor)
    weights = token_weights(model.tokenizer, row["phrase"], rule, words).weights
    heatmap = grounding.ground(
        model,
        grounding.sample_latents(moments, [row["image"]], 0),
        model.encode_text([row["phrase"]]),
        torch.from_numpy(weights)[None],
        [key],
        CONFIG,
        noise_seed=0,
        size=(64, 64),
    )[0]
    return grounding.in_source_pixels(heatmap.numpy(), how)


def test_together_as_one_by_one(write, tiny_model, images, tmp_path):
    assert write() == 5
    wanted = {f"r{i}": by_hand(tiny_model, images, row, f"r{i}") for i, row in enumerate(ROWS)}
    found = read(tmp_path / "maps")
    assert_same(found, wanted)
    assert [heatmap.shape for heatmap in found.values()] == [(60, 90), (100, 64), (60, 90), (70, 70), (100, 64)]
    assert [bool(np.isnan(heatmap).any()) for heatmap in found.values()] == [True, True, True, False, True]


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_batch_size_and_order_change_no_map(write, tmp_path, batch_size):
    rows = [row | {"id": f"r{i}"} for i, row in enumerate(ROWS)]
    write(rows)
    write(rows[::-1], "other", GroundingConfig(5, 3, batch_size))
    assert_same(read(tmp_path / "other"), read(tmp_path / "maps"))


def test_rows_share_batches_and_few_are_held(write, tiny_model, monkeypatch):
    sizes, held, ground = [], [], maps.grounding.ground
    monkeypatch.setattr(
        maps.grounding,
        "ground",
        lambda model, latents, *a, **k: (held.append(len(latents)), ground(model, latents, *a, **k))[1],
    )
    hook = tiny_model.unet.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    write()
    hook.remove()
    assert held == [2, 2, 1]
    assert sizes == [2] * 7 + [1]  # 5 rows of 3 timesteps, two at a time


def test_an_image_is_encoded_once_for_its_rows_in_a_batch(write, monkeypatch):
    encoded, encode = [], models.Model.encode_images
    monkeypatch.setattr(models.Model, "encode_images", lambda self, x: (encoded.append(x), encode(self, x))[1])
    write([ROWS[0], ROWS[2], ROWS[0]], config=GroundingConfig(5, 3, 3))
    assert len(encoded) == 1


def test_keywords_of_a_row_come_before_the_rule(write, tiny_model, images, tmp_path):
    rows = [ROWS[0] | {"keywords": "left, pleural"}, ROWS[1] | {"keywords": ""}]
    write(rows, rule="end")
    wanted = {
        "r0": by_hand(tiny_model, images, rows[0], "r0", "keyword", ("left", "pleural")),
        "r1": by_hand(tiny_model, images, rows[1], "r1", "end"),
    }
    assert_same(read(tmp_path / "maps"), wanted)


def test_words_as_the_rule_of_every_row(write, tiny_model, images, tmp_path):
    rows = [ROWS[0], ROWS[4]]
    write(rows, rule="effusion, small")
    wanted = {
        f"r{i}": by_hand(tiny_model, images, row, f"r{i}", "keyword", ("effusion", "small"))
        for i, row in enumerate(rows)
    }
    assert_same(read(tmp_path / "maps"), wanted)


def test_goes_on_where_it_was_killed(write, tmp_path, monkeypatch):
    write(out="whole")
    save = np.save

    def killed(path, heatmap):
        save(path, heatmap)
        if path.parent.exists() and len(list(path.parent.glob("r*.npy"))) == 2:
            raise KeyboardInterrupt  # the third map lies there, under its temporary name

    monkeypatch.setattr(np, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        write()
    monkeypatch.undo()
    there = {path: path.stat().st_mtime_ns for path in (tmp_path / "maps").glob("*.npy")}
    assert sorted(path.stem for path in there) == ["r0", "r1"]
    assert write(config=GroundingConfig(5, 3, 4)) == 3
    assert {path: path.stat().st_mtime_ns for path in there} == there
    assert_same(read(tmp_path / "maps"), read(tmp_path / "whole"))
    assert sorted(p.name for p in (tmp_path / "maps").iterdir()) == [*(f"r{i}.npy" for i in range(5)), "settings.json"]
    assert write() == 0


def test_rows_can_be_added(write, tmp_path):
    assert write(ROWS[:2]) == 2
    assert write(ROWS) == 3
    write(out="whole")
    assert_same(read(tmp_path / "maps"), read(tmp_path / "whole"))


def test_a_damaged_image_is_found_before_the_first_map(write, images, tmp_path):
    path = images / "deep" / "square.jpg"
    path.write_bytes(path.read_bytes()[:-900])
    with pytest.raises(InputError, match=r"table\.csv: row 4 below the header, column 'image'\): the image is trunc"):
        write()
    assert not (tmp_path / "maps").exists()


@pytest.mark.parametrize(
    ("change", "rule", "column", "problem"),
    [
        ({"phrase": "secret " * 80}, "all_words", "phrase", "is longer than the 75 tokens the model reads"),
        ({"phrase": "secret"}, "effusion", "phrase", "no word of it contains 'effusion' of --tokens"),
        ({"phrase": "secret"}, ",", "phrase", "no word of it contains ',' of --tokens"),
        ({"keywords": "secret"}, "all_words", "keywords", "no word of the phrase contains any of them"),
        ({"phrase": "secret" * 80}, "all_words", "phrase", "first word alone is longer than the context"),
    ],
)
def test_tokens_that_are_not_in_the_phrase(write, tmp_path, change, rule, column, problem):
    with pytest.raises(InputError) as caught:
        write([ROWS[0] | {"keywords": "small"}, ROWS[4] | change], rule=rule)
    message = str(caught.value)
    assert f"table.csv: row 2 below the header, column '{column}'" in message and problem in message
    assert "secret" not in message and "\n" not in message
    assert not (tmp_path / "maps").exists()


def test_another_model_is_refused_and_the_same_one_elsewhere_is_not(write, tiny_model_dir, tmp_path):
    write(ROWS[:1])
    shutil.copytree(tiny_model_dir, tmp_path / "copy")
    assert write(ROWS[:2], model=models.load(tmp_path / "copy")) == 1
    other = models.load(tmp_path / "copy")
    other.unet.conv_in.bias.data += 1
    with pytest.raises(InputError, match="its maps were made with another model"):
        write(ROWS[:2], model=other)


def test_a_changed_phrase_is_refused(write, tmp_path):
    write(ROWS[:2])
    kept = read(tmp_path / "maps")
    with pytest.raises(InputError, match="the map of 'r1' was made for another image, phrase or keywords"):
        write([ROWS[0], ROWS[1] | {"phrase": "large heart"}])
    assert_same(read(tmp_path / "maps"), kept)
    (tmp_path / "maps" / "r1.npy").unlink()
    assert write([ROWS[0], ROWS[1] | {"phrase": "large heart"}]) == 1


def test_progress_is_shown(write, capsys):
    write(ROWS[:2])
    write()
    error = capsys.readouterr().err
    assert "grounding 2 rows: 100%" in error and "3/3" in error
    assert "grounding 3 rows, 2 are there: 100%" in error and "5/5" in error
