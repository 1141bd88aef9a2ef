"""Cross-attention maps of a diffusion U-Net, reduced to the wanted tokens while the U-Net runs."""

from __future__ import annotations

from typing import Self

import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import (
    Attention,
    AttnProcessor,
    AttnProcessor2_0,
    SlicedAttnProcessor,
    XFormersAttnProcessor,
)

from plainsight.errors import InputError

_PLAIN = (AttnProcessor, AttnProcessor2_0, SlicedAttnProcessor, XFormersAttnProcessor)
"""Processors that compute softmax(Q K^T / sqrt(d)) V and nothing else, each in its own way."""


class CrossAttentionCapture:
    """Sum the cross-attention maps of a U-Net over its layers, for every forward pass inside the ``with`` block.

    For each layer, head and pixel the attention is a softmax over all T tokens, padding included (seed 000, eq. 1);
    heads are averaged, tokens are weighted, and what is left, one number a pixel, is added to a float32 sum at
    the layer's own resolution. No map is kept, so memory does not grow with layers, steps or tokens. The output of the
    U-Net is what it is without capture, within rounding. On leaving the block, after an exception too, the
    U-Net's attention processors are the ones it had before.

    Args:
        unet: a UNet2DConditionModel.
        token_weights: (R, T) weight of each token for each of R samples of the batch; (1, T) serves every sample.
        size: height and width of the latents that the U-Net is given; they need not be equal.
        rows: the R samples of the batch to capture; with guidance, for example, the conditional half.
        max_resolution: leave out layers with a side above it; None takes every layer.

    Attributes:
        sums: for each resolution (h, w), the summed maps (R, h, w), float32, on the U-Net's device.
        layers: for each resolution (h, w), how many maps that sum holds (layers times forward passes).

    Raises:
        InputError: the U-Net has no cross-attention, none at or below ``max_resolution``, or its attention has been
            replaced by an adapter's.
    """

    def __init__(
        self,
        unet: UNet2DConditionModel,
        token_weights: torch.Tensor,
        size: tuple[int, int],
        *,
        rows: slice = slice(None),
        max_resolution: int | None = None,
    ) -> None:
        self._modules = {
            name: module
            for name, module in unet.named_modules()
            if isinstance(module, Attention) and module.is_cross_attention
        }
        if not self._modules:
            raise InputError("the model has no cross-attention: it does not read text, so no word can be located")
        for name, module in self._modules.items():
            if type(module.processor) not in _PLAIN:
                adapter = type(module.processor).__name__
                raise InputError(f"{name} has attention processor {adapter}: unload the adapter before capturing maps")
        sizes = _resolutions(size, len(unet.config.down_block_types))
        self._sizes = {h * w: (h, w) for h, w in sizes if max_resolution is None or max(h, w) <= max_resolution}
        if not self._sizes:
            raise InputError(f"no layer has a side of {max_resolution} or less; the smallest is {max(sizes[-1])}")
        self.token_weights, self.rows = token_weights.to(unet.device, unet.dtype), rows
        self.sums: dict[tuple[int, int], torch.Tensor] = {}
        self.layers: dict[tuple[int, int], int] = {}

    def __enter__(self) -> Self:
        self._processors = {name: module.processor for name, module in self._modules.items()}
        for name, module in self._modules.items():
            module.set_processor(self._processor(self._processors[name]))
        return self

    def __exit__(self, *exception: object) -> None:
        for name, module in self._modules.items():
            module.set_processor(self._processors[name])

    def _processor(self, replaced: object) -> _CaptureProcessor:
        return _CaptureProcessor(self, replaced)

    def wants(self, pixels: int) -> bool:
        """Whether a layer with so many pixels is captured."""
        return pixels in self._sizes

    def add(self, attention: torch.Tensor) -> None:
        """Add the weighted attention of one layer, (R, heads, pixels), to the sum of its resolution."""
        maps = attention.detach().mean(dim=1, dtype=torch.float32)
        size = self._sizes[maps.shape[-1]]
        maps = maps.unflatten(-1, size)
        self.sums[size] = self.sums[size].add_(maps) if size in self.sums else maps
        self.layers[size] = self.layers.get(size, 0) + 1


class _CaptureProcessor:
    """AttnProcessor2_0 of diffusers with the token weights as one more column of the values.

    softmax(Q K^T / sqrt(d)) [V | w] is the output and, in its last column, the weighted attention: one fused kernel
    gives both, and the probabilities of all tokens never exist. Q, K and V are padded with zeros, because kernels
    want them equally wide and a multiple of 8; zeros change no product. This took 0.7 of the time of computing the
    probabilities once and using them twice.
    """

    PADDING = 8

    def __init__(self, capture: CrossAttentionCapture, processor: object) -> None:
        self.capture, self.processor = capture, processor

    def __call__(
        self,
        attn: Attention,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        temb: torch.Tensor | None = None,
    ) -> torch.Tensor:
        if not self.capture.wants(hidden_states.shape[1]):
            return self.processor(attn, hidden_states, encoder_hidden_states, attention_mask, temb)
        if attention_mask is not None:
            batch, tokens, _ = encoder_hidden_states.shape
            attention_mask = attn.prepare_attention_mask(attention_mask, tokens, batch)
            attention_mask = attention_mask.view(batch, attn.heads, -1, tokens)
        if attn.norm_cross:
            encoder_hidden_states = attn.norm_encoder_hidden_states(encoder_hidden_states)
        query = self._split_heads(attn, attn.to_q(hidden_states))
        key = self._split_heads(attn, attn.to_k(encoder_hidden_states))
        value = self._split_heads(attn, attn.to_v(encoder_hidden_states))
        column = value.shape[-1] - self.PADDING
        value[self.capture.rows, :, :, column] = self.capture.token_weights[:, None]
        result = F.scaled_dot_product_attention(query, key, value, attn_mask=attention_mask, scale=attn.scale)
        self.capture.add(result[self.capture.rows, ..., column])
        output = result[..., :column].transpose(1, 2).flatten(start_dim=2)
        output = attn.to_out[1](attn.to_out[0](output))
        if attn.residual_connection:
            output = output + hidden_states
        return output / attn.rescale_output_factor

    def _split_heads(self, attn: Attention, projected: torch.Tensor) -> torch.Tensor:
        """(B, length, heads * d) to (B, heads, length, d + padding)."""
        return F.pad(projected.unflatten(-1, (attn.heads, -1)).transpose(1, 2), (0, self.PADDING))


def _resolutions(size: tuple[int, int], stages: int) -> list[tuple[int, int]]:
    """The resolutions (h, w) a U-Net with so many stages works at: each stage halves, rounding up."""
    sizes = [tuple(size)]
    for _ in range(stages - 1):
        h, w = sizes[-1]
        sizes.append(((h + 1) // 2, (w + 1) // 2))
    return sizes
