"""download: files come whole and checked or an error tells how to get them by hand. The servers are local."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
import time
from dataclasses import FrozenInstanceError, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pooch
import pytest
import requests

from regnas_core import download
from regnas_core.download import RECORD, Source, fetch
from regnas_core.errors import CheckpointError

DATA = bytes(range(256)) * 1000
OTHER = b"other contents"
PAGE = b"<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title></head></html>"
SHA256 = "sha256:" + hashlib.sha256(DATA).hexdigest()
MD5 = "md5:" + hashlib.md5(DATA, usedforsecurity=False).hexdigest()


class Server(ThreadingHTTPServer):
    """Answers each request by the next of ``answers``, the last one for ever."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers, self.requests, self.over = ["file"], [], threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/download?id=a1&export=download&confirm=t"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self):
        answers = self.server.answers
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        self.server.requests.append(self.path)
        if isinstance(answer, int):
            return self.send_error(answer)
        if answer == "silence":
            return self.server.over.wait(10)
        if answer == "nothing":
            return self.connection.shutdown(socket.SHUT_RDWR)
        if answer == "moved":
            self.send_response(302)
            self.send_header("Location", "/elsewhere")
            return self.end_headers()
        body = {"html": b"\n" + PAGE, "other": OTHER}.get(answer, DATA)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if answer == "half" else body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(download, "PAUSES", (0.01, 0.01))
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.over.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def source(server) -> Source:
    return Source(server.url, "weights.pth", SHA256, "https://example.org/models")


def assert_failure(source: Source, folder: Path, reason: str) -> str:
    """The error tells what failed and what to do; nothing new lies in the folder."""
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    with pytest.raises(CheckpointError, match=reason) as caught:
        fetch(source, folder)
    message, path = str(caught.value), str(folder / source.file)
    assert "\n" not in message and message.count(path) == 2
    for part in (source.url, source.page, "in a browser", "path of your copy"):
        assert part in message
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before
    return message


def downloaded(folder: Path) -> list[str]:
    """What lies in the folder, the record of checksums and its lock left out."""
    return sorted(path.name for path in folder.iterdir() if RECORD not in path.name)


# ── success ──────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("known_hash", [SHA256, MD5, SHA256.upper().replace("SHA", "sha"), None])
def test_a_file_is_downloaded_once(server, source, tmp_path, known_hash):
    source, folder = replace(source, known_hash=known_hash), tmp_path / "new" / "folder"
    for _ in range(2):
        path = fetch(source, folder)
        assert path == folder / "weights.pth" and path.read_bytes() == DATA
    assert server.requests == ["/download?id=a1&export=download&confirm=t"]
    assert downloaded(folder) == ["weights.pth"] and (folder / RECORD).exists() == (known_hash is None)


def test_the_folder_may_be_a_string_and_the_file_lie_deeper(server, source, tmp_path):
    source = replace(source, file="supernets/weights.pth")
    assert fetch(source, str(tmp_path)) == tmp_path / "supernets" / "weights.pth"
    assert len(server.requests) == 1


def test_redirections_are_followed(server, source, tmp_path):
    server.answers = ["moved", "file"]
    assert fetch(source, tmp_path).read_bytes() == DATA
    assert server.requests[1:] == ["/elsewhere"]


def test_pooch_keeps_quiet_and_is_left_as_it_was(source, tmp_path):
    logger, told = pooch.get_logger(), []
    handler = SimpleNamespace(level=0, handle=told.append)
    logger.addHandler(handler)
    try:
        fetch(replace(source, known_hash=None), tmp_path)
        assert not told
        pooch.retrieve(source.url, None, "other.pth", tmp_path)
        assert told
    finally:
        logger.removeHandler(handler)


def test_a_source_is_fixed(source):
    with pytest.raises(FrozenInstanceError):
        source.url = "other"


