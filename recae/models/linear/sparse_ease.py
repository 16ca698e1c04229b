"""Sparse EASE: each item regressed on the few others that say most about it. For 100,000 items and more.

EASE's column j is the ridge regression of item j on all others, which all columns share one dense inverse for. Here it
is the same regression on `neighbours` items only, solved exactly: a small Cholesky factorisation an item, all of them
independent. The work is n k³ / 3 multiply-adds where EASE's is n³, and what is held is the sparse Gram matrix and k
weights an item. With k = n - 1 it is EASE where all pairs of items occur together: a pair that never does has no weight
here, and has one in EASE as a rule.

SANSA (Spišák et al., RecSys 2023) factorises the sparse Gram matrix incompletely and inverts the factor approximately,
with sweeps that may not converge, and couples all items through one ordering. The regressions here have neither: each
is exact on its neighbours, needs l2 > 0 and nothing else, and they run on all cores.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from scipy import sparse

from recae._types import Arrays, Csr, FloatArray, Scores
from recae.errors import DivergenceError, ParameterError, Phrase, Remedy
from recae.jit import jit_kernel, prange
from recae.models.linear.closed_form import InputDropout, check_ridge
from recae.models.linear.ease_relatives import chosen_ridge
from recae.models.linear.neighbours import SparseWeights
from recae.ratings import RatingMatrix
from recae.recommender.fitting import FitOptions
from recae.recommender.learned import LearnedArrays
from recae.recommender.memory import GIB, MemoryLimited, available_bytes
from recae.recommender.params import as_input, default, hyperparameters, learned, param
from recae.recommender.registry import register

_ENTRIES = 2**24  # products of ratings that a block of the Gram matrix sums up
_CHUNK = 32  # items that one thread does at a time


@register("sparse-ease", "EASE on the neighbours of each item, for large catalogues")
@hyperparameters
class SparseEASE(InputDropout, SparseWeights, MemoryLimited):
    """EASE (or, with dropout, EDLAE) on each item's neighbours only. Scores are X S, S sparse with a zero diagonal.

    The neighbours of j are those that explain most of it by themselves: the greatest G_ij² / (G_ii + γ_i), by which the
    regression of j on only i lowers the error. Column j of S minimises |x_j - X w|² + Σ γ_i w_i² over weights on them.

    Few neighbours cost accuracy where items are few and much rated (`docs/topn.md`): where EASE fits, take EASE.
    """

    dropout: float = default(0.5)
    neighbours: int = param(200, "items that each item is regressed on, k; work grows with k³", low=1)
    centre: bool | None = param(
        None, "read rows less the items' means: scores are m + (x - m) S; none to choose it with l2, else not to"
    )
    min_common: float = param(1.0, "co-occurrences below this count as none: 2 halves the memory, or better", low=0)

    offset_: FloatArray | None = learned()
    l2_: float = learned()

    def _fit(self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions) -> None:
        check_ridge(1.0 if self.l2 is None else self.l2, self.dropout)
        n = ratings.n_items
        self.l2_, centred = chosen_ridge(ratings, self.l2, self.centre, self.dropout, self.values)
        if self.l2 is None:
            self._record_open(l2=self.l2_, centre=centred)
        product = self._gram(ratings)
        mean = np.asarray(as_input(ratings.user_rows, self.values).sum(0), np.float64) / ratings.n_users
        spread = (mean * math.sqrt(ratings.n_users) * centred).astype(np.float32)
        counts = product.diagonal()
        ridge = (self.l2_ + counts * np.float32(self.dropout / (1 - self.dropout))).astype(np.float32)
        shape = n, max(1, min(self.neighbours, n - 1))
        index, weight, failed = np.full(shape, -1, np.int32), np.zeros(shape, np.float32), np.zeros(n, np.bool_)
        _regress(product.indptr, product.indices, product.data, ridge, counts, spread, index, weight, failed)
        if failed.any():
            raise DivergenceError(
                f"the regressions of {int(failed.sum()):,} items have no solution in float32",
                remedy=(
                    Remedy("raise {l2}", l2=self.l2_),
                    *([Remedy("lower {min_common}", min_common=self.min_common)] if self.min_common > 1 else []),
                ),
            )
        target, rank = np.nonzero((index >= 0) & (weight != 0))
        entries = weight[target, rank], (index[target, rank], target.astype(np.int32))
        self.weights_ = sparse.csr_array(entries, shape=(n, n))
        self.offset_ = (mean - mean @ self.weights_).astype(np.float32) if centred else None

    def score(self, user_rows: Csr) -> Scores:
        scores = super().score(user_rows)
        return scores if self.offset_ is None else scores + self.offset_

    def _arrays(self) -> Arrays:
        arrays = {**super()._arrays(), "l2": np.array(self.l2_, np.float64)}
        return arrays if self.offset_ is None else {**arrays, "offset": self.offset_}

    def _restore(self, arrays: LearnedArrays) -> None:
        super()._restore(arrays)
        self.l2_ = arrays.number("l2") if "l2" in arrays else self.l2 or 0.0  # files of earlier versions say it in l2
        self.offset_ = arrays.floats("offset", self.ratings_.n_items) if "offset" in arrays else None

    def _gram(self, ratings: RatingMatrix) -> Csr:
        """Xᵀ X less its small entries, sparse, some rows at a time."""
        user_rows, item_rows = (as_input(ratings.rows(by), self.values) for by in ("user", "item"))
        free = self.memory_limit * GIB if self.memory_limit is not None else available_bytes(torch.device("cpu"))
        work = np.concatenate([[0], np.cumsum(item_rows @ np.diff(user_rows.indptr).astype(np.float32), dtype=float)])
        parts, held, start = [], 0, 0
        while start < ratings.n_items:
            end = max(start + 1, int(np.searchsorted(work, work[start] + _ENTRIES)))
            part = item_rows[start:end] @ user_rows
            own = np.repeat(np.arange(start, start + part.shape[0]), np.diff(part.indptr)) == part.indices
            part.data[~own & (np.abs(part.data) < self.min_common)] = 0
            part.eliminate_zeros()
            part.sort_indices()
            parts.append(part)
            held += part.nnz * 8
            if free is not None and 2 * held > free:
                raise ParameterError(
                    f"SparseEASE has {2 * held / GIB:.1f} GiB of co-occurrences after {end:,} of {ratings.n_items:,} "
                    f"items, and may take {free / GIB:.1f}",
                    remedy=(
                        Remedy("raise {min_common}", min_common=self.min_common),
                        "use elsa",
                        Remedy("drop rare items with {filter}", filter=Phrase("ratings.filter(min_item=...)")),
                    ),
                )
            start = end
        return sparse.csr_array(sparse.vstack(parts, format="csr"))


@jit_kernel(parallel=True)
def _regress(
    indptr: Any, indices: Any, data: FloatArray, ridge: FloatArray, counts: FloatArray,
    spread: FloatArray, index: Any, weight: FloatArray, failed: Any,
) -> None:  # fmt: skip
    """Fill `index` and `weight` (n_items, k) with the neighbours of each item and what they add to it.

    What is regressed is G_ij - s_i s_j with s the `spread`: G itself where it is 0, covariances (times the number of
    users) where it is √n_users m.
    """
    n_items, most = index.shape
    for chunk in prange((n_items + _CHUNK - 1) // _CHUNK):
        matrix = np.empty((most, most), np.float32)
        for target in range(chunk * _CHUNK, min(n_items, (chunk + 1) * _CHUNK)):
            begin, end = indptr[target], indptr[target + 1]
            others, common = indices[begin:end], data[begin:end] - spread[target] * spread[indices[begin:end]]
            k = _neighbours(target, others, common, ridge, counts, spread, index[target], weight[target])
            chosen, solution = index[target, :k], weight[target, :k]
            _block(indptr, indices, data, chosen, ridge, spread, matrix)
            failed[target] = not _solve(matrix, solution)


@jit_kernel(parallel=False)
def _neighbours(
    target: int, others: Any, common: FloatArray, ridge: FloatArray, counts: FloatArray, spread: FloatArray,
    index: Any, weight: FloatArray,
) -> int:  # fmt: skip
    """Write the neighbours, by rising index, and their co-occurrence with the target; return how many there are."""
    gain = np.zeros(len(others), np.float32)
    for entry in range(len(others)):
        other = others[entry]
        if other != target:
            gain[entry] = common[entry] * common[entry] / (counts[other] - spread[other] ** 2 + ridge[other])
    threshold, room = np.float32(0), len(index)  # those above the threshold are in; of those at it, the first
    if len(others) > room:
        threshold = _of_rank(gain.copy(), len(gain) - room)
    for entry in range(len(others)):
        room -= gain[entry] > threshold
    k = 0
    for entry in range(len(others)):
        if gain[entry] > threshold or (gain[entry] == threshold and threshold > 0 and room > 0):
            room -= gain[entry] == threshold
            index[k], weight[k] = others[entry], common[entry]
            k += 1
    return k


@jit_kernel(parallel=False)
def _of_rank(values: FloatArray, rank: int) -> np.float32:
    """What would stand at `rank` were the values sorted, whose order is lost (Hoare's FIND, 1961).

    It is what `np.partition` finds. That takes numba seconds to compile, longer than all else of a first fit.
    """
    first, last = 0, len(values) - 1
    while first < last:
        pivot, low, high = values[(first + last) // 2], first, last
        while low <= high:
            while values[low] < pivot:
                low += 1
            while pivot < values[high]:
                high -= 1
            if low <= high:
                values[low], values[high] = values[high], values[low]
                low += 1
                high -= 1
        if rank <= high:
            last = high
        elif rank >= low:
            first = low
        else:
            break
    return np.float32(values[rank])


@jit_kernel(parallel=False)
def _block(
    indptr: Any, indices: Any, data: FloatArray, chosen: Any, ridge: FloatArray, spread: FloatArray,
    matrix: FloatArray,
) -> None:  # fmt: skip
    """The lower triangle of G + diag γ of the chosen items: rows short enough are walked, long ones searched."""
    k = len(chosen)
    for row in range(k):
        begin, end = indptr[chosen[row]], indptr[chosen[row] + 1]
        walk = end - begin < 8 * (row + 1)
        entry = begin
        for column in range(row + 1):
            wanted = chosen[column]
            if walk:
                while entry < end and indices[entry] < wanted:
                    entry += 1
            else:
                last = end
                while entry < last:
                    middle = (entry + last) // 2
                    if indices[middle] < wanted:
                        entry = middle + 1
                    else:
                        last = middle
            common = data[entry] if entry < end and indices[entry] == wanted else np.float32(0)
            matrix[row, column] = common - spread[chosen[row]] * spread[wanted]
        matrix[row, row] += ridge[chosen[row]]


@jit_kernel(parallel=False, fastmath={"reassoc", "contract"})
def _dot(a: FloatArray, b: FloatArray) -> np.float32:
    total = np.float32(0)
    for entry in range(len(a)):  # a SIMD product: its sums may be reordered
        total += a[entry] * b[entry]
    return total


@jit_kernel(parallel=False)
def _solve(matrix: FloatArray, solution: FloatArray) -> bool:
    """Solve by Cholesky in place, the right-hand side being in `solution`; False where it is not positive definite."""
    k = len(solution)
    for row in range(k):
        for column in range(row):
            value = matrix[row, column] - _dot(matrix[row, :column], matrix[column, :column])
            matrix[row, column] = value / matrix[column, column]
        pivot = matrix[row, row] - _dot(matrix[row, :row], matrix[row, :row])
        if not pivot > 0:
            return False
        matrix[row, row] = np.sqrt(pivot)
        solution[row] = (solution[row] - _dot(matrix[row, :row], solution[:row])) / matrix[row, row]
    for row in range(k - 1, -1, -1):
        solution[row] /= matrix[row, row]
        for column in range(row):
            solution[column] -= matrix[row, column] * solution[row]
    return True
