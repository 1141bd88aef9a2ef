from __future__ import annotations

import numpy as np
import pytest

from plainsight import schema
from plainsight.config import Confounders, Experiments, Scale, WorldSize, read_yaml
from plainsight.seeding import numpy_generator
from plainsight.worlds import FINDINGS, phantom
from plainsight.worlds.anatomy import lay_out, sample_anatomy
from plainsight.worlds.devices import DEVICES, draw_device
from plainsight.worlds.lesions import DRAW
from plainsight.worlds.phantom import draw, draw_device_name, draw_view, tight_box
from plainsight.worlds.sentences import Fact

CONFOUNDERS = Confounders()


def film(*findings, number=0, view="PA", resolution=96, side="", device="line"):
    patient = sample_anatomy(numpy_generator(0, "phantom-test", number))
    facts = tuple(Fact(finding, side, "", "", False) for finding in findings)
    return draw(facts, device, patient, view, resolution, numpy_generator(1, "phantom-test", number), CONFOUNDERS)


@pytest.mark.parametrize("finding", DRAW)
@pytest.mark.parametrize("view", ["PA", "AP"])
def test_lesion_changes_the_same_film_inside_its_mask(finding, view):
    for number in range(3):
        without, with_it = film(number=number, view=view), film(finding, number=number, view=view)
        mask = with_it.masks[finding]
        change = (with_it.image - without.image)[mask].mean()
        assert change < -0.02 if finding == "Pneumothorax" else change > 0.02
        assert np.array_equal(with_it.image[:4], without.image[:4])


def test_images_are_float32_in_range_and_deterministic():
    one, two = film("Edema", "Pneumothorax"), film("Edema", "Pneumothorax")
    assert one.image.dtype == np.float32 and one.image.shape == (96, 96)
    assert one.image.min() >= 0 and one.image.max() <= 1
    assert np.array_equal(one.image, two.image)
    assert one.boxes == two.boxes


@pytest.mark.parametrize("finding", DRAW)
def test_boxes_are_tight_and_one_a_lesion(finding):
    drawing = film(finding, side="both", number=1)
    boxes = drawing.boxes[finding]
    assert len(boxes) == (1 if finding == "Cardiomegaly" else 2)
    covered = np.zeros((96, 96), dtype=bool)
    for x, y, w, h in boxes:
        window = np.s_[int(y) : int(y + h), int(x) : int(x + w)]
        part = drawing.masks[finding][window]
        assert part[0].any() and part[-1].any() and part[:, 0].any() and part[:, -1].any()
        covered[window] = True
    assert not (drawing.masks[finding] & ~covered).any()


def test_tight_box_by_hand():
    mask = np.zeros((6, 8), dtype=bool)
    mask[2:4, 5] = True
    assert tight_box(mask) == [5.0, 2.0, 1.0, 2.0]


def test_cardiomegaly_is_wider_than_half_the_thorax():
    for number in range(6):
        patient = sample_anatomy(numpy_generator(0, "phantom-test", number))
        for view in ("PA", "AP"):
            drawing = film("Cardiomegaly", number=number, view=view, resolution=128)
            heart = drawing.boxes["Cardiomegaly"][0][2] / 128
            assert heart / (2 * patient.half_width) > 0.5
        assert patient.ctr < 0.5


def test_negated_and_absent_findings_draw_nothing():
    patient = sample_anatomy(numpy_generator(0, "phantom-test", 0))
    facts = (Fact("Edema", "", "", "", True), Fact("No Finding", "", "", "", False))
    drawing = draw(facts, "", patient, "PA", 96, numpy_generator(1, "phantom-test", 0), Confounders(0, 0, 0, 0))
    assert drawing.masks == {} and drawing.boxes == {} and drawing.device == ""


@pytest.mark.parametrize("device", DEVICES)
def test_a_named_device_is_drawn(device):
    patient = sample_anatomy(numpy_generator(0, "phantom-test", 0))
    none = Confounders(0, 0, 0, 0)
    plain, wired = (
        draw((), name, patient, "AP", 128, numpy_generator(1, "phantom-test", 0), none) for name in ("", device)
    )
    assert (plain.device, wired.device) == ("", device)
    assert (wired.image - plain.image).max() > 0.1


