"""Dates such as 03/04/2005, which are read in two ways: the day first or the month first."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pandas as pd

from recae.errors import DataError, DataWarning, Remedy

NUMERIC = r"\s*(\d{1,2})([/.-])(\d{1,2})\2(\d{4})(?:[T\s,]+(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?)?\s*"


def day_and_month(
    column: pd.Series, name: str, where: Callable[[int], str], day_first: bool | None, *, is_part: bool
) -> pd.Series | None:
    """Dates (n,) of a column of texts such as "03/04/2005" or "13.5.2005 17:30"; None where it is of another form.

    Args:
        column: texts.
        name: of the column.
        where: how messages name a row.
        day_first: whether the day comes first; None: the column has to show it, with a number above 12.
        is_part: whether there is more of the column, which may show the contrary: then it has to be stated.

    Raises:
        DataError: nothing tells which comes first.
    """
    codes, texts = pd.factorize(column)
    distinct = pd.Series(texts, dtype=object)
    # pandas' own texts are UTF-8: they hold neither bytes nor half a surrogate pair
    parts = pd.Series(list(map(str, texts)), dtype=object).str.extract("^" + NUMERIC + "$")
    if len(parts) == 0 or parts[0].isna().any():
        return None
    first, second = parts[0].astype(int), parts[2].astype(int)
    if day_first is None:
        day_first = _shown(first, second, is_part)
        if day_first is None:
            raise _either(str(distinct[0]), name, where(0))
        example = distinct[int((first > 12).argmax() if day_first else (second > 12).argmax())]
        warnings.warn(
            f"column {name!r}: dates such as {example} are read with the {'day' if day_first else 'month'} first",
            DataWarning, stacklevel=4,
        )  # fmt: skip
    day, month = (first, second) if day_first else (second, first)
    time = parts[[4, 5, 6]].fillna("0")
    fields = {"year": parts[3], "month": month, "day": day, "hour": time[4], "minute": time[5], "second": time[6]}
    dates = pd.to_datetime(pd.DataFrame(fields).astype(int), errors="coerce")
    return dates.reindex(codes).reset_index(drop=True)  # a missing one has the code -1: NaT


def _shown(first: pd.Series, second: pd.Series, is_part: bool) -> bool | None:
    """Whether the day comes first, as numbers above 12 show; None where none does, or both."""
    day_first, month_first = bool((first > 12).any()), bool((second > 12).any())
    return None if is_part or day_first == month_first else day_first


def _either(text: str, name: str, where: str) -> DataError:
    return DataError(
        f"{where}: in dates such as {text!r} in column {name!r}, the day or the month may come first",
        remedy=(
            Remedy("say {day_first} if it is the day", day_first=True),
            Remedy("say {day_first} if it is the month", day_first=False),
            "write them like 2005-09-06",
        ),
    )