# ── a file that lies there ───────────────────────────────────────────────────────────────────────
def test_a_file_put_there_by_hand_is_taken_without_a_network(tmp_path, monkeypatch):
    monkeypatch.setattr(requests, "get", None)
    (tmp_path / "weights.pth").write_bytes(DATA)
    for known_hash in (SHA256, MD5, None):
        assert fetch(Source("http://unused", "weights.pth", known_hash), tmp_path).read_bytes() == DATA


@pytest.mark.parametrize("there", [OTHER, DATA[:-1], b"", PAGE])
def test_a_file_of_another_checksum_is_replaced(server, source, tmp_path, there):
    (tmp_path / "weights.pth").write_bytes(there)
    assert fetch(source, tmp_path).read_bytes() == DATA
    assert len(server.requests) == 1


def test_a_file_of_another_checksum_stays_when_no_better_one_comes(server, source, tmp_path):
    (tmp_path / "weights.pth").write_bytes(OTHER[:-1])
    for answer in (404, "other", "html", "half"):
        server.answers = [answer]
        assert "has another checksum than it should" in assert_failure(source, tmp_path, "failed")


def test_a_web_page_that_lies_there_goes_even_without_a_checksum(server, source, tmp_path):
    source = replace(source, known_hash=None)
    (tmp_path / "weights.pth").write_bytes(PAGE)
    assert fetch(source, tmp_path).read_bytes() == DATA
    (tmp_path / "weights.pth").write_bytes(PAGE)
    server.answers = [404]
    with pytest.raises(CheckpointError, match="is missing"):
        fetch(source, tmp_path)
    assert not downloaded(tmp_path)


# ── a file whose publisher tells no checksum ─────────────────────────────────────────────────────
@pytest.fixture
def unknown(source) -> Source:
    return replace(source, known_hash=None)


def test_its_checksum_is_recorded_at_the_first_use_and_that_is_said(unknown, tmp_path, caplog):
    (tmp_path / RECORD).write_text('{"other.pth": "ab"}')
    for _ in range(2):
        fetch(unknown, tmp_path)
    (said,) = caplog.messages
    digest = hashlib.sha256(DATA).hexdigest()
    assert "weights.pth" in said and digest in said and str(tmp_path / RECORD) in said and "\n" not in said
    assert json.loads((tmp_path / RECORD).read_text()) == {"other.pth": "ab", "weights.pth": digest}


def test_a_file_that_changed_since_is_refused(unknown, tmp_path):
    path = fetch(unknown, tmp_path)
    recorded = (tmp_path / RECORD).read_text()
    path.write_bytes(OTHER)
    with pytest.raises(CheckpointError, match="another file than at its first use") as caught:
        fetch(unknown, tmp_path)
    message = str(caught.value)
    assert message.startswith(str(path)) and f"remove its line from {tmp_path / RECORD}" in message
    for content in (DATA, OTHER):  # expected, and found
        assert hashlib.sha256(content).hexdigest() in message
    assert path.read_bytes() == OTHER and (tmp_path / RECORD).read_text() == recorded
    path.unlink()
    assert fetch(unknown, tmp_path).read_bytes() == DATA  # downloaded again, and the same


def test_a_publishers_other_file_is_taken_only_when_that_is_meant(server, unknown, tmp_path):
    fetch(unknown, tmp_path).unlink()
    server.answers = ["other"]
    with pytest.raises(CheckpointError, match="another file than at its first use"):
        fetch(unknown, tmp_path)
    (tmp_path / RECORD).write_text("{}")
    assert fetch(unknown, tmp_path).read_bytes() == OTHER


def test_of_a_folder_that_is_read_only_checksums_lie_in_the_cache(unknown, tmp_path, monkeypatch):
    folder, cache = tmp_path / "data", tmp_path / "cache"
    path = fetch(replace(unknown, known_hash=SHA256), folder)
    monkeypatch.setattr(download.os, "access", lambda *_: False)
    monkeypatch.setattr(download, "cache_root", lambda folder: cache)
    fetch(unknown, folder)
    assert [p.name for p in folder.iterdir()] == ["weights.pth"] and (cache / RECORD).is_file()
    path.write_bytes(OTHER)
    with pytest.raises(CheckpointError, match="another file than at its first use"):
        fetch(unknown, folder)


