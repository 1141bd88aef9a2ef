"""Where a data set lies: in a folder of the name it has in ``data_manifests``, or where PhysioNet's wget puts it."""

from __future__ import annotations

import re
from pathlib import Path

from plainsight.data.tables import Missing

PHYSIONET = {
    "mimic_cxr_jpg": "mimic-cxr-jpg",
    "mimic_cxr_reports": "mimic-cxr",
    "ms_cxr": "ms-cxr",
    "chest_imagenome": "chest-imagenome",
    "vindr_cxr": "vindr-cxr",
}
"""The name that PhysioNet gives a data set, below which lies one folder a version."""


def locate(name: str, root: Path) -> Path:
    """The folder of data set ``name`` below ``root``.

    Looked for in this order: ``<name>``; ``physionet.org/files/<PhysioNet's name>/<version>``, which ``wget -r`` makes;
    ``<PhysioNet's name>/<version>``. Of several versions the newest is taken.

    Raises:
        Missing: no such folder, with how to get the data.
    """
    if not root.is_dir():
        raise Missing(f"--data {root}: no such folder; see data_manifests/{name}/README.md")
    if (root / name).is_dir():
        return root / name
    if (slug := PHYSIONET.get(name)) is not None:
        for above in (root / "physionet.org" / "files" / slug, root / slug):
            if versions := [path for path in above.glob("*") if path.is_dir() and _version(path)]:
                return max(versions, key=_version)
    raise Missing(f"--data {root}: holds no folder {name}; see data_manifests/{name}/README.md")


def _version(path: Path) -> tuple[int, ...]:
    return tuple(map(int, path.name.split("."))) if re.fullmatch(r"\d+(\.\d+)*", path.name) else ()
