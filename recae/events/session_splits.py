"""Parts of sessions: the last session of each user, or all that happens after a moment."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from recae._types import IntArray, Mask
from recae.errors import DataError, ParameterError
from recae.events.session_events import Sessions
from recae.ratings import RatingMatrix
from recae.splitting.cuts import Cut, as_date, as_text, first_moment, is_cut
from recae.splitting.parts import check_fraction

How = Literal["last-session", "time"]
TRAIN, VALIDATION, TEST = 0, 1, 2


@dataclass(frozen=True, eq=False, repr=False)
class SessionSplit:
    """Sessions, and the part that each event belongs to.

    What is asked of an event of the test part may be answered from all earlier events of that user, those of the test
    part too: `sessions` has them. A model learns from `train`.

    Attributes:
        sessions: all events.
        part: of each event, int8 (n_events,): 0 to learn from, 1 for validation, 2 for the test.
        how: the name of the split.
        settings: what it was made with.
    """

    sessions: Sessions
    part: npt.NDArray[np.int8]
    how: How
    settings: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def train(self) -> RatingMatrix:
        """Ratings to learn from."""
        return self.sessions.to_ratings(self.part == TRAIN)

    @cached_property
    def validation(self) -> RatingMatrix | None:
        """Ratings to choose settings on; None where there are none."""
        chosen = self.part == VALIDATION
        return self.sessions.to_ratings(chosen) if chosen.any() else None

    @cached_property
    def test(self) -> RatingMatrix:
        """Ratings to be measured on."""
        return self.sessions.to_ratings(self.part == TEST)

    def up_to(self, part: int) -> Sessions:
        """The events of this part and of those before it: 1 for what validation may see, 2 for all."""
        return self.sessions if part == TEST else self.sessions.select(self.part <= part)

    def __repr__(self) -> str:
        train, validation, test = np.bincount(self.part, minlength=3)
        return (
            f"SessionSplit({self.sessions.ratings.name!r}, {self.how}: train {train:,}, validation {validation:,}, "
            f"test {test:,} events)"
        )


def split_sessions(
    sessions: Sessions, how: How = "last-session", *, test: float | Cut | None = None, validation: Any = True
) -> SessionSplit:
    """Put events aside for a test, and others for validation before it.

    Args:
        sessions: all events.
        how: ``last-session``: of each user with enough sessions, the last one is the test and the one before it
            validation; the other users are learnt from only. ``time``: what happens from a moment on is the test, of
            all users, and what happens from an earlier moment on is validation.
        test: for ``time``: a share of the events (0.2), a date, or a span before the last event.
        validation: for ``last-session`` whether there is one; a user then needs 3 sessions, else 2. For ``time`` a
            share of what is left, a date or a span; True for the share that the test has, False for none.

    Raises:
        DataError: a part would be empty.
        ParameterError: an unknown way, or a share that is none.
    """
    if how == "last-session":
        if test is not None:
            raise ParameterError("a last-session split does not use it", name="test", value=test, remedy="leave it out")
        return _last_sessions(sessions, bool(validation))
    if how != "time":
        raise ParameterError(name="how", value=how, expected=("last-session", "time"))
    wanted: float | Cut = 0.2 if test is None else test
    before: float | Cut | None = None if validation is False else wanted if validation is True else validation
    first = _first(sessions, sessions.times, wanted, "test")
    part = np.where(sessions.times >= first, TEST, TRAIN).astype(np.int8)
    if before is not None:
        earlier = _first(sessions, sessions.times[part == TRAIN], before, "validation")
        part[(sessions.times >= earlier) & (part == TRAIN)] = VALIDATION
    settings = {"test": as_text(wanted), "validation": as_text(before)}
    return SessionSplit(sessions, part, "time", settings)


def _last_sessions(sessions: Sessions, validation: bool) -> SessionSplit:
    needed = 3 if validation else 2
    counts = np.diff(sessions.user_starts)
    enough = np.flatnonzero(counts >= needed)
    if len(enough) == 0:
        raise DataError(
            f"no user of {sessions.ratings.name!r} has {needed} sessions: the most is {int(counts.max(initial=0))} "
            f"(cut by {sessions.how})",
            remedy=("cut at shorter pauses", "split by time"),
        )
    of_session = np.zeros(sessions.n_sessions, np.int8)
    last = sessions.user_starts[enough + 1] - 1
    of_session[last] = TEST
    if validation:
        of_session[last - 1] = VALIDATION
    return SessionSplit(sessions, of_session[sessions.session_of], "last-session", {"validation": validation})


def _first(sessions: Sessions, times: IntArray, cut: float | Cut, name: str) -> int:
    """The first moment of a part: at least this share of the events, those of one moment never parted."""
    if is_cut(cut):
        first = first_moment(cut, int(times.max(initial=0)))  # type: ignore[arg-type]
    else:
        check_fraction(name, cut)
        size = max(1, int(float(cut) * len(times) + 0.5))  # type: ignore[arg-type]
        first = int(np.partition(times, len(times) - size)[len(times) - size])
    late: Mask = times >= first
    if late.all() or not late.any():
        empty = name if not late.any() else "train"
        raise DataError(
            f"a cut by time at {cut!r} leaves the {empty} part empty: the events of {sessions.ratings.name!r} are of "
            f"{as_date(times.min())} to {as_date(times.max())}"
        )
    return first
