"""The stages of training as jobs: read what the earlier stages made, train, write the result whole."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from diffusers import AutoencoderKL
from transformers import CLIPTextModel

from plainsight import features, latents, models, provenance, schema, worlds
from plainsight.config import Scale, Variant
from plainsight.errors import InputError
from plainsight.files import atomic
from plainsight.training import autoencoder, classifier, contrastive, denoising
from plainsight.training.job import FOUNDATION_WORLD, Job, model_folder
from plainsight.training.loop import batch_indices, run_steps, write_losses

CHECK_IMAGES = 64
"""Images of the validation split on which the autoencoder and the contrastive towers are checked."""
FOUNDATION_DROP = 0.1
"""Share of captions dropped in pretraining, as Stable Diffusion's own training did (Rombach et al. 2022)."""
NO_FINDING = "No Finding"


def run(job: Job) -> None:
    """Run one job; a finished result is left as it is. A model folder is finished when it holds its ``run.json``."""
    if (job.output if job.stage == "latents" else job.output / "run.json").exists():
        print(f"{job.output}: already there")
        return
    scale = job.read_scale()
    torch.set_num_threads(scale.threads)
    stage = {
        "autoencoder": _autoencoder,
        "text_encoder": _text_encoder,
        "latents": _latents,
        "foundation": _foundation,
        "classifier": _classifier,
        "finetune": _finetune,
    }[job.stage]
    stage(job, scale)
    for path in job.checkpoint.parent.glob(f"{job.name}-*"):  # of earlier settings too
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def read_examples(runs: str | Path, world: str) -> tuple[pd.DataFrame, Path]:
    """The examples of a prepared world and the root its image paths start from."""
    folder = Path(runs) / world
    examples = schema.read(folder / "examples.parquet", worlds.findings(world))
    return examples, worlds.image_root(folder)


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _kept(job: Job) -> Path:
    """Weights kept by a training under way; moved into the model folder at the end."""
    return job.checkpoint.with_suffix("")


def _pixels(
    job: Job, world: str, split: str, resolution: int, at_most: int | None = None
) -> tuple[pd.DataFrame, torch.Tensor]:
    examples, root = read_examples(job.runs, world)
    rows = examples[examples["split"] == split].drop_duplicates("image_id").head(at_most or len(examples))
    if rows.empty:
        raise InputError(f"{job.runs}/{world}: no {split} images; give the world some in {job.scale}")
    return rows, latents.load_pixels(root, rows, resolution)


def _write_part(job: Job, part: torch.nn.Module, losses: list[float], measured: dict[str, float]) -> None:
    with atomic(job.output) as folder:
        part.save_pretrained(folder)
        write_losses(folder, losses)
        provenance.record(folder, job, measured)


def _autoencoder(job: Job, scale: Scale) -> None:
    """Trained on images of scenes and of the phantom world alike, without a word: Stable Diffusion's own
    autoencoder reproduces radiographs well although it never saw their captions."""
    config = scale.autoencoder
    pixels = torch.cat([_pixels(job, world, "train", scale.resolution)[1] for world in (FOUNDATION_WORLD, "phantom")])
    vae = models.build_autoencoder(config, job.seed).to(_device())
    optimizer = torch.optim.AdamW(vae.parameters(), lr=config.learning_rate)

    def step(index: int) -> float:
        rows = batch_indices(len(pixels), config.batch_size, index, job.seed, "autoencoder")
        return autoencoder.train_step(vae, optimizer, pixels[rows], config, index, job.seed)

    losses = run_steps(
        step,
        config.steps,
        {"vae": vae, "optimizer": optimizer},
        job.checkpoint,
        scale.denoising.checkpoint_every,
        job.name,
    )
    vae.eval()
    scenes = _pixels(job, FOUNDATION_WORLD, "validation", scale.resolution, CHECK_IMAGES)[1]
    phantom = _pixels(job, "phantom", "validation", scale.resolution, CHECK_IMAGES)[1]
    vae.register_to_config(scaling_factor=autoencoder.scaling_factor(vae, scenes))
    _write_part(
        job,
        vae,
        losses,
        {"psnr_scenes_db": autoencoder.psnr(vae, scenes), "psnr_phantom_db": autoencoder.psnr(vae, phantom)},
    )


