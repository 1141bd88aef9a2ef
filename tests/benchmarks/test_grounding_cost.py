"""Grounding stays within its share of memory, and needs no more of it for more steps."""

import grounding_cost


def test_memory_stays_within_its_share_and_does_not_grow_with_the_steps():
    bare, two_steps = grounding_cost.prepare("toy", "cpu", batches=2)
    _, eight_steps = grounding_cost.prepare("toy", "cpu", batches=8)
    memory = [grounding_cost.peak_megabytes(run, "cpu") for run in (bare, two_steps, eight_steps)]
    assert memory[1] < grounding_cost.LIMITS["memory_ratio"] * memory[0]
    assert memory[2] < 1.02 * memory[1]
