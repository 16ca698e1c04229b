"""CPU kernels (numba): the loops that training spends its time in, three products and Adam.

The products read a few hundred dense rows again and again. Two things make them fast. The columns are walked
in blocks whose dense rows stay in a core's second-level cache (entries are sorted by column, so each sparse
row keeps a cursor), and several entries are taken at once, so that the running row is loaded and stored less
often. Chunks of rows hold equally many entries, so that threads finish together, and there is one a thread: each
walks all columns, and so reads all of the weights once. Every sum is taken in a fixed order: a result does not depend
on the number of threads.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from recae._types import Array
from recae.jit import jit_kernel, n_threads, prange
from recae.sparse.resources import large_empty

# Sums may be reordered (vectorised); NaN and infinity keep their meaning, so that divergence is seen.
_REORDER = {"reassoc", "contract", "nsz", "arcp"}
_CACHE_BYTES = 768 * 1024
_TOGETHER = 4096  # floats of a gradient that Adam takes at once: a loop as short as a row is slow at its end
_TILE = 1024  # floats of a row that are taken at once by spmm, so that a few stay in the first-level cache


@jit_kernel(parallel=False)
def first_row(indptr: Array, chunk: int, n_chunks: int) -> int:
    """First row of a chunk, where all chunks have about equal work: the number of entries plus the number of rows."""
    n_rows = len(indptr) - 1
    share = (indptr[n_rows] + n_rows) * chunk // n_chunks
    low, high = 0, n_rows
    while low < high:
        middle = (low + high) // 2
        if indptr[middle] + middle < share:
            low = middle + 1
        else:
            high = middle
    return low


@jit_kernel(parallel=True, fastmath=_REORDER)
def _spmm(
    indptr: Array, indices: Array, values: Array, weight: Array, out: Array,
    n_chunks: int, block: int, n_cols: int, tile: int,
) -> None:  # fmt: skip
    k = weight.shape[1]
    for chunk in prange(n_chunks):
        first, last = first_row(indptr, chunk, n_chunks), first_row(indptr, chunk + 1, n_chunks)
        out[first:last] = 0
        for left in range(0, k, tile):
            right = min(k, left + tile)
            cursor = indptr[first : last + 1].copy()
            for start in range(0, n_cols, block):
                stop = start + block
                for row in range(first, last):
                    z, end = cursor[row - first], indptr[row + 1]
                    total = out[row, left:right]
                    while z + 3 < end and indices[z + 3] < stop:
                        v0, v1, v2, v3 = values[z], values[z + 1], values[z + 2], values[z + 3]
                        w0, w1 = weight[indices[z], left:right], weight[indices[z + 1], left:right]
                        w2, w3 = weight[indices[z + 2], left:right], weight[indices[z + 3], left:right]
                        for j in range(right - left):
                            total[j] += v0 * w0[j] + v1 * w1[j] + v2 * w2[j] + v3 * w3[j]
                        z += 4
                    while z < end and indices[z] < stop:
                        v, w = values[z], weight[indices[z], left:right]
                        for j in range(right - left):
                            total[j] += v * w[j]
                        z += 1
                    cursor[row - first] = z


@jit_kernel(parallel=True, fastmath=_REORDER)
def _sddmm(
    indptr: Array, indices: Array, hidden: Array, weight: Array, bias: Array, out: Array,
    n_chunks: int, block: int, n_cols: int,
) -> None:  # fmt: skip
    k = weight.shape[1]
    for chunk in prange(n_chunks):
        first, last = first_row(indptr, chunk, n_chunks), first_row(indptr, chunk + 1, n_chunks)
        cursor = indptr[first : last + 1].copy()
        for start in range(0, n_cols, block):
            stop = start + block
            for row in range(first, last):
                z, end = cursor[row - first], indptr[row + 1]
                h = hidden[row]
                while z + 1 < end and indices[z + 1] < stop:
                    w0, w1 = weight[indices[z]], weight[indices[z + 1]]
                    s0, s1 = bias[indices[z]], bias[indices[z + 1]]
                    for j in range(k):
                        s0 += h[j] * w0[j]
                        s1 += h[j] * w1[j]
                    out[z], out[z + 1] = s0, s1
                    z += 2
                while z < end and indices[z] < stop:
                    w = weight[indices[z]]
                    s = bias[indices[z]]
                    for j in range(k):
                        s += h[j] * w[j]
                    out[z] = s
                    z += 1
                cursor[row - first] = z


@jit_kernel(parallel=False)
def _transpose(indptr: Array, indices: Array, t_indptr: Array, t_indices: Array, t_position: Array) -> None:
    """Counting sort by column: the row of each entry of the transposed rows, and its position in `values`."""
    n_cols = len(t_indptr) - 1
    t_indptr[:] = 0
    for z in range(len(indices)):
        t_indptr[indices[z] + 1] += 1
    for col in range(n_cols):
        t_indptr[col + 1] += t_indptr[col]
    cursor = t_indptr[:-1].copy()
    for row in range(len(indptr) - 1):
        for z in range(indptr[row], indptr[row + 1]):
            at = cursor[indices[z]]
            cursor[indices[z]] = at + 1
            t_indices[at] = row
            t_position[at] = z


@jit_kernel(parallel=True)
def _gather(values: Array, position: Array, out: Array) -> None:
    for z in prange(len(position)):
        out[z] = values[position[z]]


@jit_kernel(parallel=True)
def _take(
    indptr: Array,
    indices: Array,
    values: Array,
    index: Array,
    new_indptr: Array,
    new_indices: Array,
    new_values: Array,
) -> None:
    for i in prange(len(index)):
        start, to = indptr[index[i]], new_indptr[i]
        for offset in range(new_indptr[i + 1] - to):
            new_indices[to + offset] = indices[start + offset]
            new_values[to + offset] = values[start + offset]


@jit_kernel(parallel=True, fastmath=_REORDER)
def adam(
    weight: Array, grad: Array, mean: Array, square: Array,
    beta1: float, beta2: float, step_size: float, correction: float, eps: float, decay: float,
) -> None:  # fmt: skip
    for i in prange(weight.size):
        g = grad[i] + decay * weight[i]
        m = beta1 * mean[i] + (1 - beta1) * g
        v = beta2 * square[i] + (1 - beta2) * g * g
        mean[i], square[i] = m, v
        weight[i] -= step_size * m / (np.sqrt(v) * correction + eps)


@jit_kernel(parallel=True, fastmath=_REORDER)
def adam_averaged(
    weight: Array, grad: Array, mean: Array, square: Array, average: Array,
    beta1: float, beta2: float, step_size: float, correction: float, eps: float, decay: float, pace: float,
) -> None:  # fmt: skip
    for i in prange(weight.size):  # not a branch of `adam`, whose loop would then not be vectorised
        g = grad[i] + decay * weight[i]
        m = beta1 * mean[i] + (1 - beta1) * g
        v = beta2 * square[i] + (1 - beta2) * g * g
        mean[i], square[i] = m, v
        w = weight[i] - step_size * m / (np.sqrt(v) * correction + eps)
        weight[i] = w
        average[i] += pace * (w - average[i])


@jit_kernel(parallel=False, fastmath=_REORDER)
def _gradient_of_rows(
    t_indptr: Array, t_indices: Array, values: Array, dense: Array, first: int, last: int, block: int, out: Array
) -> None:
    """Rows of S(values)ᵀ dense from first to last, one after the other in `out`: the sums of `_spmm`, in their order.

    `values` are transposed.
    """
    k = dense.shape[1]
    for row in range(first, last):
        total = out[(row - first) * k : (row - first + 1) * k]
        total[:] = 0
        z, end = t_indptr[row], t_indptr[row + 1]
        for start in range(0, len(dense), block):
            stop = start + block
            while z + 3 < end and t_indices[z + 3] < stop:
                v0, v1, v2, v3 = values[z], values[z + 1], values[z + 2], values[z + 3]
                d0, d1 = dense[t_indices[z]], dense[t_indices[z + 1]]
                d2, d3 = dense[t_indices[z + 2]], dense[t_indices[z + 3]]
                for j in range(k):
                    total[j] += v0 * d0[j] + v1 * d1[j] + v2 * d2[j] + v3 * d3[j]
                z += 4
            while z < end and t_indices[z] < stop:
                v, d = values[z], dense[t_indices[z]]
                for j in range(k):
                    total[j] += v * d[j]
                z += 1


@jit_kernel(parallel=True, fastmath=_REORDER)
def adam_factored(
    t_indptr: Array, t_indices: Array, values: Array, dense: Array, n_chunks: int, block: int,
    weight: Array, mean: Array, square: Array,
    beta1: float, beta2: float, step_size: float, correction: float, eps: float, decay: float,
) -> None:  # fmt: skip
    """`adam` on a weight (n, k), given flat, with the gradient S(values)ᵀ dense: some rows of it at a time."""
    k = dense.shape[1]
    together = max(1, _TOGETHER // k)
    for chunk in prange(n_chunks):
        first, last = first_row(t_indptr, chunk, n_chunks), first_row(t_indptr, chunk + 1, n_chunks)
        grad = np.empty(together * k, weight.dtype)
        for start in range(first, last, together):
            stop = min(last, start + together)
            _gradient_of_rows(t_indptr, t_indices, values, dense, start, stop, block, grad)
            w, m_of, v_of = weight[start * k : stop * k], mean[start * k : stop * k], square[start * k : stop * k]
            for i in range((stop - start) * k):
                g = grad[i] + decay * w[i]
                m = beta1 * m_of[i] + (1 - beta1) * g
                v = beta2 * v_of[i] + (1 - beta2) * g * g
                m_of[i], v_of[i] = m, v
                w[i] -= step_size * m / (np.sqrt(v) * correction + eps)


@jit_kernel(parallel=True, fastmath=_REORDER)
def adam_factored_averaged(
    t_indptr: Array, t_indices: Array, values: Array, dense: Array, n_chunks: int, block: int,
    weight: Array, mean: Array, square: Array, average: Array,
    beta1: float, beta2: float, step_size: float, correction: float, eps: float, decay: float, pace: float,
) -> None:  # fmt: skip
    k = dense.shape[1]
    together = max(1, _TOGETHER // k)
    for chunk in prange(n_chunks):
        first, last = first_row(t_indptr, chunk, n_chunks), first_row(t_indptr, chunk + 1, n_chunks)
        grad = np.empty(together * k, weight.dtype)
        for start in range(first, last, together):
            stop = min(last, start + together)
            _gradient_of_rows(t_indptr, t_indices, values, dense, start, stop, block, grad)
            w, m_of, v_of = weight[start * k : stop * k], mean[start * k : stop * k], square[start * k : stop * k]
            a = average[start * k : stop * k]
            for i in range((stop - start) * k):
                g = grad[i] + decay * w[i]
                m = beta1 * m_of[i] + (1 - beta1) * g
                v = beta2 * v_of[i] + (1 - beta2) * g * g
                m_of[i], v_of[i] = m, v
                new = w[i] - step_size * m / (np.sqrt(v) * correction + eps)
                w[i] = new
                a[i] += pace * (new - a[i])


# ---------------------------------------------------------------- called


def spmm(indptr: Tensor, indices: Tensor, values: Tensor, weight: Tensor) -> Tensor:
    """Sparse rows (B, n) times `weight` (n, k): (B, k)."""
    weight = weight.contiguous()
    out = large_empty(len(indptr) - 1, weight.shape[1], weight.dtype)
    tile = min(max(1, weight.shape[1]), _TILE)
    _spmm(
        _np(indptr), _np(indices), _np(values.to(weight.dtype)), _np(weight), _np(out),
        _n_chunks(indptr), rows_in_cache(tile * weight.element_size()), weight.shape[0], tile,
    )  # fmt: skip
    return out


def sddmm(indptr: Tensor, indices: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`hidden` (B, k) times `weight`ᵀ (k, n) plus `bias` (n,) at the stored entries: (nnz,)."""
    bias = weight.new_zeros(weight.shape[0]) if bias is None else bias.to(weight.dtype)
    weight = weight.contiguous()
    out = weight.new_empty(len(indices))
    _sddmm(
        _np(indptr), _np(indices), _np(hidden.to(weight.dtype)), _np(weight), _np(bias), _np(out),
        _n_chunks(indptr), rows_in_cache(weight.shape[1] * weight.element_size()), weight.shape[0],
    )  # fmt: skip
    return out


