"""The U-Net of MONAI's latent diffusion models as diffusers has it: the same network under other names.

MONAI's ``DiffusionModelUNet`` computes what a UNet2DConditionModel with these settings computes. So its weights are
renamed, and everything here works on it: capture, grounding, training. MONAI itself is not needed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from diffusers import UNet2DConditionModel

from plainsight import architectures
from plainsight.errors import InputError

_RENAMED = (
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


def unet_of(weights: Mapping[str, torch.Tensor], **changes: object) -> UNet2DConditionModel:
    """The U-Net with the ``weights`` of a ``DiffusionModelUNet``, in evaluation mode.

    Its settings are those of the chest X-ray model of MONAI's model zoo but for ``changes`` (arguments of
    UNet2DConditionModel). Raises InputError where they do not fit the weights.
    """
    renamed = {_name(name): value for name, value in weights.items()}
    unet = architectures.unet("cxr_ldm", **changes)
    try:
        unet.load_state_dict(renamed, assign=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"these are not the weights of such a U-Net of MONAI ({reason})") from None
    return unet


def _name(theirs: str) -> str:
    for pattern, ours in _RENAMED:
        theirs = re.sub(pattern, ours, theirs)
    return theirs
