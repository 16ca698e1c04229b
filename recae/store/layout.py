"""What lies in a store's folder: one .npy file an array, and `manifest.json`, which is written last.

    user_rows.indptr.npy   int64, (n_users + 1,)     item_rows.indptr.npy   int64, (n_items + 1,)
    user_rows.indices.npy  int32, (n_ratings,)       item_rows.indices.npy  int32, (n_ratings,)
    user_rows.data.npy     float32, (n_ratings,)     item_rows.data.npy     float32, (n_ratings,)
    timestamps.npy         int64, (n_ratings,), aligned with user_rows.data; only where there are some
    user_ids.npy           int64, (n_users,)         item_ids.npy           int64, (n_items,)
    or, where ids are texts: *_ids.text.npy, their UTF-8 bytes, and *_ids.ends.npy, where each one ends

A folder with a manifest is a whole store; one without is none. The manifest has each array's type, length and CRC-32.
"""

from __future__ import annotations

import io
import json
import os
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recae._types import Array
from recae.errors import DataError, Phrase, Remedy
from recae.schemas import as_object, is_int, parse_json, refusing, require
from recae.store.checks import check_manifest

MANIFEST = "manifest.json"
MAKING = ".making"  # where a store that is not whole yet keeps its steps
FORMAT = 1
PREPARE = Phrase("recae.prepare_store(files, folder)")
PREPARE_ANEW = Remedy(
    "prepare it anew with {prepare_anew}",
    prepare_anew=Phrase("recae.prepare_store(files, folder, restart=True)"),
)
HEADER = 128  # bytes of a .npy header with one axis: NumPy leaves room for the axis to grow


@dataclass(frozen=True)
class Manifest:
    """What is known of a whole store.

    Attributes:
        name: what reports call the ratings.
        n_users, n_items, n_ratings: ids and ratings in the store.
        n_rows: rows that were read; `n_rows - n_ratings` of them were merged into others.
        total: the sum of all ratings.
        scale: lowest and highest rating that can be given.
        duplicates: what was done with a pair that occurred twice.
        files: what it was made of: name, bytes and when the file was last changed.
        arrays: file name to type, length and CRC-32 of the array's bytes.
        options: the columns that were stated; None where an older recae, which did not write them, made it.
    """

    name: str
    n_users: int
    n_items: int
    n_ratings: int
    n_rows: int
    total: float
    scale: tuple[float, float]
    duplicates: str
    files: list[dict[str, Any]]
    arrays: dict[str, dict[str, Any]]
    options: dict[str, Any] | None = None


def is_store(folder: Path) -> bool:
    """Whether there is a store, whole, half made or damaged; others have files of a manifest's name too."""
    if (folder / MAKING).is_dir():
        return True
    if not (folder / MANIFEST).is_file():
        return False
    with (folder / MANIFEST).open("rb") as file:
        head = file.read(40)
    return b'"recae"' in head or b'"store"' in head


def write_manifest(folder: Path, manifest: Manifest) -> None:
    content = asdict(manifest)
    write_json(folder / MANIFEST, {"recae": "store", "format": FORMAT, "crc32": _crc_of(content), "content": content})


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a whole store.

    Raises:
        DataError: there is no store, or it is half made, of a newer format, or its manifest was changed.
    """
    path = folder / MANIFEST
    if not is_store(folder):
        raise DataError(f"{folder} is not a rating store", remedy=Remedy("{prepare} makes one", prepare=PREPARE))
    if not path.is_file():
        raise DataError(
            f"the store {folder} is half made",
            remedy=Remedy("run the same {prepare} again, which resumes it", prepare=PREPARE),
        )
    with refusing(DataError, f"{path} is damaged", PREPARE_ANEW):
        body = as_object(parse_json(path.read_bytes(), "it"), "it", ("format", "crc32", "content"))
        version, content = body["format"], as_object(body["content"], "its content")
        require(is_int(version, 1), "its format is no number")
        if version > FORMAT:
            raise DataError(f"{folder} has format {version}, newer than {FORMAT}, which this recae reads: upgrade it")
        require(body["crc32"] == _crc_of(content), "its checksum differs")
        check_manifest(content)
    return Manifest(**{**content, "scale": tuple(content["scale"])})


def _crc_of(content: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(content, sort_keys=True).encode())


def write_json(path: Path, value: Any) -> None:
    """All or nothing: a kill leaves the older file."""
    temporary = path.with_name(f".{path.name}.part")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(value, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


# ---------------------------------------------------------------- arrays


class ArrayFile:
    """A .npy file with one axis that is written bit by bit.

    Args:
        path: where it lies.
        dtype: of its elements.
        length, crc: what an earlier process had written of it for certain; what lies behind is cut off.
    """

    def __init__(self, path: Path, dtype: str, length: int = 0, crc: int = 0) -> None:
        self.path, self.dtype, self.length, self.crc = path, np.dtype(dtype), length, crc
        self._file = path.open("r+b" if length else "w+b")
        self._file.truncate(HEADER + length * self.dtype.itemsize)
        self._file.seek(0)
        self._file.write(_header(self.dtype, length))
        self._file.seek(0, os.SEEK_END)

    def append(self, values: Array) -> None:
        data = np.ascontiguousarray(values, dtype=self.dtype)
        view = data.view(np.uint8).data
        self._file.write(view)
        self.crc = zlib.crc32(view, self.crc)
        self.length += len(data)

    def state(self) -> dict[str, int]:
        """Flush to the disk; gives what the constructor needs to resume from here."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return {"length": self.length, "crc": self.crc}

    def close(self) -> dict[str, Any]:
        """Write the final length, and give what the manifest says of the array."""
        self._file.seek(0)
        self._file.write(_header(self.dtype, self.length))
        self.state()
        self._file.close()
        return {"dtype": self.dtype.str, "length": self.length, "crc32": self.crc}


def write_array(path: Path, values: Array) -> dict[str, Any]:
    """A whole array at once; gives what the manifest says of it."""
    file = ArrayFile(path, values.dtype.str)
    file.append(values)
    return file.close()


def _header(dtype: np.dtype, length: int) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": dtype.str, "fortran_order": False, "shape": (length,)})
    header = buffer.getvalue()
    assert len(header) == HEADER
    return header


def map_array(folder: Path, name: str, facts: dict[str, Any]) -> Array:
    """An array of the store as a read-only memory map: only its size is looked at.

    Raises:
        DataError: the file is missing, or is not of the size that it should have.
    """
    path, dtype, length = folder / name, np.dtype(facts["dtype"]), int(facts["length"])
    expected = HEADER + length * dtype.itemsize
    found = path.stat().st_size if path.is_file() else None
    if found != expected:
        what = "is missing" if found is None else f"has {found:,} bytes, expected {expected:,}"
        raise DataError(f"{path} {what}: the store is damaged", remedy=("copy it anew", PREPARE_ANEW))
    if length == 0:
        return np.empty(0, dtype)
    return np.memmap(path, dtype, mode="r", offset=HEADER, shape=(length,))


def has_header(path: Path, facts: dict[str, Any]) -> bool:
    """Whether a .npy file begins as one of this type and length does."""
    with path.open("rb") as file:
        return file.read(HEADER) == _header(np.dtype(facts["dtype"]), int(facts["length"]))


def crc_of_file(path: Path, block: int = 1 << 24) -> int:
    """CRC-32 of what follows the header of a .npy file, read in blocks of `block` bytes."""
    crc = 0
    with path.open("rb") as file:
        file.seek(HEADER)
        while data := file.read(block):
            crc = zlib.crc32(data, crc)
    return crc
