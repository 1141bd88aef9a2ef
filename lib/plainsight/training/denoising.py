"""Denoising training of the U-Net, with the text encoder frozen (Finetune_F) or trained jointly (Finetune_L)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from diffusers.optimization import get_constant_schedule_with_warmup, get_cosine_schedule_with_warmup
from diffusers.training_utils import EMAModel

from plainsight.config import DenoisingConfig
from plainsight.errors import InputError
from plainsight.files import atomic
from plainsight.latents import Moments
from plainsight.models import Model
from plainsight.seeding import torch_generator
from plainsight.training.loop import batch_indices, run_steps
from plainsight.training.processes import processes

TEXT_BATCH = 128
CACHED_BYTES = 2**31
"""Most memory for prompt embeddings that are kept; 160,000 impressions at the size of Stable Diffusion 2 take 50 GB."""


@dataclass(frozen=True)
class TrainingSet:
    """Rows of training: latents by row of the cache, their texts, and how likely each text is dropped."""

    moments: Moments
    rows: torch.Tensor
    """(N,) rows of ``moments``."""
    phrases: list[str]
    drop: torch.Tensor
    """(N,) probability of training with the empty prompt instead."""


class PromptCache:
    """Prompt embeddings of a frozen text encoder, each distinct phrase encoded once (float32, on the CPU)."""

    def __init__(self, model: Model, phrases: list[str]) -> None:
        distinct = sorted({"", *phrases})
        self._row = {phrase: row for row, phrase in enumerate(distinct)}
        with torch.no_grad():
            batches = [distinct[i : i + TEXT_BATCH] for i in range(0, len(distinct), TEXT_BATCH)]
            self._embeds = torch.cat([model.encode_text(batch).cpu() for batch in batches])

    def __call__(self, phrases: list[str]) -> torch.Tensor:
        return self._embeds[[self._row[phrase] for phrase in phrases]]


def prompt_embeddings(model: Model, phrases: list[str]) -> Callable[[list[str]], torch.Tensor]:
    """A frozen text encoder: made ready for ``phrases`` in advance where memory allows, else asked each time."""
    size = 4 * len({"", *phrases}) * model.tokenizer.model_max_length * model.text_encoder.config.hidden_size
    return PromptCache(model, phrases) if size <= CACHED_BYTES else torch.no_grad()(model.encode_text)


@dataclass(frozen=True)
class Batch:
    """What one process trains on in one step: B noisy latents, the noise in them, and what they are told."""

    noisy: torch.Tensor
    noise: torch.Tensor
    timesteps: torch.Tensor
    phrases: list[str]

    def parts(self, size: int) -> list[Batch]:
        """In parts of up to ``size``."""
        cuts = [slice(start, start + size) for start in range(0, len(self.phrases), size)]
        return [Batch(self.noisy[c], self.noise[c], self.timesteps[c], self.phrases[c]) for c in cuts]


class Denoising:
    """A U-Net (and, if trained, a text encoder) with optimiser, schedule and moving averages.

    Trains epsilon-prediction (Ho et al. 2020, eq. 14) on latents sampled from the cached posterior. All random
    draws of a step come from (seed, step) alone: every process draws for the whole batch and keeps its share, so that
    the number of processes changes neither samples nor noise.
    """

    def __init__(
        self,
        model: Model,
        data: TrainingSet,
        config: DenoisingConfig,
        train_text_encoder: bool,
        seed: int,
        steps: int,
    ) -> None:
        self.data, self.config, self.seed = data, config, seed
        self.scheduler = model.scheduler
        everyone = processes()
        if config.batch_size % everyone.num_processes:
            raise InputError(
                f"a batch of {config.batch_size} cannot be shared evenly by {everyone.num_processes} processes; "
                "take a number that divides it"
            )
        self.accelerator = Accelerator(mixed_precision=config.mixed_precision, cpu=everyone.device.type == "cpu")
        model.unet.requires_grad_(True).train()
        parameters = list(model.unet.parameters())
        if train_text_encoder:
            model.text_encoder.requires_grad_(True).train()
            parameters += list(model.text_encoder.parameters())
        else:
            self.prompts = prompt_embeddings(model, data.phrases)
        if config.activation_checkpointing:
            model.unet.enable_gradient_checkpointing()
            if train_text_encoder:
                model.text_encoder.activation_checkpointing_enable()
        optimizer = torch.optim.AdamW(parameters, lr=config.learning_rate, fused=True)
        # Not prepared by accelerate, which would move it on by a step for each process.
        self.schedule = (
            get_cosine_schedule_with_warmup(optimizer, config.warmup_steps, steps)
            if config.schedule == "cosine"
            else get_constant_schedule_with_warmup(optimizer, config.warmup_steps)
        )
        self.text_inputs = model.text_inputs
        self.raw = {"unet": model.unet} | ({"text_encoder": model.text_encoder} if train_text_encoder else {})
        self.parts = {name: self.accelerator.prepare(part) for name, part in self.raw.items()}
        self.optimizer = self.accelerator.prepare(optimizer)
        self.ema = {
            name: EMAModel(part.parameters(), decay=config.ema_decay, foreach=True) for name, part in self.raw.items()
        }

    def step(self, step: int) -> float:
        """Train on batch ``step`` (from 0); the mean squared error of the predicted noise."""
        share = self.config.batch_size // self.accelerator.num_processes
        first = self.accelerator.process_index * share
        *others, last = self.draw(step, slice(first, first + share)).parts(self.config.device_batch or share)
        loss = torch.zeros((), device=self.accelerator.device)
        with contextlib.ExitStack() as alone:
            for part in self.parts.values():
                alone.enter_context(self.accelerator.no_sync(part))
            for batch in others:
                loss += self._backward(batch, len(batch.phrases) / share)
        loss += self._backward(last, len(last.phrases) / share)
        trained = [p for part in self.raw.values() for p in part.parameters()]
        self.accelerator.clip_grad_norm_(trained, self.config.max_grad_norm)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad()
        for name, part in self.raw.items():
            self.ema[name].to(self.accelerator.device)  # a resumed average lies on the CPU
            self.ema[name].step(part.parameters())
        loss, common = self.accelerator.reduce(torch.stack([loss, torch.full_like(loss, step)]), "mean").tolist()
        if common != step:
            raise RuntimeError(f"the processes are at different steps: this one at {step}, all on average at {common}")
        return loss

    def draw(self, step: int, share: slice) -> Batch:
        """A share of batch ``step``; the other shares' draws are made and left out."""
        generator = torch_generator(self.seed, "denoising", step)
        chosen = torch.from_numpy(
            batch_indices(len(self.data.rows), self.config.batch_size, step, self.seed, "denoising")
        )
        dropped = torch.rand(len(chosen), generator=generator) < self.data.drop[chosen]
        phrases = ["" if drop else self.data.phrases[i] for i, drop in zip(chosen.tolist(), dropped, strict=True)]
        latents = self.data.moments.sample(self.data.rows[chosen], generator, share)
        noise = torch.randn((len(chosen), *latents.shape[1:]), generator=generator)[share]
        timesteps = torch.randint(self.scheduler.config.num_train_timesteps, (len(chosen),), generator=generator)[share]
        return Batch(self.scheduler.add_noise(latents, noise, timesteps), noise, timesteps, phrases[share])

    def _backward(self, batch: Batch, weight: float) -> torch.Tensor:
        """Add to the gradients what ``batch``, a ``weight`` of this process's share, says; its weighted loss."""
        device = self.accelerator.device
        with self.accelerator.autocast():
            prediction = self.parts["unet"](
                batch.noisy.to(device), batch.timesteps.to(device), self._embeds(batch.phrases)
            ).sample
        loss = weight * torch.nn.functional.mse_loss(prediction.float(), batch.noise.to(device))
        self.accelerator.backward(loss)
        return loss.detach()

    def _embeds(self, phrases: list[str]) -> torch.Tensor:
        if "text_encoder" not in self.parts:
            return self.prompts(phrases).to(self.accelerator.device)
        return self.parts["text_encoder"](**self.text_inputs(phrases)).last_hidden_state

    @property
    def state(self) -> dict[str, object]:
        """Everything a resumed run needs, by name."""
        return (
            dict(self.raw)
            | {f"ema_{name}": ema for name, ema in self.ema.items()}
            | {"optimizer": self.optimizer, "schedule": self.schedule}
        )

    def save_weights(self, folder: Path) -> None:
        """The trained parts as they are, one sub-folder each; written by one process for all."""
        if not self.accelerator.is_main_process:
            return
        with atomic(folder) as temporary:
            for name, part in self.raw.items():
                part.save_pretrained(temporary / name)

    def save_ema(self, folder: Path) -> None:
        """The trained parts with their averaged weights, one sub-folder each."""
        for name, part in self.raw.items():
            self.ema[name].store(part.parameters())
            self.ema[name].copy_to(part.parameters())
        self.save_weights(folder)
        for name, part in self.raw.items():
            self.ema[name].restore(part.parameters())


