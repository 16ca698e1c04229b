"""Rolling windows: a test window after a cut, over and over, each a step later and with all that is known by then."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral
from typing import Any

from recae.errors import DataError, ParameterError
from recae.ratings import RatingMatrix
from recae.splitting.by_time import between, event_times, later_part, say_left_out
from recae.splitting.cuts import Cut, as_date, as_text, span_of
from recae.splitting.parts import Split


def rolling_windows(
    ratings: RatingMatrix,
    windows: int,
    test: Cut,
    *,
    step: Cut | None = None,
    history: Cut | None = None,
    again: bool = False,
) -> Iterator[Split]:
    """Splits by time, the oldest first; the last one's test part ends with the last rating.

    Args:
        windows: how many, at least 1.
        test: span of each test part, such as "7D".
        step: span from one cut to the next; by default `test`, so that every late rating is tested once.
        history: span before the cut that is learnt from; by default all that is there.
        again: whether pairs of user and item that the train part has stay in the test part, as in `recae.split`.

    Ratings after a split's test part are in none of its parts. Parts share the users and items of `ratings`.

    Raises:
        ParameterError: no span, or no window.
        DataError: there are no timestamps, or a part would be empty.
    """
    if isinstance(windows, bool) or not isinstance(windows, Integral) or windows < 1:
        raise ParameterError(name="windows", value=windows, expected="a whole number, at least 1")
    length, apart = _seconds("test", test), _seconds("step", test if step is None else step)
    past = None if history is None else _seconds("history", history)
    last = int(event_times(ratings).max(initial=0))
    settings = _settings(int(windows), test, step, history) | {"again": again}
    return (_window(ratings, last - number * apart, length, past, settings)
            for number in reversed(range(windows)))  # fmt: skip


def _window(ratings: RatingMatrix, last: int, length: int, past: int | None, settings: dict[str, Any]) -> Split:
    """The split whose test part is the seconds last - length + 1 to last."""
    first = last - length + 1
    learnt = between(ratings, None if past is None else first - past, first)
    tested, left_out = later_part(ratings, learnt, between(ratings, first, last + 1), again=settings["again"])
    for name, part in (("train", learnt), ("test", tested)):
        if part.n_ratings == 0:
            times = event_times(ratings)
            raise DataError(
                f"the window from {as_date(first)} to {as_date(last)} leaves the {name} part empty: the ratings of "
                f"{ratings.name!r} are of {as_date(times.min())} to {as_date(times.max())}; take fewer windows"
            )
    say_left_out(left_out, "test", ratings.name)
    return Split(learnt, tested, how="time", settings={**settings, "cut": as_date(first)})


def _settings(windows: int, test: Cut, step: Cut | None, history: Cut | None) -> dict[str, Any]:
    return {"windows": windows, "test": as_text(test), "step": as_text(step), "history": as_text(history)}


def _seconds(name: str, span: Any) -> int:
    seconds = span_of(span)
    if seconds is None:
        raise ParameterError(f"{name}={span!r}: a span is needed, such as 7D")
    return seconds
