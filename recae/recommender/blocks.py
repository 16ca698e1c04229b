"""Scores a block at a time: memory is bounded by the block, not by users x items."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from recae._types import Csr, IntArray, Scores
from recae.ranking import top_n

BLOCK_BYTES = 64 * 2**20  # of scores at a time


def blocks(n_rows: int, n_items: int) -> Iterator[slice]:
    """Slices of `n_rows` rows whose scores of `n_items` items fit into the block's memory."""
    size = max(1, BLOCK_BYTES // (4 * max(1, n_items)))
    return (slice(start, min(n_rows, start + size)) for start in range(0, n_rows, size))


def top_allowed(scores: Scores, seen: Csr | None, n: int, allowed: npt.NDArray[np.bool_]) -> tuple[IntArray, Scores]:
    """The n best of the items `allowed`, bool (n_items,), that are not stored in `seen`; see `recae.ranking.top_n`."""
    if not allowed.all():
        scores = np.where(allowed, scores, np.float32(-np.inf))
    return top_n(scores, n, seen)


def pick(rows: IntArray, items: IntArray, n_items: int, score: Callable[[IntArray], Scores]) -> Scores:
    """Entries (rows, items) of a score matrix that `score` makes a block of distinct rows at a time: (n,)."""
    out = np.empty(len(rows), np.float32)
    distinct, where = np.unique(rows, return_inverse=True)
    order = np.argsort(where, kind="stable")
    for block in blocks(len(distinct), n_items):
        part = order[slice(*np.searchsorted(where[order], [block.start, block.stop]))]
        out[part] = score(distinct[block])[where[part] - block.start, items[part]]
    return out
