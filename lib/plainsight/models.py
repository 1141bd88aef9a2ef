"""Latent diffusion models: built at toy size or loaded from a Stable Diffusion folder, always in diffusers' classes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    ConfigMixin,
    DDIMScheduler,
    ModelMixin,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from diffusers.models.attention_processor import Attention
from transformers import BertModel, BertTokenizer, CLIPTextConfig, CLIPTextModel, CLIPTokenizer, PreTrainedModel

from plainsight.config import AutoencoderConfig, TextEncoderConfig, UNetConfig
from plainsight.errors import InputError
from plainsight.seeding import seeded_initialisation
from plainsight.tokenizer import CONTEXT_LENGTH, clip_tokenizer

TEXT_ENCODERS = {
    "clip": (CLIPTextModel, CLIPTokenizer),
    "clip_text_model": (CLIPTextModel, CLIPTokenizer),
    "bert": (BertModel, BertTokenizer),
    "cxr-bert": (BertModel, BertTokenizer),
}
"""The kinds of text encoder, as ``model_type`` of their ``config.json`` names them, and their classes."""


@dataclass
class Model:
    """The parts of a latent diffusion model, on one device and in evaluation mode."""

    vae: AutoencoderKL
    unet: UNet2DConditionModel
    text_encoder: CLIPTextModel | BertModel
    tokenizer: CLIPTokenizer | BertTokenizer
    scheduler: DDIMScheduler

    @property
    def device(self) -> torch.device:
        return self.unet.device

    def encode_text(self, phrases: list[str]) -> torch.Tensor:
        """Prompt embeddings (B, 77, C) of ``phrases``, padding included; longer ones are cut."""
        return self.text_encoder(**self.text_inputs(phrases)).last_hidden_state

    def text_inputs(self, phrases: list[str]) -> dict[str, torch.Tensor]:
        """What the text encoder takes, by argument: token ids (B, 77) and, of the BERT kind, which are no padding.

        CLIP reads from left to right, so that no word sees the padding behind it. The U-Net sees all 77 either way.
        """
        ids = token_ids(self.tokenizer, phrases).to(self.device)
        masked = isinstance(self.text_encoder, BertModel)
        return {"input_ids": ids} | ({"attention_mask": (ids != self.tokenizer.pad_token_id).long()} if masked else {})

    @torch.no_grad()
    def encode_images(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and log-variance (B, c, h, w) of the latent posterior of ``images`` (B, 3, H, W) in [-1, 1].

        Not yet multiplied by the autoencoder's ``scaling_factor``.
        """
        posterior = self.vae.encode(images.to(self.device)).latent_dist
        return posterior.mean, posterior.logvar


def token_ids(tokenizer: CLIPTokenizer | BertTokenizer, phrases: list[str]) -> torch.Tensor:
    """Token ids (B, 77) of ``phrases``, start and end tokens included, padded, cut at the context length."""
    return tokenizer(
        phrases, padding="max_length", truncation=True, max_length=tokenizer.model_max_length, return_tensors="pt"
    ).input_ids


def build_autoencoder(config: AutoencoderConfig, seed: int) -> AutoencoderKL:
    """An untrained AutoencoderKL whose latents have an eighth of the image's side (Rombach et al. 2022)."""
    stages = len(config.block_out_channels)
    with seeded_initialisation(seed, "autoencoder"):
        return AutoencoderKL(
            in_channels=3,
            out_channels=3,
            latent_channels=config.latent_channels,
            block_out_channels=config.block_out_channels,
            layers_per_block=config.layers_per_block,
            norm_num_groups=config.norm_num_groups,
            down_block_types=("DownEncoderBlock2D",) * stages,
            up_block_types=("UpDecoderBlock2D",) * stages,
            mid_block_add_attention=False,
        )


TOKEN_STD = 1.0
"""Spread of the first token embeddings.

Pretraining here sees some hundred of the 49,408 tokens; the others keep their first values. With the library's 0.02
they drown in what the layers add: "effusion" and "pneumonia" then have a cosine of .93 with each other and 1.00 with
their own end token, and there is nothing a frozen encoder could keep apart.
"""


def build_text_encoder(config: TextEncoderConfig, seed: int) -> CLIPTextModel:
    """An untrained CLIPTextModel over the real CLIP vocabulary."""
    tokenizer = clip_tokenizer()
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=config.hidden_size,
        intermediate_size=4 * config.hidden_size,
        projection_dim=config.hidden_size,
        num_hidden_layers=config.num_hidden_layers,
        num_attention_heads=config.num_attention_heads,
        max_position_embeddings=CONTEXT_LENGTH,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with seeded_initialisation(seed, "text_encoder"):
        encoder = CLIPTextModel(config)
        torch.nn.init.normal_(encoder.get_input_embeddings().weight, std=TOKEN_STD)
    return encoder


