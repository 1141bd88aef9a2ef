from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from plainsight.seeding import numpy_generator
from plainsight.worlds.anatomy import central, lay_out, pose, sample_anatomy
from plainsight.worlds.raster import band_noise, path, step, strokes


def patient(number: int):
    return sample_anatomy(numpy_generator(0, "anatomy", number))


def film(number: int, view: str, resolution: int = 128):
    return lay_out(pose(patient(number), view, numpy_generator(0, "pose", number)), resolution)


def width(mask: np.ndarray) -> float:
    columns = np.flatnonzero(mask.any(axis=0))
    return (columns[-1] + 1 - columns[0]) / mask.shape[1]


def test_same_generator_same_patient_and_different_ones_differ():
    assert patient(3) == patient(3)
    assert len({patient(i).vessel_seed for i in range(20)}) == 20
    assert np.std([patient(i).half_width for i in range(50)]) > 0.005


def test_layers_are_float32_and_within_range():
    layers = film(0, "PA")
    for name in ("lung", "heart", "vessels", "body", "air", "pedicle"):
        array = getattr(layers, name)
        assert array.dtype == np.float32 and array.shape == (128, 128), name
        assert np.isfinite(array).all()
    assert layers.lung.min() >= 0 and layers.lung.max() <= 1
    assert (layers.air <= layers.lung).all()


@pytest.mark.parametrize("number", range(8))
def test_drawn_heart_has_the_ratio_that_was_asked_for(number):
    layers = lay_out(dataclasses.replace(patient(number), tilt=0.0), 256)
    drawn = width(layers.heart > 0.36)
    # The atrium adds to the right of the ellipse; nothing else may.
    ratio = drawn / (2 * layers.anatomy.half_width)
    assert layers.anatomy.ctr - 0.02 <= ratio <= layers.anatomy.ctr + 0.06


@pytest.mark.parametrize("number", range(8))
def test_apex_of_the_heart_points_to_the_patients_left(number):
    layers = film(number, "PA")
    heart = layers.heart > 0.36
    assert (layers.p[heart] > 0).mean() > 0.55
    left, right = layers.p[heart].max(), -layers.p[heart].min()
    assert left > 1.2 * right
    assert layers.to_image(np.array([0.3]), np.array([0.5]))[0, 0] > 0.5  # the patient's left is on the image's right


@pytest.mark.parametrize("number", range(8))
def test_ap_magnifies_the_heart_and_raises_the_diaphragm(number):
    pa, ap = film(number, "PA"), film(number, "AP")
    assert width(ap.heart > 0.36) > 1.04 * width(pa.heart > 0.36)
    assert ap.anatomy.dome < pa.anatomy.dome - 0.02
    assert (ap.lung > 0.3).sum() < (pa.lung > 0.3).sum()
    assert ap.anatomy.scapula > pa.anatomy.scapula


def test_lungs_are_dark_mediastinum_and_abdomen_bright():
    for number in range(8):
        layers = film(number, "PA")
        total = layers.body + central(layers, layers.heart) - layers.lung + layers.vessels
        lungs = total[(layers.lung > 0.6) & (layers.heart == 0)].mean()
        middle = total[(np.abs(layers.p) < 0.03) & (layers.q > 0.3) & (layers.q < 0.6)].mean()
        abdomen = total[(np.abs(layers.p) < 0.3) & (layers.q > 0.9)].mean()
        assert lungs + 0.7 < middle and lungs + 0.7 < abdomen


def test_geometry_does_not_depend_on_resolution():
    coarse, fine = film(1, "PA", 64), film(1, "PA", 256)
    mean = fine.body.reshape(64, 4, 64, 4).mean(axis=(1, 3))
    assert np.abs(mean - coarse.body)[4:-4, 4:-4].mean() < 0.02
    assert np.corrcoef(fine.lung.reshape(64, 4, 64, 4).mean(axis=(1, 3)).ravel(), coarse.lung.ravel())[0, 1] > 0.995
    assert (
        np.corrcoef(fine.vessels.reshape(64, 4, 64, 4).mean(axis=(1, 3)).ravel(), coarse.vessels.ravel())[0, 1] > 0.97
    )


def test_step_is_a_half_at_zero_and_flat_outside():
    np.testing.assert_allclose(step(np.array([-1, -0.5, 0, 0.5, 1], dtype=np.float32), 1.0), [0, 0, 0.5, 1, 1])


def test_strokes_reach_the_height_asked_for_at_every_resolution():
    line = path(np.array([[0.2, 0.5], [0.8, 0.5]]), 0.001)
    gap = np.full(len(line), 0.6 / (len(line) - 1))
    for resolution in (192, 512):
        drawn = strokes(line, np.full(len(line), 0.7), 0.01, gap, resolution)
        assert drawn[:, resolution // 2].max() == pytest.approx(0.7, rel=0.07)
        across = drawn[:, resolution // 2]
        assert across.sum() / resolution == pytest.approx(0.7 * 0.01 * np.sqrt(2 * np.pi), rel=0.02)


def test_noise_is_standard_and_the_same_at_every_resolution():
    drawn = [band_noise(np.random.default_rng(0), 24, side) for side in (64, 256)]
    many = np.stack([band_noise(np.random.default_rng(seed), 16, 64) for seed in range(300)])
    assert abs(many.mean()) < 0.03 and many.std() == pytest.approx(1, abs=0.03)
    assert np.corrcoef(drawn[1].reshape(64, 4, 64, 4).mean(axis=(1, 3)).ravel(), drawn[0].ravel())[0, 1] > 0.99
