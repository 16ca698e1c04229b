"""A real server on 127.0.0.1 that can be told to fail, and a small data set that it has."""

from __future__ import annotations

import hashlib
import io
import socket
import ssl
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from recae.datasets import downloads, locations
from recae.datasets.catalogue import DATASETS, Dataset, Remote

RATINGS = "userId,movieId,rating,timestamp\n1,10,4.5,100\n2,10,0.5,101\n"


def make_zip(members: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


GOOD = make_zip({"tiny/ratings.csv": RATINGS, "tiny/movies.csv": "movieId,title,genres\n10,X (1999),Drama\n"})


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves `files` by path; `faults` are the ways in which the next answers go wrong, first ones first.

    A connection that begins a TLS handshake gets `tls`: 'garbage', or an untrusted certificate.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.faults: list[str] = []
        self.requests: list[str] = []
        self.tls: str | ssl.SSLContext = "garbage"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def finish_request(self, request: Any, client_address: Any) -> None:
        if request.recv(1, socket.MSG_PEEK) == b"\x16":  # the first byte of a TLS handshake
            if isinstance(self.tls, str):
                request.sendall(b"this is no TLS\r\n")
                return
            request = self.tls.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is part of the play."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        fault = self.server.faults.pop(0) if self.server.faults else ""
        content = self.server.files.get(self.path)
        if content is None or fault.isdigit():
            self.send_error(int(fault or 404))
            return
        if fault.startswith("to "):
            self.send_response(302)
            self.send_header("Location", fault[3:])
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        length = {"shorter": len(content) // 2, "longer": 2 * len(content), "negative": -5}.get(fault, len(content))
        self.send_header("Content-Length", str(length))
        self.end_headers()
        if fault == "truncate":
            content = content[: len(content) // 2]
        if fault == "damage":
            content = content[:-1] + bytes([content[-1] ^ 1])
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


def serving() -> Iterator[Server]:
    """A server that runs during one test; a test module makes it its fixture `server`."""
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def tiny_in_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Server) -> Path:
    """A cache of the test's own, and 'tiny', a data set of one archive that `server` has; the fixture `cache`."""
    folder = tmp_path / "cache"
    remote = Remote("tiny.zip", (f"{server.url}/tiny.zip",), md5(GOOD))
    tiny = Dataset("tiny", "a test's", "ratings", (remote,), "tiny", ("ratings.csv", "movies.csv"), 2, 0.1, "none")
    monkeypatch.setitem(DATASETS, "tiny", tiny)
    monkeypatch.setattr(locations, "cache_dir", lambda: folder)
    monkeypatch.setattr(downloads, "PAUSE", 0.0)
    for name in ("RECAE_DATA_DIR", "RECAE_MIRROR", "REQUESTS_CA_BUNDLE", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.chdir(tmp_path)
    server.files["/tiny.zip"] = GOOD
    return folder


def republish(monkeypatch: pytest.MonkeyPatch, content: bytes | None, urls: tuple[str, ...]) -> None:
    """Change what the catalogue says of 'tiny': its hash (None: not pinned) and its addresses."""
    remote = Remote("tiny.zip", urls, None if content is None else md5(content))
    monkeypatch.setitem(DATASETS, "tiny", Dataset("tiny", "", "ratings", (remote,), "tiny", ("ratings.csv",)))


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*")) if folder.exists() else []
