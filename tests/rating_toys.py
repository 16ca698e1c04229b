"""Ratings that a model of low rank explains, for tests of what is learnt."""

from __future__ import annotations

import numpy as np

from recae.ratings import RatingMatrix


def low_rank(users: int = 60, items: int = 40, fill: float = 0.5, seed: int = 0) -> RatingMatrix:
    """Ratings of rank 2 (and a mean), half of them known."""
    rng = np.random.default_rng(seed)
    truth = 3 + rng.normal(size=(users, 2)) @ rng.normal(size=(2, items)) / 2
    u, i = np.nonzero(rng.random(truth.shape) < fill)
    return RatingMatrix.from_columns(u, i, np.clip(truth[u, i], 1, 5), scale=(1.0, 5.0))


def parted(data: RatingMatrix, seed: int = 1) -> tuple[RatingMatrix, RatingMatrix]:
    """About 85 % of the ratings, and the rest."""
    held_out = np.random.default_rng(seed).random(data.n_ratings) < 0.15
    return data.select(~held_out), data.select(held_out)