def milestone_steps(config: DenoisingConfig, steps: int) -> tuple[int, ...]:
    """Steps after which weights are kept: the scale's fractions of its fine-tuning length, up to ``steps``."""
    kept = {round(fraction * config.steps) for fraction in config.milestones}
    return tuple(sorted(step for step in kept if 0 < step <= steps))


def train(
    model: Model,
    data: TrainingSet,
    config: DenoisingConfig,
    steps: int,
    train_text_encoder: bool,
    seed: int,
    milestones: tuple[int, ...],
    kept: Path,
    checkpoint: Path,
    description: str,
    until: int | None = None,
) -> list[float]:
    """Train ``model`` in place and return the loss of every step.

    Weights after each step of ``milestones`` are kept in ``kept/milestones/step<N>`` and the averaged ones at the end
    in ``kept/ema``. A run that was killed continues from ``checkpoint`` and ends with the same weights; so does one
    that stopped after ``until`` of its ``steps``. Several processes share each batch and end with the same weights,
    each of them.
    """
    training = Denoising(model, data, config, train_text_encoder, seed, steps)

    def keep(done: int) -> None:
        if done in milestones:
            training.save_weights(kept / "milestones" / f"step{done}")

    losses = run_steps(
        training.step,
        steps,
        training.state,
        checkpoint,
        config.checkpoint_every,
        description,
        after_step=keep,
        writes=training.accelerator.is_main_process,
        until=until,
    )
    if until is None:
        training.save_ema(kept / "ema")
    return losses
