"""Bounds in seconds and in ratios of seconds, for a machine without other work. `pytest benchmarks/suite`."""

from __future__ import annotations

import time

import numpy as np

from recae._types import FloatArray, IntArray
from recae.evaluation import evaluate
from recae.loaders import sample
from recae.ratings import RatingMatrix
from recae.splitting import split


class Factors:
    """Scores from random factors, with the time that they take."""

    predicts_ratings = False

    def __init__(self, train: RatingMatrix, rng: np.random.Generator) -> None:
        self.ratings_, self.seconds = train, 0.0
        self.users = rng.normal(size=(train.n_users, 128)).astype(np.float32)
        self.items = rng.normal(size=(train.n_items, 128)).astype(np.float32)

    def score_users(self, user_index: IntArray) -> FloatArray:
        start = time.perf_counter()
        scores: FloatArray = self.users[user_index] @ self.items.T
        self.seconds += time.perf_counter() - start
        return scores


def test_ranking_and_measuring_cost_at_most_half_the_score_product() -> None:
    """4,000 users x 20,000 items are ranked and measured within 1.5 times the score product itself (best of 5)."""
    rng = np.random.default_rng(0)
    n = 480_000
    pairs = RatingMatrix.from_columns(rng.integers(0, 4000, n), rng.integers(0, 20_000, n), np.ones(n))
    parts = split(pairs, "per-user", test=0.2, rng=0)
    ratios = []
    for _ in range(5):
        model, start = Factors(parts.train, rng), time.perf_counter()
        evaluate(model, parts, ["recall@20", "recall@50", "ndcg@100"])  # type: ignore[arg-type]
        ratios.append((time.perf_counter() - start) / model.seconds)
    assert min(ratios) < 1.5, ratios


def test_the_sample_is_made_in_under_a_second() -> None:
    """The best of three takes well under a second (about 0.06 s on a quiet core)."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        sample()
        times.append(time.perf_counter() - start)
    assert min(times) < 1
