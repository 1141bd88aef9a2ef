"""What users get wrong: one line that says what is wrong, where, and what to do; never a traceback, never a phrase."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from diffusers import UNet2DConditionModel
from PIL import Image
from safetensors.torch import save_file

from own_data import ROWS, write_images, write_table
from plainsight import cli, files, latents, models, needs, notebooks, schema, worlds
from plainsight.config import Experiments, Scale, from_dict, read_yaml
from plainsight.errors import InputError
from plainsight.files import atomic
from plainsight.tokenizer import clip_tokenizer
from plainsight.tokens import token_weights
from plainsight.training import stages
from plainsight.training.job import Job
from plainsight.workspace import open_workspace

ROOT = Path(__file__).parents[1]
SECRET = "Mrs Example has a mass"


def line(caught: pytest.ExceptionInfo) -> str:
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- run_all.sh: what ends before anything is installed -------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--scale", "huge"], "unknown scale 'huge'; known: bench paper paper_g2g smoke toy"),
        (["--scale", "../scales/toy"], "unknown scale '../scales/toy'"),
        (["--scale", ""], "option --scale needs a value"),
        (["--data", ""], "option --data needs a value"),
        (["--data", "README.md"], "--data 'README.md': is a file; give the folder"),
        (["--profile", "."], "unknown profile '.'"),
        (["--jobs", "-1"], "--jobs '-1' is not a number of jobs"),
        (["--jobs", "1.5"], "--jobs '1.5' is not a number of jobs"),
    ],
)
def test_run_all_refuses(arguments, message):
    result = subprocess.run([ROOT / "run_all.sh", *arguments], capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (2, "")
    assert message in result.stderr and result.stderr.count("\n") == 1


def test_the_help_names_the_scales_and_profiles_there_are():
    text = subprocess.run([ROOT / "run_all.sh", "--help"], capture_output=True, text=True).stdout
    for option, folder in (("--scale", "scales/*.yaml"), ("--profile", "profiles/*")):
        named = re.search(rf"{option} (\S+)", text).group(1).split("|")
        assert sorted(named) == sorted(path.stem for path in (ROOT / "workflow").glob(folder))


@pytest.fixture
def checkout(tmp_path):
    """run_all.sh and its settings beside a stand-in for the environment: its Python prints $SAYS and exits with $RC."""
    shutil.copytree(ROOT / "workflow", tmp_path / "workflow")
    shutil.copy(ROOT / "run_all.sh", tmp_path)
    python = tmp_path / "env" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\ncase "$*" in "-m $FAILS"*) printf "$SAYS" >&2; exit 2 ;; esac\n')
    python.chmod(0o755)
    return tmp_path


def start(checkout, *arguments, fails="nothing", says=""):
    environment = {**os.environ, "VIRTUAL_ENV": str(checkout / "env"), "FAILS": fails, "SAYS": says}
    return subprocess.run([checkout / "run_all.sh", *arguments], env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("kind", ["WorkflowError", "InputError"])
def test_a_bad_setting_is_one_line_and_not_where_snakemake_met_it(checkout, kind):
    says = (
        f'Using profile local\\n{kind} in file "/x/Snakefile", line 2:\\ntoy.yaml: unknown key\\n  File "/x", in f\\n'
    )
    result = start(checkout, fails="snakemake", says=says)
    assert result.returncode == 2 and result.stderr == "run_all.sh: toy.yaml: unknown key\n"


def test_images_are_looked_for_before_anything_starts(checkout):
    result = start(checkout, "--data", str(checkout), fails="plainsight.needs toy", says="plainsight: no image\\n")
    assert result.returncode == 2 and result.stderr == "plainsight: no image\n"
    assert not (checkout / "runs").exists()


def test_a_place_that_cannot_be_written_to(checkout):
    (checkout / "runs").write_text("a file")
    result = start(checkout)
    assert result.returncode == 2 and result.stderr.count("\n") == 1
    assert "runs/ cannot be written to" in result.stderr


# --- settings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("section", "key", "value", "message"),
    [
        ("grounding", "last_n", 99, "grounding.last_n is more than grounding.num_inference_steps"),
        ("grounding", "batch_size", 0, "grounding.batch_size is less than 1"),
        ("denoising", "checkpoint_every", 0, "denoising.checkpoint_every is less than 1"),
        ("denoising", "steps", -5, "denoising.steps is less than 1"),
        (None, "threads", 0, "threads is less than 1"),
        (None, "resolution", 60, "resolution 60 is not a multiple of 8"),
        (None, "seeds", [], "'seeds' is empty"),
    ],
)
def test_settings_that_would_fail_after_hours(section, key, value, message):
    data = yaml.safe_load((ROOT / "workflow" / "scales" / "smoke.yaml").read_text())
    (data[section] if section else data)[key] = value
    with pytest.raises(InputError) as caught:
        from_dict(Scale, data, "smoke.yaml")
    assert line(caught).startswith(f"scale smoke: {message}") or f"scale smoke: {message}" in line(caught)


def test_a_world_carried_over_from_nowhere():
    data = yaml.safe_load((ROOT / "workflow" / "scales" / "smoke.yaml").read_text())
    data["worlds"]["nih"]["models_from"] = "fantom"
    with pytest.raises(InputError, match=r"worlds\.nih\.models_from: no world 'fantom'"):
        from_dict(Scale, data, "smoke.yaml")


def test_a_variant_that_starts_from_itself():
    data = yaml.safe_load((ROOT / "workflow" / "experiments.yaml").read_text())
    data["variants"]["finetune_f"]["base"] = "finetune_l"
    data["variants"]["finetune_l"]["base"] = "finetune_f"
    with pytest.raises(InputError, match="starts from itself"):
        from_dict(Experiments, data, "experiments.yaml")


def test_unknown_variants_and_names_that_differ_from_the_file(tmp_path):
    with pytest.raises(InputError, match=r"experiments\.yaml: no variant 'finetune_x'; known: foundation, finetune_f"):
        open_workspace("smoke", ROOT).seeds("finetune_x")
    shutil.copytree(ROOT / "workflow", tmp_path / "workflow")
    shutil.copy(ROOT / "workflow" / "scales" / "smoke.yaml", tmp_path / "workflow" / "scales" / "mine.yaml")
    with pytest.raises(InputError, match=r"mine\.yaml: key 'name' is 'smoke'; it must be that of the file, 'mine'"):
        open_workspace("mine", tmp_path)


def test_settings_that_are_no_text(tmp_path):
    (tmp_path / "toy.yaml").write_bytes(b"\xff\xfe")
    for path in (tmp_path, tmp_path / "toy.yaml"):
        with pytest.raises(InputError, match="cannot be read as text") as caught:
            read_yaml(path, Scale)
        line(caught)


@pytest.mark.parametrize("cell", ['scale = "toy', "scale = 1 + x", "a, b = 1, 2"])
def test_notebook_parameters_that_cannot_be_read(tmp_path, capsys, cell):
    (tmp_path / "n.py").write_text(f'# %% tags=["parameters"]\n{cell}\n')
    assert notebooks.main([str(tmp_path / "n.py"), str(tmp_path / "n.ipynb")]) == 2
    assert capsys.readouterr().err == (
        f"plainsight: {tmp_path / 'n.py'}: the cell tagged 'parameters' may hold only NAME = VALUE, one a line\n"
    )


# --- data -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (None, "no image of NIH ChestX-ray14 (0 PNG or JPEG files"),
        ("cat.png", "no image of NIH ChestX-ray14 (1 PNG or JPEG files"),
        ("00000001_000.png", "none of its 1 NIH images has an official box"),
    ],
)
def test_folders_without_usable_radiographs_are_refused_beforehand(tmp_path, capsys, monkeypatch, name, message):
    monkeypatch.chdir(ROOT)
    if name:
        Image.new("L", (8, 8)).save(tmp_path / name)
    assert needs.main(["toy", str(tmp_path), "nih"]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_a_usable_folder_passes_and_drawn_worlds_need_none(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    (tmp_path / "00013118_008.png").write_bytes(b"its content is looked at later")
    assert needs.main(["toy", str(tmp_path), "nih"]) == needs.main(["toy", str(tmp_path)]) == 0
    assert needs.main(["toy", "nowhere", "phantom"]) == needs.main(["toy", ""]) == 0
    assert needs.main(["toy", str(tmp_path / "nowhere"), "nih"]) == 2
    assert "no such folder" in capsys.readouterr().err


def example(**values):
    row = {"example_id": "e", "image_id": "i", "image": "i.png", "phrase": SECRET, "finding": "Edema", "boxes": []}
    row |= {"mask": "", "patient": SECRET, "view": "PA", "split": "grounding", "source": SECRET}
    return pd.DataFrame([row | {"width": 8, "height": 6} | values])


@pytest.mark.parametrize(
    "values",
    [
        {"phrase": [SECRET]},
        {"patient": (SECRET,)},
        {"image": [SECRET]},
        {"mask": [SECRET]},
        {"source": [SECRET]},
        {"finding": "Tumour"},
        {"boxes": [[0, 0, 9, 9]]},
    ],
)
def test_messages_about_tables_name_row_and_column_but_no_phrase_nor_patient(values):
    frame = example().assign(**{key: [value] for key, value in values.items()})
    with pytest.raises(InputError) as caught:
        schema.validate(frame, worlds.findings("phantom"), "t")
    assert f"t: row 0, column '{next(iter(values))}'" in line(caught)
    assert SECRET not in line(caught)


@pytest.mark.parametrize("phrase", ["", "a" * 2000])
def test_messages_about_phrases_do_not_hold_them(phrase):
    with pytest.raises(InputError, match="phrase") as caught:
        token_weights(clip_tokenizer(), phrase, "all_words")
    assert "aaaa" not in line(caught)


@pytest.mark.parametrize(
    ("tensors", "metadata"),
    [
        (("mean", "std"), None),
        (("mean", "std"), "["),
        (("mean", "std"), "[]"),
        (("mean", "std"), '{"key": "k"}'),
        (("mean", "std"), '{"key": "k", "image_ids": ["a", "b"]}'),
        (("mean",), '{"key": "k", "image_ids": ["a"]}'),
        (("mean", "std"), '{"key": "other", "image_ids": ["a"]}'),
    ],
)
def test_latents_that_are_well_formed_but_not_ours(tmp_path, tensors, metadata):
    shard = {name: torch.zeros(1, 2, 2, 2) for name in tensors}
    save_file(shard, tmp_path / "00000.safetensors", metadata and {"shard": metadata})
    (tmp_path / "index.json").write_text('{"images": 1, "keys": {"00000.safetensors": "k"}}')
    with pytest.raises(InputError, match=r"00000\.safetensors: the cache of latents is damaged.*delete its") as caught:
        latents.read(tmp_path)
    line(caught)


def test_a_folder_where_a_file_should_be(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="no latents here"):
        latents.read(tmp_path / "file")
    with pytest.raises(InputError, match="Is a directory; give a PNG or JPEG file"):
        schema.read_image(tmp_path)


# --- training -------------------------------------------------------------------------------------------------------


def job(runs, **values):
    place = {"scale": str(ROOT / "workflow/scales/smoke.yaml"), "experiments": str(ROOT / "workflow/experiments.yaml")}
    return Job(**{"stage": "latents", "runs": str(runs), "world": "phantom", **place, **values})


@pytest.fixture
def runs(tmp_path):
    """A world with one example, of the split for grounding."""
    (tmp_path / "phantom").mkdir()
    schema.write(example(), tmp_path / "phantom" / "examples.parquet", worlds.findings("phantom"))
    (tmp_path / "phantom" / "world.json").write_text(json.dumps({"world": "phantom", "image_root": "."}))
    shutil.copytree(tmp_path / "phantom", tmp_path / "scenes")
    schema.write(example(finding="ball"), tmp_path / "scenes" / "examples.parquet", worlds.findings("scenes"))
    return tmp_path


def test_a_damaged_autoencoder_is_named(runs):
    folder = runs / "scenes" / "models" / "autoencoder" / "seed0"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "diffusion_pytorch_model.safetensors").write_bytes(b"cut")
    with pytest.raises(InputError, match=r"autoencoder/seed0: cannot be loaded as AutoencoderKL") as caught:
        stages.run(job(runs))
    line(caught)


def test_a_world_without_training_images_is_named(runs):
    with pytest.raises(InputError, match=r"scenes: no train images; give the world some in .*smoke\.yaml"):
        stages.run(job(runs, stage="autoencoder", world="scenes"))


def test_an_unknown_variant_is_named(runs):
    with pytest.raises(InputError, match=r"experiments\.yaml: no variant 'finetune_x'; known: finetune_f"):
        stages.run(job(runs, stage="finetune", variant="finetune_x"))


# --- places ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "free"),
    [
        (RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 704 vs 598"), 0),
        (Exception("I/O error: No space left on device (os error 28)"), 10**9),
    ],
    ids=["torch", "safetensors"],
)
def test_a_full_disk_that_torch_or_safetensors_met(tmp_path, monkeypatch, error, free):
    monkeypatch.setattr(files, "disk_usage", lambda folder: shutil._ntuple_diskusage(10**9, 10**9 - free, free))
    with pytest.raises(InputError, match=r"state\.pt: the disk is full"), atomic(tmp_path / "state.pt"):
        raise error


def test_a_fault_that_is_none_of_the_disk_stays_what_it_is(tmp_path):
    with pytest.raises(RuntimeError, match="shapes"), atomic(tmp_path / "x"):
        raise RuntimeError("shapes do not fit")


def test_a_folder_that_cannot_be_made_or_written_to(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "x", tmp_path / "file" / "deep" / "x"):
        with pytest.raises(InputError, match="its folder cannot be made") as caught, atomic(path):
            pytest.fail("reached the block")
        line(caught)
    monkeypatch.setattr(files.os, "access", lambda *_: False)  # root may write anywhere
    with pytest.raises(InputError, match="cannot be written to"), atomic(tmp_path / "x"):
        pytest.fail("reached the block")


# --- plainsight ground ----------------------------------------------------------------------------------------------


@pytest.fixture
def ground(tiny_model_dir, tmp_path, capsys):
    """Runs ``plainsight ground`` with changed options; the one line it must end with."""
    Image.new("L", (64, 64), 128).save(tmp_path / "image.png")
    options = {"--model": tiny_model_dir, "--image": tmp_path / "image.png", "--phrase": "edema", "--steps": 2}

    def run(change):
        given = options | {"--out": tmp_path / "out", "--device": "cpu"} | change
        assert cli.main(["ground", *(str(part) for pair in given.items() for part in pair)]) == 2
        error = capsys.readouterr().err
        assert error.startswith("plainsight ground: ") and error.count("\n") == 1
        assert not (tmp_path / "out" / "result.json").exists()
        return error

    return run


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--steps": -3}, "--steps -3: give 1 or more"),
        ({"--last": 0}, "--last 0: give a number from 1 to --steps, 2"),
        ({"--phrase": "\udce9"}, "--phrase is not UTF-8"),
        ({"--image": "."}, "Is a directory"),
        ({"--model": __file__}, "not a Stable Diffusion folder"),
    ],
)
def test_wrong_options_end_before_a_model_is_loaded(ground, monkeypatch, change, message):
    monkeypatch.setattr(models, "load", lambda *_, **__: pytest.fail("the model was loaded"))
    assert message in ground(change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--steps": 1000}, "--steps 1000: the model has 1000 timesteps"),
        ({"--device": "meta"}, "--device meta: not usable here"),
        ({"--out": f"{__file__}/below"}, "its folder cannot be made"),
    ],
)
def test_wrong_options_end_before_the_long_work(ground, monkeypatch, change, message):
    monkeypatch.setattr(models.Model, "encode_images", lambda *_: pytest.fail("the work began"))
    assert message in ground(change)


def config(folder, part, **values):
    path = folder / part / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def unet(folder, **values):
    shutil.rmtree(folder / "unet")
    settings = {"sample_size": 8, "block_out_channels": (8,), "layers_per_block": 1, "norm_num_groups": 4}
    blocks = {"down_block_types": ("CrossAttnDownBlock2D",), "up_block_types": ("CrossAttnUpBlock2D",)}
    attention = {"cross_attention_dim": 32, "attention_head_dim": 2}
    UNet2DConditionModel(**settings | blocks | attention | values).save_pretrained(folder / "unet")


def broken_weights(folder):
    model = UNet2DConditionModel.from_pretrained(folder / "unet")
    torch.nn.init.constant_(model.conv_in.weight, float("nan"))
    model.save_pretrained(folder / "unet")


SDXL = {"addition_embed_type": "text_time", "addition_time_embed_dim": 8, "projection_class_embeddings_input_dim": 64}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: shutil.rmtree(f / "vae"), "vae: no such folder; a saved AutoencoderKL belongs there"),
        (lambda f: shutil.rmtree(f / "unet"), "no unet/ here"),
        (
            lambda f: [path.unlink() for path in (f / "tokenizer").iterdir()],
            "a tokenizer of 2 tokens, a text encoder of",
        ),
        (lambda f: (f / "unet" / "diffusion_pytorch_model.safetensors").unlink(), "unet: cannot be loaded"),
        (lambda f: config(f, "unet", sample_size=None), "no whole number as 'sample_size'"),
        (lambda f: unet(f, in_channels=9), "the U-Net reads 9 channels, the autoencoder gives 4"),
        (lambda f: unet(f, cross_attention_dim=64), "does not read text embeddings of width 32"),
        (lambda f: unet(f, **SDXL), "the U-Net wants more than a text"),
        (broken_weights, "its attention is not a number"),
    ],
)
def test_models_that_are_damaged_or_of_another_kind(ground, tiny_model_dir, tmp_path, damage, message):
    folder = tmp_path / "model"
    shutil.copytree(tiny_model_dir, folder)
    damage(folder)
    assert message in ground({"--model": folder})


# --- a table of one's own -------------------------------------------------------------------------------------------


@pytest.fixture
def own(tiny_model_dir, tmp_path, capsys):
    """Runs a command on a table with changed options and rows; the one line it must end with, bars aside."""
    where = {"--table": tmp_path / "table.csv", "--images": write_images(tmp_path / "images")}
    model = {"--model": tiny_model_dir, "--steps": 2, "--device": "cpu", "--out": tmp_path / "maps"}
    options = {"ground": where | model, "score": where | {"--maps": tmp_path / "maps", "--out": tmp_path / "scores"}}

    def run(command="ground", change=None, rows=ROWS, code=2):
        write_table(tmp_path / "table.csv", rows)
        given = options[command] | (change or {})
        assert cli.main([command, *(str(part) for pair in given.items() for part in pair)]) == code
        error = capsys.readouterr().err.splitlines()
        if code:
            assert error[-1].startswith(f"plainsight {command}: ") and SECRET not in error[-1]
        return error[-1] if error else ""

    return run


@pytest.mark.parametrize(
    ("change", "rows", "message"),
    [
        ({"--table": "absent.csv"}, ROWS, "absent.csv: no such table"),
        ({"--images": "absent"}, ROWS, "absent: no such folder of images"),
        ({"--model": "absent"}, ROWS, "not a Stable Diffusion folder"),
        ({"--out": __file__}, ROWS, "is a file; give a folder"),
        ({"--steps": 0}, ROWS, "--steps 0: give 1 or more"),
        ({"--batch-size": 0}, ROWS, "--batch-size 0: give 1 or more"),
        ({}, [{"image": "wide.png", "text": SECRET}], "column 'phrase' is missing"),
        ({}, [ROWS[0], ROWS[1] | {"image": "gone.png"}], "row 2 below the header, column 'image'): no such image"),
        ({}, [ROWS[0] | {"boxes": "0 0 91 10"}], "row 1 below the header, column 'boxes': box [0.0, 0.0, 91.0, 10.0]"),
    ],
)
def test_a_faulty_table_ends_before_a_model_is_loaded(own, monkeypatch, tmp_path, change, rows, message):
    monkeypatch.setattr(models, "load", lambda *_, **__: pytest.fail("the model was loaded"))
    assert message in own("ground", change, rows)
    assert not (tmp_path / "maps").exists()


@pytest.mark.parametrize(
    ("change", "rows", "message"),
    [
        ({"--steps": 1000}, ROWS, "--steps 1000: the model has 1000 timesteps"),
        ({"--device": "meta"}, ROWS, "--device meta: not usable here"),
        ({"--out": f"{__file__}/below"}, ROWS, "its folder cannot be made"),
        ({"--tokens": "effusion"}, ROWS, "row 2 below the header, column 'phrase': no word of it contains 'effusion'"),
        ({}, [ROWS[0] | {"phrase": SECRET * 20}], "column 'phrase': is longer than the 75 tokens"),
        ({}, [ROWS[0] | {"phrase": SECRET, "keywords": "effusion"}], "column 'keywords': no word of the phrase"),
    ],
)
def test_what_only_the_model_shows_ends_before_the_long_work(own, monkeypatch, change, rows, message):
    monkeypatch.setattr(models.Model, "encode_images", lambda *_: pytest.fail("the work began"))
    assert message in own("ground", change, rows)


def test_maps_are_not_mixed(own, tmp_path):
    own(code=0)
    assert "its maps were made with seed 0, not 1; choose another folder" in own("ground", {"--seed": 1})
    assert "its maps were made with steps 2, not 3" in own("ground", {"--steps": 3})
    assert "its maps were made with tokens all_words, not end" in own("ground", {"--tokens": "end"})
    changed = [ROWS[0] | {"phrase": SECRET}, *ROWS[1:]]
    for command in ("ground", "score"):
        assert "the map of '1_wide' was made for another image, phrase or keywords" in own(command, rows=changed)
    (tmp_path / "maps" / "settings.json").unlink()
    assert "holds 5 maps but no settings.json" in own()


@pytest.mark.parametrize(
    ("change", "rows", "message"),
    [
        ({"--maps": "absent"}, ROWS, "--maps absent: no such folder"),
        ({"--out": f"{__file__}/below"}, ROWS, "its folder cannot be made"),
        ({}, [*ROWS, ROWS[0]], "1 of 6 maps are missing, the first that of '6_wide'"),
        ({}, [ROWS[0] | {"boxes": ""}, *ROWS[1:]], "row 1 below the header, column 'boxes': is empty"),
        ({}, [ROWS[0] | {"mask": "tall.png"}], "column 'mask': the mask has 64 x 100 pixels, its image 90 x 60"),
        ({}, [ROWS[0] | {"auc": "1"}], "column 'auc' has the name of a score"),
    ],
)
def test_what_cannot_be_scored(own, tmp_path, change, rows, message):
    own(code=0)
    assert message in own("score", change, rows)
    assert not (tmp_path / "scores" / "scores.csv").exists()


def test_a_damaged_map_is_named(own, tmp_path):
    own(code=0)
    (tmp_path / "maps" / "3_wide.npy").write_bytes(b"cut")
    assert "3_wide.npy: is not a NumPy file or damaged; delete it and make it again" in own("score")


def test_compare_with_an_unknown_scale_or_outside_a_checkout(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert cli.main(["compare", "--scale", "huge"]) == 2
    assert (
        capsys.readouterr().err
        == "plainsight compare: unknown scale 'huge'; known: bench, paper, paper_g2g, smoke, toy\n"
    )
    assert cli.main(["compare", "--scale", "../toy"]) == 2
    assert "known: bench, paper" in capsys.readouterr().err
    monkeypatch.chdir(tmp_path)
    assert cli.main(["compare"]) == 2
    assert "not inside a checkout" in capsys.readouterr().err
