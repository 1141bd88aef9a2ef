"""A DICOM file of given values, for the tests that read one."""

from __future__ import annotations

import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage


def write_dicom(
    path, stored, kind="MONOCHROME2", bits=16, signed=False, window=None, rescale=None, syntax=None, **more
):
    """A DICOM file of ``stored`` values (H, W)."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    meta.TransferSyntaxUID = syntax or ExplicitVRLittleEndian
    data = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.PhotometricInterpretation, data.SamplesPerPixel = kind, 1
    data.Rows, data.Columns = stored.shape[:2]
    allocated = 8 if bits <= 8 else 16
    data.BitsAllocated, data.BitsStored, data.HighBit = allocated, bits, bits - 1
    data.PixelRepresentation = int(signed)
    if window:
        data.WindowCenter, data.WindowWidth = window
    if rescale:
        data.RescaleSlope, data.RescaleIntercept = rescale
    for name, value in more.items():
        setattr(data, name, value)
    raw = stored.astype(("i" if signed else "u") + str(allocated // 8)).tobytes()
    data.PixelData = pydicom.encaps.encapsulate([raw]) if syntax else raw
    path.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(path, enforce_file_format=True)
