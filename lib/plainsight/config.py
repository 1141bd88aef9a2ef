"""Scales, variants and protocols: YAML read into frozen dataclasses that refuse unknown keys.

A *scale* (``workflow/scales/<name>.yaml``) says how much of everything; a *variant* says how a model is
trained; a *protocol* says how it is asked where its words are. Nothing in the library asks which scale it
runs at: it is handed the numbers.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from dataclasses import dataclass
from pathlib import Path

import yaml

from plainsight.errors import InputError


@dataclass(frozen=True)
class WorldSize:
    """Number of images per split; in a world of given images, ``grounding: 0`` takes every image with a box."""

    train: int
    validation: int
    grounding: int
    generation: int
    images_per_patient: int = 3
    source_resolution: int = 256
    """Side in pixels at which a drawn world is drawn; a model sees it resized."""
    models_from: str | None = None
    """The world whose trained models are carried over to this one; None: trained on this world itself."""

    def __post_init__(self) -> None:
        least = {"images_per_patient": 1, "source_resolution": 32}
        for field in dataclasses.fields(self):
            value, low = getattr(self, field.name), least.get(field.name, 0)
            if isinstance(value, int) and value < low:
                raise InputError(f"the size of a world: {field.name} is {value}; give {low} or more")


@dataclass(frozen=True)
class TextShares:
    """How hard the training text is: shares and counts in reports, each settable on its own.

    ``source`` is where a finding's wording comes from: ``reports`` (real Open-i sentences), ``composed`` (a
    hundred composed impressions a class) or ``labels`` (class names); ``captions`` are those that drawn scenes have,
    to which nothing else here applies. The others are probabilities in [0, 1] that one more such sentence is added, or
    that a text is silent about a finding that is drawn.
    """

    source: typing.Literal["reports", "composed", "labels", "captions"]
    max_findings: int = 3
    synonym: float = 0.0
    negated: float = 0.0
    device: float = 0.0
    comparison: float = 0.0
    anonymised: float = 0.0
    silent: float = 0.0


@dataclass(frozen=True)
class Confounders:
    """Correlations that are not lesions: how much likelier a device (edema) and an AP view (more findings) are."""

    device_with_edema: float = 0.8
    device_otherwise: float = 0.25
    ap_per_finding: float = 0.2
    ap_base: float = 0.3


@dataclass(frozen=True)
class AutoencoderConfig:
    """AutoencoderKL: three stages of downsampling make latents of resolution / 8, as in Stable Diffusion."""

    latent_channels: int
    block_out_channels: tuple[int, ...]
    layers_per_block: int
    norm_num_groups: int
    steps: int
    batch_size: int
    learning_rate: float
    kl_weight: float


@dataclass(frozen=True)
class TextEncoderConfig:
    """CLIPTextModel and its contrastive pretraining on captions of scenes, for which it has one layer more."""

    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    steps: int
    batch_size: int
    learning_rate: float


@dataclass(frozen=True)
class UNetConfig:
    """UNet2DConditionModel with cross-attention at every resolution."""

    block_out_channels: tuple[int, ...]
    layers_per_block: int
    num_attention_heads: int
    norm_num_groups: int


@dataclass(frozen=True)
class DenoisingConfig:
    """Denoising training (Ho et al. 2020, eq. 14), as the foundation and every variant use it.

    Settings that are left out of its ``repr`` say how a training runs, not what is learned; where they change, a
    finished training stays as it is, and one under way goes on.
    """

    batch_size: int
    learning_rate: float
    warmup_steps: int
    max_grad_norm: float
    ema_decay: float
    checkpoint_every: int = dataclasses.field(repr=False)
    foundation_steps: int | None
    """None where the foundation is not trained here."""
    steps: int
    """Fine-tuning steps of a frozen-encoder run; a variant's own length is a multiple of it."""
    milestones: tuple[float, ...]
    """Fractions of ``steps`` at which weights are kept for the curves over training."""
    first_look: float = dataclasses.field(repr=False)
    """That of ``milestones`` at which models of the first seed are asked for a first picture."""
    schedule: typing.Literal["constant", "cosine"] = "constant"
    """Of the learning rate, after the warm-up: as it is, or down to 0 at the last step along half a cosine."""
    device_batch: int | None = dataclasses.field(default=None, repr=False)
    """Most samples that a process takes at once; more are taken in parts whose gradients add up. None: all at once."""
    mixed_precision: typing.Literal["no", "bf16"] = "no"
    activation_checkpointing: bool = dataclasses.field(default=False, repr=False)
    """Compute activations again in the backward pass instead of keeping them: slower, far less memory."""

    @property
    def first_look_steps(self) -> int:
        """Training steps before the first picture."""
        return round(self.first_look * self.steps)

    def __post_init__(self) -> None:
        if self.first_look not in self.milestones:
            kept = ", ".join(f"{fraction:g}" for fraction in self.milestones)
            raise InputError(f"denoising.first_look is {self.first_look:g}; it must be one of milestones ({kept})")


