"""mu + b_u + b_i: what is known of a pair when nothing else is."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from recae.assembly import Csr
from recae.ratings import RatingMatrix

FloatArray = npt.NDArray[np.float32]


class Biases(NamedTuple):
    """Mean rating, a float; deviation of each user (n_users,) and of each item (n_items,)."""

    mean: float
    user: FloatArray
    item: FloatArray

    def at(self, user_index: npt.NDArray[Any], item_index: npt.NDArray[Any]) -> FloatArray:
        """mu + b_u + b_i of pairs; index -1 stands for an unknown user or item, whose deviation is 0."""
        user = np.where(user_index >= 0, self.user[user_index], np.float32(0)) if len(self.user) else 0.0
        item = np.where(item_index >= 0, self.item[item_index], np.float32(0)) if len(self.item) else 0.0
        return np.asarray(self.mean + user + item, dtype=np.float32)


def fit_biases(ratings: RatingMatrix, *, user_l2: float, item_l2: float, sweeps: int) -> Biases:
    """Minimise Σ (r - mu - b_u - b_i)² + user_l2 Σ b_u² + item_l2 Σ b_i² by alternating exact solutions.

    Koren (2010), "Factor in the neighbors", section 2.1; mu is the mean rating.
    """
    rows = ratings.user_rows
    mean = ratings.mean if ratings.n_ratings else 0.5 * sum(ratings.scale)
    users = np.repeat(np.arange(ratings.n_users), np.diff(rows.indptr))
    items, deviation = rows.indices, rows.data.astype(np.float64) - mean
    user, item = np.zeros(ratings.n_users), np.zeros(ratings.n_items)
    n_user, n_item = ratings.counts("user") + user_l2, ratings.counts("item") + item_l2
    for _ in range(sweeps):
        item = _ratio(np.bincount(items, deviation - user[users], ratings.n_items), n_item)
        user = _ratio(np.bincount(users, deviation - item[items], ratings.n_users), n_user)
    return Biases(float(mean), user.astype(np.float32), item.astype(np.float32))


def user_deviations(user_rows: Csr, biases: Biases, user_l2: float) -> FloatArray:
    """b_u of unseen users from their rows (n_rows, n_items): (n_rows,)."""
    rows = np.repeat(np.arange(user_rows.shape[0]), np.diff(user_rows.indptr))
    deviation = user_rows.data - biases.mean - biases.item[user_rows.indices]
    total = np.bincount(rows, deviation, user_rows.shape[0])
    return _ratio(total, np.diff(user_rows.indptr) + user_l2).astype(np.float32)


def _ratio(total: npt.NDArray[Any], weight: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """total / weight, and 0 where the weight is 0 (nobody rated, nothing regularised)."""
    out: npt.NDArray[np.float64] = np.divide(total, weight, out=np.zeros(len(total)), where=weight > 0)
    return out
