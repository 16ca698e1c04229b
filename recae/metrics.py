"""Metrics as pure functions, each with its definition, its denominator and its source.

Ranking metrics read ranked lists: an index array of shape (users, width), best first, -1 where a list has
ended (what `recae.ranking.top_n` gives; it also states the tie rule: equal scores by lower item index).
What is relevant to a user is what is *stored* in a row of a CSR matrix, whatever the value: binarise first
where only high ratings count. `find_hits` compares the two once; the metrics of accuracy read its result
and give one value for every user with a relevant item. Users without one are left out, since no list
could serve them; nothing is ever NaN. Rank counts from 1.

Every metric of accuracy lies in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recae._types import Csr, DoubleArray, IntArray
from recae.errors import DataError, ParameterError
from recae.jit import jit_kernel, prange
from recae.ratings import RatingMatrix

# ---------------------------------------------------------------- ratings


def rmse(truth: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """Root mean squared error: sqrt(mean (truth - predicted)^2) over all ratings, in units of the ratings."""
    error = _errors(truth, predicted)
    return float(np.sqrt(np.mean(error * error)))


def mae(truth: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """Mean absolute error: mean |truth - predicted| over all ratings, in units of the ratings."""
    return float(np.mean(np.abs(_errors(truth, predicted))))


def _errors(truth: npt.ArrayLike, predicted: npt.ArrayLike) -> DoubleArray:
    a, b = np.asarray(truth, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    if a.shape != b.shape or a.size == 0:
        raise DataError(f"ratings of shape {a.shape} and predictions of shape {b.shape}: one each, and at least one")
    return a - b


# ---------------------------------------------------------------- ranked lists


@dataclass(frozen=True, eq=False)
class Hits:
    """Which ranks of the lists hold a relevant item, for the users who have any.

    Attributes:
        found: bool, shape (n, width).
        n_relevant: relevant items of each of these users, shape (n,), at least 1.
        users: which rows of the ranked lists they are, shape (n,).
    """

    found: npt.NDArray[np.bool_]
    n_relevant: IntArray
    users: IntArray

    def at(self, k: int) -> npt.NDArray[np.bool_]:
        """The first k ranks, shape (n, k)."""
        if not 1 <= k <= self.found.shape[1]:
            raise ParameterError(name="k", value=k, expected=f"at most {self.found.shape[1]}, the items of the lists")
        return self.found[:, :k]


def find_hits(ranked: IntArray, relevant: Csr) -> Hits:
    """Compare ranked lists, shape (users, width), with relevant items, shape (users, n_items).

    Raises:
        DataError: the two are not about the same number of users.
    """
    if ranked.ndim != 2 or len(ranked) != relevant.shape[0]:
        raise DataError(f"ranked lists of shape {ranked.shape} for relevant items of shape {relevant.shape}")
    if not relevant.has_sorted_indices:
        relevant = relevant.sorted_indices()
    counts = np.diff(relevant.indptr).astype(np.int64)
    users = np.flatnonzero(counts)
    found = np.empty((len(users), ranked.shape[1]), dtype=bool)
    _find(ranked, relevant.indptr, relevant.indices, users, found)
    return Hits(found, counts[users], users)


@jit_kernel(parallel=True)
def _find(ranked: IntArray, indptr: Any, indices: Any, users: IntArray, found: npt.NDArray[np.bool_]) -> None:
    for row in prange(len(users)):
        user = users[row]
        theirs = indices[indptr[user] : indptr[user + 1]]
        for rank in range(ranked.shape[1]):
            item = ranked[user, rank]
            where = np.searchsorted(theirs, item)
            found[row, rank] = where < len(theirs) and theirs[where] == item


def recall(hits: Hits, k: int, *, capped: bool = True) -> DoubleArray:
    """Recall@k: relevant items among the first k, over min(k, n), n being the user's relevant items.

    This is the denominator of Liang et al. 2018 (Mult-VAE), with which a perfect list always has 1. Without
    `capped` it is n, as in LightGCN's tables (He et al. 2020) and trec_eval. Reports call them
    ``recall@k`` and ``recall-plain@k``.
    """
    return _count(hits, k) / _denominator(hits, k, capped)


def precision(hits: Hits, k: int) -> DoubleArray:
    """Precision@k: relevant items among the first k, over k (also where the list is shorter); trec_eval's P_k."""
    share: DoubleArray = _count(hits, k) / k
    return share


