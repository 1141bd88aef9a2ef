"""Published weights: a mirror, the hub's cache without a network, a pinned revision, checksums."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from huggingface_hub.utils import filter_repo_objects

from plainsight import features, hub, models
from plainsight.config import Pretrained
from plainsight.errors import InputError

ROOT = Path(__file__).parents[1]
COMMIT = "0123456789abcdef0123456789abcdef01234567"
WANTED = Pretrained("somebody/tiny-diffusion", COMMIT)


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """No network, and a cache of one's own."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def cached(offline, tiny_model_dir):
    """The folders that a download from the hub leaves: commits, and what a branch stands for."""
    repository = offline / "models--somebody--tiny-diffusion"
    shutil.copytree(tiny_model_dir, repository / "snapshots" / COMMIT)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    return repository


def test_what_was_downloaded_is_found_without_a_network(cached, tiny_model):
    for wanted in (WANTED, Pretrained(WANTED.repo, "main")):
        folder = hub.fetch(wanted, hub.PIPELINE)
        assert folder == cached / "snapshots" / COMMIT and hub.revision(folder) == COMMIT
    assert models.fingerprint(models.load(folder)) == models.fingerprint(tiny_model)


def test_another_revision_is_not_taken_for_it(cached):
    with pytest.raises(InputError, match=r"tiny-diffusion at revision ffff.* cannot be had .*hf download") as caught:
        hub.fetch(Pretrained(WANTED.repo, "f" * 40), hub.PIPELINE)
    assert "\n" not in str(caught.value)


def test_a_mirror_comes_before_the_hub_and_knows_no_revision(cached, tmp_path, tiny_model_dir):
    mirrored = tmp_path / "weights" / WANTED.repo
    shutil.copytree(tiny_model_dir, mirrored)
    assert hub.fetch(WANTED, hub.PIPELINE, tmp_path / "weights") == mirrored
    assert hub.revision(mirrored) == ""
    shutil.rmtree(mirrored)
    assert hub.fetch(WANTED, hub.PIPELINE, tmp_path / "weights") == cached / "snapshots" / COMMIT


def test_weights_that_are_not_safetensors_are_refused(tiny_model_dir, tmp_path):
    folder = tmp_path / "pickled"
    shutil.copytree(tiny_model_dir, folder)
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    torch.save({}, weights.with_suffix(".bin"))
    weights.unlink()
    with pytest.raises(InputError, match="unet: cannot be loaded as UNet2DConditionModel"):
        models.load(folder)


@pytest.mark.parametrize("files", [hub.PIPELINE, hub.TEXT_ENCODER])
def test_only_the_files_that_are_needed_are_asked_of_the_hub(files, monkeypatch, tmp_path):
    asked = {}
    monkeypatch.setattr(hub, "snapshot_download", lambda repo, **options: asked.update(options) or tmp_path)
    hub.fetch(WANTED, files)
    assert asked["revision"] == COMMIT and asked["allow_patterns"] == list(files)
    published = ["pytorch_model.bin", "unet/diffusion_pytorch_model.bin", "model.ckpt", "model.fp16.safetensors"]
    assert not list(filter_repo_objects(published, allow_patterns=list(files)))


def take(folder, files, to):
    """What of ``folder`` a download of ``files`` leaves, there."""
    names = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
    for name in filter_repo_objects([*names, "pytorch_model.bin"], allow_patterns=list(files)):
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / name, to / name)


def test_the_files_asked_for_are_a_whole_model(tiny_model_dir, tiny_model, tmp_path):
    take(tiny_model_dir, hub.PIPELINE, tmp_path)
    assert models.fingerprint(models.load(tmp_path)) == models.fingerprint(tiny_model)


def test_the_files_asked_for_are_a_whole_text_encoder(tiny_model, tmp_path):
    tiny_model.text_encoder.save_pretrained(tmp_path / "published")
    tiny_model.tokenizer.save_pretrained(tmp_path / "published")
    take(tmp_path / "published", hub.TEXT_ENCODER, tmp_path / "weights" / WANTED.repo)
    found = hub.fetch(WANTED, hub.TEXT_ENCODER, tmp_path / "weights")
    assert models.fingerprint(models.with_text_encoder(tiny_model, found)) == models.fingerprint(tiny_model)


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "torch"))
    return hub.File("https://example.org/judge.pth", hashlib.sha256(b"weights").hexdigest())


def test_a_file_is_taken_from_the_mirror_or_the_cache_if_its_checksum_is_right(file, offline, tmp_path):
    for folder in (tmp_path / "torch" / "checkpoints", tmp_path / "weights"):
        folder.mkdir(parents=True)
        (folder / "judge.pth").write_bytes(b"weights")
        assert hub.fetch_file(file, tmp_path / "weights") == folder / "judge.pth"
    (folder / "judge.pth").write_bytes(b"other weights")
    with pytest.raises(InputError, match=r"judge\.pth: not the file that was published"):
        hub.fetch_file(file, tmp_path / "weights")


def test_a_file_that_is_nowhere_is_named_offline(file, offline, tmp_path):
    with pytest.raises(
        InputError, match=r"judge\.pth cannot be had \(HF_HUB_OFFLINE is set\); put the file into weights/"
    ):
        hub.fetch_file(file, tmp_path)


@pytest.mark.parametrize("name", features.PUBLISHED)
def test_judges_are_the_files_that_the_manifests_state(name):
    items = json.loads((ROOT / "data_manifests" / "weights" / "croissant.json").read_text())["distribution"]
    assert features.PUBLISHED[name] in [hub.File(item["contentUrl"], item.get("sha256", "")) for item in items]


def test_a_file_is_downloaded_once_and_checked(file, tmp_path, monkeypatch):
    asked = []

    def download(url, path, hash_prefix, progress):
        asked.append((url, hash_prefix))
        with open(path, "wb") as out:
            out.write(b"weights")

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    assert hub.fetch_file(file) == hub.fetch_file(file) == tmp_path / "torch" / "checkpoints" / "judge.pth"
    assert asked == [(file.url, file.sha256)]
