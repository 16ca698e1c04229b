"""V-SKNN: the items of sessions that are like the present one."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from recae._types import Arrays, Csr, IntArray, Scores
from recae.events.session_events import Sessions
from recae.jit import jit_kernel, prange
from recae.models.sessions.session_model import SessionModel, recent, stored_items
from recae.ratings import RatingMatrix
from recae.recommender.fitting import FitOptions
from recae.recommender.learned import LearnedArrays
from recae.recommender.params import hyperparameters, param
from recae.recommender.registry import register

CHUNKS = 8  # of queries, which threads share; each has room for the sessions that one of its queries meets


@register("v-sknn", "neighbouring sessions, weighed by position and rarity")
@hyperparameters
class VSKNN(SessionModel):
    """Session neighbours with decay and idf (V-SKNN: Ludewig and Jannach, UMUAI 2018; Latifi et al., 2021).

    The present session s is the user's latest events, an item's weight w_i being `decay` to the power of its age. Its
    likeness to a past session p is sim(s, p) = sum of w_i over items of both / (|w| sqrt(|p|)). The k most alike ones
    vote: score(j) = sum over p with j of sim(s, p) m(s, p) (1 + idf log(n_sessions / n_sessions with j)), where m is
    the largest w_i of an item of both, so that a session that shares the last item counts more. Past sessions are found
    through an index that keeps the `sample` latest sessions of each item, as Serenade does (Kersbergen et al., 2022).
    """

    k: int = param(100, "neighbouring sessions that vote", low=1, tune=(50, 500, "log"))
    sample: int = param(1000, "latest sessions of each item that are compared", low=1)
    length: int = param(20, "events of a user that are looked at, those of earlier sessions too", low=1, high=10_000,
                        tune=(3, 50, "log"))  # fmt: skip
    decay: float = param(0.8, "weight of an event against one of the next moment", low=0, high=1, tune=(0.5, 1.0))
    idf: float = param(1.0, "weight of an item's rarity; 0: none", low=0, tune=(0.0, 5.0))

    def _fit(self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions) -> None:
        self.cut(ratings)

    def scores_before(self, events: Sessions, users: IntArray, stops: IntArray) -> Scores:
        past = self._past()
        query = recent(events, users, stops, self.decay, self.length, across=True)
        out = np.zeros((len(users), self.ratings_.n_items), np.float32)
        if query.nnz:
            factor = (1 + self.idf * past["idf"]).astype(np.float32)
            _vote(
                query.indptr.astype(np.int64), query.indices.astype(np.int64), query.data, past["item_starts"],
                past["item_sessions"], past["starts"], past["items"], factor, self.k, out,
            )  # fmt: skip
        return out

    def _past(self) -> Arrays:
        """The sessions learnt from, in the order of their ends, and the latest sessions of each item."""
        if "past" not in self._derived:
            self._derived["past"] = _index(self.sessions_, self.sample)
        past: Arrays = self._derived["past"]
        return past

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {}

    def _restore(self, arrays: LearnedArrays) -> None:
        """The ratings are all that it knows."""


def _index(events: Sessions, sample: int) -> Arrays:
    rows: Csr = stored_items(events)
    rows = rows[np.argsort(events.times[events.session_starts[1:] - 1], kind="stable")]
    by_item = rows.tocsc()
    counts = np.diff(by_item.indptr).astype(np.int64)
    kept = np.minimum(counts, sample)
    starts = np.concatenate([[0], np.cumsum(kept)]).astype(np.int64)
    at = np.arange(starts[-1]) + np.repeat(by_item.indptr[1:] - kept - starts[:-1], kept)
    idf = np.log(rows.shape[0] / np.maximum(counts, 1))
    return {
        "starts": rows.indptr.astype(np.int64), "items": rows.indices.astype(np.int64), "item_starts": starts,
        "item_sessions": by_item.indices[at].astype(np.int64), "idf": idf,
    }  # fmt: skip


@jit_kernel(parallel=True)
def _vote(
    query_starts: Any, query_items: Any, query_weights: Any, item_starts: Any, item_sessions: Any, starts: Any,
    items: Any, factor: Any, k: int, out: Any,
) -> None:  # fmt: skip
    """Add the votes of each query's k nearest sessions to its row of `out`, (n, n_items).

    The sessions that share an item with the query stand in a table of slots, so that no work is of all sessions.
    """
    n, n_sessions = out.shape[0], len(starts) - 1
    for chunk in prange(CHUNKS):
        most = 0
        for query in range(chunk, n, CHUNKS):
            met = 0
            for e in range(query_starts[query], query_starts[query + 1]):
                met += item_starts[query_items[e] + 1] - item_starts[query_items[e]]
            most = max(most, min(met, n_sessions))
        size = 2
        while size < 2 * most:
            size *= 2
        slots, touched = np.full(size, -1, np.int64), np.empty(most, np.int64)
        likeness, match = np.zeros(size), np.zeros(size)
        for query in range(chunk, n, CHUNKS):
            found, length = 0, 0.0
            for e in range(query_starts[query], query_starts[query + 1]):
                weight = query_weights[e]
                length += weight * weight
                for at in range(item_starts[query_items[e]], item_starts[query_items[e] + 1]):
                    session = item_sessions[at]
                    slot = _slot(slots, session)
                    if slots[slot] < 0:
                        slots[slot] = touched[found] = session
                        found += 1
                    likeness[slot] += weight
                    match[slot] = max(match[slot], weight)
            latest_first = np.sort(touched[:found])[::-1]
            near, place = np.empty(found), np.empty(found, np.int64)
            for rank in range(found):
                session = latest_first[rank]
                place[rank] = _slot(slots, session)
                near[rank] = likeness[place[rank]] / np.sqrt(length * (starts[session + 1] - starts[session]))
            for rank in np.argsort(-near, kind="mergesort")[:k]:
                session = latest_first[rank]
                vote = near[rank] * match[place[rank]]
                for at in range(starts[session], starts[session + 1]):
                    out[query, items[at]] += vote * factor[items[at]]
            slots[place] = -1
            likeness[place] = 0.0
            match[place] = 0.0


@jit_kernel(parallel=False)
def _slot(slots: Any, session: int) -> int:
    """Where a session stands in a table that is half empty or more, or is to stand: the first slot that is free."""
    last = len(slots) - 1
    at = ((session * 2654435761) >> 16) & last
    while slots[at] >= 0 and slots[at] != session:
        at = (at + 1) & last
    return at