def without_last_layer(encoder: CLIPTextModel) -> CLIPTextModel:
    """``encoder`` less its last layer, weights shared: what the U-Net of Stable Diffusion 2 reads.

    There the last layer of OpenCLIP ViT-H/14 is left out as well (23 of 24): in the last one, words give way to the
    summary that the contrastive loss asks of the end token.
    """
    config = CLIPTextConfig(**encoder.config.to_dict() | {"num_hidden_layers": encoder.config.num_hidden_layers - 1})
    shorter = CLIPTextModel(config)
    kept = {name: value for name, value in encoder.state_dict().items() if name in shorter.state_dict()}
    shorter.load_state_dict(kept, assign=True)
    return shorter.train(encoder.training)


def build_unet(
    config: UNetConfig, sample_size: int, latent_channels: int, cross_attention_dim: int, seed: int
) -> UNet2DConditionModel:
    """An untrained U-Net with cross-attention at every resolution, down, middle and up."""
    stages = len(config.block_out_channels)
    with seeded_initialisation(seed, "unet"):
        return UNet2DConditionModel(
            sample_size=sample_size,
            in_channels=latent_channels,
            out_channels=latent_channels,
            block_out_channels=config.block_out_channels,
            layers_per_block=config.layers_per_block,
            # diffusers' `attention_head_dim` of this class is the number of heads (diffusers issue 2011).
            attention_head_dim=config.num_attention_heads,
            norm_num_groups=config.norm_num_groups,
            cross_attention_dim=cross_attention_dim,
            down_block_types=("CrossAttnDownBlock2D",) * stages,
            up_block_types=("CrossAttnUpBlock2D",) * stages,
        )


def noise_scheduler() -> DDIMScheduler:
    """The noise schedule of Stable Diffusion: 1,000 timesteps, scaled-linear betas, epsilon-prediction."""
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )


def save(model: Model, folder: Path) -> None:
    """Write ``model`` as a folder that StableDiffusionPipeline.from_pretrained loads."""
    StableDiffusionPipeline(
        vae=model.vae,
        text_encoder=model.text_encoder,
        tokenizer=model.tokenizer,
        unet=model.unet,
        scheduler=model.scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)


def load(folder: Path, weights: str = "raw", device: str | torch.device = "cpu") -> Model:
    """Load a Stable Diffusion folder of diffusers in evaluation mode, in float32.

    ``weights``: ``raw`` (the folder itself), ``ema`` or ``step<N>`` (weights kept during training here, under
    ``ema/`` and ``milestones/step<N>/``; a text encoder that was not trained is the folder's own).
    Raises InputError where the folder or a part of it is missing or unreadable.
    """
    folder = Path(folder)
    if not (folder / "model_index.json").is_file():
        raise InputError(f"{folder}: no model_index.json here; give the folder of a saved Stable Diffusion pipeline")
    kept = {"raw": folder, "ema": folder / "ema"}.get(weights, folder / "milestones" / weights)
    if not (kept / "unet").is_dir():
        available = sorted(p.parent.name for p in (folder / "milestones").glob("step*/unet"))
        kept_here = ["raw"] * (folder / "unet").is_dir() + ["ema"] * (folder / "ema" / "unet").is_dir() + available
        if not kept_here:
            raise InputError(f"{folder}: no unet/ here; give the folder of a whole saved Stable Diffusion pipeline")
        raise InputError(f"{folder}: no weights {weights!r} here; kept: {', '.join(kept_here)}")
    text_encoder, tokenizer = _load_text_encoder(
        (kept if (kept / "text_encoder").is_dir() else folder) / "text_encoder", folder / "tokenizer"
    )
    model = Model(
        vae=load_part(AutoencoderKL, folder / "vae"),
        unet=load_part(UNet2DConditionModel, kept / "unet"),
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        scheduler=load_part(DDIMScheduler, folder / "scheduler"),
    )
    refuse_misfits(model, folder)
    for part in (model.vae, model.unet, model.text_encoder):
        part.requires_grad_(False).eval().to(device)
    return model


def with_text_encoder(model: Model, folder: Path) -> Model:
    """``model`` with another text encoder, and its tokenizer, in the place of its own: what seed 001 compares.

    All six of its encoders are as wide as the U-Net of Stable Diffusion 1.5 expects, so nothing stands between them.
    Texts are cut and padded to 77 tokens as for CLIP. The other parts are shared with ``model``.

    Args:
        model: a model; it stays as it is.
        folder: a text encoder and its tokenizer as transformers saves them, weights as safetensors: one of the CLIP
            kind (of a whole CLIP the text part is read) or of the BERT kind (of a masked language model, the encoder).

    Raises:
        InputError: no such encoder lies there, a part of its weights is missing, or the U-Net expects another width.
    """
    folder = Path(folder)
    text_encoder, tokenizer = _load_text_encoder(folder, folder)
    tokenizer.model_max_length = CONTEXT_LENGTH
    changed = dataclasses.replace(model, text_encoder=text_encoder, tokenizer=tokenizer)
    refuse_misfits(changed, folder)
    text_encoder.requires_grad_(False).eval().to(model.device)
    return changed


