"""Bytes that pyarrow's threads may read: held by pyarrow itself, so that no thread of its own asks for Python."""

from __future__ import annotations

from typing import Any

import numpy as np


def held_by_arrow(block: bytes) -> Any:
    """A copy of `block` in memory of pyarrow's own, a `pyarrow.Buffer`.

    Memory of Python's is let go of by whichever of pyarrow's threads is the last to use it, and that thread then asks
    for the interpreter. Where the process is ending, it never gets it, and is ended within C++, which aborts the
    process ("terminate called without an active exception", apache/arrow#34314).
    """
    import pyarrow as pa

    held = pa.allocate_buffer(len(block))
    np.frombuffer(held, np.uint8)[:] = np.frombuffer(block, np.uint8)
    return held
