"""Lists in another order: diverse, calibrated, less popular, or with few of a kind. Pure functions on lists.

Each takes the items that a model would list, more than are wanted (say 100 for lists of 20), and chooses among them:

    wide, scores = model.recommend_users(users, 100)
    lists = calibrated(wide, scores, 20, history, shares)

`index` is item indices (n_users, m), best first, -1 where there is none, and `scores` their scores (n_users, m). The
result is item indices (n_users, n), in the new order. Scores are read as ranks are: within a list from 0, the last, to
1, the first, so that a weight means the same for every model. docs/reranking.md says what each costs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recae._types import Csr, DoubleArray, FloatArray, IntArray, Mask, Scores
from recae.errors import ParameterError

ROOM = 1 << 24  # numbers of vectors that are held at once


def diverse(index: IntArray, scores: Scores, n: int, vectors: Any, weight: float = 0.3) -> IntArray:
    """Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998), one item after the other.

    The next item has the largest (1 - weight) score - weight max cos(item, one that is chosen).

    Args:
        vectors: of all items, (n_items, d), dense, such as `model.item_vectors()`.
        weight: from 0, the list as it is, to 1.

    Raises:
        ParameterError: `weight` or `n` is out of range.
    """
    _check(n, weight)
    own = np.asarray(vectors, np.float32)
    own = own / np.maximum(np.linalg.norm(own, axis=1, keepdims=True), 1e-12)
    return _by_blocks(index, own.shape[1], lambda rows: _diverse(index[rows], scores[rows], n, own, weight))


def _diverse(index: IntArray, scores: Scores, n: int, vectors: FloatArray, weight: float) -> IntArray:
    relevance, mine = _relevance(index, scores), vectors[index]
    nearest = np.full(index.shape, -np.inf, np.float32)

    def gain() -> Any:
        return (1 - weight) * relevance - weight * np.where(np.isinf(nearest), 0, nearest)

    def take(chosen: IntArray) -> None:
        picked = mine[np.arange(len(mine)), chosen]
        np.maximum(nearest, np.einsum("umd,ud->um", mine, picked), out=nearest)

    return _greedy(index, n, gain, take)


def calibrated(
    index: IntArray, scores: Scores, n: int, history: Csr, shares: Csr, weight: float = 0.5, alpha: float = 0.01
) -> IntArray:
    """Categories in the list as in what each user has chosen (Steck, "Calibrated recommendations", RecSys 2018).

    The next item has the largest (1 - weight) Σ scores - weight KL(p, q̃) of the list with it: p are the categories of
    the user's history, q those of the list, q̃ = (1 - alpha) q + alpha p, as `recae.metrics.miscalibration` has them. A
    user without a history keeps the list.

    Args:
        history: what the users have chosen, (n_users, n_items), a row for each list.
        shares: categories of the items, (n_items, n_categories), each row adds up to 1 or is empty
            (`recae.evaluation.categories.category_shares`).
        weight: from 0, the list as it is, to 1.
    """
    _check(n, weight)
    past = sparse.csr_array((np.ones(history.nnz), history.indices, history.indptr), shape=history.shape)
    profile = (past @ shares).toarray()
    profile = profile / np.maximum(profile.sum(1, keepdims=True), 1e-12)
    dense = shares.toarray()

    def of(rows: slice) -> IntArray:
        return _calibrated(index[rows], scores[rows], n, profile[rows], dense, weight, alpha)

    return _by_blocks(index, dense.shape[1], of)


def _calibrated(
    index: IntArray, scores: Scores, n: int, profile: DoubleArray, shares: DoubleArray, weight: float, alpha: float
) -> IntArray:
    relevance, mine, wanted = _relevance(index, scores), shares[index], profile[:, None, :]
    total, rows = np.zeros(profile.shape), np.arange(len(index))

    def gain() -> Any:
        sums = total[:, None, :] + mine
        size = sums.sum(2, keepdims=True)
        q = (1 - alpha) * np.divide(sums, size, out=np.zeros_like(sums), where=size > 0) + alpha * wanted
        kl = (wanted * np.log(np.divide(wanted, q, out=np.ones_like(q), where=wanted > 0))).sum(2)
        return (1 - weight) * relevance - weight * kl

    def take(chosen: IntArray) -> None:
        total[:] += mine[rows, chosen]

    return _greedy(index, n, gain, take)


def less_popular(
    index: IntArray, scores: Scores, n: int, counts: npt.NDArray[Any], weight: float = 0.3
) -> IntArray:  # fmt: skip
    """Items by (1 - weight) score - weight popularity, which is the share of the other items with fewer ratings.

    Args:
        counts: ratings of each item, (n_items,).
        weight: from 0, the list as it is, to 1.
    """
    _check(n, weight)
    popularity = np.searchsorted(np.sort(counts), counts) / max(1, len(counts) - 1)
    value = (1 - weight) * _relevance(index, scores) - weight * popularity[index]
    return _greedy(index, n, lambda: value, lambda _: None)


def capped(index: IntArray, n: int, categories: npt.NDArray[Any], most: int = 3) -> IntArray:
    """At most `most` items of a category, in their order; where that leaves fewer than n, the list is shorter.

    Args:
        categories: of each item one, a number or a text, (n_items,): a brand, a director, a shelf.
        most: items of one category in a list.
    """
    _check(n, 0.0)
    if most < 1:
        raise ParameterError(name="most", value=most, expected="a number of items, 1 or more")
    numbers = np.unique(np.asarray(categories).astype(str), return_inverse=True)[1]
    out = np.full((len(index), n), -1, np.int64)
    for row, listed in enumerate(index):
        there = listed[listed >= 0]
        of = numbers[there]
        before = np.array([np.count_nonzero(of[:position] == one) for position, one in enumerate(of)], np.int64)
        kept = there[before < most][:n]
        out[row, : len(kept)] = kept
    return out


def _check(n: int, weight: float) -> None:
    if n < 1:
        raise ParameterError(name="n", value=n, expected="a number of items, 1 or more")
    if not 0 <= weight <= 1:
        raise ParameterError(name="weight", value=weight, expected="a number from 0 to 1")


def _relevance(index: IntArray, scores: Scores) -> npt.NDArray[np.float64]:
    """Scores from 0, the lowest of a list, to 1, the highest, (n_users, m)."""
    there, found = index >= 0, np.asarray(scores, np.float64)
    low = np.where(there, found, np.inf).min(axis=1, keepdims=True)
    high = np.where(there, found, -np.inf).max(axis=1, keepdims=True)
    scaled = np.zeros(index.shape)
    np.divide(found - low, high - low, out=scaled, where=there & (high > low))
    return scaled


def _greedy(index: IntArray, n: int, gain: Callable[[], Any], take: Callable[[IntArray], None]) -> IntArray:
    """Lists of n: at each position the item of the largest gain that is left; of equal ones the earlier."""
    left: Mask = index >= 0
    out, rows = np.full((len(index), n), -1, np.int64), np.arange(len(index))
    for position in range(min(n, index.shape[1])):
        chosen = np.where(left, gain(), -np.inf).argmax(axis=1)
        there = left[rows, chosen]
        out[there, position] = index[rows, chosen][there]
        left[rows, chosen] = False
        take(chosen)
    return out


def _by_blocks(index: IntArray, width: int, function: Callable[[slice], IntArray]) -> IntArray:
    """`function` of some lists at a time, so that `ROOM` numbers are held, of `width` an item."""
    step = max(1, ROOM // max(1, index.shape[1] * width))
    return np.concatenate([function(slice(start, start + step)) for start in range(0, max(1, len(index)), step)])
