"""From scores to ranked lists: the `n` best items of every row, in one order that everybody agrees on.

The order is total: higher scores first, and of equal scores the lower item index. A list is therefore
the same whatever the block, the number of threads or the library that made the scores, and a scorer
that gives every item one score gets the first items of the catalogue, not the relevant ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from recae._types import Csr, IntArray, KeyArray, Scores
from recae.errors import DataError, ParameterError
from recae.jit import jit_kernel, prange

PEAKS = 8  # columns into which a row is dealt, for each item of the list: measured, flat from 4 to 16
ROOM, MOST = 4, 1024  # candidates that are ranked by counting: for each item of the list (mostly 1.1), and in all
SIGN = np.uint64(0x80000000)  # of a float32's bits
LOW = np.uint64(0xFFFFFFFF)


def top_n(scores: Scores, n: int, seen: Csr | None = None) -> tuple[IntArray, Scores]:
    """The `n` best items of every row.

    Args:
        scores: shape (rows, n_items), read as float32 and not written to. Items at -inf (not candidates)
            and at NaN are never returned.
        n: length of the lists; it may exceed the number of items.
        seen: ratings of the same shape; items stored in it are not returned to their row. The same as
            `mask_seen` on a copy of the scores, without the copy.

    Returns:
        Item indices int64 and scores float32, both of shape (rows, n), best first; of equal scores the
        lower item index comes first. Where a row has fewer than `n` items to give, index -1 and score -inf.

    Raises:
        ParameterError: `n` is below 1.
        DataError: `scores` is not two-dimensional, or `seen` has another shape.
    """
    if n < 1:
        raise ParameterError(name="n", value=n, expected="at least 1, the items of a list")
    if scores.ndim != 2:
        raise DataError(f"scores have shape {scores.shape}; (rows, n_items) is needed")
    dense = np.ascontiguousarray(scores, dtype=np.float32)
    if len(dense) == 1 and not dense.flags.writeable:  # a broadcast row, for whose type numba would compile anew
        dense = dense.copy()
    index = np.empty((len(dense), n), dtype=np.int64)
    best = np.empty((len(dense), n), dtype=np.float32)
    if seen is None:
        _top_n(dense, index, best)
    else:
        _refuse_other_shape(scores, seen)
        _top_n_unseen(dense, seen.indptr, seen.indices, index, best)
    return index, best


def top_n_reference(scores: Scores, n: int) -> tuple[IntArray, Scores]:
    """What `top_n` computes, by sorting every row in plain NumPy: for tests, and to read."""
    usable = np.where(np.isnan(scores), -np.inf, scores).astype(np.float32)
    order = np.argsort(-usable, axis=1, kind="stable")[:, :n].astype(np.int64)
    best = np.take_along_axis(usable, order, axis=1)
    order[best == -np.inf] = -1
    pad = ((0, 0), (0, n - order.shape[1]))
    return np.pad(order, pad, constant_values=-1), np.pad(best, pad, constant_values=-np.inf)


def mask_seen(scores: Scores, user_rows: Csr) -> None:
    """Set `scores` (rows, n_items) to -inf in place where `user_rows` (the same shape) stores a rating.

    A stored 0 is a rating, so its item is seen.
    """
    _refuse_other_shape(scores, user_rows)
    rows = np.repeat(np.arange(scores.shape[0]), np.diff(user_rows.indptr))
    scores[rows, user_rows.indices] = -np.inf


def _refuse_other_shape(scores: Scores, seen: Csr) -> None:
    if scores.shape != seen.shape:
        raise DataError(f"scores have shape {scores.shape}, the seen ratings {seen.shape}; they must agree")


@jit_kernel(parallel=True)
def _top_n(scores: Scores, index: IntArray, best: Scores) -> None:
    for row in prange(scores.shape[0]):
        _top_of_row(scores[row], index[row], best[row])


@jit_kernel(parallel=True)
def _top_n_unseen(scores: Scores, indptr: Any, indices: Any, index: IntArray, best: Scores) -> None:
    for row in prange(scores.shape[0]):
        unseen = scores[row].copy()  # a row stays in the processor's cache
        for entry in range(indptr[row], indptr[row + 1]):
            unseen[indices[entry]] = -np.inf
        _top_of_row(unseen, index[row], best[row])


@jit_kernel(parallel=False)
def _top_of_row(scores: Scores, index: IntArray, best: Scores) -> None:
    """Deal the items into columns, find a score that the n best must reach, and look only where it is reached.

    Item i belongs to column i % width, and `peak` holds the best score of each column. At least n items
    (one in each of n columns) reach the n-th highest peak, hence so do the n best: everything else is skipped.
    """
    n, n_items = len(best), len(scores)
    width = min(n_items, PEAKS * n)
    peak = np.full(width, -np.inf, np.float32)
    for start in range(0, n_items, width):
        _raise_peaks(peak, scores[start : start + width])
    bar = _bar(peak, n)
    index[:], best[:] = -1, -np.inf
    keys = np.empty(min(n_items, ROOM * n, MOST), np.uint64)
    count = _collect(scores, peak, bar, keys)
    if count <= len(keys):
        _rank_by_counting(keys[:count], scores, index, best)
    else:  # many equal scores, or a long list
        _rank_by_heap(scores, peak, bar, index, best)


@jit_kernel(parallel=False)
def _collect(scores: Scores, peak: Scores, bar: np.float32, keys: KeyArray) -> int:
    """How many items reach the bar; their keys, as far as there is room."""
    bits, width, count = scores.view(np.uint32), len(peak), 0
    for column in range(width):
        if peak[column] >= bar:
            for item in range(column, len(scores), width):
                if scores[item] >= bar and scores[item] > -np.inf:
                    if count < len(keys):
                        keys[count] = _key(bits[item], item)
                    count += 1
    return count


@jit_kernel(parallel=False)
def _rank_by_counting(keys: KeyArray, scores: Scores, index: IntArray, best: Scores) -> None:
    """An item's rank is how many keys are above its own: of few keys, a SIMD count each is faster than a heap."""
    for key in keys:
        rank = 0
        for other in keys:
            rank += other > key
        if rank < len(best):
            index[rank] = np.int64(LOW - (key & LOW))
            best[rank] = scores[index[rank]]


