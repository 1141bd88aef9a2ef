"""Fetching open data sets from a server on this machine: verified, resumed, unpacked inside the folder alone."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from plainsight.data import fetch
from plainsight.data.manifests import File, Manifest
from plainsight.errors import InputError


class Server(ThreadingHTTPServer):
    """Serves ``files`` by name; understands ranges; breaks off after ``cut`` bytes of an answer where that is set."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.cut = 0
        self.asked: list[str] = []

    def url(self, name):
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        raw = self.server.files.get(self.path[1:])
        wanted = self.headers.get("Range", "")
        self.server.asked.append(wanted)
        if raw is None:
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-") or 0)
        if wanted and start >= len(raw):
            self.send_error(416)
            return
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(raw) - start))
        self.end_headers()
        end = start + self.server.cut if self.server.cut else len(raw)
        self.wfile.write(raw[start:end])

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def zipped(**members):
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        for name, text in members.items():
            archive.writestr(name.replace("__", "/"), text)
    return raw.getvalue()


def manifest(server, raw, name="a.zip", digest="right", access="open"):
    server.files[name] = raw
    sums = {"right": hashlib.sha256(raw).hexdigest(), "wrong": "0" * 64, "unknown": None}
    return Manifest(
        "a", "A", "https://example.org", access, (File(name, server.url(name), len(raw), sums[digest], None),)
    )


@pytest.mark.parametrize(
    ("digest", "said"), [("right", "fetched, 2 files"), ("unknown", "(no checksum is known), 2 files")]
)
def test_an_archive_is_fetched_unpacked_and_deleted(server, tmp_path, digest, said):
    wanted = manifest(server, zipped(x__1="one", y="two"), digest=digest)
    assert said in fetch.fetch(wanted, tmp_path)[0]
    assert (tmp_path / "x" / "1").read_text() == "one" and (tmp_path / "y").read_text() == "two"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip.unpacked", "x", "y"]
    asked = len(server.asked)
    done = "a.zip: was unpacked before; to fetch it again, delete a.zip.unpacked"
    assert fetch.fetch(wanted, tmp_path) == [done] and len(server.asked) == asked


def test_md5_will_do_where_that_is_what_is_known(server, tmp_path):
    raw = zipped(x="one")
    server.files["a.zip"] = raw
    for digest, right in (("0" * 32, False), (hashlib.md5(raw).hexdigest(), True)):
        wanted = Manifest("a", "A", "u", "open", (File("a.zip", server.url("a.zip"), None, None, digest),))
        if right:
            assert "1 files unpacked" in fetch.fetch(wanted, tmp_path)[0]
        else:
            with pytest.raises(InputError, match="its checksum differs"):
                fetch.fetch(wanted, tmp_path)


def test_a_download_that_breaks_off_goes_on_where_it_stopped(server, tmp_path):
    raw = zipped(x="one" * fetch.CHUNK)
    wanted = manifest(server, raw)
    server.cut = fetch.CHUNK + 100
    for _ in range(2):
        with pytest.raises(InputError, match=r"the download broke off .*; run the same command again to go on"):
            fetch.fetch(wanted, tmp_path)
    part = tmp_path / "a.zip.part"
    assert part.read_bytes() == raw[: 2 * fetch.CHUNK]
    server.cut = 0
    fetch.fetch(wanted, tmp_path)
    assert server.asked == ["", f"bytes={fetch.CHUNK}-", f"bytes={2 * fetch.CHUNK}-"]
    assert (tmp_path / "x").read_text() == "one" * fetch.CHUNK and not part.exists()


def test_all_of_it_had_come_before(server, tmp_path):
    raw = zipped(x="one")
    (tmp_path / "a.zip.part").write_bytes(raw)
    fetch.fetch(manifest(server, raw), tmp_path)
    assert (tmp_path / "x").read_text() == "one"


