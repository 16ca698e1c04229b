"""Files and folders written all or nothing, and what killed processes left of them; one process at a time.

What is written lies beside its target under a temporary name until it is whole: `.NAME.xxxxxxxx.recae-part`. Its
process holds a lock on it (flock), which ends with the process, however that ends. So the next one that writes
the same target can tell what nobody will finish, and deletes it. Where there is no flock (Windows) it stays.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from recae.errors import ModelFileError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

SUFFIX = ".recae-part"
_LONGEST = 100  # characters of a target's name in that of its temporary one


def write_text(path: str | Path, text: str) -> Path:
    """Write `text` in UTF-8, as `write_bytes` does."""
    return write_bytes(path, text.encode("utf-8"))


def write_bytes(path: str | Path, data: bytes) -> Path:
    """Write a file, all or nothing.

    The file is written in its folder under another name, and renamed when it is whole: a kill or a full disk leaves an
    older file as it was. Of a symbolic link, the file that it points to is written.

    Raises:
        ModelFileError: `path` is no regular file (a folder, a device, a pipe), its folder is missing or cannot be
            written, or the disk is full.
    """
    path = Path(path)
    refuse_irregular(path)
    try:
        with replacing(path) as file:
            file.write(data)
    except OSError as error:
        raise ModelFileError(
            f"{path} could not be written ({error.strerror or error}); what stood there is unchanged",
            remedy=("choose another folder", "make room, and save again"),
        ) from error
    return path


def check_writable(path: str | Path) -> None:
    """Find out before the work whether `write_bytes` can write a file; nothing is left behind.

    Raises:
        ModelFileError: as `write_bytes`.
    """
    path = Path(path)
    refuse_irregular(path)
    folder = Path(os.path.realpath(path)).parent
    if not folder.is_dir():
        raise ModelFileError(
            f"{path} cannot be written: there is no folder {folder if path.is_symlink() else path.parent}",
            remedy=("make it", "choose another folder"),
        )
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".recae-"):
            pass
    except OSError as error:
        raise ModelFileError(f"{path} cannot be written ({error.strerror})", remedy="choose another folder") from None


def refuse_irregular(path: Path) -> None:
    """Refuse what is there and is no regular file: renaming a file onto `/dev/null` would replace the device.

    Raises:
        ModelFileError: says what it is.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # not there, or not to be seen: writing says why
        return
    if stat.S_ISDIR(mode):
        raise ModelFileError(f"{path} is a folder", remedy="name a file in it")
    if not stat.S_ISREG(mode):
        kind = "a pipe" if stat.S_ISFIFO(mode) else "a socket" if stat.S_ISSOCK(mode) else "a device"
        raise ModelFileError(f"{path} is {kind}, not a file", remedy="name a file")


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A new file, open for writing, which becomes `path` when the block ends well, and is deleted when it does not.

    Raises:
        OSError: it cannot be written, or `path` is no regular file.
    """
    refuse_irregular(path)
    path = Path(os.path.realpath(path))
    remove_leftovers(path)
    prefix = f".{path.name[:_LONGEST]}."
    while True:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=prefix, suffix=SUFFIX)
        if _lock(handle, wait=True) and os.fstat(handle).st_nlink:
            break
        os.close(handle)  # another process took it for a leftover in the moment before the lock
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            os.chmod(name, 0o666 & ~_umask())
            if fcntl is not None:
                os.replace(name, path)
        if fcntl is None:
            os.replace(name, path)  # Windows renames no open file
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def temporary_folder(target: Path) -> Iterator[Path]:
    """A folder beside `target`, deleted at the end; those of killed processes for the same target are deleted first.

    Raises:
        OSError: it cannot be made.
    """
    remove_leftovers(target)
    with ExitStack() as stack:
        while True:
            folder = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name[:_LONGEST]}.", suffix=SUFFIX))
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            if fcntl is None:
                break
            with suppress(FileNotFoundError):  # deleted in the moment before the lock
                handle = os.open(folder, os.O_RDONLY)
                stack.callback(os.close, handle)
                if _lock(handle, wait=True) and folder.exists():
                    break
        yield folder


def remove_leftovers(path: Path) -> None:
    """Delete what killed processes left of `path`: temporary files and folders that no living process has locked."""
    if fcntl is None:
        return
    prefix = f".{path.name[:_LONGEST]}."
    with suppress(OSError):  # no such folder, or it cannot be read: writing says so
        names = [entry.name for entry in os.scandir(path.parent) if entry.name.endswith(SUFFIX)]
        for name in names:
            if name.startswith(prefix) and len(name) == len(prefix) + 8 + len(SUFFIX):
                _remove_unlocked(path.parent / name)


def _remove_unlocked(path: Path) -> None:
    with suppress(OSError):  # another process has deleted it, or it is another user's
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            if _lock(handle, wait=False, without=False):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        finally:
            os.close(handle)


@contextmanager
def only_process(path: Path, doing: str, *, wait: bool = False) -> Iterator[None]:
    """Within, no other process (or thread) that calls this with the same path is in the block.

    The file `.NAME.lock` stands for it. What killed processes left of the path is deleted first. With `wait`, the
    folder of the path is made where it is missing, and the block begins when the other process is through.

    Raises:
        ModelFileError: another one is in the block and `wait` is False, or the folder cannot be written.
    """
    if fcntl is None:
        yield
        return
    lock = path.with_name(f".{path.name}.lock")
    try:
        handle = _held(lock, wait=wait)
    except OSError as error:
        raise ModelFileError(f"{path} cannot be written ({error.strerror})", remedy="choose another folder") from None
    if handle is None:
        raise ModelFileError(f"another process is {doing} {path}", remedy=("wait for it", "choose another file"))
    try:
        remove_leftovers(path)
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(handle)


def _held(lock: Path, *, wait: bool) -> int | None:
    """The open file `lock`, which this process has locked; None where another one has, and `wait` is False."""
    while True:
        if wait:
            lock.parent.mkdir(parents=True, exist_ok=True)  # the one before may have deleted it with the lock
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        if not _lock(handle, wait=wait):
            os.close(handle)
            return None
        if os.fstat(handle).st_nlink:
            return handle
        os.close(handle)  # its owner ended, and deleted it, in this moment


def _lock(handle: int, *, wait: bool, without: bool = True) -> bool:
    """Whether this process has the lock of an open file now; `without` is the answer where there are no locks."""
    if fcntl is None:
        return without
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return without
    return True


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
