"""Columns of a table of ratings: what must be there, and what is refused, named by its row."""

from __future__ import annotations

import re
import warnings
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from recae._types import FloatArray, IdArray
from recae.errors import DataError, DataWarning, ParameterError, Remedy, shown
from recae.ratings.ids import plain
from recae.ratings.numbers import as_numbers
from recae.ratings.times import Where

WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}")
NUMBER = re.compile(r"(-?[0-9]+)(?:\.0+)?")


def row_number(position: int) -> str:
    """Rows are counted from 1 in messages."""
    return f"row {position + 1}"


def merged_number(position: int) -> str:
    """What was merged of several rows is counted from 1, too."""
    return f"merged rating {position + 1}"


def require_columns(frame: pd.DataFrame, wanted: list[str]) -> None:
    missing = [c for c in wanted if c not in frame.columns]
    if missing:
        raise DataError(
            f"no column {missing[0]!r}: the table has {', '.join(map(repr, frame.columns))}",
            remedy=Remedy(
                "name the columns with {user}, {item}, {rating}, {timestamp}",
                user=...,
                item=...,
                rating=...,
                timestamp=...,
            ),
        )
    for name in wanted:
        if list(frame.columns).count(name) > 1:
            raise DataError(f"column {name!r} occurs more than once", remedy="rename or drop one of them")


def refuse_missing_ids(column: pd.Series, name: str, where: Where = row_number) -> None:
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iu":
        return
    missing = column.isna().to_numpy()
    if missing.any():
        raise DataError(
            f"{where(int(np.argmax(missing)))}: the id in column {name!r} is missing, as in {int(missing.sum()):,} of "
            f"the {len(missing):,} rows that were read", remedy="drop or fill these rows first",
        )  # fmt: skip


def finite_ratings(column: pd.Series, name: str, where: Where = row_number) -> FloatArray:
    """Ratings as float32; what is no number is refused. Missing ones become NaN, which `refuse_bad_values` names."""
    if column.dtype == np.float32:
        return np.asarray(column.to_numpy())
    values = as_numbers(column)
    bad = np.isnan(values) & ~column.isna().to_numpy()
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(f"{where(row)}: rating {shown(column.iloc[row])} in column {name!r} is not a number")
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused as that
        return values.astype(np.float32)


def refuse_bad_values(values: FloatArray, scale: tuple[float, float] | None, where: Where = row_number) -> None:
    missing = np.isnan(values)
    if missing.any():
        raise DataError(
            f"{where(int(np.argmax(missing)))}: the rating is missing, as in {int(missing.sum()):,} of the "
            f"{len(values):,} rows that were read", remedy="drop or fill these rows first",
        )  # fmt: skip
    bad = ~np.isfinite(values)
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(f"{where(row)}: rating {values[row]} is not a finite number", remedy="drop or correct that row")
    if scale is None:
        return
    low, high = float(scale[0]), float(scale[1])
    if not low <= high:
        raise ParameterError(name="scale", value=scale, expected="the lowest rating first")
    bad = (values < low) | (values > high)
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(f"{where(row)}: rating {values[row]:g} is outside the scale {low:g} to {high:g}")


def refuse_one_name_twice(**tables: pd.DataFrame | None) -> None:
    """Refuse a table, by its kind, of which two columns have one name as a text: files and conditions go by names.

    Raises:
        DataError: names the first such column.
    """
    for kind, table in tables.items():
        names = pd.Index([] if table is None else [str(name) for name in table.columns])
        if not names.is_unique:
            twice = names[names.duplicated()][0]
            raise DataError(f"the {kind} table has more than one column {twice!r}", remedy="rename or drop one of them")


def indexed(table: pd.DataFrame | None, key: str, ids: IdArray) -> pd.DataFrame | None:
    """A table of items or users, indexed by raw id (its column `key`, where it has one).

    Where more of its ids are among `ids`, those of the ratings, when 7 is the same as "7", it has them as these are:
    another file or library may have read texts where the ratings have numbers. A table of others is said.

    Raises:
        DataError: two columns have one name, or two rows one id.
    """
    if table is None:
        return None
    refuse_one_name_twice(**{key: table})
    table = table.set_index(key) if key in table.columns else table
    if not table.index.is_unique:
        twice = plain(table.index[table.index.duplicated()][0])
        raise DataError(f"the {key} table has more than one row for {key} {twice!r}", remedy="keep one")
    if isinstance(table.index, pd.MultiIndex):
        return table
    known = int(table.index.isin(ids).sum())
    if known < len(table):
        like = _of_one_kind(table.index, ids)
        if like.is_unique and int(like.isin(ids).sum()) > known:
            return table.set_axis(like, axis=0)
        if known == 0 and len(ids):
            warnings.warn(
                f"none of the {len(table):,} {key}s in the table of {key}s is among those of the ratings: it has "
                f"{plain(table.index[0])!r}, and they have {plain(ids[0])!r}", DataWarning, stacklevel=3,
            )  # fmt: skip
    return table


def _of_one_kind(index: pd.Index[Any], ids: IdArray) -> pd.Index[Any]:
    """Ids of a table as integers where those of the ratings are, and as texts where those are texts."""
    found: list[Any] = index.tolist()
    if ids.dtype.kind in "iu":
        found = [_as_integer(one) for one in found]
    elif all(isinstance(one, str) for one in ids):
        found = [_as_text(one) for one in found]
    made: pd.Index[Any] = pd.Index(found, name=index.name)
    return made


def _as_integer(one: Any) -> Any:
    """A whole number that is written as a text, or as a decimal number; anything else as it is."""
    text = _as_text(one)
    return int(text) if isinstance(text, str) and WHOLE.fullmatch(text) else one


def _as_text(one: Any) -> Any:
    """A whole number as it is written; anything else as it is."""
    if isinstance(one, bool) or not isinstance(one, int | float | Decimal):
        return one
    found = NUMBER.fullmatch(f"{one:f}" if isinstance(one, Decimal) else str(one))
    return found[1] if found else one
