"""The world of the papers: trained on impressions of MIMIC-CXR, asked about the sentences and boxes of MS-CXR.

As seed 000 sets it up (its section "Datasets"): PA and AP images alone; training on the impressions of more than seven
characters of everybody who is neither in MS-CXR nor in the folder p19; grounding on the phrases of MS-CXR; generation
from impressions of p19. Images are read where they lie; nothing is copied.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from plainsight import schema
from plainsight.config import Experiments, Scale, TextShares, WorldSize
from plainsight.data import counts, mimic_cxr, mimic_reports, ms_cxr
from plainsight.data.places import locate
from plainsight.data.tables import refuse
from plainsight.seeding import numpy_generator
from plainsight.worlds import FINDINGS, NO_FINDING, OTHER
from plainsight.worlds.impressions import rewrite
from plainsight.worlds.sentences import Fact

TEST_FOLDER = "19"
"""Patients whose number begins so lie in the folder p19, which seed 000 keeps for generation."""


def build(size: WorldSize, scale: Scale, experiments: Experiments, out: Path, data: Path) -> None:
    """Write ``out/examples.parquet`` and, but for grounding alone, ``out/texts.parquet``.

    ``size.grounding`` phrases of MS-CXR (0: all), chosen by patient. ``size.train``, ``size.validation`` and
    ``size.generation`` images, or as many as there are, by patient too; the validation images are of patients of
    MIMIC's own split of that name, who train where none is asked for. A finding is a label of CheXpert that is
    positive; images whose positive labels are all foreign to MS-CXR count as Other. For generation an image must have
    one positive label, and No Finding is no more frequent than the most frequent finding (seed 000, Table 9).

    Patients and images get names that hold no number of MIMIC's; ``source`` holds the image's identifier.

    Raises:
        InputError: a data set or a file of it that is missing or damaged, or counts that are not the release's or the
            papers'.
    """
    folder, annotations = locate("mimic_cxr_jpg", data), locate("ms_cxr", data)
    with_text = bool(size.train or size.validation or size.generation)
    reports = locate("mimic_cxr_reports", data) if with_text else None
    boxes = ms_cxr.read_boxes(annotations)
    images = _frontal(mimic_cxr.read_images(folder), folder.relative_to(data))
    parts = [_grounding(boxes, images, size.grounding, annotations)]
    texts = []
    if reports is not None:
        labels = mimic_cxr.read_labels(folder)
        impressions = mimic_reports.read_impressions(reports, images.assign(patient=images["number"]))
        parts += _with_impressions(images, boxes, labels, impressions, size, folder)
        texts = [_texts(parts[-1], experiments), _raw(parts[0], impressions)]
    rows = pd.concat(parts)
    mimic_cxr.check_files(images.loc[rows.index.unique()], folder, "that this world takes")
    examples = rows.reset_index(drop=True)[list(schema.COLUMNS)]
    if texts:
        schema.write_texts(pd.concat(texts), out / "texts.parquet")
    schema.write(examples, out / "examples.parquet", FINDINGS["ms_cxr"])


def check(data: Path) -> None:
    """Raise the InputError with which ``build`` would refuse ``data`` for grounding, without opening an image."""
    folder, annotations = locate("mimic_cxr_jpg", data), locate("ms_cxr", data)
    boxes = ms_cxr.read_boxes(annotations)
    images = mimic_cxr.read_images(folder)
    asked = images[images["dicom"].isin(boxes["dicom"])]
    mimic_cxr.check_files(asked, folder, "of MS-CXR")


def check_training(data: Path) -> None:
    """The same for training: reports and labels."""
    folder, reports = locate("mimic_cxr_jpg", data), locate("mimic_cxr_reports", data)
    mimic_cxr.read_labels(folder)
    with mimic_reports.opened(reports):
        pass


def _frontal(images: pd.DataFrame, below: Path) -> pd.DataFrame:
    """The PA and AP images with the columns of the schema that are the same for every split.

    ``below`` is the data set's folder, relative to the root of images. Index: the row of the metadata.
    """
    names = mimic_cxr.names(images)
    named = images.assign(
        image_id=names["image"],
        number=images["patient"],
        patient=names["patient"],
        image=[(below / file).as_posix() for file in images["file"]],
        mask="",
        source=images["dicom"],
    )
    return named[named["view"].isin(mimic_cxr.FRONTAL)]


def _grounding(boxes: pd.DataFrame, images: pd.DataFrame, limit: int, annotations: Path) -> pd.DataFrame:
    """The phrases of MS-CXR, each with all its boxes."""
    phrases = ms_cxr.phrases(boxes)
    by_dicom = images.reset_index(names="row").set_index("dicom")
    found = by_dicom.reindex(phrases["dicom"]).set_axis(phrases.index)
    path, _ = ms_cxr.find(annotations)
    refuse(found["row"].isna(), path, "dicom_id", "is no PA or AP image of MIMIC-CXR-JPG; fetch both data sets again")
    for stated, own in (("width", "image_width"), ("height", "image_height")):
        refuse(phrases[stated] != found[stated], path, own, "is not what MIMIC-CXR-JPG states; fetch both again")
    rows = images.loc[found["row"].astype(int)].assign(
        **{name: phrases[name].to_list() for name in ("finding", "phrase", "boxes")}
    )
    about = rows["image_id"] + "-" + rows["finding"].str.lower().str.replace(" ", "-")
    number = about.groupby(about.to_numpy()).cumcount() + 1
    rows = rows.assign(example_id=about + "-" + number.astype(str))
    return _at_most(rows, limit or len(rows), "grounding")


def _with_impressions(
    images: pd.DataFrame,
    boxes: pd.DataFrame,
    labels: pd.DataFrame,
    impressions: pd.Series,
    size: WorldSize,
    folder: Path,
) -> list[pd.DataFrame]:
    """The rows of the other splits: what images are made from, validation, training.

    Whoever asks for as many training images as the papers have gets all that may train, and they must be the papers'
    number, validation included; with prompts it is the same. ``folder`` is that of MIMIC-CXR-JPG.
    """
    labels = labels.reindex(images["study"], fill_value=False).set_axis(images.index)
    rows = images.assign(
        phrase=impressions,
        finding=findings(labels),
        boxes=[[] for _ in range(len(images))],
        example_id=images["image_id"],
    )
    long_enough = rows["phrase"].str.len() >= mimic_reports.SHORTEST
    p19 = rows["number"].str.startswith(TEST_FOLDER)
    single = (labels.sum(axis=1) == 1) & (rows["finding"] != OTHER)
    made_from = _capped(rows[long_enough & p19 & single])
    free = rows[long_enough & ~p19 & ~rows["number"].isin(boxes["patient"])]
    asked = {"training images": (size.train, free), "prompts": (size.generation, made_from)}
    whole = {what: len(rows) for what, (count, rows) in asked.items() if count >= mimic_cxr.RELEASE[what]}
    counts.require(whole, mimic_cxr.RELEASE, folder)
    validation = _at_most(free[free["official"] == "validate"], size.validation, "validation")
    free = free[~free["patient"].isin(validation["patient"])]
    train = _at_most(free, len(free) if "training images" in whole else size.train, "train")
    prompts = len(made_from) if "prompts" in whole else size.generation
    return [_at_most(made_from, prompts, "generation"), validation, train]


def findings(labels: pd.DataFrame) -> pd.Series:
    """The world's findings of each row of labels (``mimic_cxr.read_labels``) joined by ``|``; Other where none is."""
    known = np.array([name for name in FINDINGS["ms_cxr"] if name in labels], dtype=object)
    present = labels[list(known)].to_numpy(dtype=bool)
    return pd.Series(["|".join(known[row]) or OTHER for row in present], index=labels.index, dtype=object)


