"""mu + b_u + b_i: the baseline of rating prediction, and the answer for pairs that a model cannot serve."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from recae._types import Csr, DoubleArray, FloatArray
from recae.jit import jit_kernel
from recae.ratings import RatingMatrix
from recae.ratings.csr import cut_evenly
from recae.schemas import require

BLOCK = 1 << 22  # ratings that are copied at once; of more, an item's sum is made of parts
USER_L2, ITEM_L2 = 5.0, 3.0  # ratings' worth of pull of a deviation towards 0
LEVEL_L2 = 10.0  # the same of a row's level, where a network learns what the level leaves over
SWEEPS, CHANGE = 10, 1e-3  # alternations at most; fewer where users' deviations change by less, in scales' widths
PRIOR = 10.0  # ratings' worth of belief in a model, where its weight against the biases is estimated
ENOUGH = 50  # ratings of a user or an item, on average, from which a model needs no help from the biases
ENOUGH_FOR_PUBLISHED = 100  # the same for models whose settings are a paper's, which had more: MovieLens-1M, Netflix

_Values = TypeVar("_Values")


class Unit(NamedTuple):
    """The unit that rating models compute in: any scale as 1 to 5 stars, a rating being shift + factor x.

    Regularisation, learning rates and first weights mean something only in a unit. With this one a model learns the
    same from ratings, from ratings times 20, and from ratings plus 3.
    """

    shift: float
    factor: float

    @classmethod
    def of(cls, scale: tuple[float, float]) -> Unit:
        """The unit of a scale, lowest to highest rating; the ratings themselves where it is 1 to 5."""
        low, high = scale
        factor = (high - low) / 4 if high > low else 1.0
        return cls(low - factor, factor)

    @classmethod
    def read(cls, arrays: Any) -> Unit:
        """The array `unit` of a file (`recae.recommender.learned.LearnedArrays`).

        Raises:
            Invalid: it is none.
        """
        shift, factor = map(float, arrays.floats("unit", 2, dtype="float64"))
        require(factor > 0, "the unit's factor is not above 0")
        return cls(shift, factor)

    def inside(self, ratings: _Values) -> _Values:
        """Ratings, array or tensor, in this unit."""
        return ratings if self == RATINGS else (ratings - self.shift) / self.factor  # type: ignore[operator, return-value]

    def outside(self, values: _Values) -> _Values:
        """Values in this unit, array or tensor, as ratings."""
        return values if self == RATINGS else values * self.factor + self.shift  # type: ignore[operator, return-value]


RATINGS = Unit(0.0, 1.0)  # ratings as they are


class Biases(NamedTuple):
    """Mean rating, a float; deviation of each user (n_users,) and of each item (n_items,).

    `new_item` and `new_user` are there in a lean file, which holds no ratings that they could be told from: what is
    expected of an item without ratings, and of an unknown user for each item, (n_items,).
    """

    mean: float
    user: FloatArray
    item: FloatArray
    new_item: float = 0.0
    new_user: FloatArray | None = None

    def at(self, user_index: npt.NDArray[Any], item_index: npt.NDArray[Any]) -> FloatArray:
        """mu + b_u + b_i of pairs, (n,); index -1 stands for an unknown user or item, whose deviation is 0."""
        user = np.where(user_index >= 0, self.user[user_index], np.float32(0)) if len(self.user) else 0.0
        item = np.where(item_index >= 0, self.item[item_index], np.float32(0)) if len(self.item) else 0.0
        return np.asarray(self.mean + user + item, dtype=np.float32)

    @property
    def user_means(self) -> FloatArray:
        """Mean ratings of the users, (n_users,), drawn towards the mean of all where there are few."""
        return self.mean + self.user

    @property
    def item_means(self) -> FloatArray:
        """Mean ratings of the items, (n_items,), drawn towards the mean of all where there are few."""
        return self.mean + self.item


def fit_baseline(ratings: RatingMatrix) -> Biases:
    """The biases that models start from, and that answer for whoever has no ratings."""
    return fit_biases(ratings, user_l2=USER_L2, item_l2=ITEM_L2, sweeps=SWEEPS)


def few_ratings(shape: tuple[int, int], n_ratings: int, enough: int = ENOUGH) -> bool:
    """Whether users or items have fewer than `enough` ratings, on average: a model may be worse than the biases."""
    return n_ratings < enough * max(shape)


def weighed(weight: float, own: _Values, baseline: _Values) -> _Values:
    """What a model says, arrays or tensors, drawn towards what the biases say.

    Args:
        weight: one for all, of which 1 is the model itself; or an array or a tensor, one for each answer.
        own, baseline: what the model and what the biases say.
    """
    return own if isinstance(weight, float) and weight == 1 else baseline + weight * (own - baseline)  # type: ignore[operator]


def fit_biases(ratings: RatingMatrix, *, user_l2: float, item_l2: float, sweeps: int) -> Biases:
    """Minimise Σ (r - mu - b_u - b_i)² + user_l2 Σ b_u² + item_l2 Σ b_i² by alternating exact solutions.

    There are at most `sweeps` alternations, and no more where one changes nothing that matters.

    Koren (2010), "Factor in the neighbors", section 2.1; mu is the mean rating.
    """
    mean = float(ratings.mean if ratings.n_ratings else 0.5 * sum(ratings.scale))
    user, item = np.zeros(ratings.n_users), np.zeros(ratings.n_items)
    n_user, n_item = ratings.counts("user") + user_l2, ratings.counts("item") + item_l2
    sums = (_SumsOfMany if ratings.n_ratings > BLOCK else _Sums)(ratings.user_rows, mean)
    for _ in range(sweeps):
        item = _ratio(sums.of_items(user), n_item)
        before, user = user, _ratio(sums.of_users(item), n_user)
        if np.abs(user - before).max(initial=0) <= CHANGE * (ratings.scale[1] - ratings.scale[0]):
            break
    return Biases(mean, user.astype(np.float32), item.astype(np.float32))


class _Sums:
    """Sums over users' or items' ratings of what mean and the other side's deviations leave, by NumPy."""

    def __init__(self, rows: Csr, mean: float) -> None:
        self.users, self.items = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr)), rows.indices
        self.shape, self.deviation = rows.shape, rows.data.astype(np.float64) - mean

    def of_items(self, user: DoubleArray) -> DoubleArray:
        """(n_items,) from deviations of users, (n_users,)."""
        return _summed(self.items, self.deviation - user[self.users], self.shape[1])

    def of_users(self, item: DoubleArray) -> DoubleArray:
        """(n_users,) from deviations of items, (n_items,)."""
        return _summed(self.users, self.deviation - item[self.items], self.shape[0])


