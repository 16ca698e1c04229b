"""Lists drawn towards popularity, by a weight that is chosen on ratings put aside."""

from __future__ import annotations

from typing import Any

import numpy as np

from recae._types import DoubleArray, FloatArray, IntArray
from recae.distributed.ranks import current
from recae.ratings import RatingMatrix
from recae.recommender.base import Recommender
from recae.recommender.held_out_lists import CELLS, clearly_better, list_values, users_to_compare
from recae.recommender.params import hyperparameters, param

POPULAR = 1e12  # popularity itself: no score is left beside it
WEIGHTS = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 10.0, POPULAR)


@hyperparameters
class DrawnToPopularity(Recommender):
    """Base of rankers whose lists add the items' popularity to a model's own scores.

    Where few entries say little about each other, a personal list is worse than what is popular. What is added is
    w s z_j: z is log(1 + number of entries) of an item, standardised over the items, s the mean standard deviation of
    a row's own scores, and w the weight. `score` gives the model's own scores; lists, and what is measured, add this.
    """

    popularity: float | None = param(
        None, "weight of items' popularity in lists, in standard deviations of the model's own scores; none to choose "
        "it on ratings put aside, where there are some", low=0,
    )  # fmt: skip

    def _choose_popularity(self, held_out: RatingMatrix) -> tuple[float, float]:
        """The weight that ranks `held_out` best (the one given, if there is one), and its Recall@20 + NDCG@20.

        A weight below the largest, which is popularity itself, has to be better than that by two standard errors.
        """
        return current().from_first(lambda: self._best_weight(self._values_by_weight(held_out)[1]))

    def _values_by_weight(self, held_out: RatingMatrix) -> tuple[IntArray, DoubleArray]:
        """Users with held-out entries, (n,), and Recall@20 + NDCG@20 of each under each weight, (n_weights, n)."""
        ratings = self.ratings_
        users = users_to_compare(ratings, held_out)
        scores, prior = np.asarray(self.score_users(users), np.float32), _standard(ratings)
        unit = _spread(scores[:1000])
        found = []
        for weight in self._weights():
            drawn = scores if prior is None or weight == 0 else scores + np.float32(weight * unit) * prior
            found.append(list_values(drawn, ratings, held_out, users))
        return users, np.stack(found)

    def _best_weight(self, values: DoubleArray) -> tuple[float, float]:
        """The best weight, of users' values under each, (n_weights, n), and its figure; see `_choose_popularity`."""
        best = int(np.argmax(values.mean(1)))
        if values.shape[1] > 1 and not clearly_better(values[best], values[-1]):
            best = len(values) - 1
        return self._weights()[best], float(values[best].mean())

    def _weights(self) -> tuple[float, ...]:
        """Among which is chosen."""
        return WEIGHTS if self.popularity is None else (self.popularity,)

    def _draw(self, ratings: RatingMatrix, weight: float) -> None:
        """Set what lists add, of a model that is fitted on `ratings`."""
        self._set_ratings(ratings)
        self.prior_ = None
        prior = _standard(ratings)
        if weight > 0 and prior is not None:
            users = np.flatnonzero(ratings.counts("user"))[: max(1, CELLS // ratings.n_items)]
            self.prior_ = (weight * _spread(self.score_users(users[:1000])) * prior).astype(np.float32)


def _standard(ratings: RatingMatrix) -> FloatArray | None:
    """log(1 + entries) of each item, standardised; None where all items have equally many."""
    counts = np.log1p(ratings.counts("item").astype(np.float64))
    return None if np.ptp(counts) == 0 else ((counts - counts.mean()) / counts.std()).astype(np.float32)


def _spread(scores: Any) -> float:
    """The mean standard deviation of a row; 1 where there is none."""
    return float(np.mean(np.std(scores, axis=1, dtype=np.float64))) or 1.0
