from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plainsight import claims, markdown
from plainsight.claims import COLUMNS, Claim, decide, judge, ledger, seeds_agreeing
from plainsight.errors import InputError
from plainsight.statistics import Effect, Interval, compare
from plainsight.tables import write_table

CLAIM = Claim(
    id="T1-frozen-grounds",
    paper="tradeoff",
    place="Table 1",
    statement="With a frozen text encoder the model localises better than with a learnable one.",
    published=0.787,
    statistic="sample-weighted CNR, Finetune_F - Finetune_L",
    direction=1,
)
EQUAL = replace(CLAIM, id="T2-equal", direction=0, margin=0.1, published=math.nan)


def effect(low: float, high: float, *seeds: float) -> Effect:
    return Effect(Interval((low + high) / 2, low, high, 100, 300), seeds)


@pytest.mark.parametrize(
    ("low", "high", "seeds", "verdict"),
    [
        (0.2, 0.5, (0.1, 0.4, 0.5), "holds"),
        (-0.5, -0.2, (-0.1, -0.4, -0.5), "fails"),
        (-0.1, 0.5, (0.1, 0.2, 0.3), "inconclusive"),  # the interval holds 0
        (0.0, 0.5, (0.1, 0.2, 0.3), "inconclusive"),  # 0 is its end
        (0.2, 0.5, (-0.1, 0.4, 0.6), "inconclusive"),  # a seed disagrees
        (0.2, 0.5, (0.0, 0.4, 0.6), "inconclusive"),  # a seed has no sign
        (-0.5, -0.2, (0.1, -0.4, -0.6), "inconclusive"),  # a seed has the claimed sign
        (0.2, 0.5, (-0.1, -0.2), "inconclusive"),  # interval and seeds point apart
        (0.2, 0.5, (0.4,), "inconclusive"),  # one training
        (math.nan, math.nan, (0.4, 0.5), "inconclusive"),  # one patient
        (0.2, 0.5, (0.4, math.nan), "inconclusive"),
    ],
)
def test_rule_for_a_direction(low, high, seeds, verdict):
    assert decide(CLAIM, effect(low, high, *seeds)) == verdict
    flipped = {"holds": "fails", "fails": "holds", "inconclusive": "inconclusive"}
    assert decide(replace(CLAIM, direction=-1), effect(low, high, *seeds)) == flipped[verdict]


@pytest.mark.parametrize(("n_patients", "verdict"), [(9, "inconclusive"), (10, "holds")])
def test_a_handful_of_patients_decides_nothing(n_patients, verdict):
    found = Effect(Interval(0.3, 0.2, 0.5, n_patients, 2 * n_patients), (0.3, 0.4))
    assert decide(CLAIM, found) == verdict


@pytest.mark.parametrize(
    ("low", "high", "seeds", "verdict"),
    [
        (-0.05, 0.08, (-0.09, 0.02), "holds"),
        (0.02, 0.08, (0.03, 0.06), "holds"),  # different from 0, and equal all the same
        (-0.05, 0.12, (0.02, 0.03), "inconclusive"),
        (-0.05, 0.08, (-0.2, 0.15), "inconclusive"),  # a seed outside
        (0.2, 0.4, (0.15, 0.5), "fails"),
        (-0.4, -0.2, (-0.15, -0.5), "fails"),
        (0.2, 0.4, (0.05, 0.5), "inconclusive"),
        (0.2, 0.4, (-0.5, 0.9), "inconclusive"),  # outside on both sides
        (-0.3, 0.3, (0.2, 0.2), "inconclusive"),  # too wide to say
        (-0.05, 0.08, (0.0,), "inconclusive"),
        (math.nan, math.nan, (0.0, 0.0), "inconclusive"),
    ],
)
def test_rule_for_equality(low, high, seeds, verdict):
    assert decide(EQUAL, effect(low, high, *seeds)) == verdict


def test_a_claim_that_is_not_about_training_needs_one_seed():
    assert decide(replace(CLAIM, trainings=1), effect(0.2, 0.5, 0.4)) == "holds"
    assert decide(replace(EQUAL, trainings=1), effect(-0.05, 0.05, 0.01)) == "holds"


numbers = st.floats(-2, 2)
effects = st.builds(
    lambda ends, seeds: effect(*sorted(ends), *seeds),
    st.tuples(numbers, numbers),
    st.lists(numbers, min_size=1, max_size=4),
)
directed = st.sampled_from([CLAIM, replace(CLAIM, direction=-1), replace(CLAIM, trainings=1)])


@given(directed, effects)
def test_swapping_the_models_and_the_claim_changes_no_verdict(claim, found):
    swapped = effect(-found.interval.high, -found.interval.low, *(-seed for seed in found.seed_effects))
    assert decide(claim, found) == decide(replace(claim, direction=-claim.direction), swapped)
    assert seeds_agreeing(claim, found) == seeds_agreeing(replace(claim, direction=-claim.direction), swapped)
    assert decide(EQUAL, found) == decide(EQUAL, swapped)


