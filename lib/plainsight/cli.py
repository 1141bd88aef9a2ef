"""The console command ``plainsight``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from plainsight.commands import compare, data, ground, score
from plainsight.errors import InputError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns its exit code, which is 2 with one line on stderr where the input is wrong."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options) or 0
    except InputError as error:
        print(f"plainsight {options.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"plainsight {options.command}: stopped", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="plainsight", description="Does a text-to-image diffusion model know where its words are?"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in (ground, score, compare, data):
        command.add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
