from __future__ import annotations

import pytest
import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor, AttnProcessor2_0

from plainsight.attention import CrossAttentionCapture
from plainsight.errors import InputError

SIZES = [(10, 6), (5, 3), (3, 2)]
TOKENS, WIDTH = 9, 12


def build(**changes: object) -> UNet2DConditionModel:
    torch.manual_seed(0)
    settings = {
        "sample_size": 8,
        "block_out_channels": (8, 16, 16),
        "layers_per_block": 1,
        "attention_head_dim": (1, 2, 4),
        "norm_num_groups": 4,
        "cross_attention_dim": WIDTH,
        "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
    }
    unet = UNet2DConditionModel(**(settings | changes)).eval()
    for name, parameter in unet.named_parameters():
        if "attn2.to_q" in name or "attn2.to_k" in name:
            parameter.data *= 4  # attention far from uniform, as after training
    return unet


@pytest.fixture(scope="module")
def unet() -> UNet2DConditionModel:
    return build()


def inputs(batch: int = 3, size: tuple[int, int] = SIZES[0]) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    return (
        torch.randn(batch, 4, *size, generator=generator),
        torch.randint(1, 1000, (batch,), generator=generator),
        torch.randn(batch, TOKENS, WIDTH, generator=generator),
    )


def some_weights(batch: int = 3) -> torch.Tensor:
    return torch.rand(batch, TOKENS, generator=torch.Generator().manual_seed(2))


