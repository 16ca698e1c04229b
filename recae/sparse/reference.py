"""The two operations in plain PyTorch: what the kernels are tested against, and the path of any other device."""

from __future__ import annotations

import torch
from torch import Tensor


def row_of(indptr: Tensor) -> Tensor:
    """The row of each stored entry, shape (nnz,)."""
    rows = torch.arange(len(indptr) - 1, device=indptr.device)
    return torch.repeat_interleave(rows, indptr[1:] - indptr[:-1])


def spmm(indptr: Tensor, indices: Tensor, values: Tensor, weight: Tensor) -> Tensor:
    """Sparse rows (B, n) times `weight` (n, k): (B, k)."""
    out = weight.new_zeros((len(indptr) - 1, weight.shape[1]))
    gathered = weight[indices.long()] * values.to(weight.dtype)[:, None]
    return out.index_add(0, row_of(indptr), gathered)


def sddmm(indptr: Tensor, indices: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`hidden` (B, k) times `weight`ᵀ (k, n) plus `bias` (n,) at the stored places: (nnz,)."""
    products = (hidden.to(weight.dtype)[row_of(indptr)] * weight[indices.long()]).sum(1)
    return products if bias is None else products + bias.to(weight.dtype)[indices.long()]


def spmm_turned(t_indptr: Tensor, t_indices: Tensor, t_position: Tensor, values: Tensor, dense: Tensor) -> Tensor:
    """The transposed rows (n, B), whose values stand at `t_position` of `values`, times `dense` (B, k): (n, k)."""
    return spmm(t_indptr, t_indices, values[t_position], dense)


def transpose(indptr: Tensor, indices: Tensor, n_cols: int) -> tuple[Tensor, Tensor, Tensor]:
    """Row starts (n_cols + 1,), column indices (nnz,) and positions (nnz,) of the transposed pattern."""
    position = torch.argsort(indices.long(), stable=True)
    counts = torch.bincount(indices.long(), minlength=n_cols)
    t_indptr = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    return t_indptr, row_of(indptr)[position].to(indices.dtype), position


def take(indptr: Tensor, indices: Tensor, values: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The rows `wanted` (any order, repeats allowed) of a CSR."""
    lengths = indptr[wanted + 1] - indptr[wanted]
    new_indptr = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
    shift = torch.repeat_interleave(indptr[wanted] - new_indptr[:-1], lengths)
    places = torch.arange(len(shift), device=indptr.device) + shift
    return new_indptr, indices[places], values[places]