@dataclass(frozen=True)
class GroundingConfig:
    """How many DDIM timesteps, how many of the last ones are averaged, and how many rows go in one batch."""

    num_inference_steps: int
    last_n: int
    batch_size: int


@dataclass(frozen=True)
class GenerationConfig:
    """How images are made of prompts: PNDM steps, strength of the guidance, images in one batch.

    Seed 000 takes 75 steps and a guidance of 4; a guidance of 1 is the conditional prediction alone.
    """

    num_inference_steps: int
    guidance_scale: float
    batch_size: int


@dataclass(frozen=True)
class ClassifierConfig:
    """A DenseNet of torchxrayvision and its training on findings."""

    growth_rate: int
    block_config: tuple[int, ...]
    num_init_features: int
    steps: int
    batch_size: int
    learning_rate: float


@dataclass(frozen=True)
class Pretrained:
    """Weights published on the Hugging Face hub, in place of some trained here (paper scale)."""

    repo: str
    revision: str
    """A commit of the repository. A branch is taken too; it pins nothing, but the commit it led to is recorded."""


@dataclass(frozen=True)
class VariantSize:
    """How long and on how much one variant trains, where a paper's numbers are no multiples of the scale's."""

    steps: int | None = None
    batch_size: int | None = None

    def __post_init__(self) -> None:
        if wrong := [key for key, value in _counts(self, "") if value < 1]:
            raise InputError(f"the size of a variant: {wrong[0]} is less than 1; give 1 or more")


@dataclass(frozen=True)
class Scale:
    """Everything that says how much; see ``workflow/scales``."""

    name: str
    world: str
    worlds: dict[str, WorldSize]
    resolution: int
    seeds: tuple[int, ...]
    threads: int
    """Of every job but the urgent ones."""
    urgent_threads: int
    """Of the trainings that the first picture waits for: one after the other it is there sooner than side by side. Of
    no others: what wants several cores waits for ever while jobs with one thread start on each core that comes free."""
    bootstrap_resamples: int
    denoising: DenoisingConfig
    grounding: GroundingConfig
    generation: GenerationConfig
    autoencoder: AutoencoderConfig | None = None
    text_encoder: TextEncoderConfig | None = None
    unet: UNetConfig | None = None
    classifier: ClassifierConfig | None = None
    pretrained: Pretrained | None = None
    """The foundation, loaded and not trained."""
    foundation_world: str = "scenes"
    """The world of the foundation's own kind of images and captions; its models lie there."""
    processes: int = 1
    """Processes, one a GPU, that share a training or the latents of a world; fewer where there are fewer GPUs."""
    sizes: dict[str, VariantSize] = dataclasses.field(default_factory=dict)
    """By variant."""

    def steps(self, name: str, variant: Variant) -> int:
        """Training steps of the variant of that name."""
        own = self.sizes.get(name, VariantSize()).steps
        return own or round(variant.length * self.denoising.steps)

    def batch_size(self, name: str, variant: Variant) -> int:
        """Images in one training step of the variant of that name."""
        own = self.sizes.get(name, VariantSize()).batch_size
        return own or round(variant.batch * self.denoising.batch_size)

    def threads_of(self, stage: str, stops_early: bool = False) -> int:
        """Threads of a stage of training; of fine-tuning, whether it stops for the first picture decides."""
        urgent = stops_early or stage in ("autoencoder", "foundation")
        return self.urgent_threads if urgent else self.threads

    def __post_init__(self) -> None:
        for key in ("world", "foundation_world"):
            if getattr(self, key) not in self.worlds:
                raise InputError(
                    f"scale {self.name}: {key} {getattr(self, key)!r} is not under 'worlds' ({', '.join(self.worlds)})"
                )
        for name, size in self.worlds.items():
            if size.models_from is not None and size.models_from not in self.worlds:
                raise InputError(f"scale {self.name}: worlds.{name}.models_from: no world {size.models_from!r}")
        if wrong := [key for key, value in _counts(self, "") if value < 1]:
            raise InputError(f"scale {self.name}: {wrong[0]} is less than 1; give 1 or more")
        if self.resolution % 8:
            raise InputError(f"scale {self.name}: resolution {self.resolution} is not a multiple of 8")
        if not self.seeds:
            raise InputError(f"scale {self.name}: 'seeds' is empty; give one or more")
        if self.grounding.last_n > self.grounding.num_inference_steps:
            raise InputError(f"scale {self.name}: grounding.last_n is more than grounding.num_inference_steps")
        built = (self.autoencoder, self.text_encoder, self.unet, self.classifier, self.denoising.foundation_steps)
        given = [part is not None for part in built]
        if any(given) if self.pretrained else not all(given):
            raise InputError(
                f"scale {self.name}: give either 'pretrained' or all of 'autoencoder', 'text_encoder', 'unet', "
                "'classifier' and 'denoising.foundation_steps'"
            )


