"""Published architectures without their weights: sizes, and capture of their cross-attention."""

import pytest
import torch

from plainsight import architectures
from plainsight.attention import CrossAttentionCapture

MILLIONS = {"sd_15": 859.5, "sd_2_base": 865.9, "cxr_ldm": 263.6}
LAYERS = {
    "sd_15": {(64, 64): 5, (32, 32): 5, (16, 16): 5, (8, 8): 1},
    "sd_2_base": {(64, 64): 5, (32, 32): 5, (16, 16): 5, (8, 8): 1},
    # 11 layers; those of indices 3, 4, 6 and 7, which the zero-shot paper reads, work at 16 x 16.
    "cxr_ldm": {(32, 32): 5, (16, 16): 6},
}
NARROW = {"block_out_channels": (8, 16, 24, 24), "norm_num_groups": 4, "cross_attention_dim": 12}


@pytest.mark.parametrize("name", architectures.UNETS)
def test_the_number_of_parameters_is_that_of_the_published_model(name):
    unet = architectures.unet(name)
    assert next(unet.parameters()).is_meta
    assert round(sum(p.numel() for p in unet.parameters()) / 1e6, 1) == MILLIONS[name]


def test_the_other_parts_have_their_published_sizes():
    sizes = [
        sum(p.numel() for p in part().parameters()) for part in (architectures.autoencoder, architectures.text_encoder)
    ]
    assert [round(size / 1e6, 1) for size in sizes] == [83.7, 340.4]


@pytest.mark.parametrize("name", architectures.UNETS)
def test_capture_finds_every_cross_attention_layer_at_full_size(name):
    """On the device ``meta`` shapes are worked out and nothing is computed."""
    unet = architectures.unet(name)
    latents = torch.empty(2, unet.config.in_channels, 64, 64, device="meta")
    text = torch.empty(2, 77, unet.config.cross_attention_dim, device="meta")
    with CrossAttentionCapture(unet, torch.ones(1, 77), (64, 64)) as capture, torch.no_grad():
        unet(latents, torch.zeros(2, device="meta"), text)
    assert capture.layers == LAYERS[name]
    assert sum(capture.layers.values()) == (11 if name == "cxr_ldm" else 16)
    assert {side: maps.shape for side, maps in capture.sums.items()} == {side: (2, *side) for side in LAYERS[name]}


@pytest.mark.parametrize("name", architectures.UNETS)
def test_captured_maps_are_those_of_the_plain_reference(name, stored_attention):
    """The same networks, narrow, with numbers in them."""
    stages = len(architectures.UNETS[name]["block_out_channels"])
    heads = {"sd_15": 2, "sd_2_base": (1, 2, 3, 3), "cxr_ldm": 1}[name]
    narrow = {**NARROW, "block_out_channels": NARROW["block_out_channels"][:stages], "attention_head_dim": heads}
    torch.manual_seed(0)
    unet = architectures.unet(name, "cpu", **narrow)
    latents, text = torch.randn(1, unet.config.in_channels, 16, 16), torch.randn(1, 7, 12)
    weights = torch.tensor([[0.0, 0.5, 0.5, 0.0, 0.0, 0.0, 0.0]])
    with CrossAttentionCapture(unet, weights, (16, 16)) as capture, torch.no_grad():
        unet(latents, torch.tensor([500]), text)
    expected: dict[tuple[int, int], torch.Tensor] = {}
    for attention in stored_attention(unet, latents, torch.tensor([500]), text):
        side = int(attention.shape[2] ** 0.5)
        maps = (attention.mean(dim=1) @ weights[0].double()).unflatten(-1, (side, side))
        expected[side, side] = expected.get((side, side), 0) + maps
    assert expected.keys() == capture.sums.keys()
    for side, maps in capture.sums.items():
        assert torch.allclose(maps.double(), expected[side], atol=1e-5)