def test_a_tube_ends_where_its_kind_does():
    layers = lay_out(sample_anatomy(numpy_generator(0, "phantom-test", 0)), 128)
    ends = {}
    for device in ("endotracheal", "gastric"):
        drawn = draw_device(device, layers, numpy_generator(1, "phantom-test", 0)) > 0.1
        ends[device] = layers.q[drawn].max()
    assert ends["endotracheal"] < 0.35
    assert ends["gastric"] > layers.anatomy.dome


def test_the_same_film_at_another_resolution():
    small, large = film("Consolidation", resolution=96), film("Consolidation", resolution=192)
    halved = large.image.reshape(96, 2, 96, 2).mean(axis=(1, 3))
    assert np.corrcoef(halved.ravel(), small.image.ravel())[0, 1] > 0.98


def test_confounders_have_the_shares_they_state():
    rng = numpy_generator(0, "shares")
    with_edema = np.mean([draw_device_name(True, "PA", CONFOUNDERS, rng) != "" for _ in range(2000)])
    without = np.mean([draw_device_name(False, "AP", CONFOUNDERS, rng) != "" for _ in range(2000)])
    assert with_edema == pytest.approx(CONFOUNDERS.device_with_edema, abs=0.04)
    assert without == pytest.approx(CONFOUNDERS.device_otherwise, abs=0.04)
    for findings, share in ((0, 0.3), (1, 0.5), (3, 0.9), (5, 0.95)):
        measured = np.mean([draw_view(findings, CONFOUNDERS, rng) == "AP" for _ in range(2000)])
        assert measured == pytest.approx(share, abs=0.04)


def test_lines_and_tubes_are_likelier_on_ap_films():
    rng = numpy_generator(0, "kinds")
    always = Confounders(1, 1, 0, 0)
    shares = {
        view: np.mean([draw_device_name(True, view, always, rng) != "pacemaker" for _ in range(1000)])
        for view in ("PA", "AP")
    }
    assert shares["AP"] > shares["PA"] + 0.3


@pytest.fixture(scope="module")
def world(tmp_path_factory, request):
    root = request.config.rootpath
    experiments = read_yaml(root / "workflow" / "experiments.yaml", Experiments)
    scale = _scale(root)
    out = tmp_path_factory.mktemp("phantom")
    phantom.build(
        WorldSize(train=12, validation=8, grounding=16, generation=4, source_resolution=96), scale, experiments, out
    )
    return out, experiments


def _scale(root):
    return read_yaml(root / "workflow" / "scales" / "smoke.yaml", Scale)


def test_build_writes_valid_tables_images_and_masks(world):
    out, experiments = world
    frame = schema.read(out / "examples.parquet", FINDINGS["phantom"])
    assert frame.split.value_counts().to_dict() == {"train": 12, "validation": 8, "grounding": 16, "generation": 4}
    for _, row in frame.iterrows():
        image = schema.load_image(out, row)
        assert image.shape == (96, 96)
        if row.split in ("validation", "grounding"):
            mask = schema.load_mask(out, row)
            x, y, w, h = tight_box(mask)
            boxes = np.array(row.boxes)
            assert x == boxes[:, 0].min() and y == boxes[:, 1].min()
            assert x + w == (boxes[:, 0] + boxes[:, 2]).max() and y + h == (boxes[:, 1] + boxes[:, 3]).max()
        else:
            assert row["mask"] == ""
    assert len(list((out / "masks").iterdir())) == 24
    assert len(list((out / "images").iterdir())) == 40
    grounding = frame[frame.split == "grounding"]
    assert set(grounding.finding.value_counts()) == {2} and set(grounding.finding) == set(DRAW)
    patients = frame.groupby("patient").split.nunique()
    assert (patients == 1).all()
    assert frame[frame.split == "train"].groupby("patient").size().eq(3).all()
    texts = schema.read_texts(out / "texts.parquet")
    train = frame[frame.split == "train"].set_index("image_id").phrase
    reports = texts[texts.text == "reports"].set_index("image_id").phrase
    assert train.sort_index().equals(reports.sort_index())
    assert texts.groupby("image_id").text.agg(set).map((set(experiments.texts) - {"captions"}).__eq__).all()


def test_build_is_deterministic(world, tmp_path, request):
    out, experiments = world
    size = WorldSize(train=12, validation=8, grounding=16, generation=4, source_resolution=96)
    scale = _scale(request.config.rootpath)
    phantom.build(size, scale, experiments, tmp_path)
    for name in ("examples.parquet", "texts.parquet", "images/train-00007.png", "masks/grounding-00003.png"):
        assert (tmp_path / name).read_bytes() == (out / name).read_bytes(), name
