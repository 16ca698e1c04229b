"""The only downloader: a file whose MD5 is known beforehand comes whole and right, or not at all.

pooch does the transfer: into a temporary file beside the target, which is hashed and only then put in place. A
broken transfer leaves nothing behind and is started again. Where TLS fails (the certificate of files.grouplens.org
expired in August 2026) the file is asked for over plain http, and that is said: the pinned MD5 shows whether
it is the published file, whoever carried it.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from recae.atomic import temporary_folder
from recae.datasets.catalogue import Remote
from recae.errors import DownloadError, Remedy

log = logging.getLogger("recae")

T = TypeVar("T")

ATTEMPTS = 3
PAUSE = 1.0  # seconds before the second attempt; doubled before each further one
TIMEOUT = 30.0  # seconds without a byte
CHUNK = 1 << 18  # bytes
MD5_FILE = 1 << 16  # bytes of a .md5 file that are read: it has one line


def mirrored(remote: Remote) -> tuple[str, ...]:
    """Addresses of a file; with the environment variable RECAE_MIRROR set, `only `$RECAE_MIRROR/<file name>`."""
    mirror = os.environ.get("RECAE_MIRROR")
    return (f"{mirror.rstrip('/')}/{remote.name}",) if mirror else remote.urls


class UnreachableError(DownloadError):
    """No server could be reached: offline, or the host is down."""


def download(remote: Remote, folder: Path, *, progress: bool = True) -> Path:
    """`remote` as a file in `folder` (which exists), verified; what is there already and right is not fetched again.

    Raises:
        UnreachableError: no server could be reached.
        DownloadError: no address gave the right file. Nothing half-written stays.
    """
    failures: list[DownloadError] = []
    for url in mirrored(remote):
        try:
            md5 = remote.md5 or _published_md5(url)
            return _with_http_retry(url, md5, folder / remote.name, progress, pinned=remote.md5 is not None)
        except DownloadError as error:
            failures.append(error)
    offline = all(isinstance(failure, UnreachableError) for failure in failures)
    raise (UnreachableError if offline else DownloadError)("; ".join(map(str, failures)))


def prepare_folder(folder: Path) -> None:
    """Make `folder`, and show that it can be written before anything is fetched."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".recae-{os.getpid()}"
        probe.touch()
        probe.unlink(missing_ok=True)  # another thread has deleted it
    except OSError as error:
        raise DownloadError(
            f"cannot write to {folder} ({error.strerror or error})",
            remedy=Remedy(
                "choose another folder with {data_dir} or the environment variable RECAE_DATA_DIR", data_dir=...
            ),
        ) from None


def _with_http_retry(url: str, md5: str, target: Path, progress: bool, *, pinned: bool) -> Path:
    from requests.exceptions import SSLError

    try:
        return _persistently(lambda: _retrieve(url, md5, target, progress), url)
    except SSLError as error:
        if not pinned:
            raise DownloadError(
                f"TLS failed at {url} ({_short(error)}), and without a pinned MD5 plain http would not be safe"
            ) from None
        plain = re.sub("^https:", "http:", url)
        log.warning("TLS failed at %s (%s): trying %s. Safe, since the MD5 is pinned.", url, _short(error), plain)
        return _persistently(lambda: _retrieve(plain, md5, target, progress), plain)


def _retrieve(url: str, md5: str, target: Path, progress: bool) -> Path:
    import pooch

    if target.is_file() and pooch.file_hash(str(target), alg="md5") == md5:
        return target
    pooch.get_logger().setLevel("WARNING")
    identity = {"Accept-Encoding": "identity"}  # else requests would unpack what a server sends as gzip
    fetch = pooch.HTTPDownloader(progressbar=progress, chunk_size=CHUNK, timeout=TIMEOUT, headers=identity)
    with temporary_folder(target) as folder:  # pooch's own temporary files have names that tell nothing
        came = pooch.retrieve(url, f"md5:{md5}", fname=target.name, path=folder, downloader=fetch)
        os.replace(came, target)
    return target


def _published_md5(url: str) -> str:
    """The MD5 in `<url>.md5`, in either of md5sum's layouts ('<hash>  name', 'MD5 (name) = <hash>')."""
    import requests

    def read() -> str:
        with requests.get(f"{url}.md5", timeout=TIMEOUT, stream=True) as answer:
            answer.raise_for_status()
            return str(next(answer.iter_content(MD5_FILE), b""), "utf-8", "replace")

    try:
        text = _persistently(read, f"{url}.md5")
    except requests.exceptions.SSLError as error:
        raise DownloadError(
            f"TLS failed at {url}.md5 ({_short(error)}), and a hash read over plain http would protect from nothing"
        ) from None
    found = re.search(r"\b[0-9a-fA-F]{32}\b", text)
    if not found:
        raise DownloadError(f"{url}.md5 holds no MD5")
    return found.group().lower()


def _persistently(action: Callable[[], T], url: str) -> T:
    """`action`, tried again after a broken transfer or a wrong hash; TLS errors go to the caller at once."""
    import requests

    failure = DownloadError()
    for attempt in range(ATTEMPTS):
        if attempt:
            log.warning("%s; starting again (%d of %d)", failure, attempt + 1, ATTEMPTS)
            time.sleep(PAUSE * 2 ** (attempt - 1))
        try:
            return action()
        except requests.exceptions.SSLError:
            raise
        except requests.exceptions.HTTPError as error:
            code = error.response.status_code
            failure = DownloadError(f"{url}: the server answered {code} {error.response.reason}")
            if code < 500:
                break
        except ValueError as error:  # pooch's way to say that the hash is wrong
            failure = DownloadError(f"{url}: {_wrong_hash(error)}")
        except (requests.exceptions.RequestException, OSError) as error:
            failure = DownloadError(f"{url}: {_short(error)}")
            if _unreachable(error):
                raise UnreachableError(str(failure)) from None
    raise failure


def _wrong_hash(error: ValueError) -> str:
    hashes = re.findall(r"[0-9a-f]{32}", str(error))
    if len(hashes) < 2:
        return str(error)
    return f"what came is not the published file (MD5 {hashes[-1]}, expected {hashes[-2]})"


def _unreachable(error: BaseException) -> bool:
    """No such host, no server listens there, or a proxy does not let through: an immediate retry does not help."""
    from requests.exceptions import ProxyError
    from urllib3.exceptions import NewConnectionError

    return isinstance(error, ProxyError) or any(
        isinstance(getattr(part, "reason", part), NewConnectionError) for part in error.args
    )


def _short(error: BaseException) -> str:
    """The innermost reason, without urllib3's nested representations."""
    reason: BaseException = error
    while True:
        inner = getattr(reason, "reason", None) or next((a for a in reason.args if isinstance(a, BaseException)), None)
        if not isinstance(inner, BaseException):
            break
        reason = inner
    last = reason.args[-1] if reason.args else ""
    text = (last if isinstance(last, str) else str(reason)) or type(reason).__name__
    return re.sub(r"^HTTPS?Connection\(.*?\): ", "", text.split("(_ssl.c")[0]).strip()
