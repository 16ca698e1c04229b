"""A whole training step of an autoencoder over sparse rows, in CUDA kernels; see `recae.training.fused_steps`.

    encode   chunk of a row: its part of S(inputs) V
    decode   chunk of a row: W h + b at its entries, squared error, residual, and its part of S(residual) W
    update   column: the gradients of V, W and b from residuals, h and the gradient before the activation, and Adam

Each row of W is read once for prediction and gradient, and no gradient of V or W is ever stored. Rows lie in the order
of the epoch, so that a batch is a range of them: `batch`, a number on the device, says which. Every shape is the same
for all batches, so that a CUDA graph can hold a step. Sums have a fixed order, as in `recae.sparse.cuda`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import triton
from torch import Tensor

from recae.sparse import cuda_step_kernels as kernels


class StepTiling(NamedTuple):
    """How the programs of a step divide its work.

    Attributes:
        chunk: stored entries of a row that a program of `encode` and `decode` takes.
        encode, decode, update: warps of 32 threads and entries at once, where there are 512 hidden units; with fewer
            units there are fewer warps and more entries.
    """

    chunk: int
    encode: tuple[int, int]
    decode: tuple[int, int]
    update: tuple[int, int]


TILING = StepTiling(128, (4, 4), (1, 4), (4, 2))


class EpochRows(NamedTuple):
    """Rows in the order of an epoch, and the transposed pattern of each of its batches.

    Attributes:
        indptr: int64 (n_rows + 1,).
        indices: int32 (nnz,).
        inputs, targets: float32 (nnz,); what an entry is read as, and what its prediction is compared with.
        residuals: float32 (nnz,); twice prediction less target, divided by the rows of the batch: written by `decode`.
        t_indptr: int64 (batches * n_cols + 1,); entries of column c in batch b begin at t_indptr[b * n_cols + c].
        t_row: int32 (nnz,); an entry's row within its batch.
        t_position: int64 (nnz,); its place in `inputs` and `residuals`.
        batch: int64 (1,), the number of the batch that kernels work on.
    """

    indptr: Tensor
    indices: Tensor
    inputs: Tensor
    targets: Tensor
    residuals: Tensor
    t_indptr: Tensor
    t_row: Tensor
    t_position: Tensor
    batch: Tensor


class Moments(NamedTuple):
    """A weight and the two moments that Adam keeps of it, all of one shape; and its L2 weight."""

    weight: Tensor
    mean: Tensor
    square: Tensor
    decay: float


class Adam(NamedTuple):
    """Settings of Adam; `rates`, float32 (batches, 2): of each batch's step the step size and 1 / sqrt(1 - beta2^t)."""

    rates: Tensor
    beta1: float
    beta2: float
    eps: float


def slots(n_entries: int, n_rows: int) -> int:
    """Slots that a batch of so many entries and rows has at most."""
    return n_entries // TILING.chunk + n_rows + 1


def encode(rows: EpochRows, size: int, weight: Tensor, part: Tensor, out: Tensor) -> None:
    """S(inputs) `weight` (n_cols, k) of the batch to `out` (size, k); `part` (slots, k) is written over."""
    k, n_rows = weight.shape[1], len(rows.indptr) - 1
    tile, entries, warps = _divided(k, TILING.encode)
    with torch.cuda.device_of(weight):  # type: ignore[no-untyped-call]  # Triton launches on the current GPU
        kernels.encode_kernel[(len(part),)](
            rows.indptr, rows.indices, rows.inputs, weight, part, rows.batch, n_rows, size, k,
            CHUNK=TILING.chunk, TILE=tile, ENTRIES=entries, num_warps=warps,
        )  # fmt: skip
        _sum_slots(rows, size, part, out)


def decode(
    rows: EpochRows, size: int, hidden: Tensor, weight: Tensor, bias: Tensor, part: Tensor, losses: Tensor, out: Tensor
) -> None:
    """Residuals of the batch to `rows.residuals`, and the gradient of `hidden` (size, k) to `out` (size, k).

    Args:
        weight, bias: (n_cols, k) and (n_cols,).
        part, losses: (slots, k) and (slots,), written over; the sum of `losses` is the loss, a mean over rows.
    """
    k, n_rows = weight.shape[1], len(rows.indptr) - 1
    tile, entries, warps = _divided(k, TILING.decode)
    with torch.cuda.device_of(weight):  # type: ignore[no-untyped-call]
        kernels.decode_kernel[(len(part),)](
            rows.indptr, rows.indices, rows.targets, rows.residuals, hidden, weight, bias, part, losses, rows.batch,
            n_rows, size, k, CHUNK=TILING.chunk, TILE=tile, ENTRIES=entries, num_warps=warps,
        )  # fmt: skip
        _sum_slots(rows, size, part, out)


def update(rows: EpochRows, adam: Adam, hidden: Tensor, before: Tensor, v: Moments, w: Moments, b: Moments) -> None:
    """A step of Adam on V (n_cols, k), W (n_cols, width) and b (n_cols,).

    Args:
        hidden: what W is multiplied by, (size, width).
        before: the gradient of S(inputs) V, (size, k).
    """
    (n_cols, k), width = v.weight.shape, w.weight.shape[1]
    tile, entries, warps = _divided(max(k, width), TILING.update)
    with torch.cuda.device_of(v.weight):  # type: ignore[no-untyped-call]
        kernels.update_kernel[(n_cols,)](
            rows.t_indptr, rows.t_row, rows.t_position, rows.inputs, rows.residuals, hidden, before, rows.batch,
            adam.rates, n_cols, *v[:3], *w[:3], *b[:3], v.decay, w.decay, k, width, TILE=tile, ENTRIES=entries,
            BETA1=adam.beta1, BETA2=adam.beta2, EPS=adam.eps, num_warps=warps,
        )  # fmt: skip


def adam_step(rows: EpochRows, adam: Adam, of: Moments, gradient: Tensor) -> None:
    """A step of Adam on a weight of any shape with its gradient."""
    n = of.weight.numel()
    with torch.cuda.device_of(of.weight):  # type: ignore[no-untyped-call]
        kernels.adam_kernel[(triton.cdiv(n, 512),)](
            *(of.weight, gradient.contiguous(), of.mean, of.square), rows.batch, adam.rates, n, of.decay,
            TILE=512, BETA1=adam.beta1, BETA2=adam.beta2, EPS=adam.eps, num_warps=4,
        )  # fmt: skip


def _sum_slots(rows: EpochRows, size: int, part: Tensor, out: Tensor) -> None:
    k, n_rows = out.shape[1], len(rows.indptr) - 1
    tile, entries, warps = _divided(k, (4, 4))
    kernels.sum_slots_kernel[(size,)](
        rows.indptr, part, out, rows.batch, n_rows, size, k, CHUNK=TILING.chunk, TILE=tile, ENTRIES=entries,
        num_warps=warps,
    )  # fmt: skip


def _divided(k: int, at_512: tuple[int, int]) -> tuple[int, int, int]:
    """Hidden units and stored entries that a program takes at once, and its warps."""
    tile = int(triton.next_power_of_2(max(1, k)))
    warps, entries = at_512
    return tile, max(1, min(32, entries * 512 // tile)), max(1, min(warps, tile // 64))
