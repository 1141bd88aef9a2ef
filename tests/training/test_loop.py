"""Batches, resuming and damaged checkpoints of the shared training loop."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from plainsight.errors import InputError
from plainsight.training.loop import batch_indices, run_steps, write_losses


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 40), batch_size=st.integers(1, 12), seed=st.integers(0, 5))
def test_every_epoch_shows_each_row_once(n, batch_size, seed):
    steps = -(-2 * n // batch_size)
    seen = np.concatenate([batch_indices(n, batch_size, step, seed, "test") for step in range(steps)])
    for epoch in range(2):
        assert sorted(seen[epoch * n : (epoch + 1) * n]) == list(range(n))


def test_epochs_and_seeds_differ_in_order():
    first, second = (batch_indices(50, 50, step, 0, "test") for step in (0, 1))
    assert list(first) != list(second)
    assert list(first) != list(batch_indices(50, 50, 0, 1, "test"))


class Interrupted(Exception):
    pass


def descend(checkpoint, stop_at=None, until=None):
    """Gradient descent with momentum on noisy targets; raises at step ``stop_at``."""
    layer = torch.nn.Linear(2, 1)
    torch.nn.init.ones_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.1)

    def step(index):
        if index == stop_at:
            raise Interrupted
        loss = (layer(torch.ones(2) * index) - 3).square().sum()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss.item()

    losses = run_steps(step, 9, {"layer": layer, "optimizer": optimizer}, checkpoint, 2, "test", until=until)
    return losses, layer.weight.detach().clone()


@pytest.mark.parametrize("until", [3, 4])
def test_a_run_stops_early_at_a_checkpoint_and_goes_on_from_it(tmp_path, until):
    losses, weight = descend(tmp_path / "whole.pt")
    first, early = descend(tmp_path / "parted.pt", until=until)
    assert first == losses[:until] and not torch.equal(early, weight)
    resumed_losses, resumed_weight = descend(tmp_path / "parted.pt")
    assert resumed_losses == losses and torch.equal(resumed_weight, weight)


def test_a_run_that_stops_early_takes_nothing_from_a_later_checkpoint(tmp_path):
    early = descend(tmp_path / "early.pt", until=3)
    with pytest.raises(Interrupted):
        descend(tmp_path / "late.pt", stop_at=7)
    again = descend(tmp_path / "late.pt", until=3)
    assert again[0] == early[0] and torch.equal(again[1], early[1])


def test_a_killed_run_continues_to_the_same_weights(tmp_path):
    losses, weight = descend(tmp_path / "whole.pt")
    with pytest.raises(Interrupted):
        descend(tmp_path / "killed.pt", stop_at=5)
    resumed_losses, resumed_weight = descend(tmp_path / "killed.pt")
    assert resumed_losses == losses
    assert torch.equal(resumed_weight, weight)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04broken"])
def test_a_damaged_checkpoint_is_named(tmp_path, content):
    checkpoint = tmp_path / "state.pt"
    checkpoint.write_bytes(content)
    with pytest.raises(InputError, match=r"state\.pt: the checkpoint cannot be resumed.*delete it") as caught:
        descend(checkpoint)
    assert "\n" not in str(caught.value)


def test_losses_are_written_from_step_one(tmp_path):
    write_losses(tmp_path, [0.5, 0.25])
    assert (tmp_path / "loss.csv").read_text() == "step,loss\n1,0.5\n2,0.25\n"
