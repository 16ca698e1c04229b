"""CUDA kernels (Triton). Imported only when a tensor on a CUDA device meets an operation.

Rows are skewed: the longest of a batch may be a hundred times the mean. So a program takes a chunk of a row, and sums
over chunks are added up in a fixed order, without atomics: the same input gives the same bits. `k`, the hidden units,
is known when a kernel is compiled, so that rows of weights are read in 16-byte loads wherever they are aligned.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

CHUNK = 256  # stored entries of a row that one program takes
LONG = 4 * CHUNK  # where no row can have more, a program takes a whole row
WIDE = 1024  # hidden units that a program holds at once, at most
SHORT = 16  # mean entries of a row below which a program is one warp


class Tiling(NamedTuple):
    """How a program divides its work.

    Attributes:
        warps: of 32 threads.
        held: weights that a thread holds at once; more are more loads under way, and fewer programs beside.
    """

    warps: int
    held: int


TILINGS = {"spmm": Tiling(4, 32), "spmm of short rows": Tiling(1, 64), "sddmm": Tiling(1, 64)}

# Triton evaluates the annotations of a kernel's parameters: only `tl.constexpr` may stand there.


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]
def _row_of_slot(indptr, n_rows, slot, CHUNK: tl.constexpr):  # type: ignore[no-untyped-def]
    """The row that `slot` belongs to. Those of a row begin at indptr[row] // CHUNK + row, which leaves each row as many
    as it has chunks, or one more: a table of chunks that needs no memory."""
    low, high = slot * 0, slot * 0 + n_rows
    while low + 1 < high:
        middle = (low + high) // 2
        before = tl.load(indptr + middle) // CHUNK + middle <= slot
        low, high = tl.where(before, middle, low), tl.where(before, high, middle)
    return low.to(tl.int64)


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]
def _spmm_kernel(  # type: ignore[no-untyped-def]
    indptr, indices, position, values, weight, out, n_rows, k: tl.constexpr,
    CHUNK: tl.constexpr, TILE: tl.constexpr, ENTRIES: tl.constexpr, SPLIT: tl.constexpr, TRANSPOSED: tl.constexpr,
):  # fmt: skip
    """One program: one sparse row or (SPLIT) a chunk of it, one tile of hidden units; to the row or slot of `out`."""
    to = tl.program_id(0).to(tl.int64)
    columns = tl.program_id(1) * TILE + tl.arange(0, TILE)
    inside = columns < k
    row = _row_of_slot(indptr, n_rows, tl.program_id(0), CHUNK) if SPLIT else to
    start, end = tl.load(indptr + row), tl.load(indptr + row + 1)
    if SPLIT:
        start += (to - row - start // CHUNK) * CHUNK
        end = tl.minimum(end, start + CHUNK)
    total = tl.zeros((TILE,), dtype=tl.float32)
    for z0 in range(start, end, ENTRIES):
        z = z0 + tl.arange(0, ENTRIES)
        stored = z < end
        col = tl.load(indices + z, mask=stored, other=0).to(tl.int64)
        at = tl.load(position + z, mask=stored, other=0) if TRANSPOSED else z
        value = tl.load(values + at, mask=stored, other=0.0).to(tl.float32)
        w = tl.load(weight + col[:, None] * k + columns[None, :], mask=stored[:, None] & inside[None, :], other=0.0)
        total += tl.sum(value[:, None] * w.to(tl.float32), axis=0)
    tl.store(out + to * k + columns, total.to(out.dtype.element_ty), mask=inside)


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]
def _sum_chunks_kernel(  # type: ignore[no-untyped-def]
    indptr, part, out, k: tl.constexpr, CHUNK: tl.constexpr, TILE: tl.constexpr, ENTRIES: tl.constexpr
):
    """One program: what the chunks of one row came to, one tile of hidden units."""
    row = tl.program_id(0).to(tl.int64)
    columns = tl.program_id(1) * TILE + tl.arange(0, TILE)
    inside = columns < k
    start, end = tl.load(indptr + row), tl.load(indptr + row + 1)
    first = start // CHUNK + row
    last = first + (end - start + CHUNK - 1) // CHUNK
    total = tl.zeros((TILE,), dtype=tl.float32)
    for s0 in range(first, last, ENTRIES):
        slot = s0 + tl.arange(0, ENTRIES)
        there = (slot < last)[:, None] & inside[None, :]
        total += tl.sum(tl.load(part + slot[:, None] * k + columns[None, :], mask=there, other=0.0), axis=0)
    tl.store(out + row * k + columns, total.to(out.dtype.element_ty), mask=inside)


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]
def _sddmm_kernel(  # type: ignore[no-untyped-def]
    indptr, indices, hidden, weight, bias, out, n_rows, k: tl.constexpr,
    CHUNK: tl.constexpr, TILE: tl.constexpr, ENTRIES: tl.constexpr, BIAS: tl.constexpr,
):  # fmt: skip
    """One program: a chunk of a row's stored entries, all hidden units."""
    slot = tl.program_id(0)
    row = _row_of_slot(indptr, n_rows, slot, CHUNK)
    start, end = tl.load(indptr + row), tl.load(indptr + row + 1)
    start += (slot - row - start // CHUNK) * CHUNK
    end = tl.minimum(end, start + CHUNK)
    tile = tl.arange(0, TILE)
    first = tl.load(hidden + row * k + tile, mask=tile < k, other=0.0).to(tl.float32)
    for z0 in range(start, end, ENTRIES):
        z = z0 + tl.arange(0, ENTRIES)
        stored = z < end
        col = tl.load(indices + z, mask=stored, other=0).to(tl.int64)
        total = tl.zeros((ENTRIES,), dtype=tl.float32)
        if BIAS:
            total += tl.load(bias + col, mask=stored, other=0.0).to(tl.float32)
        for j0 in tl.static_range(0, k, TILE):
            columns = j0 + tile
            inside = columns < k
            h = first if j0 == 0 else tl.load(hidden + row * k + columns, mask=inside, other=0.0).to(tl.float32)
            w = tl.load(weight + col[:, None] * k + columns[None, :], mask=stored[:, None] & inside[None, :], other=0.0)
            total += tl.sum(h[None, :] * w.to(tl.float32), axis=1)
        tl.store(out + z, total.to(out.dtype.element_ty), mask=stored)


def spmm(indptr: Tensor, indices: Tensor, values: Tensor, weight: Tensor) -> Tensor:
    """Sparse rows (B, n) times `weight` (n, k): (B, k), accumulated in float32."""
    return _spmm(indptr, indices, None, values, weight)


def spmm_transposed(t_indptr: Tensor, t_indices: Tensor, t_position: Tensor, values: Tensor, dense: Tensor) -> Tensor:
    """The transposed rows (n, B), whose values are `values[t_position]`, times `dense` (B, k): (n, k)."""
    return _spmm(t_indptr, t_indices, t_position, values, dense)


def sddmm(indptr: Tensor, indices: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`hidden` (B, k) times `weight`ᵀ (k, n) plus `bias` (n,) at the stored entries: (nnz,), accumulated in float32."""
    weight, hidden = weight.contiguous(), hidden.contiguous()
    n_rows, nnz, k = len(indptr) - 1, len(indices), weight.shape[1]
    out = weight.new_empty(nnz)
    if nnz:
        tile, entries, warps = _tile(k, TILINGS["sddmm"])
        with torch.cuda.device_of(weight):  # type: ignore[no-untyped-call]  # Triton launches on the current GPU
            _sddmm_kernel[(nnz // CHUNK + n_rows,)](
                indptr, indices, hidden, weight, weight if bias is None else bias, out, n_rows, k,
                CHUNK=CHUNK, TILE=tile, ENTRIES=entries, BIAS=bias is not None, num_warps=warps,
            )  # fmt: skip
    return out


def supported(weight: Tensor) -> bool:
    """Float64 goes the plain way: the kernels accumulate in float32."""
    return weight.dtype in (torch.float32, torch.bfloat16, torch.float16)


def _spmm(indptr: Tensor, indices: Tensor, position: Tensor | None, values: Tensor, weight: Tensor) -> Tensor:
    weight, values = weight.contiguous(), values.contiguous()
    n_rows, nnz, (n, k) = len(indptr) - 1, len(indices), weight.shape
    out = weight.new_empty((n_rows, k))
    if not (n_rows and k):
        return out
    short = nnz < SHORT * n_rows
    tile, entries, warps = _tile(k, TILINGS["spmm of short rows" if short else "spmm"])
    split, tiles = n > LONG, triton.cdiv(k, tile)
    slots = nnz // CHUNK + n_rows if split else n_rows
    part = weight.new_empty((slots, k), dtype=torch.float32) if split else out
    with torch.cuda.device_of(weight):  # type: ignore[no-untyped-call]  # Triton launches on the current GPU
        _spmm_kernel[(slots, tiles)](
            indptr, indices, indices if position is None else position, values, weight, part, n_rows, k,
            CHUNK=CHUNK, TILE=tile, ENTRIES=entries, SPLIT=split, TRANSPOSED=position is not None, num_warps=warps,
        )  # fmt: skip
        if split:
            _sum_chunks_kernel[(n_rows, tiles)](indptr, part, out, k, CHUNK=CHUNK, TILE=tile, ENTRIES=8, num_warps=4)
    return out


def _tile(k: int, tiling: Tiling) -> tuple[int, int, int]:
    """Hidden units and stored entries that a program takes at once, and its warps."""
    tile = min(WIDE, triton.next_power_of_2(max(1, k)))
    warps = max(1, min(tiling.warps, tile // 128))
    return tile, max(1, min(64, tiling.held * 32 * warps // tile)), warps
