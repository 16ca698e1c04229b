"""`spmm` and `sddmm` as PyTorch custom operators with gradients.

Both are linear in each dense argument, and each one's gradients are the other and itself on the transposed
pattern, so that three loops (see `recae.sparse.cpu`) are all there is:

    spmm:  out = S(v) W              dv = sddmm(dout, W)     dW = S(v)ᵀ dout
    sddmm: out = (H Wᵀ + b) at S     dH = S(dout) W          dW = S(dout)ᵀ H       db = S(dout)ᵀ 1
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor

from recae.errors import ParameterError
from recae.sparse import cpu, reference
from recae.sparse.resources import triton_is_here
from recae.sparse.rows import SparseRows, operator, transpose


def spmm(rows: SparseRows, weight: Tensor) -> Tensor:
    """Sparse rows (B, n) times a dense `weight` (n, k): (B, k). Gradients flow into `rows.values` and `weight`.

    Raises:
        ParameterError: the shapes do not fit.
    """
    if weight.dim() != 2 or weight.shape[0] != rows.n_cols:
        raise ParameterError(
            f"weight has shape {tuple(weight.shape)}; sparse rows with {rows.n_cols} columns need ({rows.n_cols}, k)"
        )
    weight = _autocast(weight)
    values = rows.values.to(weight.dtype)
    return torch.ops.recae.spmm(rows.indptr, rows.indices, values, weight, *_for_gradient(rows, weight))  # type: ignore[no-any-return]


def sddmm(rows: SparseRows, hidden: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The entries of `hidden` `weight`ᵀ + `bias` at the stored entries of `rows`: (nnz,).

    Args:
        rows: B sparse rows with n columns; only their pattern matters.
        hidden: (B, k).
        weight: (n, k), row-major.
        bias: (n,).

    Raises:
        ParameterError: the shapes do not fit.
    """
    fits = weight.dim() == 2 and weight.shape[0] == rows.n_cols and hidden.shape == (len(rows), weight.shape[1])
    if not fits or (bias is not None and bias.shape != (rows.n_cols,)):  # the kernels would read past the end
        given = {"hidden": hidden, "weight": weight} | ({} if bias is None else {"bias": bias})
        raise ParameterError(
            f"{', '.join(f'{name} {tuple(t.shape)}' for name, t in given.items())} do not fit {len(rows)} rows of "
            f"{rows.n_cols} columns; they must be ({len(rows)}, k), ({rows.n_cols}, k) and ({rows.n_cols},)"
        )
    weight = _autocast(weight)
    hidden = hidden.to(weight.dtype)
    return torch.ops.recae.sddmm(rows.indptr, rows.indices, hidden, weight, bias, *_for_gradient(rows, weight))  # type: ignore[no-any-return]


def _autocast(weight: Tensor) -> Tensor:
    """Within `torch.autocast`, float32 weights in its type, as in PyTorch's own products; on CUDA, which has kernels
    for them. (Autocast does not reach custom operators by itself.)"""
    on_cuda = weight.device.type == "cuda" and weight.dtype == torch.float32
    return weight.to(torch.get_autocast_dtype("cuda")) if on_cuda and torch.is_autocast_enabled("cuda") else weight


def _for_gradient(rows: SparseRows, weight: Tensor) -> tuple[Tensor, Tensor, Tensor] | tuple[None, None, None]:
    """The transposed pattern, where a gradient will need it."""
    return rows.transposed() if torch.is_grad_enabled() and weight.requires_grad else (None, None, None)


# ---------------------------------------------------------------- the operators as PyTorch sees them


@operator("spmm")
def _spmm(
    indptr: Tensor, indices: Tensor, values: Tensor, weight: Tensor,
    t_indptr: Tensor | None, t_indices: Tensor | None, t_position: Tensor | None,
) -> Tensor:  # fmt: skip
    return _kernels(weight).spmm(indptr, indices, values, weight)  # type: ignore[no-any-return]


@operator("sddmm")
def _sddmm(
    indptr: Tensor, indices: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor | None,
    t_indptr: Tensor | None, t_indices: Tensor | None, t_position: Tensor | None,
) -> Tensor:  # fmt: skip
    return _kernels(weight).sddmm(indptr, indices, hidden, weight, bias)  # type: ignore[no-any-return]


@operator("spmm_transposed")
def _spmm_transposed(t_indptr: Tensor, t_indices: Tensor, t_position: Tensor, values: Tensor, dense: Tensor) -> Tensor:
    return _kernels(dense).spmm_transposed(t_indptr, t_indices, t_position, values, dense)  # type: ignore[no-any-return]


def _kernels(weight: Tensor) -> Any:
    if weight.device.type == "cpu" and weight.dtype in (torch.float32, torch.float64):
        return cpu
    if weight.device.type == "cuda" and triton_is_here():
        from recae.sparse import cuda

        if cuda.supported(weight):
            return cuda
    return reference


@torch.library.register_fake("recae::spmm")
def _(indptr: Tensor, indices: Tensor, values: Tensor, weight: Tensor, *_: Any) -> Tensor:
    return weight.new_empty((indptr.shape[0] - 1, weight.shape[1]))


@torch.library.register_fake("recae::sddmm")
def _(indptr: Tensor, indices: Tensor, hidden: Tensor, weight: Tensor, *_: Any) -> Tensor:
    return weight.new_empty((indices.shape[0],))


