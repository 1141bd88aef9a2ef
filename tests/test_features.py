"""Extractors and classifiers: what goes into the network, what comes out, saving, and AUC by finding."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from plainsight import features
from plainsight.config import ClassifierConfig
from plainsight.errors import InputError

CONFIG = ClassifierConfig(4, (1, 2), 8, steps=1, batch_size=4, learning_rate=1e-3)
NAMES = ("Edema", "Pneumonia", "No Finding")


@pytest.fixture(scope="module")
def pixels() -> torch.Tensor:
    return torch.randint(0, 256, (7, 3, 64, 64), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def build(colour: bool, pixels: torch.Tensor) -> features.Classifier:
    built = features.build_classifier(CONFIG, NAMES, colour, seed=0)
    built.network.train()
    built.network(built.prepare(pixels))  # running statistics of batch normalisation unlike their first values
    built.network.requires_grad_(False).eval()
    return built


@pytest.fixture(scope="module", params=[True, False], ids=["colour", "grey"])
def classifier(request, pixels) -> features.Classifier:
    return build(request.param, pixels)


def test_features_are_the_averaged_last_layer(classifier, pixels):
    found = classifier.extractor("any")(pixels, batch_size=7)
    images = pixels.float() / 127.5 - 1
    images = images if classifier.colour else 1024 * images.mean(dim=1, keepdim=True)
    expected = classifier.network.features(images).relu().mean(dim=(2, 3))
    assert found.dtype == np.float32 and found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    scores = classifier.network.classifier(expected)
    np.testing.assert_allclose(classifier.scores(pixels, 7), scores, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("batch_size", [1, 3])
def test_batch_size_does_not_matter(batch_size, classifier, pixels):
    extractor = classifier.extractor("any")
    np.testing.assert_allclose(extractor(pixels, batch_size), extractor(pixels, 7), rtol=1e-4, atol=1e-5)


def test_the_published_reading_scales_twice(pixels):
    extractor = build(True, pixels).extractor("scenes")
    published = features.as_published(extractor)
    assert published.name == "scenes_as_published"
    for value, once, twice in ((0, -1, -3), (255, 1, 1)):
        plain = torch.full((1, 3, 8, 8), value, dtype=torch.uint8)
        assert extractor.prepare(plain).unique().tolist() == [once]
        assert published.prepare(plain).unique().tolist() == [twice]
    assert not np.allclose(published(pixels, 7), extractor(pixels, 7), rtol=0.01)


def test_grey_is_torchxrayvision_s_own_range(pixels):
    from torchxrayvision.utils import normalize

    expected = normalize(pixels[0].double().mean(dim=0).numpy(), 255)
    np.testing.assert_allclose(features.grey(pixels)[0, 0], expected, atol=1e-3)


def test_a_saved_classifier_loads_unchanged(classifier, pixels, tmp_path):
    features.save_classifier(classifier, CONFIG, tmp_path)
    loaded = features.load_classifier(tmp_path)
    assert (loaded.findings, loaded.colour) == (NAMES, classifier.colour)
    assert not loaded.network.training
    np.testing.assert_array_equal(loaded.scores(pixels, 7), classifier.scores(pixels, 7))


def test_what_cannot_be_loaded_is_named(classifier, tmp_path):
    with pytest.raises(InputError, match="absent: no such folder; train the classifier first"):
        features.load_classifier(tmp_path / "absent")
    with pytest.raises(InputError, match="not a saved classifier"):
        features.load_classifier(tmp_path)
    features.save_classifier(classifier, CONFIG, tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"garbage")
    with pytest.raises(InputError, match="not a saved classifier"):
        features.load_classifier(tmp_path)
    features.save_classifier(classifier, dataclasses.replace(CONFIG, growth_rate=8), tmp_path)
    with pytest.raises(InputError, match="not a saved classifier") as caught:
        features.load_classifier(tmp_path)
    assert "\n" not in str(caught.value)


def test_equal_seeds_build_equal_classifiers():
    first, second, other = (
        features.build_classifier(CONFIG, NAMES, False, seed).network.state_dict() for seed in (0, 0, 1)
    )
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["features.conv0.weight"], other["features.conv0.weight"])


def test_the_pretrained_densenet_comes_from_the_package_and_answers_to_our_names(pixels, tmp_path, monkeypatch):
    """A stand-in with random weights lies where the package keeps what it downloads."""
    import torchxrayvision

    stand_in = torchxrayvision.models.DenseNet(num_classes=18)
    address = torchxrayvision.models.model_urls[features.XRV_WEIGHTS]["weights_url"]
    torch.save(stand_in, tmp_path / address.rsplit("/", 1)[-1])
    monkeypatch.setattr(torchxrayvision.utils, "download", None)
    classifier = features.pretrained_xrv(tmp_path)
    assert {"Pleural Effusion", "Edema", "Lung Opacity"} < set(classifier.findings)
    found = classifier.extractor("xrv")(pixels[:2], batch_size=2)
    images = torch.nn.functional.interpolate(features.grey(pixels[:2]), (224, 224), mode="bilinear")
    with torch.no_grad():
        expected = stand_in.eval().features2(images)
    assert found.shape == (2, 1024)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    assert classifier.scores(pixels[:2], 2).shape == (2, 18)


def test_building_a_classifier_leaves_warnings_on():
    features.build_classifier(CONFIG, NAMES, False, 0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.warn("still heard", stacklevel=1)
    assert [str(warning.message) for warning in caught] == ["still heard"]


# --- Table 5 ---


def test_labels_of_several_findings():
    found = features.labels(["Edema", "Pneumonia|Edema", "No Finding"], NAMES)
    assert found.tolist() == [[True, False, False], [True, True, False], [False, False, True]]


def test_auc_of_a_finding_is_against_the_healthy_alone():
    findings = ["Edema", "Edema|Pneumonia", "Pneumonia", "No Finding", "No Finding"]
    scores = np.array([[3, 9], [1, 4], [99, 2], [2, 3], [0, 1]], dtype=float)
    found = features.auc_by_finding(scores, findings, ["Edema", "Pneumonia"], "No Finding")
    assert list(found) == ["Edema", "Pneumonia"]
    assert found["Edema"] == pytest.approx(3 / 4)  # 3 > 2, 3 > 0, 1 < 2, 1 > 0; the 99 of a pneumonia has no part
    assert found["Pneumonia"] == pytest.approx(roc_auc_score([1, 1, 0, 0], [4, 2, 3, 1]))


def test_auc_without_healthy_images_is_against_all_others():
    findings = ["Edema", "Edema|Pneumonia", "Pneumonia", "No Finding"]
    scores = np.array([[3, 9], [1, 4], [2, 5], [0, 1]], dtype=float)
    found = features.auc_by_finding(scores, findings, ["Edema", "Pneumonia"], healthy=None)
    assert found["Edema"] == pytest.approx(roc_auc_score([1, 1, 0, 0], scores[:, 0]))
    assert found["Pneumonia"] == pytest.approx(roc_auc_score([0, 1, 1, 0], scores[:, 1]))


def test_auc_is_missing_where_there_is_nothing_to_compare():
    scores = np.zeros((3, 3))
    assert np.isnan(features.auc_by_finding(scores, ["Edema"] * 3, NAMES, "No Finding")["Edema"])
    found = features.auc_by_finding(scores, ["Edema", "No Finding", "Edema"], NAMES, "No Finding")
    assert found["Edema"] == 0.5 and np.isnan(found["Pneumonia"]) and "No Finding" not in found
