"""NIH ChestX-ray14 (Wang et al., CVPR 2017): real radiographs with the radiologists' boxes; open, no credentials.

The official lists, ``BBox_List_2017.csv`` and ``Data_Entry_2017_v2020.csv``, are read from the torchxrayvision
package; the images come from a folder of any layout, as PNG or JPEG of any size. There are no reports: phrases are
class names in short templates.
"""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from plainsight import schema
from plainsight.config import Experiments, Scale, WorldSize
from plainsight.errors import InputError
from plainsight.seeding import numpy_generator
from plainsight.worlds import FINDINGS
from plainsight.worlds.radiographs import read_grey, scale_boxes
from plainsight.worlds.reports import package_data

BOX_FRAME = 1024
"""Side in pixels of the square images that the official boxes were drawn on."""

TEMPLATES = ("{a}", "{a} is present", "there is {a}", "findings consistent with {a}", "evidence of {a}")
_ARTICLES = {"Effusion": "an effusion", "Infiltrate": "an infiltrate", "Mass": "a mass", "Nodule": "a nodule"}
_LABELS = {"Infiltration": "Infiltrate"}
"""Labels that the two official lists spell differently; the boxes' spelling is the world's."""


def build(
    size: WorldSize, scale: Scale, experiments: Experiments, out: Path, data: Path, lists: Path | None = None
) -> None:
    """Write ``out/examples.parquet`` for the images found anywhere below ``data``.

    Grounding: one row per image and finding that has official boxes, at most ``size.grounding`` rows (0: all).
    Images of patients who have no boxed image found may serve generation, validation and training, split by
    patient: ``size.<split>`` images each, or as many as there are. An image counts for those only if all its labels
    are findings of this world. ``lists`` is the folder of the two official lists (default: torchxrayvision's).

    Raises:
        InputError: no image of the official list below ``data``, one that occurs twice, or one that is unreadable.
    """
    lists = package_data() if lists is None else lists
    entries, boxes = read_entries(lists), read_boxes(lists)
    files = find_images(data, entries.index)
    rows = _grounding_rows(files, entries, boxes, size.grounding, data)
    boxed_patients = {entries.at[name, "patient"] for name in boxes.index.intersection(list(files))}
    rows += _labelled_rows(files, entries, boxed_patients, size, data)
    if not rows:
        raise InputError(f"{data}: none of its {len(files)} NIH images has an official box; add images that have one")
    schema.write(pd.DataFrame(rows, columns=list(schema.COLUMNS)), out / "examples.parquet", FINDINGS["nih"])


def check(data: Path, lists: Path | None = None) -> None:
    """Raise InputError where ``data`` holds no image of the official list, or none that has an official box."""
    lists = package_data() if lists is None else lists
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # `build` gives them
        files = find_images(data, read_entries(lists).index)
    if read_boxes(lists).index.intersection(list(files)).empty:
        raise InputError(f"{data}: none of its {len(files)} NIH images has an official box; add images that have one")


def read_entries(lists: Path) -> pd.DataFrame:
    """The official image list: index official file name; columns labels (tuple of str), patient, view."""
    table = _read_csv(lists / "Data_Entry_2017_v2020.csv.gz", ("Image Index", "Finding Labels", "View Position"))
    labels = [tuple(_LABELS.get(label, label) for label in text.split("|")) for text in table["Finding Labels"]]
    names = table["Image Index"]
    if names.duplicated().any():
        row = int(names.duplicated().to_numpy().argmax()) + 1
        raise InputError(
            f"{lists}/Data_Entry_2017_v2020.csv.gz: row {row}: an image twice; install torchxrayvision again"
        )
    return pd.DataFrame(
        {"labels": labels, "patient": names.str.slice(0, 8).to_list(), "view": table["View Position"].to_list()},
        index=pd.Index(names, name="file"),
    )


def read_boxes(lists: Path) -> pd.DataFrame:
    """The official box list: index official file name; columns finding, x, y, w, h (pixels of 1024 x 1024)."""
    table = _read_csv(lists / "BBox_List_2017.csv.gz", ("Image Index", "Finding Label", "Bbox [x", "y", "w", "h]"))
    table.columns = ["file", "finding", "x", "y", "w", "h"]
    return table.set_index("file")