@given(directed, effects)
def test_what_every_verdict_guarantees(claim, found):
    verdict, agreeing, n = decide(claim, found), seeds_agreeing(claim, found), len(found.seed_effects)
    assert 0 <= agreeing <= n
    if verdict != "inconclusive":
        assert not found.interval.low <= 0 <= found.interval.high
        assert n >= claim.trainings
    assert (verdict != "holds") or agreeing == n
    assert (verdict != "fails") or agreeing == 0


@given(effects, st.floats(0.01, 1), st.floats(1, 3))
def test_a_wider_margin_never_turns_equality_from_holding(found, margin, factor):
    narrow, wide = replace(EQUAL, margin=margin), replace(EQUAL, margin=margin * factor)
    if decide(narrow, found) == "holds":
        assert decide(wide, found) == "holds"
    if decide(wide, found) == "fails":
        assert decide(narrow, found) == "fails"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"direction": 2}, "direction 2"),
        ({"direction": 0}, "needs a positive margin, found None"),
        ({"direction": 0, "margin": 0.0}, "needs a positive margin"),
        ({"direction": 0, "margin": math.nan}, "needs a positive margin"),
        ({"margin": 0.1}, "margin belongs to claims of equality"),
    ],
)
def test_claims_that_say_nothing_decidable(change, message):
    with pytest.raises(InputError, match=f"claim T1-frozen-grounds.*{message}"):
        replace(CLAIM, **change)


# --- the ledger ---


def rows():
    found = effect(0.20004, 0.5, 0.1, 0.4, 1 / 3)
    return [
        judge(CLAIM, found, "toy", "phantom", "tradeoff/2_localization"),
        judge(CLAIM, effect(-0.12345678, 1234.5678, -0.1, 0.4), "toy", "nih", "tradeoff/2_localization"),
        judge(EQUAL, effect(math.nan, math.nan, 0.0), "toy", "phantom", "tradeoff/2_localization"),
    ]


def test_a_row_says_what_was_claimed_and_found():
    first, _, equal = rows()
    assert tuple(first) == COLUMNS
    assert first["statistic"] == "sample-weighted CNR, Finetune_F - Finetune_L > 0"
    assert (first["seeds"], first["seeds_agreeing"], first["verdict"]) == (3, 3, "holds")
    assert equal["statistic"].endswith("within ±0.1")
    assert judge(replace(CLAIM, direction=-1), effect(0, 1, 0.5), "s", "w", "n")["statistic"].endswith("< 0")


def test_columns_are_those_of_the_design():
    expected = (
        "id paper place statement published statistic scale world effect low high seeds seeds_agreeing verdict notebook"
    )
    assert list(ledger(rows()).columns) == expected.split()
    assert list(ledger([]).columns) == expected.split()


def test_written_ledger_is_the_same_bytes_and_reads_back(tmp_path):
    write_table(ledger(rows()), tmp_path / "a.csv")
    read = claims.read(tmp_path / "a.csv")
    write_table(read, tmp_path / "b.csv")
    text = (tmp_path / "a.csv").read_bytes()
    assert text == (tmp_path / "b.csv").read_bytes()
    assert b"\r" not in text
    lines = text.decode("utf-8").splitlines()
    assert lines[0] == ",".join(COLUMNS)
    assert lines[1].endswith("toy,phantom,0.35002,0.20004,0.5,3,3,holds,tradeoff/2_localization")
    assert ",617.222,-0.123457,1234.57,2,1,inconclusive," in lines[2]
    assert ",,,,1,1,inconclusive," in lines[3]
    assert read.dtypes.equals(ledger(rows()).dtypes)
    assert list(read["statement"]) == [CLAIM.statement] * 3


def test_an_empty_ledger(tmp_path):
    write_table(ledger([]), tmp_path / "a.csv")
    assert len(claims.read(tmp_path / "a.csv")) == 0


