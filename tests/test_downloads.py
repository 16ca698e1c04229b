"""The downloader against real servers on 127.0.0.1: right, truncated, wrong, missing, and broken TLS."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from download_toys import GOOD, Server, left_in, make_zip, md5, republish, serving, tiny_in_reach

from recae.datasets import downloads
from recae.datasets.catalogue import DATASETS, Remote
from recae.errors import DatasetNotFoundError, DownloadError
from recae.loaders import fetch, load, load_mnist

server = pytest.fixture(serving)
cache = pytest.fixture(tiny_in_reach)


def test_a_download_is_verified_unpacked_and_used(
    cache: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    """The right file is fetched once, with a progress bar on stderr, unpacked and loaded; the archive is not kept."""
    matrix = load("tiny")
    assert matrix.n_ratings == 2
    assert matrix.item_table is not None
    assert left_in(cache) == ["movies.csv", "ratings.csv", "tiny"]
    out, err = capsys.readouterr()
    assert out == ""
    assert "100%" in err
    assert fetch("tiny") == cache / "tiny"
    assert server.requests == ["/tiny.zip"]


def test_no_progress_where_none_is_wanted(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """progress=False prints nothing at all."""
    fetch("tiny", progress=False)
    assert capsys.readouterr() == ("", "")


def test_data_dir_and_environment_decide_where_to(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A download goes to data_dir if given, else to RECAE_DATA_DIR, and the cache stays away."""
    assert fetch("tiny", tmp_path / "given") == tmp_path / "given" / "tiny"
    monkeypatch.setenv("RECAE_DATA_DIR", str(tmp_path / "env"))
    assert fetch("tiny") == tmp_path / "env" / "tiny"
    assert not cache.exists()


@pytest.mark.parametrize("fault", ["truncate", "damage", "503"])
def test_a_broken_transfer_is_started_again(
    cache: Path, server: Server, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    """A server that closes early, sends a wrong byte or is busy for a moment is asked again, and that is said."""
    server.faults = [fault, fault]
    assert load("tiny").n_ratings == 2
    assert server.requests == ["/tiny.zip"] * 3
    assert "starting again (2 of 3)" in caplog.text


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("truncate", "IncompleteRead.*bytes"),
        ("damage", "not the published file .MD5 [0-9a-f]{32}, expected"),
        ("500", "500"),
        ("shorter", "not the published file"),
        ("longer", "IncompleteRead"),
        ("to file:///etc/passwd", "No connection adapters|Invalid URL"),
    ],
)
def test_a_transfer_that_stays_broken(cache: Path, server: Server, fault: str, message: str) -> None:
    """After three attempts it is given up with the reason, the address and the remedy; nothing half-written stays."""
    server.faults = [fault] * 3
    with pytest.raises(DownloadError, match=message) as caught:
        load("tiny")
    assert "\n" not in str(caught.value)
    for part in (f"{server.url}/tiny.zip", str(cache), "by hand", "RECAE_DATA_DIR"):
        assert part in str(caught.value)
    assert len(server.requests) == 3
    assert left_in(cache) == []


def test_redirects_without_end(cache: Path, server: Server) -> None:
    """A server that sends the client round and round is given up, and nothing stays."""
    server.faults = ["to /tiny.zip"] * 1000
    with pytest.raises(DownloadError, match="redirects"):
        load("tiny")
    assert len(server.requests) < 200
    assert left_in(cache) == []


