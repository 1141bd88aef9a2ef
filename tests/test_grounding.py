from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from plainsight import grounding
from plainsight.config import GroundingConfig, Protocol
from plainsight.errors import InputError
from plainsight.latents import Moments
from plainsight.metrics import localisation
from plainsight.models import Model
from plainsight.seeding import torch_generator
from plainsight.tokens import token_weights
from plainsight.worlds import radiographs

PHRASES = ["small left pleural effusion", "cardiomegaly", "enlarged heart"]
KEYS = ["a", "b", "c"]
CONFIG = GroundingConfig(num_inference_steps=10, last_n=4, batch_size=64)


@pytest.fixture(scope="module")
def given(tiny_model: Model) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    latents = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    weights = [token_weights(tiny_model.tokenizer, phrase, "all_words").weights for phrase in PHRASES]
    with torch.no_grad():
        return latents, tiny_model.encode_text(PHRASES), torch.from_numpy(np.stack(weights))


def test_timesteps_of_the_published_code() -> None:
    steps = grounding.ddim_timesteps(1000, GroundingConfig(50, 40, 1))
    assert (len(steps), steps[0], steps[1], steps[-1]) == (40, 781, 761, 1)


@pytest.mark.parametrize("count", [1, 7, 20, 50, 300])
def test_timesteps_are_those_of_the_ddim_scheduler(count: int, tiny_model: Model) -> None:
    tiny_model.scheduler.set_timesteps(count)  # "leading" spacing with an offset of 1
    expected = tiny_model.scheduler.timesteps.tolist()
    assert grounding.ddim_timesteps(1000, GroundingConfig(count, count, 1)) == expected
    last = max(1, count // 2)
    assert grounding.ddim_timesteps(1000, GroundingConfig(count, last, 1)) == expected[-last:]


@pytest.mark.parametrize(("steps", "last"), [(0, 1), (1000, 1), (10, 11), (10, 0)])
def test_timesteps_that_do_not_fit_are_refused(steps: int, last: int) -> None:
    with pytest.raises(InputError):
        grounding.ddim_timesteps(1000, GroundingConfig(steps, last, 1))


@pytest.mark.parametrize("resize", ["nearest", "bilinear"])
def test_maps_are_the_mean_of_every_stored_map(resize: str, given, tiny_model, stored_attention) -> None:
    """One timestep and phrase at a time, every map kept and enlarged on its own, as the published code does."""
    latents, embeds, weights = given
    maps = grounding.ground(tiny_model, *given, KEYS, CONFIG, noise_seed=5, size=(64, 64), resize=resize)
    assert maps.shape == (3, 64, 64)
    assert maps.dtype == torch.float32
    for row, key in enumerate(KEYS):
        enlarged = []
        for timestep in (301, 201, 101, 1):
            noise = torch.randn(4, 8, 8, generator=torch_generator(5, "noise", key, timestep))
            level = tiny_model.scheduler.alphas_cumprod[timestep]
            noisy = level.sqrt() * latents[row] + (1 - level).sqrt() * noise
            time = torch.tensor([timestep])
            for layer in stored_attention(tiny_model.unet, noisy[None], time, embeds[row : row + 1]):
                side = int(layer.shape[2] ** 0.5)
                token_map = (layer[0].mean(dim=0) @ weights[row].double()).view(1, 1, side, side)
                enlarged.append(F.interpolate(token_map, (8, 8), mode=resize))
        expected = F.interpolate(torch.stack(enlarged).mean(dim=0), (64, 64), mode="bilinear")[0, 0]
        torch.testing.assert_close(maps[row].double(), expected, atol=1e-7, rtol=1e-4)


@pytest.mark.parametrize("batch_size", [1, 5])
def test_batch_size_does_not_change_the_maps(batch_size: int, given, tiny_model) -> None:
    settings = {"noise_seed": 0, "size": (8, 8)}
    whole = grounding.ground(tiny_model, *given, KEYS, CONFIG, **settings)
    split = grounding.ground(tiny_model, *given, KEYS, GroundingConfig(10, 4, batch_size), **settings)
    torch.testing.assert_close(split, whole, atol=1e-7, rtol=1e-4)


def test_order_and_company_do_not_change_a_map_but_key_and_seed_do(given, tiny_model) -> None:
    latents, embeds, weights = given
    whole = grounding.ground(tiny_model, *given, KEYS, CONFIG, noise_seed=0, size=(8, 8))

    def second(key: str, seed: int) -> torch.Tensor:
        alone = (latents[1:2], embeds[1:2], weights[1:2])
        return grounding.ground(tiny_model, *alone, [key], CONFIG, noise_seed=seed, size=(8, 8))[0]

    torch.testing.assert_close(second("b", 0), whole[1], atol=1e-7, rtol=1e-4)
    for key, seed in (("other", 0), ("b", 1)):
        assert not torch.allclose(second(key, seed), whole[1], atol=1e-7, rtol=1e-4)


def test_all_tokens_together_give_a_map_of_ones(given, tiny_model) -> None:
    latents, embeds, weights = given
    ones = torch.ones_like(weights)
    maps = grounding.ground(tiny_model, latents, embeds, ones, KEYS, CONFIG, noise_seed=0, size=(16, 24))
    torch.testing.assert_close(maps, torch.ones(3, 16, 24))


def test_latents_that_are_not_square(given, tiny_model) -> None:
    _, embeds, weights = given
    wide = torch.randn(3, 4, 6, 10, generator=torch.Generator().manual_seed(0))
    maps = grounding.ground(tiny_model, wide, embeds, weights, KEYS, CONFIG, noise_seed=0, size=(48, 80))
    assert maps.shape == (3, 48, 80)
    assert torch.isfinite(maps).all()


def test_posterior_sample_depends_on_the_image_alone() -> None:
    moments = Moments(("x", "y"), torch.zeros(2, 4, 8, 8), torch.ones(2, 4, 8, 8))
    pair = grounding.sample_latents(moments, ["x", "y"], 0)
    again = grounding.sample_latents(moments, ["y", "x", "y"], 0)
    assert torch.equal(again, pair[[1, 0, 1]])
    assert not torch.equal(pair[0], pair[1])
    assert not torch.equal(grounding.sample_latents(moments, ["x"], 1)[0], pair[0])


@pytest.mark.parametrize(("width", "height"), [(64, 64), (160, 96), (50, 91), (640, 641)])
def test_heatmap_in_source_pixels_undoes_the_fit(width: int, height: int) -> None:
    how = radiographs.fit(width, height, 64)
    x, y = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
    plane = (2 * x + 3 * y).astype(np.float32)
    back = grounding.in_source_pixels(radiographs.fit_image(plane, how), how)
    assert back.shape == (height, width)
    inside = ~np.isnan(back)
    short = min(width, height)
    assert abs(inside.sum() - short * short) <= 2 * short
    # Linear maps survive, but for half a pixel at the rim, where bilinear resizing repeats the last value.
    np.testing.assert_allclose(back[inside], plane[inside], atol=5 / 64)
    middle = np.s_[
        height // 2 - short // 4 : height // 2 + short // 4, width // 2 - short // 4 : width // 2 + short // 4
    ]
    np.testing.assert_allclose(back[middle], plane[middle], atol=0.01)


@pytest.fixture
def examples(tmp_path: Path) -> pd.DataFrame:
    mask = np.zeros((100, 120), dtype=np.uint8)
    mask[20:60, 30:70] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    rows = [
        ("e1", "i1", "small left pleural effusion", "Pleural Effusion", [[30, 20, 40, 40]], "mask.png", "p1"),
        ("e2", "i2", "enlarged heart", "Cardiomegaly", [[0, 0, 25, 50], [60, 60, 40, 40]], "", "p2"),
        ("e3", "i1", "left " * 75 + "edema", "Edema", [[10, 10, 100, 80]], "mask.png", "p1"),
    ]
    frame = pd.DataFrame(rows, columns=["example_id", "image_id", "phrase", "finding", "boxes", "mask", "patient"])
    return frame.assign(width=120, height=100)


@pytest.fixture(scope="module")
def moments() -> Moments:
    generator = torch.Generator().manual_seed(3)
    mean = torch.randn(2, 4, 8, 8, generator=generator)
    return Moments(("i1", "i2"), mean, torch.full_like(mean, 0.1))


KEYWORDS = {"Pleural Effusion": ("pleural", "effusion"), "Cardiomegaly": ("cardiomegaly",), "Edema": ("edema",)}


def score(model: Model, moments: Moments, frame: pd.DataFrame, root: Path, **protocol: object) -> pd.DataFrame:
    settings = {"target": "boxes"} | protocol
    return grounding.score_examples(
        model, moments, frame, root, 64, GroundingConfig(10, 4, 2), Protocol(**settings), KEYWORDS, noise_seed=7
    )


def test_score_rows(tiny_model, moments, examples, tmp_path) -> None:
    rows = score(tiny_model, moments, examples, tmp_path)
    assert list(rows.columns) == [
        *("example_id", "patient", "finding", "area_fraction", "noise_seed"),
        *("tokens_used", "keyword_matched", "words_lost", "auc", "top1", "cnr", "cnr_abs", "miou"),
    ]
    assert rows["example_id"].tolist() == ["e1", "e2", "e3"]
    assert rows["tokens_used"].tolist() == [4, 3, 75]
    assert rows["keyword_matched"].tolist() == [1, 0, 0]
    assert rows["words_lost"].tolist() == [0, 0, 1]
    assert (rows["noise_seed"] == 7).all()
    # The second example by hand: 120 x 100 is resized to 76 x 64, of which columns 6 to 69 stay.
    mask = radiographs.boxes_to_mask(
        [[0, 0, 25 * 76 / 120 - 6, 32], [60 * 76 / 120 - 6, 38.4, 40 * 76 / 120, 25.6]], 64, 64
    )
    weights = token_weights(tiny_model.tokenizer, "enlarged heart", "keyword", ("cardiomegaly",)).weights
    heatmap = grounding.ground(
        tiny_model,
        grounding.sample_latents(moments, ["i2"], 7),
        tiny_model.encode_text(["enlarged heart"]),
        torch.from_numpy(weights)[None],
        ["e2"],
        GroundingConfig(10, 4, 2),
        noise_seed=7,
        size=(64, 64),
    )[0]
    assert rows.loc[1, "area_fraction"] == pytest.approx(mask.mean())
    for name, value in localisation.score(heatmap, mask).items():
        assert rows.loc[1, name] == pytest.approx(value, rel=1e-3)


def test_score_rows_do_not_depend_on_the_order_of_examples(tiny_model, moments, examples, tmp_path) -> None:
    forward = score(tiny_model, moments, examples, tmp_path)
    backward = score(tiny_model, moments, examples.iloc[::-1], tmp_path)
    pd.testing.assert_frame_equal(backward.iloc[::-1].reset_index(drop=True), forward, rtol=1e-3)


def test_the_same_call_gives_the_same_bytes(tiny_model, moments, examples, tmp_path) -> None:
    first, second = (score(tiny_model, moments, examples, tmp_path) for _ in range(2))
    assert first.to_csv() == second.to_csv()


def test_masks_as_targets(tiny_model, moments, examples, tmp_path) -> None:
    rows = score(tiny_model, moments, examples.iloc[[0]], tmp_path, target="masks")
    # A box of whole pixels and the mask of the same pixels are one target.
    pd.testing.assert_frame_equal(rows, score(tiny_model, moments, examples.iloc[[0]], tmp_path))
    with pytest.raises(InputError, match="e2: has no mask"):
        score(tiny_model, moments, examples, tmp_path, target="masks")


def test_rows_that_are_kept_are_not_made_again(tiny_model, moments, examples, tmp_path, monkeypatch) -> None:
    how = (64, GroundingConfig(10, 4, 2), Protocol(target="boxes"), KEYWORDS)
    first = grounding.kept_scores(tmp_path / "kept", tiny_model, moments, examples, tmp_path, *how)
    pd.testing.assert_frame_equal(first, grounding.score_examples(tiny_model, moments, examples, tmp_path, *how))

    def asked_again(*_: object) -> pd.DataFrame:
        raise AssertionError("asked")

    monkeypatch.setattr(grounding, "score_examples", asked_again)
    again = grounding.kept_scores(tmp_path / "kept", tiny_model, moments, examples, tmp_path, *how)
    pd.testing.assert_frame_equal(again, first)


def test_nothing_is_kept_of_another_question(tiny_model, moments, examples, tmp_path, monkeypatch) -> None:
    how = [64, GroundingConfig(10, 4, 2), Protocol(target="boxes"), KEYWORDS]
    changed = copy.deepcopy(tiny_model)
    next(iter(changed.unet.parameters())).data.mul_(1.001)
    other_latents = Moments(moments.image_ids, moments.mean + 0.01, moments.std)
    monkeypatch.setattr(grounding, "score_examples", lambda *_: pd.DataFrame({"auc": [0.5]}))

    def kept(model=tiny_model, latents=moments, rows=examples, **changes: object) -> int:
        settings = [changes.get(str(place), value) for place, value in enumerate(how)]
        grounding.kept_scores(tmp_path / "kept", model, latents, rows, tmp_path, *settings)
        return len(list((tmp_path / "kept").iterdir()))

    assert kept() == kept() == 1
    assert kept(model=changed) == 2 and kept(latents=other_latents) == 3
    assert kept(rows=examples.assign(phrase="edema")) == 4 and kept(rows=examples.iloc[:2]) == 5
    assert kept(**{"1": GroundingConfig(10, 5, 2)}) == 6 and kept(**{"2": Protocol(target="masks")}) == 7
    Image.fromarray(np.eye(100, 120) > 0).save(tmp_path / "mask.png")
    assert kept() == 8


def test_image_without_latents_is_named(tiny_model, moments, examples, tmp_path) -> None:
    with pytest.raises(InputError, match="'i9'"):
        score(tiny_model, moments, examples.assign(image_id="i9"), tmp_path)
