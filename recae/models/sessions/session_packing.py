"""Sessions of some users as a recurrent network reads them: level by level, step by step, nothing padded."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from recae._types import ByteArray, FloatArray, IntArray
from recae.events.session_events import Sessions

RATING_LEVELS = 11  # a rating is read as one of so many, from the lowest to the highest of the scale
TIME_LEVELS = 33  # 0: the user's first event; else 1 + log2(1 + seconds since the event before)


class Level(NamedTuple):
    """Sessions that are computed together: the d-th ones of all users who have so many, the longest first.

    Attributes:
        events: where their events are in the packed order.
        sizes: sessions that still have an event at each step, int64 (n_steps,), on the CPU.
        rows: user of each session, int64 (sizes[0],).
        previous: what stands before each event, int64 (n,): a number below sizes[0] is the start of that session, and
            sizes[0] + k is the level's event k.
        sessions, steps: session (a position in `rows`) and step of each event, int64 (n,).
        last: the level's event that is the last one of each session, int64 (sizes[0],).
    """

    events: slice
    sizes: Tensor
    rows: Tensor
    previous: Tensor
    sessions: Tensor
    steps: Tensor
    last: Tensor


@dataclass(frozen=True)
class Packed:
    """Events of a batch of users, in the order: level, step, session by falling length.

    Attributes:
        levels: one for each depth; a single one where users have no state.
        n_users: rows of the batch.
        items, ratings, times: what the network reads of each event, int64 (n_events,).
        order: position of each event in the `Sessions`, int64 (n_events,), a NumPy array.
        base: mu + b_i + b_u of each event, float32 (n_events,), b_u from earlier events; for ratings.
        left: what the rating leaves over of it, in the unit of the network, float32 (n_events,).
        about: what is known of each user of the batch, float32 (n_users, n_features); None for nothing.
    """

    levels: tuple[Level, ...]
    n_users: int
    items: Tensor
    ratings: Tensor
    times: Tensor
    order: IntArray
    base: Tensor
    left: Tensor
    about: Tensor | None = None


def pack(
    events: Sessions, users: IntArray, *, by_depth: bool, device: torch.device,
    base: FloatArray | None = None, left: FloatArray | None = None, about: FloatArray | None = None,
) -> Packed:  # fmt: skip
    """The sessions of `users`, (n,), packed.

    Args:
        by_depth: a session needs what came before it; else all of them are computed together.
        device: of the tensors.
        base, left: of each event of `events`, (n_events,); zeros by default.
        about: of each user of `events`, (n_users, n_features).
    """
    first, counts = events.user_starts[users], np.diff(events.user_starts)[users]
    row = np.repeat(np.arange(len(users)), counts)
    depth = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    session = np.repeat(first, counts) + depth
    if not by_depth:
        depth = np.zeros_like(depth)
    length = events.session_starts[session + 1] - events.session_starts[session]
    by_length = np.lexsort((-length, depth))
    session, row, depth, length = session[by_length], row[by_length], depth[by_length], length[by_length]
    step = np.arange(int(length.sum())) - np.repeat(np.cumsum(length) - length, length)
    at = np.repeat(events.session_starts[session], length) + step
    of_session = np.repeat(np.arange(len(session)), length)
    order = np.lexsort((of_session, step, depth[of_session]))
    at, step, event_depth = at[order], step[order], depth[of_session[order]]
    levels = _levels(step, event_depth, row, device)

    def tensor(values: npt.NDArray[Any]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(device)

    none = np.zeros(len(at), np.float32)
    columns = (events.items[at], rating_levels(events, at), time_levels(events, at))
    items, ratings, times = (tensor(column.astype(np.int64)) for column in columns)
    return Packed(
        levels, len(users), items, ratings, times, at,
        tensor(none if base is None else base[at]), tensor(none if left is None else left[at]),
        None if about is None else tensor(about[users]),
    )  # fmt: skip


def _levels(step: IntArray, event_depth: IntArray, row: IntArray, device: torch.device) -> tuple[Level, ...]:
    """The levels of events whose step and depth are in packed order; `row` is the user of each session."""
    if len(step) == 0:
        return ()
    begins = np.flatnonzero(np.append(True, (np.diff(step) != 0) | (np.diff(event_depth) != 0)))
    sizes = np.diff(np.append(begins, len(step)))
    of_level = np.append(np.flatnonzero(step[begins] == 0), len(begins))
    before = np.append(0, sizes[:-1])
    position = np.arange(len(step))
    starts = np.append(begins, len(step))[of_level]  # first event of each level, and the number of events
    sessions = np.append(0, np.cumsum(sizes[of_level[:-1]]))
    run = np.repeat(np.arange(len(sizes)), sizes)
    levels = []
    for k, (first, stop) in enumerate(pairwise(starts)):
        inside, many = slice(int(first), int(stop)), sizes[of_level[k]]
        own = position[inside] - first
        previous = np.where(step[inside] == 0, own, many + own - before[run[inside]])
        rows = row[sessions[k] : sessions[k + 1]]
        of_event = position[inside] - begins[run[inside]]
        last = np.empty(len(rows), np.int64)
        last[of_event] = own  # the last of each session is written last
        arrays = (rows, previous, of_event, step[inside], last)
        on_device = (torch.from_numpy(array.astype(np.int64)).to(device) for array in arrays)
        here = torch.from_numpy(sizes[of_level[k] : of_level[k + 1]].astype(np.int64))
        levels.append(Level(inside, here, *on_device))
    return tuple(levels)


def rating_levels(events: Sessions, at: IntArray | None = None) -> ByteArray:
    """The ratings of all events, or of those at the positions `at`, as whole numbers from 0 to 10."""
    low, high = events.ratings.scale
    values = np.asarray(events.values if at is None else events.values[at], np.float64)
    share = (values - low) / (high - low) if high > low else np.zeros(len(values))
    return np.clip(np.round((RATING_LEVELS - 1) * share), 0, RATING_LEVELS - 1).astype(np.uint8)


def time_levels(events: Sessions, at: IntArray | None = None) -> ByteArray:
    """How long ago the user's event before was, of all events or of those at `at`, as whole numbers from 0 to 32."""
    position = np.arange(events.n_events) if at is None else at
    starts = events.event_starts
    first = starts[np.searchsorted(starts, position, side="right") - 1] == position
    since = events.times[position] - events.times[np.maximum(position - 1, 0)]
    level = 1 + np.floor(np.log2(1 + np.maximum(since, 0).astype(np.float64)))
    return np.where(first, 0, np.minimum(level, TIME_LEVELS - 1)).astype(np.uint8)
