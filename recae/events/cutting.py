"""From ratings or a table to `Sessions`: events in the order of time, cut at pauses or by a column."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from recae._types import FloatArray, IntArray, Mask
from recae.errors import DataError, ParameterError, Remedy
from recae.events.mapped_sessions import Columns, mapped_sessions
from recae.events.session_events import Sessions
from recae.ratings import RatingMatrix
from recae.ratings.any_frame import as_pandas, is_table
from recae.ratings.column_checks import row_number
from recae.ratings.known_times import ordered_times, refuse_one_moment
from recae.ratings.times import seconds
from recae.readers.columns import ROLES, Choice, assign, known_roles
from recae.splitting.cuts import span_of

CUT = "and sessions are cut by time"
Gap = str | float | dt.timedelta | np.timedelta64


def sessions(ratings: Any, gap: Gap = "30min", *, column: str | None = None, **columns: Choice) -> Sessions:
    """Events of users in the order of time, cut into sessions.

    Args:
        ratings: a `RatingMatrix` with timestamps, or a table in memory with one row an event. Rows that repeat a pair
            of user and item are events of their own.
        gap: a session ends where more time than this passes before the user's next event: a span such as "30min" or
            "1D", a timedelta, or seconds.
        column: of a table: the column that names the session of each event, instead of `gap`. Names are a user's own:
            two users may use the same ones. Sessions are in the order of their times.
        columns: of a table: the columns `user`, `item`, `rating`, `timestamp` by name or position, where they are not
            found by usual names, as in `recae.load`. Without ratings every event counts 1 (`rating=False`: so in any
            case).

    Events of a store (`recae.prepare_store`) are put in order some users at a time, into temporary files that are
    mapped: 16 bytes an event on disk, and little memory.

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
    if ratings.is_mapped and ratings.repeats is None:
        ordered_times(ratings, CUT)
        span = seconds_of(gap)
        return mapped_sessions(ratings, lambda columns: _cut_by_gap(ratings, *_mixed(columns), span))
    return joined_sessions([ratings], gap)[0]


def joined_sessions(parts: Sequence[RatingMatrix], gap: Gap = "30min") -> tuple[Sessions, IntArray]:
    """Events of several parts of ratings, of the same users and items, cut into sessions together.

    Returns:
        The sessions, and which part each event is from, (n_events,), counted from 0.

    Raises:
        DataError: as of `sessions`.
    """
    columns = [_events(part) for part in parts]
    users, items, values, times = (np.concatenate(column) for column in zip(*columns))
    part = np.repeat(np.arange(len(parts)), [len(column[0]) for column in columns])
    order = _order(users, items, times)
    users, items, values, times = users[order], items[order], values[order], times[order]
    return _cut_by_gap(parts[0], users, items, values, times, seconds_of(gap)), part[order]


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
    stamps = ordered_times(ratings, CUT)
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


def _order(users: IntArray, items: npt.NDArray[np.int32], times: IntArray) -> IntArray:
    """The order by user and time; events of one moment in the order that `_drawn` gives."""
    mixed = np.argsort(_drawn(times, items), kind="stable")
    return np.asarray(mixed[np.lexsort((times[mixed], users[mixed]))])


def _mixed(columns: Columns) -> Columns:
    """Columns of events in that order."""
    users, items, values, times = columns
    order = _order(users, items, times)
    return users[order], items[order], values[order], times[order]


def _drawn(times: IntArray, items: npt.NDArray[np.int32]) -> npt.NDArray[np.uint64]:
    """A number for each event that mixes its moment and its item (splitmix64).

    By item alone, events of one moment would be in the order of the catalogue, which a model could learn.
    """
    with np.errstate(over="ignore"):
        x = times.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + items.astype(np.uint64)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _cut_by_gap(
    ratings: RatingMatrix, users: IntArray, items: npt.NDArray[np.int32], values: FloatArray, times: IntArray, gap: int
) -> Sessions:
    order = np.lexsort((times, users))
    users, items, values, times = users[order], items[order], values[order], times[order]
    begins = np.ones(len(users), bool)
    begins[1:] = (users[1:] != users[:-1]) | (np.diff(times) > gap)
    how = f"a gap of more than {gap / 60:g} minutes" if gap < 10**9 else "user"
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


def _of_table(frame: pd.DataFrame, gap: Gap, column: str | None, columns: dict[str, Choice]) -> Sessions:
    names = _columns_of(frame, column, columns)
    has_rating = "rating" in names
    ratings = RatingMatrix.from_frame(frame, **{"rating": None, **names})
    users = ratings.user_index(frame[names["user"]])
    items = ratings.item_index(frame[names["item"]]).astype(np.int32)
    values = frame[names["rating"]].to_numpy(np.float32) if has_rating else np.ones(len(frame), np.float32)
    times = np.asarray(seconds(frame[names["timestamp"]], names["timestamp"], row_number))
    refuse_one_moment(times, ratings.name)
    if column is None:
        return _cut_by_gap(ratings, users, items, values, times, seconds_of(gap))
    missing = frame[column].isna().to_numpy()
    if missing.any():
        raise DataError(f"{row_number(int(np.argmax(missing)))}: the session in column {column!r} is missing")
    named = pd.factorize(frame[column])[0]
    return _cut_by_name(ratings, users, items, values, times, np.asarray(named, np.int64), column)


def _columns_of(frame: pd.DataFrame, column: str | None, columns: dict[str, Choice]) -> dict[str, Any]:
    """The column of each role that the table has: as stated, else by usual names."""
    if unknown := [name for name in columns if name not in ROLES]:
        raise ParameterError(f"sessions has no argument {unknown[0]!r}", value=unknown[0], expected=ROLES)
    names = list(frame.columns)
    shown = f"the table has {', '.join(map(repr, names))}"
    if column is not None and column not in names:
        raise DataError(f"no column {column!r}: {shown}")
    others = [name for name in names if name != column or name in columns.values()]
    rating: Choice = None if "rating" in known_roles(others) else False  # an event needs none
    found = assign(others, {"rating": rating, **columns}, "the table")
    if "timestamp" not in found:
        name_it = Remedy("name it with {timestamp}", timestamp=...)
        raise DataError(f"no column found for the timestamp: {shown}", remedy=name_it)
    return found


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
