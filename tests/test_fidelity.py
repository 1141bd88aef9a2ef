"""From a model to score rows: which prompts, which images, and numbers that are those of the metrics themselves."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
import torch

from plainsight import features, fidelity, generation, publish
from plainsight.config import ClassifierConfig, GenerationConfig
from plainsight.errors import InputError
from plainsight.generation_scores import ALL, AS_PUBLISHED, CORRECTED, REAL
from plainsight.metrics import diversity
from plainsight.metrics import generation as metrics
from plainsight.seeding import numpy_generator

NAMES = ("Edema", "Pneumonia")
CONFIG = GenerationConfig(num_inference_steps=2, guidance_scale=2.0, batch_size=4)


def examples(split: str, findings: list[str]) -> pd.DataFrame:
    """Two images a patient."""
    ids = [f"{split}-{number}" for number in range(len(findings))]
    rows = {"example_id": ids, "image_id": ids, "phrase": [f"some {name}" for name in findings], "finding": findings}
    return pd.DataFrame({**rows, "patient": [f"{split}-p{number // 2}" for number in range(len(ids))], "split": split})


WORLD = pd.concat(
    [
        examples("train", ["Edema"]),
        examples("grounding", ["Edema", "Edema", "Edema", "Pneumonia", "Edema", "Pneumonia", "Edema"]),
        examples("generation", ["Edema", "No Finding", "No Finding", "Edema|Pneumonia", "No Finding", "Pneumonia"]),
    ],
    ignore_index=True,
)


def pixels(n: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, 3, 64, 64), generator=generator, dtype=torch.uint8)


@pytest.fixture(scope="module")
def judges() -> dict[str, features.Classifier]:
    config = ClassifierConfig(4, (1, 1), 8, steps=1, batch_size=4, learning_rate=1e-3)
    built = {}
    for name, colour in (("scenes", True), ("phantom", False)):
        built[name] = features.build_classifier(config, NAMES, colour, seed=0)
        built[name].network.requires_grad_(False).eval()
    return built


# --- prompts ---


def test_prompts_are_capped_impressions_and_as_many_phrases_with_findings_in_turn():
    found = fidelity.prompt_examples(WORLD, "phantom")
    assert list(found) == ["impressions", "phrases"]
    counts = found["impressions"]["finding"].value_counts()
    assert len(found["impressions"]) == 5 and counts["No Finding"] == 2  # no more than Edema and Pneumonia have
    assert found["impressions"]["example_id"].equals(fidelity.real_examples(WORLD)["example_id"])
    assert found["phrases"]["example_id"].tolist() == [f"grounding-{number}" for number in (0, 1, 2, 3, 5)]
    assert found["phrases"]["finding"].value_counts().to_dict() == {"Edema": 3, "Pneumonia": 2}


def test_captions_are_the_prompts_of_scenes():
    scenes = WORLD.assign(finding="boat|tree")
    found = fidelity.prompt_examples(scenes, "scenes")
    assert list(found) == ["captions"] and len(found["captions"]) == 6


def test_an_image_with_several_captions_is_one_real_image():
    twice = pd.concat([WORLD, WORLD.tail(1).assign(example_id="again")], ignore_index=True)
    assert len(fidelity.prompt_examples(twice, "scenes")["captions"]) == 5


# --- images ---


def test_images_are_kept_until_the_model_or_the_prompts_change(tiny_model, tmp_path):
    chosen = WORLD[WORLD["split"] == "generation"].head(2)
    folder = tmp_path / "impressions"
    made = fidelity.make(tiny_model, chosen, folder, CONFIG, [0])
    assert [path.name for path in made] == ["generation-0.0.png", "generation-1.0.png"]
    before = [path.stat().st_mtime_ns for path in made]
    assert [path.stat().st_mtime_ns for path in fidelity.make(tiny_model, chosen, folder, CONFIG, [0])] == before
    other = fidelity.make(tiny_model, chosen.assign(phrase="an effusion"), folder, CONFIG, [0])
    assert [path.name for path in other] == [path.name for path in made]
    assert sorted(path.name for path in folder.glob("*.png")) == [path.name for path in made]
    fidelity.make(tiny_model, chosen.tail(1), folder, CONFIG, [0])
    assert [path.name for path in folder.glob("*.png")] == ["generation-1.0.png"]


def test_a_mixed_up_folder_is_found_and_nothing_of_it_deleted(tiny_model, tmp_path):
    chosen = WORLD[WORLD["split"] == "generation"].head(1)
    folder = tmp_path / "impressions"
    made = fidelity.make(tiny_model, chosen, folder, CONFIG, [0])
    (folder / "stray.png").write_bytes(made[0].read_bytes())
    with pytest.raises(InputError, match=r"stray\.png: is none of the images wanted here"):
        fidelity.make(tiny_model, chosen, folder, CONFIG, [0])
    (folder / fidelity.MARK).unlink()
    with pytest.raises(InputError, match=r"stray\.png"):
        fidelity.make(tiny_model, chosen.assign(phrase="another"), folder, CONFIG, [0])
    assert (folder / "stray.png").exists()


def test_the_first_image_of_a_prompt_is_the_same_with_and_without_others(tiny_model, tmp_path):
    chosen = WORLD[WORLD["split"] == "generation"].head(2)
    alone = generation.read(fidelity.make(tiny_model, chosen, tmp_path / "a", CONFIG, [0]))
    several = generation.read(fidelity.make(tiny_model, chosen, tmp_path / "b", CONFIG, range(3)))
    assert several.shape[0] == 6
    assert (several[[0, 3]].int() - alone.int()).abs().max() <= 1
    assert not torch.equal(several[0], several[1])


# --- score rows ---


@pytest.fixture(scope="module")
def sets() -> tuple[dict[str, torch.Tensor], dict[str, pd.DataFrame]]:
    everything = {
        "impressions": examples("generation", ["Edema", "No Finding"] * 5),
        "phrases": examples("grounding", ["Pneumonia", "Edema"] * 4),
        REAL: examples("generation", ["Edema", "No Finding"] * 6),
    }
    return {name: pixels(len(rows), number) for number, (name, rows) in enumerate(everything.items())}, everything


def test_distances_are_the_metrics_of_the_features(sets, judges):
    images, rows = sets
    extractors = {name: judge.extractor(name) for name, judge in judges.items()}
    found = fidelity.distances(images, rows, extractors, "scenes", 4, resamples=5)
    columns = ["prompts", "extractor", "reading", "metric", "half", "value"]
    assert list(found.columns) == [*columns, "n_real", "n_generated", "features", "patients"]
    sizes = found.groupby(["prompts", "extractor", "reading"]).size()
    full = len(metrics.METRICS) * 6
    assert sizes.to_dict() == {
        **{(p, e, CORRECTED): full for p in ("impressions", "phrases") for e in ("scenes", "phantom")},
        **{(p, "scenes", AS_PUBLISHED): 6 for p in ("impressions", "phrases")},
    }
    assert found["half"].min() == ALL and found["half"].max() == 4
    whole = found[found["half"] == ALL].set_index(["prompts", "extractor", "reading", "metric"])
    for extractor, reading, seen in (
        ("phantom", CORRECTED, extractors["phantom"]),
        ("scenes", AS_PUBLISHED, features.as_published(extractors["scenes"])),
    ):
        expected = metrics.frechet_distance(seen(images[REAL], 4), seen(images["phrases"], 4))
        cell = whole.loc[("phrases", extractor, reading, "fid")]
        assert cell["value"] == pytest.approx(expected, rel=1e-4)
        assert (cell["n_real"], cell["n_generated"], cell["patients"]) == (12, 8, 6 + 4)
        assert cell["features"] == seen(images[REAL], 4).shape[1]
    assert whole.loc[("phrases", "scenes", CORRECTED, "fid"), "value"] != pytest.approx(
        whole.loc[("phrases", "scenes", AS_PUBLISHED, "fid"), "value"], rel=0.01
    )


def test_every_model_gets_the_same_halves(sets, judges):
    """What the halves hold depends on patients alone: equal images give equal values, half by half."""
    images, rows = sets
    extractors = {"scenes": judges["scenes"].extractor("scenes")}
    other = {**images, "impressions": images["impressions"].flip(0), "phrases": images["phrases"]}
    first, second = (
        fidelity.distances(part, rows, extractors, "scenes", 4, 4).set_index(["prompts", "reading", "metric", "half"])
        for part in (images, other)
    )
    fid = [part.xs("fid", level="metric")["value"] for part in (first, second)]
    assert fid[0].loc["phrases"].tolist() == fid[1].loc["phrases"].tolist()
    assert fid[0].loc["impressions"].tolist() != fid[1].loc["impressions"].tolist()


def test_similarity_is_ms_ssim_by_prompt_and_one_row_as_published():
    images = pixels(6, 3).unflatten(0, (2, 3))
    chosen = examples("generation", ["Edema", "Pneumonia"])
    found = fidelity.similarity(images, chosen, "impressions")
    mine = found[found["reading"] == CORRECTED]
    assert mine["example_id"].tolist() == chosen["example_id"].tolist()
    np.testing.assert_allclose(mine["ms_ssim"], diversity.ms_ssim_corrected(images))
    rng = numpy_generator(0, "ms_ssim_as_published", "impressions")
    drawn = found[found["reading"] == AS_PUBLISHED]
    assert drawn["ms_ssim"].item() == pytest.approx(diversity.ms_ssim_as_published(images, rng).mean())
    assert (found["prompts"] == "impressions").all()


@pytest.mark.parametrize(("patients", "together"), [(5, 4), (2, 2)])
def test_real_images_of_different_patients_are_compared(patients, together):
    rows = examples("generation", ["Edema", "No Finding"] * patients)
    images = pixels(len(rows), 4)
    found = fidelity.real_similarity(images, rows)
    assert found["prompts"].tolist() == [REAL] and found["reading"].tolist() == [CORRECTED]
    first = int(np.flatnonzero(rows["example_id"] == found["example_id"].item()).item())
    others = [number for number in range(0, len(rows), 2) if number != first]  # one image a patient
    groups = [[first, *some] for some in itertools.combinations(others, together - 1)]
    expected = diversity.ms_ssim_corrected(torch.stack([images[group] for group in groups]))
    assert np.isclose(expected, found["ms_ssim"].item()).sum() == 1


def test_judged_images_keep_what_was_asked_and_every_score(sets, judges):
    images, rows = sets
    found = fidelity.judged(images, rows, judges["phantom"], 4)
    assert list(found.columns) == ["example_id", "patient", "finding", "prompts", *NAMES]
    assert found["prompts"].value_counts().to_dict() == {"impressions": 10, "phrases": 8, REAL: 12}
    mine = found[found["prompts"] == "phrases"]
    np.testing.assert_allclose(mine[list(NAMES)], judges["phantom"].scores(images["phrases"], 8), rtol=1e-4, atol=1e-4)
    assert mine["finding"].tolist() == rows["phrases"]["finding"].tolist()


def test_score_rows_may_be_published(sets, judges, tmp_path):
    images, rows = sets
    extractors = {"scenes": judges["scenes"].extractor("scenes")}
    kinds = {
        "distances": fidelity.distances(images, rows, extractors, "scenes", 4, 2),
        "similarity": pd.concat(
            [
                fidelity.similarity(images[REAL].unflatten(0, (4, 3)), rows[REAL].head(4), "impressions"),
                fidelity.real_similarity(images[REAL], rows[REAL]),
            ]
        ),
        "judged": fidelity.judged(images, rows, judges["phantom"], 4),
    }
    (tmp_path / "fresh").mkdir()
    for kind, frame in kinds.items():
        frame.to_parquet(tmp_path / "fresh" / f"{kind}.parquet")
    publish.publish_scores(tmp_path / "fresh", tmp_path / "committed", "phantom")
    assert len(list((tmp_path / "committed").iterdir())) == 3
