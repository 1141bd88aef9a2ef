"""MONAI's U-Net and autoencoder in diffusers' parts, against values that MONAI 1.6.1 computed."""

import re

import pytest
import torch
from diffusers.models.attention_processor import Attention
from safetensors.torch import save_file

from plainsight import architectures, models, monai
from plainsight.errors import InputError

SMALL = {
    "sample_size": 8,
    "block_out_channels": (8, 16, 24),
    "norm_num_groups": 4,
    "cross_attention_dim": 12,
}
THEIRS = (
    (r"^conv_in", "conv_in.conv"),
    (r"^conv_norm_out", "out.0"),
    (r"^conv_out", "out.2.conv"),
    (r"^time_embedding\.linear_1", "time_embed.0"),
    (r"^time_embedding\.linear_2", "time_embed.2"),
    (r"^mid_block\.resnets\.0", "middle_block.resnet_1"),
    (r"^mid_block\.resnets\.1", "middle_block.resnet_2"),
    (r"^mid_block\.attentions\.0", "middle_block.attention"),
    (r"\.(conv[12]|proj_in|proj_out)\.", r".\1.conv."),
    (r"\.conv_shortcut", ".skip_connection.conv"),
    (r"\.downsamplers\.0\.conv", ".downsampler.op.conv"),
    (r"\.upsamplers\.0\.conv", ".upsampler.postconv.conv"),
    (r"\.to_out\.0", ".out_proj"),
    (r"\.ff\.net\.0\.proj", ".ff.linear1"),
    (r"\.ff\.net\.2", ".ff.linear2"),
)
"""diffusers' names, and MONAI's as its own model of this size has them."""


def in_monai(name):
    for ours, theirs in THEIRS:
        name = re.sub(ours, theirs, name)
    return name


@pytest.fixture
def weights():
    """Random weights by MONAI's names, drawn in their order."""
    shapes = {
        in_monai(name): value.shape for name, value in architectures.unet("cxr_ldm", **SMALL).state_dict().items()
    }
    generator = torch.Generator().manual_seed(0)
    drawn = {name: 0.2 * torch.randn(shape, generator=generator) for name, shape in sorted(shapes.items())}
    return drawn, generator


def test_it_computes_what_monai_s_own_network_computes(weights):
    weights, generator = weights
    image = torch.randn(2, 3, 8, 8, generator=generator)
    text = torch.randn(2, 5, 12, generator=generator)
    with torch.no_grad():
        found = monai.unet_of(weights, **SMALL)(image, torch.tensor([7, 900]), text).sample
    expected = [-0.105686, -0.463568, -0.406018, -0.364965, -0.431314, -0.327356]
    assert found.flatten()[:6].tolist() == pytest.approx(expected, abs=1e-4)
    assert found.double().norm().item() == pytest.approx(5.348427, abs=1e-4)


def test_names_from_before_version_1_4_mean_the_same(weights):
    weights, _ = weights
    older = {
        name.replace(".out_proj", ".to_out.0").replace(".postconv", ".conv"): value for name, value in weights.items()
    }
    assert older.keys() != weights.keys()
    new, old = (monai.unet_of(values, **SMALL).state_dict() for values in (weights, older))
    assert all(torch.equal(new[name], old[name]) for name in new)


def test_other_weights_are_refused_in_one_line(weights):
    weights, _ = weights
    with pytest.raises(InputError, match="not the weights of such a U-Net of MONAI") as caught:
        monai.unet_of({name: value for name, value in weights.items() if "attn2" not in name}, **SMALL)
    assert "\n" not in str(caught.value)


SMALL_AUTOENCODER = {"block_out_channels": (8, 16, 16), "norm_num_groups": 4}
AUTOENCODER_NAMES = (
    (r"^(encoder|decoder)\.(\d+)", r"\1.blocks.\2"),
    (r"(decoder\.blocks\.\d+)\.conv$", r"\1.postconv"),
    (r"\.conv_shortcut$", ".nin_shortcut"),
    (r"\.group_norm$", ".norm"),
    (r"\.(to_[qkv])$", r".attn.\1"),
    (r"\.to_out\.0$", ".attn.out_proj"),
)


