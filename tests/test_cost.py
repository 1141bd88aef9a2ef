"""Cost at paper scale: counted operations against published ones, and the arithmetic that follows."""

from pathlib import Path

import pytest

from plainsight import cost
from plainsight.workspace import open_workspace

SPACE = open_workspace("paper", Path(__file__).parents[1])
SETTINGS = (SPACE.scale, SPACE.experiments)


def test_counted_operations_are_the_known_ones():
    """A pass of the U-Net at 64 x 64 is 804 billion operations; the autoencoder's two halves 1.12 and 2.5 trillion."""
    count = cost.operations()
    assert count["unet"] == pytest.approx(804e9, rel=0.01)
    assert count["encode"] == pytest.approx(1.12e12, rel=0.03)
    assert count["decode"] == pytest.approx(2.5e12, rel=0.03)
    assert count["text"] < 0.1 * count["unet"]


def test_a_training_is_counted_by_its_images():
    images = 30_000 * 256
    count = cost.operations()
    assert cost.training(*SETTINGS, "finetune_f") == images * (3 * count["unet"] + count["text"])
    assert cost.training(*SETTINGS, "finetune_l") == 2 * images * 3 * (count["unet"] + count["text"])
    assert cost.grounding(SPACE.scale, 10) == 10 * (40 * count["unet"] + count["text"])
    assert cost.generation(SPACE.scale, 1) == 152 * count["unet"] + count["decode"] + 2 * count["text"]


def test_the_paper_s_own_hours_come_out_again():
    """What the efficiency was taken from: 240 and 580 A100 hours, together."""
    plain, tuned = cost.efficiencies(*SETTINGS)
    hours = [cost.training(*SETTINGS, name) / (plain * cost.PEAKS["A100"]) / 3600 for name in cost.PAPER_HOURS]
    assert sum(hours) == pytest.approx(820)
    assert hours == pytest.approx([240, 580], rel=0.15)
    assert 0.05 < plain < 0.1 < 0.25 < tuned < 0.3


def test_the_table_adds_up():
    table = cost.table_of_cost(*SETTINGS).set_index("table")
    parts = table.drop("sum")
    for column in ("operations", "A100", "H100 tuned", "gigabytes", "trainings"):
        assert parts[column].sum() == pytest.approx(table.loc["sum", column])
    assert parts["trainings"].tolist() == [0, 6, 2, 0, 4, 4]
    main = 3 * sum(cost.training(*SETTINGS, name) for name in ("finetune_f", "finetune_l"))
    main += 7 * cost.grounding(SPACE.scale, 1133)
    assert parts["operations"].iloc[1] == pytest.approx(main)
    # Seven models (three trainings of F and L), both kinds of prompts, and three more images of 100 of each.
    images = 7 * (5005 + 1133 + 600)
    assert parts["operations"].iloc[3] == pytest.approx(cost.generation(SPACE.scale, images))
    # The foundation, and F and L after few steps and at the end.
    trained = sum(cost.training(*SETTINGS, name) for name in ("in_domain_f", "in_domain_l"))
    photographs = 3 * cost.grounding(SPACE.scale, 5000) + cost.generation(SPACE.scale, 5 * 5000)
    assert parts["operations"].iloc[2] == pytest.approx(trained + photographs)
    assert (parts["A100 tuned"] < parts["A100"]).all() and (parts["H100"] < parts["A100"]).all()


def test_what_is_kept_of_a_training():
    size = cost.parameters()
    # The model, its average, and weights after 10,000, 30,000 and 60,000 steps.
    learnable = size["unet"] + size["text_encoder"]
    assert cost.model_bytes(*SETTINGS, "finetune_l") == 4 * (sum(size.values()) + 4 * learnable)
    assert cost.model_bytes(*SETTINGS, "finetune_f") == 4 * (sum(size.values()) + 3 * size["unet"])
