"""Times of any form to seconds since 1970: numbers, datetimes, dates, and texts of these."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from recae._types import DoubleArray, IntArray
from recae.errors import DataError, DataWarning, Remedy, shown
from recae.ratings.day_and_month import day_and_month
from recae.ratings.numbers import as_numbers

Where = Callable[[int], str]  # position of a rating, from 0 -> how a message names it ("row 7", "x.csv, line 8")
UNITS = ((10**17, 10**9, "nanoseconds"), (10**14, 10**6, "microseconds"), (10**11, 10**3, "milliseconds"))
FIRST_DAYS = 300_000  # seconds since 1970: smaller numbers in a column of dates are a spreadsheet's days, or 202001
DIGITS = {1: "%Y%m%d", 10**4: "%Y%m%d%H%M", 10**6: "%Y%m%d%H%M%S"}  # dates as numbers, by what follows the day
LARGEST = 2**63  # no integer of 64 bits is as large
FORMATS = (
    "ISO8601", "%Y/%m/%d", "%Y-%m-%d %H:%M:%S", "%Y/%m/%d %H:%M:%S", "%m %d, %Y", "%b %d, %Y", "%B %d, %Y", "%d %b %Y",
    "%d %B %Y", "%a %b %d %H:%M:%S %z %Y", "%a, %d %b %Y %H:%M:%S %z",
)  # fmt: skip


def seconds(
    column: pd.Series, name: str, where: Where, day_first: bool | None = None, *, is_part: bool = False
) -> IntArray:
    """Timestamps as seconds since 1970 (n,); without a zone they are UTC.

    In dates such as 03/04/2005 the day comes first or the month, as `day_first` says. Where it is None, the column
    itself has to show it: 13/04/2005 has its day first. Of a part of a column (`is_part`), it has to be stated.

    Numbers are seconds; such large ones that they would be dates after the year 5000 are milliseconds, microseconds or
    nanoseconds, and 8, 12 or 14 digits that are all dates, like 20050906 or 20050906123000, are these. Either is said
    by a `DataWarning`, as are numbers below 300,000 in a column of dates: as seconds they are of January 1970.

    Raises:
        DataError: a time is missing or too large, or is neither a number nor a date, or its day and month cannot be
            told apart; the message says `where`.
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        return _of_distinct(column, name, where, day_first, is_part=is_part)
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iu":
        return _in_seconds(column.to_numpy(), name, where)
    if pd.api.types.is_timedelta64_dtype(column):
        raise DataError(f"column {name!r} holds durations, and times are needed; add what they are counted from")
    if isinstance(column.dtype, pd.PeriodDtype):
        column = column.dt.to_timestamp()
    if pd.api.types.is_datetime64_any_dtype(column):
        return _of_dates(column, column, name, where)
    numbers = as_numbers(column)
    if np.isfinite(numbers).all():
        whole = pd.to_numeric(column)  # 19 digits lose nothing as integers
        if isinstance(whole.dtype, np.dtype) and whole.dtype.kind in "iu":
            return _in_seconds(whole.to_numpy(), name, where)
        return _in_seconds(numbers.astype(np.float64), name, where)
    if not np.isnan(numbers).all():  # some are numbers: then all must be
        _refuse_missing(pd.Series(np.where(np.isfinite(numbers), numbers, np.nan)), column, name, where)
    dates = day_and_month(column, name, where, day_first, is_part=is_part)
    return _of_dates(_parsed(column) if dates is None else dates, column, name, where)


def _of_distinct(column: pd.Series, name: str, where: Where, day_first: bool | None, *, is_part: bool) -> IntArray:
    """Times of a column whose values are numbered already: each distinct one is looked at once, in order of rows."""
    _refuse_missing(column, column, name, where)
    codes, n_rows = column.cat.codes.to_numpy(), len(column)
    first = np.full(len(column.cat.categories), n_rows)
    first[codes[::-1]] = np.arange(n_rows)[::-1]  # of a value that occurs again, the last one written stays
    order = np.argsort(first, kind="stable")[: np.count_nonzero(first < n_rows)]
    values = pd.Series(column.cat.categories.take(order))
    times = np.zeros(len(first), np.int64)
    times[order] = seconds(values, name, lambda n: where(int(first[order[n]])), day_first, is_part=is_part)
    return times[codes]


def _of_dates(dates: pd.Series, column: pd.Series, name: str, where: Where) -> IntArray:
    _refuse_missing(dates, column, name, where)
    if isinstance(dates.dtype, pd.DatetimeTZDtype):
        dates = dates.dt.tz_convert("UTC").dt.tz_localize(None)
    return np.asarray(dates.to_numpy().astype("datetime64[s]").astype(np.int64))


