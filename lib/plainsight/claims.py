"""Claims of the papers and the rule that judges them; no verdict is written by hand.

``holds``: the interval excludes 0 on the claimed side and every training seed has the claimed sign. ``fails``: the
interval excludes 0 on the other side and every seed has the opposite sign. Else ``inconclusive``. A claim of equality
states its margin first: it holds when the interval and every seed lie within the margin, and fails when the interval
and every seed lie beyond it on one side. A claim about how a model is trained needs two training seeds at least, one
about how far trainings lie apart more, and any claim ten patients: where few differences all have one sign, a
percentile interval excludes 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from plainsight import words
from plainsight.errors import InputError
from plainsight.statistics import MIN_PATIENTS, Effect
from plainsight.worlds import OPEN

Verdict = Literal["holds", "fails", "inconclusive"]
VERDICTS = ("holds", "fails", "inconclusive")

COLUMNS = (
    "id",
    "paper",
    "place",
    "statement",
    "published",
    "statistic",
    "scale",
    "world",
    "effect",
    "low",
    "high",
    "seeds",
    "seeds_agreeing",
    "verdict",
    "notebook",
)
_NUMBERS = ("published", "effect", "low", "high")
_COUNTS = ("seeds", "seeds_agreeing")


@dataclass(frozen=True)
class Claim:
    """One thing a paper says, as a comparison whose outcome can be computed.

    Raises InputError for a direction other than +1, -1 or 0, an equality without a positive margin, or a margin for
    any other claim.
    """

    id: str
    paper: str
    """tradeoff, generate_to_ground, zero_shot, prompt_tuning or beyond."""
    place: str
    """Where it is said: a table, a figure, a section."""
    statement: str
    published: float
    """The effect as published, on the statistic's scale; NaN where the paper gives no number."""
    statistic: str
    """What is compared, as in ``sample-weighted CNR, Finetune_F - Finetune_L``."""
    direction: Literal[1, -1, 0]
    """The claimed sign of the effect; 0 claims equality."""
    margin: float | None = None
    """For equality: the largest absolute effect that still counts as equal."""
    trainings: int = 2
    """How many trainings it takes to decide: several, where it is about a way of training."""

    def __post_init__(self) -> None:
        if self.direction not in (1, -1, 0):
            raise InputError(f"claim {self.id}: direction {self.direction!r}; expected +1, -1, or 0 for equality")
        if self.direction == 0 and not (self.margin is not None and 0 < self.margin < math.inf):
            raise InputError(f"claim {self.id}: a claim of equality needs a positive margin, found {self.margin}")
        if self.direction != 0 and self.margin is not None:
            raise InputError(f"claim {self.id}: a margin belongs to claims of equality (direction 0) only")


def decide(claim: Claim, effect: Effect) -> Verdict:
    """The verdict on a claim (the rule stands at the top of this module); a NaN anywhere makes it inconclusive.

    Args:
        claim: what is claimed.
        effect: what was found, as `plainsight.statistics.compare` returns it.
    """
    if effect.interval.n_patients < MIN_PATIENTS or len(effect.seed_effects) < claim.trainings:
        return "inconclusive"
    low, high = effect.interval.low, effect.interval.high
    every = [(low, high), *((seed, seed) for seed in effect.seed_effects)]
    if claim.direction == 0:
        if all(-claim.margin <= a and b <= claim.margin for a, b in every):
            return "holds"
        beyond = all(a > claim.margin for a, _ in every) or all(b < -claim.margin for _, b in every)
        return "fails" if beyond else "inconclusive"
    above, below = all(a > 0 for a, _ in every), all(b < 0 for _, b in every)
    if not above and not below:
        return "inconclusive"
    return "holds" if above == (claim.direction > 0) else "fails"


def seeds_agreeing(claim: Claim, effect: Effect) -> int:
    """How many training seeds, each on its own, have the claimed sign or lie within the margin."""
    if claim.direction == 0:
        return sum(abs(seed) <= claim.margin for seed in effect.seed_effects)
    return sum(seed * claim.direction > 0 for seed in effect.seed_effects)


def is_withheld(effect: Effect, world: str) -> bool:
    """Whether an effect is about fewer than ``plainsight.words.MIN_PATIENTS`` patients of a world that is not open."""
    return world not in OPEN and effect.interval.n_patients < words.MIN_PATIENTS


def judge(
    claim: Claim, effect: Effect, scale: str, world: str, notebook: str, withheld: bool = False
) -> dict[str, Any]:
    """One row of the ledger. The statistic ends in what is claimed of it: ``> 0``, ``< 0``, or within which margin.

    An effect that `is_withheld` has no numbers, nor has one that is ``withheld`` because it would give such a one away.
    """
    shown = effect.interval
    if withheld or is_withheld(effect, world):
        shown = replace(shown, estimate=math.nan, low=math.nan, high=math.nan)
    claimed = {1: "> 0", -1: "< 0"}.get(claim.direction, f"within ±{claim.margin}")
    return {
        "id": claim.id,
        "paper": claim.paper,
        "place": claim.place,
        "statement": claim.statement,
        "published": claim.published,
        "statistic": f"{claim.statistic} {claimed}",
        "scale": scale,
        "world": world,
        "effect": shown.estimate,
        "low": shown.low,
        "high": shown.high,
        "seeds": len(effect.seed_effects),
        "seeds_agreeing": seeds_agreeing(claim, effect),
        "verdict": decide(claim, effect),
        "notebook": notebook,
    }