def _text_encoder(job: Job, scale: Scale) -> None:
    """A layer more than is kept is trained; see ``models.without_last_layer``."""
    config, tokenizer = scale.text_encoder, models.clip_tokenizer()
    trained = dataclasses.replace(config, num_hidden_layers=config.num_hidden_layers + 1)
    rows, pixels = _pixels(job, FOUNDATION_WORLD, "train", scale.resolution)
    ids = models.token_ids(tokenizer, rows["phrase"].tolist())
    towers = contrastive.Towers(models.build_text_encoder(trained, job.seed), job.seed).to(_device())
    optimizer = torch.optim.AdamW(towers.parameters(), lr=config.learning_rate, fused=True)

    def step(index: int) -> float:
        chosen = batch_indices(len(rows), config.batch_size, index, job.seed, "contrastive")
        return contrastive.train_step(towers, optimizer, pixels[chosen], ids[chosen], index, job.seed)

    losses = run_steps(
        step,
        config.steps,
        {"towers": towers, "optimizer": optimizer},
        job.checkpoint,
        scale.denoising.checkpoint_every,
        job.name,
    )
    towers.eval()
    held_out, images = _pixels(job, FOUNDATION_WORLD, "validation", scale.resolution, CHECK_IMAGES)
    accuracy = contrastive.retrieval_accuracy(towers, images, models.token_ids(tokenizer, held_out["phrase"].tolist()))
    measured = {"retrieval_accuracy": accuracy, "retrieval_chance": 1 / len(held_out)}
    _write_part(job, models.without_last_layer(towers.text_encoder), losses, measured)


def _latents(job: Job, scale: Scale) -> None:
    """Moments of every image of a world, by the foundation's autoencoder."""
    examples, root = read_examples(job.runs, job.world)
    rows = examples.drop_duplicates("image_id")
    vae = _read_part(AutoencoderKL, job, "autoencoder").eval().to(_device())
    pixels = latents.load_pixels(root, rows, scale.resolution)
    latents.write(latents.encode(vae, pixels, rows["image_id"], scale.grounding.batch_size), job.output)


def _read_part(cls: type, job: Job, stage: str) -> torch.nn.Module:
    folder = model_folder(job.runs, FOUNDATION_WORLD, stage, 0)
    if not folder.is_dir():
        raise InputError(f"{folder}: the {stage} is not trained yet; run stage {stage!r} first")
    return models.load_part(cls, folder)


def _foundation(job: Job, scale: Scale) -> None:
    """The stand-in for Stable Diffusion: a text encoder pretrained contrastively, frozen while the U-Net learns."""
    vae = _read_part(AutoencoderKL, job, "autoencoder")
    model = models.Model(
        vae=vae,
        unet=models.build_unet(
            scale.unet,
            scale.resolution // 8,
            vae.config.latent_channels,
            scale.text_encoder.hidden_size,
            job.seed,
        ),
        text_encoder=_read_part(CLIPTextModel, job, "text_encoder").requires_grad_(False).eval(),
        tokenizer=models.clip_tokenizer(),
        scheduler=models.noise_scheduler(),
    )
    model.unet.to(_device())
    model.text_encoder.to(_device())
    examples, _ = read_examples(job.runs, FOUNDATION_WORLD)
    rows = examples[examples["split"] == "train"]
    drop = torch.full((len(rows),), FOUNDATION_DROP)
    _denoise(job, scale, model, rows, drop, scale.denoising.foundation_steps, False, milestones=())