def test_another_file_is_refused_and_not_gone_on_with(server, tmp_path):
    wanted = manifest(server, zipped(x="one"), digest="wrong")
    with pytest.raises(InputError, match="is not the file that the manifest states: its checksum differs"):
        fetch.fetch(wanted, tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_is_not_there_or_not_reachable(server, tmp_path):
    wanted = manifest(server, b"")
    server.files.clear()
    with pytest.raises(InputError, match=r"the download broke off \(HTTPError\)"):
        fetch.fetch(wanted, tmp_path)
    nobody = Manifest("a", "A", "u", "open", (File("a.zip", "http://127.0.0.1:9/a.zip", None, None, None),))
    with pytest.raises(InputError, match=r"the download broke off \(ConnectionError\)"):
        fetch.fetch(nobody, tmp_path)


@pytest.mark.parametrize(
    ("access", "message"),
    [
        (
            "credentialed: account and agreement",
            "a is not open and never fetched (account and agreement): get access at",
        ),
        ("package: torchxrayvision", "a travels inside the package torchxrayvision: nothing to fetch"),
    ],
)
def test_gated_sets_are_never_fetched(server, tmp_path, access, message):
    with pytest.raises(InputError) as caught:
        fetch.fetch(manifest(server, zipped(x="one"), access=access), tmp_path)
    assert message in str(caught.value) and "data_manifests/a/README.md" in str(caught.value)
    assert not server.asked and not list(tmp_path.iterdir())


def tarred(*members):
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as archive:
        for name, kind in members:
            member = tarfile.TarInfo(name)
            member.type, member.size, member.linkname = kind, 3 * (kind == tarfile.REGTYPE), "/etc/passwd"
            archive.addfile(member, io.BytesIO(b"one"))
    return raw.getvalue()


def test_tar_archives_too(tmp_path):
    (tmp_path / "a.tar.gz").write_bytes(tarred(("images", tarfile.DIRTYPE), ("images/1.png", tarfile.REGTYPE)))
    assert fetch.unpack(tmp_path / "a.tar.gz", tmp_path) == 1
    assert (tmp_path / "images" / "1.png").read_bytes() == b"one"


@pytest.mark.parametrize("name", ["../out", "/tmp/out", "a/../../out", "C:/out", "..\\out"])
def test_nothing_is_written_outside_of_the_folder(tmp_path, name):
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "a.zip").write_bytes(zipped(**{"ok": "fine", name: "bad"}))
    (inside / "a.tar.gz").write_bytes(tarred((name, tarfile.REGTYPE)))
    for archive in ("a.zip", "a.tar.gz"):
        with pytest.raises(InputError, match="would be written outside of"):
            fetch.unpack(inside / archive, inside)
    assert [path.name for path in tmp_path.iterdir()] == ["inside"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_are_refused(tmp_path, kind):
    (tmp_path / "a.tar.gz").write_bytes(tarred(("images/1.png", kind)))
    with pytest.raises(InputError, match="holds a link"):
        fetch.unpack(tmp_path / "a.tar.gz", tmp_path)


def test_damaged_archives_and_unpacking_that_goes_on(tmp_path):
    raw = zipped(x="one", y="two")
    encrypted = raw.replace(b"PK\x03\x04\x14\x00\x00", b"PK\x03\x04\x14\x00\x01").replace(
        b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01"
    )
    assert encrypted != raw
    for name, damaged in (
        ("a.zip", raw[:-30]),
        ("a.zip", encrypted),
        ("a.tar.gz", tarred(("a", tarfile.REGTYPE))[:40]),
    ):
        (tmp_path / name).write_bytes(damaged)
        with pytest.raises(InputError, match="is damaged"):
            fetch.unpack(tmp_path / name, tmp_path)
    (tmp_path / "a.zip").write_bytes(raw)
    (tmp_path / "x").write_text("ONE")  # same size: taken for what an earlier run unpacked
    (tmp_path / "y").write_text("t")
    assert fetch.unpack(tmp_path / "a.zip", tmp_path) == 2
    assert (tmp_path / "x").read_text() == "ONE" and (tmp_path / "y").read_text() == "two"


def test_an_address_that_leads_away_from_https_is_refused(tmp_path, monkeypatch):
    def led_away(url, **_):
        answer = requests.Response()
        answer.url, answer.status_code, answer.raw = "http://mirror/a.zip", 200, io.BytesIO(b"bytes")
        return answer

    monkeypatch.setattr(requests, "get", led_away)
    with pytest.raises(InputError, match=r"https://a/a\.zip: leads to an address without https"):
        fetch.resume("https://a/a.zip", tmp_path / "a.zip", tmp_path / "a.zip.part")
    assert not list(tmp_path.iterdir())
