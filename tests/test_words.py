"""What a word is; and rows by word from which no phrase can be put together again."""

from __future__ import annotations

import pandas as pd
import pytest

import word_rows
from plainsight import words
from plainsight.errors import InputError


@pytest.mark.parametrize(
    ("written", "word"),
    [("Pleural", "pleural"), ("effusion,", "effusion"), ("(Ground-glass)", "ground-glass"), ("patient's", "patient's")],
)
def test_case_and_punctuation_at_the_ends_are_folded(written, word):
    assert words.plain(written) == word


def test_what_holds_no_letter_or_figure_is_no_word():
    assert words.distinct("Effusion - effusion, 1.  • __ XXXX") == {"effusion", "1", "xxxx"}
    assert words.distinct("") == set()


def test_texts_are_counted_by_hand():
    texts = pd.DataFrame(
        {
            "phrase": ["Left effusion. Left!", "No effusion", "the LEFT lung", "No Finding"],
            "finding": ["Effusion|Edema", "Edema", "Effusion", "No Finding"],
            "patient": ["a", "b", "a", "c"],
        }
    )
    counts = words.count_texts(texts, ["Effusion", "Edema"], ["left", "effusion", "mass"])
    found = counts.set_index(["finding", "word"])
    assert found["with_word"].to_dict() == {
        **{("Effusion", "left"): 2, ("Effusion", "effusion"): 1, ("Effusion", "mass"): 0},
        **{("Edema", "left"): 1, ("Edema", "effusion"): 2, ("Edema", "mass"): 0},
    }
    assert found["training_patients"].to_dict() == {
        **{("Effusion", "left"): 1, ("Effusion", "effusion"): 1, ("Effusion", "mass"): 0},
        **{("Edema", "left"): 1, ("Edema", "effusion"): 2, ("Edema", "mass"): 0},
    }
    assert (found["texts"] == 2).all()


def test_detached_rows_keep_scores_and_what_pairs_them():
    rows = word_rows.attached({"edema": 1})
    loose = words.detach(rows)
    assert tuple(loose.columns) == words.COLUMNS
    for word, part in loose.groupby("word"):
        mine = rows[rows["word"] == word]
        assert sorted(part["cnr"]) == pytest.approx(sorted(mine["cnr"]), abs=1e-6)
        # As many rows a patient as before, whoever the patient is.
        before, now = (sorted(frame["patient"].value_counts()) for frame in (mine, part))
        assert before == now
        assert part["example_id"].nunique() == mine["example_id"].nunique()


def test_one_word_is_numbered_alike_for_every_model_and_order_of_rows():
    first = words.detach(word_rows.attached({"edema": 1}))
    other = words.detach(word_rows.attached({"edema": -1}, seed=5).sample(frac=1, random_state=0))
    keys = ["word", "finding", "example_id", "patient"]
    pd.testing.assert_frame_equal(first[keys], other[keys])
    # and for both kinds of text, so that they can be compared example by example
    both = words.detach(pd.concat([word_rows.attached({}), word_rows.attached({}, raw=1)]))
    curated, raw = (both[both["raw"] == kind][keys].reset_index(drop=True) for kind in (0, 1))
    pd.testing.assert_frame_equal(curated, raw)


def test_two_words_of_one_phrase_cannot_be_told_to_be_of_one():
    """Words that always stand together have the same phrases, and different numbers for them."""
    rows = word_rows.attached({})
    twins = rows[rows["word"] == "edema"]
    marked = pd.concat([rows, twins.assign(word="twin")], ignore_index=True)
    marked["auc"] = (
        marked.groupby(["finding", "example_id"]).ngroup() / 1000
    )  # a mark that each phrase leaves on its rows
    loose = words.detach(marked).set_index("word")
    assert sorted(loose.loc["twin", "auc"]) == sorted(loose.loc["edema", "auc"])
    for name in ("example_id", "patient"):
        together = [dict(zip(loose.loc[word, "auc"], loose.loc[word, name], strict=True)) for word in ("twin", "edema")]
        assert sum(together[0][mark] != together[1][mark] for mark in together[0]) > len(together[0]) / 2


def test_words_of_few_patients_are_left_out():
    rows = word_rows.attached({})
    held = [f"p{number}" for number in range(words.MIN_PATIENTS)]
    edema = rows["word"] == "edema"
    few = rows.assign(word=rows["word"].mask(edema & rows["patient"].isin(held[1:]), "doe"))
    assert "doe" not in set(words.detach(few)["word"])
    enough = rows.assign(word=rows["word"].mask(edema & rows["patient"].isin(held), "doe"))
    assert "doe" in set(words.detach(enough)["word"])
    alone = words.detach(rows[rows["patient"] == "p0"])
    assert set(alone["word"]) == set(words.SPECIAL)


def test_rows_that_were_not_detached_are_refused():
    rows = word_rows.attached({})
    words.refuse_attached(words.detach(rows), "f")
    with pytest.raises(InputError, match="f: example_id is not numbered anew"):
        words.refuse_attached(rows, "f")
    whole = rows.assign(**{name: pd.factorize(rows[name])[0] for name in ("example_id", "patient")})
    with pytest.raises(InputError, match="example_id is not numbered anew"):
        words.refuse_attached(whole, "f")  # numbers, but the same ones for every word
    loose = words.detach(rows)
    rare = loose[(loose["word"] != "edema") | (loose["patient"] < words.MIN_PATIENTS - 1)]
    rare = rare.assign(example_id=rare.groupby("word")["example_id"].transform(lambda ids: pd.factorize(ids)[0]))
    with pytest.raises(InputError, match="fewer than 5 patients") as caught:
        words.refuse_attached(rare, "f")
    assert "edema" not in str(caught.value)


def test_rows_come_back_with_their_run_and_missing_ones_are_named(tmp_path):
    frames = word_rows.like_the_paper()
    word_rows.write(frames, tmp_path)
    back = words.read(tmp_path, list(frames))
    assert list(back.columns[:3]) == ["variant", "seed", "protocol"]
    one = back[(back["variant"] == "finetune_f") & (back["seed"] == 2)]
    expected = frames["finetune_f", 2]
    pd.testing.assert_frame_equal(one[list(words.COLUMNS)].reset_index(drop=True), expected, check_dtype=False)
    with pytest.raises(InputError, match=r"finetune_f.seed7.words\.parquet.*make them with \./run_all\.sh"):
        words.read(tmp_path, [("finetune_f", 0), ("finetune_f", 7)])
