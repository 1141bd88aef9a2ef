"""The stages at a scale that loads its models: foundation, judges, latents and fine-tuning, on published formats."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from plainsight import features, latents, models, schema
from plainsight.errors import InputError
from plainsight.hub import File
from plainsight.training import stages
from plainsight.training.job import Job
from small_judges import write_judges

ROOT = Path(__file__).parents[2]
REPO = "somebody/tiny-diffusion"


@pytest.fixture
def job(tmp_path, tiny_model_dir):
    """A job at a scale like paper's, with a tiny foundation in a mirror, and a world of eight images."""
    settings = yaml.safe_load((ROOT / "workflow" / "scales" / "smoke.yaml").read_text())
    for built in ("autoencoder", "text_encoder", "unet", "classifier"):
        del settings[built]
    settings["denoising"]["foundation_steps"] = None
    settings["pretrained"] = {"repo": REPO, "revision": "main"}
    (tmp_path / "scale.yaml").write_text(yaml.safe_dump(settings))
    shutil.copytree(tiny_model_dir, tmp_path / "weights" / REPO)
    world = tmp_path / "runs" / "phantom"
    rng = np.random.default_rng(0)
    for number in range(8):
        schema.write_image(rng.random((64, 64), dtype=np.float32), world / "images" / f"{number}.png")
    rows = [
        {"example_id": f"e{n}", "image_id": f"i{n}", "image": f"images/{n}.png", "phrase": "edema", "boxes": [],
         "finding": ("Edema", "No Finding")[n % 2], "mask": "", "patient": f"p{n}", "view": "PA", "source": "",
         "split": "train" if n < 6 else "generation", "width": 64, "height": 64}
        for n in range(8)
    ]  # fmt: skip
    schema.write(pd.DataFrame(rows), world / "examples.parquet", ("Edema", "No Finding"))
    texts = [{"image_id": row["image_id"], "text": "reports", "phrase": "mild edema"} for row in rows]
    schema.write_texts(pd.DataFrame(texts), world / "texts.parquet")
    (world / "world.json").write_text(json.dumps({"world": "phantom", "image_root": "."}))
    place = {"scale": str(tmp_path / "scale.yaml"), "experiments": str(ROOT / "workflow" / "experiments.yaml")}
    return Job("foundation", runs=str(tmp_path / "runs"), world="scenes", weights=str(tmp_path / "weights"), **place)


def test_a_foundation_that_is_loaded_serves_latents_and_fine_tuning(job, tiny_model):
    stages.run(job)
    foundation = models.load(job.output)
    assert models.fingerprint(foundation) == models.fingerprint(tiny_model)
    measured = json.loads((job.output / "run.json").read_text())["measured"]
    assert measured == {"repo": REPO, "revision": "", "fingerprint": models.fingerprint(tiny_model)}

    stages.run(dataclasses.replace(job, stage="latents", world="phantom"))
    moments = latents.read(Path(job.runs) / "phantom" / "latents")
    assert len(moments.image_ids) == 8 and moments.mean.shape == (8, 4, 8, 8)

    tuned = dataclasses.replace(job, stage="finetune", world="phantom", variant="finetune_f")
    stages.run(tuned)
    found = models.load(tuned.output)
    before, after = foundation.unet.state_dict(), found.unet.state_dict()
    assert any(not torch.equal(before[name], after[name]) for name in before)
    text = found.text_encoder.state_dict()
    assert all(torch.equal(value, text[name]) for name, value in foundation.text_encoder.state_dict().items())
    assert not list(job.checkpoints.glob("*.pt"))


def test_a_training_whose_notebook_was_stopped_later_on_is_not_repeated(job):
    """Snakemake then deletes the file by which it knows the model."""
    stages.run(job)
    stages.run(dataclasses.replace(job, stage="latents", world="phantom"))
    tuned = dataclasses.replace(job, stage="finetune", world="phantom", variant="finetune_f")
    stages.run(tuned)
    before = {path: path.stat().st_mtime_ns for path in tuned.output.rglob("*.safetensors")}
    record = tuned.finished.read_bytes()
    tuned.finished.unlink()
    stages.run(tuned)
    assert tuned.finished.read_bytes() == record
    assert {path: path.stat().st_mtime_ns for path in tuned.output.rglob("*.safetensors")} == before
    shutil.rmtree(tuned.output)
    tuned.output.mkdir()  # as Snakemake does
    stages.run(tuned)
    assert {path for path in tuned.output.rglob("*.safetensors")} == before.keys()
    tuned.finished.unlink()
    texts = Path(job.runs) / "phantom" / "texts.parquet"
    schema.write_texts(schema.read_texts(texts).assign(phrase="severe edema"), texts)
    stages.run(tuned)
    assert {path: path.stat().st_mtime_ns for path in tuned.output.rglob("*.safetensors")} != before