def hit(hits: Hits, k: int) -> DoubleArray:
    """Hit rate@k: 1 where one of the first k items is relevant, else 0; trec_eval's success_k."""
    return np.asarray(hits.at(k).any(axis=1), dtype=np.float64)


def reciprocal_rank(hits: Hits, k: int) -> DoubleArray:
    """Reciprocal rank@k: 1 / rank of the first relevant item, 0 where none is among the first k (mean: MRR@k)."""
    found = hits.at(k)
    inverse: DoubleArray = np.where(found.any(axis=1), 1.0 / (found.argmax(axis=1) + 1.0), 0.0)
    return inverse


def average_precision(hits: Hits, k: int, *, capped: bool = True) -> DoubleArray:
    """Average precision@k: the sum of precision@r over the ranks r <= k of relevant items, over min(k, n).

    Without `capped` the denominator is n, as in trec_eval's map_cut_k. Reports call their means
    ``map@k`` and ``map-plain@k``.
    """
    found = hits.at(k)
    at_rank = np.cumsum(found, axis=1) / np.arange(1, k + 1)
    summed: DoubleArray = (at_rank * found).sum(axis=1)
    return summed / _denominator(hits, k, capped)


def ndcg(hits: Hits, k: int) -> DoubleArray:
    """NDCG@k with binary gains: sum of 1 / log2(rank + 1) over relevant items, over that of a perfect list.

    A perfect list has min(k, n) relevant items in front: Järvelin & Kekäläinen 2002 as cut off by
    Liang et al. 2018; trec_eval's ndcg_cut_k.
    """
    discount = 1.0 / np.log2(np.arange(2, k + 2))
    ideal = np.cumsum(discount)[np.minimum(hits.n_relevant, k) - 1]
    gained: DoubleArray = hits.at(k) @ discount / ideal
    return gained


def _count(hits: Hits, k: int) -> DoubleArray:
    count: DoubleArray = hits.at(k).sum(axis=1, dtype=np.float64)
    return count


def _denominator(hits: Hits, k: int, capped: bool) -> IntArray:
    return np.minimum(hits.n_relevant, k) if capped else hits.n_relevant


# ---------------------------------------------------------------- beyond accuracy


def exposure(ranked: IntArray, k: int, n_items: int) -> IntArray:
    """How often each item stands in the first k ranks of a list, shape (n_items,)."""
    items = ranked[:, :k]
    return np.bincount(items[items >= 0], minlength=n_items).astype(np.int64)


def coverage(shown: IntArray) -> float:
    """Catalogue coverage: the share of all items that are in at least one list; `shown` is their `exposure`."""
    return float(np.mean(shown > 0))


def gini(shown: IntArray) -> float:
    """Gini coefficient of the items' `exposure`, items never shown included.

    sum_i (2 i - n - 1) x_i / (n sum x) with x rising: 0 where all n items are shown equally often, (n - 1) / n
    where it is always the same one (Fleder & Hosanagar 2009). 0 where nothing was shown.
    """
    n, total = len(shown), int(shown.sum())
    if total == 0:
        return 0.0
    return float((2 * np.arange(1, n + 1) - n - 1) @ np.sort(shown) / (n * total))


def self_information(train: RatingMatrix) -> DoubleArray:
    """-log2 of the share of users who rated each item, in bits, shape (n_items,).

    An unrated item counts as if one user had, so that it is finite.
    """
    bits: DoubleArray = -np.log2(np.maximum(train.counts("item"), 1) / max(1, train.n_users))
    return bits


