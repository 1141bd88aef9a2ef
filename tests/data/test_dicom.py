"""DICOM radiographs: inversion, windows, rescaling, 8 to 16 bits, signed or not, and what cannot be read."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from pydicom.uid import JPEG2000Lossless, JPEGLosslessSV1

from dicom_file import write_dicom
from plainsight.data import dicom
from plainsight.errors import InputError

RAMP = np.arange(0, 4096, 256).reshape(4, 4)


@pytest.mark.parametrize(
    ("bits", "signed"), [(8, False), (12, False), (14, False), (16, False), (12, True), (16, True)]
)
def test_darkest_to_brightest_without_a_window(tmp_path, bits, signed):
    low = -(2 ** (bits - 1)) if signed else 0
    stored = np.linspace(low, low + 2**bits - 1, 16).astype(int).reshape(4, 4)
    write_dicom(tmp_path / "a.dicom", stored, bits=bits, signed=signed)
    expected = (stored - stored.min()) / (stored.max() - stored.min())
    found = dicom.read_grey(tmp_path / "a.dicom", "a")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_monochrome1_is_inverted(tmp_path):
    for kind in ("MONOCHROME1", "MONOCHROME2"):
        write_dicom(tmp_path / f"{kind}.dicom", RAMP, kind, bits=12, window=(1000, 500))
    one, two = (dicom.read_grey(tmp_path / f"MONOCHROME{n}.dicom", "a") for n in (1, 2))
    np.testing.assert_allclose(one, 1 - two, atol=1e-6)
    assert two[0, 0] == 0 and two[-1, -1] == 1


def linear(values, centre, width):
    """PS3.3 C.11.2.1.2.1, default LINEAR function, to [0, 1]."""
    return np.clip((values - (centre - 0.5)) / (width - 1) + 0.5, 0, 1)


@pytest.mark.parametrize("window", [(2048, 4096), (1000, 500), (3000, 2)])
def test_the_window_spans_black_to_white(tmp_path, window):
    write_dicom(tmp_path / "a.dicom", RAMP, bits=12, window=window)
    np.testing.assert_allclose(dicom.read_grey(tmp_path / "a.dicom", "a"), linear(RAMP, *window), atol=1e-5)


def test_the_first_of_several_windows_and_rescaled_values(tmp_path):
    write_dicom(tmp_path / "a.dicom", RAMP, bits=12, window=([0, 900], [2000, 9]), rescale=(0.5, -1000))
    expected = linear(RAMP * 0.5 - 1000, 0, 2000)
    np.testing.assert_allclose(dicom.read_grey(tmp_path / "a.dicom", "a"), expected, atol=1e-5)


def test_an_empty_window_is_none_and_an_impossible_one_is_named(tmp_path):
    write_dicom(tmp_path / "a.dicom", RAMP, bits=12, window=("", ""))
    np.testing.assert_allclose(dicom.read_grey(tmp_path / "a.dicom", "a"), RAMP / RAMP.max(), atol=1e-6)
    for impossible in ({"window": (100, 0)}, {"rescale": ("", "")}):
        write_dicom(tmp_path / "b.dicom", RAMP, bits=12, **impossible)
        with pytest.raises(InputError, match=r"b\.dicom: its rescaling or its window is impossible"):
            dicom.read_grey(tmp_path / "b.dicom", "b.dicom")


def test_one_value_everywhere_is_black(tmp_path):
    write_dicom(tmp_path / "a.dicom", np.full((4, 4), 7))
    assert (dicom.read_grey(tmp_path / "a.dicom", "a") == 0).all()


def test_the_size_is_read_from_the_header(tmp_path):
    write_dicom(tmp_path / "a.dicom", np.zeros((4, 6)))
    assert dicom.read_size(tmp_path / "a.dicom", "a") == (6, 4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "image 3 of 9: is missing"),
        (lambda path: path.write_bytes(b"no dicom"), "image 3 of 9: is truncated or no DICOM file"),
        (
            lambda path: (write_dicom(path, RAMP), path.write_bytes(path.read_bytes()[:60])),
            "is truncated or no DICOM file",
        ),
        (
            lambda path: (write_dicom(path, RAMP), path.write_bytes(path.read_bytes()[:-10])),
            "pixels are truncated or damaged",
        ),
        (lambda path: write_dicom(path, RAMP, "RGB"), "states no grey picture"),
        (lambda path: write_dicom(path, RAMP, syntax=JPEG2000Lossless), "pixels are truncated or damaged"),
        (
            lambda path: (write_dicom(path, RAMP, syntax=JPEG2000Lossless), path.write_bytes(path.read_bytes()[:-20])),
            "image 3 of 9: ",
        ),
        (lambda path: write_dicom(path, RAMP, syntax=JPEGLosslessSV1), "image 3 of 9: its compression (JPEG Lossless"),
        (lambda path: write_dicom(path, np.zeros((4, 4)), NumberOfFrames=2), "pixels are truncated or damaged"),
    ],
)
def test_what_cannot_be_read_is_named_as_asked(tmp_path, make, message):
    make(tmp_path / "a.dicom")
    # pydicom's warnings would name the file.
    with warnings.catch_warnings(action="error"), pytest.raises(InputError) as caught:
        dicom.read_grey(tmp_path / "a.dicom", "image 3 of 9")
    assert message in str(caught.value) and "a.dicom" not in str(caught.value) and "\n" not in str(caught.value)
