"""Ratings that the tests of splitting share."""

from __future__ import annotations

import numpy as np
import pandas as pd

from recae.ratings import RatingMatrix


def random_ratings(n_users: int, n_items: int, n: int, seed: int, *, times: int | None = 10_000) -> RatingMatrix:
    """About `n` ratings; ids that are no indices, every rating value different, timestamps on request."""
    rng = np.random.default_rng(seed)
    pairs = np.unique(rng.integers(0, n_users * n_items, n))
    frame = pd.DataFrame(
        {
            "user": [f"u{p // n_items}" for p in pairs],
            "item": 1000 + pairs % n_items,
            "rating": rng.permutation(len(pairs)) / 7.0,
            "timestamp": rng.integers(0, times or 1, len(pairs)),
        }
    )
    return RatingMatrix.from_frame(frame, timestamp="timestamp" if times else None)
