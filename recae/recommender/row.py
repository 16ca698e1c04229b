"""One user's ratings, from arrays to a row: what a server does at each request."""

from __future__ import annotations

from typing import Any

import numpy as np

from recae._types import Csr
from recae.errors import DataError, ParameterError
from recae.ratings import RatingMatrix
from recae.ratings.column_checks import refuse_bad_values, row_number
from recae.ratings.csr import make_csr, to_csr
from recae.ratings.repeated_rows import Repeats


def row_of(item_index: Any, ratings: Any, known: RatingMatrix, *, needs_rating: bool) -> Csr:
    """The row (1, n_items) of one user, in the columns of `known`.

    Args:
        item_index: columns, (k,), in any order; of one that occurs twice, the last rating counts.
        ratings: (k,), on the scale of `known`; None for 1 each, which `needs_rating` forbids.

    Raises:
        ParameterError: shapes differ, or an index is no column.
        DataError: ratings are needed, or one is not finite or is outside the scale.
    """
    columns = _columns(item_index, known)
    values = _values(columns, ratings, known.scale, needs_rating=needs_rating)
    order = np.argsort(columns, kind="stable")
    columns, values = columns[order], values[order]
    if (columns[1:] == columns[:-1]).any():
        last = np.append(columns[1:] != columns[:-1], True)
        columns, values = columns[last], values[last]
    return make_csr(values, columns, np.array([0, len(columns)]), (1, known.n_items))


def dated_row(
    item_index: Any, ratings: Any, timestamps: Any, known: RatingMatrix, *, needs_rating: bool
) -> RatingMatrix:
    """One user's ratings with their times, as a matrix (1, n_items) in the columns of `known`.

    Args:
        item_index, ratings: as of `row_of`; of an item that occurs twice, both are events, and the later rating counts.
        timestamps: of each, in any order of time, seconds since 1970, (k,).

    Raises:
        ParameterError, DataError: as of `row_of`; or timestamps are not as many as items, not finite, or too large.
    """
    columns = _columns(item_index, known)
    values = _values(columns, ratings, known.scale, needs_rating=needs_rating)
    times = np.asarray(timestamps, np.float64)
    if times.shape != columns.shape:
        raise ParameterError(f"{len(columns)} items and {times.shape} timestamps: one each is needed")
    if not (np.abs(times) < 2.0**63).all():  # NaN is not, either
        raise ParameterError(
            "one is not a finite number, or too large", name="timestamps", expected="seconds since 1970"
        )
    one, shape = np.zeros(len(columns), np.int32), (1, known.n_items)
    rows, stamps, runs = to_csr(
        one, columns.astype(np.int32), values, times.astype(np.int64), shape, "last", row_number
    )
    repeats = None if runs is None else Repeats(*runs, "last")
    return RatingMatrix(rows, np.zeros(1, np.int64), known.item_ids, known.scale, stamps, name="new users",
                        repeats=repeats)  # fmt: skip


def _columns(item_index: Any, known: RatingMatrix) -> Any:
    columns = np.asarray(item_index, np.int64 if np.size(item_index) == 0 else None)
    if columns.ndim != 1 or columns.dtype.kind not in "iu":
        raise ParameterError(f"item_index is {columns.dtype} of shape {columns.shape}: integers of one axis are needed")
    if len(columns) and not 0 <= int(columns.min()) <= int(columns.max()) < known.n_items:
        raise ParameterError(f"item_index holds {columns.min()} to {columns.max()}; items are 0 to {known.n_items - 1}")
    return columns


def _values(columns: Any, ratings: Any, scale: tuple[float, float], *, needs_rating: bool) -> Any:
    if ratings is None:
        if needs_rating and len(columns):
            raise DataError("the model learns from ratings: one is needed for each item")
        return np.ones(len(columns), np.float32)
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused as that
        values = np.asarray(ratings, np.float32)
    if values.shape != columns.shape:
        raise ParameterError(f"{len(columns)} items and ratings of shape {values.shape}: one rating an item is needed")
    refuse_bad_values(values, scale)
    return values
