"""Comparing fresh with committed tables, and publishing whole, aggregated results only."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

import word_rows
from plainsight import claims, cli, publish, tables, words, worlds
from plainsight.errors import InputError


def table(value=0.80, std=0.02, **more):
    cells = {"finding": "Edema", "variant": "finetune_f", "metric": "auc", "value": value, "std": std}
    return pd.DataFrame([{**cells, "low": 0.7, "high": 0.9, **more}])


def ledger(verdict="holds", name="f-over-l"):
    words = dict.fromkeys(("paper", "place", "statement", "statistic", "notebook"), "a")
    numbers = {"published": 0.1, "effect": 0.2, "low": 0.1, "high": 0.3, "seeds": 3, "seeds_agreeing": 3}
    return claims.ledger([{"id": name, "scale": "toy", "world": "phantom", "verdict": verdict, **words, **numbers}])


def folder(path, frame=None, claimed=None):
    path.mkdir(parents=True)
    (table() if frame is None else frame).to_csv(path / "table_01.csv", index=False)
    tables.write_table(ledger() if claimed is None else claimed, path / "claims.csv")
    return path


@pytest.mark.parametrize(("value", "differs"), [(0.80, False), (0.819, False), (0.781, False), (0.821, True)])
def test_a_number_may_move_within_the_spread_over_seeds(tmp_path, value, differs):
    found = publish.compare(folder(tmp_path / "a", table(value)), folder(tmp_path / "b"))
    assert [(d.what, d.tolerance) for d in found] == ([("Edema finetune_f auc", 0.02)] if differs else [])


def test_the_larger_of_both_spreads_counts_and_with_one_seed_half_the_interval(tmp_path):
    fresh, committed = table(0.85, std=0.06), table(0.80, std=0.02)
    assert not publish.compare(folder(tmp_path / "a", fresh), folder(tmp_path / "b", committed))
    fresh, committed = table(0.89, std=None), table(0.80, std=None)
    assert not publish.compare(folder(tmp_path / "c", fresh), folder(tmp_path / "d", committed))
    assert publish.compare(folder(tmp_path / "e", table(0.91, std=None)), folder(tmp_path / "f", committed))


def test_a_value_that_vanishes_and_rows_on_one_side_only_differ(tmp_path):
    committed = folder(tmp_path / "committed")
    assert publish.compare(folder(tmp_path / "a", table(float("nan"))), committed)[0].fresh == "nan"
    extra = pd.concat([table(), table(finding="Pneumonia")])
    found = publish.compare(folder(tmp_path / "b", extra), committed)
    assert [(d.what, d.committed, d.fresh) for d in found] == [("Pneumonia finetune_f auc", "absent", "there")]


def test_a_changed_missing_or_new_verdict_differs(tmp_path):
    committed = folder(tmp_path / "b")
    found = publish.compare(folder(tmp_path / "a", claimed=ledger("inconclusive")), committed)
    assert [str(d) for d in found] == ["claims.csv: claim f-over-l: holds committed, inconclusive now"]
    found = publish.compare(folder(tmp_path / "c", claimed=ledger(name="other")), committed)
    assert {(d.what, d.committed, d.fresh) for d in found} == {
        ("claim f-over-l", "holds", "absent"),
        ("claim other", "absent", "holds"),
    }


def test_a_missing_file_differs_and_an_empty_folder_is_named(tmp_path):
    fresh, committed = folder(tmp_path / "a"), folder(tmp_path / "b")
    (fresh / "claims.csv").unlink()
    assert [d.file for d in publish.compare(fresh, committed)] == ["claims.csv"]
    with pytest.raises(InputError, match="no tables"):
        publish.compare(fresh, tmp_path)


def test_publishing_replaces_the_whole_folder(tmp_path):
    fresh, committed = folder(tmp_path / "a"), tmp_path / "paper_tables" / "b"
    assert publish.publish(fresh, committed, "phantom") == ["claims.csv", "table_01.csv"]
    (fresh / "claims.csv").unlink()
    (fresh / "published.json").write_text("{}")
    publish.publish(fresh, committed, "phantom")
    assert [path.name for path in committed.iterdir()] == ["table_01.csv"]
    assert [path.name for path in committed.parent.iterdir()] == ["b"]


@pytest.mark.parametrize("column", ["phrase", "text", "patient", "report", "image_id", "example_id", "source"])
def test_columns_that_could_carry_text_or_identifiers_are_refused_and_nothing_is_copied(tmp_path, column):
    fresh = folder(tmp_path / "a", table(**{column: 7}))
    with pytest.raises(InputError, match=f"table_01.csv.*{column}"):
        publish.publish(fresh, tmp_path / "b", "phantom")
    assert not (tmp_path / "b").exists()


def test_other_kinds_of_files_large_ones_and_nothing_are_refused(tmp_path):
    fresh = folder(tmp_path / "a")
    (fresh / "scores.parquet").write_bytes(b"")
    with pytest.raises(InputError, match=r"scores.parquet: not among"):
        publish.publish(fresh, tmp_path / "b", "phantom")
    (fresh / "scores.parquet").unlink()
    (fresh / "figure_02.png").write_bytes(b"0" * (publish.MAX_BYTES + 1))
    with pytest.raises(InputError, match="no published file may be larger"):
        publish.publish(fresh, tmp_path / "b", "phantom")
    with pytest.raises(InputError, match="nothing to publish"):
        publish.publish(tmp_path / "none", tmp_path / "b", "phantom")


@pytest.mark.parametrize("name", ["figure_02.png", "figure_02.svg", "figure_new.png"])
def test_pictures_with_pixels_stay_within_the_open_worlds(tmp_path, name):
    fresh = folder(tmp_path / "a")
    (fresh / "figure_curves.svg").write_bytes(b"numbers")
    assert "figure_curves.svg" in publish.publish(fresh, tmp_path / "mimic", "mimic")
    (fresh / name).write_bytes(b"pixels")
    assert set(worlds.FINDINGS) - worlds.OPEN == {"ms_cxr", "coco"}
    for world in worlds.FINDINGS:
        assert (name in publish.publish(fresh, tmp_path / world, world)) == (world in worlds.OPEN)
        assert (tmp_path / world / name).exists() == (world in worlds.OPEN)
        assert (tmp_path / world / "figure_curves.svg").exists()


def test_the_command_publishes_into_the_checkout_and_never_smoke(tmp_path, monkeypatch, capsys):
    repository = tmp_path / "checkout"
    source = publish.open_workspace("toy").root.resolve()
    (repository / "workflow").mkdir(parents=True)
    (repository / "workflow" / "scales").symlink_to(source / "workflow" / "scales")
    (repository / "workflow" / "experiments.yaml").symlink_to(source / "workflow" / "experiments.yaml")
    monkeypatch.chdir(repository)
    fresh = folder(repository / "runs" / "toy" / "phantom" / "tradeoff")
    assert publish.main(["toy", "phantom", "tradeoff"]) == 0
    tables.write_table(ledger("fails"), fresh / "claims.csv")
    assert publish.main(["toy", "phantom", "tradeoff"]) == 0
    assert "claim f-over-l: holds committed, fails now" in capsys.readouterr().out
    committed = repository / "paper_tables" / "toy" / "phantom" / "tradeoff"
    assert sorted(path.name for path in committed.iterdir()) == ["claims.csv", "table_01.csv"]
    assert len(json.loads((fresh / "published.json").read_text())["differences"]) == 1
    assert cli.main(["compare"]) == 0
    assert "paper_tables/toy/phantom/tradeoff: reproduced" in capsys.readouterr().out
    tables.write_table(ledger("holds"), fresh / "claims.csv")
    assert cli.main(["compare"]) == 1
    for place in ("runs", "paper_tables"):
        path = repository / place / "toy" / "scenes" / "tradeoff" / "claims_in_domain.csv"
        path.parent.mkdir(parents=True)
        tables.write_table(ledger(), path)
    capsys.readouterr()
    assert cli.main(["compare"]) == 1
    assert "paper_tables/toy/scenes/tradeoff: reproduced" in capsys.readouterr().out
    assert cli.main(["compare", "--scale", "smoke"]) == 2
    assert "run ./run_all.sh --scale smoke first" in capsys.readouterr().err
    assert publish.main(["smoke", "phantom", "tradeoff"]) == 2
    assert "not published" in capsys.readouterr().err
    assert not (repository / "paper_tables" / "smoke").exists()


def test_a_part_of_a_run_takes_no_score_rows_away_unless_the_examples_are_others(tmp_path):
    fresh, committed = tmp_path / "fresh", tmp_path / "committed"
    rows = pd.DataFrame({"example_id": ["a"], "patient": ["p"], "finding": ["Edema"], "auc": [0.5]})
    for folder in (fresh, committed):
        folder.mkdir()
        rows.drop(columns="auc").to_parquet(folder / "examples.parquet")
    (committed / "earlier").mkdir()
    rows.to_parquet(committed / "earlier" / "boxes.parquet")
    rows.to_parquet(fresh / "boxes.parquet")
    publish.publish_scores(fresh, committed, "phantom")
    assert (committed / "earlier" / "boxes.parquet").exists() and (committed / "boxes.parquet").exists()
    (fresh / "examples.parquet").unlink()
    publish.publish_scores(fresh, committed, "phantom")
    assert (committed / "earlier" / "boxes.parquet").exists() and (committed / "examples.parquet").exists()
    rows.drop(columns="auc").assign(example_id="b").to_parquet(fresh / "examples.parquet")
    publish.publish_scores(fresh, committed, "phantom")
    assert sorted(path.name for path in committed.iterdir()) == ["boxes.parquet", "examples.parquet"]


def test_rows_of_models_from_another_foundation_go(tmp_path):
    fresh, committed = tmp_path / "fresh" / "scores", tmp_path / "committed" / "scores"
    rows = pd.DataFrame({"example_id": ["a"], "patient": ["p"], "finding": ["Edema"], "auc": [0.5]})
    for folder, variants in ((fresh, ("foundation", "finetune_f")), (committed, ("foundation", "in_domain_f"))):
        for variant in variants:
            (folder / variant / "seed0").mkdir(parents=True)
            rows.to_parquet(folder / variant / "seed0" / "boxes.parquet")
    publish.publish_scores(fresh, committed, "scenes")
    assert sorted(path.name for path in committed.iterdir()) == ["finetune_f", "foundation", "in_domain_f"]
    rows.assign(auc=0.6).to_parquet(fresh / "foundation" / "seed0" / "boxes.parquet")
    publish.publish_scores(fresh, committed, "scenes")
    assert sorted(path.name for path in committed.iterdir()) == ["finetune_f", "foundation"]


def test_score_rows_of_open_worlds_are_copied_whole_and_hold_no_text(tmp_path):
    fresh, committed = tmp_path / "fresh", tmp_path / "committed"
    rows = pd.DataFrame({"example_id": ["a"], "patient": ["p"], "finding": ["Edema"], "auc": [0.5]})
    path = fresh / "finetune_f" / "seed0" / "boxes.parquet"
    path.parent.mkdir(parents=True)
    rows.to_parquet(path)
    counts = pd.DataFrame({"finding": ["Edema"], "split": ["train"], "images": [9], "patients": [7]})
    counts.to_parquet(fresh / Path(words.SPLITS).name)
    publish.publish_scores(fresh, committed, "phantom")
    assert (committed / path.relative_to(fresh)).read_bytes() == path.read_bytes()
    assert pd.read_parquet(committed / Path(words.SPLITS).name).equals(counts)
    with pytest.raises(InputError, match="world 'mimic' is not open"):
        publish.publish_scores(fresh, committed, "mimic")
    rows.assign(phrase="edema").to_parquet(path)
    with pytest.raises(InputError, match="column 'phrase' could carry text"):
        publish.publish_scores(fresh, committed, "phantom")
    assert "phrase" not in pd.read_parquet(committed / path.relative_to(fresh))


def test_every_ledger_of_a_paper_is_compared_by_its_verdicts(tmp_path):
    fresh, committed = folder(tmp_path / "a"), folder(tmp_path / "b")
    for place, verdict in ((fresh, "fails"), (committed, "holds")):
        tables.write_table(ledger(verdict, "words"), place / "claims_words.csv")
    assert [str(d) for d in publish.compare(fresh, committed)] == [
        "claims_words.csv: claim words: holds committed, fails now"
    ]


def test_tables_of_words_are_compared_word_by_word(tmp_path):
    def words_table(lung: float) -> pd.DataFrame:
        return pd.concat([table(word="edema", patients=9), table(lung, word="lung", patients=9)])

    committed = folder(tmp_path / "b", words_table(0.8))
    assert not publish.compare(folder(tmp_path / "a", words_table(0.81)), committed)
    found = publish.compare(folder(tmp_path / "c", words_table(0.9)), committed)
    assert [d.what for d in found] == ["Edema finetune_f auc lung"]


def test_rows_by_word_travel_only_cut_loose_from_their_phrases(tmp_path):
    fresh, committed = tmp_path / "fresh", tmp_path / "committed"
    frames = word_rows.like_the_paper()
    word_rows.write(frames, tmp_path)
    (tmp_path / "scores").rename(fresh)
    counts = pd.DataFrame({"finding": ["Edema"], "word": ["edema"], "with_word": [3], "texts": [9], "patients": [7]})
    counts.to_parquet(fresh / "word_counts.parquet")
    publish.publish_scores(fresh, committed, "phantom")
    path = fresh / "finetune_f" / "seed1" / "words.parquet"
    assert (committed / path.relative_to(fresh)).read_bytes() == path.read_bytes()
    for wrong, message in (
        (word_rows.attached({}), "example_id is not numbered anew"),
        (frames["finetune_f", 1].replace({"word": {"edema": "pulmonary edema"}}), "more than single words"),
    ):
        wrong.to_parquet(path)
        with pytest.raises(InputError, match=message) as caught:
            publish.publish_scores(fresh, committed, "phantom")
        assert "edema" not in str(caught.value)
    words.detach(word_rows.attached({})).to_parquet(path)
    counts.assign(patients=words.MIN_PATIENTS - 1).to_parquet(fresh / "word_counts.parquet")
    with pytest.raises(InputError, match=r"word_counts\.parquet: column 'word' holds words without 5"):
        publish.publish_scores(fresh, committed, "phantom")


def test_rows_that_differ_in_their_steps_are_compared_each_with_its_own(tmp_path):
    def curve(late: float) -> pd.DataFrame:
        return pd.concat([table(0.5, steps=10), table(late, steps=80)])

    committed = folder(tmp_path / "b", curve(0.8))
    assert not publish.compare(folder(tmp_path / "a", curve(0.81)), committed)
    assert [d.what for d in publish.compare(folder(tmp_path / "c", curve(0.9)), committed)] == [
        "Edema finetune_f auc 80"
    ]


def test_cells_of_few_patients_are_counted_and_not_printed(tmp_path):
    """Of a world that is not open, that is; with them stay the texts and pictures that show the same cells."""
    few = pd.concat([table(0.81, patients=9, published=0.9), table(0.87, patients=4, published=0.8)])
    few = pd.concat([few, table(0.83, patients=13, published=0.7)])
    few["finding"] = ["Edema", "Pneumonia", tables.WEIGHTED]
    fresh, committed = folder(tmp_path / "a", few), tmp_path / "b"
    counts = {"finding": "Edema", "metric": ["n_a", "n_b", "n_c"], "value": [0, 6, 6], "patients": [0, 4, 5]}
    tables.write_table(pd.DataFrame(counts), fresh / "table_09.csv")
    shares = {"finding": "Edema", "metric": ["cnr", "auc"], "value": 0.5, "patients": 9, "training_patients": [4, 5]}
    tables.write_table(pd.DataFrame(shares), fresh / "table_06.csv")
    for name in ("table_01.md", "figure_table_01.png", "figure_table_01.svg"):
        (fresh / name).write_text("0.87")
    assert publish.withheld(fresh, "nih") == {}
    assert publish.withheld(fresh, "ms_cxr") == {"table_01.csv": 2, "table_06.csv": 1, "table_09.csv": 1}
    names = ["claims.csv", "table_01.csv", "table_06.csv", "table_09.csv"]
    assert publish.publish(fresh, committed, "ms_cxr") == names
    assert not any("0.87" in path.read_text() for path in committed.iterdir())
    told = pd.read_csv(committed / "table_01.csv")
    assert told["value"].tolist()[0] == 0.81 and told["published"].tolist() == [0.9, 0.8, 0.7]
    # The average and the other finding would give it away.
    assert told.loc[1:, ["value", "std", "low", "high", "patients"]].isna().all(axis=None)
    assert pd.read_csv(committed / "table_09.csv")["value"].isna().tolist() == [False, True, False]
    assert pd.read_csv(committed / "table_06.csv")["value"].isna().tolist() == [True, False]
    assert not publish.compare(fresh, committed)
    publish.publish(fresh, committed, "nih")
    assert "0.87" in (committed / "table_01.md").read_text() and "0.87" in (committed / "table_01.csv").read_text()


@pytest.mark.parametrize(
    "text",
    [
        "p10000200",
        "s50000200 and more",
        "files/p10/p10000200/s50000200.txt",
        "10000200,3",
        "0123abcd-0123abcd-0123abcd-0123abcd-0123abcd.jpg",
        f"image {17:032x}",
    ],
)
@pytest.mark.parametrize("name", ["table_01.md", "provenance.json", "figure_table_01.svg"])
def test_identifiers_of_credentialed_data_are_refused_in_any_text(tmp_path, name, text):
    fresh = folder(tmp_path / "a")
    (fresh / name).write_text("0.10000200 s150000200 p100002001 10000200000\n")  # none of them is one
    publish.publish(fresh, tmp_path / "b", "ms_cxr")
    (fresh / name).write_text(f"first line\n{text}\n")
    with pytest.raises(InputError, match=f"{name}: line 2 holds what looks like an identifier") as caught:
        publish.publish(fresh, tmp_path / "c", "ms_cxr")
    assert text not in str(caught.value) and not (tmp_path / "c").exists()
