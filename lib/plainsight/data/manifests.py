"""What ``data_manifests/<name>/croissant.json`` says of a data set: its files, where they lie, what they must be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from plainsight.data.tables import read_json
from plainsight.errors import InputError

UNKNOWN = "unknown"
"""What stands in a manifest in place of a size, checksum or revision that could not be found out."""


@dataclass(frozen=True)
class File:
    """One file: its path in the data set's folder, where it is fetched from, and what is known of it."""

    name: str
    url: str
    size: int | None
    sha256: str | None
    md5: str | None


@dataclass(frozen=True)
class Manifest:
    """A data set: its files, and ``access``: open, credentialed: ..., or package: ... ."""

    name: str
    title: str
    url: str
    access: str
    files: tuple[File, ...]


def names(folder: Path) -> list[str]:
    """The data sets below ``folder`` that have a manifest; weights are none."""
    return sorted(path.parent.name for path in folder.glob("*/croissant.json") if path.parent.name != "weights")


def read(name: str, folder: Path) -> Manifest:
    """The manifest of data set ``name`` below ``folder``.

    Raises:
        InputError: no such data set (with those there are), a manifest that cannot be read, or an address that is not
            https.
    """
    if name not in (known := names(folder)):
        raise InputError(f"unknown data set {name!r}; known: {', '.join(known)}")
    path = folder / name / "croissant.json"
    content = read_json(path)
    try:
        objects = [item for item in content["distribution"] if item["@type"] == "cr:FileObject"]
        files = tuple(_file(item) for item in objects)
        manifest = Manifest(name, content["alternateName"], content["url"], content["conditionsOfAccess"], files)
    except (KeyError, TypeError, ValueError, IndexError):
        raise InputError(f"{path}: is not a manifest of this project; take it from the repository again") from None
    if wrong := [file.name for file in files if not file.url.startswith("https://")]:
        raise InputError(f"{path}: the address of {wrong[0]} is not https")
    return manifest


def _file(item: dict[str, str]) -> File:
    size = item["contentSize"]
    sums = {kind: item[kind] if item.get(kind, UNKNOWN) != UNKNOWN else None for kind in ("sha256", "md5")}
    return File(item["@id"], item["contentUrl"], None if size == UNKNOWN else int(size.removesuffix(" B")), **sums)
