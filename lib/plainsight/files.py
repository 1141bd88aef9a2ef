"""Files and folders that are whole or absent."""

from __future__ import annotations

import contextlib
import errno
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from plainsight.errors import InputError


@contextlib.contextmanager
def atomic(path: Path | str) -> Iterator[Path]:
    """Yield a temporary sibling of ``path`` to write a file or a folder to; on success it becomes ``path``.

    The sibling lies in the same folder (made if missing) and has the same suffix, because many writers choose
    the format by it. An existing file or folder at ``path`` is replaced. After an exception the sibling is
    removed and ``path`` is as it was. A block that wrote nothing leaves ``path`` untouched and raises
    FileNotFoundError.

    Raises:
        InputError: the disk is full.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}.partial{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _replace(temporary, path)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InputError(f"{path}: the disk is full; free some space and run again") from error
        raise
    finally:
        _remove(temporary)


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
