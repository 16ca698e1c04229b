"""Sessions of ratings on disk: cut some users at a time, into files that are mapped, so that memory holds no log."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from recae._types import FloatArray, IntArray
from recae.events.session_events import Sessions
from recae.ratings import RatingMatrix

EVENTS = 1 << 19  # of whole users that are put in order at once
Columns = tuple[IntArray, npt.NDArray[np.int32], FloatArray, IntArray]


def mapped_sessions(ratings: RatingMatrix, cut: Callable[[Columns], Sessions]) -> Sessions:
    """Events of ratings without repeated rows, whose items, values and times are maps of files without a name.

    The files are in the folder of temporary files, take 16 bytes an event, and go with the arrays.

    Args:
        ratings: with timestamps.
        cut: the sessions of some users' users, items, values and times.
    """
    n = ratings.n_ratings
    items, values, times = _mapped(np.int32, n), _mapped(np.float32, n), _mapped(np.int64, n)
    starts, counts, how, done = [], [], "", 0
    for columns, first, stop in _blocks(ratings):
        part = cut(columns)
        inside = slice(done, done + part.n_events)
        items[inside], values[inside], times[inside] = part.items, part.values, part.times
        starts.append(part.session_starts[:-1] + done)
        counts.append(np.diff(part.user_starts)[first:stop])
        how, done = part.how, done + part.n_events
    session_starts = np.append(np.concatenate([np.empty(0, np.int64), *starts]), n).astype(np.int64)
    per_user = np.concatenate([np.empty(0, np.int64), *counts])
    user_starts = np.concatenate([[0], np.cumsum(per_user)]).astype(np.int64)
    return Sessions(ratings, items, values, times, session_starts, user_starts, how)


def _blocks(ratings: RatingMatrix) -> Iterator[tuple[Columns, int, int]]:
    """Columns of whole users, about `EVENTS` events at a time; the first user of them, and the one after the last."""
    rows, stamps = ratings.user_rows, ratings.timestamps
    assert stamps is not None
    indptr = np.asarray(rows.indptr)
    first = 0
    while first < ratings.n_users:
        stop = max(first + 1, int(np.searchsorted(indptr, indptr[first] + EVENTS, side="right")) - 1)
        inside = slice(int(indptr[first]), int(indptr[stop]))
        users = np.repeat(np.arange(first, stop), np.diff(indptr[first : stop + 1]))
        items, values = np.array(rows.indices[inside], np.int32), np.array(rows.data[inside])
        yield (users, items, values, np.array(stamps[inside], np.int64)), first, stop
        first = stop


def _mapped(dtype: Any, length: int) -> Any:
    """An array on disk, (length,), which nothing else can open."""
    with tempfile.TemporaryFile() as file:
        size = max(1, length) * np.dtype(dtype).itemsize
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)  # a full disk is an error here, and not a crash on writing
        else:
            file.truncate(size)
        return np.memmap(file, dtype, "r+", shape=(max(1, length),))[:length]
