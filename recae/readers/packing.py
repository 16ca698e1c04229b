"""Packed files (.gz, .bz2, .xz, .zst, .zip) as streams of bytes; the first bytes of a file tell how it is packed."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from recae.errors import DataError, Phrase, Remedy

PACKED = (".gz", ".bz2", ".zst", ".xz", ".zip")
MAGIC = {
    b"\x1f\x8b": "gz", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zst", b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
}  # fmt: skip

BZIP2 = re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)")  # its first letters may be a name: a block, or the end, follows


def packing_of(path: Path) -> str:
    """gz, bz2, xz, zst or zip; '' where the file is not packed.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(10)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from None
    if BZIP2.match(head):
        return "bz2"
    return next((kind for magic, kind in MAGIC.items() if head.startswith(magic)), "")


@contextmanager
def open_bytes(path: Path) -> Iterator[IO[bytes]]:
    """The bytes of a file, unpacked on the way.

    Raises:
        DataError: the file is damaged, cut short or unreadable.
    """
    with unpacking(path), path.open("rb") as raw, unpacked(raw, path) as file:
        yield file


def unpacked(raw: IO[bytes], path: Path) -> IO[bytes]:
    """The unpacked bytes of the file at `path`, which is open as `raw`: `raw.tell()` says how far it was read.

    Raises:
        DataError: a zip archive holds no file, several files, or an encrypted one.
    """
    kind = packing_of(path)
    if kind == "gz":
        return cast("IO[bytes]", gzip.GzipFile(fileobj=raw))
    if kind == "bz2":
        return bz2.BZ2File(raw)
    if kind == "xz":
        return lzma.LZMAFile(raw)
    if kind == "zst":
        import pyarrow as pa

        return cast("IO[bytes]", pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd"))
    if kind == "zip":
        with unpacking(path):
            archive = zipfile.ZipFile(raw)
            return archive.open(_only_member(archive, path))
    return raw


def _only_member(archive: zipfile.ZipFile, path: Path) -> zipfile.ZipInfo:
    """The one file of an archive; what macOS adds is passed over."""
    if "about.npy" in archive.namelist():
        raise DataError(
            f"{path.name} is a saved split, not a table",
            remedy=Remedy("read it with {load_split}", load_split=Phrase("recae.splitting.Split.load(path)")),
        )
    members = [one for one in archive.infolist() if not one.is_dir() and not one.filename.startswith("__MACOSX/")]
    if {"[Content_Types].xml", "xl/workbook.xml"} <= {one.filename for one in members}:
        raise DataError(
            f"{path.name} is a workbook of a spreadsheet, not a table",
            remedy=(
                "save the sheet with the ratings as a CSV file",
                Remedy("pass {frame}", frame=Phrase("the frame that pandas.read_excel gives")),
            ),
        )
    if len(members) != 1:
        names = ", ".join(one.filename for one in members[:5]) or "nothing"
        raise DataError(
            f"{path.name} holds {len(members)} files ({names}): unpack it, and name the one with the ratings"
        )
    if members[0].flag_bits & 1:
        raise DataError(f"{path.name} is encrypted: unpack it first")
    return members[0]


def inner_name(path: Path) -> str:
    """The name of the file without what says that it is packed: 'r.csv' for 'r.csv.gz', the member's name for a zip."""
    if packing_of(path) == "zip":
        with unpacking(path), zipfile.ZipFile(path) as archive:
            return Path(_only_member(archive, path).filename).name
    name = path
    while name.suffix.lower() in PACKED:
        name = name.with_suffix("")
    return name.name


@contextmanager
def unpacking(path: Path) -> Iterator[None]:
    """Within, a file that cannot be read or unpacked is a `DataError`: nothing is read by halves.

    Raises:
        DataError: the file is damaged, cut short or unreadable.
    """
    try:
        yield
    except (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, gzip.BadGzipFile) as error:
        raise DataError(f"{path.name} is damaged or cut short ({error}): copy it anew") from None
    except OSError as error:
        raise DataError(f"cannot read {path}: {_reason(error)}") from None


def _reason(error: Any) -> str:
    return str(error.strerror or error)
