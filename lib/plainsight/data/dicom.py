"""DICOM radiographs as grey images with bone bright (PS3.3: C.7.6.3 pixels, C.11.1 modality, C.11.2 window)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pydicom
from pydicom.errors import InvalidDicomError
from pydicom.pixels import apply_modality_lut, apply_windowing, get_decoder

from plainsight.data.tables import Missing
from plainsight.errors import InputError

_GREY = ("MONOCHROME1", "MONOCHROME2")


@contextmanager
def _silent() -> Iterator[None]:
    """Without warnings: pydicom's show names of files and what a header holds."""
    with warnings.catch_warnings(action="ignore"):
        yield


@_silent()
def read_size(path: Path, where: str) -> tuple[int, int]:
    """Width and height in pixels, from the header; ``where`` is how messages name the file."""
    header = _read(path, where, header_only=True)
    return int(header.Columns), int(header.Rows)


@_silent()
def read_grey(path: Path, where: str) -> np.ndarray:
    """The image as float32 (H, W) in [0, 1], dark where the film is dark.

    The first window that the file states spans black to white; without one, its darkest and its brightest pixel do.
    MONOCHROME1, in which large values are dark, is inverted. Any number of bits, signed or not.

    Raises:
        InputError: missing, no DICOM, truncated, in colour, with an impossible rescaling or window, or compressed in a
            way for which no decoder is installed.
    """
    data = _read(path, where, header_only=False)
    try:
        stored = data.pixel_array
    except (AttributeError, ImportError, IndexError, KeyError, RuntimeError, ValueError):
        if lacking := _lacking_decoder(data):
            raise InputError(
                f"{where}: its compression ({lacking}) needs a decoder that is not installed: "
                "pip install pylibjpeg pylibjpeg-libjpeg pylibjpeg-openjpeg"
            ) from None
        raise InputError(f"{where}: its pixels are truncated or damaged; fetch it again") from None
    if stored.ndim != 2:
        raise InputError(f"{where}: holds several pictures or colours; a radiograph is one grey picture")
    try:
        values = apply_modality_lut(stored, data).astype(np.float64)
        black, white = values.min(), values.max()
        if data.get("WindowCenter") is not None and data.get("WindowWidth") is not None:
            black, white = apply_windowing(np.array([-1e9, 1e9]), data)
            values = apply_windowing(values, data)
    except (TypeError, ValueError):
        raise InputError(f"{where}: its rescaling or its window is impossible; fetch it again") from None
    grey = (values - black) / (white - black) if white > black else np.zeros_like(values)
    return (1 - grey if data.PhotometricInterpretation == "MONOCHROME1" else grey).astype(np.float32)


def _read(path: Path, where: str, header_only: bool) -> pydicom.Dataset:
    try:
        data = pydicom.dcmread(path, stop_before_pixels=header_only)
    except FileNotFoundError:
        raise Missing(f"{where}: is missing; fetch it") from None
    except (InvalidDicomError, EOFError, ValueError, OSError, AttributeError):
        raise InputError(f"{where}: is truncated or no DICOM file; fetch it again") from None
    if data.get("PhotometricInterpretation") not in _GREY or "Rows" not in data or "Columns" not in data:
        raise InputError(f"{where}: states no grey picture (PhotometricInterpretation, Rows, Columns); fetch it again")
    return data


def _lacking_decoder(data: pydicom.Dataset) -> str:
    """The name of the compression where nothing is installed that could undo it, else ""."""
    syntax = data.file_meta.get("TransferSyntaxUID")
    if syntax is None:
        return ""
    try:
        return "" if get_decoder(syntax).is_available else syntax.name
    except NotImplementedError:
        return syntax.name
