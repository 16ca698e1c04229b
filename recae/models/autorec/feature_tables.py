"""A table of what is known of users or items, as a matrix of numbers that a network can read."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from recae._types import IdArray

COMMON = 0.01  # a value that a smaller share of the rows has (a title, a zip code) says little of others: no column
FEW = 5  # nor has one that fewer rows have
SEPARATOR = "|"


class Features(NamedTuple):
    """`matrix` float32 (n, f), a row for each id, each column of mean 0; `names` says what the f columns are."""

    matrix: npt.NDArray[np.float32]
    names: list[str]


def encode_table(table: pd.DataFrame | None, ids: IdArray, *, common: int | None = None) -> Features:
    """Rows of `table` for `ids`, encoded column by column.

    Numbers are standardised. Texts and truth values become one column for each value that at least `common` rows
    have; texts with "|" between values ("Comedy|Drama") and lists of values count for each of them. Columns are then
    taken less their mean, so that 0 means "as usual": it stands for whatever is missing, and for ids that the table
    does not have.

    Args:
        table: indexed by raw id; None for nothing known.
        ids: raw ids, (n,).
        common: by default 1 % of the ids, and at least 5.
    """
    common = max(FEW, math.ceil(COMMON * len(ids))) if common is None else common
    if table is None or not len(table.columns):
        return Features(np.zeros((len(ids), 0), np.float32), [])
    rows = table[~table.index.duplicated()].reindex(pd.Index(ids))
    parts = [_column(str(name), rows[name], common) for name in rows.columns]
    matrix = np.concatenate([part.matrix for part in parts], axis=1)
    return Features(matrix, [name for part in parts for name in part.names])


def _column(name: str, column: pd.Series[Any], common: int) -> Features:
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return _number(name, column)
    values = [_values(value) for value in column]
    counts = Counter(value for some in values if some is not None for value in some)
    chosen = sorted(value for value, count in counts.items() if common <= count < len(values))
    column_of = {value: j for j, value in enumerate(chosen)}
    matrix = np.zeros((len(values), len(chosen)))
    for row, some in enumerate(values):
        matrix[row, [column_of[value] for value in some or () if value in column_of]] = 1.0
    known = np.array([some is not None for some in values])
    matrix = (matrix - matrix[known].mean(0)) * known[:, None] if known.any() else matrix
    return Features(matrix.astype(np.float32), [f"{name}={value}" for value in chosen])


def _number(name: str, column: pd.Series[Any]) -> Features:
    """Standardised; missing is 0. A column that is always the same says nothing."""
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    known = np.isfinite(values)
    if not known.any() or np.ptp(values[known]) == 0:
        return Features(np.zeros((len(values), 0), np.float32), [])
    scaled = (values - values[known].mean()) / values[known].std()
    return Features(np.where(known, scaled, 0.0).astype(np.float32)[:, None], [name])


def _values(value: Any) -> set[str] | None:
    """The values that a cell holds; None where it is missing."""
    if isinstance(value, list | tuple | set | frozenset | np.ndarray):
        return {str(one) for one in value}
    if pd.isna(value):
        return None
    return {part for part in str(value).split(SEPARATOR) if part}