def _summed(index: npt.NDArray[Any], values: DoubleArray, n: int) -> DoubleArray:
    return np.asarray(np.bincount(index, values, n), np.float64)


class _SumsOfMany:
    """The same of ratings too many to copy, by kernels; items' sums are added up part by part, some users at a time."""

    def __init__(self, rows: Csr, mean: float) -> None:
        self.rows, self.mean, self.cuts = rows, mean, cut_evenly(np.diff(rows.indptr), BLOCK)

    def of_items(self, user: DoubleArray) -> DoubleArray:
        total = np.zeros(self.rows.shape[1])
        for first, last in pairwise(self.cuts):
            part = np.zeros_like(total)
            _add_to_items(self.rows.indptr, self.rows.indices, self.rows.data, first, last, self.mean, user, part)
            total += part
        return total

    def of_users(self, item: DoubleArray) -> DoubleArray:
        total = np.zeros(self.rows.shape[0])
        _add_to_users(self.rows.indptr, self.rows.indices, self.rows.data, self.mean, item, total)
        return total


@jit_kernel(parallel=False)
def _add_to_items(
    indptr: Any, indices: Any, ratings: FloatArray, first: int, last: int, mean: float, user: DoubleArray,
    total: DoubleArray,
) -> None:  # fmt: skip
    for row in range(first, last):
        for entry in range(indptr[row], indptr[row + 1]):
            total[indices[entry]] += np.float64(ratings[entry]) - mean - user[row]


@jit_kernel(parallel=False)
def _add_to_users(
    indptr: Any, indices: Any, ratings: FloatArray, mean: float, item: DoubleArray, total: DoubleArray
) -> None:
    for row in range(len(total)):
        for entry in range(indptr[row], indptr[row + 1]):
            total[row] += np.float64(ratings[entry]) - mean - item[indices[entry]]


def ridge_weight(truth: FloatArray, baseline: FloatArray, own: FloatArray | DoubleArray) -> float:
    """argmin over w of Σ (r - b - w (m - b))², with as much pull towards 1 as `PRIOR` ratings have; within 0 and 1.

    0 where least squares alone do not find a weight above its standard error (White, Econometrica 1980): where it is
    not clear that a model is better, the biases answer.

    Args:
        truth, baseline, own: ratings r, what the biases say b and what a model says m, (n,).
    """
    difference, wanted = np.asarray(own, np.float64) - baseline, np.asarray(truth, np.float64) - baseline
    squares = float(difference @ difference)
    if squares == 0:
        return 1.0
    pull = PRIOR * squares / len(truth)
    found = float(difference @ wanted) / squares
    if found <= float(np.linalg.norm(difference * (wanted - found * difference))) / squares:
        return 0.0
    return float(np.clip((difference @ wanted + pull) / (squares + pull), 0.0, 1.0))


def user_deviations(user_rows: Csr, biases: Biases, user_l2: float = USER_L2) -> FloatArray:
    """b_u of unseen users from their rows (n_rows, n_items): (n_rows,)."""
    rows = np.repeat(np.arange(user_rows.shape[0]), np.diff(user_rows.indptr))
    deviation = user_rows.data - biases.mean - biases.item[user_rows.indices]
    total = np.bincount(rows, deviation, user_rows.shape[0])
    return _ratio(total, np.diff(user_rows.indptr) + user_l2).astype(np.float32)


def _ratio(total: npt.NDArray[Any], weight: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """total / weight, and 0 where the weight is 0 (no ratings, no regularisation)."""
    out: npt.NDArray[np.float64] = np.divide(total, weight, out=np.zeros(len(total)), where=weight > 0)
    return out
