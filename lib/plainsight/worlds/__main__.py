"""``python -m plainsight.worlds WORLD DATA``: whether the images of a world are there, before anything starts."""

from __future__ import annotations

import sys
from pathlib import Path

from plainsight.errors import InputError
from plainsight.worlds import check_data


def main(arguments: list[str]) -> int:
    """0 where the world can be made from the folder; 2 with one line on standard error where it cannot."""
    if len(arguments) != 2:
        print("usage: python -m plainsight.worlds WORLD DATA", file=sys.stderr)
        return 2
    try:
        check_data(arguments[0], Path(arguments[1]))
    except InputError as error:
        print(f"plainsight: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
