"""``python -m plainsight.needs SCALE DATA [WORLD [fetch]]``: is there what cannot be made here, before anything starts?

DATA is the root of real images, or "" where none is given. Then a scale that needs some gets the list of them. With
``fetch`` published weights that are not there are downloaded.
"""

from __future__ import annotations

import sys
from pathlib import Path

from plainsight import worlds
from plainsight.config import Scale
from plainsight.errors import InputError
from plainsight.workspace import open_workspace


def given_worlds(scale: Scale, world: str, data: str) -> list[str]:
    """The worlds of given images that a run takes.

    Those are ``world`` ("": the scale's own, and nih where there are ``data``) and the foundation's, as far as their
    images are not drawn.
    """
    wanted = {world or scale.world, scale.foundation_world, "nih" if data and not world else ""}
    return [name for name in scale.worlds if name in wanted and worlds.reads_data(name)]


def listing(scale: Scale, names: list[str], manifests: Path) -> str:
    """What to put where for the worlds ``names``, and how to get it, in lines; ``manifests``: folder of that name."""
    from plainsight.data.manifests import read

    lines = [
        f"scale {scale.name} takes data that are not made here. Put them into one folder and give it as --data DIR:"
    ]
    for name in (folder for world in names for folder in worlds.DATA_SETS[world]):
        manifest = read(name, manifests)
        lines += [f"  {name}/: {manifest.title}", f"    {manifest.access}"]
        fetched = f"`plainsight data fetch {name} --data DIR`, or " * (manifest.access == "open")
        lines += [f"    {fetched}{manifest.url}", f"    what to have: {manifests / name / 'README.md'}"]
    if scale.pretrained is not None:
        repo, revision = scale.pretrained.repo, scale.pretrained.revision
        lines += [
            f"  weights/{repo}/, at revision {revision}, and the judges of images",
            "    not needed where they can be downloaded when they are first used, or were before",
            f"    `hf download {repo} --revision {revision}`; what to have: {manifests / 'weights' / 'README.md'}",
        ]
    return "\n".join(lines)


def published_weights(scale: Scale, mirror: Path) -> None:
    """Have the foundation's weights and the judges' here, before jobs ask for them on machines without a network."""
    from plainsight import features, hub

    hub.fetch(scale.pretrained, hub.PIPELINE, mirror)
    for file in features.PUBLISHED.values():
        hub.fetch_file(file, mirror)


def main(arguments: list[str]) -> int:
    """0 where everything is there; 2 with the list, or with one line, on standard error where it is not."""
    if not 2 <= len(arguments) <= 4:
        print("usage: python -m plainsight.needs SCALE DATA [WORLD [fetch]]", file=sys.stderr)
        return 2
    name, data, world, fetch = (*arguments, "", "")[:4]
    try:
        space = open_workspace(name)
        given = given_worlds(space.scale, world, data)
        if given and not data:
            print(listing(space.scale, given, space.root / "data_manifests"), file=sys.stderr)
            return 2
        for each in given:
            worlds.check_data(each, Path(data), trains=space.scale.worlds[each].train > 0)
        if fetch and space.scale.pretrained is not None:
            published_weights(space.scale, Path(data) / "weights")
    except InputError as error:
        print(f"plainsight: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
