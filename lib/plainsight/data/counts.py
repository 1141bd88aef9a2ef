"""How many of what a release of a data set holds, so that a part is never taken for the whole.

A folder that is a part on purpose says so in a file ``counts.json`` of its own, such as ``{"images": 40}``: what it
states is expected there in place of the release's numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from plainsight.data.tables import read_json
from plainsight.errors import InputError

SUBSET = "counts.json"


def require(found: Mapping[str, int], release: Mapping[str, int | tuple[int, ...]], folder: Path) -> None:
    """Raise InputError, with the numbers side by side, where ``found`` is not what the release has.

    Args:
        found: how many of what, such as ``{"images": 377110}``.
        release: what is expected; of several numbers any will do. What it does not name is not compared.
        folder: the data set's folder, which may hold a ``counts.json``.
    """
    expected = {**release, **stated(folder, set(release) | set(found))}
    wrong = [what for what, count in found.items() if count not in _accepted(expected.get(what, count))]
    if wrong:
        both = "; ".join(
            f"{what}: expected {' or '.join(f'{n:,}' for n in _accepted(expected[what]))}, found {found[what]:,}"
            for what in wrong
        )
        raise InputError(f"{folder}: {both}; fetch it again, or state a part's own numbers in {folder / SUBSET}")


def stated(folder: Path, known: set[str]) -> dict[str, int]:
    """What the folder's ``counts.json`` states; {} where there is none, InputError for one that is not understood."""
    path = folder / SUBSET
    if not path.is_file():
        return {}
    given = read_json(path)
    if not isinstance(given, dict) or any(type(count) is not int or count < 0 for count in given.values()):
        raise InputError(f'{path}: is not a list of counts such as {{"images": 40}}')
    if strange := sorted(set(given) - known):
        raise InputError(f"{path}: unknown key {strange[0]!r}; known: {', '.join(sorted(known))}")
    return given


def _accepted(expected: int | tuple[int, ...]) -> tuple[int, ...]:
    return expected if isinstance(expected, tuple) else (expected,)
