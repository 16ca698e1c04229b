"""`Sessions`: events of users in the order of time, cut into sittings; flat arrays, nothing padded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from recae._types import FloatArray, IntArray, Mask
from recae.ratings import RatingMatrix
from recae.ratings.column_checks import row_number
from recae.ratings.csr import to_csr
from recae.ratings.repeated_rows import Repeats


@dataclass(frozen=True, eq=False, repr=False)
class Sessions:
    """Events by user, in the order of time, and where sessions begin.

    User u has the sessions `user_starts[u]` to `user_starts[u + 1]`, and session s has the events `session_starts[s]`
    to `session_starts[s + 1]`. A pair of user and item that occurs several times is as many events. Events of one
    moment stand in the order of the table they are from; a `RatingMatrix` has none, and they stand in one that says
    nothing (drawn from the moment and the item, so that it is the same for the same events).

    Attributes:
        ratings: the ratings that the events are from: ids, tables, scale.
        items: column of each event's item, int32 (n_events,).
        values: its rating, float32 (n_events,).
        times: seconds since 1970, int64 (n_events,).
        session_starts: first event of each session, and the number of events, int64 (n_sessions + 1,).
        user_starts: first session of each user, and the number of sessions, int64 (n_users + 1,).
        how: what ends a session, in words.
        known_as: which user of `ratings` each user is, (n_users,), -1 for one that it does not have. None: they are its
            users, in order.
    """

    ratings: RatingMatrix
    items: npt.NDArray[np.int32]
    values: FloatArray
    times: IntArray
    session_starts: IntArray
    user_starts: IntArray
    how: str = ""
    known_as: IntArray | None = None
    _cache: dict[str, Any] = field(default_factory=dict)

    @property
    def n_events(self) -> int:
        return len(self.items)

    @property
    def n_sessions(self) -> int:
        return len(self.session_starts) - 1

    @property
    def n_users(self) -> int:
        return len(self.user_starts) - 1

    @property
    def event_starts(self) -> IntArray:
        """First event of each user, and the number of events, int64 (n_users + 1,)."""
        return self.session_starts[self.user_starts]

    def spans(self, users: IntArray) -> tuple[IntArray, IntArray]:
        """First event of each of `users`, and the one after the last, (n,) each; other users are not looked at."""
        return self.session_starts[self.user_starts[users]], self.session_starts[self.user_starts[users + 1]]

    @property
    def users(self) -> IntArray:
        """User of each event, (n_events,)."""
        return np.repeat(np.arange(self.n_users), np.diff(self.event_starts))

    @property
    def session_of(self) -> IntArray:
        """Session of each event, (n_events,)."""
        return np.repeat(np.arange(self.n_sessions), np.diff(self.session_starts))

    def since(self) -> IntArray:
        """Seconds since the user's event before, (n_events,); -1 for the first one."""
        out = np.diff(self.times, prepend=0)
        starts = self.event_starts
        out[starts[:-1][np.diff(starts) > 0]] = -1
        return out

    def moment_starts(self) -> IntArray:
        """The user's first event of the same moment, of each event, (n_events,): what is before it is earlier."""
        begins = np.ones(self.n_events, bool)
        begins[1:] = np.diff(self.times) != 0
        starts = self.event_starts
        begins[starts[:-1][np.diff(starts) > 0]] = True
        return np.maximum.accumulate(np.where(begins, np.arange(self.n_events), 0))

    def of_users(self, users: IntArray) -> Sessions:
        """The events of `users`, (n,), alone, who become the users 0 to n - 1; `known_as` says who they are.

        What is made of these events costs nothing for those of other users.
        """
        first, stop = self.user_starts[users], self.user_starts[users + 1]
        session = _between(first, stop)
        starts, stops = self.session_starts[session], self.session_starts[session + 1]
        at = _between(starts, stops)
        return Sessions(
            self.ratings, self.items[at], self.values[at], self.times[at], _summed(stops - starts),
            _summed(stop - first), self.how, users if self.known_as is None else self.known_as[users],
        )  # fmt: skip

    def select(self, keep: Mask) -> Sessions:
        """The events where `keep`, (n_events,), is true; sessions stay what they are, and those of none go."""
        events = np.concatenate([[0], np.cumsum(keep, dtype=np.int64)])[self.session_starts]
        left = np.concatenate([[0], np.cumsum(np.diff(events) > 0, dtype=np.int64)])
        starts = np.append(events[:-1][np.diff(events) > 0], events[-1])
        return Sessions(
            self.ratings, self.items[keep], self.values[keep], self.times[keep], starts, left[self.user_starts],
            self.how, self.known_as,
        )  # fmt: skip

    def to_ratings(self, keep: Mask | None = None) -> RatingMatrix:
        """The events (those where `keep`, (n_events,), is true) as ratings of the same users and items.

        Of a pair that has several events, the last one counts; `repeats` has all of them.
        """
        chosen = np.ones(self.n_events, bool) if keep is None else keep
        rows, stamps, runs = to_csr(
            self.users[chosen].astype(np.int32), self.items[chosen], self.values[chosen], self.times[chosen],
            self.ratings.shape, "last", row_number,
        )  # fmt: skip
        return self.ratings.with_rows(rows, stamps, repeats=None if runs is None else Repeats(*runs, "last"))

    def statistics(self) -> dict[str, Any]:
        """Numbers of events, sessions and users, and how long sessions are."""
        if "statistics" not in self._cache:
            events, sessions = np.diff(self.session_starts), np.diff(self.user_starts)
            sessions = sessions[sessions > 0]
            lasting = self.times[self.session_starts[1:] - 1] - self.times[self.session_starts[:-1]]
            self._cache["statistics"] = {
                "n_events": self.n_events, "n_sessions": self.n_sessions, "n_users": len(sessions),
                "events_per_session": _spread(events), "sessions_per_user": _spread(sessions),
                "seconds_per_session": _spread(lasting), "users_with_3_sessions": int((sessions >= 3).sum()),
                "cut": self.how,
            }  # fmt: skip
        return dict(self._cache["statistics"])

    def to_frame(self) -> pd.DataFrame:
        """Columns user, session (counted from 1 within the user), item, rating, timestamp; a row an event."""
        sessions, users = self.session_of, self.users
        return pd.DataFrame({
            "user": self.ratings.user_ids[users], "session": sessions - self.user_starts[users] + 1,
            "item": self.ratings.item_ids[self.items], "rating": self.values, "timestamp": self.times,
        })  # fmt: skip

    def __repr__(self) -> str:
        found = self.statistics()
        return (
            f"Sessions({self.ratings.name!r}: {self.n_events:,} events in {self.n_sessions:,} sessions of "
            f"{found['n_users']:,} users; {found['events_per_session']['median']:g} events in the median session; "
            f"cut by {self.how})"
        )


def _between(starts: IntArray, stops: IntArray) -> IntArray:
    """The whole numbers of several ranges, one after the other."""
    lengths = stops - starts
    return np.asarray(np.arange(lengths.sum()) + np.repeat(starts - np.cumsum(lengths) + lengths, lengths))


def _summed(lengths: IntArray) -> IntArray:
    """0 and the running sums, (n + 1,)."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def _spread(numbers: IntArray) -> dict[str, float]:
    if len(numbers) == 0:
        return {"least": 0, "median": 0.0, "mean": 0.0, "most": 0}
    return {"least": int(numbers.min()), "median": float(np.median(numbers)), "mean": float(numbers.mean()),
            "most": int(numbers.max())}  # fmt: skip
