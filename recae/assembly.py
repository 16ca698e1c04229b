"""From columns of a table to the arrays of a `RatingMatrix`: checks, order, duplicates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from recae.errors import DataError, ParameterError
from recae.ids import IntArray

Duplicates = Literal["last", "mean", "error"]
Csr = sparse.csr_array
Where = Callable[[int], str]  # position of a rating, from 0 -> how a message calls it ("row 7", "x.csv, line 8")


def row_number(position: int) -> str:
    """Rows are counted from 1 in messages."""
    return f"row {position + 1}"


def make_csr(data: Any, indices: Any, indptr: Any, shape: tuple[int, int]) -> Csr:
    rows = sparse.csr_array((data, indices.astype(np.int32, copy=False), indptr), shape=shape)
    rows.has_sorted_indices = True
    rows.has_canonical_format = True
    return rows


def require_columns(frame: pd.DataFrame, wanted: list[str]) -> None:
    missing = [c for c in wanted if c not in frame.columns]
    if missing:
        raise DataError(
            f"no column {missing[0]!r}: the table has {', '.join(map(repr, frame.columns))}; "
            "say which is which with user=, item=, rating=, timestamp="
        )
    for name in wanted:
        if list(frame.columns).count(name) > 1:
            raise DataError(f"column {name!r} occurs more than once: rename or drop one of them")


def refuse_missing_ids(column: pd.Series, name: str, where: Where = row_number) -> None:
    missing = column.isna().to_numpy()
    if missing.any():
        raise DataError(f"{where(int(np.argmax(missing)))}: the id in column {name!r} is missing")


def finite_ratings(column: pd.Series, name: str, where: Where = row_number) -> npt.NDArray[np.float32]:
    """Ratings as float32; what is no number is refused. Missing ones become NaN, which `refuse_bad_values` names."""
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    bad = np.isnan(values) & ~column.isna().to_numpy()
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(f"{where(row)}: rating {column.iloc[row]!r} in column {name!r} is not a number")
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused as that
        return values.astype(np.float32)


def refuse_bad_values(
    values: npt.NDArray[np.float32], scale: tuple[float, float] | None, where: Where = row_number
) -> None:
    bad = ~np.isfinite(values)
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(f"{where(row)}: rating {values[row]} is not a finite number; drop or mend that row")
    if scale is None:
        return
    low, high = float(scale[0]), float(scale[1])
    if not low <= high:
        raise ParameterError(f"scale={scale}: the lowest rating comes first")
    bad = (values < low) | (values > high)
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(f"{where(row)}: rating {values[row]:g} is outside the scale {low:g} to {high:g}")


def seconds(column: pd.Series, name: str, where: Where = row_number) -> IntArray:
    """Timestamps as seconds since 1970: numbers as they are, datetimes converted (without a zone: UTC)."""
    if pd.api.types.is_datetime64_any_dtype(column):
        _refuse_missing_times(column, column, name, where)
        if isinstance(column.dtype, pd.DatetimeTZDtype):
            column = column.dt.tz_convert("UTC").dt.tz_localize(None)
        return np.asarray(column.to_numpy().astype("datetime64[s]").astype(np.int64))
    values = pd.to_numeric(column, errors="coerce")
    _refuse_missing_times(values.where(np.isfinite(values.astype(np.float64))), column, name, where)
    return np.asarray(values.to_numpy().astype(np.int64))


def _refuse_missing_times(values: pd.Series, column: pd.Series, name: str, where: Where) -> None:
    missing = values.isna().to_numpy()
    if missing.any():
        row = int(np.argmax(missing))
        raise DataError(
            f"{where(row)}: timestamp {column.iloc[row]!r} in column {name!r} is not a number of seconds; "
            "turn dates into timestamps (pandas.to_datetime), or leave the column out (timestamp=False in recae.load)"
        )


def to_csr(
    users: npt.NDArray[np.int32],
    items: npt.NDArray[np.int32],
    values: npt.NDArray[np.float32],
    timestamps: IntArray | None,
    shape: tuple[int, int],
    duplicates: Duplicates,
    describe: Callable[[int], str],
    where: Where = row_number,
) -> tuple[Csr, IntArray | None]:
    """CSR with sorted columns, and its timestamps in the same order; duplicates resolved as asked.

    Two stable counting passes (by item, then by user) order the ratings in linear time, without a
    comparison sort.
    """
    if duplicates not in ("last", "mean", "error"):
        raise ParameterError(f"duplicates={duplicates!r}: choose 'last', 'mean' or 'error'")
    by_item = _stable_order(items, shape[1])
    order = by_item[_stable_order(users[by_item], shape[0])]
    users, items, values = users[order], items[order], values[order]
    stamps = None if timestamps is None else np.asarray(timestamps, dtype=np.int64)[order]
    repeated = np.zeros(len(order), dtype=bool)
    repeated[1:] = (users[1:] == users[:-1]) & (items[1:] == items[:-1])
    if repeated.any():
        if duplicates == "error":
            row = int(order[np.argmax(repeated)])
            raise DataError(
                f"{where(row)}: a second rating for {describe(row)}; "
                "choose duplicates='last' or 'mean', or mend the table"
            )
        users, items, values, stamps = _merge(users, items, values, stamps, repeated, duplicates)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(users, minlength=shape[0]), dtype=np.int64)])
    return make_csr(values, items, indptr, shape), stamps


def _stable_order(codes: npt.NDArray[np.int32], n: int) -> npt.NDArray[np.int32]:
    """A stable counting sort: positions of `codes` in increasing order."""
    m = len(codes)
    columns = sparse.csr_array((np.arange(m, dtype=np.int32), codes, np.array([0, m])), shape=(1, n)).tocsc()
    return cast("npt.NDArray[np.int32]", columns.data)


def _merge(
    users: npt.NDArray[np.int32],
    items: npt.NDArray[np.int32],
    values: npt.NDArray[np.float32],
    stamps: IntArray | None,
    repeated: npt.NDArray[np.bool_],
    how: Duplicates,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.float32], IntArray | None]:
    group = np.cumsum(~repeated) - 1
    first = np.flatnonzero(~repeated)
    if stamps is None:
        chosen = np.concatenate([first[1:], [len(group)]]) - 1  # the last row of each run
    else:
        chosen = np.lexsort((np.arange(len(group)), stamps, group))[np.concatenate([first[1:], [len(group)]]) - 1]
    if how == "mean":
        means = np.bincount(group, weights=values) / np.bincount(group)
        return users[first], items[first], means.astype(np.float32), None if stamps is None else stamps[chosen]
    return users[chosen], items[chosen], values[chosen], None if stamps is None else stamps[chosen]


def k_core(rows: Csr, min_user: int, min_item: int, until_stable: bool) -> tuple[IntArray, IntArray, Csr]:
    """Users and items that have enough ratings, and where their ratings stand in `rows.data` (CSR int64)."""
    users, items = np.arange(rows.shape[0]), np.arange(rows.shape[1])
    places = sparse.csr_array((np.arange(rows.nnz, dtype=np.int64), rows.indices, rows.indptr), shape=rows.shape)
    while True:
        good_users = np.diff(places.indptr) >= min_user
        good_items = np.bincount(places.indices, minlength=places.shape[1]) >= min_item
        stable = bool(good_users.all() and good_items.all())
        users, items = users[good_users], items[good_items]
        places = places[good_users][:, good_items]
        if stable or not until_stable:
            places.sort_indices()
            return users, items, places


def indexed(table: pd.DataFrame | None, key: str) -> pd.DataFrame | None:
    """A table of items or users, indexed by raw id (its column `key`, where it has one)."""
    if table is None:
        return None
    table = table.set_index(key) if key in table.columns else table
    if not table.index.is_unique:
        twice = table.index[table.index.duplicated()][0]
        raise DataError(f"the {key} table has more than one row for {key} {twice!r}: keep one")
    return table
