"""`Sessions`: events of users in the order of time, cut into sittings; flat arrays, nothing padded."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from recae._types import FloatArray, IntArray, Mask
from recae.errors import DataError, ParameterError, Remedy
from recae.ratings import RatingMatrix
from recae.ratings.any_frame import as_pandas, is_table
from recae.ratings.csr import merged_csr, row_number
from recae.ratings.repeated_rows import Repeats
from recae.ratings.times import seconds
from recae.splitting.cuts import span_of

Gap = str | float | dt.timedelta | np.timedelta64


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
    """

    ratings: RatingMatrix
    items: npt.NDArray[np.int32]
    values: FloatArray
    times: IntArray
    session_starts: IntArray
    user_starts: IntArray
    how: str = ""
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

    def select(self, keep: Mask) -> Sessions:
        """The events where `keep`, (n_events,), is true; sessions stay what they are, and those of none go."""
        events = np.concatenate([[0], np.cumsum(keep, dtype=np.int64)])[self.session_starts]
        left = np.concatenate([[0], np.cumsum(np.diff(events) > 0, dtype=np.int64)])
        starts = np.append(events[:-1][np.diff(events) > 0], events[-1])
        return Sessions(
            self.ratings, self.items[keep], self.values[keep], self.times[keep], starts, left[self.user_starts],
            self.how,
        )  # fmt: skip

    def to_ratings(self, keep: Mask | None = None) -> RatingMatrix:
        """The events (those where `keep`, (n_events,), is true) as ratings of the same users and items.

        Of a pair that has several events, the last one counts; `repeats` has all of them.
        """
        chosen = np.ones(self.n_events, bool) if keep is None else keep
        rows, stamps, runs = merged_csr(
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


def sessions(ratings: Any, gap: Gap = "30min", *, column: str | None = None, **columns: str) -> Sessions:
    """Events of users in the order of time, cut into sessions.

    Args:
        ratings: a `RatingMatrix` with timestamps, or a table in memory with one row an event. Rows that repeat a pair
            of user and item are events of their own.
        gap: a session ends where more time than this passes before the user's next event: a span such as "30min" or
            "1D", a timedelta, or seconds.
        column: of a table: the column that names the session of each event, instead of `gap`. Names are a user's own:
            two users may use the same ones. Sessions are in the order of their times.
        columns: of a table: the columns `user`, `item`, `rating`, `timestamp` where they have other names.

    Raises:
        DataError: there are no timestamps, or all are equal; or in `column` a name is missing, or two sessions of one
            user overlap in time.
        ParameterError: `gap` is no span, or `column` is said of a `RatingMatrix`, which has none.
    """
    if not isinstance(ratings, RatingMatrix) and is_table(ratings):
        return _of_table(as_pandas(ratings), gap, column, columns)
    if column is not None or columns:
        raise ParameterError(
            "a RatingMatrix has no further columns", name="column", value=column,
            remedy="give the table that it was made from",
        )  # fmt: skip
    if not isinstance(ratings, RatingMatrix):
        raise DataError(f"sessions takes a RatingMatrix or a table, not {type(ratings).__name__}")
    users, items, values, times = _events(ratings)
    mixed = np.argsort(_drawn(times, items), kind="stable")
    users, items, values, times = users[mixed], items[mixed], values[mixed], times[mixed]
    return _cut_by_gap(ratings, users, items, values, times, seconds_of(gap))


def seconds_of(gap: Gap) -> int:
    """A span in seconds.

    Raises:
        ParameterError: it is none, or not above 0.
    """
    if isinstance(gap, int | float | np.number) and not isinstance(gap, bool):
        if not (np.isfinite(gap) and gap > 0):
            raise ParameterError(name="gap", value=gap, expected="a span above 0, such as 30min, or seconds")
        return int(min(gap, 2**62))
    span = span_of(gap) if isinstance(gap, str | dt.timedelta | np.timedelta64) else None
    if span is None:
        raise ParameterError(name="gap", value=gap, expected="a span such as 30min or 1D, or seconds")
    return span


# ---------------------------------------------------------------- events


def _events(ratings: RatingMatrix) -> tuple[IntArray, npt.NDArray[np.int32], FloatArray, IntArray]:
    """User, item, rating and time of all events; rows of pairs that were merged each by itself."""
    stamps = dated(ratings)
    users, items, values = ratings.pairs()
    repeats = ratings.repeats
    if repeats is not None:
        single = np.ones(len(users), bool)
        single[repeats.position] = False
        at = repeats.position
        users, items = (np.concatenate([a[single], a[at]]) for a in (users, items))
        values = np.concatenate([values[single], repeats.ratings])
        stamps = np.concatenate([stamps[single], repeats.timestamps])
    return users, items.astype(np.int32), np.asarray(values), np.asarray(stamps)


def _drawn(times: IntArray, items: npt.NDArray[np.int32]) -> npt.NDArray[np.uint64]:
    """A number for each event that mixes its moment and its item (splitmix64).

    By item alone, events of one moment would be in the order of the catalogue, which a model could learn.
    """
    with np.errstate(over="ignore"):
        x = times.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + items.astype(np.uint64)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def dated(ratings: RatingMatrix) -> IntArray:
    """When each rating was given, (n_ratings,).

    Raises:
        DataError: it is not known, or no moment differs from another one, so that there is no order.
    """
    stamps = ratings.timestamps
    if stamps is None:
        raise DataError(
            f"{ratings.name!r} has no timestamps, and sessions are cut by time",
            remedy=Remedy("name the column of dates with {timestamp} when the ratings are loaded", timestamp=...),
        )
    _refuse_one_moment(stamps, ratings.name)
    return stamps


def _refuse_one_moment(times: IntArray, name: str) -> None:
    if len(times) > 1 and int(times.min()) == int(times.max()):
        raise DataError(
            f"all {len(times):,} timestamps of {name!r} are {int(times[0])}: they say nothing of the order of events",
            remedy="look whether the column of dates is the right one",
        )


def _cut_by_gap(
    ratings: RatingMatrix, users: IntArray, items: npt.NDArray[np.int32], values: FloatArray, times: IntArray, gap: int
) -> Sessions:
    order = np.lexsort((times, users))
    users, items, values, times = users[order], items[order], values[order], times[order]
    begins = np.ones(len(users), bool)
    begins[1:] = (users[1:] != users[:-1]) | (np.diff(times) > gap)
    how = f"a gap of more than {pd.Timedelta(seconds=gap)}" if gap < 10**9 else "user"
    return _sessions(ratings, users, items, values, times, begins, how)


def _sessions(
    ratings: RatingMatrix, users: Any, items: Any, values: Any, times: Any, begins: Mask, how: str
) -> Sessions:
    starts = np.flatnonzero(begins)
    counts = np.bincount(users[starts], minlength=ratings.n_users)
    user_starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    session_starts = np.append(starts, len(users)).astype(np.int64)
    return Sessions(ratings, items, values, times, session_starts, user_starts, how)


# ---------------------------------------------------------------- tables


def _of_table(frame: pd.DataFrame, gap: Gap, column: str | None, columns: dict[str, str]) -> Sessions:
    names = {"user": "user", "item": "item", "rating": "rating", "timestamp": "timestamp", **columns}
    if unknown := [name for name in columns if name not in ("user", "item", "rating", "timestamp")]:
        raise ParameterError(f"sessions has no argument {unknown[0]!r}", value=unknown[0], expected=tuple(names))
    has_rating = names["rating"] in frame.columns or "rating" in columns
    for name in [names["timestamp"], *([] if column is None else [column])]:
        if name not in frame.columns:
            raise DataError(f"no column {name!r}: the table has {', '.join(map(repr, frame.columns))}")
    ratings = RatingMatrix.from_frame(frame, **{**names, "rating": names["rating"] if has_rating else None})  # type: ignore[arg-type]
    users = ratings.user_index(frame[names["user"]])
    items = ratings.item_index(frame[names["item"]]).astype(np.int32)
    values = frame[names["rating"]].to_numpy(np.float32) if has_rating else np.ones(len(frame), np.float32)
    times = np.asarray(seconds(frame[names["timestamp"]], names["timestamp"], row_number))
    _refuse_one_moment(times, ratings.name)
    if column is None:
        return _cut_by_gap(ratings, users, items, values, times, seconds_of(gap))
    missing = frame[column].isna().to_numpy()
    if missing.any():
        raise DataError(f"{row_number(int(np.argmax(missing)))}: the session in column {column!r} is missing")
    named = pd.factorize(frame[column])[0]
    return _cut_by_name(ratings, users, items, values, times, np.asarray(named, np.int64), column)


def _cut_by_name(
    ratings: RatingMatrix, users: IntArray, items: Any, values: Any, times: IntArray, named: IntArray, column: str
) -> Sessions:
    """Sessions that have names, in the order of their first events."""
    _, session = np.unique(np.stack([users, named]), axis=1, return_inverse=True)
    session = np.asarray(session).ravel()
    first = np.full(int(session.max()) + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, session, times)
    order = np.lexsort((times, session, first[session], users))
    users, items, values, times, session = (a[order] for a in (users, items, values, times, session))
    begins = np.ones(len(users), bool)
    begins[1:] = session[1:] != session[:-1]
    back = (np.diff(times) < 0) & (users[1:] == users[:-1])
    if back.any():
        user = ratings.user_ids[users[int(np.argmax(back))]]
        raise DataError(
            f"sessions of user {user!r} in column {column!r} overlap in time: one begins before another has ended",
            remedy=Remedy("leave the column out and say how long a pause ends a session, with {gap}", gap="30min"),
        )
    return _sessions(ratings, users, items, values, times, begins, f"column {column!r}")


def _spread(numbers: IntArray) -> dict[str, float]:
    if len(numbers) == 0:
        return {"least": 0, "median": 0.0, "mean": 0.0, "most": 0}
    return {"least": int(numbers.min()), "median": float(np.median(numbers)), "mean": float(numbers.mean()),
            "most": int(numbers.max())}  # fmt: skip
