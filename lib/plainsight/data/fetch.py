"""Fetching the files of open data sets: verified where a checksum is known, resumed where a download broke off."""

from __future__ import annotations

import logging
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pooch
import requests
from tqdm import tqdm

from plainsight.data.manifests import File, Manifest
from plainsight.errors import InputError
from plainsight.files import writable_folder

ARCHIVES = (".zip", ".tar.gz", ".tgz")
TIMEOUT = 60
"""Seconds without a byte after which a download counts as broken off."""
CHUNK = 2**16
"""Bytes; what came of a broken-off chunk is lost."""


def fetch(manifest: Manifest, folder: Path) -> list[str]:
    """Fetch every file of an open data set into ``folder`` and unpack archives there; what was done, a line a file.

    What is there already and is what it should be is left as it is.

    Raises:
        InputError: the data set is not open, with where to get it; no connection; a file that is not what the manifest
            says; an archive that is damaged or would write outside of ``folder``; a full disk.
    """
    if manifest.access != "open":
        raise InputError(_how_to_get(manifest))
    return [f"{file.name}: {_fetch(file, folder)}" for file in manifest.files if file.name.endswith(ARCHIVES)]


def _how_to_get(manifest: Manifest) -> str:
    kind, _, what = manifest.access.partition(": ")
    readme = f"see data_manifests/{manifest.name}/README.md"
    if kind == "package":
        return f"{manifest.name} travels inside the package {what}: nothing to fetch; {readme}"
    return f"{manifest.name} is not open and never fetched ({what}): get access at {manifest.url}; {readme}"


def _fetch(file: File, folder: Path) -> str:
    path = folder / file.name
    writable_folder(path)
    known = f"sha256:{file.sha256}" if file.sha256 else f"md5:{file.md5}" if file.md5 else None
    done = path.with_name(f"{path.name}.unpacked")
    if done.is_file():
        return f"was unpacked before; to fetch it again, delete {done.name}"
    try:
        pooch.get_logger().setLevel(logging.ERROR)
        pooch.retrieve(
            file.url,
            known,
            path.name,
            path.parent,
            downloader=lambda url, out, _: resume(url, Path(out), part_of(path)),
        )
        count = unpack(path, folder)
    except requests.RequestException as error:
        reason = type(error).__name__
        raise InputError(
            f"{file.url}: the download broke off ({reason}); run the same command again to go on"
        ) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); free some space and run it again") from None
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{file.url}: is not the file that the manifest states: its checksum differs") from None
    done.write_text("", encoding="utf-8")
    path.unlink()  # a copy of all that is in it would fill the disk
    return f"fetched{'' if known else ' (no checksum is known)'}, {count:,} files unpacked"


def part_of(path: Path) -> Path:
    """Where the bytes of a file that is under way are kept."""
    return path.with_name(f"{path.name}.part")


def resume(url: str, output: Path, part: Path) -> None:
    """Download to ``output`` by way of ``part``, where what came is kept, to be gone on with the next time.

    Raises requests.RequestException where the connection fails or breaks off, InputError where the address is one of
    https and leads to one that is not.
    """
    got = part.stat().st_size if part.is_file() else 0
    headers = {"Range": f"bytes={got}-"} if got else {}
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
        if url.startswith("https:") and not all(hop.url.startswith("https:") for hop in (*answer.history, answer)):
            raise InputError(f"{url}: leads to an address without https; not fetched")
        if answer.status_code != requests.codes.requested_range_not_satisfiable:  # else all of it had come
            answer.raise_for_status()
            got = got if answer.status_code == requests.codes.partial_content else 0
            total = got + int(answer.headers.get("Content-Length", 0))
            with (
                open(part, "ab" if got else "wb") as file,
                tqdm(total=total, initial=got, desc=part.stem, unit="B", unit_scale=True) as bar,
            ):
                for chunk in answer.iter_content(CHUNK):
                    file.write(chunk)
                    bar.update(len(chunk))
    shutil.move(part, output)


def unpack(archive: Path, folder: Path) -> int:
    """Unpack a zip or gzipped tar archive into ``folder``; the number of files in it.

    Files that are there in the same size are left as they are, so that an interrupted unpacking goes on.

    Raises:
        InputError: a damaged archive, or a member that is a link or would lie outside of ``folder``.
    """
    members = _zip_members if archive.suffix == ".zip" else _tar_members
    count = 0
    try:
        for name, size, opened in members(archive):
            place = PurePosixPath(name)
            if place.is_absolute() or ".." in place.parts or "\\" in name or ":" in name:
                raise InputError(f"{archive}: a member would be written outside of {folder}; delete the archive")
            target = folder / place
            count += 1
            if target.is_file() and target.stat().st_size == size:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with opened() as source, open(part_of(target), "wb") as file:
                shutil.copyfileobj(source, file)
            part_of(target).replace(target)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, RuntimeError) as error:
        raise InputError(
            f"{archive}: is damaged or encrypted ({type(error).__name__}); delete it and fetch it again"
        ) from None
    return count


def _zip_members(path: Path) -> Iterator[tuple]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if not member.is_dir():
                yield member.filename, member.file_size, lambda member=member: archive.open(member)


def _tar_members(path: Path) -> Iterator[tuple]:
    with tarfile.open(path, "r:gz") as archive:
        for member in archive:
            if member.isdir():
                continue
            if not member.isfile():
                raise InputError(f"{path}: holds a link; delete the archive")
            yield member.name, member.size, lambda member=member: archive.extractfile(member)
