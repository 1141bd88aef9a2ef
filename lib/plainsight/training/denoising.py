"""Denoising training of the U-Net, with the text encoder frozen (Finetune_F) or trained jointly (Finetune_L)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from diffusers.optimization import get_constant_schedule_with_warmup
from diffusers.training_utils import EMAModel

from plainsight.config import DenoisingConfig
from plainsight.files import atomic
from plainsight.latents import Moments
from plainsight.models import Model, token_ids
from plainsight.seeding import torch_generator
from plainsight.training.loop import batch_indices, run_steps

TEXT_BATCH = 128


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


class Denoising:
    """A U-Net (and, if trained, a text encoder) with optimiser, schedule and moving averages.

    Trains epsilon-prediction (Ho et al. 2020, eq. 14) on latents sampled from the cached posterior. All random
    draws of a step come from (seed, step) alone.
    """

    def __init__(
        self, model: Model, data: TrainingSet, config: DenoisingConfig, train_text_encoder: bool, seed: int
    ) -> None:
        self.data, self.config, self.seed = data, config, seed
        self.scheduler = model.scheduler
        self.accelerator = Accelerator(mixed_precision="bf16" if torch.cuda.is_available() else "no")
        model.unet.requires_grad_(True).train()
        parameters = list(model.unet.parameters())
        if train_text_encoder:
            model.text_encoder.requires_grad_(True).train()
            parameters += list(model.text_encoder.parameters())
        else:
            self.prompts = PromptCache(model, data.phrases)
        optimizer = torch.optim.AdamW(parameters, lr=config.learning_rate, fused=True)
        schedule = get_constant_schedule_with_warmup(optimizer, config.warmup_steps)
        self.tokenizer = model.tokenizer
        self.raw = {"unet": model.unet} | ({"text_encoder": model.text_encoder} if train_text_encoder else {})
        self.parts = {name: self.accelerator.prepare(part) for name, part in self.raw.items()}
        self.optimizer, self.schedule = self.accelerator.prepare(optimizer, schedule)
        self.ema = {
            name: EMAModel(part.parameters(), decay=config.ema_decay, foreach=True) for name, part in self.raw.items()
        }

    def step(self, step: int) -> float:
        """Train on batch ``step`` (from 0); the mean squared error of the predicted noise."""
        generator = torch_generator(self.seed, "denoising", step)
        chosen = torch.from_numpy(
            batch_indices(len(self.data.rows), self.config.batch_size, step, self.seed, "denoising")
        )
        dropped = torch.rand(len(chosen), generator=generator) < self.data.drop[chosen]
        phrases = ["" if drop else self.data.phrases[i] for i, drop in zip(chosen.tolist(), dropped, strict=True)]
        latents = self.data.moments.sample(self.data.rows[chosen], generator)
        noise = torch.randn(latents.shape, generator=generator)
        timesteps = torch.randint(self.scheduler.config.num_train_timesteps, (len(chosen),), generator=generator)
        noisy = self.scheduler.add_noise(latents, noise, timesteps)
        device = self.accelerator.device
        with self.accelerator.autocast():
            prediction = self.parts["unet"](noisy.to(device), timesteps.to(device), self._embeds(phrases)).sample
        loss = torch.nn.functional.mse_loss(prediction.float(), noise.to(device))
        self.accelerator.backward(loss)
        trained = [p for part in self.raw.values() for p in part.parameters()]
        self.accelerator.clip_grad_norm_(trained, self.config.max_grad_norm)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad()
        for name, part in self.raw.items():
            self.ema[name].to(self.accelerator.device)  # a resumed average lies on the CPU
            self.ema[name].step(part.parameters())
        return loss.item()

    def _embeds(self, phrases: list[str]) -> torch.Tensor:
        if "text_encoder" not in self.parts:
            return self.prompts(phrases).to(self.accelerator.device)
        return self.parts["text_encoder"](
            token_ids(self.tokenizer, phrases).to(self.accelerator.device)
        ).last_hidden_state

    @property
    def state(self) -> dict[str, object]:
        """Everything a resumed run needs, by name."""
        return (
            dict(self.raw)
            | {f"ema_{name}": ema for name, ema in self.ema.items()}
            | {"optimizer": self.optimizer, "schedule": self.schedule}
        )

    def save_weights(self, folder: Path) -> None:
        """The trained parts as they are, one sub-folder each."""
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
) -> list[float]:
    """Train ``model`` in place and return the loss of every step.

    Weights after each step of ``milestones`` are kept in ``kept/milestones/step<N>`` and the averaged ones at the end
    in ``kept/ema``. A run that was killed continues from ``checkpoint`` and ends with the same weights.
    """
    training = Denoising(model, data, config, train_text_encoder, seed)

    def keep(done: int) -> None:
        if done in milestones:
            training.save_weights(kept / "milestones" / f"step{done}")

    losses = run_steps(
        training.step, steps, training.state, checkpoint, config.checkpoint_every, description, after_step=keep
    )
    training.save_ema(kept / "ema")
    return losses