def novelty(ranked: IntArray, k: int, information: DoubleArray) -> DoubleArray:
    """Novelty@k: mean `self_information` of the items in the first k ranks, in bits (Zhou et al. 2010).

    Shape (users,); 0 for an empty list.
    """
    items = ranked[:, :k]
    there = items >= 0
    mean: DoubleArray = np.where(there, information[items], 0.0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    return mean


def diversity(ranked: IntArray, k: int, train: RatingMatrix) -> DoubleArray:
    """Intra-list diversity@k: 1 - the mean cosine of all pairs of items in the first k ranks.

    The cosine is between the items' columns of `train`, 1 where a user rated: |both| / sqrt(|one| |other|); 0
    for an unrated item (Ziegler et al. 2005, in [0, 1]). Shape (users,); 0 for a list without pairs.

    Uses (sum of unit columns)^2 = their number + 2 * the sum over pairs, in blocks of bounded memory.
    """
    columns = _unit_columns(train)
    rated = train.counts("item") > 0
    out = np.zeros(len(ranked))
    block = max(1, 4_000_000 // max(1, train.n_users))
    for start in range(0, len(ranked), block):
        items = ranked[start : start + block, :k]
        there = items >= 0
        indptr = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
        picked = sparse.csr_array((np.ones(indptr[-1]), items[there], indptr), shape=(len(items), train.n_items))
        total = picked @ columns
        squared = np.asarray(total.multiply(total).sum(axis=1)).ravel()
        n = there.sum(axis=1)
        pairs = np.maximum(n * (n - 1), 1)
        cosine = (squared - (there & rated[items]).sum(axis=1)) / pairs
        out[start : start + block] = np.where(n > 1, np.clip(1.0 - cosine, 0.0, 1.0), 0.0)
    return out


def miscalibration(ranked: IntArray, k: int, history: Csr, categories: Csr, alpha: float = 0.01) -> DoubleArray:
    """How far the categories of a list's first k items are from those of a user's past: KL divergence, in nats.

    C_KL(p, q) = sum_g p(g) log(p(g) / q~(g)) with q~ = (1 - alpha) q + alpha p (Steck, "Calibrated recommendations",
    RecSys 2018, equations 2 to 6, unweighted): p is the mean over the user's past items of p(g | i), q that over the
    listed ones. 0 where both are alike, -log(alpha) where they share nothing. Items without a category say nothing.

    Args:
        ranked: item indices, -1 for none, shape (users, width).
        history: past items of the same users, whatever is stored counts, shape (users, n_items).
        categories: p(g | i), rows that sum to 1, or to 0 where nothing is known, shape (n_items, n_categories).

    Returns:
        Shape (users,); NaN for users whose past has no item with a category.
    """
    items = ranked[:, :k]
    indptr = np.concatenate([[0], np.cumsum((items >= 0).sum(axis=1))])
    listed = sparse.csr_array((np.ones(indptr[-1]), items[items >= 0], indptr), shape=(len(items), categories.shape[0]))
    past = sparse.csr_array((np.ones(history.nnz), history.indices, history.indptr), shape=history.shape)
    p, q = (_shares((rows @ categories).toarray()) for rows in (past, listed))
    smoothed = (1 - alpha) * q + alpha * p
    terms = p * np.log(np.divide(p, smoothed, out=np.ones_like(p), where=p > 0))
    divergence: DoubleArray = np.where(p.sum(axis=1) > 0, terms.sum(axis=1), np.nan)
    return divergence


def _shares(sums: DoubleArray) -> DoubleArray:
    """Rows divided by their sum; rows of zeros stay."""
    total = sums.sum(axis=1, keepdims=True)
    shares: DoubleArray = np.divide(sums, total, out=np.zeros_like(sums), where=total > 0)
    return shares


def _unit_columns(train: RatingMatrix) -> Csr:
    """By items: 1 / sqrt(number of raters) where a user rated, shape (n_items, n_users)."""
    rows = train.rows("item")
    counts = np.diff(rows.indptr)
    values = np.repeat(1.0 / np.sqrt(np.maximum(counts, 1)), counts)
    return sparse.csr_array((values, rows.indices, rows.indptr), shape=rows.shape)
