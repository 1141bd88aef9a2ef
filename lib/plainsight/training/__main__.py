"""``python -m plainsight.training CONFIG``: run one training job, as a notebook or a cluster job launches it."""

from __future__ import annotations

import sys
from pathlib import Path

from plainsight.errors import InputError
from plainsight.training.job import PREFIX, read_job


def main(arguments: list[str]) -> int:
    """Run the job; 0 when done, 2 on bad input with one line on standard error."""
    if len(arguments) != 1:
        print("usage: python -m plainsight.training CONFIG", file=sys.stderr)
        return 2
    try:
        job = read_job(Path(arguments[0]))
        from plainsight.training import stages

        stages.run(job)
    except InputError as error:
        print(f"{PREFIX}{error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
