"""The world of MIMIC-CXR and MS-CXR: who trains, who is held out, and nothing that identifies anybody in the tables."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mimic_tree import (
    ASKED,
    BOXES,
    FILMS,
    write_counts,
    write_csv,
    write_mimic,
    write_ms_cxr,
    write_reports,
    write_tree,
)
from plainsight import schema, worlds
from plainsight.config import Experiments, Scale, WorldSize, read_yaml
from plainsight.data import mimic_cxr
from plainsight.data import ms_cxr as published
from plainsight.errors import InputError
from plainsight.worlds import radiographs

ROOT = Path(__file__).parents[2]
FINDINGS = worlds.findings("ms_cxr")
ALL = WorldSize(train=1000, validation=1000, grounding=0, generation=1000)
BOXED = WorldSize(train=0, validation=0, grounding=0, generation=0)


@pytest.fixture(scope="module")
def settings():
    scale = read_yaml(ROOT / "workflow" / "scales" / "smoke.yaml", Scale)
    return scale, read_yaml(ROOT / "workflow" / "experiments.yaml", Experiments)


@pytest.fixture
def data(tmp_path):
    return write_tree(tmp_path / "data")


def made(data, settings, size=ALL, name="out"):
    out = data.parent / name
    worlds.build("ms_cxr", size, *settings, out, data)
    return schema.read(out / "examples.parquet", FINDINGS)


def test_the_world_declares_the_findings_of_its_sources():
    assert (*published.FINDINGS, "No Finding", "Other") == FINDINGS
    assert {*published.FINDINGS, "No Finding"} <= set(mimic_cxr.LABELS)
    assert set(FINDINGS) <= set(worlds.KEYWORDS)


def films_of(frame, split):
    """The films behind the rows of a split."""
    by_dicom = {film.dicom: film for film in FILMS}
    return [by_dicom[dicom] for dicom in frame.loc[frame["split"] == split, "source"]]


def test_who_is_held_out(data, settings):
    frame = made(data, settings)
    train, validation, generation = (films_of(frame, split) for split in ("train", "validation", "generation"))
    assert {film.study for film in validation} == {50000110}
    # Not: lateral; an impression of 7 characters; none; p19; another study of somebody in MS-CXR.
    assert sorted(film.study for film in train) == [50000105, 50000106, 50000108, 50000109]
    assert all(film.view in ("PA", "AP") for film in FILMS if film in train + generation)
    in_ms_cxr = {film.patient for film in ASKED}
    assert not {film.patient for film in train + validation} & in_ms_cxr
    # p19, one positive label that MS-CXR knows, and as many without finding as there are with the most frequent one.
    assert all(str(film.patient).startswith("19") and len(film.labels) == 1 for film in generation)
    assert sorted(film.labels[0] for film in generation) == ["No Finding", "No Finding", "Pneumonia", "Pneumonia"]


def test_whoever_does_not_validate_trains(data, settings):
    frame = made(data, settings, WorldSize(train=1000, validation=0, grounding=0, generation=0))
    assert 50000110 in {film.study for film in films_of(frame, "train")}
    assert set(frame["split"]) == {"train", "grounding"}


def test_findings_are_the_labels_that_ms_cxr_knows(data, settings):
    frame = made(data, settings).set_index("source")
    train = {film.dicom: film for film in FILMS}
    expected = {50000105: "Atelectasis|Pleural Effusion", 50000106: "Other", 50000108: "No Finding", 50000109: "Other"}
    rows = frame[frame["split"] == "train"]
    assert {train[dicom].study: finding for dicom, finding in rows["finding"].items()} == expected


def test_grounding_rows_are_the_phrases_with_all_their_boxes(data, settings):
    frame = made(data, settings, BOXED)
    assert len(frame) == 6 and set(frame["split"]) == {"grounding"} and frame["example_id"].is_unique
    edema = frame[frame["phrase"] == "perihilar edema"].iloc[0]
    assert edema["boxes"] == [[10, 10, 20, 30], [60, 10, 20, 30]] and edema["finding"] == "Edema"
    assert (edema["width"], edema["height"], edema["view"]) == (90, 60, "PA")
    assert {(row["phrase"], row["finding"]) for _, row in frame.iterrows()} == {(b.phrase, b.finding) for b in BOXES}


def test_boxes_are_fitted_to_the_pixel_as_the_images_are(data, settings):
    frame = made(data, settings, BOXED)
    for _, row in frame.iterrows():
        how = radiographs.fit(row["width"], row["height"], 32)
        drawn = radiographs.boxes_to_mask(row["boxes"], row["height"], row["width"])
        fitted = radiographs.boxes_to_mask(radiographs.fit_boxes(row["boxes"], how), 32, 32)
        np.testing.assert_array_equal(fitted, radiographs.fit_mask(drawn, how))


def test_images_are_found_and_of_the_stated_size(data, settings):
    frame = made(data, settings)
    root = worlds.image_root(data.parent / "out")
    for _, row in frame.iterrows():
        assert schema.load_image(root, row).shape == (row["height"], row["width"])


def test_names_hold_no_number_of_anybody(data, settings):
    frame = made(data, settings)
    numbers = {str(number) for film in FILMS for number in (film.patient, film.study, film.dicom)}
    for column in ("example_id", "image_id", "patient"):
        assert not any(number in name for number in numbers for name in frame[column])
    for _, group in frame.groupby("source"):
        assert group["image_id"].nunique() == group["patient"].nunique() == 1


def test_every_training_image_has_a_text_of_every_level(data, settings):
    frame = made(data, settings)
    texts = schema.read_texts(data.parent / "out" / "texts.parquet")
    train = frame[frame["split"] == "train"].set_index("image_id")
    levels = {name for name, shares in settings[1].texts.items() if shares.source != "captions"}
    asked = texts[texts["text"] == schema.RAW]
    texts = texts[texts["text"] != schema.RAW]
    assert set(texts["text"]) == levels and len(texts) == len(levels) * len(train)
    by_level = texts.set_index(["text", "image_id"])["phrase"]
    assert by_level["reports"].to_dict() == train["phrase"].to_dict()
    both = train.index[train["finding"] == "Atelectasis|Pleural Effusion"][0]
    assert "atelectasis" in by_level["labels", both].lower() and "effusion" in by_level["labels", both].lower()
    reported = frame.drop_duplicates("image_id").set_index("image_id")["source"]
    by_source = {film.dicom: film.impression for film in FILMS}
    assert len(asked) == len(ASKED)
    assert {reported[name]: phrase for name, phrase in zip(asked["image_id"], asked["phrase"], strict=True)} == {
        film.dicom: by_source[film.dicom] for film in ASKED
    }


def test_a_limit_takes_whole_patients_and_the_same_ones_each_time(data, settings):
    size = WorldSize(train=2, validation=0, grounding=3, generation=1)
    frame = made(data, settings, size)
    assert frame["split"].value_counts().to_dict() == {"grounding": 3, "train": 2, "generation": 1}
    assert frame.equals(made(data, settings, size, "again"))
    for name in ("examples.parquet", "texts.parquet"):
        assert (data.parent / "out" / name).read_bytes() == (data.parent / "again" / name).read_bytes()


def test_without_training_no_reports_are_needed(data, settings):
    for path in (data / "mimic_cxr_reports").iterdir():
        path.unlink()
    (data / "mimic_cxr_reports").rmdir()
    assert len(made(data, settings, BOXED)) == 6
    with pytest.raises(InputError, match="holds no folder mimic_cxr_reports"):
        made(data, settings, name="other")


def test_physionets_folders_will_do(tmp_path, settings):
    files = tmp_path / "data" / "physionet.org" / "files"
    write_mimic(files / "mimic-cxr-jpg" / "2.1.0", gz=False, newline="\r\n")
    write_reports(files / "mimic-cxr" / "2.1.0", zipped=False, newline="\r\n")
    write_ms_cxr(files / "ms-cxr" / "1.1.0", suffix=".json")
    frame = made(tmp_path / "data", settings)
    named = made(write_tree(tmp_path / "named" / "data"), settings)
    assert frame.drop(columns="image").equals(named.drop(columns="image"))
    assert schema.load_image(worlds.image_root(tmp_path / "out"), frame.iloc[0]).ndim == 2


def remove_image(data, film):
    (data / "mimic_cxr_jpg" / film.file).unlink()


def other_size(data):
    write_mimic(data / "mimic_cxr_jpg", [replace(film, size=(60, 72)) for film in FILMS])


def first_unknown(data):
    write_mimic(data / "mimic_cxr_jpg", FILMS[1:])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda data: remove_image(data, ASKED[1]),
            "1 of 11 images that this world takes are missing or out of reach, the first that of row 2",
        ),
        (lambda data: remove_image(data, FILMS[6]), "the first that of row 7"),
        (other_size, "row 2, column 'image_width': is not what MIMIC-CXR-JPG states"),
        (first_unknown, "row 1, column 'dicom_id': is no PA or AP image of MIMIC-CXR-JPG"),
        (lambda data: (data / "ms_cxr" / "counts.json").unlink(), "boxes: expected 1,448, found 7"),
        (
            lambda data: write_csv(data / "mimic_cxr_jpg" / "mimic-cxr-2.0.0-split.csv.gz", ["a"], [[1]]),
            "column 'dicom_id' is missing",
        ),
    ],
)
def test_damage_ends_in_one_line_and_writes_nothing(data, settings, damage, message):
    damage(data)
    with pytest.raises(InputError) as caught:
        made(data, settings)
    said = str(caught.value)
    assert message in said and "\n" not in said
    assert not any(str(film.patient) in said or film.dicom in said for film in FILMS)
    assert not (data.parent / "out" / "examples.parquet").exists()


def test_check_says_the_same_before_anything_starts(data):
    worlds.check_data("ms_cxr", data)
    remove_image(data, ASKED[2])
    with pytest.raises(InputError, match="1 of 3 images of MS-CXR are missing"):
        worlds.check_data("ms_cxr", data)
    for name in ("mimic_cxr_jpg", "ms_cxr"):
        (data / name).rename(data / f"{name}_away")
        with pytest.raises(InputError, match=f"holds no folder {name}"):
            worlds.check_data("ms_cxr", data)
        (data / f"{name}_away").rename(data / name)
    with pytest.raises(
        InputError, match=r"world 'ms_cxr' needs real images: give --data DIR \(see data_manifests/ms_cxr"
    ):
        worlds.check_data("ms_cxr", None)


def test_check_looks_for_what_training_takes_where_there_is_training(data):
    worlds.check_data("ms_cxr", data, trains=True)
    (data / "mimic_cxr_reports").rename(data / "away")
    worlds.check_data("ms_cxr", data)
    with pytest.raises(InputError, match="holds no folder mimic_cxr_reports"):
        worlds.check_data("ms_cxr", data, trains=True)


def test_sets_of_another_size_than_the_papers_stop_with_all_numbers(data, settings, monkeypatch):
    whole = replace(ALL, train=5, generation=4)
    monkeypatch.setitem(mimic_cxr.RELEASE, "training images", 5)
    monkeypatch.setitem(mimic_cxr.RELEASE, "prompts", 4)
    made(data, settings, whole)  # one of the five validates
    monkeypatch.setitem(mimic_cxr.RELEASE, "prompts", 3)
    with pytest.raises(
        InputError, match="cxr_jpg: prompts: expected 3, found 4; fetch it again, or state a part's own"
    ):
        made(data, settings, whole, "prompts")
    monkeypatch.setitem(mimic_cxr.RELEASE, "training images", 4)
    with pytest.raises(
        InputError, match="training images: expected 4, found 5; prompts: expected 3, found 4; fetch it"
    ):
        made(data, settings, whole, "other")
    assert not (data.parent / "other" / "examples.parquet").exists()
    made(data, settings, replace(ALL, train=3, generation=0), "less")  # a smaller set is one on purpose


def test_sets_whose_size_is_told_are_taken_whole(data, settings, monkeypatch):
    monkeypatch.setitem(mimic_cxr.RELEASE, "training images", 4)
    monkeypatch.setitem(mimic_cxr.RELEASE, "prompts", 3)
    folder = data / "mimic_cxr_jpg"
    write_counts(folder, json.loads((folder / "counts.json").read_text()) | {"training images": 5, "prompts": 4})
    splits = made(data, settings, replace(ALL, train=4, validation=0, generation=3))["split"].value_counts()
    assert splits["train"] == 5 and splits["generation"] == 4
