"""Denoising training: what is trained, what is dropped, what is kept, and that a resumed run ends the same."""

import dataclasses

import pytest
import torch
from accelerate.state import AcceleratorState

import small_training
from plainsight import models
from plainsight.errors import InputError
from plainsight.training import denoising
from small_training import CONFIG, weights


@pytest.fixture
def model():
    return small_training.model()


@pytest.fixture
def data():
    return small_training.data()


@pytest.fixture
def precision():
    """Lets a test choose its own precision; accelerate keeps one for the whole process."""
    AcceleratorState._reset_state(True)
    yield
    AcceleratorState._reset_state(True)


@pytest.mark.parametrize("learnable", [False, True])
def test_the_text_encoder_learns_only_when_it_should(model, tmp_path, learnable):
    text, unet = weights(model.text_encoder), weights(model.unet)
    small_training.train(model, tmp_path, learnable)
    assert torch.equal(weights(model.text_encoder), text) is not learnable
    assert not torch.equal(weights(model.unet), unet)


@pytest.mark.parametrize("learnable", [False, True])
def test_a_killed_run_ends_with_the_same_weights_and_averages(model, tmp_path, learnable, monkeypatch):
    initial = {name: part.state_dict() for name, part in (("unet", model.unet), ("text", model.text_encoder))}
    initial = {name: {k: v.clone() for k, v in state.items()} for name, state in initial.items()}
    losses = small_training.train(model, tmp_path / "whole", learnable)
    whole = weights(model.unet)
    model.unet.load_state_dict(initial["unet"])
    model.text_encoder.load_state_dict(initial["text"])

    original = denoising.Denoising.step
    monkeypatch.setattr(denoising.Denoising, "step", lambda self, i: 1 / 0 if i == 3 else original(self, i))
    with pytest.raises(ZeroDivisionError):
        small_training.train(model, tmp_path / "killed", learnable)
    monkeypatch.undo()
    model.unet.load_state_dict(initial["unet"])
    model.text_encoder.load_state_dict(initial["text"])
    assert small_training.train(model, tmp_path / "killed", learnable) == losses
    assert torch.equal(weights(model.unet), whole)
    name = "ema/unet/diffusion_pytorch_model.safetensors"
    assert (tmp_path / "whole/kept" / name).read_bytes() == (tmp_path / "killed/kept" / name).read_bytes()


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_a_run_that_stopped_early_goes_on_to_the_same_weights(tmp_path, schedule):
    whole, parted = small_training.model(), small_training.model()
    losses = small_training.train(whole, tmp_path / "whole", True, schedule=schedule)
    first = small_training.train(parted, tmp_path / "parted", True, until=3, schedule=schedule)
    assert first == losses[:3] and not (tmp_path / "parted/kept/ema").exists()
    assert not torch.equal(weights(parted.unet), weights(whole.unet))

    resumed = small_training.model()
    assert small_training.train(resumed, tmp_path / "parted", True, schedule=schedule) == losses
    assert torch.equal(weights(resumed.unet), weights(whole.unet))
    files = [path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole/kept").rglob("*.safetensors")]
    assert {path.parts[2] for path in files} == {"step2", "step4", "unet", "text_encoder"}
    for path in files:
        assert (tmp_path / "parted" / path).read_bytes() == (tmp_path / "whole" / path).read_bytes()


def test_milestones_hold_the_weights_of_their_step(model, tmp_path):
    small_training.train(model, tmp_path, True)
    last = models.UNet2DConditionModel.from_pretrained(tmp_path / "kept/milestones/step4/unet")
    middle = models.UNet2DConditionModel.from_pretrained(tmp_path / "kept/milestones/step2/unet")
    assert torch.equal(weights(last), weights(model.unet))
    assert not torch.equal(weights(middle), weights(model.unet))
    assert (tmp_path / "kept/milestones/step2/text_encoder").is_dir()


def test_milestone_steps_scale_with_the_length_of_the_run():
    assert denoising.milestone_steps(CONFIG, 4) == (2, 4)
    assert denoising.milestone_steps(CONFIG, 8) == (2, 4, 8)


def test_dropped_rows_are_trained_with_the_empty_prompt(model, data, tmp_path):
    training = denoising.Denoising(model, data, CONFIG, False, 0, 4)
    asked = []
    prompts = training.prompts
    training.prompts = lambda phrases: asked.extend(phrases) or prompts(phrases)
    for step in range(6):
        training.step(step)
    assert {p for p in asked if p} == {"pleural effusion 0", "pleural effusion 2", "pleural effusion 4"}
    assert asked.count("") == len(asked) // 2


def test_the_first_loss_is_that_of_the_closed_form(model, data):
    """The untrained loss of a U-Net whose last layer is zero is the mean square of the noise: close to 1."""
    torch.nn.init.zeros_(model.unet.conv_out.weight)
    torch.nn.init.zeros_(model.unet.conv_out.bias)
    assert denoising.Denoising(model, data, CONFIG, False, 0, 4).step(0) == pytest.approx(1.0, abs=0.1)


def test_cached_prompts_equal_encoding_afresh(model):
    phrases = ["left effusion", "right effusion", "left effusion"]
    cached = denoising.PromptCache(model, phrases)(phrases)
    assert torch.allclose(cached, model.encode_text(phrases), atol=1e-6)


def gradients(training, step):
    """The gradients of a step, before they are limited."""
    found = []
    training.accelerator.clip_grad_norm_ = lambda parameters, limit: found.extend(p.grad.clone() for p in parameters)
    training.step(step)
    return torch.cat([gradient.flatten() for gradient in found])


@pytest.mark.parametrize("device_batch", [1, 3])
def test_parts_of_a_batch_add_up_to_its_gradients(data, device_batch):
    config = dataclasses.replace(CONFIG, device_batch=device_batch)
    whole = gradients(denoising.Denoising(small_training.model(), data, CONFIG, True, 0, 4), 0)
    parts = gradients(denoising.Denoising(small_training.model(), data, config, True, 0, 4), 0)
    assert torch.allclose(parts, whole, rtol=1e-3, atol=1e-6) and whole.abs().max() > 1e-3


@pytest.mark.parametrize("processes", [2, 4])
def test_shares_of_a_batch_are_cut_from_the_same_draws(model, data, processes):
    training = denoising.Denoising(model, data, CONFIG, False, 0, 4)
    whole, size = training.draw(5, slice(0, 4)), 4 // processes
    shares = [training.draw(5, slice(start, start + size)) for start in range(0, 4, size)]
    for name in ("noisy", "noise", "timesteps"):
        assert torch.equal(torch.cat([getattr(share, name) for share in shares]), getattr(whole, name))
    assert [phrase for share in shares for phrase in share.phrases] == whole.phrases


def test_a_batch_that_cannot_be_shared_evenly_is_refused(model, data, monkeypatch):
    everyone = denoising.processes()
    monkeypatch.setattr(type(everyone), "num_processes", 3, raising=False)
    monkeypatch.delitem(everyone.__dict__, "num_processes")
    with pytest.raises(InputError, match="a batch of 4 cannot be shared evenly by 3 processes"):
        denoising.Denoising(model, data, CONFIG, False, 0, 4)


def test_activations_computed_again_change_nothing(tmp_path):
    plain, again = small_training.model(), small_training.model()
    expected = small_training.train(plain, tmp_path / "plain", True)
    assert small_training.train(again, tmp_path / "again", True, activation_checkpointing=True) == expected
    assert again.unet.is_gradient_checkpointing and again.text_encoder.is_activation_checkpointing
    assert torch.equal(weights(again.unet), weights(plain.unet))


def test_mixed_precision_learns_the_same_with_weights_in_full_precision(model, tmp_path, precision):
    exact = small_training.train(small_training.model(), tmp_path / "exact", True)
    AcceleratorState._reset_state(True)
    mixed = small_training.train(model, tmp_path / "mixed", True, mixed_precision="bf16")
    assert mixed == pytest.approx(exact, rel=0.02) and mixed != exact
    assert {p.dtype for part in (model.unet, model.text_encoder) for p in part.parameters()} == {torch.float32}


def rates(model, data, **settings):
    """The learning rate of each of four steps."""
    training = denoising.Denoising(model, data, dataclasses.replace(CONFIG, **settings), False, 0, 4)
    return [(training.schedule.get_last_lr()[0], training.step(step))[0] for step in range(4)]


def test_the_learning_rate_rises_over_the_warm_up_and_stays_or_falls_to_nothing(model, data):
    assert rates(model, data) == [0.0, 0.5e-3, 1e-3, 1e-3]
    assert rates(model, data, schedule="cosine") == pytest.approx([0.0, 0.5e-3, 1e-3, 0.5e-3])


def test_prompts_too_many_to_be_kept_are_encoded_each_time(model, data, tmp_path, monkeypatch):
    kept = small_training.train(small_training.model(), tmp_path / "kept", False)
    monkeypatch.setattr(denoising, "CACHED_BYTES", 0)
    asked = denoising.prompt_embeddings(model, data.phrases)
    assert not isinstance(asked, denoising.PromptCache) and not asked(["edema"]).requires_grad
    assert small_training.train(model, tmp_path / "asked", False) == pytest.approx(kept, rel=1e-4)
