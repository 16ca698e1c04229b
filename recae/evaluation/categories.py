"""Categories of items, from their table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from recae._types import Csr
from recae.errors import DataError
from recae.ratings import RatingMatrix

COLUMNS = ("genres", "genre", "categories", "category")
SEPARATOR = "|"


def category_shares(ratings: RatingMatrix) -> Csr:
    """p(g | i): each item's categories, all with the same share, (n_items, n_categories); rows of unknown ones are 0.

    They are read from the item table's column genres, genre, categories or category: lists, or texts with "|" between.

    Raises:
        DataError: there is no such column, or it is empty.
    """
    table = ratings.item_table
    columns = {} if table is None else {str(name).lower(): name for name in table.columns}
    name = next((columns[one] for one in COLUMNS if one in columns), None)
    if table is None or name is None:
        raise DataError(
            f"calibration needs the items' categories, and {ratings.name!r} has no column of them",
            remedy="give an item_table with a column 'genres' (texts such as 'Comedy|Drama')",
        )
    column = table.loc[~table.index.duplicated(), name].reindex(pd.Index(ratings.item_ids))
    cells = [_categories(cell) for cell in column]
    numbers: dict[str, int] = {}
    indices = [numbers.setdefault(one, len(numbers)) for cell in cells for one in cell]
    if not indices:
        raise DataError(
            f"no item of {ratings.name!r} has a category in its column {name!r}: are the table's ids right?"
        )
    sizes = np.array([len(cell) for cell in cells])
    shares = np.repeat(1 / np.maximum(sizes, 1), sizes)
    indptr = np.concatenate([[0], np.cumsum(sizes)])
    return sparse.csr_array((shares, np.array(indices), indptr), shape=(ratings.n_items, len(numbers)))


def _categories(cell: Any) -> list[str]:
    if isinstance(cell, list | tuple | set | frozenset | np.ndarray):
        return list(dict.fromkeys(str(one) for one in cell))
    if cell is None or pd.isna(cell):
        return []
    return list(dict.fromkeys(part.strip() for part in str(cell).split(SEPARATOR) if part.strip()))
