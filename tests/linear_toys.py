"""Small sets for the models that rank, and what they must be by definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from hypothesis import strategies as st

from recae.ratings import RatingMatrix
from recae.ratings.csr import make_csr

Dense = npt.NDArray[np.float64]


def ratings_of(dense: Any, stored: Any = None) -> RatingMatrix:
    """A `RatingMatrix` of a dense array; by default what is not 0 is stored."""
    dense = np.asarray(dense, np.float32)
    stored = dense != 0 if stored is None else np.asarray(stored)
    rows, cols = np.nonzero(stored)
    indptr = np.concatenate([[0], np.cumsum(stored.sum(1))])
    users, items = np.arange(dense.shape[0]) + 100, np.array([f"i{j}" for j in range(dense.shape[1])], object)
    low, high = (float(dense[stored].min()), float(dense[stored].max())) if stored.any() else (0.0, 1.0)
    return RatingMatrix(make_csr(dense[rows, cols], cols, indptr, dense.shape), users, items, (low, high))


def random_ratings(n_users: int = 40, n_items: int = 13, seed: int = 0, fill: float = 0.35) -> RatingMatrix:
    """Ratings 1 to 5 in random cells; the last item and the last user have none."""
    rng = np.random.default_rng(seed)
    dense = rng.integers(1, 6, (n_users, n_items)) * (rng.random((n_users, n_items)) < fill)
    dense[-1] = dense[:, -1] = 0
    return ratings_of(dense)


def ones_of(ratings: RatingMatrix) -> Dense:
    """The dense array of ones where something is rated."""
    return (ratings.user_rows.toarray() != 0).astype(np.float64)


def ridge(x: Dense, y: Dense, weight: Dense) -> Dense:
    """argmin |y - x w|² + Σ weight w², by least squares on rows that stand for the penalty: no normal equations."""
    stacked = np.vstack([x, np.diag(np.sqrt(weight))])
    target = np.concatenate([y, np.zeros(len(weight))])
    solution: Dense = np.linalg.lstsq(stacked, target, rcond=None)[0]
    return solution


@st.composite
def sparse_sets(draw: Any) -> RatingMatrix:
    """Any small set with at least one rating: users without ratings and unrated items are common."""
    n_users, n_items = draw(st.integers(1, 6)), draw(st.integers(2, 7))
    pairs = draw(st.sets(st.tuples(st.integers(0, n_users - 1), st.integers(0, n_items - 1)), min_size=1, max_size=20))
    dense, stored = np.zeros((n_users, n_items)), np.zeros((n_users, n_items), bool)
    for user, item in pairs:
        dense[user, item] = draw(st.sampled_from([0.0, 1.0, 2.5, 5.0]))
        stored[user, item] = True
    return ratings_of(dense, stored)


def assert_sane(model: Any, ratings: RatingMatrix) -> None:
    """Nothing that a fitted model says is NaN or infinite, for anybody; and lists come out."""
    empty = make_csr(np.zeros(0, np.float32), np.zeros(0, np.int32), np.zeros(3, np.int64), (2, ratings.n_items))
    for scores in (
        model.score(ratings.user_rows), model.score_users(np.arange(ratings.n_users)), model.score(empty)
    ):  # fmt: skip
        assert scores.shape[1] == ratings.n_items
        assert np.isfinite(scores).all()
    frame = model.recommend(ratings.user_ids, n=2)
    assert np.isfinite(frame["score"]).all()
    new = pd.DataFrame({"user": ["new"], "item": [ratings.item_ids[0]], "rating": [ratings.scale[1]]})
    assert np.isfinite(model.recommend_new(new, n=1)["score"]).all()
