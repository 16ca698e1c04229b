"""Item to item counts: what comes next after an item, as often as it did."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recae._types import Csr, DoubleArray, IntArray, Scores
from recae.events.session_events import Sessions
from recae.models.sessions.session_model import SessionModel, popularity_of, recent
from recae.ratings import RatingMatrix
from recae.recommender.fitting import FitOptions
from recae.recommender.learned import LearnedArrays
from recae.recommender.params import hyperparameters, learned, param
from recae.recommender.registry import register

EVENTS = 200  # of a session that are looked at, at most


@register("markov", "the next item, by how often it came after the last one in a session")
@hyperparameters
class Markov(SessionModel):
    """P(j | i) = (n_ij + prior p_j) / (n_i + prior), where n_ij counts j straight after i within a session.

    n_i is the sum of n_ij over j, and p_j is the item's share of all ratings. A list is ranked by P(j | last item);
    where events share the last moment, or `decay` lets earlier ones count, by the weighted mean of P(j | i) over them.
    """

    prior: float = param(1.0, "events that popularity counts for beside those seen after an item", low=0)
    decay: float = param(0.0, "weight of an event against one of the next moment; 0: only the last moment counts",
                         low=0, high=1, tune=(0.0, 0.95))  # fmt: skip

    counts_: Csr = learned()

    def _fit(self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions) -> None:
        self.counts_ = followers(self.cut(ratings))

    def scores_before(self, events: Sessions, users: IntArray, stops: IntArray) -> Scores:
        weights = recent(events, users, stops, self.decay, EVENTS)
        of_item = self._followed() + self.prior
        inverse = np.divide(1.0, of_item, out=np.zeros_like(of_item), where=of_item > 0)
        by_item = weights @ sparse.diags_array(inverse, format="csr")
        scores = np.asarray((by_item @ self.counts_).toarray(), np.float64)
        scores += self.prior * np.asarray(by_item.sum(axis=1))[:, None] * popularity_of(self.ratings_)
        total = np.asarray(weights.sum(axis=1), np.float64)
        return (scores / np.where(total > 0, total, 1)[:, None]).astype(np.float32)

    def _followed(self) -> DoubleArray:
        """How often something came after each item, (n_items,); kept, as there may be as many counts as events."""
        if "followed" not in self._derived:
            self._derived["followed"] = np.asarray(self.counts_.sum(axis=1), np.float64)
        found: DoubleArray = self._derived["followed"]
        return found

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        counts = self.counts_
        return {
            "data": counts.data, "indices": counts.indices.astype(np.int32), "indptr": counts.indptr.astype(np.int64)
        }  # fmt: skip

    def _restore(self, arrays: LearnedArrays) -> None:
        n = self.ratings_.n_items
        self.counts_ = arrays.csr((n, n))


def followers(events: Sessions) -> Csr:
    """How often item j comes straight after item i in a session, float32 (n_items, n_items)."""
    n = events.ratings.n_items
    follows = np.ones(max(0, events.n_events - 1), bool)
    inner = events.session_starts[1:-1] - 1
    follows[inner] = False
    before, after = events.items[:-1][follows], events.items[1:][follows]
    return sparse.csr_array((np.ones(len(before), np.float32), (before, after)), shape=(n, n))  # adds up what repeats
