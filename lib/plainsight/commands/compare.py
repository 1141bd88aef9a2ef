"""``plainsight compare``: fresh tables against the committed ones."""

from __future__ import annotations

import argparse

from plainsight.errors import InputError


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "compare",
        help="compare fresh tables in runs/ with the committed ones",
        description="Compare the tables of a scale in runs/ with those in paper_tables/: they are reproduced when "
        "every verdict is the same and every number differs by no more than its spread over training seeds. "
        "Exit code 0: reproduced; 1: not.",
    )
    parser.add_argument("--scale", default="toy", help="default: toy")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Compare every committed folder of a scale that was made afresh; 1 if one is not reproduced, else 0."""
    from plainsight import publish
    from plainsight.workspace import open_workspace

    space = open_workspace(options.scale)
    committed = sorted({path.parent for path in (space.tables / options.scale).glob("*/*/claims*.csv")})
    pairs = [(path, space.runs / path.parent.name / path.name) for path in committed]
    made = [(path, fresh) for path, fresh in pairs if fresh.is_dir()]
    if not made:
        raise InputError(f"nothing to compare at scale {options.scale}: run ./run_all.sh --scale {options.scale} first")
    found = [(path, publish.compare(fresh, path)) for path, fresh in made]
    print("\n".join(publish.report(differences, str(path)) for path, differences in found))
    return int(any(differences for _, differences in found))
