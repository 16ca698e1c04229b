"""idx images, packed or not: headers that ask for more or less than there is, types, damaged packing."""

from __future__ import annotations

import gzip
import random
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fuzz.changes import changed_bytes
from recae.datasets.mnist import read_idx

SHAPES = [(10,), (3, 4, 4), (2, 2)]
SIZES = [0, 1, 5, 2**16, 2**31, 2**32 - 1]


def prepare(base: Path) -> None:
    (base / "f").write_bytes(idx((3, 4, 4)))
    assert not list(read(base))
    (base / "zeros.gz").write_bytes(gzip.compress(bytes(64 << 20)) * 48)  # 3 GiB of zeros, in 3 MB


def idx(shape: tuple[int, ...]) -> bytes:
    return header(shape) + np.arange(np.prod(shape), dtype=np.uint8).tobytes()


def header(shape: tuple[int, ...] | list[int]) -> bytes:
    return bytes([0, 0, 8, len(shape)]) + b"".join(struct.pack(">I", n) for n in shape)


def write(rng: random.Random, base: Path, work: Path) -> str:
    shape = rng.choice(SHAPES)
    data = idx(shape)
    how = rng.choice(["bytes", "bytes", "sizes", "axes", "type", "packed", "members", "many axes", "short", "zeros"])
    if how == "bytes":
        data = changed_bytes(rng, data)
    elif how == "sizes":
        data = header([rng.choice([*SIZES, n]) for n in shape]) + data[4 + 4 * len(shape) :]
    elif how == "axes":
        data = data[:3] + bytes([rng.choice([0, 1, 2, 65, 200, 255])]) + data[4:] + bytes(rng.choice([0, 1100]))
    elif how == "type":
        data = data[:2] + bytes([rng.choice([0, 7, 8, 9, 0xB, 0xC, 0xD, 0xE, 255])]) + data[3:]
    elif how == "packed":
        packed = gzip.compress(data)
        data = rng.choice([packed, packed[:2] + changed_bytes(rng, packed[2:])])
    elif how == "members":
        data = gzip.compress(data) + rng.choice([gzip.compress(data), b"junk", bytes(50)])
    elif how == "many axes":
        sizes = rng.choice([[2**31, 2**31, 4], [2**32 - 1] * 4, [2**16] * 4, [2**16] * 4 + [0], [1] * 70])
        data = header(sizes) + bytes(rng.choice([0, 1, 16]))
    elif how == "short":
        data = rng.choice([b"", b"\0", b"\x1f\x8b", b"\x1f\x8b\x08", bytes(4), bytes(5)])
    elif rng.random() < 0.5:
        data = (base / "zeros.gz").read_bytes()
    else:
        data = gzip.compress(header([rng.choice([2**32 - 1, 3 << 30])])) + (base / "zeros.gz").read_bytes()
    (work / "f").write_bytes(data)
    return how


def read(work: Path) -> Iterator[str]:
    array = read_idx(work / "f")
    if array.size > 10**6:
        yield f"an array of {array.size} numbers"
    if array.dtype.kind not in "iuf":
        yield f"an array of {array.dtype}"