def spmm_transposed(t_indptr: Tensor, t_indices: Tensor, t_position: Tensor, values: Tensor, dense: Tensor) -> Tensor:
    """The transposed rows (n, B), whose values are `values[t_position]`, times `dense` (B, k): (n, k)."""
    t_values = torch.empty_like(values)
    _gather(_np(values), _np(t_position), _np(t_values))
    return spmm(t_indptr, t_indices, t_values, dense)


def transpose(indptr: Tensor, indices: Tensor, n_cols: int) -> tuple[Tensor, Tensor, Tensor]:
    """Row starts (n_cols + 1,), column indices (nnz,) and positions (nnz,) of the transposed pattern."""
    t_indptr = torch.empty(n_cols + 1, dtype=torch.int64)
    t_indices, t_position = torch.empty_like(indices), torch.empty(len(indices), dtype=torch.int64)
    _transpose(_np(indptr), _np(indices), _np(t_indptr), _np(t_indices), _np(t_position))
    return t_indptr, t_indices, t_position


def take(indptr: Tensor, indices: Tensor, values: Tensor, index: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The rows `index` (any order, repeats allowed) of a CSR."""
    new_indptr = torch.zeros(len(index) + 1, dtype=torch.int64)
    torch.cumsum(indptr[index + 1] - indptr[index], 0, out=new_indptr[1:])
    nnz = int(new_indptr[-1])
    new_indices, new_values = indices.new_empty(nnz), values.new_empty(nnz)
    _take(_np(indptr), _np(indices), _np(values), _np(index), _np(new_indptr), _np(new_indices), _np(new_values))
    return new_indptr, new_indices, new_values


def _np(tensor: Tensor) -> Array:
    return tensor.detach().contiguous().numpy()


def rows_in_cache(row_bytes: int) -> int:
    """Columns whose dense rows, of so many bytes, fill most of a second-level cache."""
    return max(16, _CACHE_BYTES // max(1, row_bytes))


def _n_chunks(indptr: Tensor) -> int:
    return max(1, min(len(indptr) - 1, n_threads()))
