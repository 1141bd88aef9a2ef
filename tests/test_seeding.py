"""Generators depend on the seed and the purpose, and on nothing else."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from plainsight.seeding import numpy_generator, torch_generator

PURPOSES = st.lists(st.one_of(st.text(max_size=8), st.integers(-5, 5)), max_size=4)


def test_is_the_sha256_of_its_json():
    digest = hashlib.sha256(b'[7, "phantom", "train", 3]').digest()
    expected = np.random.default_rng(int.from_bytes(digest, "big")).random(4)
    np.testing.assert_array_equal(numpy_generator(7, "phantom", "train", 3).random(4), expected)
    assert torch_generator(7, "phantom", "train", 3).initial_seed() == int.from_bytes(digest[:8], "big")


@given(PURPOSES, PURPOSES)
def test_same_purpose_same_draws_else_others(a, b):
    draws = [numpy_generator(0, *purpose).integers(2**62) for purpose in (a, b)]
    assert (draws[0] == draws[1]) == (a == b)


def test_look_alikes_are_apart():
    purposes = [("a", "b"), ("ab",), ("a,b",), ("a", 1), ("a", "1"), ("a",), (), ('a", "b',)]
    draws = {int(numpy_generator(0, *p).integers(2**62)) for p in purposes}
    draws |= {int(numpy_generator(1, *p).integers(2**62)) for p in purposes}
    assert len(draws) == 2 * len(purposes)


def test_order_and_splitting_of_work_change_nothing():
    whole = [numpy_generator(0, "noise", step).standard_normal() for step in range(6)]
    second_half_first = {step: numpy_generator(0, "noise", step).standard_normal() for step in (3, 4, 5, 0, 1, 2)}
    assert whole == [second_half_first[step] for step in range(6)]


def test_torch_generators_repeat():
    import torch

    first, again = (torch.randn(5, generator=torch_generator(3, "noise", 1)) for _ in range(2))
    other = torch.randn(5, generator=torch_generator(3, "noise", 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_does_not_import_torch_until_asked():
    code = "import sys, plainsight.seeding as s; s.numpy_generator(0, 'a'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
