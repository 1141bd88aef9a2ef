"""Image, mask and boxes go through one transform, exact to the pixel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from plainsight.errors import InputError
from plainsight.worlds import radiographs as rg

LENGTHS = st.integers(8, 90)


@st.composite
def sized_boxes(draw):
    width, height, side = draw(LENGTHS), draw(LENGTHS), draw(st.integers(4, 64))
    boxes = []
    for _ in range(draw(st.integers(1, 3))):
        x, y = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
        boxes.append([x, y, draw(st.integers(1, width - x)), draw(st.integers(1, height - y))])
    return width, height, side, boxes


@settings(max_examples=200, deadline=None)
@given(sized_boxes())
def test_mask_of_fitted_boxes_is_the_fitted_mask_of_boxes(case):
    width, height, side, boxes = case
    how = rg.fit(width, height, side)
    direct = rg.fit_mask(rg.boxes_to_mask(boxes, height, width), how)
    by_boxes = rg.boxes_to_mask(rg.fit_boxes(boxes, how), side, side)
    np.testing.assert_array_equal(direct, by_boxes)


@settings(max_examples=100, deadline=None)
@given(LENGTHS, LENGTHS, st.integers(4, 64))
def test_short_side_fills_the_square_and_the_crop_is_centred(width, height, side):
    how = rg.fit(width, height, side)
    assert min(how.resized) == side
    assert how.resized[0 if width > height else 1] == side * max(width, height) // min(width, height)
    for length, start in zip(how.resized, (how.left, how.top), strict=True):
        assert 0 <= start <= length - side and abs(start - (length - side) / 2) <= 0.5
    assert rg.fit_image(np.zeros((height, width), np.float32), how).shape == (side, side)


@pytest.mark.parametrize("shape", [(60, 90), (90, 60), (64, 64), (50, 51)])
def test_image_is_what_pil_resize_and_a_slice_give(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.float32) / 255
    how = rg.fit(shape[1], shape[0], 32)
    whole = np.asarray(Image.fromarray(pixels).resize(how.resized, Image.Resampling.BILINEAR))
    top, left = round((whole.shape[0] - 32) / 2), round((whole.shape[1] - 32) / 2)
    np.testing.assert_array_equal(rg.fit_image(pixels, how), whole[top : top + 32, left : left + 32])


def test_same_size_changes_nothing():
    rng = np.random.default_rng(0)
    pixels, how = rng.random((20, 20), dtype=np.float32), rg.fit(20, 20, 20)
    np.testing.assert_array_equal(rg.fit_image(pixels, how), pixels)
    np.testing.assert_array_equal(rg.fit_mask(pixels > 0.5, how), pixels > 0.5)
    assert rg.fit_boxes([[1.5, 2, 3, 4]], how) == [[1.5, 2, 3, 4]]


def test_a_bright_square_lands_where_its_box_does():
    """Wide image, factor 1/2, 20 columns cut from each side: worked by hand."""
    pixels = np.zeros((80, 160), np.float32)
    pixels[20:40, 60:100] = 1
    how = rg.fit(160, 80, 40)
    assert (how.resized, how.left, how.top) == ((80, 40), 20, 0)
    assert rg.fit_boxes([[60, 20, 40, 20]], how) == [[10, 10, 20, 10]]
    fitted = rg.fit_image(pixels, how)
    assert fitted[11:19, 11:29].min() == 1 and fitted[:9].max() == 0 and fitted[:, :9].max() == 0


def test_boxes_are_cut_at_the_crop_and_dropped_outside_it():
    how = rg.fit(160, 80, 80)
    assert rg.fit_boxes([[0, 0, 30, 80], [20, 10, 40, 10]], how) == [[0, 10, 20, 10]]


def test_colour_is_fitted_channel_by_channel():
    pixels = np.random.default_rng(0).random((30, 40, 3), dtype=np.float32)
    how = rg.fit(40, 30, 16)
    np.testing.assert_array_equal(rg.fit_image(pixels, how)[..., 1], rg.fit_image(pixels[..., 1], how))


@given(st.integers(-5, 25), st.integers(-5, 25), st.integers(1, 30), st.integers(1, 30))
@settings(max_examples=50, deadline=None)
def test_whole_boxes_cover_whole_pixels(x, y, w, h):
    mask = rg.boxes_to_mask([[x, y, w, h]], 20, 22)
    expected = np.zeros((20, 22), dtype=bool)
    expected[max(y, 0) : max(y + h, 0), max(x, 0) : max(x + w, 0)] = True
    np.testing.assert_array_equal(mask, expected)


def test_boxes_side_by_side_share_no_pixel_and_leave_no_gap():
    left, right = [1.5, 0, 3.2, 4], [4.7, 0, 2.3, 4]
    whole = rg.boxes_to_mask([[1.5, 0, 5.5, 4]], 4, 10)
    a, b = rg.boxes_to_mask([left], 4, 10), rg.boxes_to_mask([right], 4, 10)
    assert not (a & b).any()
    np.testing.assert_array_equal(a | b, whole)
    np.testing.assert_array_equal(rg.boxes_to_mask([left, right], 4, 10), whole)


def test_a_pixel_is_inside_when_its_centre_is():
    np.testing.assert_array_equal(rg.boxes_to_mask([[0.5, 0, 1, 1]], 1, 3), [[True, False, False]])
    np.testing.assert_array_equal(rg.boxes_to_mask([[0.6, 0, 1, 1]], 1, 3), [[False, True, False]])
    np.testing.assert_array_equal(rg.boxes_to_mask([[-1, 0, 1.5, 1]], 1, 3), [[False, False, False]])
    np.testing.assert_array_equal(rg.boxes_to_mask([[-1, 0, 1.6, 1], [2, 0, 9, 1]], 1, 3), [[True, False, True]])


def test_no_boxes_and_wrong_boxes():
    assert not rg.boxes_to_mask([], 3, 4).any()
    for box in ([1, 2, 3], [1, 2, 0, 3], [1, 2, 3, -1], [1, 2, 3, float("nan")], [float("inf"), 2, 3, 4]):
        with pytest.raises(InputError, match="box"):
            rg.boxes_to_mask([box], 8, 8)


def test_a_wrong_size_is_refused():
    with pytest.raises(ValueError, match="expected 6 x 8 values"):
        rg.fit_image(np.zeros((8, 6)), rg.fit(8, 6, 4))


def test_read_grey(tmp_path):
    colour = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    Image.fromarray(colour).save(tmp_path / "c.png")
    expected = np.asarray(Image.fromarray(colour).convert("L"), dtype=np.float32) / 255
    assert np.abs(rg.read_grey(tmp_path / "c.png") - expected).max() <= 1 / 255
    Image.fromarray(colour[..., 0]).save(tmp_path / "g.png")
    np.testing.assert_allclose(rg.read_grey(tmp_path / "g.png"), colour[..., 0] / 255, atol=1e-7)


def test_a_truncated_radiograph_is_named(tmp_path):
    path = tmp_path / "x.jpg"
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"^row 3: the image is truncated"):
        rg.read_grey(path, "row 3")
