"""Lists of what was put aside: how good they are, and whether one way of making them is clearly better than another."""

from __future__ import annotations

import numpy as np

from recae import metrics
from recae._types import DoubleArray, IntArray, Scores
from recae.ratings import RatingMatrix
from recae.recommender.scoring import top_allowed

LIST = 20  # length of the lists that are compared
CELLS = 2**24  # scores that a comparison looks at, at most


def users_to_compare(known: RatingMatrix, held_out: RatingMatrix, seed: int = 0) -> IntArray:
    """Users with held-out entries, (n,), at most so many that a comparison stays bounded; by `seed`, the same ones."""
    users = np.flatnonzero(held_out.counts("user"))
    most = max(1, CELLS // known.n_items)
    return users if len(users) <= most else np.sort(np.random.default_rng(seed).permutation(users)[:most])


def list_values(scores: Scores, known: RatingMatrix, held_out: RatingMatrix, users: IntArray) -> DoubleArray:
    """Recall@20 + NDCG@20 of each user's held-out entries, (n,), in lists without the `known` ones.

    Args:
        scores: of the users, (n, n_items).
        known: the ratings that the scores follow from.
        held_out: what the lists should hold, in the same indices.
        users: indices, (n,).
    """
    ranked, _ = top_allowed(scores, known.user_rows[users], LIST, None)
    hits = metrics.find_hits(ranked, held_out.user_rows[users])
    return metrics.recall(hits, LIST) + metrics.ndcg(hits, LIST)


def clearly_better(values: DoubleArray, others: DoubleArray) -> bool:
    """Whether the users' mean of `values` is above that of `others` by more than two standard errors, paired, (n,)."""
    gain = values - others
    return len(gain) > 1 and bool(gain.mean() > 2 * gain.std(ddof=1) / np.sqrt(len(gain)))


class MeanOverHidings:
    """Users' values, averaged over several hidings of entries: what one hiding says of a user is mostly chance."""

    def __init__(self, n_values: int, n_users: int) -> None:
        self.total, self.times = np.zeros((n_values, n_users)), np.zeros(n_users)

    def add(self, users: IntArray, values: DoubleArray) -> None:
        """Values of one hiding, (n_values, n), of users with held-out entries, (n,)."""
        self.total[:, users] += values
        self.times[users] += 1

    def values(self) -> DoubleArray:
        """The means, (n_values, m), of the users who had held-out entries at least once."""
        there = self.times > 0
        means: DoubleArray = self.total[:, there] / self.times[there]
        return means
