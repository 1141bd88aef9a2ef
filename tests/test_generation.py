"""Sampling against diffusers' own pipeline; files that are whole, resumed to the same bytes, and never mixed up."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from diffusers import PNDMScheduler, StableDiffusionPipeline
from PIL import Image

from plainsight import generation, models
from plainsight.config import GenerationConfig
from plainsight.errors import InputError
from plainsight.generation import Prompt
from plainsight.seeding import torch_generator

CONFIG = GenerationConfig(num_inference_steps=4, guidance_scale=3.0, batch_size=4)
PHRASES = ["small left pleural effusion", "enlarged heart", "no finding"]
WANTED = [Prompt(f"e{number}", phrase, k) for number, phrase in enumerate(PHRASES) for k in range(2)]


@pytest.fixture(scope="module")
def noise() -> torch.Tensor:
    return torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(0))


def make(model: models.Model, folder: Path, config: GenerationConfig = CONFIG, wanted=WANTED, seed=0) -> list[Path]:
    return generation.generate(model, wanted, folder, config, seed, "test")


def bytes_of(paths: list[Path]) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def made(tiny_model, tmp_path_factory) -> list[Path]:
    return make(tiny_model, tmp_path_factory.mktemp("images") / "made")


@pytest.fixture
def folder(made, tmp_path) -> Path:
    return Path(shutil.copytree(made[0].parent, tmp_path / "images"))


# --- sampling ---


@pytest.mark.parametrize(("steps", "guidance"), [(2, 2.0), (4, 3.0), (7, 1.5)])
def test_samples_are_those_of_diffusers_pipeline(steps, guidance, tiny_model, tiny_model_dir, noise):
    pipeline = StableDiffusionPipeline.from_pretrained(tiny_model_dir, safety_checker=None)
    pipeline.scheduler = PNDMScheduler.from_config(pipeline.scheduler.config, skip_prk_steps=True)
    pipeline.set_progress_bar_config(disable=True)
    expected = pipeline(
        PHRASES, latents=noise, num_inference_steps=steps, guidance_scale=guidance, output_type="np"
    ).images
    config = GenerationConfig(steps, guidance, batch_size=1)
    found = generation.sample(tiny_model, PHRASES, noise, config)
    assert found.shape == (3, 3, 64, 64) and found.dtype == torch.uint8
    assert found.float().std() > 5  # a picture, not a plain grey
    np.testing.assert_allclose(found.permute(0, 2, 3, 1).numpy(), 255 * expected, atol=0.6)


def test_guidance_of_one_is_the_conditional_prediction_alone(tiny_model, noise):
    """Step by step with only the phrase in sight; the empty prompt must not even be read."""
    scheduler = PNDMScheduler.from_config(tiny_model.scheduler.config, skip_prk_steps=True)
    scheduler.set_timesteps(5)
    latents = noise
    with torch.no_grad():
        embeds = tiny_model.encode_text(PHRASES)
        for timestep in scheduler.timesteps:
            predicted = tiny_model.unet(latents, timestep, embeds).sample
            latents = scheduler.step(predicted, timestep, latents).prev_sample
        decoded = tiny_model.vae.decode(latents / tiny_model.vae.config.scaling_factor).sample
    expected = (127.5 * (decoded.clamp(-1, 1) + 1)).round()
    found = generation.sample(tiny_model, PHRASES, noise, GenerationConfig(5, 1.0, 1))
    assert torch.equal(found.float(), expected)


def test_guidance_near_one_is_near_the_conditional_prediction(tiny_model, noise):
    """The skipped half at a guidance of 1 is a saving, not another formula."""
    one, near = (generation.sample(tiny_model, PHRASES, noise, GenerationConfig(5, g, 1)) for g in (1.0, 1.0 + 1e-6))
    assert (one.int() - near.int()).abs().max() <= 1


def test_the_phrase_and_the_guidance_change_the_image(tiny_model, noise):
    reference = generation.sample(tiny_model, PHRASES, noise, CONFIG)
    other = generation.sample(tiny_model, PHRASES[::-1], noise, CONFIG)
    weak = generation.sample(tiny_model, PHRASES, noise, GenerationConfig(4, 1.0, 1))
    assert torch.equal(other[1], reference[1])
    assert not torch.equal(other[0], reference[0])
    assert not torch.equal(weak, reference)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (GenerationConfig(1, 4.0, 1), "num_inference_steps 1: give a number from 2 to 1000"),
        (GenerationConfig(1001, 4.0, 1), "num_inference_steps 1001"),
        (GenerationConfig(10, 0.5, 1), "guidance_scale 0.5"),
        (GenerationConfig(10, float("nan"), 1), "guidance_scale nan"),
    ],
)
def test_settings_that_do_not_fit_are_refused_before_anything_is_made(config, message, tiny_model, tmp_path):
    with pytest.raises(InputError, match=message):
        make(tiny_model, tmp_path / "images", config)
    assert not (tmp_path / "images").exists()


# --- files ---


def test_files_hold_the_samples_of_their_own_noise(made, tiny_model):
    assert [path.name for path in made] == [f"e{number}.{k}.png" for number in range(3) for k in range(2)]
    noise = torch.randn(4, 8, 8, generator=torch_generator(0, "generation", "e1", 1))
    alone = generation.sample(tiny_model, [PHRASES[1]], noise[None], CONFIG)
    found = generation.read([made[3]])
    assert found.shape == (1, 3, 64, 64)
    assert (found.int() - alone.int()).abs().max() <= 1


def test_batch_size_and_order_change_no_image_beyond_rounding(made, tiny_model, tmp_path):
    single = make(tiny_model, tmp_path / "single", GenerationConfig(4, 3.0, batch_size=1))
    backward = make(tiny_model, tmp_path / "backward", wanted=WANTED[::-1])[::-1]
    reference = generation.read(made).int()
    for other in (single, backward):
        difference = (generation.read(other).int() - reference).abs()
        assert difference.max() <= 1
        assert (difference > 0).float().mean() < 0.01


def test_repetitions_seeds_and_prompt_ids_have_their_own_noise(made, tiny_model, tmp_path):
    reference = generation.read(made)
    assert not torch.equal(reference[0], reference[1])
    other = generation.read(make(tiny_model, tmp_path / "seed", wanted=WANTED[:1], seed=1))
    renamed = generation.read(make(tiny_model, tmp_path / "name", wanted=[Prompt("f0", PHRASES[0])]))
    assert not torch.equal(other[0], reference[0]) and not torch.equal(renamed[0], reference[0])


def test_half_the_images_deleted_come_back_as_the_same_bytes(made, tiny_model, folder):
    before = bytes_of(made)
    for path in sorted(folder.iterdir())[::2]:
        path.unlink()
    kept = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    again = make(tiny_model, folder)
    assert bytes_of(again) == before
    assert {name: (folder / name).stat().st_mtime_ns for name in kept} == kept


def test_a_finished_folder_is_left_alone_and_nothing_is_sampled(made, tiny_model, folder, monkeypatch):
    monkeypatch.setattr(generation, "sample", None)
    assert bytes_of(make(tiny_model, folder)) == bytes_of(made)


def test_an_interrupted_run_leaves_whole_images_only(tiny_model, tmp_path, made, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    write = generation._write
    written = []

    def third(*arguments):
        written.append(arguments)
        interrupt() if len(written) == 3 else write(*arguments)

    monkeypatch.setattr(generation, "_write", third)
    with pytest.raises(KeyboardInterrupt):
        make(tiny_model, tmp_path / "images")
    assert len(list((tmp_path / "images").iterdir())) == 2
    monkeypatch.setattr(generation, "_write", write)
    assert bytes_of(make(tiny_model, tmp_path / "images")) == bytes_of(made)


# --- what does not belong is named ---


@pytest.mark.parametrize("damage", ["truncated", "garbage", "flipped"])
def test_a_damaged_image_is_named(damage, tiny_model, folder):
    path = folder / "e1.0.png"
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[len(content) // 2] ^= 255
    path.write_bytes({"truncated": content[: len(content) // 2], "garbage": b"no image"}.get(damage, bytes(content)))
    with pytest.raises(InputError, match=r"e1\.0\.png: the image is damaged or missing .*; delete it and run again"):
        make(tiny_model, folder)
    with pytest.raises(InputError, match=r"e1\.0\.png"):
        generation.read([path])
    path.unlink()
    make(tiny_model, folder)


def test_a_file_that_is_none_of_the_wanted_images_is_named(tiny_model, folder):
    shutil.copy(folder / "e0.0.png", folder / "e7.0.png")
    with pytest.raises(InputError, match=r"e7\.0\.png: is none of the images wanted here"):
        make(tiny_model, folder)


def test_hidden_files_are_left_alone(tiny_model, folder):
    hidden = folder / ".e0.12345678.partial.png"
    hidden.write_bytes(b"what a killed run leaves")
    make(tiny_model, folder)
    assert hidden.read_bytes() == b"what a killed run leaves"


def _other_model(model: models.Model) -> models.Model:
    import copy

    other = copy.deepcopy(model)
    next(other.unet.parameters()).data[0] += 1e-3
    return other


@pytest.mark.parametrize("difference", ["weights", "steps", "guidance", "seed", "phrase", "swapped", "foreign", "size"])
def test_an_image_of_anything_else_is_named(difference, tiny_model, folder):
    model, config, wanted, seed = tiny_model, CONFIG, WANTED, 0
    if difference == "weights":
        model = _other_model(model)
    elif difference == "steps":
        config = GenerationConfig(5, 3.0, 4)
    elif difference == "guidance":
        config = GenerationConfig(4, 3.5, 4)
    elif difference == "seed":
        seed = 1
    elif difference == "phrase":
        wanted = [Prompt("e0", "edema", 0), *WANTED[1:]]
    elif difference == "swapped":
        (folder / "e0.0.png").replace(folder / "aside")
        (folder / "e2.1.png").replace(folder / "e0.0.png")
        (folder / "aside").replace(folder / "e2.1.png")
    elif difference == "foreign":
        Image.new("RGB", (64, 64)).save(folder / "e0.0.png")
    elif difference == "size":
        image = Image.open(folder / "e0.0.png")
        info = generation.PngInfo()
        info.add_text(generation.KEY, image.text[generation.KEY])
        image.resize((32, 32)).save(folder / "e0.0.png", pnginfo=info)
    with pytest.raises(InputError, match=r"e0\.0\.png: was made by another model, prompt, setting or seed"):
        make(model, folder, config, wanted, seed)


def test_the_batch_size_makes_no_other_image(tiny_model, folder):
    made = {path: path.stat().st_mtime_ns for path in folder.glob("*.png")}
    make(tiny_model, folder, GenerationConfig(4, 3.0, batch_size=1))
    assert {path: path.stat().st_mtime_ns for path in folder.glob("*.png")} == made and made


def test_prompts_asked_for_twice_or_unfit_for_a_file_are_named(tiny_model, tmp_path):
    with pytest.raises(InputError, match=r"'e0\.0\.png' is asked for twice"):
        make(tiny_model, tmp_path, wanted=[WANTED[0], WANTED[0]])
    for name in ("../e0", "a/b", "", ".hidden"):
        with pytest.raises(InputError, match="no file name"):
            make(tiny_model, tmp_path, wanted=[Prompt(name, "edema")])


# --- which prompts ---


@pytest.fixture
def examples() -> pd.DataFrame:
    findings = ["No Finding"] * 5 + ["Edema", "Edema|Pneumonia", "No Finding", "Pneumonia|Edema"]
    rows = {"example_id": [f"e{i}" for i in range(9)], "phrase": [f"phrase {i}" for i in range(9)]}
    return pd.DataFrame({**rows, "finding": findings}, index=range(20, 29))


def test_prompts_repeat_each_phrase(examples):
    found = generation.prompts(examples.head(2), repetitions=2)
    assert found == [("e0", "phrase 0", 0), ("e0", "phrase 0", 1), ("e1", "phrase 1", 0), ("e1", "phrase 1", 1)]


def test_healthy_prompts_are_capped_at_the_commonest_finding(examples):
    capped = generation.cap_healthy(examples, "No Finding", seed=0)
    assert (capped["finding"] == "No Finding").sum() == 3  # as many as have Edema
    assert capped["finding"].ne("No Finding").sum() == 3
    assert capped["example_id"].is_monotonic_increasing
    pd.testing.assert_frame_equal(capped, generation.cap_healthy(examples, "No Finding", seed=0))
    others = [tuple(generation.cap_healthy(examples, "No Finding", seed)["example_id"]) for seed in range(10)]
    assert len(set(others)) > 1


def test_healthy_prompts_are_all_kept_where_there_are_few_or_nothing_else(examples):
    few = examples.iloc[4:]
    pd.testing.assert_frame_equal(generation.cap_healthy(few, "No Finding", 0), few)
    alone = examples.head(5)
    pd.testing.assert_frame_equal(generation.cap_healthy(alone, "No Finding", 0), alone)