@pytest.mark.parametrize("junk", [b"", b"\xff", b"[1]", b'{"weights.pth": 1}', b'{"weights.pth": "ab"'])
def test_a_damaged_record_is_named_with_what_to_do(unknown, tmp_path, junk):
    (tmp_path / RECORD).write_bytes(junk)
    with pytest.raises(CheckpointError, match=rf"{RECORD} cannot be read \(.*Remove it"):
        fetch(unknown, tmp_path)
    assert (tmp_path / RECORD).read_bytes() == junk


# ── failure ──────────────────────────────────────────────────────────────────────────────────────
def test_another_checksum(server, source, tmp_path):
    server.answers = ["other"]
    for known_hash in (SHA256, MD5):
        message = assert_failure(replace(source, known_hash=known_hash), tmp_path, "does not match")
        assert known_hash in message and "is missing" in message
    assert len(server.requests) == 2  # it would be the same the next time


@pytest.mark.parametrize("known_hash", [SHA256, None])
def test_a_web_page_in_place_of_the_file(server, source, tmp_path, known_hash):
    server.answers = ["html"]
    assert_failure(replace(source, known_hash=known_hash), tmp_path, "failed: a web page came.*Google Drive")
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [403, 404, 503])
def test_an_http_error(server, source, tmp_path, status):
    server.answers = [status]
    assert_failure(source, tmp_path, f"failed: the server answered {status} [A-Z]")
    assert len(server.requests) == 1


def test_a_closed_port_fails_at_once(source, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "PAUSES", (60.0,))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{free.getsockname()[1]}"
        start = time.perf_counter()
        assert_failure(
            replace(source, url=f"http://{host}/file"), tmp_path, f"failed: no connection to {host} \\("
        )
    assert time.perf_counter() - start < 5


def test_no_network_fails_at_once(source, tmp_path, monkeypatch):
    def offline(*args, **kwargs):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(download, "PAUSES", (60.0,))
    monkeypatch.setattr(socket, "getaddrinfo", offline)
    source = replace(source, url="https://drive.usercontent.google.com/download?id=a1")
    assert_failure(source, tmp_path, r"failed: no connection to drive\.usercontent\.google\.com \(")


def test_the_error_names_the_url_where_there_is_no_page(source, tmp_path, server):
    server.answers = [404]
    with pytest.raises(CheckpointError, match="Open http://127") as caught:
        fetch(replace(source, page=""), tmp_path)
    assert str(caught.value).count(source.url) == 2


@pytest.mark.parametrize("fault", ["half", "nothing"])
def test_an_interrupted_transfer_is_tried_again(server, source, tmp_path, fault):
    for known_hash in (SHA256, None):
        server.answers, server.requests[:] = [fault, fault, "file"], []
        folder = tmp_path / str(known_hash is None)
        assert fetch(replace(source, known_hash=known_hash), folder).read_bytes() == DATA
        assert len(server.requests) == 3 and downloaded(folder) == ["weights.pth"]


@pytest.mark.parametrize("fault", ["half", "nothing"])
def test_attempts_are_bounded(server, source, tmp_path, fault):
    server.answers = [fault]
    assert_failure(source, tmp_path, "failed: the connection broke off 3 times")
    assert len(server.requests) == 3


def test_a_server_that_falls_silent(server, source, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", (5, 0.1))
    server.answers, start = ["silence"], time.perf_counter()
    assert_failure(source, tmp_path, "failed: the connection broke off 3 times")
    assert time.perf_counter() - start < 5


def test_the_shipped_limits_are_short():
    connect, _ = download.TIMEOUT
    assert connect <= 10 and len(download.PAUSES) <= 3 and sum(download.PAUSES) < 5


def test_an_unusable_folder_or_url(source, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CheckpointError, match="in a browser"):
        fetch(source, tmp_path / "file")
    assert_failure(replace(source, url="no-url"), tmp_path, "failed: .*no-url")
