from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from plainsight.metrics.baselines import average_boxes, centred_gaussian, oracle_gaussian, score_blind
from plainsight.metrics.localisation import score
from plainsight.worlds.radiographs import boxes_to_mask


@pytest.fixture(scope="module")
def nih_boxes() -> np.ndarray:
    """The 984 official boxes of NIH ChestX-ray14, [x, y, w, h] in images of 1024 x 1024."""
    package = Path(importlib.util.find_spec("torchxrayvision").origin).parent
    return pd.read_csv(package / "data" / "BBox_List_2017.csv.gz").iloc[:, 2:6].to_numpy(dtype=float)


def oracle_scores(boxes: np.ndarray, side: int) -> pd.DataFrame:
    boxes = boxes * side / 1024
    return pd.DataFrame([score(oracle_gaussian([box], side, side), boxes_to_mask([box], side, side)) for box in boxes])


def test_oracle_gaussian_on_real_boxes_scores_as_published(nih_boxes):
    """Seed 003, Table 5: mIoU 67.6 and 67.5 %, CNR 2.11 and 2.23 on two other sets of real boxes."""
    assert len(nih_boxes) == 984
    means = oracle_scores(nih_boxes, 256).mean()
    assert 0.67 <= means["miou"] <= 0.68
    assert 2.1 <= means["cnr"] <= 2.3
    assert means["top1"] == 1
    assert means["auc"] > 0.99


def test_oracle_gaussian_in_the_full_frame(nih_boxes):
    some = nih_boxes[::40]
    full, small = oracle_scores(some, 1024), oracle_scores(some, 256)
    assert 0.67 <= full["miou"].mean() <= 0.68
    assert 2.1 <= full["cnr"].mean() <= 2.3
    np.testing.assert_allclose(full.mean(), small.mean(), atol=0.01)


def test_oracle_gaussian_by_hand():
    heatmap = oracle_gaussian([[10, 20, 9, 15]], 60, 50)
    assert np.unravel_index(heatmap.argmax(), heatmap.shape) == (27, 14)
    assert heatmap[27, 14] == 1
    assert heatmap[27, 14 + 3] == pytest.approx(np.exp(-1 / 2))
    assert heatmap[27 + 10, 14] == pytest.approx(np.exp(-2))
    two = oracle_gaussian([[10, 20, 9, 15], [30, 5, 7, 7]], 60, 50)
    assert two[27, 14] == two[8, 33] == 1
    assert (oracle_gaussian([], 4, 4) == 0).all()


def test_centred_gaussian():
    heatmap = centred_gaussian(40, 60, spread=0.25)
    np.testing.assert_allclose(heatmap, heatmap[::-1, ::-1])
    assert heatmap.argmax() in (19 * 60 + 29, 19 * 60 + 30, 20 * 60 + 29, 20 * 60 + 30)
    assert heatmap[19, 29 + 15] / heatmap[19, 29] == pytest.approx(np.exp((0.5**2 - 14.5**2) / (2 * 15**2)))


def examples(rows: list[tuple]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["patient", "finding", "boxes", "width", "height"])


def test_average_boxes_leave_the_own_patient_out():
    left, right, top = [[0, 0, 4, 8]], [[4, 0, 4, 8]], [[0, 0, 16, 8]]
    frame = examples(
        [
            ("a", "Edema", left, 8, 8),
            ("a", "Edema", right, 8, 8),
            ("b", "Edema", left, 8, 8),
            ("c", "Edema", top, 16, 16),  # twice the resolution: the upper half
            ("c", "Mass", left, 8, 8),
        ]
    )
    maps = average_boxes(frame, 8, 8)
    masks = [boxes_to_mask(boxes, 8, 8) for boxes in (left, right, left, [[0, 0, 8, 4]])]
    np.testing.assert_allclose(maps[0], (masks[2].astype(float) + masks[3]) / 2)
    np.testing.assert_allclose(maps[1], maps[0])
    np.testing.assert_allclose(maps[2], (masks[0].astype(float) + masks[1] + masks[3]) / 3, rtol=1e-6)
    assert (maps[4] == 0).all()  # the only patient with a mass


def test_average_boxes_know_nothing_of_the_own_image():
    rng = np.random.default_rng(0)
    rows = [(f"p{i % 12}", "Edema", [[*rng.uniform(0, 30, 2), *rng.uniform(5, 30, 2)]], 64, 64) for i in range(30)]
    before = average_boxes(examples(rows), 16, 16)
    rows[3] = (*rows[3][:2], [[0, 0, 64, 64]], 64, 64)
    after = average_boxes(examples(rows), 16, 16)
    own = np.array([row[0] == rows[3][0] for row in rows])
    np.testing.assert_array_equal(before[own], after[own])
    assert (before[~own] != after[~own]).any()


def test_blind_maps_score_where_lesions_usually_lie():
    examples = pd.DataFrame(
        {
            "example_id": ["a", "b", "c", "d"],
            "patient": ["p", "q", "r", "s"],
            "finding": ["Edema"] * 2 + ["Pneumonia"] * 2,
            "boxes": [[[32.0, 32.0, 64.0, 64.0]]] * 2 + [[[0.0, 0.0, 32.0, 32.0]], [[96.0, 96.0, 32.0, 32.0]]],
            "width": 128,
            "height": 128,
        }
    )
    rows = pd.concat(score_blind(examples, 32)).droplevel(1).set_index("example_id", append=True)
    assert rows.loc[("average_box", "a"), "auc"] == 1.0  # the other patient's box is the same
    assert rows.loc[("average_box", "c"), "auc"] < 0.5  # the other patient's box lies elsewhere
    assert rows.loc[("centred_gaussian", "a"), "auc"] > 0.9 > 0.2 > rows.loc[("centred_gaussian", "d"), "auc"]
    assert (rows["area_fraction"] == [0.25, 0.25, 1 / 16, 1 / 16] * 2).all()


def test_blind_maps_see_the_crop_that_the_masks_are_made_of():
    """A wide image loses its sides: its box lies where the square image of another patient has it."""
    frame = pd.DataFrame(
        {
            "example_id": ["wide", "square"],
            "patient": ["p", "q"],
            "finding": "Edema",
            "boxes": [[[64.0, 32.0, 32.0, 32.0]], [[0.0, 32.0, 32.0, 32.0]]],
            "width": [256, 128],
            "height": 128,
        }
    )
    assert (score_blind(frame, 32)["average_box"]["auc"] == 1.0).all()


def test_blind_scores_come_back_in_the_order_of_the_examples():
    """Findings one after the other are scored as those that take turns."""
    names = ["Edema", "Pneumonia"] * 3
    frame = pd.DataFrame(
        {
            "example_id": list("abcdef"),
            "patient": list("pqrsqp"),
            "finding": names,
            "boxes": [[[8.0 * i, 4.0 * i, 20.0, 30.0]] for i in range(6)],
            "width": 64,
            "height": 64,
        },
        index=[7, 7, 3, 2, 1, 0],
    )
    sorted_frame = frame.sort_values("finding", kind="stable")
    for name, rows in score_blind(frame, 32).items():
        assert rows["example_id"].tolist() == list("abcdef") and rows.index.tolist() == list(range(6))
        again = score_blind(sorted_frame, 32)[name].set_index("example_id").loc[list("abcdef")]
        pd.testing.assert_frame_equal(rows.set_index("example_id"), again)