def _capped(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of one finding each, with no more of No Finding than of the most frequent other (seed 000, Table 9)."""
    healthy = rows.index[rows["finding"] == NO_FINDING]
    most = rows["finding"][rows["finding"] != NO_FINDING].value_counts().max() if len(healthy) < len(rows) else 0
    if len(healthy) <= most:
        return rows
    dropped = numpy_generator(0, "ms_cxr", "no finding").choice(healthy, len(healthy) - most, replace=False)
    return rows.drop(index=dropped)


def _at_most(rows: pd.DataFrame, count: int, split: str) -> pd.DataFrame:
    """The first ``count`` of ``rows`` with patients in an order of chance; whole patients but for the last."""
    patients = sorted(rows["patient"].unique())
    order = numpy_generator(0, "ms_cxr", split).permutation(len(patients))
    place = rows["patient"].map(dict(zip(patients, order.tolist(), strict=True)))
    return rows.iloc[np.argsort(place.to_numpy(), kind="stable")[:count]].assign(split=split)


def _texts(train: pd.DataFrame, experiments: Experiments) -> pd.DataFrame:
    """The text of each training image at every level of difficulty.

    Levels whose source is reports take the impression; the others are written about the image's findings as the phantom
    world's are, and about a normal film where these are Other: seed 000 takes No Finding there.
    """
    rows = []
    for level, shares in experiments.texts.items():
        if shares.source == "captions":
            continue
        phrases = (
            train["phrase"]
            if shares.source == "reports"
            else [_written(row, level, shares) for row in train[["image_id", "finding"]].itertuples()]
        )
        rows.append(pd.DataFrame({"image_id": train["image_id"], "text": level, "phrase": phrases}))
    return pd.concat(rows, ignore_index=True)


def _raw(asked: pd.DataFrame, impressions: pd.Series) -> pd.DataFrame:
    """The impressions of the images that are asked about, as far as they have one."""
    phrases = impressions.loc[asked.index]
    rows = pd.DataFrame({"image_id": asked["image_id"], "text": schema.RAW, "phrase": phrases})
    return rows[phrases.str.len() >= mimic_reports.SHORTEST].drop_duplicates("image_id")


def _written(row: tuple, level: str, shares: TextShares) -> str:
    facts = tuple(Fact(name, "", "", "", False) for name in row.finding.split("|") if name not in (NO_FINDING, OTHER))
    return rewrite(facts, "", shares, "train", numpy_generator(0, "ms_cxr", "text", level, row.image_id))
