"""MS-CXR: boxes of sentences, the three ways to count rows, CSV and JSON, and eight kinds of damage."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from damage import edit
from mimic_tree import ASKED, BOXES, MS_CXR_COUNTS, Box, Film, write_counts, write_ms_cxr
from plainsight.data import ms_cxr, radgraph
from plainsight.errors import InputError


@pytest.fixture
def path(tmp_path):
    return write_ms_cxr(tmp_path)


@pytest.mark.parametrize(
    ("suffix", "newline", "version"), [(".csv", "\n", "1.1.0"), (".csv", "\r\n", "1.0.0"), (".json", "\n", "1.1.0")]
)
def test_boxes_are_those_of_the_file(tmp_path, suffix, newline, version):
    write_ms_cxr(tmp_path, suffix=suffix, newline=newline, version=version)
    boxes = ms_cxr.read_boxes(tmp_path)
    assert boxes.index.tolist() == list(range(1, 8))
    for (_, row), given in zip(boxes.iterrows(), BOXES, strict=True):
        assert (row["finding"], row["phrase"], row["box"]) == (given.finding, given.phrase, list(given.box))
        assert (row["patient"], row["study"], row["dicom"]) == (
            str(given.film.patient),
            str(given.film.study),
            given.film.dicom,
        )
        assert (row["width"], row["height"]) == given.film.size


def test_csv_and_json_of_a_version_agree(tmp_path):
    write_ms_cxr(tmp_path / "csv")
    write_ms_cxr(tmp_path / "json", suffix=".json")
    pd.testing.assert_frame_equal(
        ms_cxr.read_boxes(tmp_path / "csv"), ms_cxr.read_boxes(tmp_path / "json"), check_dtype=False
    )


def test_the_newest_version_counts_and_csv_comes_first(tmp_path):
    write_ms_cxr(tmp_path, version="1.0.0")
    write_ms_cxr(tmp_path, suffix=".json")
    assert ms_cxr.find(tmp_path)[0].name == "MS_CXR_Local_Alignment_v1.1.0.json"
    write_ms_cxr(tmp_path)
    assert ms_cxr.find(tmp_path)[0].name == "MS_CXR_Local_Alignment_v1.1.0.csv"


def test_three_ways_to_count(path):
    boxes = ms_cxr.read_boxes(path.parent)
    rows = ms_cxr.phrases(boxes)
    assert len(rows) == 6 and rows["boxes"].map(len).tolist() == [1, 1, 2, 1, 1, 1]
    assert rows.loc[3, "boxes"] == [[10, 10, 20, 30], [60, 10, 20, 30]]
    unions = ms_cxr.unions(boxes)
    assert len(unions) == 5 and unions.loc[3, "boxes"] == [list(box.box) for box in BOXES[2:5]]
    merged = ms_cxr.merged(boxes)
    assert len(merged) == 5 and merged.loc[6, "finding"] == "Pneumonia"
    assert merged.loc[6, "boxes"] == [[5, 40, 20, 20], [5, 40, 20, 30]]
    for frame in (rows, unions, merged):
        assert frame["boxes"].map(len).sum() == len(boxes)


def test_which_sentences_name_their_finding(path):
    rows = ms_cxr.phrases(ms_cxr.read_boxes(path.parent))
    assert ms_cxr.names_its_finding(rows).tolist() == [False, False, True, False, True, True]


def test_the_counts_of_the_release_are_its_publishers_and_the_papers():
    """Table 9 of seed 000 lists the phrases by finding, Table I of seed 004 the rows that are left when merged."""
    assert ms_cxr.RELEASES["1.1.0"]["phrases"] == 61 + 333 + 117 + 46 + 82 + 96 + 182 + 245 == 1162
    assert ms_cxr.RELEASES["1.0.0"]["merged"] == 182 + 243 + 117 + 61 + 44 + 333 + 82 + 96 == 1158
    assert 1158 in ms_cxr.RELEASES["1.1.0"]["merged"]


def whole_release():
    """Boxes that count as the release does: 1448 of 1162 phrases, 1133 findings of 1047 images of 851 patients.

    Two sentences stand under two findings, so that 1160 rows are left when merged.
    """
    films = [Film(10_000_000 + n % 851, 50_000_000 + n, "PA") for n in range(1047)]
    boxes = [Box(film, "Pneumonia", "a") for film in films]
    boxes += [Box(film, "Edema", "b") for film in films[:84]]  # 1131 findings of images
    boxes += [Box(film, "Edema", "a") for film in films[84:86]]  # the same sentence, 1133
    boxes += [Box(film, "Pneumonia", "c") for film in films[:29]]  # 1162 phrases
    extra = 1448 - len(boxes)
    return boxes + [Box(film, "Pneumonia", "a", (0, 0, 5, 5)) for film in films[:extra]]


def test_a_whole_release_passes_and_one_box_less_does_not(tmp_path):
    boxes = whole_release()
    path = write_ms_cxr(tmp_path, boxes)
    (tmp_path / "counts.json").unlink()
    assert len(ms_cxr.phrases(ms_cxr.read_boxes(tmp_path))) == 1162
    write_ms_cxr(tmp_path, boxes[1:])
    (tmp_path / "counts.json").unlink()
    with pytest.raises(InputError, match=r"boxes: expected 1,448, found 1,447"):
        ms_cxr.read_boxes(path.parent)


FILM = ASKED[0]
ROW = f"{FILM.file},10,12,20,24,60,72"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: p.unlink(), "holds no MS_CXR_Local_Alignment_v1.1.0.csv"),
        (
            lambda p: p.rename(p.with_name("MS_CXR_Local_Alignment_v2.0.0.csv")),
            "v2.0.0.csv is of a version that is not known",
        ),
        (lambda p: p.write_bytes(p.read_bytes()[:-20]), "cells, the header 11"),
        (lambda p: edit(p, "label_text", "text"), "column 'label_text' is missing"),
        (lambda p: p.write_text(p.read_text(), encoding="utf-16"), "is not UTF-8 text"),
        (lambda p: edit(p, "Cardiomegaly,", "Big Heart,"), "row 2, column 'category_name': is not Atelectasis"),
        (lambda p: edit(p, "the heart is enlarged", "  "), "row 2, column 'label_text': is empty"),
        (lambda p: edit(p, "files/p10", "p10"), "row 1, column 'path': is not the path"),
        (lambda p: edit(p, f"{FILM.dicom}.jpg", f"{FILM.dicom[::-1]}.jpg"), "row 1, column 'path': is not the path"),
        (lambda p: edit(p, ROW, ROW.replace(",20,24,", ",0,24,")), "row 1, column 'w': the box has no area"),
        (lambda p: edit(p, ROW, ROW.replace(",20,24,", ",20,-3,")), "row 1, column 'h': the box has no area"),
        (
            lambda p: edit(p, ROW, ROW.replace(",10,12,", ",41,12,")),
            "row 1, column 'x': the box lies outside its image of 60 x 72",
        ),
        (lambda p: edit(p, ROW, ROW.replace(",10,12,", ",10,49,")), "row 1, column 'y': the box lies outside"),
        (lambda p: edit(p, ROW, ROW.replace(",10,12,", ",-1,12,")), "row 1, column 'x': the box lies outside"),
        (lambda p: edit(p, ROW, ROW.replace(",10,12,", ",ten,12,")), "row 1, column 'x': is not a number"),
        (lambda p: edit(p, ",60,10,20,30,", ",10,10,20,30,"), "row 4, column 'x': the box occurs twice"),
        (lambda p: write_counts(p.parent, MS_CXR_COUNTS | {"phrases": 1162}), "phrases: expected 1,162, found 6"),
        (
            lambda p: (p.parent / "counts.json").unlink(),
            "phrases: expected 1,162, found 6; unions: expected 1,133, found 5",
        ),
    ],
)
def test_damage_is_named_with_file_and_row(path, damage, message):
    damage(path)
    with pytest.raises(InputError) as caught:
        ms_cxr.read_boxes(path.parent)
    said = str(caught.value)
    assert message in said and "\n" not in said
    for secret in (str(FILM.patient), str(FILM.study), FILM.dicom, FILM.dicom[::-1], "enlarged", "effusion"):
        assert secret not in said


def annotated(sentences, places):
    """What RadGraph's package returns: texts cut into tokens, entities by number, in no order of their own."""
    return {
        str(number): {
            "text": sentence.replace(".", " .").replace("-", " - "),
            "entities": {
                "1": {"tokens": "effusion", "label": "Observation::definitely present", "start_ix": 9, "end_ix": 9},
                **{
                    str(7 - place): {"tokens": word, "label": radgraph.PLACE, "start_ix": place, "end_ix": place}
                    for place, word in enumerate(places.get(sentence, ()))
                },
            },
            "data_source": None,
            "data_split": "inference",
        }
        for number, sentence in enumerate(sentences)
    }