@dataclass(frozen=True)
class Variant:
    """How one model is trained: what it starts from, what learns, which text it reads, for how long."""

    base: str
    train_text_encoder: bool
    text: str
    """A key of ``texts`` in experiments.yaml: how the training text is written."""
    length: float
    """Training steps as a multiple of the scale's ``denoising.steps``."""
    unconditional: float = 0.3
    """Share of the No Finding cases trained with an empty prompt (seed 000, method section)."""
    view: typing.Literal["all", "PA"] = "all"
    batch: float = 1.0
    """Batch size as a multiple of the scale's ``denoising.batch_size``."""
    seeds: int | None = None
    """Only the first so many seeds of the scale; None for all."""


@dataclass(frozen=True)
class Protocol:
    """How a model is asked where its words are."""

    target: typing.Literal["boxes", "masks"]
    split: typing.Literal["grounding", "validation"] = "grounding"
    weights: typing.Literal["raw", "ema"] = "raw"
    at: typing.Literal["end", "first_look", "equal_steps", "milestones"] = "end"
    """End of training; after the steps of the scale's ``denoising`` for a first look, or all those that every variant
    trains; or every kept milestone (a ``step`` column)."""
    tokens: typing.Literal["keyword", "all_words", "start", "end"] = "keyword"
    resize: typing.Literal["nearest", "bilinear"] = "nearest"
    max_resolution: int | None = None
    """Use only cross-attention at or below this latent side; None for every layer."""


@dataclass(frozen=True)
class Experiments:
    """``workflow/experiments.yaml``: texts, variants and protocols by name."""

    texts: dict[str, TextShares]
    confounders: Confounders
    variants: dict[str, Variant]
    protocols: dict[str, Protocol]

    def __post_init__(self) -> None:
        for name, variant in self.variants.items():
            if variant.text not in self.texts:
                raise InputError(
                    f"experiments: variant {name!r} names text {variant.text!r}; known: {', '.join(self.texts)}"
                )
            if variant.base != "foundation" and variant.base not in self.variants:
                raise InputError(f"experiments: variant {name!r} starts from unknown base {variant.base!r}")
        for name in self.variants:
            seen, base = [], name
            while base != "foundation":
                if base in seen:
                    raise InputError(f"experiments: variant {name!r} starts from itself ({' > '.join([*seen, base])})")
                seen.append(base)
                base = self.variants[base].base


_COUNTS = ("resolution", "threads", "urgent_threads", "bootstrap_resamples", "batch_size", "checkpoint_every")
_COUNTS += ("steps", "foundation_steps", "num_inference_steps", "last_n", "processes", "device_batch")


def _counts(settings: object, place: str) -> typing.Iterator[tuple[str, int]]:
    """Dotted key and value of every setting named in ``_COUNTS``, which all count something that must be there."""
    for field in dataclasses.fields(settings):
        value, key = getattr(settings, field.name), f"{place}{field.name}"
        if dataclasses.is_dataclass(value):
            yield from _counts(value, f"{key}.")
        elif field.name in _COUNTS and value is not None:
            yield key, value


T = typing.TypeVar("T")


def read_yaml(path: Path, cls: type[T]) -> T:
    """Read a YAML file into dataclass ``cls``; raises InputError naming the file and the key at fault."""
    try:
        data = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = ", ".join(sorted(p.stem for p in Path(path).parent.glob("*.yaml"))) or "none"
        raise InputError(f"{path}: no such file (in this folder: {known})") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: cannot be read as text ({reason}); write it again") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    return from_dict(cls, data, str(path))


def from_dict(cls: type[T], data: object, where: str) -> T:
    """Build dataclass ``cls`` from plain data, recursively and strictly.

    Unknown and missing keys and values of another type raise InputError with the dotted place, as in
    ``toy.yaml.unet: unknown key 'heads'``.
    """
    if not isinstance(data, dict):
        raise InputError(f"{where}: expected keys and values, found {type(data).__name__}")
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls)}
    if unknown := [key for key in data if key not in fields]:
        raise InputError(f"{where}: unknown key {unknown[0]!r}; known: {', '.join(fields)}")
    required = [
        n for n, f in fields.items() if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    ]
    if missing := [name for name in required if name not in data]:
        raise InputError(f"{where}: key {missing[0]!r} is missing")
    return cls(**{key: _convert(hints[key], value, f"{where}.{key}") for key, value in data.items()})


def _convert(hint: object, value: object, where: str) -> object:
    """``value`` as the annotation ``hint`` wants it; InputError where it does not fit."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return from_dict(hint, value, where)
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in arguments:
            return None
        return _convert(next(a for a in arguments if a is not type(None)), value, where)
    if origin is typing.Literal:
        if value not in arguments:
            raise InputError(f"{where}: {value!r} is not one of {', '.join(map(str, arguments))}")
        return value
    if origin is tuple and isinstance(value, (list, tuple)):
        return tuple(_convert(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if origin is dict and isinstance(value, dict):
        return {key: _convert(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    if hint is float and type(value) is int:
        return float(value)
    if isinstance(hint, type) and type(value) is hint:
        return value
    name = getattr(hint, "__name__", str(hint)) if origin is None else origin.__name__
    raise InputError(f"{where}: expected {name}, found {value!r}")
