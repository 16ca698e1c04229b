"""Biased matrix factorisation for rating prediction: what AutoRec is measured against."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from recae._types import Csr, FloatArray, IntArray, Scores
from recae.jit import jit_kernel, prange
from recae.ratings import RatingMatrix
from recae.recommender.base import Recommender
from recae.recommender.fitting import FitOptions
from recae.recommender.learned import LearnedArrays
from recae.recommender.params import DrawnToBiases, hyperparameters, learned, param, seed
from recae.recommender.registry import register
from recae.recommender.scoring import products_at


@register("biased-mf", "matrix factorisation with biases: predicts ratings")
@hyperparameters
class BiasedMF(DrawnToBiases, Recommender):
    """r = mu + b_u + b_i + p_u·q_i (Koren, Bell and Volinsky, 2009) by alternating least squares on stored ratings.

    Minimises Σ over stored ratings of (r - r̂)² + Σ_u (l2 (n_u + prior)^power |p_u|² + bias_l2 b_u²) + the same over
    items, n being how many ratings one has: power 1 and prior 0 are ALS-WR (Zhou et al., 2008), power 0 the plain
    penalty. With the items' side given, each user is one ridge regression of k + 1 unknowns, and vice versa; an unseen
    user is that regression.
    """

    predicts_ratings: ClassVar[bool] = True
    lists_by_product: ClassVar[bool] = True

    factors: int = param(32, "width of the factors", low=1, tune=(8, 128, "log"))
    l2: float = param(0.08, "L2 weight on factors, times (n + prior)^power", low=0, tune=(0.02, 0.3, "log"))
    bias_l2: float = param(4.0, "L2 weight on biases", low=0, tune=(0.1, 10.0, "log"))
    power: float = param(
        1.0, "how much stronger the penalty is for whoever has more ratings: 0 to 1", low=0, tune=(0.0, 1.0)
    )
    prior: float = param(
        30.0,
        "ratings that each user and item counts as having besides, in the penalty",
        low=0,
        tune=(1.0, 100.0, "log"),
    )
    sweeps: int = param(15, "alternations between users and items", low=1)
    rng: int = seed("seed of the first factors")

    mean_: float = learned()
    user_: FloatArray = learned()
    item_: FloatArray = learned()

    def _fit(self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions) -> None:
        rng = np.random.default_rng(self.rng)
        start = self._baseline()
        self.mean_ = start.mean
        factors = rng.normal(0, 0.1 * np.sqrt(self._unit.factor / self.factors), (ratings.n_items, self.factors))
        self.item_ = np.column_stack([factors, start.item]).astype(np.float32)
        item_rows = ratings.rows("item")
        for sweep in range(self.sweeps):
            self.user_ = self._solve(ratings.user_rows, self.item_)
            if sweep < self.sweeps - 1:
                self.item_ = self._solve(item_rows, self.user_)
        # users come last: a known user is what an unseen one with the same ratings is

    def _solve(self, rows: Csr, other: FloatArray) -> FloatArray:
        """Factors and bias of each row, (n_rows, k + 1), given those of the columns (n_cols, k + 1)."""
        out = np.zeros((rows.shape[0], self.factors + 1), np.float32)
        _ridge_rows(
            rows.indptr,
            rows.indices,
            rows.data,
            other,
            self.mean_,
            max(self.l2, 1e-6) * self._unit.factor,
            self.power,
            self.prior,
            self.bias_l2 + 1e-6,
            out,
        )
        return out

    def score(self, user_rows: Csr) -> Scores:
        return self._scores(self._solve(user_rows, self.item_))

    def score_users(self, user_index: IntArray) -> Scores:
        return self._scores(self.user_[user_index])

    def _scores(self, user: FloatArray) -> Scores:
        scores = user[:, :-1] @ self.item_[:, :-1].T
        scores += self.item_[:, -1] + np.float32(self.mean_)
        scores += user[:, -1:]
        return scores

    def _pairs(self, user_index: IntArray, item_index: IntArray) -> Scores:
        return self._at(self.user_, user_index, item_index)

    def _pairs_new(self, user_rows: Csr, row_index: IntArray, item_index: IntArray) -> Scores:
        return self._at(self._solve(user_rows, self.item_), row_index, item_index)

    def _at(self, users: FloatArray, user_index: IntArray, item_index: IntArray) -> Scores:
        out = products_at(users[:, :-1], users[:, -1], self.item_[:, :-1], user_index, item_index)
        out += self.item_[item_index, -1]
        out += np.float32(self.mean_)
        return out

    def item_vectors(self) -> FloatArray:
        """The items' factors, (n_items, factors)."""
        return self.item_[:, :-1]

    def user_vectors(self) -> FloatArray:
        """The users' factors, (n_users, factors)."""
        return self.user_[:, :-1]

    def _added_to_lists(self) -> FloatArray | None:
        return self.item_[:, -1]

    def _read_as_before(self) -> None:
        super()._read_as_before()
        self.prior = 0.0

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {"mean": np.array(self.mean_), "user": self.user_, "item": self.item_}

    def _restore(self, arrays: LearnedArrays) -> None:
        self.mean_ = arrays.number("mean")
        self.user_ = arrays.floats("user", self.ratings_.n_users, self.factors + 1)
        self.item_ = arrays.floats("item", self.ratings_.n_items, self.factors + 1)


@jit_kernel(parallel=True)
def _ridge_rows(
    indptr: Any,
    indices: Any,
    data: Any,
    other: Any,
    mean: float,
    l2: float,
    power: float,
    prior: float,
    bias_l2: float,
    out: Any,
) -> None:
    """Each row: argmin over (p, b) of Σ (r - mean - b_j - p·q_j - b)² + l2 n^power |p|² + bias_l2 b², by Cholesky."""
    width = out.shape[1]
    for row in prange(out.shape[0]):
        n = indptr[row + 1] - indptr[row]
        if n == 0:
            continue
        normal, target, feature = np.zeros((width, width)), np.zeros(width), np.ones(width)
        for entry in range(indptr[row], indptr[row + 1]):
            column = indices[entry]
            rest = data[entry] - mean - other[column, width - 1]
            for a in range(width - 1):
                feature[a] = other[column, a]
            for a in range(width):
                target[a] += rest * feature[a]
                for b in range(a + 1):
                    normal[a, b] += feature[a] * feature[b]
        for a in range(width - 1):
            normal[a, a] += l2 * (n + prior) ** power
        normal[width - 1, width - 1] += bias_l2
        _solve_in_place(normal, target)
        for a in range(width):
            out[row, a] = target[a]


@jit_kernel(parallel=False)
def _solve_in_place(a: Any, x: Any) -> None:
    """x to A⁻¹ x, A being positive definite and given by its lower triangle, which is overwritten."""
    n = len(x)
    for j in range(n):
        for k in range(j):
            for i in range(j, n):
                a[i, j] -= a[i, k] * a[j, k]
        a[j, j] = np.sqrt(a[j, j])
        for i in range(j + 1, n):
            a[i, j] /= a[j, j]
    for i in range(n):
        for k in range(i):
            x[i] -= a[i, k] * x[k]
        x[i] /= a[i, i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            x[i] -= a[k, i] * x[k]
        x[i] /= a[i, i]
