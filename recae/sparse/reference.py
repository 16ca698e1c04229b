"""The two operations in plain PyTorch: what the kernels are tested against, and the path of any other device.

Sizes are passed on where they are known: to ask a GPU for one is to wait for it.
"""

from __future__ import annotations

import torch
from torch import Tensor


def row_of(indptr: Tensor, nnz: int) -> Tensor:
    """The row of each of the `nnz` stored entries, shape (nnz,)."""
    rows = torch.arange(len(indptr) - 1, device=indptr.device)
    return torch.repeat_interleave(rows, indptr[1:] - indptr[:-1], output_size=nnz)


def spmm(indptr: Tensor, indices: Tensor, values: Tensor, weight: Tensor) -> Tensor:
    """Sparse rows (B, n) times `weight` (n, k): (B, k)."""
    out = weight.new_zeros((len(indptr) - 1, weight.shape[1]))
    gathered = weight[indices.long()] * values.to(weight.dtype)[:, None]
    return out.index_add(0, row_of(indptr, len(indices)), gathered)


def sddmm(indptr: Tensor, indices: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`hidden` (B, k) times `weight`ᵀ (k, n) plus `bias` (n,) at the stored entries: (nnz,)."""
    products = (hidden.to(weight.dtype)[row_of(indptr, len(indices))] * weight[indices.long()]).sum(1)
    return products if bias is None else products + bias.to(weight.dtype)[indices.long()]


def spmm_transposed(t_indptr: Tensor, t_indices: Tensor, t_position: Tensor, values: Tensor, dense: Tensor) -> Tensor:
    """The transposed rows (n, B), whose values are `values[t_position]`, times `dense` (B, k): (n, k)."""
    return spmm(t_indptr, t_indices, values[t_position], dense)


def transpose(indptr: Tensor, indices: Tensor, n_cols: int) -> tuple[Tensor, Tensor, Tensor]:
    """Row starts (n_cols + 1,), column indices (nnz,) and positions (nnz,) of the transposed pattern."""
    columns, position = torch.sort(indices, stable=True)
    t_indptr = torch.searchsorted(columns, torch.arange(n_cols + 1, device=indices.device, dtype=indices.dtype))
    return t_indptr, row_of(indptr, len(indices))[position].to(indices.dtype), position


def take(
    indptr: Tensor, indices: Tensor, values: Tensor, index: Tensor, nnz: int | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """The rows `index` (any order, repeats allowed) of a CSR; `nnz`: how many entries they have, where it is known."""
    starts = indptr[index]
    lengths = indptr[index + 1] - starts
    new_indptr = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
    shift = torch.repeat_interleave(starts - new_indptr[:-1], lengths, output_size=nnz)
    position = torch.arange(len(shift), device=indptr.device) + shift
    return new_indptr, indices[position], values[position]