@pytest.fixture
def located(path):
    """The boxes, and a file of annotations in which two sentences name a place."""
    rows = ms_cxr.phrases(ms_cxr.read_boxes(path.parent))
    sentences = sorted(set(rows["phrase"]))
    places = {sentences[0]: ["left", "base"], sentences[2]: ["perihilar"]}
    file = path.parent / radgraph.FILE
    file.write_text(json.dumps(annotated(sentences, places)))
    return rows, places, file


def test_rows_with_a_location_are_those_in_which_radgraph_finds_one(located):
    rows, places, file = located
    count = int(rows["phrase"].isin(places).sum())
    write_counts(file.parent, {**MS_CXR_COUNTS, "with a location": count})
    kept = ms_cxr.with_location(rows, file.parent)
    assert len(kept) == count and kept["places"].to_list() == [places[phrase] for phrase in kept["phrase"]]
    assert ms_cxr.read_boxes(file.parent) is not None  # that the folder states one more number does no harm


def first(change):
    """A change of the first annotation."""

    def damage(file):
        content = json.loads(file.read_text())
        change(content["0"])
        file.write_text(json.dumps(content))

    return damage


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda file: None, "with a location: expected 1,043, found "),
        (lambda file: file.unlink(), "no such file"),
        (lambda file: file.write_text(file.read_text()[:-9]), "is not valid JSON"),
        (lambda file: file.write_bytes(b"\xff"), "is not UTF-8 text"),
        (lambda file: file.write_text("[]"), "sentences are not annotated; write the file again"),
        (first(lambda entry: entry.update(text="another one")), "1 of 6 sentences are not annotated"),
        (first(lambda entry: entry.pop("entities")), "entry 1 of 5 is no annotation of RadGraph"),
        (first(lambda entry: entry["entities"]["1"].pop("start_ix")), "entry 1 of 5 is no annotation of RadGraph"),
    ],
)
def test_damaged_annotations_are_named_without_their_text(located, damage, message):
    rows, _, file = located
    damage(file)
    with pytest.raises(InputError) as caught:
        ms_cxr.with_location(rows, file.parent)
    assert message in str(caught.value) and str(file.parent) in str(caught.value)
    assert not any(phrase in str(caught.value) for phrase in rows["phrase"])


def without(key, kind):
    def damage(content):
        del content[kind][0][key]

    return damage


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: content.pop("images"), "holds no COCO annotations"),
        (without("bbox", "annotations"), "annotation 1 of 7 is incomplete"),
        (without("path", "images"), "annotation 1 of 7 is incomplete"),
        (lambda content: content["annotations"][2].update(image_id=99), "annotation 3 of 7 is incomplete"),
        (lambda content: content["annotations"][2].update(bbox=[1, 2, 3]), "annotation 3 of 7 is incomplete"),
        (lambda content: content["annotations"][2].update(label_text=None), "row 3, column 'label_text': is empty"),
        (lambda content: content["annotations"][2].update(bbox=[1, 2, None, 4]), "row 3, column 'w': is not a number"),
    ],
)
def test_damaged_json(tmp_path, damage, message):
    path = write_ms_cxr(tmp_path, suffix=".json")
    content = json.loads(path.read_text())
    damage(content)
    path.write_text(json.dumps(content))
    with pytest.raises(InputError) as caught:
        ms_cxr.read_boxes(tmp_path)
    assert message in str(caught.value) and str(FILM.patient) not in str(caught.value)
