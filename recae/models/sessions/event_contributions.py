"""What each event of a history adds to a score: what the score loses without it."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from recae._types import FloatArray, IntArray, Scores
from recae.events.session_events import Sessions

AT_ONCE = 1 << 17  # events of the copies of a history that are in memory together
IN_ALL = 1 << 24  # events of all copies of a history: longer ones are explained by their latest events


class ScoresItems(Protocol):
    """What an explanation asks of a model; see `SessionModel`."""

    def item_scores_before(self, events: Sessions, users: IntArray, stops: IntArray, items: IntArray) -> Scores: ...


def event_contributions(
    model: ScoresItems, events: Sessions, user: int, item_index: IntArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Scores of items after all events of a user, and what each event adds to them.

    An event is left out and nothing else is changed: sessions stay what they are, and the time since the event before
    is that since the last one left. The whole history is read once for each event that is left out. What that costs is
    bounded: of n events, more than 4,096, only the latest 2^24 / n are left out.

    Args:
        model: fitted.
        events: of any users.
        user: whose score is explained, who has at least one event.
        item_index: columns of the items, (m,).

    Returns:
        Scores (m,), those without any event (m,), and contributions (m, k) of the latest k events, in the order of
        time.
    """
    n = _n_events(events, user)
    first, size = max(0, n - max(1, IN_ALL // n)), max(1, AT_ONCE // n)

    def last_scores(some: Sessions) -> FloatArray:
        users = np.arange(some.n_users)
        return np.asarray(model.item_scores_before(some, users, some.event_starts[1:], item_index))

    nothing = last_scores(_copies(events, user, np.zeros((1, n), bool)))[0]
    whole = last_scores(_copies(events, user, np.ones((1, n), bool)))[0]
    parts = [last_scores(without(events, user, np.arange(k, min(k + size, n)))) for k in range(first, n, size)]
    return whole, nothing, (whole - np.concatenate(parts)).T


def without(events: Sessions, user: int, left_out: IntArray) -> Sessions:
    """A user's history once for each of `left_out`, (m,), without that event, counted from the user's first."""
    n = _n_events(events, user)
    return _copies(events, user, np.arange(n) != left_out[:, None])


def _n_events(events: Sessions, user: int) -> int:
    start, stop = events.spans(np.array([user]))
    return int(stop[0] - start[0])


def _copies(events: Sessions, user: int, keep: np.ndarray[tuple[int, int], np.dtype[np.bool_]]) -> Sessions:
    """A user's history once for each row of `keep`, (n_copies, n_events), with the events where it is true."""
    copy, at = np.nonzero(keep)
    at += events.spans(np.array([user]))[0]
    sessions = events.session_starts[events.user_starts[user] : events.user_starts[user + 1]]
    session = np.searchsorted(sessions, at, side="right")
    begins = np.ones(len(at), bool)
    begins[1:] = (np.diff(copy) != 0) | (np.diff(session) != 0)
    counts = np.bincount(copy[begins], minlength=len(keep))
    return Sessions(
        events.ratings, events.items[at], events.values[at], events.times[at],
        np.append(np.flatnonzero(begins), len(at)).astype(np.int64),
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), events.how,
        np.full(len(keep), user if events.known_as is None else events.known_as[user]),
    )  # fmt: skip
