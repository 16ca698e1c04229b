"""`SessionModel`: what models share that read the order of events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recae._types import Arrays, Csr, DoubleArray, FloatArray, IntArray, Mask, Scores
from recae.events.cutting import CUT, sessions
from recae.events.session_events import Sessions
from recae.ratings import RatingMatrix
from recae.ratings.known_times import ordered_times
from recae.ratings.repeated_rows import Repeats
from recae.recommender.base import Recommender
from recae.recommender.learned import LearnedArrays
from recae.recommender.params import hyperparameters, param
from recae.schemas import require

CELLS = 1 << 22  # scores that are made at once where some items are asked for
SMALLEST = 1e-4  # weight of an event that is still looked at


@hyperparameters
class SessionModel(Recommender):
    """Base of models that read the order of events.

    They learn from ratings with timestamps, cut into sessions where a user pauses for more than `gap`. Rows that
    repeat a pair of user and item are events of their own. A model writes `scores_before`. Unseen users are served from
    their events: `recommend_new` of a frame with a column `timestamp`. Rows without times hold no order: all their
    events are then of one moment.
    """

    reads_dates: ClassVar[bool] = True
    reads_order: ClassVar[bool] = True

    gap: float = param(30.0, "minutes without an event after which a session ends", low=0)

    # ---------------------------------------------------------------- what a model writes

    def scores_before(self, events: Sessions, users: IntArray, stops: IntArray) -> Scores:
        """Scores of the next item of each user, (n, n_items), from the user's events before the position `stops`.

        Args:
            events: of any users, in the item columns of `ratings_`.
            users: whose next item is asked for, (n,).
            stops: how far the user's events are known: the position of the first one that is not, (n,).
        """
        raise NotImplementedError

    def item_scores_before(self, events: Sessions, users: IntArray, stops: IntArray, items: IntArray) -> Scores:
        """`scores_before` of some items, (m,), alone: (n, m); a model overrides it that need not score the others."""
        return scores_of_items(self.scores_before, events, users, stops, items)

    def attention_of(self, events: Sessions, user: int) -> dict[str, FloatArray]:
        """How a model with attention weighs a user's history when what comes next is asked, (n_events of the user,).

        `event_attention`: the events of the last session, which sum to 1; NaN for earlier ones. `session_attention`:
        the session that an event is of, sessions before the last one summing to 1 (each once); NaN in the last one.
        Nothing for models without attention.
        """
        return {}

    # ---------------------------------------------------------------- events

    def cut(self, ratings: RatingMatrix) -> Sessions:
        """Ratings with timestamps as this model cuts them into sessions.

        Raises:
            DataError: there are no timestamps, or all are equal.
        """
        ordered_times(ratings, CUT)
        return sessions(ratings, 60 * self.gap)

    @property
    def sessions_(self) -> Sessions:
        """The events that the model was fitted on."""
        if "sessions" not in self._derived:
            self._derived["sessions"] = self.cut(self.ratings_)
        found: Sessions = self._derived["sessions"]
        return found

    # ---------------------------------------------------------------- scoring

    def score_users(self, user_index: IntArray) -> Scores:
        events = self.sessions_
        return self.scores_before(events, user_index, events.spans(user_index)[1])

    def score(self, user_rows: Csr) -> Scores:
        """Rows hold no dates: all events of a row are of one moment."""
        events = undated_strangers(self.ratings_, user_rows)
        users = np.arange(user_rows.shape[0])
        return self.scores_before(events, users, events.event_starts[1:])

    def _scores_of_new(self, new: RatingMatrix) -> Callable[[IntArray], Scores]:
        events = sessions_of_new(new, 60 * self.gap)

        def score(rows: IntArray) -> Scores:
            own = self.scores_before(events, rows, events.spans(rows)[1])
            return self._with_cold_items(self._or_popular(own, ~self._tells(events, rows)), new.user_rows[rows])

        return score

    def _tells(self, events: Sessions, users: IntArray) -> Mask:
        """Of which of these users something is known, (n,): they have events, or a model knows more than events."""
        starts, stops = events.spans(users)
        return np.asarray(stops > starts)

    # ---------------------------------------------------------------- files

    def _saved_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """With the rows of repeated pairs, which a file of ratings does not hold."""
        repeats = self._fitted().repeats
        if repeats is None:
            return super()._saved_arrays()
        parts: Arrays = {
            "position": repeats.position, "ratings": repeats.ratings, "timestamps": repeats.timestamps
        }  # fmt: skip
        return {**super()._saved_arrays(), **{f"repeats/{name}": value for name, value in parts.items()}}

    def _restore_saved(self, arrays: LearnedArrays) -> None:
        require(self.ratings_.timestamps is not None, "the timestamps are missing")
        if "repeats/position" in arrays:
            part = arrays.under("repeats/")
            position = part.floats("position", -1, dtype="int64")
            of_each = np.bincount(position) if len(position) and position.min() >= 0 else np.zeros(1, np.int64)
            known = len(of_each) <= self.ratings_.n_ratings and bool((np.diff(position) >= 0).all())
            require(
                known and bool((of_each[of_each > 0] > 1).all() and of_each.any()), "its repeated events are of no pair"
            )
            repeats = Repeats(
                position, part.floats("ratings", len(position)),
                part.floats("timestamps", len(position), dtype="int64"), "last",
            )  # fmt: skip
            self._set_ratings(replace(self.ratings_, repeats=repeats))
        super()._restore_saved(arrays)


def scores_of_items(
    score: Callable[[Sessions, IntArray, IntArray], Scores],
    events: Sessions, users: IntArray, stops: IntArray, items: IntArray,
) -> Scores:  # fmt: skip
    """Columns of `score`, a model's `scores_before`, some users at a time: (n_users, n) for `items`, (n,)."""
    size = max(1, CELLS // events.ratings.n_items)
    parts = [score(events, users[k : k + size], stops[k : k + size])[:, items] for k in range(0, len(users), size)]
    return np.concatenate([np.empty((0, len(items)), np.float32), *parts])


def sessions_of_new(new: RatingMatrix, gap: float) -> Sessions:
    """Events of unseen users; where there are no times, or there is one moment only, all are of one moment."""
    stamps = new.timestamps
    if stamps is None or (len(stamps) < 2 or int(stamps.min()) == int(stamps.max())):
        return undated(new, new.user_rows)
    return sessions(new, gap)


def undated_strangers(ratings: RatingMatrix, user_rows: Csr) -> Sessions:
    """`undated` of rows that are of no user of `ratings`."""
    return replace(undated(ratings, user_rows), known_as=np.full(user_rows.shape[0], -1))


def undated(ratings: RatingMatrix, user_rows: Csr) -> Sessions:
    """The ratings of each row, (n_rows, n_items), as one session whose events are of one moment."""
    counts = np.diff(user_rows.indptr)
    starts = user_rows.indptr[:-1][counts > 0]
    return Sessions(
        ratings, user_rows.indices.astype(np.int32), user_rows.data, np.zeros(user_rows.nnz, np.int64),
        np.append(starts, user_rows.nnz).astype(np.int64),
        np.concatenate([[0], np.cumsum(counts > 0)]).astype(np.int64), "user",
    )  # fmt: skip


def recent(events: Sessions, users: IntArray, stops: IntArray, decay: float, most: int, *, across: bool = False) -> Csr:
    """How much each item of a user's latest events counts, (n, n_items): decay to the power of its age.

    The age of an event is the number of later moments among those that are looked at: events of one moment count alike.

    Args:
        users, stops: as in `scores_before`.
        decay: weight of an event against one of the next moment; at 0 only the last moment counts.
        most: events that are looked at, at most.
        across: look at earlier sessions of the user, too.
    """
    starts, n_items = events.spans(users)[0], events.ratings.n_items
    if not across and events.n_events:
        last = np.searchsorted(events.session_starts, np.maximum(stops - 1, 0), side="right") - 1
        starts = np.where(stops > starts, events.session_starts[last], starts)
    starts = np.maximum(starts, stops - most)
    lengths = stops - starts
    query = np.repeat(np.arange(len(users)), lengths)
    at = np.arange(len(query)) + np.repeat(starts - np.cumsum(lengths) + lengths, lengths)
    weights = _weights(events.times[at], query, decay)
    kept = weights >= SMALLEST
    return sparse.csr_array(  # adds up the weights of an item
        (weights[kept].astype(np.float32), (query[kept], events.items[at[kept]])), shape=(len(users), n_items)
    )


def _weights(times: IntArray, query: IntArray, decay: float) -> DoubleArray:
    """decay to the power of the age of each event, events of each query being in the order of time."""
    later = np.zeros(len(times), np.int64)
    later[1:] = (np.diff(times) != 0) & (query[1:] == query[:-1])
    moment = np.cumsum(later)
    last = np.zeros(int(query.max(initial=-1)) + 1, np.int64)
    last[query] = moment  # of the last event of each query, which is written last
    return np.asarray(np.power(float(decay), last[query] - moment))


def stored_items(events: Sessions) -> Csr:
    """Which items each session has, ones, (n_sessions, n_items)."""
    rows = sparse.csr_array(
        (np.ones(events.n_events, np.float32), events.items, events.session_starts),
        shape=(events.n_sessions, events.ratings.n_items),
    )
    rows = sparse.csr_array(rows, copy=True)
    rows.sum_duplicates()
    rows.data[:] = 1
    return rows


def popularity_of(ratings: RatingMatrix) -> FloatArray:
    """Each item's share of the ratings, (n_items,)."""
    counts = ratings.counts("item")
    return np.asarray(counts / max(1, counts.sum()), np.float32)