def test_a_hash_file_without_end(cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a .md5 file only its beginning is read: the rest cannot fill memory."""
    republish(monkeypatch, None, (f"{server.url}/tiny.zip",))
    server.files["/tiny.zip.md5"] = b"x" * (1 << 20) + md5(GOOD).encode()
    with pytest.raises(DownloadError, match=r"tiny.zip.md5 holds no MD5"):
        fetch("tiny", progress=False)


def test_a_file_that_is_not_there(cache: Path, server: Server) -> None:
    """A 404 is reported at once: asking again would not help."""
    server.files.clear()
    with pytest.raises(DownloadError, match=r"the server answered 404 Not Found"):
        load("tiny")
    assert len(server.requests) == 1
    assert left_in(cache) == []


def test_no_server(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no server listens, the data set is not found: one line names the file, folders, address and remedy."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/tiny.zip"
    republish(monkeypatch, GOOD, (url,))
    with pytest.raises(DatasetNotFoundError) as caught:
        load("tiny")
    assert "\n" not in str(caught.value)
    for part in ("tiny.zip", str(cache), url, "Connection refused", "by hand", "RECAE_DATA_DIR"):
        assert part in str(caught.value)
    assert not cache.exists()


def test_the_second_address_is_tried(cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the first address fails, the next one is asked."""
    republish(monkeypatch, GOOD, (f"{server.url}/elsewhere.zip", f"{server.url}/tiny.zip"))
    assert fetch("tiny", progress=False).is_dir()
    assert server.requests == ["/elsewhere.zip", "/tiny.zip"]


def test_a_mirror_takes_the_place_of_the_address(cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """RECAE_MIRROR is asked instead of the published address, and must give the published file."""
    republish(monkeypatch, GOOD, ("http://127.0.0.1:9/tiny.zip",))
    server.files = {"/mirror/tiny.zip": GOOD}
    monkeypatch.setenv("RECAE_MIRROR", f"{server.url}/mirror/")
    assert fetch("tiny", progress=False) == cache / "tiny"
    shutil.rmtree(cache)
    server.files = {"/mirror/tiny.zip": make_zip({"tiny/ratings.csv": "another"})}
    with pytest.raises(DownloadError, match="not the published file"):
        fetch("tiny", progress=False)


def at_once(action: Callable[[], Any], n: int = 4) -> list[Any]:
    """What `n` calls answer that begin together; locks tell threads apart as they do processes."""
    barrier = threading.Barrier(n)

    def call(_: int) -> Any:
        barrier.wait()
        return action()

    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(call, range(n)))


def test_several_that_fetch_one_set_download_it_once(cache: Path, server: Server) -> None:
    """One downloads and unpacks, the others wait and use its copy; nothing else stays in the folder."""
    assert at_once(lambda: fetch("tiny", progress=False)) == [cache / "tiny"] * 4
    assert server.requests == ["/tiny.zip"]
    assert left_in(cache) == ["movies.csv", "ratings.csv", "tiny"]


def test_one_that_waited_fetches_where_the_first_failed(cache: Path, server: Server) -> None:
    """A download that fails ends the wait of the next one, which tries by itself, in a folder made anew."""
    server.faults = ["404"]

    def fetched() -> Path | None:
        try:
            return fetch("tiny", progress=False)
        except DownloadError:
            return None

    assert sorted(at_once(fetched), key=str) == [cache / "tiny"] * 3 + [None]
    assert server.requests == ["/tiny.zip"] * 2


def test_a_found_archive_is_unpacked_once(
    cache: Path, server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An archive in a data folder is unpacked by the first of several loads; later ones use the copy, as it is."""
    caplog.set_level("INFO", logger="recae")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "tiny.zip").write_bytes(GOOD)
    assert [one.n_ratings for one in at_once(lambda: load("tiny"))] == [2] * 4
    copy = (cache / "tiny").stat().st_ino
    assert load("tiny", data_dir=tmp_path / "data").n_ratings == 2
    assert (cache / "tiny").stat().st_ino == copy
    assert [record.getMessage().split()[0] for record in caplog.records] == ["unpacking"]
    assert server.requests == []


@pytest.mark.parametrize("proxy", ["nobody listens", "lets nobody through"])
def test_a_proxy_that_does_not_let_through_is_no_network(
    cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    """Behind a proxy that refuses a connection a set is as missing as without a network, after one attempt."""
    republish(monkeypatch, GOOD, ("https://recae.invalid/tiny.zip",))
    address = "http://127.0.0.1:9" if proxy == "nobody listens" else server.url  # the server knows no CONNECT
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, address)
    monkeypatch.setattr(downloads, "PAUSE", None)  # a second attempt would fail by it
    with pytest.raises(DatasetNotFoundError, match="it could not be downloaded"):
        fetch("tiny", progress=False)
    assert left_in(cache) == []


# ---------------------------------------------------------------- TLS


def self_signed(folder: Path) -> ssl.SSLContext:
    """An untrusted certificate, as good as an expired one."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("the openssl command is not here to make a certificate")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "1",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


@pytest.mark.parametrize("trouble", ["garbage", "certificate"])
def test_where_tls_fails_plain_http_is_used_and_said(
    cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path,
    trouble: str,
) -> None:  # fmt: skip
    """With a pinned hash a TLS failure leads to plain http, announced once with the reason and why it is safe."""
    server.tls = "garbage" if trouble == "garbage" else self_signed(tmp_path)
    https = server.url.replace("http:", "https:")
    republish(monkeypatch, GOOD, (f"{https}/tiny.zip",))
    assert fetch("tiny", progress=False) == cache / "tiny"
    assert server.requests == ["/tiny.zip"]
    [record] = [record for record in caplog.records if record.name == "recae"]
    assert f"TLS failed at {https}/tiny.zip" in record.getMessage()
    assert f"trying {server.url}/tiny.zip. Safe, since the MD5 is pinned." in record.getMessage()
    assert ("certificate" in record.getMessage()) == (trouble == "certificate")


def test_plain_http_gives_the_published_file_or_nothing(
    cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What plain http brings is held to the same hash."""
    republish(monkeypatch, GOOD, (f"{server.url.replace('http:', 'https:')}/tiny.zip",))
    server.files["/tiny.zip"] = make_zip({"tiny/ratings.csv": "forged"})
    with pytest.raises(DownloadError, match="not the published file"):
        fetch("tiny", progress=False)
    assert left_in(cache) == []


def test_without_a_pinned_hash_there_is_no_plain_http(
    cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A set whose hash is read from the same server is never fetched around TLS."""
    republish(monkeypatch, None, (f"{server.url.replace('http:', 'https:')}/tiny.zip",))
    server.files["/tiny.zip.md5"] = f"{md5(GOOD)}  tiny.zip\n".encode()
    with pytest.raises(DownloadError, match="a hash read over plain http would protect from nothing"):
        fetch("tiny", progress=False)
    assert server.requests == []


@pytest.mark.parametrize("layout", ["{}  tiny.zip\n", "MD5 (tiny.zip) = {}\n", "{}"])
def test_the_published_md5_file_is_read(
    cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    """Sets that change are held to the .md5 file beside the archive, in any of its layouts."""
    republish(monkeypatch, None, (f"{server.url}/tiny.zip",))
    server.files["/tiny.zip.md5"] = layout.format(md5(GOOD)).encode()
    assert fetch("tiny", progress=False) == cache / "tiny"
    shutil.rmtree(cache)
    server.files["/tiny.zip.md5"] = layout.format(md5(b"another")).encode()
    with pytest.raises(DownloadError, match="not the published file"):
        fetch("tiny", progress=False)
    server.files["/tiny.zip.md5"] = b"<html>moved</html>"
    with pytest.raises(DownloadError, match=r"tiny.zip.md5 holds no MD5"):
        fetch("tiny", progress=False)


def test_several_files_of_one_set(cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """MNIST's four files are each verified; one wrong file is named, and those already right are not fetched again."""
    monkeypatch.setenv("RECAE_MIRROR", server.url)
    names = [remote.name for remote in DATASETS["mnist"].files]
    content = {name: name.encode() for name in names}
    files = tuple(Remote(name, ("http://127.0.0.1:9/",), md5(content[name])) for name in names)
    monkeypatch.setitem(DATASETS, "mnist", replace(DATASETS["mnist"], files=files))
    server.files = {f"/{name}": content[name] for name in names[:-1]} | {f"/{names[-1]}": b"wrong"}
    with pytest.raises(DownloadError, match=f"{names[-1]}: what came is not the published file"):
        load_mnist()
    server.requests.clear()
    server.files[f"/{names[-1]}"] = content[names[-1]]
    assert fetch("mnist", progress=False) == cache / "mnist"
    assert server.requests == [f"/{names[-1]}"]
