"""Losses of dense logits against sparse targets in which what is not stored is 0: no dense target is ever made.

They are what models that rank are trained by. Logits are (batch, n), targets `SparseRows` of that shape; each loss is a
mean over rows. The part over all columns is one pass over the logits, the rest reads the stored entries only.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from recae.errors import DataError
from recae.sparse import SparseRows, reference
from recae.sparse.resources import triton_is_here
from recae.sparse.rows import operator


def multinomial(logits: Tensor, target: SparseRows) -> Tensor:
    """Mean over rows of -Σ_j t_j log softmax(x)_j (Liang et al., WWW 2018, eq. 2), the same as `losses.multinomial`.

    With T = Σ t, its gradient is T softmax(x) - t in each row. A row without entries costs nothing.

    Raises:
        DataError: logits and target differ in shape.
    """
    loss: Tensor
    if logits.device.type == "cpu" or len(target) == 0:
        index = _flat_index(logits, target)
        totals = target.sums().to(logits.dtype)
        loss = _Multinomial.apply(logits, index, target.values, totals)  # type: ignore[no-untyped-call]
    else:
        _check_shape(logits, target)
        loss = _MultinomialOfRows.apply(logits, target.indptr, target.indices, target.values)  # type: ignore[no-untyped-call]
    return loss


def logistic(logits: Tensor, target: SparseRows, negatives: float | None = None) -> Tensor:
    """Mean over rows of Σ_stored -log s(x) - w Σ_missing log(1 - s(x)), s the sigmoid; stored values do not matter.

    Args:
        logits: (batch, n).
        target: what was chosen.
        negatives: how many missing columns stand beside one stored one; they share that weight evenly: w is
            `negatives` · stored / missing, at most 1, which is what drawing that many comes to on average. None: 1.

    Raises:
        DataError: logits and target differ in shape.
    """
    at_stored = logits.reshape(-1).gather(0, _flat_index(logits, target))
    weight = missing_weight(target, negatives)
    everywhere = weight.dot(functional.softplus(logits).sum(1))
    stored = functional.softplus(-at_stored).sum() - target.spread(weight).dot(functional.softplus(at_stored))
    return (everywhere + stored) / max(1, len(target))


def squared(logits: Tensor, target: SparseRows, negatives: float | None = None) -> Tensor:
    """Mean over rows of Σ_stored (t - x)² + w Σ_missing x², with w as in `logistic`.

    Raises:
        DataError: logits and target differ in shape.
    """
    at_stored = logits.reshape(-1).gather(0, _flat_index(logits, target))
    weight = missing_weight(target, negatives)
    everywhere = weight.dot(logits.square().sum(1))
    stored = (target.values - at_stored).square().sum() - target.spread(weight).dot(at_stored.square())
    return (everywhere + stored) / max(1, len(target))


def missing_weight(target: SparseRows, negatives: float | None) -> Tensor:
    """What a missing column weighs in each row's loss, (batch,); see `logistic`."""
    stored = target.lengths().to(target.values.dtype)
    if negatives is None:
        return torch.ones_like(stored)
    return (negatives * stored / (target.n_cols - stored).clamp(min=1)).clamp(max=1)


def _flat_index(logits: Tensor, target: SparseRows) -> Tensor:
    """Positions of the stored entries in the flattened logits: (nnz,)."""
    _check_shape(logits, target)
    return target.row_of() * target.n_cols + target.indices


def _check_shape(logits: Tensor, target: SparseRows) -> None:
    if logits.shape != target.shape:
        raise DataError(
            f"the model gives {tuple(logits.shape)}, the target is {target.shape}: "
            "build the model for rows as wide as the target's"
        )


class _Multinomial(torch.autograd.Function):
    """Two passes over the logits in all: PyTorch's own way is six, and makes three tensors of their size."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, index: Tensor, values: Tensor, totals: Tensor) -> Tensor:
        log_shares = torch.log_softmax(logits, 1)
        ctx.save_for_backward(log_shares, index, values, totals)
        return -values.dot(log_shares.view(-1)[index]) / max(1, len(logits))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        log_shares, index, values, totals = ctx.saved_tensors
        share = grad / max(1, len(log_shares))
        d_logits = log_shares.exp().mul_((totals * share)[:, None])
        d_logits.view(-1).index_add_(0, index, values * -share)
        return d_logits, None, None, None


# ---------------------------------------------------------------- on a GPU, in a launch each way


class _MultinomialOfRows(torch.autograd.Function):
    """The host is what a step of small kernels waits for, and `_Multinomial` is twenty of them."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, indptr: Tensor, indices: Tensor, values: Tensor) -> Tensor:
        logits = logits.contiguous()
        losses, log_sums = torch.ops.recae.multinomial(logits, indptr, indices, values)
        ctx.save_for_backward(logits, indptr, indices, values, log_sums)
        mean: Tensor = losses.mean()
        return mean

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return torch.ops.recae.multinomial_gradient(*ctx.saved_tensors, grad), None, None, None


@operator("multinomial")
def _multinomial(logits: Tensor, indptr: Tensor, indices: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Each row's -Σ_j t_j log softmax(x)_j and log Σ_j exp(x_j), (batch,)."""
    kernels = _kernels(logits)
    if kernels is not None:
        return kernels.loss(logits, indptr, indices, values)  # type: ignore[no-any-return]
    log_sums, row = logits.logsumexp(1), reference.row_of(indptr, len(indices))
    at_stored = values.to(logits.dtype) * (log_sums[row] - logits[row, indices.long()])
    return torch.zeros_like(log_sums).index_add_(0, row, at_stored), log_sums


@operator("multinomial_gradient")
def _multinomial_gradient(
    logits: Tensor, indptr: Tensor, indices: Tensor, values: Tensor, log_sums: Tensor, grad: Tensor
) -> Tensor:
    """(T softmax(x) - t) grad / batch, (batch, n); `grad` is a scalar."""
    kernels = _kernels(logits)
    if kernels is not None:
        return kernels.gradient(logits, indptr, indices, values, log_sums, grad)  # type: ignore[no-any-return]
    row, share = reference.row_of(indptr, len(indices)), grad / len(logits)
    values = values.to(logits.dtype) * share
    totals = torch.zeros_like(log_sums).index_add_(0, row, values)
    d_logits = (logits - log_sums[:, None]).exp_().mul_(totals[:, None])
    return d_logits.index_put_((row, indices.long()), -values, accumulate=True)


def _kernels(logits: Tensor) -> Any:
    if logits.device.type != "cuda" or not triton_is_here():
        return None
    from recae.models.vae import cuda_multinomial

    return cuda_multinomial if cuda_multinomial.supported(logits) else None


@torch.library.register_fake("recae::multinomial")
def _(logits: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
    return logits.new_empty(logits.shape[0]), logits.new_empty(logits.shape[0])


@torch.library.register_fake("recae::multinomial_gradient")
def _(logits: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(logits)
