"""Which ratings go to the test part: one function a way, each giving a mask over `user_rows.data`."""

from __future__ import annotations

import numpy as np

from recae._types import IntArray, Mask
from recae.errors import ParameterError
from recae.ratings import RatingMatrix
from recae.ratings.known_times import timestamps_of
from recae.splitting.parts import check_fraction

BY_TIME, RANDOM = "which a split by time needs", "choose a random split"


def random_part(ratings: RatingMatrix, fraction: float, rng: np.random.Generator) -> Mask:
    """A share of all ratings, rounded to the nearest number of ratings."""
    check_fraction("test", fraction)
    chosen = np.zeros(ratings.n_ratings, dtype=bool)
    chosen[rng.permutation(ratings.n_ratings)[: int(fraction * ratings.n_ratings + 0.5)]] = True
    return chosen


def fold_of_each(ratings: RatingMatrix, folds: int, rng: np.random.Generator) -> IntArray:
    """The fold, 0 to folds - 1, that each rating belongs to."""
    return rng.permutation(ratings.n_ratings) % folds


def check_folds(ratings: RatingMatrix, folds: int) -> None:
    if not 2 <= folds <= ratings.n_ratings:
        raise ParameterError(
            name="folds", value=folds, expected=f"a number from 2 to {ratings.n_ratings:,}, the number of ratings"
        )


def per_user_part(ratings: RatingMatrix, fraction: float, rng: np.random.Generator, last: bool = False) -> Mask:
    """A share of each user's ratings, rounded to the nearest number (half up), but never all of them."""
    check_fraction("test", fraction)
    counts = ratings.counts("user")
    sizes = np.minimum((fraction * counts + 0.5).astype(np.int64), counts - 1)
    chosen: Mask = rank_of_each(ratings, rng, last) < np.repeat(sizes, counts)  # of no ratings nothing is repeated
    return chosen


def one_of_each_user(ratings: RatingMatrix, test: None, rng: np.random.Generator, last: bool | None = None) -> Mask:
    """One rating of each user with two or more: the latest (`last`), or any."""
    latest = ratings.timestamps is not None if last is None else last
    counts = ratings.counts("user")
    chosen: Mask = (rank_of_each(ratings, rng, latest) == 0) & np.repeat(counts > 1, counts)
    return chosen


def rank_of_each(ratings: RatingMatrix, rng: np.random.Generator, last: bool) -> IntArray:
    """Place of each rating, from 0, among its user's: latest first (equal times in random order), or random."""
    users, _, _ = ratings.pairs()
    keys = (rng.random(len(users)), *((-timestamps_of(ratings, BY_TIME, RANDOM),) if last else ()), users)
    rank = np.empty(len(users), dtype=np.int64)
    rank[np.lexsort(keys)] = np.arange(len(users)) - ratings.user_rows.indptr[users]
    return rank
