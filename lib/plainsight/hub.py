"""Weights that others published: from a folder of one's own, or from where they are published, at a pinned version.

With HF_HUB_OFFLINE=1 in the environment no network is used: what was downloaded before is there, all else is an error.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import torch
from huggingface_hub import constants, snapshot_download

from plainsight.config import Pretrained
from plainsight.errors import InputError

PIPELINE = (
    "model_index.json",
    "scheduler/*.json",
    "tokenizer/*",
    "*/config.json",
    "*/diffusion_pytorch_model.safetensors",
    "text_encoder/model.safetensors",
)
"""The files of a Stable Diffusion model, weights as safetensors and in full precision."""
TEXT_ENCODER = ("config.json", "model.safetensors", "merges.txt", "special_tokens_map.json", "tokenizer*", "vocab*")
"""The files of a text encoder and of its tokenizer."""


class File(NamedTuple):
    """A single published file."""

    url: str
    sha256: str

    @property
    def name(self) -> str:
        return self.url.rsplit("/", 1)[-1]


def fetch(wanted: Pretrained, files: tuple[str, ...], mirror: Path | None = None) -> Path:
    """The folder in which the ``files`` (patterns) of a published model lie.

    Args:
        wanted: the repository and its revision.
        files: what is needed of it; nothing else is downloaded.
        mirror: a folder with repositories as sub-folders, ``<owner>/<name>``. What lies there is taken as it is: a
            plain folder knows no revisions. Anything else comes from the hub's cache or from the hub, whose places are
            those of huggingface_hub (HF_HUB_CACHE, HF_ENDPOINT).

    Raises:
        InputError: it is in neither place.
    """
    if mirror is not None and (mirror / wanted.repo).is_dir():
        return mirror / wanted.repo
    try:
        return Path(snapshot_download(wanted.repo, revision=wanted.revision, allow_patterns=list(files)))
    except Exception as error:  # no network, no such repository, no permission, offline and not in the cache, full disk
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{wanted.repo} at revision {wanted.revision} cannot be had ({reason}); where there is a network run "
            f"`hf download {wanted.repo} --revision {wanted.revision}`, or put its files into weights/{wanted.repo} in "
            "the folder given by --data"
        ) from None


def fetch_file(wanted: File, mirror: Path | None = None) -> Path:
    """A published file: the one of that name in ``mirror``, or in torch.hub's cache, downloaded if it is not there yet.

    Raises:
        InputError: it is in neither place, or is not the file that was published.
    """
    path = Path(torch.hub.get_dir()) / "checkpoints" / wanted.name
    if mirror is not None and (mirror / wanted.name).is_file():
        path = mirror / wanted.name
    if not path.is_file():
        try:
            if constants.HF_HUB_OFFLINE:
                raise OSError("HF_HUB_OFFLINE is set")
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(wanted.url, str(path), hash_prefix=wanted.sha256, progress=False)
        except Exception as error:  # no network, no space, a damaged download
            reason = " ".join(str(error).split())[:200]
            raise InputError(
                f"{wanted.url} cannot be had ({reason}); put the file into weights/ in the folder given by --data"
            ) from None
    if hashlib.sha256(path.read_bytes()).hexdigest() != wanted.sha256:
        raise InputError(f"{path}: not the file that was published (its SHA-256 differs); delete it and run again")
    return path


def revision(folder: Path) -> str:
    """The commit of a folder that `fetch` gave; "" for one of a mirror, which does not say."""
    return folder.name if folder.parent.name == "snapshots" else ""
