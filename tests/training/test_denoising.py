"""Denoising training: what is trained, what is dropped, what is kept, and that a resumed run ends the same."""

import pytest
import torch

from plainsight import models
from plainsight.config import AutoencoderConfig, DenoisingConfig, TextEncoderConfig, UNetConfig
from plainsight.latents import Moments
from plainsight.training import denoising

CONFIG = DenoisingConfig(
    batch_size=4,
    learning_rate=1e-3,
    warmup_steps=2,
    max_grad_norm=1.0,
    ema_decay=0.9,
    checkpoint_every=2,
    foundation_steps=4,
    steps=4,
    milestones=(0.5, 1.0, 2.0),
)


@pytest.fixture
def model():
    return models.Model(
        vae=models.build_autoencoder(AutoencoderConfig(4, (8, 8, 8, 8), 1, 4, 1, 1, 1e-3, 0.0), 0),
        unet=models.build_unet(UNetConfig((8, 16), 1, 2, 4), 8, 4, 16, 0),
        text_encoder=models.build_text_encoder(TextEncoderConfig(16, 1, 2, 1, 1, 1e-3), 0).requires_grad_(False),
        tokenizer=models.clip_tokenizer(),
        scheduler=models.noise_scheduler(),
    )


@pytest.fixture
def data():
    generator = torch.Generator().manual_seed(0)
    mean = torch.randn(6, 4, 8, 8, generator=generator)
    moments = Moments(tuple("abcdef"), mean, torch.full_like(mean, 0.1))
    phrases = [f"pleural effusion {i}" for i in range(6)]
    return denoising.TrainingSet(moments, moments.rows("abcdef"), phrases, torch.tensor([0.0, 1.0] * 3))


def weights(part):
    return torch.cat([p.detach().flatten().clone() for p in part.parameters()])


def train(model, data, folder, learnable, steps=4):
    return denoising.train(
        model, data, CONFIG, steps, learnable, 0, (2, 4), folder / "kept", folder / "state.pt", "test"
    )


@pytest.mark.parametrize("learnable", [False, True])
def test_the_text_encoder_learns_only_when_it_should(model, data, tmp_path, learnable):
    text, unet = weights(model.text_encoder), weights(model.unet)
    train(model, data, tmp_path, learnable)
    assert torch.equal(weights(model.text_encoder), text) is not learnable
    assert not torch.equal(weights(model.unet), unet)


@pytest.mark.parametrize("learnable", [False, True])
def test_a_killed_run_ends_with_the_same_weights_and_averages(model, data, tmp_path, learnable, monkeypatch):
    initial = {name: part.state_dict() for name, part in (("unet", model.unet), ("text", model.text_encoder))}
    initial = {name: {k: v.clone() for k, v in state.items()} for name, state in initial.items()}
    losses = train(model, data, tmp_path / "whole", learnable)
    whole = weights(model.unet)
    model.unet.load_state_dict(initial["unet"])
    model.text_encoder.load_state_dict(initial["text"])

    original = denoising.Denoising.step
    monkeypatch.setattr(denoising.Denoising, "step", lambda self, i: 1 / 0 if i == 3 else original(self, i))
    with pytest.raises(ZeroDivisionError):
        train(model, data, tmp_path / "killed", learnable)
    monkeypatch.undo()
    model.unet.load_state_dict(initial["unet"])
    model.text_encoder.load_state_dict(initial["text"])
    assert train(model, data, tmp_path / "killed", learnable) == losses
    assert torch.equal(weights(model.unet), whole)
    name = "ema/unet/diffusion_pytorch_model.safetensors"
    assert (tmp_path / "whole/kept" / name).read_bytes() == (tmp_path / "killed/kept" / name).read_bytes()


def test_milestones_hold_the_weights_of_their_step(model, data, tmp_path):
    train(model, data, tmp_path, True)
    last = models.UNet2DConditionModel.from_pretrained(tmp_path / "kept/milestones/step4/unet")
    middle = models.UNet2DConditionModel.from_pretrained(tmp_path / "kept/milestones/step2/unet")
    assert torch.equal(weights(last), weights(model.unet))
    assert not torch.equal(weights(middle), weights(model.unet))
    assert (tmp_path / "kept/milestones/step2/text_encoder").is_dir()


def test_milestone_steps_scale_with_the_length_of_the_run():
    assert denoising.milestone_steps(CONFIG, 4) == (2, 4)
    assert denoising.milestone_steps(CONFIG, 8) == (2, 4, 8)


def test_dropped_rows_are_trained_with_the_empty_prompt(model, data, tmp_path):
    training = denoising.Denoising(model, data, CONFIG, False, 0)
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
    assert denoising.Denoising(model, data, CONFIG, False, 0).step(0) == pytest.approx(1.0, abs=0.1)


def test_cached_prompts_equal_encoding_afresh(model):
    phrases = ["left effusion", "right effusion", "left effusion"]
    cached = denoising.PromptCache(model, phrases)(phrases)
    assert torch.allclose(cached, model.encode_text(phrases), atol=1e-6)
