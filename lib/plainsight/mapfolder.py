"""A folder of heat maps: ``<id>.npy`` each, and ``settings.json``, which says what made them and of which row.

A map is a NumPy file (H, W), float32, in the pixels of its image, NaN where the model saw nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from plainsight.errors import InputError
from plainsight.files import atomic
from plainsight.worlds.folder import Table


def path_of(folder: Path, example_id: str) -> Path:
    """The file of a row's map."""
    return Path(folder) / f"{example_id}.npy"


def missing(folder: Path, example_ids: Iterable[str]) -> list[str]:
    """Those of ``example_ids`` that have no map in ``folder``, in their order."""
    return [example_id for example_id in example_ids if not path_of(folder, example_id).is_file()]


def write(heatmap: np.ndarray, folder: Path, example_id: str) -> None:
    """Write a map, whole or not at all."""
    with atomic(path_of(folder, example_id)) as path:
        np.save(path, heatmap)


def read(folder: Path, example_id: str, shape: tuple[int, int]) -> np.ndarray:
    """The map of a row whose image has ``shape`` (H, W).

    Raises:
        InputError: it is missing, damaged, of another shape, or holds no number, or an infinite one.
    """
    path = path_of(folder, example_id)
    try:
        with open(path, "rb") as file:
            heatmap = np.lib.format.read_array(file, allow_pickle=False)
    except FileNotFoundError:
        raise InputError(f"{path}: no such map; run plainsight ground first") from None
    except (OSError, ValueError):
        raise InputError(f"{path}: is not a NumPy file or damaged; delete it and make it again") from None
    if heatmap.dtype.kind != "f":
        raise InputError(f"{path}: holds {heatmap.dtype}, not floating-point numbers; delete it and make it again")
    if heatmap.shape != shape:
        found = " x ".join(map(str, heatmap.shape))
        raise InputError(f"{path}: the map is {found}, its image {shape[0]} x {shape[1]} (rows x columns)")
    if np.isnan(heatmap).all() or np.isinf(heatmap).any():
        raise InputError(f"{path}: holds no number, or an infinite one; delete it and make it again")
    return heatmap


def asked(table: Table) -> dict[str, str]:
    """What each row asks for, by id: a digest of image, phrase and keywords.

    An id says little: default ids shift when a row is put in, and then a map would pass for that of another phrase.
    """
    rows = table.examples[["example_id", "image", "phrase"]].itertuples(index=False)
    return {key: _digest([image, phrase, *table.keywords[key]]) for key, image, phrase in rows}


def check(folder: Path, wanted: Mapping[str, str], settings: Mapping[str, object] | None = None) -> None:
    """Raise InputError where maps in ``folder`` were made with other settings, or for rows other than these.

    Args:
        folder: the folder; it need not be there.
        wanted: from `asked`.
        settings: what the maps are to be made with; None takes any, and maps of unknown origin too.
    """
    kept = _read_settings(folder)
    if kept is None:
        there = len(wanted) - len(missing(folder, wanted))
        if settings is not None and there:
            raise InputError(
                f"{folder}: holds {there} maps but no settings.json, so what made them is not known; "
                "choose another folder"
            )
        return
    for name, value in (settings or {}).items():
        if (other := kept["settings"].get(name)) != value:
            what = "another model" if name == "model" else f"{name} {other}, not {value}"
            raise InputError(f"{folder}: its maps were made with {what}; choose another folder for these")
    changed = [key for key in wanted if kept["rows"].get(key, wanted[key]) != wanted[key]]
    if there := [key for key in changed if path_of(folder, key).is_file()]:
        raise InputError(
            f"{folder}: the map of {there[0]!r} was made for another image, phrase or keywords ({len(there)} such "
            "rows); use the table it was made from, or another folder"
        )


def claim(folder: Path, wanted: Mapping[str, str], settings: Mapping[str, object]) -> None:
    """Note in ``folder`` that the maps of ``wanted`` are made with ``settings``, beside the rows noted before."""
    kept = _read_settings(folder) or {"rows": {}}
    record = {"settings": dict(settings), "rows": {**kept["rows"], **wanted}}
    if record != kept:
        with atomic(Path(folder) / "settings.json") as path:
            path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _read_settings(folder: Path) -> dict[str, dict] | None:
    path = Path(folder) / "settings.json"
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return {"settings": dict(kept["settings"]), "rows": dict(kept["rows"])}
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{path}: is not what plainsight ground writes; choose another folder") from None


def _digest(parts: list[str]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
