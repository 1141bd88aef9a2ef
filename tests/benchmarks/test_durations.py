"""The measured durations: a job's place tells its rule, and every rule of the toy scale is among those measured."""

from __future__ import annotations

from pathlib import Path

import durations
import pytest


@pytest.mark.parametrize(
    ("place", "rule"),
    [
        ("phantom/notebooks/steps/prepare.tsv", "prepare"),
        ("phantom/notebooks/steps/train/finetune_l_seed0_first_look.tsv", "train"),
        (
            "nih/notebooks/steps/ground/finetune_l_seed2_boxes_equal_steps.tsv",
            "ground_nih_finetune_l_boxes_equal_steps",
        ),
        ("phantom/notebooks/steps/words/finetune_f_seed1.tsv", "words_phantom_finetune_f"),
        ("phantom/notebooks/steps/generate/finetune_l_then_f_raw_seed0.tsv", "generate_phantom_finetune_l_then_f"),
        ("scenes/notebooks/steps/generate/in_domain_f_step250_seed0.tsv", "generate_scenes_in_domain_f_step250"),
        ("phantom/notebooks/beyond/2_quality_and_grounding.tsv", "beyond_2_quality_and_grounding_phantom"),
    ],
)
def test_a_job_s_place_names_its_rule(place, rule):
    assert durations.rule_of(Path(place)) == rule
