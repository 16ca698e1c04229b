"""Each row's ridge regression of ratings on features of columns, and what it says of a rating that it did not see."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from recae._types import Arrays, Csr, DoubleArray, FloatArray, IntArray
from recae.ratings import RatingMatrix
from recae.ratings.csr import cut_evenly, make_csr, take_rows
from recae.ratings.matrix import By
from recae.recommender.biases import ITEM_L2, USER_L2, fit_baseline
from recae.recommender.cold_regression import PAIRS, fit_cold_regression, shared
from recae.recommender.learned import LearnedArrays

PULLS = (10.0, 20.0, 40.0, 80.0, 160.0, 320.0)  # ratings' worth, tried
BESIDE_A_MODEL = 2.0  # times the pull that is best beside biases alone: a model learns part of the same by itself
NUMBERS = 1 << 23  # features of ratings that are copied at once
LOOKED_AT = 200_000  # ratings, about, that the choice of a pull looks at at most


class FeatureRegression(NamedTuple):
    """What features of columns say of ratings: level_j + θ_r · x_j. Rows are users, and columns items.

    θ_r is a ridge regression of what mean and columns leave of a row's ratings, on the features and on 1: what the row
    is above others is no opinion on features, and is not told.

    Attributes:
        mean: of all ratings.
        level: what features say of the columns' mean deviations, (n_columns,).
        deviation: of each column beyond its level, (n_columns,), drawn to 0.
        x: features of the columns, 0 being as usual, (n_columns, f).
        pull: ratings' worth of pull of θ towards 0.
    """

    mean: float
    level: DoubleArray
    deviation: DoubleArray
    x: DoubleArray
    pull: float

    def left_of_new(self, rows: Csr) -> Csr:
        """What mean and columns leave of the ratings of rows that were not learnt from."""
        left = rows.data.astype(np.float64) - self.mean - (self.level + self.deviation)[rows.indices]
        return make_csr(left, rows.indices, rows.indptr, rows.shape)

    def left_of_training(self, rows: Csr, row_deviation: FloatArray) -> Csr:
        """The same of the training rows: for each rating, its column's deviation is that of the others there.

        Args:
            rows: the training rows.
            row_deviation: their own deviations, (n_rows,).
        """
        column, own = rows.indices, self._own_deviation(rows, row_deviation)
        n = np.bincount(column, minlength=rows.shape[1])[column]
        others = self.deviation[column] * (n + ITEM_L2) - own
        left = rows.data.astype(np.float64) - self.mean - self.level[column] - others / (n - 1 + ITEM_L2)
        return make_csr(left, rows.indices, rows.indptr, rows.shape)

    def leave_one_out(self, left: Csr) -> tuple[DoubleArray, DoubleArray, DoubleArray]:
        """θ of each row; of each rating what θ from the row's other ratings says, and what is left then.

        Args:
            left: what mean and columns leave of ratings, (n_rows, n_columns).

        Returns:
            θ (n_rows, f); θ · x, θ being of the row's other ratings, (nnz,); what that and the row's own deviation,
            likewise of the others, leave, (nnz,).
        """
        n, f = left.shape[0], self.x.shape[1]
        theta, told, rest = np.zeros((n, f)), np.zeros(left.nnz), np.zeros(left.nnz)
        pull = np.diag(np.append(np.full(f, self.pull), USER_L2))
        lengths = np.diff(left.indptr)
        for first, last in pairwise(cut_evenly(lengths, max(1, NUMBERS // (f + 1)))):
            begin, end = left.indptr[first], left.indptr[last]
            x = np.pad(self.x[left.indices[begin:end]], ((0, 0), (0, 1)), constant_values=1.0)
            for row in np.flatnonzero(lengths[first:last]) + first:
                part = slice(left.indptr[row], left.indptr[row + 1])
                own = x[part.start - begin : part.stop - begin]
                theta[row], told[part], rest[part] = _leave_one_out(own, left.data[part], pull)
        return theta, told, rest

    def _own_deviation(self, rows: Csr, row_deviation: FloatArray) -> DoubleArray:
        """What mean, row and level leave of each training rating, (nnz,)."""
        of_row = np.repeat(row_deviation.astype(np.float64), np.diff(rows.indptr))
        return np.asarray(rows.data - self.mean - of_row - self.level[rows.indices], np.float64)


class Opinions(NamedTuple):
    """A regression and θ of the training rows, (n_rows, f)."""

    regression: FeatureRegression
    theta: DoubleArray

    @classmethod
    def read(cls, arrays: LearnedArrays, shape: tuple[int, int]) -> Opinions:
        """What `arrays` gave, of so many rows and columns.

        Raises:
            Invalid: it is of others.
        """
        level, deviation = (arrays.floats(name, shape[1], dtype="float64") for name in ("level", "deviation"))
        x = arrays.floats("x", shape[1], -1, dtype="float64")
        regression = FeatureRegression(arrays.number("mean"), level, deviation, x, arrays.number("pull"))
        return cls(regression, arrays.floats("theta", shape[0], x.shape[1], dtype="float64"))

    def arrays(self) -> Arrays:
        """Its arrays, for a file."""
        return {"theta": self.theta, **{k: np.asarray(v, np.float64) for k, v in self.regression._asdict().items()}}

    def at(self, row_index: IntArray, column_index: IntArray) -> FloatArray:
        """level_j + θ_r · x_j of pairs, (n,). Of an unknown row, -1, the level; of an unknown column 0."""
        level, x = self.regression.level, self.regression.x
        out = np.append(level, 0.0)[column_index]
        known = np.flatnonzero((row_index >= 0) & (column_index >= 0))
        for start in range(0, len(known), PAIRS):
            some = known[start : start + PAIRS]
            out[some] += np.einsum("zk,zk->z", self.theta[row_index[some]], x[column_index[some]])
        return np.asarray(out, np.float32)

    def grid(self, rows: IntArray | slice = slice(None), columns: IntArray | slice = slice(None)) -> FloatArray:
        """The same of some rows and some columns, by default all: (n, m)."""
        x, level = self.regression.x[columns].astype(np.float32), self.regression.level[columns].astype(np.float32)
        return np.asarray(self.theta[rows].astype(np.float32) @ x.T + level)


def fit_opinions(
    ratings: RatingMatrix, by: By, features: FloatArray, pull: float | None = None, seed: int = 0
) -> tuple[Opinions, FloatArray] | None:
    """Users' opinions on items' features (`by` is "item"), or what users' features mean to items.

    Returns:
        Opinions, and what those of its row's other ratings say of each rating, (nnz,) in the order of `user_rows.data`;
        None where features say nothing.
    """
    across: By = "user" if by == "item" else "item"
    baseline = fit_baseline(ratings)
    rows, deviation = ratings.rows(across), getattr(baseline, across)
    regression = fit_feature_regression(rows, baseline.mean, deviation, features, pull, seed)
    if regression is None:
        return None
    theta, told, _ = regression.leave_one_out(regression.left_of_training(rows, deviation))
    told += regression.level[rows.indices]
    if by == "user":
        told = make_csr(told, rows.indices, rows.indptr, rows.shape).T.tocsr().data
    return Opinions(regression, theta), told.astype(np.float32)


def with_cold_rows(opinions: Opinions, features: FloatArray, counts: IntArray) -> Opinions:
    """The same with θ of described rows without ratings: what rows with features like theirs have.

    Args:
        features: of the rows, (n_rows, f), 0 being as usual.
        counts: ratings of the rows, (n_rows,).
    """
    cold = (counts == 0) & (features != 0).any(axis=1)
    if not cold.any():
        return opinions
    x = np.pad(features.astype(np.float64), ((0, 0), (0, 1)), constant_values=1.0)
    theta = opinions.theta.copy()
    theta[cold] = x[cold] @ shared(x, opinions.theta, counts)
    return opinions._replace(theta=theta)


def less(ratings: RatingMatrix, told: FloatArray) -> RatingMatrix:
    """Ratings less what is told of each, (nnz,); on the same scale, in whose unit a model computes."""
    return ratings.with_rows(rows_less(ratings.user_rows, told), ratings.timestamps)


def rows_less(rows: Csr, told: FloatArray | DoubleArray) -> Csr:
    """Rows of ratings less what is told of each, (nnz,)."""
    return make_csr((rows.data - told).astype(np.float32), rows.indices, rows.indptr, rows.shape)


def fit_feature_regression(
    rows: Csr, mean: float, row_deviation: FloatArray, features: FloatArray, pull: float | None = None, seed: int = 0
) -> FeatureRegression | None:
    """Fit what rows share, and choose a pull by how its answers to ratings that are left out are.

    Args:
        rows: ratings, (n_rows, n_columns).
        mean, row_deviation: of all ratings, and of each row, (n_rows,).
        features: of the columns, (n_columns, f), 0 being as usual.
        pull: given, and then not chosen.
        seed: of the rows that the choice looks at, where there are many.

    Returns:
        None where features say nothing of ratings that are left out, by more than a standard error.
    """
    cold = fit_cold_regression(rows, mean, row_deviation, features)
    level, x = cold.level[:-1] - cold.level[-1], cold.x[:-1, :-1]
    found = _with_deviations(FeatureRegression(mean, level, level, x, pull or PULLS[0]), rows, row_deviation)
    if pull is not None:
        return found
    share = LOOKED_AT / max(LOOKED_AT, rows.nnz)
    some = np.flatnonzero(np.random.default_rng((seed, 3)).random(rows.shape[0]) <= share)
    nothing = _with_deviations(found._replace(level=np.zeros_like(level), x=x[:, :0]), rows, row_deviation)
    least = np.square(nothing.leave_one_out(take_rows(nothing.left_of_training(rows, row_deviation), some))[2])
    left = take_rows(found.left_of_training(rows, row_deviation), some)
    squares = {one: np.square(found._replace(pull=one).leave_one_out(left)[2]) for one in PULLS}
    best = min(squares, key=lambda one: float(squares[one].mean()))
    gain = least - squares[best]
    return found._replace(pull=BESIDE_A_MODEL * best) if gain.mean() > gain.std() / np.sqrt(len(gain)) else None


def _with_deviations(one: FeatureRegression, rows: Csr, row_deviation: FloatArray) -> FeatureRegression:
    """The same with the columns' deviations beyond its levels."""
    n = rows.shape[1]
    total = np.bincount(rows.indices, one._own_deviation(rows, row_deviation), n)
    return one._replace(deviation=total / (np.bincount(rows.indices, minlength=n) + ITEM_L2))


def _leave_one_out(
    x: DoubleArray, wanted: DoubleArray, pull: DoubleArray
) -> tuple[DoubleArray, DoubleArray, DoubleArray]:
    """One row of `FeatureRegression.leave_one_out`, by the formula of Sherman and Morrison.

    θ without rating i is θ - A x_i e_i / (1 - h_i), A = (XᵀX + pull)⁻¹, e_i what θ leaves and h_i = x_iᵀ A x_i.

    Args:
        x: features and 1, (n, f + 1).
        wanted: (n,).
        pull: diagonal matrix, (f + 1, f + 1).
    """
    inverse = np.linalg.inv(x.T @ x + pull)
    theta = inverse @ (x.T @ wanted)
    moved = x @ inverse
    rest = (wanted - x @ theta) / (1 - np.einsum("nf,nf->n", moved, x))
    own, opinion = moved[:, :-1], x[:, :-1]
    told = opinion @ theta[:-1] - np.einsum("nf,nf->n", own, opinion) * rest
    return theta[:-1], told, rest
