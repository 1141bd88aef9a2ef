"""``plainsight data``: whether real data sets are there and whole, and fetching those that are open."""

from __future__ import annotations

import argparse
from pathlib import Path

from plainsight.workspace import root


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command, with ``check`` and ``fetch`` below it, to the command line."""
    parser = commands.add_parser(
        "data",
        help="check real data sets, fetch open ones",
        description="Check whether a data set of data_manifests/ is there and whole, or fetch one that is open.",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    check = actions.add_parser(
        "check",
        help="say what of a data set is there, missing or damaged",
        description="Say what of a data set is there, missing or damaged. Exit code 0: nothing is missing or damaged; "
        "1: something is. Seconds for a healthy one: tables are read whole, of images a sample is looked at.",
    )
    check.add_argument("--all", action="store_true", help="read every image and compare every checksum (hours)")
    check.set_defaults(run=run_check)
    fetch = actions.add_parser(
        "fetch",
        help="fetch an open data set",
        description="Fetch the files of an open data set, compare them with their checksums and unpack them. Stop it "
        "at any time; the same command goes on. Data sets that ask for an agreement are never fetched.",
    )
    fetch.set_defaults(run=run_fetch)
    for action in (check, fetch):
        action.add_argument("name", metavar="NAME", help="a folder of data_manifests/, such as ms_cxr")
        action.add_argument(
            "--data",
            type=Path,
            required=True,
            metavar="DIR",
            help="the root of data sets, or the data set's own folder",
        )


def run_check(options: argparse.Namespace) -> int:
    """Print what is there, missing and damaged; 1 if anything is missing or damaged, else 0."""
    from plainsight import datacheck
    from plainsight.data import manifests

    manifest = manifests.read(options.name, root() / "data_manifests")
    findings = datacheck.check(manifest, options.data, options.all)
    print(f"{manifest.title} ({manifest.name})")
    print("\n".join(map(str, findings)))
    return 0 if datacheck.healthy(findings) else 1


def run_fetch(options: argparse.Namespace) -> None:
    """Fetch into DIR/NAME and print what was done."""
    from plainsight.data import fetch, manifests

    manifest = manifests.read(options.name, root() / "data_manifests")
    print("\n".join(fetch.fetch(manifest, options.data / manifest.name)))
