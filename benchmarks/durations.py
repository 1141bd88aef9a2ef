"""Mean seconds of each rule of the workflow, from the runs lying here: what run_all.sh estimates durations from.

    python benchmarks/durations.py >workflow/durations.csv

Snakemake measures every job beside its notebook. Run it after a whole, undisturbed run on an idle machine.
"""

from __future__ import annotations

import csv
import re
import sys
from collections import defaultdict
from pathlib import Path

NAMED = {
    "ground": r"(.+)_seed\d+_(.+)",
    "words": r"(.+)_seed\d+()",
    "generate": r"(.+?)_(?:raw|(step\d+))_seed\d+",
}
"""Steps with a rule for each variant, and what of a job's name stands in the rule's: the variant, how it is asked."""


def rule_of(place: Path) -> str:
    """The rule whose job lies at ``<world>/notebooks/...``, as the Snakefile names it."""
    world, _, folder, *rest = place.with_suffix("").parts
    if folder != "steps":
        return "_".join([folder, *rest, world])
    if found := re.fullmatch(NAMED.get(rest[0], ""), rest[-1]):
        return "_".join([rest[0], world, *filter(None, found.groups())])
    return rest[0]


def main(runs: Path) -> None:
    """Print scale, rule and mean seconds as CSV."""
    seconds = defaultdict(list)
    for path in sorted(runs.glob("*/*/notebooks/**/*.tsv")):
        scale, *place = path.relative_to(runs).parts
        with path.open(encoding="utf-8") as file:
            row = next(csv.DictReader(file, delimiter="\t"))
        seconds[scale, rule_of(Path(*place))].append(float(row["s"]))
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["scale", "rule", "seconds"])
    writer.writerows([*key, round(sum(values) / len(values))] for key, values in sorted(seconds.items()))


if __name__ == "__main__":
    main(Path("runs"))
