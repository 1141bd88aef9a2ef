"""The whole graph at scale smoke, made once for all tests that start from it."""

from __future__ import annotations

import subprocess

import pytest

from smoke_run import PATIENCE, clone, command


@pytest.fixture(scope="session")
def checkout(tmp_path_factory):
    """A copy of the checkout without results, as a fresh clone is."""
    return clone(tmp_path_factory.mktemp("clone"))


@pytest.fixture(scope="session")
def whole(checkout):
    """The output of a run from nothing to the last notebook."""
    result = subprocess.run(**command(checkout), timeout=PATIENCE)
    assert result.returncode == 0, result.stdout[-5000:]
    return result.stdout
