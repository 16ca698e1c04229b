"""Tables in memory to columns: pandas, polars and Arrow frames, dicts of columns, lists of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from recae.errors import DataError, ParameterError
from recae.readers.columns import ROLES, Choice, assign

KNOWN = "a name, a path, a frame (pandas, polars, Arrow), a dict of columns, a scipy.sparse array or a RatingMatrix"


def is_table(source: Any) -> bool:
    """Whether `source` is a table of columns that `columns_of` reads."""
    return isinstance(source, pd.DataFrame | Mapping) or _is_rows(source) or _is_frame(source)


def _is_frame(source: Any) -> bool:
    return (
        hasattr(source, "__arrow_c_stream__") or hasattr(source, "__dataframe__") or hasattr(source, "collect_schema")
    )


def _is_rows(source: Any) -> bool:
    """A list of rows: dicts by name, or tuples of user, item, rating and perhaps timestamp."""
    return isinstance(source, Sequence) and not isinstance(source, str | bytes) and len(source) > 0 and (
        isinstance(source[0], Mapping | tuple | list)
    )  # fmt: skip


def columns_of(source: Any, given: dict[str, Choice]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Role to values, and role to the name of its column.

    Raises:
        DataError: a role has no column, or the columns are of several lengths.
        ParameterError: it is no table.
    """
    if isinstance(source, pd.DataFrame):
        chosen = assign(list(source.columns), given, "the table")
        return {role: source[column] for role, column in chosen.items()}, chosen
    if isinstance(source, Mapping) or _is_rows(source):
        return columns_of(_as_pandas(source), given)
    table = as_arrow(source)
    chosen = assign(table.column_names, given, "the table")
    return {role: plain_column(table.column(column)) for role, column in chosen.items()}, chosen


def _as_pandas(source: Any) -> pd.DataFrame:
    try:
        frame = pd.DataFrame(dict(source) if isinstance(source, Mapping) else list(source))
    except ValueError as error:
        raise DataError(f"the table cannot be read: {error}") from None
    if not isinstance(source, Mapping) and not isinstance(source[0], Mapping) and len(frame.columns) <= len(ROLES):
        frame.columns = pd.Index(ROLES[: len(frame.columns)])
    return frame


def as_arrow(source: Any) -> Any:
    """An Arrow table of a frame of another library, without a copy where the library allows it."""
    import pyarrow as pa

    if hasattr(source, "collect_schema"):  # polars: what is not computed yet
        source = source.collect() if hasattr(source, "collect") else source
    try:
        if hasattr(source, "__arrow_c_stream__"):
            return pa.table(source)
        return pa.interchange.from_dataframe(source)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise ParameterError(f"cannot read the {type(source).__name__} ({error}): pass {KNOWN}") from None


def as_pandas(source: Any) -> pd.DataFrame:
    """Any table that `is_table` knows as a pandas frame."""
    if isinstance(source, pd.DataFrame):
        return source
    if isinstance(source, Mapping) or _is_rows(source):
        return _as_pandas(source)
    frame: pd.DataFrame = as_arrow(source).to_pandas()
    return frame


def plain_column(column: Any) -> Any:
    """An Arrow column as pandas has it; strings numbered already, so that only the distinct ones are looked at.

    Raises:
        DataError: the column holds lists or records.
    """
    import pyarrow as pa
    from pyarrow import types

    from recae.readers.delimited import id_column

    column = pa.chunked_array([column]) if isinstance(column, pa.Array) else column
    kind = column.type
    if types.is_nested(kind):
        raise DataError(f"a column holds {kind}: ids, ratings and times are plain values; take the field that is meant")
    if types.is_dictionary(kind):
        column = pa.chunked_array([_decoded(chunk) for chunk in column.chunks])
    if types.is_string_view(column.type):
        column = column.cast(pa.large_string())
    kind = column.type
    strings = types.is_string(kind) or types.is_large_string(kind)
    if strings and column.null_count == 0:
        return id_column(column.cast(pa.large_string()).dictionary_encode(), integers=False, trimmed=False)
    if types.is_date(kind):
        return column.cast(pa.timestamp("s")).to_pandas()
    if types.is_decimal(kind):
        return column.cast(pa.float64()).to_pandas()
    return column.to_pandas(integer_object_nulls=True)


def _decoded(chunk: Any) -> Any:
    """The values of a dictionary-encoded array; pyarrow cannot take from texts as polars keeps them."""
    import pyarrow as pa

    values = chunk.dictionary
    if pa.types.is_string_view(values.type):
        values = values.cast(pa.large_string())
    return values.take(chunk.indices)
