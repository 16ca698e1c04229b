"""Steps of the making of a store: a step is done as a whole or not at all, and a done one is not done again.

Each step writes arrays into a folder of its own under a temporary name and then renames the folder. So what a killed
process leaves behind is done steps, and at most one half of a step, which the next process throws away.
"""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from recae._types import Array
from recae.errors import DataError, Remedy
from recae.store.layout import MAKING, MANIFEST, PREPARE, is_store, write_json

HALF_MANIFEST = f".{MANIFEST}.part"  # what a kill leaves between writing and renaming
LOCK = "lock"
FINGERPRINT = "plan.json"  # the name that stores half made by earlier versions have
ARRAYS = ("user_rows.*.npy", "item_rows.*.npy", "timestamps.npy", "user_ids*.npy", "item_ids*.npy")
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # no room on a disk, in a user's share of it, in a file
Report = Callable[[str, int, int], None]  # what is being done, how much of it is done, how much there is


class Steps:
    """The steps of one store, in the folder `.making` of the store's folder.

    Args:
        out: the store's folder.
        fingerprint: what is made of what; a JSON value. Steps with another fingerprint are of no use.
        restart: throw away what another process left, instead of resuming from it.

    Raises:
        DataError: the folder holds something else, or steps with another fingerprint.
    """

    def __init__(self, out: Path, fingerprint: dict[str, Any], *, restart: bool) -> None:
        self.out, self.folder = out, out / MAKING
        _refuse_foreign(out, restart)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(self.folder)  # before anything is deleted: it may be another process's
        try:
            self._begin(json.loads(json.dumps(fingerprint)), restart)
        except BaseException:
            self.__exit__()
            raise

    def _begin(self, fingerprint: dict[str, Any], restart: bool) -> None:
        kept = self.folder / FINGERPRINT
        if restart:
            clear(self.out)
        for half in self.folder.glob("*.part"):  # of steps, which are folders, and of notes, which are files
            shutil.rmtree(half) if half.is_dir() else half.unlink()
        begun = kept.is_file() and any(path.is_dir() for path in self.folder.iterdir())
        different = first_difference(json.loads(kept.read_text(encoding="utf-8")), fingerprint) if begun else ""
        if different:
            raise DataError(
                f"{self.out} is half made of something else ({different})",
                remedy=("prepare it as before to resume", Remedy("begin afresh with {restart}", restart=True)),
            )
        if not begun:
            write_json(kept, fingerprint)

    def __enter__(self) -> Steps:
        return self

    def __exit__(self, *_: object) -> None:
        """Unlock the folder at once: a notebook keeps this object alive with the error that it shows."""
        if self._lock is not None:
            self._lock.close()

    def done(self, step: str) -> bool:
        return (self.folder / step).is_dir()

    @contextmanager
    def step(self, name: str) -> Iterator[Path]:
        """A folder to write into, which becomes that of the step when the block ends well."""
        half = self.folder / f"{name}.part"
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir()
        yield half
        half.rename(self.folder / name)

    def drop(self, step: str) -> None:
        """A step's results are no longer needed. They are renamed first: a half-deleted step is none."""
        if self.done(step):
            gone = (self.folder / step).rename(self.folder / f"{step}.part")
            shutil.rmtree(gone)

    def finish(self) -> None:
        """The store is whole: how it was made is no longer needed."""
        shutil.rmtree(self.folder)


def clear(out: Path) -> None:
    """Delete a store, whole or half made, and nothing else that is in its folder; `.making` and its lock stay."""
    for name in (MANIFEST, HALF_MANIFEST):
        (out / name).unlink(missing_ok=True)
    for step in (out / MAKING).iterdir():
        if step.is_dir():
            shutil.rmtree(step)
        elif step.name != LOCK:  # notes on arrays that are deleted too
            step.unlink()
    for file in filter(_is_array, out.iterdir()):
        file.unlink()


def _is_array(file: Path) -> bool:
    """Whether a file has the name of one of a store's arrays."""
    return any(file.match(pattern) for pattern in ARRAYS)


def _refuse_foreign(out: Path, restart: bool) -> None:
    """Refuse a folder with anything else than a store; with one that is whole, unless it is made anew."""
    if out.exists() and not out.is_dir():
        raise DataError(f"{out} is a file", remedy="choose a new folder for the store")
    if not out.is_dir() or ((out / MAKING).is_dir() and not restart):
        return
    known = {MANIFEST, HALF_MANIFEST, MAKING} if restart and is_store(out) else set()
    others = [file.name for file in out.iterdir() if file.name not in known and not (known and _is_array(file))]
    if others:
        raise DataError(f"{out} holds something else ({min(others)})", remedy="choose a new folder for the store")


def first_difference(kept: dict[str, Any], wanted: dict[str, Any]) -> str:
    """The first thing in which two fingerprints differ, in words; empty where they are the same."""
    for name in wanted:
        if kept.get(name) != wanted[name]:
            if name == "reader":
                return "begun by another version of recae, which reads files otherwise"
            if isinstance(wanted[name], list):
                return f"other {name}, or changed since"
            return f"{name}={kept.get(name)!r}, now {wanted[name]!r}"
    return ""


def _locked(folder: Path) -> Any:
    """An open file that no other process has locked; the lock ends with the process, however that ends."""
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    file = (folder / LOCK).open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise DataError(
            f"another process is making {folder.parent}", remedy=("wait for it", "choose another folder")
        ) from None
    return file


@contextmanager
def needing_room(out: Path) -> Iterator[None]:
    """Within, a full disk is an error with its remedy.

    Raises:
        DataError: there is no room for the store `out`.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise DataError(
            f"there is no room for the store {out} ({error.strerror})",
            remedy=Remedy("make room, and run the same {prepare} again, which resumes it", prepare=PREPARE),
        ) from error


# ---------------------------------------------------------------- arrays of a step


class _OnlyWritten:
    """An open file of which NumPy sees nothing but `write`: it says why it fails, and `ndarray.tofile` does not."""

    def __init__(self, file: IO[bytes]) -> None:
        self.write = file.write


def save(folder: Path, arrays: dict[str, Array | None]) -> None:
    for name, array in arrays.items():
        if array is not None:
            with (folder / f"{name}.npy").open("wb") as file:
                np.save(_OnlyWritten(file), array, allow_pickle=False)


def read(folder: Path, name: str, part: slice = slice(None)) -> Array | None:
    """A part of an array in memory; None where the step has no such array.

    Raises:
        DataError: the file is damaged.
    """
    path = folder / f"{name}.npy"
    if not path.exists():
        return None
    try:
        return np.array(np.load(path, mmap_mode="r", allow_pickle=False)[part])
    except (ValueError, EOFError):
        raise DataError(f"{path} is damaged", remedy=Remedy("begin afresh with {restart}", restart=True)) from None


def need(folder: Path, name: str, part: slice = slice(None)) -> Array:
    """`read` of what must be there."""
    array = read(folder, name, part)
    if array is None:
        raise DataError(f"{folder / name}.npy is missing", remedy=Remedy("begin afresh with {restart}", restart=True))
    return array
