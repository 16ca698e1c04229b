"""What is expected of an item without ratings for a user with some, and of such a user for an item: a regression."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from recae._types import Csr, DoubleArray, FloatArray, IntArray
from recae.ratings.csr import cut_evenly

PULL = 10.0  # ratings' worth of pull of a row's coefficients towards 0
LEVEL_PULL = 100.0  # the same of what features say of everybody
MOST = 64  # directions of features, at most, in which rows may differ
BLOCK = 1 << 20  # ratings that are copied at once
PAIRS = 1 << 16  # answered at once


class ColdRegression(NamedTuple):
    """The deviation d of columns without ratings in rows with some: d_rj = level_j + θ_r · x_j.

    Rows are users and columns items, or the reverse. x_j are the features of a column and 1. `level` is the same for
    all rows: what features say of the columns' mean deviations. θ_r is a ridge regression of what a row's ratings
    leave over of mean, row and level. Without features it is their mean, drawn to 0: what somebody chooses to rate
    differs from what all do, and so does what will be rated next.

    Attributes:
        level: (n_columns + 1,); the last one is that of an unknown column, which index -1 reads.
        x: (n_columns + 1, f + 1).
        pull: ratings' worth of pull of θ towards 0.
    """

    level: DoubleArray
    x: DoubleArray
    pull: float = PULL

    def coefficients(self, rows: Csr, mean: float, deviation: FloatArray) -> DoubleArray:
        """θ of rows (n, n_columns), whose own deviations are (n,): (n, f + 1)."""
        theta = np.empty((rows.shape[0], self.x.shape[1]))
        for first, last in pairwise(cut_evenly(np.diff(rows.indptr), BLOCK)):
            row, column, left = _left_over(rows, first, last, mean, deviation)
            left -= self.level[column]
            count = np.diff(rows.indptr[first : last + 1])
            if self.x.shape[1] == 1:
                theta[first:last, 0] = np.bincount(row, left, last - first) / (count + self.pull)
            else:
                theta[first:last] = self._solved(np.append(0, np.cumsum(count)), column, left)
        return theta

    def _solved(self, starts: IntArray, column: IntArray, left: DoubleArray) -> DoubleArray:
        n, width = len(starts) - 1, self.x.shape[1]
        theta, x = np.empty((n, width)), self.x[column]
        for r in range(n):
            own, wanted = x[starts[r] : starts[r + 1]], left[starts[r] : starts[r + 1]]
            theta[r] = np.linalg.solve(own.T @ own + self.pull * np.eye(width), own.T @ wanted)
        return theta

    def at(self, theta: DoubleArray, row_index: IntArray, column_index: IntArray) -> FloatArray:
        """d of pairs, (n,), from coefficients of rows; a row or a column of -1 is unknown."""
        theta = np.concatenate([theta, np.zeros((1, theta.shape[1]))])
        out = np.empty(len(row_index), np.float32)
        for start in range(0, len(out), PAIRS):
            row, column = row_index[start : start + PAIRS], column_index[start : start + PAIRS]
            out[start : start + PAIRS] = self.level[column] + np.einsum("zk,zk->z", theta[row], self.x[column])
        return out

    def grid(self, theta: DoubleArray, column_index: IntArray) -> FloatArray:
        """d of all rows, whose coefficients are (n, f + 1), and some columns, (m,): (n, m)."""
        return np.asarray(self.level[column_index] + theta @ self.x[column_index].T, np.float32)


def fit_cold_regression(
    rows: Csr, mean: float, deviation: FloatArray, features: FloatArray | None = None, pull: float = PULL
) -> ColdRegression:
    """Fit what rows share.

    Columns count by the root of their ratings: who is rated often is liked more than others, and will be asked for
    more; one with a hundred times the ratings is still one.

    Args:
        rows: ratings, (n_rows, n_columns).
        mean, deviation: of all ratings, and of each row, (n_rows,) (`recae.recommender.biases`).
        features: of the columns, (n_columns, f), 0 being as usual; None for nothing known.
        pull: see `ColdRegression`.
    """
    known = np.zeros((rows.shape[1], 0)) if features is None else features.astype(np.float64)
    total, count = np.zeros(rows.shape[1]), np.zeros(rows.shape[1])
    for first, last in pairwise(cut_evenly(np.diff(rows.indptr), BLOCK)):
        _, column, left = _left_over(rows, first, last, mean, deviation)
        total += np.bincount(column, left, rows.shape[1])
        count += np.bincount(column, minlength=rows.shape[1])
    means = total / np.maximum(count, 1)
    x = _with_constant(known)
    level = shared(x[:-1], means[:, None], count)[:, 0]
    return ColdRegression(x @ level, _with_constant(_leading(known, count)), pull)


def _with_constant(features: DoubleArray) -> DoubleArray:
    """Features (n, f) and 1, of n columns and of an unknown one: (n + 1, f + 1)."""
    return np.pad(np.pad(features, ((0, 1), (0, 0))), ((0, 0), (0, 1)), constant_values=1.0)


def shared(x: DoubleArray, values: DoubleArray, count: IntArray | DoubleArray) -> DoubleArray:
    """Ridge regression of values (n, m) on x (n, f + 1), whose last column is 1: (f + 1, m).

    Each of the n counts by the root of its ratings, (n,); the constant is free.
    """
    rated = count > 0
    if not rated.any():
        return np.zeros((x.shape[1], values.shape[1]))
    weight, some = np.sqrt(count[rated]), x[rated]
    ridge = np.full(x.shape[1], LEVEL_PULL * weight.sum() / count.sum())
    ridge[-1] = 0.0
    weighted = weight[:, None] * some
    return np.asarray(np.linalg.solve(some.T @ weighted + np.diag(ridge), weighted.T @ values[rated]), np.float64)


def _leading(features: DoubleArray, count: DoubleArray) -> DoubleArray:
    """The features, (n, f), or of many their `MOST` leading directions, by how often their columns are rated."""
    if features.shape[1] <= MOST:
        return features
    _, directions = np.linalg.eigh(features.T @ (count[:, None] * features))
    return np.asarray(features @ directions[:, -MOST:])


def _left_over(
    rows: Csr, first: int, last: int, mean: float, deviation: FloatArray
) -> tuple[IntArray, Any, DoubleArray]:
    """Row from `first`, column, and what mean and row leave over, of the ratings of rows from first to last."""
    part = slice(rows.indptr[first], rows.indptr[last])
    row = np.repeat(np.arange(last - first), np.diff(rows.indptr[first : last + 1]))
    left = rows.data[part].astype(np.float64) - mean - deviation[first:last][row]
    return row, rows.indices[part], left
