"""Columns of a table of users or items: which are numbers, what values a cell holds, and how a file keeps them so."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import pandas as pd

from recae._types import IdArray
from recae.ratings.ids import plain
from recae.schemas import as_object, is_column, is_number, require

SEPARATOR = "|"
NUMBERS, VALUES = "numbers", "values"  # kinds of columns, as files call them


def is_number_column(column: pd.Series) -> bool:
    """Whether a column is read as numbers.

    It goes by the type. Truths and categories are values, also categories that are whole numbers: they are names of
    groups. So are the entries of a column of objects.
    """
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def values_in(cell: Any) -> list[str] | None:
    """The different values that a cell holds, as texts: one, those of a list, or those of a text with "|" between.

    None where the cell is missing. Days and moments are in ISO's form, as model files hold them.
    """
    if isinstance(cell, list | tuple | set | frozenset | np.ndarray):
        return list(dict.fromkeys(str(one) for one in cell))
    if pd.isna(cell):
        return None
    cell = plain(cell)
    text = cell.isoformat() if isinstance(cell, dt.date) else str(cell)
    return list(dict.fromkeys(part for part in text.split(SEPARATOR) if part))


def cells_of(column: pd.Series) -> pd.Series:
    """A column entry by entry: a category that is a whole number stays one beside missing entries."""
    return column.astype(object) if isinstance(column.dtype, pd.CategoricalDtype) else column


def table_checksum(table: pd.DataFrame | None, ids: IdArray, names: Collection[str] | None = None) -> str:
    """16 hexadecimal digits that differ where the rows of a table for `ids` are read otherwise; "none" for nothing.

    Args:
        names: of the columns that are read; None for all.
    """
    read = [] if table is None else [name for name in table.columns if names is None or str(name) in names]
    if table is None or not read:
        return "none"
    digest = hashlib.sha256()
    rows = table.loc[~table.index.duplicated(), read].reindex(pd.Index(ids))
    for name in read:
        column = rows[name]
        if is_number_column(column):
            digest.update(json.dumps([str(name), NUMBERS]).encode())
            numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
            digest.update(np.where(np.isnan(numbers), np.nan, numbers).data)
        else:
            cells = [found and sorted(found) for found in map(values_in, cells_of(column))]
            digest.update(json.dumps([str(name), VALUES, cells]).encode())
    return digest.hexdigest()[:16]


# ---------------------------------------------------------------- files


def plain_entries(values: Any) -> list[Any]:
    """Entries as JSON has them, None for what is missing; days and moments are texts in ISO's form."""

    def one(value: Any) -> Any:
        if pd.api.types.is_scalar(value) and pd.isna(value):
            return None
        if isinstance(value, dt.date):  # days, moments and pandas' Timestamps
            return value.isoformat()
        return plain(value)

    return [one(value) for value in values]


def kind_of_column(column: pd.Series, write: Callable[[Any], Any]) -> Any:
    """What a file says of a column beside its entries: `NUMBERS`, `VALUES`, or its categories and their order.

    Args:
        write: makes of categories what the file holds.
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        return {"categories": write(column.cat.categories), "ordered": bool(column.cat.ordered)}
    return NUMBERS if is_number_column(column) else VALUES


def column_of_kind(values: list[Any], kind: Any, read: Callable[[Any], Any], part: str) -> pd.Series:
    """The column of these entries that is read as the one was that `kind_of_column` was asked of.

    Args:
        values: numbers, texts, None, and lists of these, as `is_column` has it.
        kind: None where a file says nothing, being older; then pandas says what it is.
        read: gives what `write` was given.
        part: names the column in messages.

    Raises:
        Invalid: the kind is none, or the values are not of it.
    """
    column = pd.Series(values)
    if kind is None:
        return column
    if isinstance(kind, dict):
        return _categorical(values, as_object(kind, part, ("categories", "ordered")), read, part)
    require(kind in (NUMBERS, VALUES), f"it is not said what {part} is")
    if is_number_column(column) == (kind == NUMBERS):
        return column
    if kind == VALUES:
        return pd.Series(values, dtype=object)
    fits = all(value is None or isinstance(value, float) or is_number(value) for value in values)
    require(fits, f"{part} does not hold numbers")
    return pd.Series([np.nan if value is None else float(value) for value in values], dtype=np.float64)


def _categorical(values: list[Any], kind: dict[str, Any], read: Callable[[Any], Any], part: str) -> pd.Series:
    categories, ordered = read(kind["categories"]), kind["ordered"]
    fits = isinstance(ordered, bool) and isinstance(categories, list) and is_column(categories, len(categories))
    require(fits, f"the categories of {part} are not a list")
    single = not any(value is None or isinstance(value, list) for value in categories)
    index = pd.Index(categories, tupleize_cols=False) if single else pd.Index([])
    require(single and index.is_unique and not index.hasnans, f"the categories of {part} are not distinct values")
    require(not any(isinstance(value, list) for value in values), f"{part} holds lists, which are no categories")
    return pd.Series(pd.Categorical(values, categories=index, ordered=ordered))
