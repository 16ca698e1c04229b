"""What items are called: the column of their table that lists show."""

from __future__ import annotations

import pandas as pd

NAMES = ("title", "name")  # the first one that there is, in any case


def titles_in(table: pd.DataFrame | None) -> pd.Series | None:
    """Titles by raw item id: the column `title`, else `name`, in any case; None where the table has neither."""
    if table is None:
        return None
    exact = {str(column): column for column in reversed(table.columns)}
    folded = {str(column).casefold(): column for column in reversed(table.columns)}
    for name in NAMES:
        column = exact.get(name, folded.get(name))
        if column is not None:
            found: pd.Series = table[column]
            return found
    return None
