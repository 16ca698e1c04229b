"""Lists from scores, block by block: the best items of users, the nearest items of items."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from recae._types import Csr, IntArray, Scores
from recae.ranking import top_n
from recae.recommender.blocks import blocks, top_allowed


def best(
    score: Callable[[IntArray], Scores], users: IntArray, seen: Csr | None, n: int, allowed: npt.NDArray[np.bool_]
) -> tuple[IntArray, Scores]:
    """The n best allowed items of each user and their scores, (n_users, n) each.

    Args:
        score: users to scores of all items, (n_users, n_items).
        users: as `score` takes them.
        seen: rows of all users, whose items are left out; None for nothing.
        allowed: which items may be listed, (n_items,).
    """
    index, scores = np.full((len(users), n), -1, np.int64), np.full((len(users), n), -np.inf, np.float32)
    for block in blocks(len(users), len(allowed)):
        rows = None if seen is None else seen[users[block]]
        index[block], scores[block] = top_allowed(score(users[block]), rows, n, allowed)
    return index, scores


def nearest(vectors: Any, item_index: IntArray, n: int) -> tuple[IntArray, Scores]:
    """The n items of the largest dot product with each one, itself left out: index and score, (len(item_index), n).

    `vectors` (n_items, d), dense or sparse, have length 1 where the product is to be the cosine.
    """
    index, found = np.full((len(item_index), n), -1, np.int64), np.full((len(item_index), n), -np.inf, np.float32)
    for block in blocks(len(item_index), vectors.shape[0]):
        scores = vectors[item_index[block]] @ vectors.T
        scores = np.asarray(scores.todense() if hasattr(scores, "todense") else scores, dtype=np.float32)
        scores[np.arange(len(scores)), item_index[block]] = -np.inf
        index[block], found[block] = top_n(scores, n)
    return index, found
