"""The CUDA kernels (Triton) that `recae.sparse.cuda_step` launches; without annotations, as in `recae.sparse.cuda`."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]
def _slots_before(indptr, first, row, CHUNK: tl.constexpr):  # type: ignore[no-untyped-def]
    """The first slot of a batch's row: as `recae.sparse.cuda._row_of_slot` has it, counted from the batch's first."""
    return tl.load(indptr + first + row) // CHUNK - tl.load(indptr + first) // CHUNK + row


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]
def _range_of_slot(indptr, first, n, slot, CHUNK: tl.constexpr):  # type: ignore[no-untyped-def]
    """Row within the batch, and the entries from start to end, of a slot; none where the batch has not so many."""
    low, high = slot * 0, slot * 0 + n
    while low + 1 < high:
        middle = (low + high) // 2
        before = _slots_before(indptr, first, middle, CHUNK) <= slot
        low, high = tl.where(before, middle, low), tl.where(before, high, middle)
    start, end = tl.load(indptr + first + low), tl.load(indptr + first + low + 1)
    start += (slot - _slots_before(indptr, first, low, CHUNK)) * CHUNK
    return low, start, tl.minimum(end, start + CHUNK)


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]
def encode_kernel(  # type: ignore[no-untyped-def]
    indptr, indices, inputs, weight, part, batch, n_rows, size, k: tl.constexpr,
    CHUNK: tl.constexpr, TILE: tl.constexpr, ENTRIES: tl.constexpr,
):  # fmt: skip
    """One program: a chunk of a row times V, to its slot of `part`."""
    slot = tl.program_id(0).to(tl.int64)
    first = tl.load(batch) * size
    n = tl.minimum(n_rows - first, size)
    columns = tl.arange(0, TILE)
    inside = columns < k
    if slot < _slots_before(indptr, first, n, CHUNK):
        _, start, end = _range_of_slot(indptr, first, n, slot, CHUNK)
        total = tl.zeros((TILE,), dtype=tl.float32)
        for z0 in range(start, end, ENTRIES):
            z = z0 + tl.arange(0, ENTRIES)
            stored = z < end
            col = tl.load(indices + z, mask=stored, other=0).to(tl.int64)
            value = tl.load(inputs + z, mask=stored, other=0.0)
            w = tl.load(weight + col[:, None] * k + columns[None, :], mask=stored[:, None] & inside[None, :], other=0.0)
            total += tl.sum(value[:, None] * w, axis=0)
        tl.store(part + slot * k + columns, total, mask=inside)


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]
def decode_kernel(  # type: ignore[no-untyped-def]
    indptr, indices, targets, residuals, hidden, weight, bias, part, losses, batch, n_rows, size, k: tl.constexpr,
    CHUNK: tl.constexpr, TILE: tl.constexpr, ENTRIES: tl.constexpr,
):  # fmt: skip
    """One program: a chunk of a row: residuals, its share of the loss, its part of the gradient of `hidden`."""
    slot = tl.program_id(0).to(tl.int64)
    first = tl.load(batch) * size
    n = tl.minimum(n_rows - first, size)
    columns = tl.arange(0, TILE)
    inside = columns < k
    cost = tl.zeros((ENTRIES,), dtype=tl.float32)
    if slot < _slots_before(indptr, first, n, CHUNK):
        row, start, end = _range_of_slot(indptr, first, n, slot, CHUNK)
        h = tl.load(hidden + row * k + columns, mask=inside, other=0.0)
        total = tl.zeros((TILE,), dtype=tl.float32)
        for z0 in range(start, end, ENTRIES):
            z = z0 + tl.arange(0, ENTRIES)
            stored = z < end
            col = tl.load(indices + z, mask=stored, other=0).to(tl.int64)
            w = tl.load(weight + col[:, None] * k + columns[None, :], mask=stored[:, None] & inside[None, :], other=0.0)
            predicted = tl.sum(w * h[None, :], axis=1) + tl.load(bias + col, mask=stored, other=0.0)
            error = tl.where(stored, predicted - tl.load(targets + z, mask=stored, other=0.0), 0.0)
            cost += error * error
            residual = error * (2.0 / n)
            tl.store(residuals + z, residual, mask=stored)
            total += tl.sum(residual[:, None] * w, axis=0)
        tl.store(part + slot * k + columns, total, mask=inside)
    tl.store(losses + slot, tl.sum(cost, axis=0) / n)


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]
def sum_slots_kernel(  # type: ignore[no-untyped-def]
    indptr, part, out, batch, n_rows, size, k: tl.constexpr,
    CHUNK: tl.constexpr, TILE: tl.constexpr, ENTRIES: tl.constexpr,
):  # fmt: skip
    """One program: what the chunks of one row came to; 0 for a row that the batch has not."""
    row = tl.program_id(0).to(tl.int64)
    first = tl.load(batch) * size
    columns = tl.arange(0, TILE)
    inside = columns < k
    total = tl.zeros((TILE,), dtype=tl.float32)
    if row < n_rows - first:
        begin = _slots_before(indptr, first, row, CHUNK)
        length = tl.load(indptr + first + row + 1) - tl.load(indptr + first + row)
        end = begin + (length + CHUNK - 1) // CHUNK
        for s0 in range(begin, end, ENTRIES):
            slot = s0 + tl.arange(0, ENTRIES)
            there = (slot < end)[:, None] & inside[None, :]
            total += tl.sum(tl.load(part + slot[:, None] * k + columns[None, :], mask=there, other=0.0), axis=0)
    tl.store(out + row * k + columns, total, mask=inside)


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]
def _adam(w, gradient, mean, square, rate, correction, BETA1: tl.constexpr, BETA2: tl.constexpr, EPS: tl.constexpr):  # type: ignore[no-untyped-def]
    """A weight, its mean and its square after a step of Adam, as `torch.optim.Adam` takes it."""
    mean = BETA1 * mean + (1 - BETA1) * gradient
    square = BETA2 * square + (1 - BETA2) * gradient * gradient
    return w - rate * mean / (tl.sqrt(square) * correction + EPS), mean, square


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]
def update_kernel(  # type: ignore[no-untyped-def]
    t_indptr, t_row, t_position, inputs, residuals, hidden, before, batch, rates, n_cols,
    v, v_mean, v_square, w, w_mean, w_square, b, b_mean, b_square, v_decay, w_decay,
    k: tl.constexpr, width: tl.constexpr, TILE: tl.constexpr, ENTRIES: tl.constexpr,
    BETA1: tl.constexpr, BETA2: tl.constexpr, EPS: tl.constexpr,
):  # fmt: skip
    """One program: a column: its rows of V (k wide) and W (`width` wide), and its bias."""
    col = tl.program_id(0).to(tl.int64)
    number = tl.load(batch)
    start, end = tl.load(t_indptr + number * n_cols + col), tl.load(t_indptr + number * n_cols + col + 1)
    rate, correction = tl.load(rates + 2 * number), tl.load(rates + 2 * number + 1)
    columns = tl.arange(0, TILE)
    of_v, of_w = columns < k, columns < width
    v_at, w_at = col * k + columns, col * width + columns
    x, x_mean, x_square = (
        tl.load(v + v_at, mask=of_v, other=0.0), tl.load(v_mean + v_at, mask=of_v, other=0.0),
        tl.load(v_square + v_at, mask=of_v, other=0.0),
    )  # fmt: skip
    y, y_mean, y_square = (
        tl.load(w + w_at, mask=of_w, other=0.0), tl.load(w_mean + w_at, mask=of_w, other=0.0),
        tl.load(w_square + w_at, mask=of_w, other=0.0),
    )  # fmt: skip
    dx, dy, db = v_decay * x, w_decay * y, tl.zeros((ENTRIES,), dtype=tl.float32)
    for z0 in range(start, end, ENTRIES):
        z = z0 + tl.arange(0, ENTRIES)
        stored = z < end
        row = tl.load(t_row + z, mask=stored, other=0).to(tl.int64)
        at = tl.load(t_position + z, mask=stored, other=0)
        residual = tl.load(residuals + at, mask=stored, other=0.0)
        value = tl.load(inputs + at, mask=stored, other=0.0)
        h = tl.load(hidden + row[:, None] * width + columns[None, :], mask=stored[:, None] & of_w[None, :], other=0.0)
        g = tl.load(before + row[:, None] * k + columns[None, :], mask=stored[:, None] & of_v[None, :], other=0.0)
        dy += tl.sum(residual[:, None] * h, axis=0)
        dx += tl.sum(value[:, None] * g, axis=0)
        db += residual
    x, x_mean, x_square = _adam(x, dx, x_mean, x_square, rate, correction, BETA1, BETA2, EPS)
    y, y_mean, y_square = _adam(y, dy, y_mean, y_square, rate, correction, BETA1, BETA2, EPS)
    tl.store(v + v_at, x, mask=of_v)
    tl.store(v_mean + v_at, x_mean, mask=of_v)
    tl.store(v_square + v_at, x_square, mask=of_v)
    tl.store(w + w_at, y, mask=of_w)
    tl.store(w_mean + w_at, y_mean, mask=of_w)
    tl.store(w_square + w_at, y_square, mask=of_w)
    bias, bias_mean, bias_square = _adam(
        tl.load(b + col), tl.sum(db, axis=0), tl.load(b_mean + col), tl.load(b_square + col), rate, correction,
        BETA1, BETA2, EPS,
    )  # fmt: skip
    tl.store(b + col, bias)
    tl.store(b_mean + col, bias_mean)
    tl.store(b_square + col, bias_square)


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]
def adam_kernel(  # type: ignore[no-untyped-def]
    weight, gradient, mean, square, batch, rates, n, decay,
    TILE: tl.constexpr, BETA1: tl.constexpr, BETA2: tl.constexpr, EPS: tl.constexpr,
):  # fmt: skip
    """One program: a tile of any other weight, whose gradient is stored."""
    at = tl.program_id(0).to(tl.int64) * TILE + tl.arange(0, TILE)
    inside, number = at < n, tl.load(batch)
    w = tl.load(weight + at, mask=inside, other=0.0)
    g = tl.load(gradient + at, mask=inside, other=0.0) + decay * w
    m, s = tl.load(mean + at, mask=inside, other=0.0), tl.load(square + at, mask=inside, other=0.0)
    rate, correction = tl.load(rates + 2 * number), tl.load(rates + 2 * number + 1)
    w, m, s = _adam(w, g, m, s, rate, correction, BETA1, BETA2, EPS)
    tl.store(weight + at, w, mask=inside)
    tl.store(mean + at, m, mask=inside)
    tl.store(square + at, s, mask=inside)
