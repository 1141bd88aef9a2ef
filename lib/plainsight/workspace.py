"""Where things lie: the checkout, a scale's folder below ``runs/``, and the models and scores of a world in it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from plainsight import config
from plainsight.errors import InputError

FOUNDATION = "foundation"
FIRST_LOOK = "_first_look"
"""What the name of a model's folder ends with whose training was stopped for a first picture, and will go on."""


def root() -> Path:
    """The checkout, relative to the working directory: the nearest folder upwards that has ``workflow/scales``.

    Raises InputError outside of a checkout.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "workflow" / "scales").is_dir():
            return Path(os.path.relpath(folder, here))
    raise InputError(f"{here}: not inside a checkout of plainsight (no workflow/scales above it); go there first")


@dataclass(frozen=True)
class Workspace:
    """A scale in a checkout: its settings and its paths."""

    root: Path
    scale: config.Scale
    experiments: config.Experiments

    @property
    def scale_file(self) -> Path:
        return scale_file(self.root, self.scale.name)

    @property
    def experiments_file(self) -> Path:
        return self.root / "workflow" / "experiments.yaml"

    @property
    def runs(self) -> Path:
        """The folder of this scale, ``runs/<scale>``."""
        return self.root / "runs" / self.scale.name

    @property
    def tables(self) -> Path:
        """``paper_tables``: published numbers and committed results."""
        return self.root / "paper_tables"

    def size(self, world: str) -> config.WorldSize:
        """How much of ``world`` this scale uses; raises InputError naming the worlds it has."""
        if world not in self.scale.worlds:
            raise InputError(f"scale {self.scale.name}: no world {world!r}; it has {', '.join(self.scale.worlds)}")
        return self.scale.worlds[world]

    def world(self, world: str) -> Path:
        """``runs/<scale>/<world>``."""
        self.size(world)
        return self.runs / world

    def model(self, world: str, variant: str, seed: int, first_look: bool = False) -> Path:
        """The model folder that ``variant`` is scored with on ``world``; or that of its training thus far.

        The foundation is that of the scale; a world that carries models over uses those of the world it names.
        ``first_look``: the model of a training that was stopped for a first picture.
        """
        if variant == FOUNDATION:
            return self.runs / self.scale.foundation_world / "models" / FOUNDATION / "seed0"
        self._known(variant)
        name = f"seed{seed}" + FIRST_LOOK * first_look
        return self.world(self.size(world).models_from or world) / "models" / variant / name

    def scores(self, world: str, variant: str, seed: int, protocol: str) -> Path:
        """The score rows of a variant, asked by ``protocol``."""
        if protocol not in self.experiments.protocols:
            known = ", ".join(self.experiments.protocols)
            raise InputError(f"{self.experiments_file}: no protocol {protocol!r}; known: {known}")
        return self.world(world) / "scores" / variant / f"seed{seed}" / f"{protocol}.parquet"

    def seeds(self, variant: str) -> tuple[int, ...]:
        """The training seeds of a variant at this scale; the foundation is trained once."""
        if variant == FOUNDATION:
            return (0,)
        self._known(variant)
        return self.scale.seeds[: self.experiments.variants[variant].seeds]

    def _known(self, variant: str) -> None:
        if variant not in self.experiments.variants:
            known = ", ".join([FOUNDATION, *self.experiments.variants])
            raise InputError(f"{self.experiments_file}: no variant {variant!r}; known: {known}")


def scale_file(folder: Path, name: str) -> Path:
    """The settings of the scale ``name`` in the checkout ``folder``."""
    return folder / "workflow" / "scales" / f"{name}.yaml"


def open_workspace(scale: str, folder: Path | None = None) -> Workspace:
    """The workspace of a scale by name, in the checkout around the working directory or in ``folder``.

    Raises InputError for an unknown scale (with the known ones) or a bad setting (with file and key).
    """
    folder = root() if folder is None else folder
    path, scales = scale_file(folder, scale), scale_file(folder, "").parent
    if path.parent != scales or not path.is_file():
        known = ", ".join(sorted(p.stem for p in scales.glob("*.yaml")))
        raise InputError(f"unknown scale {scale!r}; known: {known}")
    experiments = config.read_yaml(folder / "workflow" / "experiments.yaml", config.Experiments)
    settings = config.read_yaml(path, config.Scale)
    if settings.name != scale:  # else it would write to another scale's folders
        raise InputError(f"{path}: key 'name' is {settings.name!r}; it must be that of the file, {scale!r}")
    if unknown := sorted(set(settings.sizes) - set(experiments.variants)):
        raise InputError(f"{path}: sizes: no variant {unknown[0]!r}; known: {', '.join(experiments.variants)}")
    return Workspace(folder, settings, experiments)