def fingerprint(model: Model) -> str:
    """A name for what ``model`` computes: 16 hex digits of the SHA-256 of its weights, settings and token ids.

    The same wherever its folder lies, whatever device it is on, and after it was saved again.
    """
    digest = hashlib.sha256()
    for part in (model.vae, model.unet, model.text_encoder):
        _add_weights(digest, part)
    for part in (model.vae, model.unet, model.scheduler):
        _add_settings(digest, part)
    text = model.text_encoder.config
    digest.update(json.dumps([text.num_attention_heads, text.hidden_act, text.layer_norm_eps]).encode())
    digest.update(str(token_ids(model.tokenizer, ["small left pleural effusion"]).tolist()).encode())
    return digest.hexdigest()[:16]


def part_fingerprint(part: ModelMixin) -> str:
    """A name for what an autoencoder or a U-Net computes, as `fingerprint` is for a whole model."""
    digest = hashlib.sha256()
    _add_weights(digest, part)
    _add_settings(digest, part)
    return digest.hexdigest()[:16]


def _add_weights(digest: hashlib._Hash, part: torch.nn.Module) -> None:
    for name, value in sorted(part.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.cpu().numpy().tobytes())


def _add_settings(digest: hashlib._Hash, part: ConfigMixin) -> None:
    settings = {name: value for name, value in part.config.items() if not name.startswith("_")}
    digest.update(json.dumps(settings, sort_keys=True, default=str).encode())


def refuse_misfits(model: Model, folder: Path) -> None:
    """InputError where the parts do not fit each other, or the U-Net wants more than latents, a time and a text."""
    unet, text_encoder, given = model.unet.config, model.text_encoder.config, model.vae.config.latent_channels
    cross = [m for m in model.unet.modules() if isinstance(m, Attention) and m.is_cross_attention]
    widths = {layer.to_k.in_features for layer in cross} | {text_encoder.hidden_size}
    if unet.get("addition_embed_type") or unet.get("class_embed_type") or unet.get("num_class_embeds"):
        problem = "the U-Net wants more than a text (as that of SDXL does)"
    elif unet.in_channels != given:
        problem = f"the U-Net reads {unet.in_channels} channels, the autoencoder gives {given}"
    elif len(widths) > 1:
        problem = f"the U-Net does not read text embeddings of width {text_encoder.hidden_size}"
    elif not text_encoder.vocab_size / 2 < len(model.tokenizer) <= text_encoder.vocab_size:
        problem = f"a tokenizer of {len(model.tokenizer)} tokens, a text encoder of {text_encoder.vocab_size}"
    elif model.tokenizer.model_max_length > text_encoder.max_position_embeddings:
        problem = f"the tokenizer does not stop at the text encoder's {text_encoder.max_position_embeddings} tokens"
    elif not isinstance(unet.sample_size, int):
        problem = "unet/config.json has no whole number as 'sample_size'"
    else:
        return
    raise InputError(f"{folder}: {problem}; give a text-to-image model of the kind of Stable Diffusion 1 or 2")


def _load_text_encoder(folder: Path, tokenizer: Path) -> tuple[PreTrainedModel, CLIPTokenizer | BertTokenizer]:
    try:
        kind = json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"]
        encoder_class, tokenizer_class = TEXT_ENCODERS[kind]
    except (OSError, ValueError, KeyError, TypeError) as error:
        known = ", ".join(TEXT_ENCODERS)
        raise InputError(
            f"{folder}: no text encoder of a known kind here ({' '.join(str(error).split())}); 'model_type' in its "
            f"config.json has to be one of {known}"
        ) from None
    if not any(folder.glob("*.safetensors")):
        raise InputError(
            f"{folder}: no weights as safetensors here; pytorch_model.bin can hold programs and is not read: "
            "data_manifests/weights/README.md says how to make model.safetensors of it, once"
        )
    return load_part(encoder_class, folder), load_part(tokenizer_class, tokenizer)


def load_part(cls: type, folder: Path) -> object:
    """``cls.from_pretrained(folder)``, weights from safetensors only and as float32, whatever they are stored as.

    Raises InputError with one line when that fails, or a weight is missing.
    """
    if not folder.is_dir():  # else the libraries take the path for a name on their hub
        raise InputError(f"{folder}: no such folder; a saved {cls.__name__} belongs there")
    options = {"use_safetensors": True, "output_loading_info": True}
    if cls is BertModel:
        options["add_pooling_layer"] = False  # a summary that no U-Net reads
    try:
        if not issubclass(cls, torch.nn.Module):
            return cls.from_pretrained(folder)
        # Else a text encoder would get the precision that its configuration names, other than the U-Net.
        precision = "dtype" if issubclass(cls, PreTrainedModel) else "torch_dtype"
        part, report = cls.from_pretrained(folder, **options, **{precision: torch.float32})
        if missing := sorted(report["missing_keys"]):  # the libraries would draw them at random, or leave them out
            raise ValueError(f"weights are missing, first of all {missing[0]}")
        return part
    except Exception as error:  # every library raises its own kinds here
        raise InputError(
            f"{folder}: cannot be loaded as {cls.__name__}: {' '.join(str(error).split())[:200]}"
        ) from error
