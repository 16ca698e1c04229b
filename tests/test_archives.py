"""Zip archives and npz files that say of themselves what is not so: refused before memory or time is spent."""

from __future__ import annotations

import gzip
import io
import os
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from recae.archives import read_npz
from recae.datasets.mnist import read_idx
from recae.datasets.unpacking import unpack
from recae.errors import DataError, DownloadError
from recae.schemas import Invalid


def npz(path: Path, header: str, data: bytes) -> Path:
    """An npz file of one array, of which only `header` says what it is."""
    text = header.encode().ljust(117) + b"\n"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data)
    return path


@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_come_back(order: str, tmp_path: Path) -> None:
    """Any array that NumPy writes, empty ones and those in Fortran's order too, is read as NumPy reads it."""
    arrays = {"a": np.arange(6.0).reshape(2, 3, order=order), "b": np.zeros((0, 4), np.int8), "c": np.array("text")}
    arrays["a"] = np.asarray(arrays["a"], order=order)
    np.savez_compressed(tmp_path / "f.npz", **arrays)
    found = read_npz(tmp_path / "f.npz")
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)
    assert list(read_npz(tmp_path / "f.npz", ("b",))) == ["b"]
    with pytest.raises(Invalid, match="'d' is missing"):
        read_npz(tmp_path / "f.npz", ("d",))


@pytest.mark.parametrize("shape", ["(1000000000000,)", "(4611686018427387904, 8)", "(-1,)", "(3,)", "()"])
def test_a_header_that_says_another_size_costs_no_memory(shape: str, tmp_path: Path) -> None:
    """A length that the file does not hold is refused before an array of it is made."""
    path = npz(tmp_path / "f.npz", f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}", bytes(16))
    tracemalloc.start()
    with pytest.raises(Invalid, match="not of its size"):
        read_npz(path)
    assert tracemalloc.get_traced_memory()[1] < 10**6
    tracemalloc.stop()


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    """An array of Python objects is refused by its header."""
    np.savez(tmp_path / "f.npz", a=np.array([{"x": 1}], dtype=object))
    with pytest.raises(Invalid, match="holds Python objects"):
        read_npz(tmp_path / "f.npz")


@pytest.mark.parametrize("kind", ["pipe", "folder", "text", "cut"])
def test_what_is_no_archive(kind: str, tmp_path: Path) -> None:
    """A pipe that nobody writes into does not block; a folder, a text and a part of an archive are refused."""
    path = tmp_path / "a"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        buffer = io.BytesIO()
        np.savez(buffer, a=np.arange(100))
        path.write_bytes(b"text" if kind == "text" else buffer.getvalue()[:-40])
    with pytest.raises(Invalid, match=r"not a file|not a whole zip archive"):
        read_npz(path)


@pytest.mark.parametrize(("name", "message"), [("ds/" + "d/" * 40 + "f", "folders deep"), ("", "without a name")])
def test_names_that_no_data_set_has(name: str, message: str, tmp_path: Path) -> None:
    """A path of thousands of folders, or none, is refused before anything is written."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        member = zipfile.ZipInfo("x")
        member.filename = name
        archive.writestr(member, "x")
    with pytest.raises(DownloadError, match=message):
        unpack(tmp_path / "a.zip", "ds", tmp_path / "into")
    assert list((tmp_path / "into").iterdir()) == []


def test_an_archive_that_unpacks_to_a_thousand_times_itself(tmp_path: Path) -> None:
    """256 MiB of zeros in 256 kB are refused, and nothing is written."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive, archive.open("ds/f", "w") as file:
        for _ in range(256):
            file.write(bytes(1 << 20))
    with pytest.raises(DownloadError, match="268,435,456 bytes, more than data do"):
        unpack(tmp_path / "a.zip", "ds", tmp_path / "into")
    assert list((tmp_path / "into").iterdir()) == []


def test_a_packed_image_file_that_says_more_than_it_holds(tmp_path: Path) -> None:
    """Four thousand million pixels in a few bytes are refused by the header, before any is unpacked."""
    (tmp_path / "f.gz").write_bytes(gzip.compress(bytes([0, 0, 8, 1]) + struct.pack(">I", 2**32 - 1)))
    with pytest.raises(DataError, match="its header asks for 4,294,967,295: damaged"):
        read_idx(tmp_path / "f.gz")
