"""A bounded part of many ratings, on which models are compared before one learns from everything."""

from __future__ import annotations

import numpy as np

from recae.ratings import RatingMatrix

MOST_RATINGS = 300_000  # that a comparison looks at


def some_users(ratings: RatingMatrix, rng: int) -> RatingMatrix:
    """The ratings, or those of as many users as have about `MOST_RATINGS`; items and users keep their indices."""
    if ratings.n_ratings <= MOST_RATINGS:
        return ratings
    chosen = np.random.default_rng(rng).random(ratings.n_users) < MOST_RATINGS / ratings.n_ratings
    some = ratings.select(np.repeat(chosen, np.diff(ratings.user_rows.indptr)))
    return some.filter(min_user=1, min_item=1)