@pytest.fixture
def autoencoder():
    """Random weights of an autoencoder by MONAI's names, drawn in their order."""
    shapes = {}
    for name, module in monai.Autoencoder(**SMALL_AUTOENCODER).named_modules():
        for ours, theirs in AUTOENCODER_NAMES:
            name = re.sub(ours, theirs, name)
        wrapped = ".conv" * isinstance(module, torch.nn.Conv2d)
        shapes |= {f"{name}{wrapped}.{key}": value.shape for key, value in module.named_parameters(recurse=False)}
    generator = torch.Generator().manual_seed(0)
    return {name: 0.2 * torch.randn(shape, generator=generator) for name, shape in sorted(shapes.items())}, generator


def test_the_autoencoder_computes_what_monai_s_own_computes(autoencoder):
    weights, generator = autoencoder
    grey = torch.rand(2, 1, 16, 16, generator=generator)
    latents = torch.randn(2, 3, 4, 4, generator=generator)
    network = monai.autoencoder_of(weights, **SMALL_AUTOENCODER)
    with torch.no_grad():
        posterior = network.encode((2 * grey - 1).expand(-1, 3, -1, -1)).latent_dist
        images = network.decode(latents).sample
    assert images.shape == (2, 3, 16, 16) and torch.equal(images[:, 0], images[:, 2])
    expected = {
        2.924148: (posterior.mean, [-0.379134, -0.446248, -0.366137, -0.347886]),
        8.827870: (posterior.std, [0.964077, 0.960846, 1.035751, 1.008975]),
        8.367744: ((images[:, :1] + 1) / 2, [0.453575, 0.811122, 0.854506, 0.642491]),
    }
    for norm, (found, first) in expected.items():
        assert found.flatten()[:4].tolist() == pytest.approx(first, abs=1e-4)
        assert found.double().norm().item() == pytest.approx(norm, abs=1e-4)


def test_the_autoencoder_s_older_names_mean_the_same(autoencoder):
    weights, _ = autoencoder
    older = {
        name.replace(".postconv.", ".conv.").replace(".attn.out_proj.", ".proj_attn.").replace(".attn.", "."): value
        for name, value in weights.items()
    }
    assert older.keys() != weights.keys()
    new, old = (monai.autoencoder_of(values, **SMALL_AUTOENCODER).state_dict() for values in (weights, older))
    assert all(torch.equal(new[name], old[name]) for name in new)


@pytest.fixture
def files(tmp_path, autoencoder):
    """The files of the model zoo, small, and the settings that make them so."""
    unet = {**SMALL, "cross_attention_dim": 32}
    generator = torch.Generator().manual_seed(0)
    state = architectures.unet("cxr_ldm", **unet).state_dict()
    torch.save(
        {in_monai(name): 0.1 * torch.randn(value.shape, generator=generator) for name, value in state.items()},
        tmp_path / monai.UNET,
    )
    torch.save(autoencoder[0], tmp_path / monai.AUTOENCODER)
    return tmp_path, {"autoencoder": SMALL_AUTOENCODER, "unet": unet}


def test_the_whole_model_is_like_any_other(files, tiny_model_dir):
    folder, sizes = files
    model = monai.load(folder, tiny_model_dir, **sizes)
    mean, _ = model.encode_images(torch.zeros(1, 3, 32, 32))
    assert mean.shape == (1, 3, 8, 8)
    with torch.no_grad():
        assert model.unet(mean, torch.tensor([3]), model.encode_text(["edema"])).sample.isfinite().all()
    assert sum(m.is_cross_attention for m in model.unet.modules() if isinstance(m, Attention)) == 11
    assert model.scheduler.config.prediction_type == "v_prediction" and model.vae.config.scaling_factor == 0.3
    assert models.part_fingerprint(model.vae) != models.part_fingerprint(model.unet)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), r"autoencoder\.pth: no such file; see data_manifests/weights/README\.md"),
        (lambda path: torch.save(torch.nn.Linear(1, 1), path), r"autoencoder\.pth: holds no plain tensors"),
        (lambda path: path.write_bytes(path.read_bytes()[:100]), r"autoencoder\.pth: holds no plain tensors"),
        (lambda path: save_file({"a": torch.ones(1)}, path), r"autoencoder\.pth: holds no plain tensors"),
        (lambda path: torch.save({"a": torch.ones(1)}, path), "not the weights of such an autoencoder of MONAI"),
    ],
)
def test_files_that_are_damaged_or_would_run_code_are_refused(files, tiny_model_dir, damage, message):
    folder, sizes = files
    damage(folder / monai.AUTOENCODER)
    with pytest.raises(InputError, match=message) as caught:
        monai.load(folder, tiny_model_dir, **sizes)
    assert "\n" not in str(caught.value)
