"""One user's ratings, from arrays to a row: what a server does at each request."""

from __future__ import annotations

from typing import Any

import numpy as np

from recae._types import Csr, FloatArray, IntArray
from recae.errors import DataError, ParameterError
from recae.ratings import RatingMatrix
from recae.ratings.column_checks import merged_number, refuse_bad_values
from recae.ratings.csr import make_csr, to_csr
from recae.ratings.ids import plain
from recae.ratings.merging import Runs, merging_of
from recae.ratings.repeated_rows import Repeats


def row_of(item_index: Any, ratings: Any, known: RatingMatrix, *, needs_rating: bool, timestamps: Any = None) -> Csr:
    """The row (1, n_items) of one user, in the columns of `known`.

    Args:
        item_index: columns, (k,), in any order; of one that occurs twice, ratings are merged as those of `known` were.
        ratings: (k,), on the scale of `known`; None for 1 each, which `needs_rating` forbids.
        timestamps: of each, seconds since 1970, (k,): which rating of an item is the last. None for the order given.

    Raises:
        ParameterError: shapes differ, an index is no column, or a timestamp is not finite, or too large.
        DataError: ratings are needed, or one is not finite or is outside the scale.
    """
    columns = _columns(item_index, known)
    values = _values(columns, ratings, known, needs_rating=needs_rating)
    stamps = None if timestamps is None else _stamps(columns, timestamps)
    order = np.argsort(columns, kind="stable")
    ordered = columns[order]
    if (ordered[1:] == ordered[:-1]).any():
        return _merged(columns, values, stamps, known, given=ratings is not None)[0]
    return make_csr(values[order], ordered, np.array([0, len(columns)]), (1, known.n_items))


def dated_row(
    item_index: Any, ratings: Any, timestamps: Any, known: RatingMatrix, *, needs_rating: bool
) -> RatingMatrix:
    """One user's ratings with their times, as a matrix (1, n_items) in the columns of `known`.

    Args:
        item_index, ratings, timestamps: as of `row_of`; of an item that occurs twice, both are events, too.

    Raises:
        ParameterError, DataError: as of `row_of`.
    """
    columns = _columns(item_index, known)
    values = _values(columns, ratings, known, needs_rating=needs_rating)
    rows, stamps, runs = _merged(columns, values, _stamps(columns, timestamps), known, given=ratings is not None)
    repeats = None if runs is None else Repeats(*runs, merging_of(known.read_as))
    return RatingMatrix(rows, np.zeros(1, np.int64), known.item_ids, known.scale, stamps, name="new users",
                        repeats=repeats)  # fmt: skip


def _merged(
    columns: IntArray, values: FloatArray, stamps: IntArray | None, known: RatingMatrix, *, given: bool
) -> tuple[Csr, IntArray | None, Runs | None]:
    """One rating for each item, (1, n_items), its time, and the events of items that have several."""
    how, users = merging_of(known.read_as), np.zeros(len(columns), np.int32)
    found = to_csr(
        users, columns.astype(np.int32), values, stamps, (1, known.n_items), how,
        lambda row: f"item {plain(known.item_ids[columns[row]])!r}",
    )  # fmt: skip
    if given and how == "sum":
        refuse_bad_values(found[0].data, known.scale, merged_number)
    return found


def _columns(item_index: Any, known: RatingMatrix) -> Any:
    columns = np.asarray(item_index, np.int64 if np.size(item_index) == 0 else None)
    if columns.ndim != 1 or columns.dtype.kind not in "iu":
        raise ParameterError(f"item_index is {columns.dtype} of shape {columns.shape}: integers of one axis are needed")
    if len(columns) and not 0 <= int(columns.min()) <= int(columns.max()) < known.n_items:
        raise ParameterError(f"item_index holds {columns.min()} to {columns.max()}; items are 0 to {known.n_items - 1}")
    return columns


def _stamps(columns: IntArray, timestamps: Any) -> IntArray:
    times = np.asarray(timestamps, np.float64)
    if times.shape != columns.shape:
        raise ParameterError(f"{len(columns)} items and {times.shape} timestamps: one each is needed")
    if not (np.abs(times) < 2.0**63).all():  # NaN is not, either
        raise ParameterError(
            "one is not a finite number, or too large", name="timestamps", expected="seconds since 1970"
        )
    return times.astype(np.int64)


def _values(columns: IntArray, ratings: Any, known: RatingMatrix, *, needs_rating: bool) -> FloatArray:
    if ratings is None:
        if needs_rating and len(columns):
            raise DataError("the model learns from ratings: one is needed for each item")
        return np.ones(len(columns), np.float32)
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused as that
        values = np.asarray(ratings, np.float32)
    if values.shape != columns.shape:
        raise ParameterError(f"{len(columns)} items and ratings of shape {values.shape}: one rating an item is needed")
    adds_up = merging_of(known.read_as) == "sum"  # then the sums are on the scale
    refuse_bad_values(values, None if adds_up else known.scale)
    return values
