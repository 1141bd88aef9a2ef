from __future__ import annotations

import numpy as np
import pytest

import plainsight.worlds as worlds
import plainsight.worlds.annotations as annotations
from plainsight.errors import InputError
from plainsight.seeding import numpy_generator

FINDINGS = tuple(name for name in worlds.FINDINGS["phantom"] if name != "No Finding")


def test_nih_list_is_the_official_one():
    table = annotations.nih()
    assert len(table) == 984
    first = table.iloc[0]
    assert (first.image, first.finding) == ("00013118_008.png", "Atelectasis")
    assert first.x * 1024 == pytest.approx(225.084745762712 + 86.7796610169491 / 2)
    assert first.height * 1024 == pytest.approx(79.1864406779661)


def test_siim_counts_the_masks():
    assert len(annotations.siim()) == 3576


@pytest.mark.parametrize("seed", range(5))
def test_run_length_box_agrees_with_the_decoded_mask(seed):
    rng = np.random.default_rng(seed)
    side = 16
    mask = np.zeros((side, side), dtype=bool)
    top, left = rng.integers(0, 8, 2)
    mask[top : top + rng.integers(1, 8), left : left + rng.integers(1, 8)] = True
    mask[rng.integers(0, side), rng.integers(0, side)] = True
    flat = np.concatenate([[False], mask.T.ravel(), [False]]).astype(int)
    starts, ends = np.flatnonzero(np.diff(flat) == 1), np.flatnonzero(np.diff(flat) == -1)
    gaps = starts - np.concatenate([[0], ends[:-1]])
    runs = " ".join(f"{gap} {length}" for gap, length in zip(gaps, ends - starts, strict=True))
    rows, columns = np.nonzero(mask)
    expected = (columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1)
    assert annotations.run_length_box(runs, side) == expected


@pytest.mark.parametrize("finding", FINDINGS)
def test_boxes_are_fractions_inside_the_image(finding):
    table = annotations.boxes(finding)
    assert len(table) >= 100 and table.x.between(0, 1).all() and table.y.between(0, 1).all()
    assert (table.width > 0).all() and (table.height > 0).all()
    if finding == "Consolidation":  # another list's aspect ratios: a tall one may leave the frame; the lung cuts it
        return
    assert ((table.y - table.height / 2) > -0.01).all() and ((table.y + table.height / 2) < 1.01).all()


def test_consolidation_has_the_aspect_of_vindr_and_the_areas_of_rsna():
    table, rsna = annotations.boxes("Consolidation"), annotations.rsna()
    assert np.median(table.width / table.height) == pytest.approx(np.median(annotations.vindr_aspects()), rel=0.05)
    np.testing.assert_allclose(table.width * table.height, rsna.width * rsna.height)


def test_edema_takes_images_with_both_lungs_boxed():
    assert annotations.bilateral_share("Edema") == 1
    assert 0.4 < annotations.bilateral_share("Lung Opacity") < 0.7


@pytest.mark.parametrize("finding", FINDINGS)
@pytest.mark.parametrize("side", ["left", "right"])
def test_sample_obeys_side_and_zone(finding, side):
    rng = numpy_generator(0, "test", finding, side)
    height = annotations.LUNG_BOTTOM - annotations.LUNG_TOP
    for zone in ("apical", "middle", "basal"):
        low, high = annotations.ZONES[zone]
        for _ in range(10):
            box = annotations.sample(finding, side, zone, "", rng)
            assert (box.x <= 0.5) == (side == "right") or box.x == 0.5
            assert low - 1e-9 <= (box.y - annotations.LUNG_TOP) / height <= high + 1e-9


def test_severity_orders_the_areas():
    areas = []
    for severity in ("trace", "small", "moderate", "large"):
        rng = numpy_generator(0, "severity")
        draws = [annotations.sample("Pneumothorax", "left", "", severity, rng) for _ in range(200)]
        areas.append(np.median([box.width * box.height for box in draws]))
    assert areas == sorted(areas)


def test_sampled_sizes_follow_the_list():
    rng = numpy_generator(0, "sizes")
    draws = np.array([annotations.sample("Lung Opacity", "left", "", "", rng) for _ in range(2000)])
    real = annotations.boxes("Lung Opacity")
    for column, name in ((2, "width"), (3, "height")):
        np.testing.assert_allclose(
            np.quantile(draws[:, column], [0.25, 0.5, 0.75]), real[name].quantile([0.25, 0.5, 0.75]), rtol=0.08
        )


def test_unknown_finding_is_named():
    with pytest.raises(InputError, match="no boxes for finding 'Hernia'"):
        annotations.boxes("Hernia")


def test_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(annotations.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="torchxrayvision: package not found"):
        annotations.data_folder()