@jit_kernel(parallel=False)
def _rank_by_heap(scores: Scores, peak: Scores, bar: np.float32, index: IntArray, best: Scores) -> None:
    """The same of any number of items."""
    bits, width, n = scores.view(np.uint32), len(peak), len(best)
    heap = np.zeros(n, np.uint64)  # the n best keys so far, the worst at the root; 0 is nothing
    for column in range(width):
        if peak[column] >= bar:
            for item in range(column, len(scores), width):
                if scores[item] >= bar and scores[item] > -np.inf:
                    key = _key(bits[item], item)
                    if key > heap[0]:
                        _sift_down(heap, n, key)
    for last in range(n - 1, 0, -1):  # heap sort: the worst goes to the end
        key = heap[last]
        heap[last] = heap[0]
        _sift_down(heap, last, key)
    for rank in range(n):
        if heap[rank] > 0:
            index[rank] = np.int64(LOW - (heap[rank] & LOW))
            best[rank] = scores[index[rank]]


@jit_kernel(parallel=False)
def _raise_peaks(peak: Scores, scores: Scores) -> None:
    for column in range(len(scores)):  # a SIMD maximum; a NaN never wins
        peak[column] = scores[column] if scores[column] > peak[column] else peak[column]


@jit_kernel(parallel=False)
def _bar(peak: Scores, n: int) -> np.float32:
    """A score that at least `n` of the peaks reach, and few more: bisection, a SIMD count a step.

    -inf where fewer than `n` peaks are above it. Any such score is right; a high one saves work.
    """
    low, high, usable = np.float32(np.inf), np.float32(-np.inf), 0
    for score in peak:
        if score > -np.inf:
            usable += 1
            low, high = min(low, score), max(high, score)
    if usable < n:
        return np.float32(-np.inf)
    for _ in range(20):
        middle = np.float32(0.5) * low + np.float32(0.5) * high
        count = 0
        for score in peak:
            count += score >= middle
        if count < n:
            high = middle
        else:
            low = middle
            if 8 * count <= 9 * n:
                break
    return low


@jit_kernel(parallel=False)
def _key(bits: np.uint32, item: int) -> np.uint64:
    """One integer that orders as (score, then lower item first): IEEE bits made monotone, then ~item."""
    rank = np.uint64(bits)
    # Of negative numbers the lower has the larger bits; -0 (only the sign bit) ranks with +0.
    rank = LOW - rank if rank > SIGN else rank | SIGN
    return (rank << np.uint64(32)) | (LOW - np.uint64(item))


@jit_kernel(parallel=False)
def _sift_down(heap: KeyArray, size: int, key: np.uint64) -> None:
    """Replace the root of the heap `heap[:size]` by `key`."""
    node = 0
    while 2 * node + 1 < size:
        child = 2 * node + 1
        if child + 1 < size:
            child += heap[child + 1] < heap[child]
        if heap[child] >= key:
            break
        heap[node] = heap[child]
        node = child
    heap[node] = key
