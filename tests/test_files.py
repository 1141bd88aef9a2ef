"""Files and folders are whole or absent."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap

import pytest

from plainsight.errors import InputError
from plainsight.files import atomic


def test_writes_and_leaves_nothing_else(tmp_path):
    target = tmp_path / "deep" / "table.csv"
    with atomic(target) as temporary:
        assert temporary.parent == target.parent and temporary.suffix == ".csv"
        temporary.write_text("a")
        assert not target.exists()
    assert target.read_text() == "a"
    assert os.listdir(target.parent) == ["table.csv"]


def test_replaces_a_file(tmp_path):
    target = tmp_path / "table.csv"
    target.write_text("old")
    with atomic(target) as temporary:
        temporary.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"


def test_replaces_a_full_folder(tmp_path):
    target = tmp_path / "model"
    target.mkdir()
    (target / "stale").write_text("old")
    with atomic(target) as temporary:
        temporary.mkdir()
        (temporary / "weights").write_text("new")
    assert os.listdir(tmp_path) == ["model"]
    assert os.listdir(target) == ["weights"]


@pytest.mark.parametrize("folder", [False, True])
def test_after_an_exception_all_is_as_it_was(tmp_path, folder):
    target = tmp_path / "thing"
    target.write_text("old")

    def fail():
        with atomic(target) as temporary:
            if folder:
                temporary.mkdir()
                (temporary / "part").write_text("half")
            else:
                temporary.write_text("half")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert os.listdir(tmp_path) == ["thing"]
    assert target.read_text() == "old"


@pytest.mark.parametrize("folder", [False, True])
def test_writing_nothing_is_an_error_and_keeps_the_old(tmp_path, folder):
    target = tmp_path / "thing"
    target.mkdir() if folder else target.write_text("old")
    with pytest.raises(FileNotFoundError), atomic(target):
        pass
    assert os.listdir(tmp_path) == ["thing"]


def test_full_disk_is_named_in_one_line(tmp_path):
    target = tmp_path / "scores.parquet"
    with pytest.raises(InputError, match=r"scores\.parquet: the disk is full") as caught, atomic(target) as temporary:
        temporary.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert "\n" not in str(caught.value)
    assert os.listdir(tmp_path) == []


def test_a_real_full_device_is_named(tmp_path):
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full on this system")
    with pytest.raises(InputError, match="the disk is full"), atomic(tmp_path / "x") as temporary:
        temporary.symlink_to("/dev/full")
        temporary.write_text("a")
    assert os.listdir(tmp_path) == []


def test_other_errors_pass_unchanged(tmp_path):
    with pytest.raises(PermissionError), atomic(tmp_path / "x"):
        raise PermissionError(errno.EACCES, "not yours")


def test_killed_while_writing_leaves_the_old_file(tmp_path):
    target = tmp_path / "table.csv"
    target.write_text("old")
    code = f"""
        import os, signal
        from plainsight.files import atomic
        with atomic({str(target)!r}) as temporary:
            temporary.write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
    """
    result = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)
    assert result.returncode == -signal.SIGKILL
    assert target.read_text() == "old"