def _parsed(column: pd.Series) -> pd.Series:
    """Dates of the first format that all texts have; each distinct one is looked at once. NaT where none fits."""
    codes, distinct = pd.factorize(column)
    zoned = [re.sub(" (UTC|GMT)$", " +0000", text) if isinstance(text, str) else text for text in distinct]
    texts = pd.Series(zoned, dtype=object)
    texts = texts.mask(texts.isin(("now", "today")))  # pandas reads them as the present moment
    found = pd.Series(pd.NaT, index=range(len(texts)), dtype="datetime64[s, UTC]")
    for form in FORMATS:
        dates = pd.to_datetime(texts, format=form, errors="coerce", utc=True)
        if dates.notna().sum() > found.notna().sum():
            found = dates
        if found.notna().all():
            break
    return found.reindex(codes).reset_index(drop=True)  # a missing one has the code -1: NaT


def _in_seconds(numbers: IntArray | DoubleArray, name: str, where: Where) -> IntArray:
    """Numbers in seconds, whatever their unit.

    Raises:
        DataError: some are of one unit, others of another; one is too large; or one is no day, and the others are.
    """
    numbers = _in_range(numbers, name, where)
    highest = np.abs(numbers).max(initial=0)
    for least, form in DIGITS.items():
        if _are_dates(numbers, least):
            dates = _of_digits(numbers, form, name, where)
            what = "days" if least == 1 else "dates with times"
            warnings.warn(
                f"column {name!r}: numbers such as {int(numbers[0])} are read as {what}, year first", DataWarning,
                stacklevel=3,
            )  # fmt: skip
            return dates
    for least, per_second, unit in UNITS:
        if highest >= least:
            _refuse_two_units(numbers, least, name, where)
            warnings.warn(
                f"column {name!r}: numbers such as {int(highest)} are read as {unit} since 1970", DataWarning,
                stacklevel=3,
            )  # fmt: skip
            return np.asarray(numbers // per_second).astype(np.int64)
    if 0 < highest < FIRST_DAYS and {"date", "day", "year"} & set(re.split("[^a-z]+", str(name).lower())):
        warnings.warn(
            f"column {name!r}: numbers such as {int(highest)} are read as seconds, which is January 1970; write the "
            "date itself if they are days or years", DataWarning, stacklevel=3,
        )  # fmt: skip
    return np.asarray(numbers).astype(np.int64)


def _in_range(numbers: Any, name: str, where: Where) -> Any:
    """The numbers, integers as int64, which holds all of them: what it does not hold would be another time."""
    low, high = numbers.min(initial=0).item(), numbers.max(initial=0).item()
    if high >= LARGEST or low <= -LARGEST:
        row = int(numbers.argmax() if high >= LARGEST else numbers.argmin())
        raise DataError(
            f"{where(row)}: timestamp {numbers[row]} in column {name!r} is too large for a time",
            remedy="write it in seconds since 1970",
        )
    return numbers if numbers.dtype.kind == "f" else numbers.astype(np.int64, copy=False)


def _refuse_two_units(numbers: Any, least: int, name: str, where: Where) -> None:
    """Numbers just below a unit are of the unit before it: as this one they would be of the first days of 1970."""
    other = (np.abs(numbers) < least) & (np.abs(numbers) >= least // 1000)
    if other.any():
        row = int(np.argmax(other))
        raise DataError(
            f"{where(row)}: the timestamp {numbers[row]} in column {name!r} has another unit than "
            f"{np.abs(numbers).max()}: write all in seconds"
        )


def _are_dates(numbers: Any, least: int) -> bool:
    """Whether all numbers are dates like 20050906 followed by the digits of a time of day, which are below `least`.

    As seconds, days would be of August 1970; as milliseconds, minutes would be of 1976 and seconds of 2600.
    """
    if len(numbers) == 0 or numbers.min() < 1900_01_01 * least or numbers.max() >= 2101_01_01 * least:
        return False
    days, time = numbers // least, numbers % least * (10**6 // least if least > 1 else 1)
    month, day, hour, minute, second = days // 100 % 100, days % 100, time // 10**4, time // 100 % 100, time % 100
    is_date = (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
    return bool((is_date & (hour < 24) & (minute < 60) & (second < 60)).all())


def _of_digits(numbers: Any, form: str, name: str, where: Where) -> IntArray:
    distinct, index = np.unique(numbers.astype(np.int64), return_inverse=True)
    days = pd.to_datetime(pd.Series(distinct.astype(str)), format=form, errors="coerce")
    impossible = days.isna().to_numpy()
    if impossible.any():
        row = int(np.argmax(impossible[index]))
        raise DataError(
            f"{where(row)}: timestamp {int(numbers[row])} in column {name!r} looks like a day, year first, and there "
            "is no such day",
            remedy=("correct that row", Remedy("leave the column out with {timestamp}", timestamp=False)),
        )
    return np.asarray(days.to_numpy().astype("datetime64[s]").astype(np.int64)[index])


def _refuse_missing(values: pd.Series, column: pd.Series, name: str, where: Where) -> None:
    missing = values.isna().to_numpy()
    if missing.any():
        row = int(np.argmax(missing))
        raise DataError(
            f"{where(row)}: timestamp {shown(column.iloc[row])} in column {name!r} is neither a number of seconds nor "
            "a date",
            remedy=("write it like 2005-09-06", Remedy("leave the column out with {timestamp}", timestamp=False)),
        )