def _finetune(job: Job, scale: Scale) -> None:
    variant = job.read_variant()
    base = model_folder(job.runs, job.world, variant.base, job.seed)
    rows = training_rows(job, variant)
    drop = torch.tensor([variant.unconditional if f == NO_FINDING else 0.0 for f in rows["finding"]])
    steps = round(variant.length * scale.denoising.steps)
    milestones = denoising.milestone_steps(scale.denoising, steps)
    model = models.load(base, device=_device())
    _denoise(job, scale, model, rows, drop, steps, variant.train_text_encoder, milestones)


def _classifier(job: Job, scale: Scale) -> None:
    """What looks at images made later: its features tell how like real ones they are, its scores what they show.

    No model that makes images ever sees it. It is checked on the images whose texts are the prompts.
    """
    config = scale.classifier
    names = [name for name in worlds.findings(job.world) if name != NO_FINDING]
    rows, pixels = _pixels(job, job.world, "train", scale.resolution)
    truth = torch.from_numpy(features.labels(rows["finding"], names))
    judge = features.build_classifier(config, names, job.world == FOUNDATION_WORLD, job.seed)
    judge.network.to(_device())
    optimizer = torch.optim.AdamW(judge.network.parameters(), lr=config.learning_rate)

    def step(index: int) -> float:
        chosen = batch_indices(len(rows), config.batch_size, index, job.seed, "classifier")
        return classifier.train_step(judge, optimizer, pixels[chosen], truth[chosen], index, job.seed)

    losses = run_steps(
        step,
        config.steps,
        {"network": judge.network, "optimizer": optimizer},
        job.checkpoint,
        scale.denoising.checkpoint_every,
        job.name,
    )
    judge.network.eval()
    held_out, images = _pixels(job, job.world, "generation", scale.resolution)
    scores = judge.scores(images, config.batch_size)
    auc = features.auc_by_finding(scores, held_out["finding"], names, healthy=None)
    with atomic(job.output) as folder:
        features.save_classifier(judge, config, folder)
        write_losses(folder, losses)
        provenance.record(folder, job, {"auc": float(np.nanmean(list(auc.values())))})


def training_rows(job: Job, variant: Variant) -> pd.DataFrame:
    """The training examples of a variant's world, with the phrases of its level of text."""
    examples, _ = read_examples(job.runs, job.world)
    rows = examples[examples["split"] == "train"]
    if variant.view != "all":
        rows = rows[rows["view"] == variant.view]
    texts = schema.read_texts(Path(job.runs) / job.world / "texts.parquet")
    level = texts[texts["text"] == variant.text].set_index("image_id")["phrase"]
    if missing := sorted(set(rows["image_id"]) - set(level.index)):
        raise InputError(f"{job.runs}/{job.world}/texts.parquet: image {missing[0]!r} has no text {variant.text!r}")
    return rows.assign(phrase=level.loc[rows["image_id"]].to_numpy())


def _denoise(
    job: Job,
    scale: Scale,
    model: models.Model,
    rows: pd.DataFrame,
    drop: torch.Tensor,
    steps: int,
    train_text_encoder: bool,
    milestones: tuple[int, ...],
) -> None:
    if rows.empty:
        raise InputError(f"{job.runs}/{job.world}: no training images for {job.name}; see {job.scale}")
    moments = latents.read(Path(job.runs) / job.world / "latents.safetensors")
    data = denoising.TrainingSet(moments, moments.rows(rows["image_id"].tolist()), rows["phrase"].tolist(), drop)
    losses = denoising.train(
        model,
        data,
        scale.denoising,
        steps,
        train_text_encoder,
        job.seed,
        milestones,
        kept=_kept(job),
        checkpoint=job.checkpoint,
        description=job.name,
    )
    with atomic(job.output) as folder:
        models.save(model, folder)
        for kept in _kept(job).iterdir():
            shutil.copytree(kept, folder / kept.name)
        write_losses(folder, losses)
        provenance.record(folder, job, {"train_images": len(rows)})
