"""Reading score rows back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from plainsight import results, tables
from plainsight.errors import InputError
from plainsight.results import Run
from plainsight.workspace import open_workspace
from score_rows import joined, runs_like_the_paper, write

ROOT = Path(__file__).parents[1]


def test_rows_come_back_with_their_run(tmp_path):
    frames = runs_like_the_paper()
    write(frames, tmp_path)
    back = results.read(tmp_path, list(frames))
    pd.testing.assert_frame_equal(back, joined(frames)[back.columns], check_dtype=False)
    assert list(back.columns[:3]) == ["variant", "seed", "protocol"]


def test_curves_keep_their_step(tmp_path):
    frames = runs_like_the_paper((0,))
    run = Run("finetune_f", 0, "curve")
    curve = {run: frames[Run("finetune_f", 0, "boxes")].assign(step=100)}
    write({**frames, **curve}, tmp_path)
    back = results.read(tmp_path, [run, Run("foundation", 0, "boxes")])
    assert back.groupby("protocol")["step"].agg(["min", "count"]).loc["curve"].tolist() == [100, len(curve[run])]
    assert back.loc[back["protocol"] == "boxes", "step"].isna().all()


def test_rows_whose_target_is_all_or_nothing_of_the_image_are_left_out(tmp_path):
    run = Run("foundation", 0, "boxes")
    frame = runs_like_the_paper((0,))[run]
    area = frame["area_fraction"].to_numpy().copy()
    area[[1, 3]] = 0, 1
    write({run: frame.assign(area_fraction=area, auc=frame["auc"].where((area > 0) & (area < 1)))}, tmp_path)
    back = results.read(tmp_path, [run])
    assert back["example_id"].tolist() == frame["example_id"].drop(frame.index[[1, 3]]).tolist()
    assert back["auc"].notna().all()


def test_runs_have_the_seeds_of_the_scale():
    wanted = results.runs(open_workspace("toy", ROOT), ("foundation", "finetune_f", "finetune_f_labels"), ("boxes",))
    assert wanted == [
        *[Run("foundation", 0, "boxes")],
        *[Run("finetune_f", seed, "boxes") for seed in (0, 1, 2)],
        *[Run("finetune_f_labels", 0, "boxes")],
    ]


def test_missing_files_are_named_in_one_line(tmp_path):
    frames = runs_like_the_paper()
    write({run: frame for run, frame in frames.items() if run.seed == 0}, tmp_path)
    wanted = [run for run in frames if run.protocol == "boxes"]
    absent = ["scores/finetune_l/seed1/boxes.parquet", "scores/finetune_f/seed1/boxes.parquet"]
    assert results.missing(tmp_path, wanted)[:2] == absent
    with pytest.raises(InputError) as caught:
        results.read(tmp_path, wanted)
    assert all(name in str(caught.value) for name in absent)
    assert "\n" not in str(caught.value)


def test_broken_files_are_named(tmp_path):
    run = Run("foundation", 0, "boxes")
    write({run: runs_like_the_paper((0,))[run].drop(columns="cnr")}, tmp_path)
    with pytest.raises(InputError, match=r"boxes\.parquet: column 'cnr' is missing"):
        results.read(tmp_path, [run])
    (tmp_path / "scores" / "foundation" / "seed0" / "boxes.parquet").write_bytes(b"PAR1 cut off")
    with pytest.raises(InputError, match=r"boxes\.parquet: not a Parquet file"):
        results.read(tmp_path, [run])
    with pytest.raises(InputError, match="no score rows are asked for"):
        results.read(tmp_path, [])


def test_what_was_asked_holds_counts_and_no_text(tmp_path):
    phrases = ["Small effusion.", "small effusion", "Edema"]
    findings = ["Pleural Effusion", "Effusion", "Edema"]
    examples = pd.DataFrame({"example_id": list("abc"), "patient": "p", "finding": findings, "phrase": phrases})
    examples = examples.assign(view=["AP", "PA", ""], boxes=[[[0, 0, 1, 1]], [[0, 0, 1, 1], [1, 1, 1, 1]], []])
    asked = results.asked(examples)
    assert list(asked.columns[:5]) == ["example_id", "patient", "finding", "n_boxes", "wording"]
    assert list(asked.columns[5:]) == ["ap", "names_finding"]
    assert asked["n_boxes"].tolist() == [1, 2, 0]
    assert asked["wording"].tolist() == [0, 0, 1]
    assert asked["ap"].tolist()[:2] == [1, 0] and asked["ap"].isna().tolist() == [False, False, True]
    assert asked["names_finding"].tolist() == [0, 1, 1]
    tables.refuse_private(asked.drop(columns=["example_id", "patient"]), "examples")
    with pytest.raises(InputError, match="run the step 'baselines' first"):
        results.read_asked(tmp_path)


def test_fresh_tables_come_before_committed_ones(tmp_path):
    space = replace(open_workspace("toy", ROOT), root=tmp_path)
    with pytest.raises(InputError, match=r"no tables in .*runs.*; make them with \./run_all\.sh --scale toy"):
        results.paper_folder(space, "phantom", "tradeoff")
    for folder in (tmp_path / "paper_tables/toy/phantom/tradeoff", tmp_path / "runs/toy/phantom/tradeoff"):
        folder.mkdir(parents=True)
        (folder / "claims.csv").touch()
        assert results.paper_folder(space, "phantom", "tradeoff") == folder
