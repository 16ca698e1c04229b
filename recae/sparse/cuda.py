"""CUDA kernels (Triton). Imported only when a tensor on a CUDA device meets an operation."""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

_TILE = 128  # hidden units a program holds in registers
_ENTRIES = 16  # stored entries taken at once


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]
def _spmm_kernel(
    indptr: Any, indices: Any, values: Any, weight: Any, out: Any, k: Any, TILE: tl.constexpr, ENTRIES: tl.constexpr
) -> None:
    """One program: one sparse row, one tile of hidden units."""
    row = tl.program_id(0).to(tl.int64)
    columns = tl.program_id(1) * TILE + tl.arange(0, TILE)
    inside = columns < k
    start, end = tl.load(indptr + row), tl.load(indptr + row + 1)
    total = tl.zeros((TILE,), dtype=tl.float32)
    for z0 in range(start, end, ENTRIES):
        z = z0 + tl.arange(0, ENTRIES)
        stored = z < end
        col = tl.load(indices + z, mask=stored, other=0).to(tl.int64)
        value = tl.load(values + z, mask=stored, other=0.0).to(tl.float32)
        w = tl.load(weight + col[:, None] * k + columns[None, :], mask=stored[:, None] & inside[None, :], other=0.0)
        total += tl.sum(value[:, None] * w.to(tl.float32), axis=0)
    tl.store(out + row * k + columns, total.to(out.dtype.element_ty), mask=inside)


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]
def _sddmm_kernel(
    indptr: Any,
    indices: Any,
    hidden: Any,
    weight: Any,
    bias: Any,
    out: Any,
    k: Any,
    TILE: tl.constexpr,
    ENTRIES: tl.constexpr,
) -> None:
    """One program: every SPLIT-th group of stored entries of one row, all hidden units."""
    row = tl.program_id(0).to(tl.int64)
    start, end = tl.load(indptr + row), tl.load(indptr + row + 1)
    stride = tl.num_programs(1) * ENTRIES
    for z0 in range(start + tl.program_id(1) * ENTRIES, end, stride):
        z = z0 + tl.arange(0, ENTRIES)
        stored = z < end
        col = tl.load(indices + z, mask=stored, other=0).to(tl.int64)
        total = tl.load(bias + col, mask=stored, other=0.0).to(tl.float32)
        for j0 in range(0, k, TILE):
            columns = j0 + tl.arange(0, TILE)
            inside = columns < k
            h = tl.load(hidden + row * k + columns, mask=inside, other=0.0).to(tl.float32)
            w = tl.load(weight + col[:, None] * k + columns[None, :], mask=stored[:, None] & inside[None, :], other=0.0)
            total += tl.sum(h[None, :] * w.to(tl.float32), axis=1)
        tl.store(out + z, total.to(out.dtype.element_ty), mask=stored)


def spmm(indptr: Tensor, indices: Tensor, values: Tensor, weight: Tensor) -> Tensor:
    """Sparse rows (B, n) times `weight` (n, k): (B, k), accumulated in float32."""
    weight = weight.contiguous()
    n_rows, k = len(indptr) - 1, weight.shape[1]
    out = weight.new_empty((n_rows, k))
    if n_rows and k:
        grid = (n_rows, triton.cdiv(k, _TILE))
        _spmm_kernel[grid](indptr, indices, values.contiguous(), weight, out, k, TILE=_TILE, ENTRIES=_ENTRIES)
    return out


def sddmm(indptr: Tensor, indices: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`hidden` (B, k) times `weight`ᵀ (k, n) plus `bias` (n,) at the stored entries: (nnz,), accumulated in float32."""
    bias = weight.new_zeros(weight.shape[0]) if bias is None else bias
    weight = weight.contiguous()
    n_rows, k = len(indptr) - 1, weight.shape[1]
    out = weight.new_zeros(len(indices))
    if n_rows and len(indices):
        mean = max(1, len(indices) // n_rows)
        grid = (n_rows, min(64, triton.cdiv(mean, _ENTRIES)))
        _sddmm_kernel[grid](indptr, indices, hidden.contiguous(), weight, bias, out, k, TILE=_TILE, ENTRIES=_ENTRIES)
    return out


def spmm_transposed(t_indptr: Tensor, t_indices: Tensor, t_position: Tensor, values: Tensor, dense: Tensor) -> Tensor:
    """The transposed rows (n, B), whose values are `values[t_position]`, times `dense` (B, k): (n, k)."""
    return spmm(t_indptr, t_indices, values[t_position], dense)


def supported(weight: Tensor) -> bool:
    """Float64 goes the plain way: the kernels accumulate in float32."""
    return weight.dtype in (torch.float32, torch.bfloat16, torch.float16)
