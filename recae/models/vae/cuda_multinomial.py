"""The multinomial loss of sparse targets as CUDA kernels (Triton), one for the loss and one for its gradient.

A program takes a row. It reads the logits twice and the stored entries once, and what it keeps is a number a row.
Imported only when a tensor on a CUDA device meets the loss.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

WARPS = 8  # of 32 threads, for a row
COLUMNS = 2048  # logits of a row at once
ENTRIES = 256  # stored entries of a row at once

# Triton evaluates the annotations of a kernel's parameters: only `tl.constexpr` may stand there.


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]
def _loss_kernel(  # type: ignore[no-untyped-def]
    logits, indptr, indices, values, losses, log_sums, n_cols, COLUMNS: tl.constexpr, ENTRIES: tl.constexpr
):
    """One program: T log Σ exp(x) - Σ t x of one row, and log Σ exp(x)."""
    row = tl.program_id(0).to(tl.int64)
    logits += row * n_cols
    high = tl.full((COLUMNS,), float("-inf"), dtype=tl.float32)
    for first in range(0, n_cols, COLUMNS):
        column = first + tl.arange(0, COLUMNS)
        x = tl.load(logits + column, mask=column < n_cols, other=float("-inf")).to(tl.float32)
        high = tl.maximum(high, x)
    top = tl.max(high, axis=0)
    total = tl.zeros((COLUMNS,), dtype=tl.float32)
    for first in range(0, n_cols, COLUMNS):
        column = first + tl.arange(0, COLUMNS)
        x = tl.load(logits + column, mask=column < n_cols, other=float("-inf")).to(tl.float32)
        total += tl.exp(x - top)
    log_sum = top + tl.log(tl.sum(total, axis=0))
    loss = tl.zeros((ENTRIES,), dtype=tl.float32)
    start, end = tl.load(indptr + row), tl.load(indptr + row + 1)
    for first in range(start, end, ENTRIES):
        z = first + tl.arange(0, ENTRIES)
        stored = z < end
        column = tl.load(indices + z, mask=stored, other=0)
        t = tl.load(values + z, mask=stored, other=0.0).to(tl.float32)
        loss += t * (log_sum - tl.load(logits + column, mask=stored, other=0.0).to(tl.float32))
    tl.store(losses + row, tl.sum(loss, axis=0))
    tl.store(log_sums + row, log_sum)


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]
def _gradient_kernel(  # type: ignore[no-untyped-def]
    logits, indptr, indices, values, log_sums, grad, out, n_rows, n_cols, COLUMNS: tl.constexpr, ENTRIES: tl.constexpr
):
    """One program: (T softmax(x) - t) grad / n_rows of one row."""
    row = tl.program_id(0).to(tl.int64)
    logits += row * n_cols
    out += row * n_cols
    log_sum, share = tl.load(log_sums + row), tl.load(grad).to(tl.float32) / n_rows
    start, end = tl.load(indptr + row), tl.load(indptr + row + 1)
    sums = tl.zeros((ENTRIES,), dtype=tl.float32)
    for first in range(start, end, ENTRIES):
        z = first + tl.arange(0, ENTRIES)
        sums += tl.load(values + z, mask=z < end, other=0.0).to(tl.float32)
    total = tl.sum(sums, axis=0)
    for first in range(0, n_cols, COLUMNS):
        column = first + tl.arange(0, COLUMNS)
        x = tl.load(logits + column, mask=column < n_cols, other=0.0).to(tl.float32)
        d = total * tl.exp(x - log_sum) * share
        tl.store(out + column, d.to(out.dtype.element_ty), mask=column < n_cols)
    tl.debug_barrier()  # what is stored below is stored after what was stored above
    for first in range(start, end, ENTRIES):
        z = first + tl.arange(0, ENTRIES)
        stored = z < end
        column = tl.load(indices + z, mask=stored, other=0)
        t = tl.load(values + z, mask=stored, other=0.0).to(tl.float32)
        x = tl.load(logits + column, mask=stored, other=0.0).to(tl.float32)
        d = (total * tl.exp(x - log_sum) - t) * share
        tl.store(out + column, d.to(out.dtype.element_ty), mask=stored)


def loss(logits: Tensor, indptr: Tensor, indices: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Each row's -Σ_j t_j log softmax(x)_j and log Σ_j exp(x_j), float32 (batch,), of contiguous logits (batch, n)."""
    n_rows, n_cols = logits.shape
    losses, log_sums = (torch.empty(n_rows, dtype=torch.float32, device=logits.device) for _ in range(2))
    with torch.cuda.device_of(logits):  # type: ignore[no-untyped-call]  # Triton launches on the current GPU
        _loss_kernel[(n_rows,)](
            logits, indptr, indices, values, losses, log_sums, n_cols, COLUMNS=COLUMNS, ENTRIES=ENTRIES, num_warps=WARPS
        )
    return losses, log_sums


def gradient(logits: Tensor, indptr: Tensor, indices: Tensor, values: Tensor, log_sums: Tensor, grad: Tensor) -> Tensor:
    """(T softmax(x) - t) grad / batch in each row, (batch, n); `grad` is a scalar on the device."""
    n_rows, n_cols = logits.shape
    out = torch.empty_like(logits)
    with torch.cuda.device_of(logits):  # type: ignore[no-untyped-call]
        _gradient_kernel[(n_rows,)](
            logits, indptr, indices, values, log_sums, grad, out, n_rows, n_cols, COLUMNS=COLUMNS, ENTRIES=ENTRIES,
            num_warps=WARPS,
        )  # fmt: skip
    return out


def supported(logits: Tensor) -> bool:
    """Float64 goes the plain way: the kernels sum in float32."""
    return logits.dtype in (torch.float32, torch.bfloat16, torch.float16)