@torch.library.register_fake("recae::spmm_transposed")
def _(t_indptr: Tensor, t_indices: Tensor, t_position: Tensor, values: Tensor, dense: Tensor) -> Tensor:
    return dense.new_empty((t_indptr.shape[0] - 1, dense.shape[1]))


def _save_inputs(ctx: Any, inputs: tuple[Tensor | None, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _transposed_pattern(ctx: Any, n_cols: int) -> tuple[Tensor, Tensor, Tensor]:
    saved = ctx.saved_tensors
    if saved[-1] is not None:
        return saved[-3], saved[-2], saved[-1]
    return transpose(saved[0], saved[1], n_cols)


def _weight_gradient(
    weight: Tensor, transposed: tuple[Tensor, Tensor, Tensor], values: Tensor, dense: Tensor
) -> Tensor | None:
    """S(values)ᵀ dense; None where its factors are kept instead (`factors_kept`)."""
    gradient = FactoredGradient(*transposed, values, dense)
    return None if keep(weight, gradient) else gradient.product()


def _spmm_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    indptr, indices, values, weight = ctx.saved_tensors[:4]
    d_values = d_weight = None
    if ctx.needs_input_grad[2]:
        d_values = torch.ops.recae.sddmm(indptr, indices, grad, weight, None, None, None, None)
    if ctx.needs_input_grad[3]:
        d_weight = _weight_gradient(weight, _transposed_pattern(ctx, weight.shape[0]), values, grad)
    return None, None, d_values, d_weight, None, None, None


def _sddmm_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    indptr, indices, hidden, weight, bias = ctx.saved_tensors[:5]
    d_hidden = d_weight = d_bias = None
    if ctx.needs_input_grad[2]:
        d_hidden = torch.ops.recae.spmm(indptr, indices, grad, weight, None, None, None)
    if ctx.needs_input_grad[3] or ctx.needs_input_grad[4]:
        transposed = _transposed_pattern(ctx, weight.shape[0])
        if ctx.needs_input_grad[3]:
            d_weight = _weight_gradient(weight, transposed, grad, hidden)
        if ctx.needs_input_grad[4]:
            ones = hidden.new_ones((hidden.shape[0], 1))
            d_bias = torch.ops.recae.spmm_transposed(*transposed, grad, ones)[:, 0].to(bias.dtype)
    return None, None, d_hidden, d_weight, d_bias, None, None, None


torch.library.register_autograd("recae::spmm", _spmm_backward, setup_context=_save_inputs)
torch.library.register_autograd("recae::sddmm", _sddmm_backward, setup_context=_save_inputs)


def _spmm_transposed_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    """out = Sᵀ D, so dD = S dout; dv at (row, col) = D[row]·dout[col]: what second derivatives need."""
    t_indptr, t_indices, t_position, values, dense = ctx.saved_tensors
    d_values = d_dense = None
    if ctx.needs_input_grad[3]:
        by_column = torch.ops.recae.sddmm(t_indptr, t_indices, grad, dense, None, None, None, None)
        d_values = torch.empty_like(by_column).index_copy(0, t_position, by_column)
    if ctx.needs_input_grad[4]:
        indptr, indices, position = transpose(t_indptr, t_indices, dense.shape[0])
        d_dense = torch.ops.recae.spmm(indptr, indices, values[t_position][position], grad, None, None, None)
    return None, None, None, d_values, d_dense


torch.library.register_autograd("recae::spmm_transposed", _spmm_transposed_backward, setup_context=_save_inputs)


# ---------------------------------------------------------------- gradients as factors

# The gradient of a weight that sparse rows were multiplied by is a product as large as the weight. An optimiser that
# takes its two factors works a row of it out where it needs it, in place of writing all of it and reading it again.


class FactoredGradient(NamedTuple):
    """S(values)ᵀ times `dense`, (n, k), of sparse rows S (B, n).

    Attributes:
        t_indptr, t_indices, t_position: the transposed pattern of S (`recae.sparse.rows.transpose`).
        values: (nnz,).
        dense: (B, k).
    """

    t_indptr: Tensor
    t_indices: Tensor
    t_position: Tensor
    values: Tensor
    dense: Tensor

    def product(self) -> Tensor:
        """The gradient itself, (n, k)."""
        made: Tensor = torch.ops.recae.spmm_transposed(*self)
        return made


_kept: dict[int, list[FactoredGradient]] = {}  # by the address of a weight that an optimiser takes factors for


@contextmanager
def factors_kept(weights: Sequence[Tensor]) -> Iterator[list[list[FactoredGradient]]]:
    """Within, backward passes leave factors of these weights' gradients here, a list each, and not in `grad`.

    Weights that something else has a hold on already are left alone: their lists stay empty.
    """
    lists: list[list[FactoredGradient]] = [[] for _ in weights]
    mine = {w.data_ptr(): kept for w, kept in zip(weights, lists) if w.data_ptr() and w.data_ptr() not in _kept}
    _kept.update(mine)
    try:
        yield lists
    finally:
        for address in mine:
            del _kept[address]


def keep(weight: Tensor, gradient: FactoredGradient) -> bool:
    """Leave `gradient` where `factors_kept` is in force for `weight`; returns whether it is."""
    kept = _kept.get(weight.data_ptr()) if _kept and weight.is_leaf else None
    if kept is None or gradient.dense.shape[1] != weight.shape[1]:
        return False
    kept.append(gradient)
    return True