def find_images(data: Path, official: Sequence[str]) -> dict[str, Path]:
    """Official file name -> path relative to ``data``, for every PNG or JPEG file below it, in order of name.

    Images that are not in the official list are counted in one warning, and not named: they may be of another data
    set, whose paths hold numbers of patients.
    """
    known, found, strange = set(official), {}, 0
    paths = sorted(p for p in Path(data).rglob("*") if p.suffix.lower() in (".png", ".jpg", ".jpeg"))
    for path in paths:
        name, relative = f"{path.stem}.png", path.relative_to(data)
        if name not in known:
            strange += 1
        elif name in found:
            raise InputError(f"{data}: image {path.stem} is there twice, as {found[name]} and {relative}; keep one")
        else:
            found[name] = relative
    if not found:
        raise InputError(
            f"{data}: no image of NIH ChestX-ray14 ({len(paths)} PNG or JPEG files, none with an official name such as "
            "00000001_000.png); see data_manifests/nih_chestxray14/README.md"
        )
    if strange:
        warnings.warn(f"{data}: {strange} images are not in NIH's list and are left out", stacklevel=2)
    return dict(sorted(found.items()))


def phrase(findings: Sequence[str], rng: np.random.Generator) -> str:
    """A short phrase that names ``findings`` in one of ``TEMPLATES``; No Finding, which is none, stands bare."""
    if tuple(findings) == ("No Finding",):
        return "no finding"
    names = [_ARTICLES.get(name, name.lower()) for name in findings]
    joined = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return TEMPLATES[rng.integers(len(TEMPLATES))].format(a=joined)


def _grounding_rows(
    files: dict[str, Path], entries: pd.DataFrame, boxes: pd.DataFrame, limit: int, data: Path
) -> list[dict]:
    here = boxes[boxes.index.isin(list(files))]
    groups = [(name, finding, rows) for (name, finding), rows in here.groupby(["file", "finding"], sort=True)]
    if limit and limit < len(groups):
        kept = numpy_generator(0, "nih", "grounding").choice(len(groups), limit, replace=False)
        groups = [groups[i] for i in sorted(kept)]
    return [
        _row(name, (finding,), "grounding", group[["x", "y", "w", "h"]].to_numpy().tolist(), files, entries, data)
        for name, finding, group in groups
    ]


def _labelled_rows(
    files: dict[str, Path], entries: pd.DataFrame, boxed_patients: set[str], size: WorldSize, data: Path
) -> list[dict]:
    """Rows without boxes, whole patients to one split: the test set of generation first, training last."""
    wanted = [("generation", size.generation), ("validation", size.validation), ("train", size.train)]
    if not any(count for _, count in wanted):
        return []
    here = entries.loc[list(files)]
    usable = here["labels"].map(set(FINDINGS["nih"]).issuperset) & ~here["patient"].isin(boxed_patients)
    patients = here[usable].groupby("patient", sort=True).groups
    order = iter(numpy_generator(0, "nih", "split").permutation(sorted(patients)).tolist())
    rows = []
    for split, count in wanted:
        names: list[str] = []
        while len(names) < count and (patient := next(order, None)) is not None:
            names.extend(patients[patient])
        rows += [_row(name, entries.at[name, "labels"], split, [], files, entries, data) for name in names[:count]]
    return rows


def _row(
    name: str,
    findings: tuple[str, ...],
    split: str,
    boxes: list[list[float]],
    files: dict[str, Path],
    entries: pd.DataFrame,
    data: Path,
) -> dict:
    image_id = name.removesuffix(".png")
    height, width = read_grey(data / files[name], f"NIH image {name}").shape
    key = "+".join(findings).lower().replace(" ", "-")
    return {
        "example_id": f"nih-{image_id}-{key}",
        "image_id": image_id,
        "image": files[name].as_posix(),
        "phrase": phrase(findings, numpy_generator(0, "nih", "phrase", image_id, key)),
        "finding": "|".join(findings),
        "boxes": scale_boxes(boxes, width / BOX_FRAME, height / BOX_FRAME),
        "mask": "",
        "patient": entries.at[name, "patient"],
        "view": entries.at[name, "view"],
        "split": split,
        "source": name,
        "width": width,
        "height": height,
    }


def _read_csv(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    try:
        return pd.read_csv(path, usecols=list(columns))[list(columns)]
    except FileNotFoundError:
        raise InputError(f"{path}: no such list; install torchxrayvision again") from None
    except (ValueError, OSError, EOFError, zlib.error) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: not the list that NIH published ({reason}); install torchxrayvision again") from None
