"""The rates of this machine, measured in the same run as the operations that are compared with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.common.timing import seconds_of
from recae.jit import jit_kernel, prange
from recae.sparse.resources import kernel_threads

Array = npt.NDArray[Any]
Ceilings = dict[str, float]
CACHED_BYTES = 512 * 2**10  # a table that a core's second-level cache holds
LARGE_BYTES = 2**28  # one that no cache holds


@jit_kernel(parallel=True, fastmath={"reassoc", "contract", "nsz", "arcp"})
def _add_rows(indices: Array, table: Array, out: Array) -> None:
    """Read rows of `table` at `indices`, four at once, and add up their numbers."""
    for part in prange(len(out)):
        first, last = len(indices) * part // len(out), len(indices) * (part + 1) // len(out)
        total = np.float32(0)
        for z in range(first, last - 3, 4):
            w0, w1, w2, w3 = table[indices[z]], table[indices[z + 1]], table[indices[z + 2]], table[indices[z + 3]]
            for j in range(table.shape[1]):
                total += w0[j] + w1[j] + w2[j] + w3[j]
        out[part] = total


@jit_kernel(parallel=True)
def _copy(source: Array, to: Array) -> None:
    for i in prange(len(source)):
        to[i] = source[i]


def copy_rate(n_bytes: int = LARGE_BYTES) -> float:
    """Bytes a second of the fastest copy of a large array, read and written bytes together."""
    source, to = torch.ones(n_bytes // 4), torch.empty(n_bytes // 4)
    seconds = seconds_of(lambda: to.copy_(source), 5)
    with kernel_threads():
        seconds += seconds_of(lambda: _copy(source.numpy(), to.numpy()), 5)
    return 2 * n_bytes / min(seconds)


def product_rate(n: int = 3072) -> float:
    """Floating-point operations a second of the fastest product of two large float32 matrices."""
    a, b = torch.randn(n, n), torch.randn(n, n)
    ways: list[Callable[[], Any]] = [lambda: a @ b, lambda: a.numpy() @ b.numpy()]
    if torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        ways.append(lambda: torch.ops.mkldnn._linear_pointwise(a, b, None, "none", [], ""))
    return 2 * n**3 / min(min(seconds_of(way, 3)) for way in ways)


def gather_rate(k: int, table_bytes: int, n_reads: int = 2**17) -> float:
    """Bytes a second of reading random rows of `k` floats of a table; the fastest of some runs."""
    n_rows = max(8, table_bytes // (4 * k))
    table = np.ones((n_rows, k), np.float32)
    indices = np.random.default_rng(0).integers(0, n_rows, n_reads).astype(np.int32)
    out = np.empty(max(1, torch.get_num_threads()), np.float32)
    with kernel_threads():
        return 4 * k * n_reads / min(seconds_of(lambda: _add_rows(indices, table, out), 5))


def measured(k: int, scale: float = 1.0) -> Ceilings:
    """All ceilings, in bytes or operations a second; a `scale` below 1 is quicker and less exact."""
    large = int(LARGE_BYTES * scale)
    return {
        "copy": copy_rate(large), "product": product_rate(int(3072 * scale**0.5)),
        "gather": gather_rate(k, CACHED_BYTES, int(2**17 * scale)),
        "gather from memory": gather_rate(k, large, int(2**17 * scale)),
    }  # fmt: skip
