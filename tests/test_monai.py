"""MONAI's U-Net under diffusers' names, against values that MONAI 1.6.1 computed."""

import re

import pytest
import torch

from plainsight import architectures, monai
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
