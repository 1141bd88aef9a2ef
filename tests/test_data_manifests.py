"""data_manifests: valid Croissant, nothing invented, nothing that is not https, and the same numbers as the code."""

from __future__ import annotations

import json
import re
from pathlib import Path

import mlcroissant
import pytest

from plainsight import datacheck, worlds
from plainsight.data import manifests, mimic_cxr, mimic_reports, ms_cxr, places
from plainsight.errors import InputError

FOLDER = Path(__file__).parents[1] / "data_manifests"
NAMES = manifests.names(FOLDER)
ALL = [*NAMES, "weights"]
REVISION = re.compile(r"/(?:tree|resolve)/([^/]+)")


def content(name):
    return json.loads((FOLDER / name / "croissant.json").read_text(encoding="utf-8"))


def test_there_is_one_for_every_data_set_the_papers_use():
    assert NAMES == [
        "chest_imagenome",
        "coco_2017",
        "mimic_cxr_jpg",
        "mimic_cxr_reports",
        "ms_cxr",
        "nih_chestxray14",
        "open_i",
        "vindr_cxr",
    ]
    assert set(places.PHYSIONET) <= set(NAMES)
    for name in NAMES:
        assert manifests.read(name, FOLDER).name == content(name)["name"] == name


@pytest.mark.parametrize("name", ALL)
def test_it_is_valid_croissant(name):
    issues = mlcroissant.Dataset(jsonld=content(name)).metadata.ctx.issues
    assert not issues.errors
    assert all("MAJOR.MINOR.PATCH: unknown" in warning for warning in issues.warnings), issues.warnings


@pytest.mark.parametrize("name", ALL)
def test_addresses_are_https_and_what_is_not_known_is_said(name):
    found = content(name)
    for address in (found["url"], found["license"]):
        assert address.startswith("https://")
    for item in found["distribution"]:
        if item["@type"] == "cr:FileObject":
            assert item["contentUrl"].startswith("https://")
            assert re.fullmatch(r"unknown|[1-9]\d* B", item["contentSize"])
            assert re.fullmatch(r"unknown|[0-9a-f]{64}", item.get("sha256", "unknown"))
            assert re.fullmatch(r"[0-9a-f]{32}", item.get("md5", "0" * 32))
            assert "sha256" in item or "md5" in item


@pytest.mark.parametrize("name", ALL)
def test_the_readme_says_terms_access_and_citation(name):
    text = (FOLDER / name / "README.md").read_text(encoding="utf-8")
    assert f"]({name}/README.md)" in (FOLDER / "README.md").read_text(encoding="utf-8")
    if name == "weights":
        assert "## Cite" in text
    else:
        for row in ("| Used by |", "| Access |", "| Cite |"):
            assert row in text
        assert "| Terms |" in text or "| Licence |" in text
        access = content(name)["conditionsOfAccess"].split(":")[0]
        assert {"open": "open", "credentialed": "credentialed", "package": "inside the torchxrayvision package"}[
            access
        ] in text


def test_credentialed_sets_are_those_of_physionet():
    gated = {name for name in NAMES if manifests.read(name, FOLDER).access.startswith("credentialed")}
    assert gated == set(places.PHYSIONET)
    for name in gated:
        slug = places.PHYSIONET[name]
        assert all(f"/files/{slug}/" in file.url for file in manifests.read(name, FOLDER).files)


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("mimic_cxr_jpg", mimic_cxr.RELEASE.values()),
        ("mimic_cxr_reports", mimic_reports.RELEASE.values()),
        ("ms_cxr", [ms_cxr.RELEASES["1.1.0"][key] for key in ("boxes", "images", "patients", "phrases", "unions")]),
    ],
)
def test_readmes_state_the_numbers_that_the_code_requires(name, counts):
    text = (FOLDER / name / "README.md").read_text(encoding="utf-8")
    assert all(f"{count:,}" in text for count in counts if count != mimic_cxr.RELEASE["studies"] or "reports" in name)


def test_every_data_set_can_be_checked_and_worlds_name_theirs():
    assert set(datacheck._CHECKS) == set(NAMES)
    for folders in worlds.DATA_SETS.values():
        assert set(folders) <= set(NAMES)


def test_weights_are_pinned_to_a_revision_or_say_that_it_is_not_known():
    items = {item["@id"]: item for item in content("weights")["distribution"]}
    wanted = ("sd-2-base", "sd-1-5", "monai-cxr-ldm/", "cxr-bert-ldm", "biovil/", "biovil-t", "torchxrayvision/")
    wanted += ("inception/", "radgraph-xl/", "scispacy/")
    assert all(any(name.startswith(start) for name in items) for start in wanted)
    assert sum(name.startswith("text-encoder/") for name in items) == 6
    readme = (FOLDER / "weights" / "README.md").read_text(encoding="utf-8")
    for name, item in items.items():
        revision = REVISION.search(item["contentUrl"])
        if "huggingface.co" in item["contentUrl"]:
            pinned = revision is not None and re.fullmatch(r"[0-9a-f]{40}|v\d.*", revision[1])
            assert pinned or "Revision: unknown" in item["description"], name
        if revision is not None and len(revision[1]) == 40:
            assert revision[1] in readme


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["distribution"][0].update(contentUrl="http://example.org/a"), "the address of a.zip is not https"),
        (lambda c: c["distribution"][0].pop("contentSize"), "is not a manifest of this project"),
        (lambda c: c["distribution"][0].update(contentSize="3 apples"), "is not a manifest of this project"),
        (lambda c: c.pop("distribution"), "is not a manifest of this project"),
    ],
)
def test_a_manifest_that_is_not_understood(tmp_path, change, message):
    item = {"@type": "cr:FileObject", "@id": "a.zip", "contentUrl": "https://example.org/a", "contentSize": "3 B"}
    found = {"alternateName": "A", "url": "https://example.org", "conditionsOfAccess": "open", "distribution": [item]}
    path = tmp_path / "a" / "croissant.json"
    path.parent.mkdir()
    path.write_text(json.dumps(found))
    assert manifests.read("a", tmp_path).files[0] == manifests.File("a.zip", "https://example.org/a", 3, None, None)
    change(found)
    path.write_text(json.dumps(found))
    with pytest.raises(InputError, match=message):
        manifests.read("a", tmp_path)
    with pytest.raises(InputError, match="unknown data set 'b'; known: a"):
        manifests.read("b", tmp_path)
