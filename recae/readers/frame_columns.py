"""Tables in memory to columns, with the column of each role."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from recae.errors import DataError
from recae.ratings.any_frame import as_arrow, as_pandas, has_fields, is_rows
from recae.readers.columns import Choice, assign
from recae.readers.id_columns import id_column

KNOWN = "a name, a path, a frame (pandas, polars, Arrow), a dict of columns, a scipy.sparse array or a RatingMatrix"


def columns_of(
    source: Any, given: Mapping[str, Choice], expected: Mapping[str, Choice] | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Role to values, and role to the name of its column.

    Raises:
        DataError: a role has no column, or the columns are of several lengths.
        ParameterError: it is no table.
    """
    if isinstance(source, pd.DataFrame | pd.Series | Mapping) or is_rows(source) or has_fields(source):
        frame = as_pandas(source)
        chosen = assign(list(frame.columns), given, "the table", expected)
        return {role: frame[column] for role, column in chosen.items()}, chosen
    table = as_arrow(source)
    chosen = assign(table.column_names, given, "the table", expected)
    return {role: plain_column(table.column(column), role) for role, column in chosen.items()}, chosen


def plain_column(column: Any, role: str) -> Any:
    """An Arrow column as pandas has it; strings numbered already, so that only the distinct ones are looked at.

    Decimal numbers become integers or texts where the `role` is user or item, and floating-point numbers elsewhere.

    Raises:
        DataError: the column holds lists or records.
    """
    import pyarrow as pa
    from pyarrow import types

    kind = column.type
    if types.is_nested(kind):
        raise DataError(f"a column holds {kind}: ids, ratings and times are plain values; take the field that is meant")
    if (types.is_string(kind) or types.is_large_string(kind)) and column.null_count == 0:
        return id_column(column.cast(pa.large_string()).dictionary_encode(), integers=False, trimmed=False)
    if types.is_date(kind):
        return column.cast(pa.timestamp("s")).to_pandas()
    if types.is_decimal(kind) and role in ("user", "item"):
        return _exact_ids(column, role)
    if types.is_decimal(kind):
        return column.cast(pa.float64()).to_pandas()
    return column.to_pandas(integer_object_nulls=True)


def _exact_ids(column: Any, role: str) -> Any:
    """Decimal ids as integers of 64 bits where that loses nothing, else as texts: floats would make one of two ids."""
    import pyarrow as pa
    from pyarrow import compute

    kind = column.type
    if kind.bit_width < 128:  # pyarrow casts no shorter ones to int64
        column = column.cast(pa.decimal128(kind.precision, kind.scale))
    try:
        column = column.cast(pa.int64())
    except pa.ArrowInvalid:  # fractions, or more than 64 bits
        texts = column.cast(pa.string())
        column = compute.replace_substring_regex(texts, r"\.0+$", "")  # as another part has it, which has no fractions
    return plain_column(column, role)
