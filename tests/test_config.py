"""The strict reader of YAML: what is wrong is named with its place."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path

import pytest
import yaml

from plainsight.config import Experiments, Scale, from_dict, read_yaml
from plainsight.errors import InputError
from plainsight.training.denoising import milestone_steps

WORKFLOW = Path(__file__).parents[1] / "workflow"
SCALES = sorted((WORKFLOW / "scales").glob("*.yaml"))


@pytest.fixture(scope="module")
def smoke():
    return yaml.safe_load((WORKFLOW / "scales" / "smoke.yaml").read_text())


@pytest.fixture(scope="module")
def experiments():
    return yaml.safe_load((WORKFLOW / "experiments.yaml").read_text())


def changed(data, dotted, value):
    """A copy of nested ``data`` with the dotted key set; KeyError where a parent is missing."""
    copied = copy.deepcopy(data)
    *parents, last = dotted.split(".")
    place = copied
    for key in parents:
        place = place[key]
    place[last] = value
    return copied


def without(data, dotted):
    copied = copy.deepcopy(data)
    *parents, last = dotted.split(".")
    place = copied
    for key in parents:
        place = place[key]
    del place[last]
    return copied


def message(cls, data, where="file.yaml"):
    with pytest.raises(InputError) as caught:
        from_dict(cls, data, where)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("path", SCALES, ids=lambda p: p.stem)
def test_every_scale_reads_and_is_named_as_its_file(path):
    assert read_yaml(path, Scale).name == path.stem


def test_values_arrive_as_annotated():
    scale = read_yaml(WORKFLOW / "scales" / "smoke.yaml", Scale)
    assert scale.seeds == (0,) and scale.worlds["nih"].models_from == "phantom"
    assert isinstance(scale.denoising.max_grad_norm, float)
    experiments = read_yaml(WORKFLOW / "experiments.yaml", Experiments)
    assert experiments.variants["finetune_f"].unconditional == 0.3
    assert experiments.texts["labels"].silent == 0.0


def test_whole_numbers_stand_for_floats_but_not_the_reverse(smoke):
    assert from_dict(Scale, changed(smoke, "denoising.max_grad_norm", 1), "x").denoising.max_grad_norm == 1.0
    assert "file.yaml.threads: expected int, found 1.5" in message(Scale, changed(smoke, "threads", 1.5))


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("colour", 1, "file.yaml: unknown key 'colour'"),
        ("unet.heads", 8, "file.yaml.unet: unknown key 'heads'; known: block_out_channels"),
        ("worlds.nih.test", 8, "file.yaml.worlds.nih: unknown key 'test'"),
        ("threads", "two", "file.yaml.threads: expected int, found 'two'"),
        ("threads", True, "file.yaml.threads: expected int, found True"),
        ("seeds", 3, "file.yaml.seeds: expected tuple, found 3"),
        ("seeds", [0, "one"], "file.yaml.seeds[1]: expected int, found 'one'"),
        ("worlds", [], "file.yaml.worlds: expected dict, found []"),
        ("unet", 3, "file.yaml.unet: expected keys and values, found int"),
        ("denoising.learning_rate", "5e-4", "file.yaml.denoising.learning_rate: expected float, found '5e-4'"),
        ("world", "moon", "world 'moon' is not under 'worlds' (phantom, scenes, nih, ms_cxr)"),
        ("foundation_world", "moon", "foundation_world 'moon' is not under 'worlds' (phantom, scenes, nih, ms_cxr)"),
        ("unet", None, "give either 'pretrained' or all of"),
        ("denoising.foundation_steps", None, "give either 'pretrained' or all of"),
        ("pretrained", {"repo": "a/b", "revision": "c"}, "give either 'pretrained' or all of"),
        ("processes", 0, "processes is less than 1"),
        ("denoising.first_look", 0.25, "denoising.first_look is 0.25; it must be one of milestones (0.5, 1, 2)"),
        ("denoising.device_batch", 0, "denoising.device_batch is less than 1"),
        ("denoising.mixed_precision", False, "mixed_precision: False is not one of no, bf16"),
        ("sizes", {"finetune_f": {"steps": 0}}, "the size of a variant: steps is less than 1"),
        ("worlds.phantom.train", -5, "the size of a world: train is -5; give 0 or more"),
        ("worlds.phantom.images_per_patient", 0, "the size of a world: images_per_patient is 0; give 1 or more"),
        ("worlds.phantom.source_resolution", 16, "the size of a world: source_resolution is 16; give 32 or more"),
    ],
)
def test_wrong_values_in_a_scale_are_named(smoke, key, value, expected):
    assert expected in message(Scale, changed(smoke, key, value))


def test_a_variant_s_own_size_stands_above_its_multiple_of_the_scale_s(smoke, experiments):
    variants = from_dict(Experiments, experiments, "x").variants
    scale = from_dict(Scale, {**smoke, "sizes": {"finetune_l": {"steps": 7}, "finetune_f_pa": {"batch_size": 3}}}, "x")
    sizes = {name: (scale.steps(name, variants[name]), scale.batch_size(name, variants[name])) for name in variants}
    assert sizes["finetune_f"] == (4, 8) and sizes["finetune_l"] == (7, 8) and sizes["finetune_f_pa"] == (4, 3)


def test_paper_has_the_published_settings():
    """Seed 000: its section "Baseline Method", its appendix, and Table 2."""
    scale = read_yaml(WORKFLOW / "scales" / "paper.yaml", Scale)
    variants = read_yaml(WORKFLOW / "experiments.yaml", Experiments).variants
    sizes = {name: (scale.steps(name, variants[name]), scale.batch_size(name, variants[name])) for name in variants}
    assert sizes["finetune_f"] == sizes["finetune_f_nouncond"] == (30_000, 256)
    assert sizes["finetune_l"] == sizes["finetune_l_nouncond"] == (60_000, 256)
    assert sizes["finetune_l_then_f"] == (10_000, 256) and sizes["finetune_f_pa"] == (30_000, 128)
    assert sizes["in_domain_f"] == sizes["in_domain_l"] == (150_000, 16)
    assert milestone_steps(scale.denoising, 150_000)[0] == 10_000
    assert (scale.resolution, scale.denoising.learning_rate, scale.processes) == (512, 5e-5, 16)
    assert (scale.grounding.num_inference_steps, scale.grounding.last_n) == (50, 40)
    assert (scale.generation.num_inference_steps, scale.generation.guidance_scale) == (75, 4.0)
    assert len(scale.pretrained.revision) == 40


def test_the_scale_of_generate_to_ground_has_its_published_settings():
    """Seed 001, section 3.1, and the steps of its launch scripts."""
    scale = read_yaml(WORKFLOW / "scales" / "paper_g2g.yaml", Scale)
    training = scale.denoising
    assert (training.learning_rate, training.warmup_steps, training.schedule) == (5e-5, 1000, "cosine")
    assert training.steps == 30_001
    assert training.batch_size == scale.processes * training.device_batch * 2 == 256
    assert scale.seeds == (4200, 1759, 6357)


@pytest.mark.parametrize("name", ["paper", "paper_g2g"])
def test_the_foundation_is_the_one_whose_revision_the_manifests_state(name):
    wanted = read_yaml(WORKFLOW / "scales" / f"{name}.yaml", Scale).pretrained
    text = (WORKFLOW.parent / "data_manifests" / "weights" / "croissant.json").read_text()
    assert f"https://huggingface.co/{wanted.repo}/tree/{wanted.revision}" in text


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("resolution", "file.yaml: key 'resolution' is missing"),
        ("grounding.last_n", "file.yaml.grounding: key 'last_n' is missing"),
        ("worlds.phantom.train", "file.yaml.worlds.phantom: key 'train' is missing"),
    ],
)
def test_missing_keys_are_named(smoke, key, expected):
    assert expected in message(Scale, without(smoke, key))


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("protocols.boxes.tokens", "middle", "file.yaml.protocols.boxes.tokens: 'middle' is not one of keyword"),
        ("texts.reports.source", "novels", "file.yaml.texts.reports.source: 'novels' is not one of reports"),
        ("variants.finetune_f.text", "novels", "variant 'finetune_f' names text 'novels'; known: reports"),
        ("variants.finetune_f.base", "nothing", "variant 'finetune_f' starts from unknown base 'nothing'"),
        ("variants.finetune_f.seeds", "all", "file.yaml.variants.finetune_f.seeds: expected int, found 'all'"),
    ],
)
def test_wrong_values_in_experiments_are_named(experiments, key, value, expected):
    assert expected in message(Experiments, changed(experiments, key, value))


def test_a_missing_file_lists_its_neighbours(tmp_path):
    (tmp_path / "toy.yaml").write_text("a: 1")
    with pytest.raises(InputError, match=r"big\.yaml: no such file \(in this folder: toy\)"):
        read_yaml(tmp_path / "big.yaml", Scale)


def test_broken_yaml_is_one_line(tmp_path):
    (tmp_path / "toy.yaml").write_text("a: [1\nb: 2")
    with pytest.raises(InputError, match=r"toy\.yaml: not valid YAML") as caught:
        read_yaml(tmp_path / "toy.yaml", Scale)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "- 1\n- 2", "text"])
def test_a_file_without_keys_is_refused(tmp_path, text):
    (tmp_path / "toy.yaml").write_text(text)
    with pytest.raises(InputError, match=r"toy\.yaml: expected keys and values"):
        read_yaml(tmp_path / "toy.yaml", Scale)


def test_how_a_training_runs_is_no_part_of_what_makes_it_run_again(smoke):
    """Rules and checkpoints know a training by the ``repr`` of its settings."""
    learned = from_dict(Scale, smoke, "smoke").denoising
    run = dataclasses.replace(learned, checkpoint_every=1, device_batch=2, activation_checkpointing=True)
    assert repr(run) == repr(learned)
    kept = {field.name for field in dataclasses.fields(learned) if not field.repr}
    assert kept == {"first_look", "checkpoint_every", "device_batch", "activation_checkpointing"}
    assert repr(dataclasses.replace(learned, learning_rate=1.0)) != repr(learned)


def test_only_what_the_first_picture_waits_for_takes_all_threads(smoke):
    scale = dataclasses.replace(from_dict(Scale, smoke, "smoke"), threads=1, urgent_threads=2)
    assert [scale.threads_of(stage) for stage in ("autoencoder", "foundation", "text_encoder")] == [2, 2, 1]
    assert [scale.threads_of("finetune", stops_early) for stops_early in (True, False)] == [2, 1]
