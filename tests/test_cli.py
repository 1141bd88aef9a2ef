from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from diffusers import UNet2DConditionModel
from PIL import Image

from plainsight import cli


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("image") / "wide.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 150), dtype=np.uint8)).save(path)
    return path


@pytest.fixture
def options(tiny_model_dir: Path, image: Path, tmp_path: Path) -> dict[str, object]:
    return {
        "--model": tiny_model_dir,
        "--image": image,
        "--phrase": "small left pleural effusion",
        "--out": tmp_path / "out",
        "--steps": 5,
        "--device": "cpu",
    }


def run(options: dict[str, object]) -> int:
    return cli.main(["ground", *(str(part) for pair in options.items() for part in pair)])


def test_ground_writes_map_pictures_and_result(options, capsys) -> None:
    assert run(options | {"--tokens": "effusion"}) == 0
    assert capsys.readouterr().err == ""
    out = options["--out"]
    assert sorted(path.name for path in out.iterdir()) == ["heatmap.npy", "heatmap.png", "overlay.png", "result.json"]
    heatmap = np.load(out / "heatmap.npy")
    assert heatmap.shape == (90, 150)
    assert heatmap.dtype == np.float32
    seen = ~np.isnan(heatmap)
    result = json.loads((out / "result.json").read_text())
    x, y, w, h = result["crop"]
    assert (y, h) == (0, 90)
    assert seen[:, int(np.ceil(x)) : int(x + w)].all()
    assert not seen[:, : int(x) - 1].any()
    assert not seen[:, int(x + w) + 2 :].any()
    peak_x, peak_y = result["peak"]
    assert heatmap[peak_y, peak_x] == np.nanmax(heatmap)
    x, y, w, h = result["box"]
    assert x <= peak_x < x + w
    assert y <= peak_y < y + h
    assert result["tokens"] == ["ef", "fusion</w>"]
    assert (result["steps"], result["last"]) == (5, 4)
    with Image.open(out / "heatmap.png") as picture:
        assert picture.size == (150, 90)
        assert (np.asarray(picture.getchannel("A")) > 0).tolist() == seen.tolist()
    with Image.open(out / "overlay.png") as picture:
        assert picture.size == (150, 90)
        left = np.asarray(picture)[:, :10]
    assert (left == np.asarray(Image.open(options["--image"]))[:, :10, None]).all()


def test_same_seed_same_bytes(options, tmp_path) -> None:
    for name in ("one", "two"):
        assert run(options | {"--out": tmp_path / name}) == 0
    for name in ("heatmap.npy", "heatmap.png", "overlay.png", "result.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_other_files_in_the_folder_stay(options) -> None:
    options["--out"].mkdir()
    (options["--out"] / "notes.txt").write_text("mine")
    assert run(options) == 0
    assert (options["--out"] / "notes.txt").read_text() == "mine"


def test_colour_images_are_read(options, tmp_path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (70, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "colour.jpg")
    assert run(options | {"--image": tmp_path / "colour.jpg"}) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--phrase": "  "}, "--phrase is empty"),
        ({"--phrase": "left " * 80}, "longer than the 75 tokens"),
        ({"--image": "absent.png"}, "no such image file"),
        ({"--image": __file__}, "not a PNG or JPEG image"),
        ({"--model": "absent"}, "not a Stable Diffusion folder"),
        ({"--tokens": "pneumothorax"}, "no word of the phrase"),
        ({"--tokens": ","}, "no word of the phrase"),
        ({"--steps": 0}, "--steps 0: give 1 or more"),
        ({"--last": 6}, "--last 6: give a number from 1 to --steps, 5"),
        ({"--batch-size": 0}, "--batch-size 0"),
        ({"--device": "abacus"}, "--device abacus"),
        ({"--out": __file__}, "is a file"),
    ],
)
def test_bad_input_gets_one_line_and_exit_code_2(change, message, options, capsys) -> None:
    assert run(options | change) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("plainsight ground: ")
    assert error.count("\n") == 1
    assert not options["--out"].exists()


def test_model_without_cross_attention(options, tiny_model_dir, tmp_path, capsys) -> None:
    folder = tmp_path / "blind"
    shutil.copytree(tiny_model_dir, folder)
    shutil.rmtree(folder / "unet")
    UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 8),
        layers_per_block=1,
        norm_num_groups=4,
        down_block_types=("DownBlock2D",) * 2,
        up_block_types=("UpBlock2D",) * 2,
        mid_block_type="UNetMidBlock2D",
    ).save_pretrained(folder / "unet")
    assert run(options | {"--model": folder}) == 2
    assert "no cross-attention" in capsys.readouterr().err


@pytest.mark.parametrize("part", ["unet/diffusion_pytorch_model.safetensors", "scheduler/scheduler_config.json"])
def test_damaged_model(part, options, tiny_model_dir, tmp_path, capsys) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(tiny_model_dir, folder)
    content = (folder / part).read_bytes()
    (folder / part).write_bytes(content[: len(content) // 2])
    assert run(options | {"--model": folder}) == 2
    error = capsys.readouterr().err
    assert str(Path(part).parent) in error
    assert error.count("\n") == 1


def test_help_does_not_load_torch() -> None:
    code = (
        "import sys; from plainsight.cli import main\ntry: main(['--help'])\nfinally: assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "ground" in done.stdout


def test_peak_and_box_of_a_map_made_by_hand() -> None:
    heatmap = np.full((20, 30), 0.1, dtype=np.float32)
    heatmap[4:8, 10:16] = 0.9
    heatmap[6, 12] = 1.0
    heatmap[15:18, 20:22] = 0.8  # above the threshold too, but another region
    heatmap[:, :3] = np.nan
    assert cli.peak_and_box(heatmap) == ([12, 6], [10, 4, 6, 4])
    assert cli.peak_and_box(np.where(np.isnan(heatmap), heatmap, 0.5)) == (None, None)
