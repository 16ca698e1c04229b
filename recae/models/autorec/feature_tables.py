"""A table of what is known of users or items, as a matrix of numbers that a network can read."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from recae._types import IdArray, Mask
from recae.ratings.side_columns import cells_of, is_number_column, table_checksum, values_in

COMMON = 0.01  # a value that a smaller share of the rows has (a title, a zip code) says little of others: no column
FEW = 5  # nor has one that fewer rows have
DECILES = np.arange(1, 10) / 10


class Features(NamedTuple):
    """`matrix` float32 (n, f), a row for each id, each column of mean 0; `names` says what the f columns are."""

    matrix: npt.NDArray[np.float32]
    names: list[str]


class Column(NamedTuple):
    """How a column is read: by the `mean` and `deviation` of numbers; or by `values`, whose shares are `mean`.

    Numbers with `bends` become one column more for each of them, max(0, x - bend), of which `mean` has the means, too:
    what follows from a year or a price may then rise here and fall there.
    """

    name: str
    mean: npt.NDArray[np.float64]
    deviation: float
    values: tuple[str, ...] | None = None
    bends: tuple[float, ...] = ()

    @property
    def n_features(self) -> int:
        return len(self.mean)


def encode_table(
    table: pd.DataFrame | None, ids: IdArray, *, common: int | None = None, bends: bool = False
) -> Features:
    """Rows of `table` for `ids`, encoded column by column.

    Numbers are standardised. Texts, truth values, categories and objects become one column for each value that at
    least `common` rows have, also where the values are whole numbers (`is_number_column`). Texts with "|" between
    values ("Comedy|Drama") and lists of values count for each of them. Columns are then taken less their mean, so that
    0 means "as usual": it stands for whatever is missing, and for ids that the table does not have.

    Args:
        table: indexed by raw id; None for nothing known.
        ids: raw ids, (n,).
        common: by default 1 % of the ids, and at least 5.
        bends: numbers bend at their deciles (`Column`).
    """
    return encode_rows(table, ids, learn_columns(table, ids, common=common, bends=bends))


def learn_columns(
    table: pd.DataFrame | None, ids: IdArray, *, common: int | None = None, bends: bool = False
) -> list[Column]:
    """How the columns of a table are read, from its rows for `ids`; arguments as of `encode_table`."""
    common = max(FEW, math.ceil(COMMON * len(ids))) if common is None else common
    rows = _rows(table, ids)
    return [] if rows is None else [_learn(str(name), rows[name], common, bends) for name in rows.columns]


def checksum_of_read(table: pd.DataFrame | None, ids: IdArray) -> str:
    """`table_checksum` of the columns that become features: titles and the like may change."""
    return table_checksum(table, ids, {column.name for column in learn_columns(table, ids) if column.n_features})


def encode_rows(table: pd.DataFrame | None, ids: IdArray, columns: Sequence[Column]) -> Features:
    """Rows of a table for `ids`, read as `columns` of another one; 0 for a column that it does not have."""
    rows, missing = _rows(table, ids), pd.Series([None] * len(ids), dtype=object)
    cells = {} if rows is None else {str(name): rows[name] for name in rows.columns}
    parts = [_encode(column, cells.get(column.name, missing)) for column in columns]
    matrix = np.concatenate([np.zeros((len(ids), 0), np.float32), *(part.matrix for part in parts)], axis=1)
    return Features(matrix, [name for part in parts for name in part.names])


def _rows(table: pd.DataFrame | None, ids: IdArray) -> pd.DataFrame | None:
    if table is None or not len(table.columns):
        return None
    single = table if table.index.is_unique else table[~table.index.duplicated()]  # pandas keeps whether it is
    return single.reindex(pd.Index(ids))


def _learn(name: str, column: pd.Series[Any], common: int, bends: bool) -> Column:
    if is_number_column(column):
        return _learn_number(name, column, bends)
    values = [values_in(cell) for cell in cells_of(column)]
    counts = Counter(value for some in values if some is not None for value in some)
    chosen = tuple(sorted(value for value, count in counts.items() if common <= count < len(values)))
    matrix, known = _indicators(values, chosen)
    return Column(name, matrix[known].mean(0) if known.any() else np.zeros(len(chosen)), 1.0, chosen)


def _learn_number(name: str, column: pd.Series[Any], bends: bool) -> Column:
    """A column that is always the same, or that float64 knows no deviation of, says nothing, and has no values."""
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    some = values[np.isfinite(values)]
    with np.errstate(over="ignore", invalid="ignore"):
        deviation = float(some.std()) if len(some) and some.min() < some.max() else 0.0
    if not 0 < deviation < math.inf:
        return Column(name, np.zeros(0), 1.0, ())
    at = tuple(np.unique(np.quantile(some, DECILES))) if bends else ()
    means = [some.mean(), *(np.maximum(some - bend, 0).mean() for bend in at)]
    return Column(name, np.array(means), deviation, bends=at)


def _encode(how: Column, column: pd.Series[Any]) -> Features:
    if how.values is None:
        numbers = column if pd.api.types.is_numeric_dtype(column) else pd.to_numeric(column, errors="coerce")
        values = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
        bent = np.stack([values, *(np.maximum(values - bend, 0) for bend in how.bends)], 1)
        scaled = (bent - how.mean) / how.deviation
        names = [how.name, *(f"{how.name}>{bend:g}" for bend in how.bends)]
        return Features(np.where(np.isfinite(values)[:, None], scaled, 0.0).astype(np.float32), names)
    if not how.values:
        return Features(np.zeros((len(column), 0), np.float32), [])
    matrix, known = _indicators([values_in(cell) for cell in cells_of(column)], how.values)
    matrix = (matrix - how.mean) * known[:, None]
    return Features(matrix.astype(np.float32), [f"{how.name}={value}" for value in how.values])


def _indicators(values: list[list[str] | None], chosen: Sequence[str]) -> tuple[npt.NDArray[np.float64], Mask]:
    """Which of the `chosen` values each row has, ones, (n, m), and which rows have any value at all, (n,)."""
    column_of = {value: j for j, value in enumerate(chosen)}
    matrix = np.zeros((len(values), len(chosen)))
    for row, some in enumerate(values):
        matrix[row, [column_of[value] for value in some or () if value in column_of]] = 1.0
    return matrix, np.array([some is not None for some in values], bool)
