"""The chest X-ray latent diffusion model of MONAI's model zoo, in diffusers' parts (Pinaya et al. 2022).

MONAI's ``DiffusionModelUNet`` computes what a UNet2DConditionModel with these settings computes. So its weights are
renamed, and everything here works on it: capture, grounding, training. Its autoencoder is put together from diffusers'
blocks: it has no activation before its last convolutions, and fewer blocks than AutoencoderKL. MONAI is not needed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import torch
from diffusers import ConfigMixin, DDIMScheduler, ModelMixin, UNet2DConditionModel
from diffusers.configuration_utils import register_to_config
from diffusers.models.attention_processor import Attention
from diffusers.models.autoencoders.vae import DecoderOutput, DiagonalGaussianDistribution
from diffusers.models.downsampling import Downsample2D
from diffusers.models.modeling_outputs import AutoencoderKLOutput
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.upsampling import Upsample2D
from torch import nn
from transformers import CLIPTextModel, CLIPTokenizer

from plainsight import architectures, models
from plainsight.errors import InputError

AUTOENCODER, UNET = "autoencoder.pth", "diffusion_model.pth"
"""The files of the model zoo."""
_UNET_NAMES = (
    (r"\.conv(?=\.(weight|bias)$)", ""),  # MONAI wraps each convolution
    (r"^time_embed\.0", "time_embedding.linear_1"),
    (r"^time_embed\.2", "time_embedding.linear_2"),
    (r"^out\.0", "conv_norm_out"),
    (r"^out\.2", "conv_out"),
    (r"^middle_block\.resnet_1", "mid_block.resnets.0"),
    (r"^middle_block\.resnet_2", "mid_block.resnets.1"),
    (r"^middle_block\.attention", "mid_block.attentions.0"),
    (r"\.skip_connection", ".conv_shortcut"),
    (r"\.downsampler\.op", ".downsamplers.0.conv"),
    (r"\.upsampler\.postconv|\.upsampler\.conv|\.upsampler(?=\.(weight|bias)$)", ".upsamplers.0.conv"),
    (r"\.(out_proj|to_out)(\.0)?(?=\.(weight|bias)$)", ".to_out.0"),
    (r"\.ff\.linear1", ".ff.net.0.proj"),
    (r"\.ff\.linear2", ".ff.net.2"),
)
"""Names of MONAI, from version 1.4 on, and of GenerativeModels before it, as patterns; and those of diffusers."""
_AUTOENCODER_NAMES = (
    (r"\.conv(?=\.(weight|bias)$)", ""),
    (r"\.blocks\.", "."),
    (r"\.postconv\.", ".conv."),
    (r"\.nin_shortcut\.", ".conv_shortcut."),
    (r"\.norm\.", ".group_norm."),
    (r"\.attn\.", "."),
    (r"\.(proj_attn|out_proj)\.", ".to_out.0."),
)
_EPS = 1e-6


class Autoencoder(ModelMixin, ConfigMixin):
    """MONAI's ``AutoencoderKL`` of grey images, behind what AutoencoderKL of diffusers offers for colour ones.

    Images come and go as (B, 3, H, W) in [-1, 1]; inside they are grey, in [0, 1].
    """

    @register_to_config
    def __init__(
        self,
        block_out_channels: tuple[int, ...] = (64, 128, 128, 128),
        latent_channels: int = 3,
        norm_num_groups: int = 32,
        scaling_factor: float = 0.3,
    ) -> None:
        super().__init__()
        widths, groups = list(block_out_channels), norm_num_groups
        self.encoder = nn.ModuleList(
            [
                nn.Conv2d(1, widths[0], 3, padding=1),
                *_levels(widths, groups, lambda width: Downsample2D(width, use_conv=True, padding=0, name="op")),
                *_middle(widths[-1], groups),
                nn.GroupNorm(groups, widths[-1], _EPS),
                nn.Conv2d(widths[-1], latent_channels, 3, padding=1),
            ]
        )
        self.decoder = nn.ModuleList(
            [
                nn.Conv2d(latent_channels, widths[-1], 3, padding=1),
                *_middle(widths[-1], groups),
                *_levels(widths[::-1], groups, lambda width: Upsample2D(width, use_conv=True)),
                nn.GroupNorm(groups, widths[0], _EPS),
                nn.Conv2d(widths[0], 1, 3, padding=1),
            ]
        )
        self.quant_conv_mu, self.quant_conv_log_sigma, self.post_quant_conv = (
            nn.Conv2d(latent_channels, latent_channels, 1) for _ in range(3)
        )

    def encode(self, images: torch.Tensor) -> AutoencoderKLOutput:
        """The posterior of the latents of ``images``, as ``latent_dist``."""
        hidden = _through(self.encoder, (images.mean(dim=1, keepdim=True) + 1) / 2)
        parameters = torch.cat([self.quant_conv_mu(hidden), self.quant_conv_log_sigma(hidden)], dim=1)
        return AutoencoderKLOutput(latent_dist=DiagonalGaussianDistribution(parameters))

    def decode(self, latents: torch.Tensor) -> DecoderOutput:
        """The images of ``latents`` (B, 3, h, w), as ``sample``."""
        grey = _through(self.decoder, self.post_quant_conv(latents))
        return DecoderOutput(sample=(2 * grey - 1).expand(-1, 3, -1, -1))


def _levels(widths: Sequence[int], groups: int, resize: type) -> Iterator[nn.Module]:
    """Two residual blocks a level, and what changes the size between levels."""
    before = widths[0]
    for number, width in enumerate(widths):
        yield _residual(before, width, groups)
        yield _residual(width, width, groups)
        if number < len(widths) - 1:
            yield resize(width)
        before = width


def _middle(width: int, groups: int) -> Iterator[nn.Module]:
    yield _residual(width, width, groups)
    yield Attention(
        width,
        heads=1,
        dim_head=width,
        bias=True,
        eps=_EPS,
        norm_num_groups=groups,
        residual_connection=True,
        _from_deprecated_attn_block=True,  # of images (B, C, H, W)
    )
    yield _residual(width, width, groups)


def _residual(before: int, after: int, groups: int) -> ResnetBlock2D:
    return ResnetBlock2D(in_channels=before, out_channels=after, temb_channels=None, groups=groups, eps=_EPS)


def _through(blocks: nn.ModuleList, images: torch.Tensor) -> torch.Tensor:
    for block in blocks:
        images = block(images, None) if isinstance(block, ResnetBlock2D) else block(images)
    return images


def load(
    folder: Path,
    text: Path,
    autoencoder: Mapping[str, object] = MappingProxyType({}),
    unet: Mapping[str, object] = MappingProxyType({}),
) -> models.Model:
    """The whole model: `AUTOENCODER` and `UNET` in ``folder``, tokenizer and text encoder of a Stable Diffusion folder.

    Args:
        folder: with the two files of the model zoo, read as plain tensors.
        text: Stable Diffusion 2.1 base, or its sub-folders ``tokenizer`` and ``text_encoder``.
        autoencoder, unet: settings that differ from the published model's, as for `autoencoder_of` and `unet_of`.

    Raises:
        InputError: a part is missing or damaged, or does not fit.
    """
    model = models.Model(
        vae=autoencoder_of(_read(folder / AUTOENCODER), **autoencoder),
        unet=unet_of(_read(folder / UNET), **unet),
        text_encoder=models.load_part(CLIPTextModel, text / "text_encoder").eval(),
        tokenizer=models.load_part(CLIPTokenizer, text / "tokenizer"),
        # The schedule of its sampling script.
        scheduler=DDIMScheduler(
            beta_start=0.0015,
            beta_end=0.0205,
            beta_schedule="scaled_linear",
            prediction_type="v_prediction",
            clip_sample=False,
        ),
    )
    models.refuse_misfits(model, folder)
    for part in (model.vae, model.unet, model.text_encoder):
        part.requires_grad_(False)
    return model


def autoencoder_of(weights: Mapping[str, torch.Tensor], **changes: object) -> Autoencoder:
    """The autoencoder with MONAI's ``weights``, in evaluation mode; ``changes`` and errors as for `unet_of`."""
    return _filled(Autoencoder(**changes).eval(), weights, _AUTOENCODER_NAMES, "an autoencoder")


def unet_of(weights: Mapping[str, torch.Tensor], **changes: object) -> UNet2DConditionModel:
    """The U-Net with the ``weights`` of a ``DiffusionModelUNet``, in evaluation mode.

    Its settings are those of the chest X-ray model of MONAI's model zoo but for ``changes`` (arguments of
    UNet2DConditionModel). Raises InputError where they do not fit the weights.
    """
    return _filled(architectures.unet("cxr_ldm", **changes), weights, _UNET_NAMES, "a U-Net")


def _filled(part: nn.Module, weights: Mapping[str, torch.Tensor], names: Sequence[tuple[str, str]], what: str):
    """``part`` with ``weights``, which are renamed by patterns."""
    renamed = {}
    for name, value in weights.items():
        for theirs, ours in names:
            name = re.sub(theirs, ours, name)
        renamed[name] = value
    try:
        part.load_state_dict(renamed, assign=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"these are not the weights of such {what} of MONAI ({reason})") from None
    return part


def _read(path: Path) -> dict[str, torch.Tensor]:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; see data_manifests/weights/README.md") from None
    except Exception as error:  # pickle and zip raise their own kinds
        raise InputError(f"{path}: holds no plain tensors ({' '.join(str(error).split())[:120]})") from None