def ledger(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Rows of `judge`, in their order, as a frame with the fixed `COLUMNS`.

    Raises InputError for other columns, an unknown verdict, or one claim twice at the same scale and world.
    """
    for i, row in enumerate(rows):
        if set(row) != set(COLUMNS):
            raise InputError(f"claims row {i}: columns {', '.join(row)}; expected {', '.join(COLUMNS)}")
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    frame = frame.astype(dict.fromkeys(_NUMBERS, "float64") | dict.fromkeys(_COUNTS, "int64"))
    if len(unknown := frame.loc[~frame["verdict"].isin(VERDICTS)]):
        raise InputError(f"claim {unknown['id'].iloc[0]}: verdict {unknown['verdict'].iloc[0]!r} is none of {VERDICTS}")
    if len(twice := frame.loc[frame.duplicated(["id", "scale", "world"])]):
        raise InputError(f"claim {twice['id'].iloc[0]}: stands twice in the ledger for one scale and world")
    return frame


def read(path: Path) -> pd.DataFrame:
    """Read a ledger that `plainsight.tables.write_table` wrote.

    Raises InputError for a missing file, other columns, a number that is none, or what `ledger` refuses.
    """
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
        for name in _NUMBERS:
            frame[name] = [float(value or "nan") for value in frame[name]]
        for name in _COUNTS:
            frame[name] = [int(value) for value in frame[name]]
        return ledger(frame.to_dict("records"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run the notebook that judges these claims") from None
    except (KeyError, ValueError) as error:
        raise InputError(f"{path}: not a ledger of claims: {' '.join(str(error).split())}") from None


def gather(folder: Path) -> pd.DataFrame:
    """The one ledger of every world and paper: all ``<world>/<paper>/claims*.csv`` below ``folder``, in order of name.

    Raises InputError where there is none, or what `read` refuses.
    """
    paths = sorted(folder.glob("*/*/claims*.csv"))
    if not paths:
        raise InputError(f"{folder}: no claims.csv below it; run ./run_all.sh first")
    return ledger([row for path in paths for row in read(path).to_dict("records")])


def tally(claims: pd.DataFrame) -> str:
    """How many claims hold, fail and are inconclusive, in words."""
    hold, fail, undecided = (int((claims["verdict"] == verdict).sum()) for verdict in VERDICTS)
    return f"of {len(claims)} claims {hold} hold, {fail} fail, {undecided} are inconclusive"


def summary(claims: pd.DataFrame) -> str:
    """A ledger in one line: the tally of each paper, by world."""
    groups = claims.groupby(["world", "paper"], sort=False)
    return "; ".join(f"{paper} on {world}: {tally(rows)}" for (world, paper), rows in groups) + "."


def by_luck(claims: pd.DataFrame) -> pd.DataFrame:
    """By world and paper: claims with several trainings, how many are decided, and how many luck would decide at most.

    Intervals over patients say nothing of what another training would give. Were its sign a toss of a coin, and no
    interval ever to hold 0, k trainings would agree, and decide, in 2 of 2^k cases. Claims of equality are left out.
    """
    signed = claims[(claims["seeds"] > 1) & claims["statistic"].str.contains("[<>] 0$")]
    found = signed.assign(decided=signed["verdict"] != "inconclusive", by_luck=2.0 ** (1 - signed["seeds"]))
    groups = found.groupby(["world", "paper"], sort=False)
    table = groups.agg(claims=("id", "size"), decided=("decided", "sum"), by_luck=("by_luck", "sum"))
    return table.rename(columns={"claims": "with several trainings", "by_luck": "by luck alone, at most"})


REASONS = ("one training", "trainings disagree", "interval holds 0", "both", "fewer than it takes")


def reasons(claims: pd.DataFrame) -> pd.Series:
    """Why each claim that is inconclusive is so: one of `REASONS`, the first of them that applies.

    ``both``: trainings disagree and the interval holds 0. The last, fewer patients or trainings, is also that of a
    training whose effect is exactly 0.
    """
    disagree = claims["seeds_agreeing"] % claims["seeds"] != 0
    spans = (claims["low"] <= 0) & (claims["high"] >= 0)
    one, apart, wide, both, other = REASONS
    found = pd.Series(other, index=claims.index).mask(spans, wide).mask(disagree, apart).mask(disagree & spans, both)
    return found.mask(claims["seeds"] == 1, one)
