"""Models and ratings that the tests of evaluation share: small, with figures that can be worked out."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pandas as pd

from recae.ratings import RatingMatrix
from recae.splitting import split


class Ranker:
    """Scores by a fixed matrix: known users by their row of it, rows of hidden users by a product with it."""

    predicts_ratings: ClassVar[bool] = False
    reads_dates: ClassVar[bool] = False

    def __init__(self, ratings: RatingMatrix, seed: int = 0) -> None:
        self.ratings_ = ratings
        rng = np.random.default_rng(seed)
        self.known = rng.normal(size=ratings.shape).astype(np.float32)
        self.weights = rng.normal(size=(ratings.n_items, ratings.n_items)).astype(np.float32)
        self.asked: list[int] = []

    def ranking_scores(self, user_index: np.ndarray) -> np.ndarray:
        self.asked.append(len(user_index))
        return self.known[user_index]

    def ranking_scores_new(self, user_rows: Any) -> np.ndarray:
        self.asked.append(user_rows.shape[0])
        return np.asarray(user_rows @ self.weights)

    def _scores_of_new(self, new: RatingMatrix) -> Any:
        return lambda rows: self.ranking_scores_new(new.user_rows[rows])


class Rater(Ranker):
    """Predicts 3 + b_user + b_item with fixed deviations, 3 for what it does not know; hidden users by their mean."""

    predicts_ratings = True

    def __init__(self, ratings: RatingMatrix, seed: int = 0) -> None:
        super().__init__(ratings, seed)
        rng = np.random.default_rng(seed + 1)
        self.user, self.item = rng.normal(size=ratings.n_users), rng.normal(size=ratings.n_items)

    def predict_pairs(self, user_index: np.ndarray, item_index: np.ndarray) -> np.ndarray:
        user = np.where(user_index >= 0, self.user[user_index], 0.0)
        return (3 + user + np.where(item_index >= 0, self.item[item_index], 0.0)).astype(np.float32)

    def predict_pairs_new(self, user_rows: Any, row_index: np.ndarray, item_index: np.ndarray) -> np.ndarray:
        assert np.all(item_index >= 0)
        mean = user_rows.sum(axis=1) / np.maximum(np.diff(user_rows.indptr), 1)
        return (mean[row_index] + self.item[item_index]).astype(np.float32)

    def _rated_of_new(
        self, new: RatingMatrix, row_index: np.ndarray, item_index: np.ndarray, _times: Any
    ) -> np.ndarray:
        return self.predict_pairs_new(new.user_rows, row_index, item_index)


def ratings_of(n_users: int = 30, n_items: int = 25, share: float = 0.4, seed: int = 0) -> RatingMatrix:
    rng = np.random.default_rng(seed)
    pairs = np.argwhere(rng.random((n_users, n_items)) < share)
    frame = pd.DataFrame({"user": [f"u{u:02}" for u in pairs[:, 0]], "item": 100 + pairs[:, 1]})
    return RatingMatrix.from_frame(frame.assign(rating=rng.integers(1, 6, len(pairs))), scale=(1, 5), name="toy")


def shuffled(part: RatingMatrix, *, extra: pd.DataFrame | None = None) -> RatingMatrix:
    """The same ratings as a file of its own would give them: other vocabularies, in another order."""
    frame = pd.concat([part.to_frame().iloc[::-1], *([] if extra is None else [extra])])
    order = RatingMatrix.from_frame(frame, scale=part.scale)
    users, items, values = order.pairs()
    new_user, new_item = np.argsort(order.user_ids)[::-1], np.argsort(order.item_ids)[::-1]
    rows = order.user_rows[new_user][:, new_item].tocsr()
    rows.sort_indices()
    assert len(values) == rows.nnz == len(users) == len(items)
    return RatingMatrix(rows, order.user_ids[new_user], order.item_ids[new_item], part.scale, name=part.name)


SPLIT = split(ratings_of(), "random", test=0.3, validation=0.2, rng=0)
TESTED = int((SPLIT.test.counts("user") > 0).sum())
HIDDEN = split(ratings_of(), "held-out-users", test=8, validation=4, rng=0)
COLD = pd.DataFrame({"user": ["new", "new", "u01"], "item": [100, 777, 777], "rating": [1, 2, 5]})
