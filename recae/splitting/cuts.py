"""Moments to cut ratings at: a date, or a span before the last rating."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import numpy as np
import pandas as pd

from recae.errors import ParameterError

Cut = str | dt.date | dt.timedelta | np.datetime64 | np.timedelta64  # a share is a float

_NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)\s*")
_SPAN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]+)\s*")
_CASES = {"w": "W", "d": "D", "H": "h", "S": "s"}  # units in a case that pandas gives up, or has given up
_YEAR_FIRST = re.compile(r"\s*\d{4}\D.*")


def span_of(cut: Cut) -> int | None:
    """Seconds of a span such as "7D" or "12h"; None for a date.

    Raises:
        ParameterError: the unit is unknown, or the span is not above 0.
    """
    text = _SPAN.fullmatch(cut) if isinstance(cut, str) else None
    if text is None and not isinstance(cut, dt.timedelta | np.timedelta64):
        return None
    span: Any = cut if text is None else text[1] + _CASES.get(text[2], text[2])
    try:
        seconds = int(pd.Timedelta(span).total_seconds())
    except ValueError:
        raise ParameterError(f"{cut!r} is no span of time: a number and a unit are needed, such as 7D or 12h") from None
    if seconds <= 0:
        raise ParameterError(f"{cut!r}: a span of a second or more is needed, such as 7D")
    return seconds


def first_moment(cut: Cut, last: int) -> int:
    """The first second since 1970 that lies after the cut; `last` is that of the last rating.

    A span of 7 days takes the seconds last - 7 days + 1 to last. A date without a zone is in UTC.
    A text is a date with its year first: of 03/04/2024 nothing says which number is the day.

    Raises:
        ParameterError: it is neither a date nor a span, or a date whose year is not first.
    """
    span = span_of(cut)
    if span is not None:
        return last - span + 1
    try:
        moment = _of_text(cut) if isinstance(cut, str) else pd.Timestamp(cut)  # type: ignore[arg-type]
    except (ValueError, TypeError):
        moment = pd.NaT  # type: ignore[assignment]
    if pd.isna(moment):
        raise ParameterError(
            f"{cut!r} is neither a date with the year first, such as 2024-05-01, nor a span such as 7D"
        )
    return int(np.ceil(moment.timestamp()))


def _of_text(text: str) -> pd.Timestamp:
    if not _YEAR_FIRST.fullmatch(text):
        raise ValueError
    return pd.to_datetime(text.strip(), format="ISO8601")


def is_cut(value: Any) -> bool:
    """Whether `value` says a date or a span, and no share or number."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return False
    return isinstance(value, str | dt.date | dt.timedelta | np.datetime64 | np.timedelta64)


def as_text(value: Any) -> Any:
    """A cut as a text, for settings that are plain values; anything else as it is."""
    return str(value) if is_cut(value) else value


def as_date(seconds: Any) -> str:
    """A moment for messages, in UTC."""
    return str(pd.Timestamp(int(seconds), unit="s"))
