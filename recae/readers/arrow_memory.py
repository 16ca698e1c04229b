"""Bytes that pyarrow's threads may read: held by pyarrow itself, so that no thread of its own asks for Python.

Memory of Python's is let go of by whichever of pyarrow's threads is the last to use it, and that thread then asks for
the interpreter. Where the process is ending, it never gets it, and is ended within C++, which aborts the process
("terminate called without an active exception", apache/arrow#34314).
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from recae.readers.packing import open_bytes, packing_of

PART = 1 << 20  # bytes that are unpacked at once


def held_by_arrow(block: bytes) -> Any:
    """A copy of `block` in memory of pyarrow's own, a `pyarrow.Buffer`."""
    import pyarrow as pa

    held = pa.allocate_buffer(len(block))
    np.frombuffer(held, np.uint8)[:] = np.frombuffer(block, np.uint8)
    return held


def opened_by_arrow(path: Path) -> Any:
    """The unpacked bytes of a file, which pyarrow reads by itself; those of a packed one are held in its memory.

    Raises:
        DataError: the file is damaged, cut short or unreadable.
    """
    import pyarrow as pa

    if not packing_of(path):
        return pa.OSFile(str(path))
    sink = pa.BufferOutputStream()
    with open_bytes(path) as file:
        shutil.copyfileobj(file, sink, PART)
    return pa.BufferReader(sink.getvalue())
