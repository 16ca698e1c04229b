"""Item neighbourhoods: cosine kNN, and SLIM, which learns what kNN assumes. Scores are X S with S sparse."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse

from recae._types import Csr, FloatArray, Scores
from recae.jit import jit_kernel, prange
from recae.models.linear.ease_relatives import chosen_ridge
from recae.models.linear.gram import gram, gram_rows, mirror_, peak_bytes
from recae.ranking import top_n
from recae.ratings import RatingMatrix
from recae.recommender.base import Recommender
from recae.recommender.fitting import FitOptions
from recae.recommender.learned import LearnedArrays
from recae.recommender.memory import MemoryLimited, refuse_too_large
from recae.recommender.own_part import SOLVED_ITEMS, ChoosesOnOwnPart
from recae.recommender.params import ReadsValues, as_input, hyperparameters, learned, param
from recae.recommender.registry import register
from recae.recommender.scoring import blocks

SHRINKS = (10.0, 100.0, 1000.0)  # that ItemKNN chooses among, of entries of 1; else times their mean square


@hyperparameters
class SparseWeights(ReadsValues, Recommender):
    """Scores X S: S[i, j], sparse, is what having i adds to the score of j."""

    linear: ClassVar[bool] = True

    weights_: Csr = learned()

    def _reads_only_rows(self) -> bool:
        return True

    def score(self, user_rows: Csr) -> Scores:
        return np.asarray((as_input(user_rows, self.values) @ self.weights_).toarray(), np.float32)

    def item_vectors(self) -> Csr:
        """Who rated it, as the model reads it, (n_items, n_users)."""
        return as_input(self.ratings_.rows("item"), self.values)

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        w = self.weights_
        return {"data": w.data, "indices": w.indices.astype(np.int32), "indptr": w.indptr.astype(np.int64)}

    def _restore(self, arrays: LearnedArrays) -> None:
        n = self.ratings_.n_items
        self.weights_ = arrays.csr((n, n))


@register("item-knn", "item neighbourhoods by cosine")
@hyperparameters
class ItemKNN(ChoosesOnOwnPart, SparseWeights):
    """Item-based nearest neighbours (Sarwar et al., WWW 2001): the sum of an item's similarities to what a user has.

    Similarity is the cosine of two items' columns, a·b / (|a| |b| + shrink), and an item keeps its k nearest.
    """

    k: int = param(100, "neighbours of an item", low=1, tune=(20, 500, "log"))
    shrink: float | None = param(
        None, "added to the cosine's denominator: similarities of little evidence are small; none to choose it on a "
        "part of the ratings", low=0, tune=(0.0, 200.0),
    )  # fmt: skip

    def _candidates(self, ratings: RatingMatrix) -> list[dict[str, Any]]:
        unit = mean_square(as_input(ratings.user_rows, self.values))
        return [{"shrink": unit * shrink} for shrink in SHRINKS] if self.shrink is None else [{"shrink": self.shrink}]

    def _learn(self, ratings: RatingMatrix, options: FitOptions, chosen: dict[str, Any]) -> None:
        user_rows, item_rows = (as_input(ratings.rows(by), self.values) for by in ("user", "item"))
        n = ratings.n_items
        squares = np.bincount(user_rows.indices, user_rows.data.astype(np.float64) ** 2, n)
        norms = np.sqrt(squares).astype(np.float32)
        parts = []
        for block in blocks(n, n):
            product = gram_rows(user_rows, item_rows, block.start, block.stop)
            with np.errstate(divide="ignore", invalid="ignore"):
                product /= norms[block, None] * norms + np.float32(chosen["shrink"])
            product[~(product != 0)] = -np.inf  # 0 is no neighbour, nor is 0 / 0
            product[np.arange(len(product)), np.arange(block.start, block.stop)] = -np.inf
            parts.append(_kept(*top_n(product, min(self.k, n)), n))
        self.weights_ = sparse.vstack(parts).T.tocsr()


def mean_square(rows: Csr) -> float:
    """Of the stored entries; 1 where they are 0 or there are none."""
    return float(np.mean(np.square(rows.data, dtype=np.float64))) or 1.0 if rows.nnz else 1.0


def _kept(index: npt.NDArray[np.int64], weight: FloatArray, n_items: int) -> Csr:
    """Lists of neighbours (rows, k) as sparse rows, (rows, n_items)."""
    row, rank = np.nonzero(index >= 0)
    entries = weight[row, rank], (row, index[row, rank].astype(np.int32))
    return sparse.csr_array(entries, shape=(len(index), n_items))


@register("slim", "sparse linear methods: each item regressed on few others")
@hyperparameters
class SLIM(ChoosesOnOwnPart, SparseWeights, MemoryLimited):
    """Sparse linear methods (Ning and Karypis, ICDM 2011): each item is regressed on the others, sparsely.

    Column j of S minimises ½ |x_j - X w|² + (l2 / 2) |w|² + l1 |w|₁ with w ≥ 0 and w_j = 0, by coordinate descent on
    G = Xᵀ X, which is all that the problem knows of X. EASE is the same without l1 and w ≥ 0.
    """

    _items_to_choose_on: ClassVar[int] = SOLVED_ITEMS  # among more the choice is no better: docs/which_model.md

    l1: float = param(5.0, "L1 weight: the larger, the fewer weights", low=0, tune=(0.5, 50.0, "log"))
    l2: float | None = param(
        None, "L2 weight; with l1 it may be 0; none for EASE's, which is chosen on a small part of the data", low=0,
        tune=(10.0, 1000.0, "log"),
    )  # fmt: skip
    positive: bool = param(True, "weights are 0 or more")
    sweeps: int = param(50, "passes over the items in each regression, at most", low=1)
    tolerance: float = param(1e-3, "no weight changed by more in a pass: the regression is done", low=0)

    def _candidates(self, ratings: RatingMatrix) -> list[dict[str, Any]]:
        if self.l2 is not None:
            return [{"l2": self.l2}]
        return [{"l2": chosen_ridge(ratings, None, centre=False, dropout=0.0, values=self.values)[0]}]

    def _learn(self, ratings: RatingMatrix, options: FitOptions, chosen: dict[str, Any]) -> None:
        cpu, n = torch.device("cpu"), ratings.n_items
        refuse_too_large("SLIM", n, peak_bytes(n, torch.float32), cpu, self.memory_limit)
        product = gram(as_input(ratings.user_rows, self.values), np.ones(ratings.n_users, np.float32), device=cpu)
        mirror_(product)
        parts = []
        for block in blocks(n, n):
            columns = np.zeros((block.stop - block.start, n), np.float32)
            _descend(
                product.numpy(), block.start, self.l1, chosen["l2"], self.positive, self.sweeps, self.tolerance, columns
            )
            parts.append(sparse.csr_array(columns))
        self.weights_ = sparse.vstack(parts).T.tocsr()


@jit_kernel(parallel=True)
def _descend(
    gram: Any, first: int, l1: float, l2: float, positive: bool, sweeps: int, tolerance: float, out: Any
) -> None:
    """Row r of `out` (rows, n_items): the regression of item `first` + r; `slope` is x_i·(x_j - X w) of each item i."""
    for row in prange(out.shape[0]):
        target = first + row
        weight = out[row]
        slope = gram[target].copy()
        for _sweep in range(sweeps):
            most = 0.0
            for item in range(gram.shape[0]):
                own = gram[item, item]
                if item == target or own + l2 <= 0:
                    continue
                pull = slope[item] + own * weight[item]
                if pull > l1:
                    new = np.float32((pull - l1) / (own + l2))
                elif pull < -l1 and not positive:
                    new = np.float32((pull + l1) / (own + l2))
                else:
                    new = np.float32(0)
                change = new - weight[item]
                if change != 0:
                    weight[item] = new
                    slope -= change * gram[item]
                    most = max(most, abs(change))
            if most <= tolerance:
                break
