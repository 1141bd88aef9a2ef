"""What of a data set is there, what is missing, what is damaged: ``plainsight data check``.

Tables are read whole, as the readers of this package read them. Of images the headers of a sample are looked at, evenly
spread, unless everything is asked for: then every image is read to its end, and so is every file that the publisher's
``SHA256SUMS.txt`` lists.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np

from plainsight import schema
from plainsight.data import coco, counts, dicom, imagenome, manifests, mimic_cxr, mimic_reports, ms_cxr, vindr
from plainsight.data.places import locate
from plainsight.data.tables import Missing, read_text
from plainsight.errors import InputError
from plainsight.worlds import nih
from plainsight.worlds.reports import package_data, reports

SAMPLE = 500
"""How many images, or reports, are looked at where not everything is."""
SUMS = "SHA256SUMS.txt"
SMALL = 100_000_000
"""Bytes up to which a file of the manifest is compared with its checksum every time."""

T = TypeVar("T")


@dataclass(frozen=True)
class Finding:
    """One thing said about a data set: that something is there, missing or damaged, or just worth knowing."""

    state: Literal["there", "missing", "damaged", "note"]
    what: str

    def __str__(self) -> str:
        return f"{self.state:8} {self.what}"


def healthy(findings: Sequence[Finding]) -> bool:
    """Whether nothing is missing or damaged."""
    return not any(finding.state in ("missing", "damaged") for finding in findings)


def check(manifest: manifests.Manifest, data: Path, everything: bool = False) -> list[Finding]:
    """Everything worth saying about the data set below ``data``, in order.

    Args:
        manifest: of the data set.
        data: its folder, or a root of several (``plainsight.data.places``).
        everything: look at every image and every checksum, however long that takes.

    Raises:
        InputError: ``data`` is no folder.
    """
    try:
        folder = locate(manifest.name, data)
    except InputError:
        if not data.is_dir():
            raise
        folder = data
    return [*_CHECKS[manifest.name](folder, everything), *_checksums(folder, manifest, everything)]


def _mimic_cxr_jpg(folder: Path, everything: bool) -> Iterator[Finding]:
    images, said = _part(lambda: mimic_cxr.read_images(folder))
    yield from said
    if images is not None:
        frontal = int(images["view"].isin(mimic_cxr.FRONTAL).sum())
        patients = images["patient"].nunique()
        yield Finding("there", f"tables: {len(images):,} images of {patients:,} patients, {frontal:,} of them PA or AP")
    labels, said = _part(lambda: mimic_cxr.read_labels(folder))
    yield from said
    if labels is not None:
        yield Finding("there", f"labels of {len(labels):,} studies")
    if images is not None:
        sizes = images[["width", "height"]].itertuples(index=False, name=None)
        yield from _images([folder / file for file in images["file"]], list(images.index), everything, list(sizes))


def _mimic_cxr_reports(folder: Path, everything: bool) -> Iterator[Finding]:
    counted, said = _part(lambda: _read_reports(folder, everything))
    yield from said
    if counted is not None:
        found, looked, with_impression = counted
        yield Finding(
            "there", f"{found:,} reports; {with_impression:,} of {looked:,} looked at have an impression long enough"
        )


def _read_reports(folder: Path, everything: bool) -> tuple[int, int, int]:
    """How many reports there are, how many were read, and how many of these have a usable impression."""
    with mimic_reports.opened(folder) as (members, read):
        chosen = _spread(len(members), everything)
        texts = (read(*members[place], f"report {place + 1:,} of {len(members):,}") for place in chosen)
        long_enough = [len(mimic_reports.impression(text)) >= mimic_reports.SHORTEST for text in texts]
    return len(members), len(chosen), sum(long_enough)


def _ms_cxr(folder: Path, everything: bool) -> Iterator[Finding]:
    boxes, said = _part(lambda: ms_cxr.read_boxes(folder))
    yield from said
    if boxes is None:
        return
    path, _ = ms_cxr.find(folder)
    merged = ms_cxr.merged(boxes)
    counted = {"boxes": len(boxes), "images": boxes["dicom"].nunique(), "patients": boxes["patient"].nunique()}
    counted |= {"phrases": len(ms_cxr.phrases(boxes)), "unions": len(ms_cxr.unions(boxes)), "merged": len(merged)}
    yield Finding("there", f"{path.name}: {', '.join(f'{count:,} {what}' for what, count in counted.items())}")
    naming, theirs = int(ms_cxr.names_its_finding(merged).sum()), ms_cxr.PUBLISHED
    yield Finding(
        "note",
        f"{naming:,} of {len(merged):,} merged rows name their finding; "
        f"seed 004 counts {theirs['naming their finding']:,} of {theirs['merged']:,}",
    )


def _chest_imagenome(folder: Path, everything: bool) -> Iterator[Finding]:
    boxes, said = _part(lambda: imagenome.read_gold(folder))
    yield from said
    if boxes is not None:
        images, regions = boxes["dicom"].nunique(), boxes["region"].nunique()
        yield Finding("there", f"gold standard: {len(boxes):,} boxes of {regions} regions on {images:,} images")


def _vindr_cxr(folder: Path, everything: bool) -> Iterator[Finding]:
    pairs, said = _part(lambda: vindr.read_pairs(folder))
    yield from said
    if pairs is not None:
        boxes = sum(map(len, pairs["boxes"]))
        yield Finding("there", f"test set: {len(pairs):,} pairs of image and finding with {boxes:,} boxes")
    labels, _ = _part(lambda: vindr.read_labels(folder))
    if labels is None:
        return
    paths = [folder / "test" / f"{image}.dicom" for image in labels.index]
    yield from _images(paths, range(1, len(paths) + 1), everything)


def _coco_2017(folder: Path, everything: bool) -> Iterator[Finding]:
    for part in ("val", "train"):
        if part == "train" and not everything:  # half a gigabyte of outlines is not read in seconds
            parts = [folder / "annotations" / f"{kind}_train2017.json" for kind in ("captions", "instances")]
            absent = [path.name for path in parts if not path.is_file()]
            yield Finding("missing", f"annotations/{absent[0]}") if absent else Finding("there", "annotations of train")
            images = sum(1 for _ in (folder / "train2017").glob("*.jpg"))
            stated, said = _part(lambda: counts.stated(folder, set(coco.RELEASE)))
            yield from said
            expected = (stated or {}).get("train images", coco.RELEASE["train images"])
            state = "there" if images == expected else "missing"
            yield Finding(state, f"train2017: {images:,} of {expected:,} images")
            continue
        captions, said = _part(lambda part=part: coco.read_captions(folder, part))
        yield from said
        instances, said = _part(lambda part=part: coco.read_instances(folder, part))
        yield from said
        if captions is not None and instances is not None:
            yield Finding("there", f"{part}: {len(captions):,} captions, {len(instances):,} outlined objects")
        if captions is not None:
            files = captions.drop_duplicates("file")
            sizes = files[["width", "height"]].itertuples(index=False, name=None)
            yield from _images([folder / file for file in files["file"]], list(files.index), everything, list(sizes))


def _nih_chestxray14(folder: Path, everything: bool) -> Iterator[Finding]:
    lists = package_data()
    entries, boxes = nih.read_entries(lists), nih.read_boxes(lists)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is foreign is no fault
        files, said = _part(lambda: nih.find_images(folder, entries.index))
    yield from said
    if files is None:
        return
    boxed = boxes.index.intersection(list(files))
    yield Finding("there", f"{len(files):,} of {len(entries):,} images, {len(boxed.unique()):,} of them with boxes")
    yield from _images([folder / file for file in files.values()], range(1, len(files) + 1), everything)


def _open_i(folder: Path, everything: bool) -> Iterator[Finding]:
    found, said = _part(reports)
    yield from said
    if found is not None:
        yield Finding("there", f"{len(found):,} reports inside the package torchxrayvision")


_CHECKS: dict[str, Callable[[Path, bool], Iterator[Finding]]] = {
    "mimic_cxr_jpg": _mimic_cxr_jpg,
    "mimic_cxr_reports": _mimic_cxr_reports,
    "ms_cxr": _ms_cxr,
    "chest_imagenome": _chest_imagenome,
    "vindr_cxr": _vindr_cxr,
    "coco_2017": _coco_2017,
    "nih_chestxray14": _nih_chestxray14,
    "open_i": _open_i,
}


def _part(read: Callable[[], T]) -> tuple[T | None, list[Finding]]:
    """What ``read`` gives, or why it gives nothing."""
    try:
        return read(), []
    except Missing as error:
        return None, [Finding("missing", str(error))]
    except InputError as error:
        return None, [Finding("damaged", str(error))]


def _spread(count: int, everything: bool) -> list[int]:
    """Places of what is looked at among ``count`` things."""
    return list(range(count)) if everything else sorted({*np.linspace(0, count - 1, min(count, SAMPLE)).astype(int)})


def _images(
    paths: Sequence[Path], rows: Sequence[int], everything: bool, sizes: Sequence[tuple[int, int]] | None = None
) -> Iterator[Finding]:
    """Whether images are there, are images, and have the stated sizes; the first of each fault is named by its row.

    Of a file that may not be read nothing else is known, nor of one in such a folder, so that both count as missing.
    """
    faults: dict[str, list[int]] = {"missing": [], "damaged": []}
    chosen = _spread(len(paths), everything)
    for place in chosen:
        if not os.access(paths[place], os.R_OK):
            faults["missing"].append(rows[place])
        elif (found := _size(paths[place], everything)) is None or (sizes is not None and found != sizes[place]):
            faults["damaged"].append(rows[place])
    looked = f"{len(chosen):,} of {len(paths):,} images looked at"
    if not any(faults.values()):
        yield Finding("there", f"{looked}, none is missing or damaged")
    for state, where in faults.items():
        if where:
            yield Finding(state, f"{len(where):,} of the {looked}, the first that of row {where[0]}")


def _size(path: Path, whole: bool) -> tuple[int, int] | None:
    """Width and height by the header; None for a file that is no image or, where the ``whole`` is read, is damaged."""
    size, pixels = (
        (dicom.read_size, dicom.read_grey) if path.suffix == ".dicom" else (schema.image_size, schema.read_image)
    )
    try:
        if whole:
            pixels(path, "image")
        return size(path, "image")
    except InputError:
        return None


def _checksums(folder: Path, manifest: manifests.Manifest, everything: bool) -> Iterator[Finding]:
    """Whether files are what manifest and publisher state.

    Without ``everything`` only those of the manifest that are not large: a release lists hundreds of thousands.
    """
    named = {file.name for file in manifest.files}
    stated = {file.name: file.sha256 for file in manifest.files if file.sha256}
    if (folder / SUMS).is_file():
        listed, said = _part(lambda: _read_sums(folder / SUMS))
        yield from said
        stated |= listed or {}
    elif SUMS in named:
        yield Finding("note", f"no {SUMS}: nothing was compared with the publisher's checksums")
    wanted = stated if everything else named & set(stated)
    present = (name for name in sorted(wanted) if os.access(folder / name, os.R_OK))
    here = [name for name in present if everything or _quick(folder / name)]
    wrong = [name for name in here if _sha256(folder / name) != stated[name].lower()]
    if wrong:
        # The path of a picture or a report may hold the number of a patient.
        first = wrong[0] if wrong[0] in named else "a picture or a report"
        yield Finding(
            "damaged", f"{len(wrong):,} of {len(here):,} files are not what their checksum says, first {first}"
        )
    elif here:
        yield Finding("there", f"{len(here):,} files are what their checksum says")


def _quick(path: Path) -> bool:
    return path.stat().st_size <= SMALL


def _read_sums(path: Path) -> dict[str, str]:
    """Name -> SHA-256 of each line ``<digest> <name>``."""
    pairs = [line.split(maxsplit=1) for line in read_text(path).splitlines() if line.strip()]
    if any(len(pair) != 2 or len(pair[0]) != 64 for pair in pairs):
        raise InputError(f"{path}: is not a list of checksums; fetch it again")
    return {name.removeprefix("*").strip(): digest for digest, name in pairs}


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
