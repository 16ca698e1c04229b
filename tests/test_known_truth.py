"""Generated likes whose truth is known (`benchmarks.topn.known_truth`)."""

from __future__ import annotations

import numpy as np
import pytest

import recae
from benchmarks.topn import known_truth
from recae.models import EASE


def test_likes_are_drawn_by_the_scores() -> None:
    """Of two items, one with a score higher by log 3, the better one is liked first three times of four."""
    scores = np.tile(np.array([np.log(3.0), 0.0] + [-30.0] * 198, np.float32), (20_000, 1))
    noisy = scores + np.random.default_rng([0, 1]).gumbel(size=scores.shape)
    assert (noisy[:, 0] > noisy[:, 1]).mean() == pytest.approx(0.75, abs=0.01)
    likes = known_truth.drawn_likes(scores)
    assert likes.counts("user").min() >= known_truth.FEWEST
    assert likes.n_ratings / likes.n_users == pytest.approx(30, abs=0.3)
    assert (likes.counts("item")[:2] == 20_000).all()  # nobody goes without the best two


def test_scores_are_the_same_for_the_first_users() -> None:
    """More users are more of the same people."""
    np.testing.assert_array_equal(known_truth.true_scores(50)[:20], known_truth.true_scores(20))


def test_no_model_is_above_the_truth() -> None:
    """Lists by the truth are far above EASE's, and chance's are below both."""
    scores = known_truth.true_scores(1_300)
    parts = recae.split(known_truth.drawn_likes(scores), "held-out-users", test=500, validation=500, rng=0)
    truth = known_truth.by_the_truth(scores, parts)
    ease = recae.evaluate(EASE().fit(parts.train), parts, known_truth.METRICS)
    chance = known_truth.by_the_truth(np.random.default_rng(0).permuted(scores, axis=1), parts)
    assert truth["ndcg@100"] > 1.5 * float(ease["ndcg@100"])
    assert chance["ndcg@100"] < 0.5 * float(ease["ndcg@100"])
