"""Zip archives and npz files from anybody: what they say of themselves is checked before anything is unpacked.

A zip archive says of each member how long it is unpacked, and a .npy file in it how many numbers it holds. Both are
compared with the size of the file: DEFLATE makes data at most 1032 times smaller. So memory is bounded by the file.
"""

from __future__ import annotations

import io
import lzma
import math
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from recae._types import Arrays
from recae.schemas import Invalid, require

RATIO = 1032  # at most, of DEFLATE
SURELY = 1 << 27  # bytes that any packed file may unpack to
TIMES_LARGER = 100  # how much larger than itself one beyond that may be; ml-25m.zip is a quarter of what is in it
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
ENCRYPTED = 0x1 | 0x20 | 0x40 | 0x2000  # flags of members that are encrypted, patches, or hide their names
# What the zipfile module and the unpackers beneath raise for damaged archives.
DAMAGE = (
    zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, struct.error, NotImplementedError, ValueError,
    OverflowError,
)  # fmt: skip


def is_plausible(size: int, packed: int) -> bool:
    """Whether a packed file of `packed` bytes may unpack to `size`: a data set does not to far more than itself."""
    return size <= max(SURELY, packed * TIMES_LARGER)


@contextmanager
def opened_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """An archive whose members can be read; within, damage is `Invalid`.

    Raises:
        Invalid: it is no zip archive, or damaged; a member is encrypted, or packed in a way that is not read.
        OSError: the file cannot be read.
    """
    require(path.is_file(), "it is not a file")
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                readable = member.compress_type in METHODS and not member.flag_bits & ENCRYPTED
                require(readable, f"member {member.filename!r} is encrypted, or packed in a way that is not read")
            yield archive
    except Invalid:
        raise
    except DAMAGE as error:
        raise Invalid(f"it is not a whole zip archive ({error})") from None


def read_npz(path: Path, names: tuple[str, ...] | None = None) -> Arrays:
    """The arrays of an npz file by name, or those of `names`; none is of Python objects.

    Raises:
        Invalid: the file is damaged or lacks one, or says of an array more than it can hold.
        OSError: the file cannot be read.
    """
    with opened_zip(path) as archive:
        members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
        for name in names or ():
            require(name in members, f"array {name!r} is missing")
        return {name: _npy(archive, members[name], name) for name in names or members}


def _npy(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> Any:
    packed = RATIO * member.compress_size + 1024
    require(member.compress_type in METHODS[:2] and member.file_size <= packed, f"array {name!r} is not of its size")
    file = io.BytesIO(archive.read(member))
    version = npy.read_magic(file)
    require(version in ((1, 0), (2, 0)), f"array {name!r} is not a .npy file")
    header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, dtype = header(file)
    require(not dtype.hasobject, f"array {name!r} holds Python objects")
    left, sizes = len(file.getbuffer()) - file.tell(), math.prod(shape)
    require(sizes * dtype.itemsize == left and min(shape, default=0) >= 0, f"array {name!r} is not of its size")
    flat = np.frombuffer(file.getbuffer(), dtype, offset=file.tell()).copy() if left else np.empty(sizes, dtype)
    return flat.reshape(shape, order="F" if fortran else "C")