def reduce(stored: list[torch.Tensor], weights: torch.Tensor) -> dict[tuple[int, int], torch.Tensor]:
    """Whole maps to what the capture promises: mean over heads, weights over tokens, sum over layers of one size."""
    sums = {}
    for probabilities in stored:
        maps = torch.einsum("bhpt,bt->bp", probabilities, weights.double()) / probabilities.shape[1]
        size = next(size for size in SIZES if size[0] * size[1] == maps.shape[1])
        sums[size] = sums.get(size, 0) + maps.unflatten(-1, size)
    return sums


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"use_linear_projection": True},  # as Stable Diffusion 2
        {"upcast_attention": True},
        {
            "attention_head_dim": 2,
            "down_block_types": ("CrossAttnDownBlock2D",) * 3,
            "up_block_types": ("CrossAttnUpBlock2D",) * 3,
        },
    ],
)
def test_sums_are_those_of_stored_maps_and_output_is_unchanged(changes, stored_attention) -> None:
    unet, given, weights = build(**changes), inputs(), some_weights()
    with torch.no_grad():
        bare = unet(*given).sample
        with CrossAttentionCapture(unet, weights, SIZES[0]) as capture:
            captured = unet(*given).sample
    stored = stored_attention(unet, *given)
    expected = reduce(stored, weights)
    assert capture.sums.keys() == expected.keys()
    assert sum(capture.layers.values()) == len(stored)
    for size, maps in capture.sums.items():
        assert maps.dtype == torch.float32
        torch.testing.assert_close(maps.double(), expected[size], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(captured, bare, atol=1e-5, rtol=1e-5)


def test_attention_masks_are_honoured(unet, stored_attention) -> None:
    given, weights = inputs(), some_weights()
    mask = torch.ones(3, TOKENS)
    mask[1, 5:] = 0
    with torch.no_grad():
        bare = unet(*given, encoder_attention_mask=mask).sample
        with CrossAttentionCapture(unet, weights, SIZES[0]) as capture:
            captured = unet(*given, encoder_attention_mask=mask).sample
    expected = reduce(stored_attention(unet, *given, encoder_attention_mask=mask), weights)
    for size, maps in capture.sums.items():
        torch.testing.assert_close(maps.double(), expected[size], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(captured, bare, atol=1e-5, rtol=1e-5)
    with torch.no_grad(), CrossAttentionCapture(unet, (1 - mask)[1:2], SIZES[0], rows=slice(1, 2)) as masked:
        unet(*given, encoder_attention_mask=mask)
    assert all(maps.abs().max() < 1e-6 for maps in masked.sums.values())


def test_all_tokens_together_have_attention_one(unet) -> None:
    with torch.no_grad(), CrossAttentionCapture(unet, torch.ones(1, TOKENS), SIZES[0]) as capture:
        unet(*inputs())
    for size, maps in capture.sums.items():
        torch.testing.assert_close(maps, torch.full_like(maps, capture.layers[size]))


def test_sums_run_over_forward_passes(unet) -> None:
    given, weights = inputs(), some_weights()
    with torch.no_grad():
        with CrossAttentionCapture(unet, weights, SIZES[0]) as once:
            unet(*given)
        with CrossAttentionCapture(unet, weights, SIZES[0]) as thrice:
            for _ in range(3):
                unet(*given)
    for size in once.sums:
        torch.testing.assert_close(thrice.sums[size], 3 * once.sums[size])
        assert thrice.layers[size] == 3 * once.layers[size]


def test_samples_of_a_batch_with_their_own_timesteps_do_not_mix(unet) -> None:
    given, weights = inputs(), some_weights()
    with torch.no_grad():
        with CrossAttentionCapture(unet, weights, SIZES[0]) as together:
            unet(*given)
        for row in range(3):
            with CrossAttentionCapture(unet, weights[row : row + 1], SIZES[0]) as alone:
                unet(*(values[row : row + 1] for values in given))
            for size, maps in alone.sums.items():
                torch.testing.assert_close(maps[0], together.sums[size][row], atol=1e-6, rtol=1e-5)


def test_guidance_captures_the_conditional_half(unet) -> None:
    (latents, times, text), weights = inputs(), some_weights()
    with torch.no_grad():
        with CrossAttentionCapture(unet, weights, SIZES[0]) as conditional:
            unet(latents, times, text)
        doubled = latents.repeat(2, 1, 1, 1), times.repeat(2), torch.cat([torch.zeros_like(text), text])
        with CrossAttentionCapture(unet, weights, SIZES[0], rows=slice(3, None)) as guided:
            unet(*doubled)
    for size, maps in conditional.sums.items():
        torch.testing.assert_close(guided.sums[size], maps, atol=1e-6, rtol=1e-5)


def test_layers_above_max_resolution_are_left_to_their_own_processor(unet) -> None:
    given, weights = inputs(), some_weights()
    with torch.no_grad():
        with CrossAttentionCapture(unet, weights, SIZES[0]) as every:
            unet(*given)
        with CrossAttentionCapture(unet, weights, SIZES[0], max_resolution=5) as small:
            unet(*given)
    assert set(small.sums) == {(5, 3), (3, 2)}
    for size, maps in small.sums.items():
        torch.testing.assert_close(maps, every.sums[size], atol=1e-6, rtol=1e-5)
    with pytest.raises(InputError, match="smallest is 3"):
        CrossAttentionCapture(unet, weights, SIZES[0], max_resolution=2)


def test_processors_come_back_after_an_exception(unet) -> None:
    before = {name: processor for name, processor in unet.attn_processors.items()}
    with pytest.raises(KeyError), CrossAttentionCapture(unet, some_weights(), SIZES[0]):
        changed = {name for name, processor in unet.attn_processors.items() if processor is not before[name]}
        assert changed == {name for name in before if "attn2" in name}
        raise KeyError
    assert all(processor is before[name] for name, processor in unet.attn_processors.items())


def test_other_plain_processors_give_the_same_maps(unet) -> None:
    given, weights = inputs(), some_weights()
    sums = []
    for processor in (AttnProcessor(), AttnProcessor2_0()):
        unet.set_attn_processor(processor)
        with torch.no_grad(), CrossAttentionCapture(unet, weights, SIZES[0]) as capture:
            unet(*given)
        sums.append(capture.sums)
    for size in sums[0]:
        torch.testing.assert_close(sums[0][size], sums[1][size], atol=1e-6, rtol=1e-5)


def test_low_precision_sums_are_float32_and_close() -> None:
    given, weights = inputs(), some_weights()
    unet = build()
    with torch.no_grad():
        with CrossAttentionCapture(unet, weights, SIZES[0]) as exact:
            unet(*given)
        low = unet.to(torch.bfloat16)
        with CrossAttentionCapture(low, weights, SIZES[0]) as rounded:
            low(given[0].bfloat16(), given[1], given[2].bfloat16())
    for size, maps in rounded.sums.items():
        assert maps.dtype == torch.float32
        torch.testing.assert_close(maps, exact.sums[size], atol=0.05, rtol=0.05)


def test_no_graph_is_kept_when_gradients_are_on(unet) -> None:
    with CrossAttentionCapture(unet, some_weights(), SIZES[0]) as capture:
        output = unet(*inputs()).sample
    assert output.requires_grad
    assert not any(maps.requires_grad for maps in capture.sums.values())


def test_model_without_cross_attention_is_refused() -> None:
    plain = build(
        down_block_types=("DownBlock2D",) * 3, up_block_types=("UpBlock2D",) * 3, mid_block_type="UNetMidBlock2D"
    )
    with pytest.raises(InputError, match="no cross-attention"):
        CrossAttentionCapture(plain, some_weights(), SIZES[0])


def test_adapters_are_refused(unet) -> None:
    class Adapter(AttnProcessor):
        pass

    other = build()
    other.set_attn_processor(Adapter())
    with pytest.raises(InputError, match="Adapter"):
        CrossAttentionCapture(other, some_weights(), SIZES[0])
