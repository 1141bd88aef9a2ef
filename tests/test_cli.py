from __future__ import annotations

import json
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from diffusers import UNet2DConditionModel
from PIL import Image

from own_data import ROWS, write_images, write_table
from plainsight import cli
from plainsight.commands.ground_image import peak_and_box


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


def run(options: dict[str, object], command: str = "ground") -> int:
    return cli.main([command, *(str(part) for pair in options.items() for part in pair)])


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


@pytest.fixture
def own(tiny_model_dir: Path, tmp_path: Path) -> dict[str, dict[str, object]]:
    """Options of both commands for a table of one's own."""
    where = {"--table": write_table(tmp_path / "table.csv"), "--images": write_images(tmp_path / "images")}
    maps = tmp_path / "maps"
    return {
        "ground": {"--model": tiny_model_dir, **where, "--out": maps, "--steps": 5, "--device": "cpu"},
        "score": {"--maps": maps, **where, "--out": tmp_path / "scores"},
    }


def test_a_table_is_grounded_then_scored(own, capsys) -> None:
    write_table(own["score"]["--table"], [row | {"credit": "$A. 肺", "patient": row["image"]} for row in ROWS])
    assert run(own["ground"]) == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # as for a script that the font lacks
        assert run(own["score"], "score") == 0
    out = own["score"]["--out"]
    assert sorted(path.name for path in out.iterdir()) == ["contact_sheet.png", "scores.csv", "summary.csv"]
    scores = pd.read_csv(out / "scores.csv")
    assert list(scores.columns) == [
        *("id", "patient", "finding", "area_fraction", "auc", "top1", "cnr", "cnr_abs", "miou", "credit")
    ]
    assert scores["id"].tolist() == ["1_wide", "2_tall", "3_wide", "4_square", "5_tall"]
    summary = pd.read_csv(out / "summary.csv").set_index(["finding", "metric"])
    assert summary.loc[("phrase", "auc"), "value"] == pytest.approx(scores["auc"].mean(), abs=1e-5)
    assert summary.loc[("phrase", "auc"), ["n", "patients"]].tolist() == [5, 3]
    assert capsys.readouterr().out.startswith("5 rows of 3 patients: auc ")
    with Image.open(out / "contact_sheet.png") as sheet:
        assert sheet.size[1] > 500


def test_scoring_again_gives_the_same_bytes(own, tmp_path) -> None:
    assert run(own["ground"]) == 0
    for name in ("one", "two"):
        assert run(own["score"] | {"--out": tmp_path / name}, "score") == 0
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_a_row_gets_the_map_that_its_image_and_phrase_get_alone(own, options, image) -> None:
    """The row and its image are called what the command calls them where there is one only: noise goes by name."""
    shutil.copy(image, own["ground"]["--images"] / "image")
    row = {"image": "image", "id": "image", "phrase": options["--phrase"]}
    write_table(own["ground"]["--table"], [ROWS[1] | {"id": "a"}, row, ROWS[0] | {"id": "b"}])
    assert run(own["ground"]) == 0
    assert run(options) == 0
    together, alone = np.load(own["ground"]["--out"] / "image.npy"), np.load(options["--out"] / "heatmap.npy")
    np.testing.assert_allclose(together, alone, atol=1e-7, rtol=1e-4)


def test_targets_out_of_sight_are_told(own, capsys) -> None:
    write_table(own["ground"]["--table"], [ROWS[0] | {"boxes": "0 0 5 5"}])
    assert run(own["ground"]) == run(own["score"], "score") == 0
    assert "1 of 1 rows have no score" in capsys.readouterr().out
    assert not (own["score"]["--out"] / "contact_sheet.png").exists()


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ((), "none of them"),
        (("--image",), "--image"),
        (("--phrase",), "--phrase"),
        (("--table",), "--table"),
        (("--images",), "--images"),
        (("--image", "--images"), "--image, --images"),
        (("--phrase", "--table", "--images"), "--phrase, --table, --images"),
        (("--image", "--phrase", "--table", "--images"), "--image, --phrase, --table, --images"),
    ],
)
def test_one_image_or_a_table(given, named, options, own, capsys) -> None:
    both = options | own["ground"]
    assert run({key: both[key] for key in ("--model", "--out", *given)}) == 2
    wanted = f"plainsight ground: give --image and --phrase, or --table and --images; given: {named}\n"
    assert capsys.readouterr().err == wanted


def test_stopped_from_the_keyboard(own, monkeypatch, capsys) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("plainsight.worlds.folder.read", stop)
    assert run(own["ground"]) == 130
    assert capsys.readouterr().err == "plainsight ground: stopped\n"


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
    assert peak_and_box(heatmap) == ([12, 6], [10, 4, 6, 4])
    assert peak_and_box(np.where(np.isnan(heatmap), heatmap, 0.5)) == (None, None)