def test_bad_ledgers_are_named(tmp_path):
    row = rows()[0]
    with pytest.raises(InputError, match="stands twice"):
        ledger([row, row])
    with pytest.raises(InputError, match="verdict 'perhaps' is none of"):
        ledger([row | {"verdict": "perhaps"}])
    with pytest.raises(InputError, match="claims row 0: columns"):
        ledger([{"id": "x"}])
    path = tmp_path / "claims.csv"
    with pytest.raises(InputError, match="no such file"):
        claims.read(path)
    write_table(ledger([row]), path)
    good = path.read_text(encoding="utf-8")
    for bad in (good.replace("effect", "efect"), good.replace("0.35002", "much"), good.replace("holds", "shines"), ""):
        path.write_text(bad, encoding="utf-8")
        with pytest.raises(InputError, match="not a ledger of claims") as caught:
            claims.read(path)
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_from_score_rows_to_a_verdict():
    """Real differences hold, none stays inconclusive: the whole way, on made-up rows of three trainings."""
    rng = np.random.default_rng(0)

    def seed(gain: float) -> pd.DataFrame:
        ids = [f"e{i}" for i in range(120)]
        patients, findings = [f"p{i // 2}" for i in range(120)], ["Edema", "Pneumonia"] * 60
        scores = gain + 0.5 * np.sin(np.arange(120)) + 0.1 * rng.normal(size=120)
        return pd.DataFrame({"example_id": ids, "patient": patients, "finding": findings, "cnr": scores})

    good, bad, same = ([seed(gain) for _ in range(3)] for gain in (0.9, 0.1, 0.1))
    assert decide(CLAIM, compare(good, bad, "cnr", "macro", 500, rng)) == "holds"
    assert decide(CLAIM, compare(bad, good, "cnr", "macro", 500, rng)) == "fails"
    assert decide(EQUAL, compare(bad, same, "cnr", "macro", 500, rng)) == "holds"


def test_the_ledger_gathers_every_world_and_paper_and_says_it_in_one_line(tmp_path):
    with pytest.raises(InputError, match=r"no claims\.csv below it"):
        claims.gather(tmp_path)
    verdicts = {"phantom/tradeoff": (0.2, 0.5, 0.3, 0.4), "nih/tradeoff": (-0.2, 0.5, 0.3, 0.4)}
    for place, found in verdicts.items():
        (tmp_path / place).mkdir(parents=True)
        rows = [judge(CLAIM, effect(*found), "toy", place.split("/")[0], "n")]
        write_table(ledger(rows), tmp_path / place / "claims.csv")
    gathered = claims.gather(tmp_path)
    assert gathered["world"].tolist() == ["nih", "phantom"]
    other = [{**rows[0], "id": "words", "world": "phantom"}]
    write_table(ledger(other), tmp_path / "phantom" / "tradeoff" / "claims_words.csv")
    assert claims.gather(tmp_path)["id"].tolist()[-1] == "words" and len(claims.gather(tmp_path)) == 3
    assert claims.summary(gathered) == (
        "tradeoff on nih: of 1 claims 0 hold, 0 fail, 1 are inconclusive; "
        "tradeoff on phantom: of 1 claims 1 hold, 0 fail, 0 are inconclusive."
    )


def test_what_luck_would_decide_and_why_the_rest_is_open():
    """Three trainings agree by luck in a quarter of the cases, two in a half; one training or equality is no case."""
    found = [(0.1, 0.5, 0.3, 0.4, 0.2), (-0.1, 0.5, 0.3, 0.4, 0.2), (0.1, 0.5, 0.3, 0.4), (0.1, 0.5, 0.3)]
    found += [(0.1, 0.5, 0.3, -0.4), (-0.1, 0.5, 0.3, -0.4), (0.1, 0.5, 0.3, 0.0)]
    rows = [judge(replace(CLAIM, id=str(i)), effect(*one), "toy", "phantom", "n") for i, one in enumerate(found)]
    rows.append(judge(replace(EQUAL, id="equal"), effect(-0.01, 0.01, 0.0, 0.0), "toy", "phantom", "n"))
    rows.append(judge(replace(CLAIM, id="many", trainings=10), effect(0.1, 0.5, 0.3, 0.4), "toy", "phantom", "n"))
    made = ledger(rows)
    assert claims.by_luck(made).loc[("phantom", CLAIM.paper)].tolist() == [7, 2, 3.0]
    undecided = made[made["verdict"] == "inconclusive"].set_index("id")
    one, apart, wide, both, other = claims.REASONS
    why = {"1": wide, "3": one, "4": apart, "5": both, "6": apart, "many": other}
    assert claims.reasons(undecided).to_dict() == why
    shown = markdown.ledger(made)
    assert len(shown.splitlines()) == 2 + len(made) and CLAIM.statement in shown and "3 of 3" in shown
    assert markdown.ledger(made[:0]) == "None."


@pytest.mark.parametrize(
    ("world", "n_patients", "shown"), [("ms_cxr", 4, False), ("ms_cxr", 5, True), ("nih", 4, True)]
)
def test_effects_of_few_patients_are_shown_in_open_worlds_alone(world, n_patients, shown):
    found = Effect(Interval(0.3, 0.2, 0.5, n_patients, 9), (0.3, 0.4))
    row = judge(CLAIM, found, "toy", world, "n")
    assert [row[name] for name in ("effect", "low", "high")] == pytest.approx(
        [0.3, 0.2, 0.5] if shown else [np.nan] * 3, nan_ok=True
    )
    assert row["verdict"] == "inconclusive"