def test_a_long_training_stops_early_and_goes_on(job):
    """The first part is a model of its own, asked for a first look, and leaves what the whole goes on from."""
    stages.run(job)
    stages.run(dataclasses.replace(job, stage="latents", world="phantom"))
    whole = dataclasses.replace(job, stage="finetune", world="phantom", variant="finetune_l")
    first = dataclasses.replace(whole, stops_early=True)
    assert first.checkpoint == whole.checkpoint
    stages.run(first)
    assert first.output.name == "seed0_first_look" and first.checkpoint.exists() and not whole.output.exists()
    assert len(pd.read_csv(first.output / "loss.csv")) == 2
    stages.run(whole)
    assert len(pd.read_csv(whole.output / "loss.csv")) == 8 and not list(job.checkpoints.glob("*.pt"))
    early = [models.load(folder, "step2") for folder in (first.output, whole.output)]
    early.append(models.load(first.output))
    assert len({models.fingerprint(model) for model in early}) == 1
    assert models.fingerprint(models.load(whole.output)) != models.fingerprint(early[0])


def test_a_foundation_of_another_resolution_is_refused(job):
    path = Path(job.scale)
    path.write_text(path.read_text().replace("resolution: 64", "resolution: 128"))
    with pytest.raises(InputError, match=r"makes images of 64 pixels, .*scale\.yaml asks for 128"):
        stages.run(job)
    assert not job.output.exists()


def test_a_foundation_that_is_missing_says_how_to_get_it(job, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    shutil.rmtree(Path(job.weights))
    with pytest.raises(InputError, match=f"{REPO} at revision main cannot be had .*weights/{REPO}"):
        stages.run(job)


@pytest.fixture
def published(job, monkeypatch):
    """Small judges in the place of the published ones: that of radiographs and that of photographs."""
    networks, checksums = write_judges(Path(job.weights))
    files = {name: File(features.PUBLISHED[name].url, checksum) for name, checksum in checksums.items()}
    monkeypatch.setattr(features, "PUBLISHED", files)
    return networks[features.XRV_WEIGHTS], networks[features.INCEPTION_WEIGHTS]


def test_judges_that_are_loaded_look_as_the_published_networks_do(job, published):
    xrv, inception = published
    pixels = torch.randint(0, 256, (2, 3, 64, 64), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    domain, general = (dataclasses.replace(job, stage="classifier", world=name) for name in ("phantom", "scenes"))
    stages.run(domain)
    judge = features.load_classifier(domain.output)
    assert {"Pleural Effusion", "Edema", "Lung Opacity"} < set(judge.findings)
    assert "auc" in json.loads((domain.output / "run.json").read_text())["measured"]
    grey = torch.nn.functional.interpolate(features.grey(pixels), (224, 224), mode="bilinear", antialias=True)
    with torch.no_grad():
        expected = xrv.features2(grey)
    np.testing.assert_allclose(judge.extractor("xrv")(pixels, 2), expected, rtol=1e-3, atol=1e-4)
    thresholds = torch.tensor(xrv_thresholds())
    assert torch.equal(judge.network.op_threshs, thresholds)

    stages.run(general)
    judge = features.load_classifier(general.output)
    assert judge.findings == () and judge.colour
    with torch.no_grad():
        expected = inception.features2(pixels / 127.5 - 1)
    found = judge.extractor("inception")(pixels, 1)
    assert found.shape == (2, 2048)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)


def xrv_thresholds():
    import torchxrayvision

    return torchxrayvision.models.model_urls[features.XRV_WEIGHTS]["op_threshs"]


def test_a_judge_whose_checksum_is_wrong_is_never_unpickled(job, published):
    path = Path(job.weights) / features.PUBLISHED[features.XRV_WEIGHTS].name
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(InputError, match="not the file that was published"):
        stages.run(dataclasses.replace(job, stage="classifier", world="phantom"))
