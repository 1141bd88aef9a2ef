from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from own_data import ROWS, write_images, write_table
from plainsight import mapfolder, mapscores, statistics
from plainsight.errors import InputError
from plainsight.metrics import localisation
from plainsight.seeding import numpy_generator
from plainsight.tables import WEIGHTED
from plainsight.worlds import folder
from plainsight.worlds.radiographs import boxes_to_mask


@pytest.fixture
def images(tmp_path):
    return write_images(tmp_path / "images")


@pytest.fixture
def read(images, tmp_path):
    return lambda rows=ROWS: folder.read(write_table(tmp_path / "table.csv", rows), images)


@pytest.fixture
def made(tmp_path):
    """Writes noise as the map of every row, NaN outside the centre square; returns the folder."""

    def make(table):
        for number, example in table.examples.iterrows():
            height, width = example["height"], example["width"]
            heatmap = np.random.default_rng(number).random((height, width), dtype=np.float32)
            side = min(height, width)
            seen = np.zeros((height, width), bool)
            seen[(height - side) // 2 :, (width - side) // 2 :][:side, :side] = True
            mapfolder.write(np.where(seen, heatmap, np.float32(np.nan)), tmp_path / "maps", example["example_id"])
        return tmp_path / "maps"

    return make


def test_a_map_made_by_hand(read, images, tmp_path):
    """Four pixels are seen of the image, two of them inside the box: every score from first principles."""
    Image.new("L", (4, 2)).save(images / "small.png")
    heatmap = np.array([[np.nan, 0, 1, np.nan], [np.nan, 2, 4, np.nan]], dtype=np.float32)
    table = read([{"image": "small.png", "phrase": "x", "boxes": "2 0 2 2", "id": "a"}])
    mapfolder.write(heatmap, tmp_path / "maps", "a")
    row = mapscores.score_maps(table, images, tmp_path / "maps").loc[1]
    assert row[["id", "patient", "finding"]].tolist() == ["a", "small.png", "phrase"]
    assert row["area_fraction"] == 0.5
    assert row["auc"] == 0.75  # 1 > 0, 4 > 0 and 2, but 1 < 2
    assert row["top1"] == 1
    assert row["cnr"] == row["cnr_abs"] == pytest.approx((2.5 - 1) / np.sqrt(1.5**2 + 1**2))
    # Scaled: inside .25 and 1, outside 0 and .5. Above .1 and .2 that is 2 of 3, above .3 and .4 1 of 3, then 1 of 2.
    assert row["miou"] == pytest.approx((2 / 3 + 2 / 3 + 1 / 3 + 1 / 3 + 1 / 2) / 5)


def test_scores_are_those_of_the_metrics_at_the_pixels_of_the_image(read, images, made):
    table = read()
    maps = made(table)
    scores = mapscores.score_maps(table, images, maps)
    assert list(scores.columns) == ["id", "patient", "finding", "area_fraction", *localisation.METRICS]
    assert scores["id"].tolist() == table.examples["example_id"].tolist()
    for (_, row), (_, example) in zip(scores.iterrows(), table.examples.iterrows(), strict=True):
        heatmap = np.load(maps / f"{row['id']}.npy")
        mask = boxes_to_mask(example["boxes"], *heatmap.shape)
        assert row[list(localisation.METRICS)].to_dict() == localisation.score(heatmap, mask)
        assert row["area_fraction"] == mask[~np.isnan(heatmap)].mean()


def test_a_rectangular_mask_scores_as_its_box(read, images, made):
    mask = np.zeros((60, 90), np.uint8)
    mask[10:40, 30:50] = 255
    Image.fromarray(mask).save(images / "mask.png")
    boxes, masks = read(ROWS[:1]), read([ROWS[0] | {"boxes": "", "mask": "mask.png"}])
    one, other = (mapscores.score_maps(table, images, made(boxes)) for table in (boxes, masks))
    pd.testing.assert_frame_equal(one, other)


def test_a_target_that_was_not_seen_has_no_score(read, images, made):
    table = read([ROWS[0] | {"boxes": "0 0 10 60"}, ROWS[0] | {"boxes": "10 0 70 60"}, ROWS[0]])
    scores = mapscores.score_maps(table, images, made(table))
    assert scores["area_fraction"].tolist()[:2] == [0, 1]
    assert scores[list(localisation.METRICS)].isna().all(axis=1).tolist() == [True, True, False]


def test_carried_columns_come_out_as_they_went_in(read, images, made):
    carried = {"credit": ' "Case", 007\n', "n": "007", "none": "NA", "empty": "", "Licence": "CC BY 4.0"}
    table = read([ROWS[0] | carried, ROWS[1] | {"n": "1.50"}])
    scores = mapscores.score_maps(table, images, made(table))
    assert list(scores.columns[-5:]) == list(carried)
    assert scores.iloc[0][list(carried)].to_dict() == carried
    assert scores["n"].tolist() == ["007", "1.50"]


@pytest.mark.parametrize("name", ["auc", "area_fraction"])
def test_a_carried_column_named_as_a_score(read, images, made, name):
    table = read([ROWS[0] | {name: "1"}])
    with pytest.raises(InputError, match=rf"table\.csv: column '{name}' has the name of a score; rename it"):
        mapscores.score_maps(table, images, made(table))


def test_missing_maps_are_counted_and_the_first_is_named(read, images, made):
    table = read()
    maps = made(table)
    for name in ("4_square", "2_tall"):
        (maps / f"{name}.npy").unlink()
    with pytest.raises(InputError, match="2 of 5 maps are missing, the first that of '2_tall'"):
        mapscores.score_maps(table, images, maps)


def test_maps_of_another_table_are_not_scored(read, images, made):
    table = read()
    maps = made(table)
    mapfolder.claim(maps, mapfolder.asked(table), {})
    shifted = read([ROWS[0] | {"phrase": "another"}, *ROWS[1:]])
    with pytest.raises(InputError, match="the map of '1_wide' was made for another image, phrase or keywords"):
        mapscores.score_maps(shifted, images, maps)


def rows(cnr, findings=None, patients=None):
    n = len(cnr)
    frame = pd.DataFrame({"id": [f"e{i}" for i in range(n)], "cnr": cnr, "auc": 0.5, "top1": 0.0, "miou": 0.1})
    return frame.assign(
        cnr_abs=frame["cnr"].abs(), finding=findings or "phrase", patient=patients or [f"p{i}" for i in range(n)]
    )


def test_summary_is_the_mean_with_the_bootstrap_of_patients():
    scores = rows([1.0, 2.0, 4.0, -1.0], ["a", "b", "a", "a"], ["p", "p", "q", "r"])
    summary = mapscores.summarise(scores, 500)
    assert summary["finding"].unique().tolist() == [WEIGHTED, "a", "b"]
    assert summary["metric"].tolist() == list(localisation.METRICS) * 3
    cells = summary.set_index(["finding", "metric"])
    whole = cells.loc[(WEIGHTED, "cnr")]
    assert whole[["value", "n", "patients", "left_out"]].tolist() == [1.5, 4, 3, 0]
    rng = numpy_generator(0, "summary", WEIGHTED)
    wanted = statistics.bootstrap_mean(scores["cnr"], scores["patient"], resamples=500, rng=rng)
    assert (whole["low"], whole["high"]) == (wanted.low, wanted.high)
    assert cells.loc[("a", "cnr"), ["value", "n", "patients"]].tolist() == [pytest.approx(4 / 3), 3, 3]
    assert cells.loc[("b", "cnr"), ["value", "n"]].tolist() == [2, 1]
    assert np.isnan(cells.loc[("b", "cnr"), "low"])  # one patient
    assert cells.loc[(WEIGHTED, "auc"), ["value", "low", "high"]].tolist() == [0.5, 0.5, 0.5]


def test_rows_without_a_finite_score_are_left_out_and_counted():
    scores = rows([1.0, np.inf, np.nan, np.nan], ["a", "a", "a", "b"])
    cells = mapscores.summarise(scores, 20).set_index(["finding", "metric"])
    assert cells.loc[(WEIGHTED, "cnr"), ["value", "n", "left_out"]].tolist() == [1, 1, 3]
    assert cells.loc[(WEIGHTED, "auc"), ["n", "left_out"]].tolist() == [4, 0]
    assert cells.loc[("b", "cnr"), ["n", "patients", "left_out"]].tolist() == [0, 0, 1]
    assert np.isnan(cells.loc[("b", "cnr"), "value"])


@pytest.mark.parametrize(
    ("cnr", "bands"),
    [
        ([np.nan], {}),
        ([1], {"best": [0]}),
        ([1, 2], {"best": [1], "worst": [0]}),
        ([1, np.nan, 3, 2], {"best": [2], "median": [3], "worst": [0]}),
        ([1, 1, 1], {"best": [0], "median": [1], "worst": [2]}),
        ([0, np.inf, 1, 2, 3, 4, 5], {"best": [1, 6], "median": [5, 4], "worst": [2, 0]}),
        (list(range(12)), {"best": [11, 10, 9, 8], "median": [7, 6, 5, 4], "worst": [3, 2, 1, 0]}),
        (list(range(21)), {"best": [20, 19, 18, 17], "median": [12, 11, 10, 9], "worst": [3, 2, 1, 0]}),
    ],
)
def test_best_median_and_worst_by_cnr(cnr, bands):
    assert mapscores.choose(rows(cnr)) == bands


def test_a_picture_has_the_target_that_was_scored_and_its_credit(read, images, made):
    mask = np.zeros((60, 90), bool)
    mask[3, 4] = True
    Image.fromarray(mask).save(images / "mask.png")
    both = ROWS[0] | {"mask": "mask.png", "Licence": "CC BY", "credit": "", "note": "n", "finding": "Mass"}
    table = read([both, ROWS[1] | {"finding": "Edema", "credit": "A. Person"}])
    maps = made(table)
    scores = mapscores.score_maps(table, images, maps)
    first, second = (mapscores.picture(table, scores, i, images, maps) for i in (0, 1))
    assert (first.mask == mask).all() and first.boxes == []
    assert second.mask is None and second.boxes == table.examples.loc[2, "boxes"]
    assert first.notes == (ROWS[0]["phrase"], "CC BY") and second.notes == (ROWS[1]["phrase"], "A. Person")
    assert first.title == f"1_wide\nMass, CNR {scores.loc[1, 'cnr']:.2f}"
    assert first.image.shape == next(iter(first.maps.values())).shape == (60, 90)


def test_headline():
    summary = mapscores.summarise(rows([1.0, 2.0]), 20)
    assert mapscores.headline(summary).startswith("auc 0.5 [0.5, 0.5], top1 0 [0, 0], cnr 1.5 [1, 2]")
    alone = mapscores.headline(mapscores.summarise(rows([1.0]).head(1), 20))
    assert "nan" not in alone and alone.startswith("auc 0.5, top1 0, cnr 1")
