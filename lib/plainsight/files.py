"""Files and folders that are whole or absent."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from shutil import disk_usage

from plainsight.errors import InputError

FULL = 2**20
"""Free bytes below which a disk counts as full where a failed writer does not say why it failed."""


@contextlib.contextmanager
def atomic(path: Path | str) -> Iterator[Path]:
    """Yield a temporary sibling of ``path`` to write a file or a folder to; on success it becomes ``path``.

    The sibling lies in the same folder (made if missing) and has the same suffix, because many writers choose
    the format by it. An existing file or folder at ``path`` is replaced. After an exception the sibling is
    removed and ``path`` is as it was. A block that wrote nothing leaves ``path`` untouched and raises
    FileNotFoundError.

    Raises:
        InputError: the disk is full, or the folder cannot be made or written to.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}.partial{path.suffix}")
    writable_folder(path)
    try:
        yield temporary
        _replace(temporary, path)
    except InputError:
        raise
    except Exception as error:
        if is_full(error, path.parent):
            raise InputError(f"{path}: the disk is full; free some space and run again") from error
        raise
    finally:
        _remove(temporary)


def writable_folder(path: Path) -> None:
    """Make the folder that ``path`` is to lie in; InputError where that, or writing to it, is not possible."""
    folder = path.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if is_full(error, folder):
            raise InputError(f"{path}: the disk is full; free some space and run again") from None
        reason = (
            "a file lies in its way" if isinstance(error, (FileExistsError, NotADirectoryError)) else error.strerror
        )
        raise InputError(f"{path}: its folder cannot be made ({reason}); choose another place") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"{path}: its folder cannot be written to; allow it or choose another place")


def is_full(error: Exception, folder: Path) -> bool:
    """Whether ``error`` came of a full disk: torch and safetensors raise no OSError, torch not even says why."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    silent = isinstance(error, RuntimeError) and disk_usage(folder).free < FULL
    return silent or "No space left on device" in str(error)


def _replace(source: Path, target: Path) -> None:
    """Rename ``source`` onto ``target``; a folder cannot be renamed onto a full one, so the old one steps aside."""
    if not target.is_dir():
        source.replace(target)
        return
    source.lstat()  # the old folder must stay where nothing replaces it
    aside = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.old")
    target.replace(aside)
    source.replace(target)
    shutil.rmtree(aside)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
