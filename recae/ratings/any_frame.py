"""Tables in memory of any library as pandas frames or Arrow tables: polars, Arrow, dicts of columns, lists of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from recae.errors import DataError, ParameterError

ROW = ("user", "item", "rating", "timestamp")  # the columns of rows that are tuples
PROTOCOLS = ("__arrow_c_stream__", "__dataframe__", "collect_schema")


def is_table(source: Any) -> bool:
    """Whether `as_pandas` reads `source`."""
    known = isinstance(source, pd.DataFrame | pd.Series | Mapping) or is_rows(source) or has_fields(source)
    return known or any(hasattr(source, protocol) for protocol in PROTOCOLS)


def has_fields(source: Any) -> bool:
    """Whether it is a NumPy array of records, with a name for each field."""
    return isinstance(source, np.ndarray) and source.dtype.names is not None


def is_rows(source: Any) -> bool:
    """Whether it is a list of rows: dicts by name, or tuples of user, item, rating and perhaps timestamp."""
    return isinstance(source, Sequence) and not isinstance(source, str | bytes) and len(source) > 0 and (
        isinstance(source[0], Mapping | tuple | list)
    )  # fmt: skip


def as_pandas(source: Any) -> pd.DataFrame:
    """A table as a pandas frame; one that is a pandas frame is given back as it is, with a column for a named index.

    Raises:
        DataError: columns or rows have several lengths.
        ParameterError: it is no table.
    """
    if isinstance(source, pd.Series) and any(name is not None for name in source.index.names):
        source = source.to_frame("rating" if source.name is None else source.name)
    if isinstance(source, pd.DataFrame):
        return _with_index(source)
    if has_fields(source):
        return pd.DataFrame(source)
    if not isinstance(source, Mapping) and not is_rows(source):
        frame: pd.DataFrame = as_arrow(source).to_pandas()
        return frame
    try:
        frame = pd.DataFrame(dict(source) if isinstance(source, Mapping) else list(source))
    except ValueError as error:
        raise DataError(f"the table cannot be read: {error}") from None
    if not isinstance(source, Mapping) and not isinstance(source[0], Mapping) and len(frame.columns) <= len(ROW):
        frame.columns = pd.Index(ROW[: len(frame.columns)])
    return frame


def _with_index(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame whose index has names, such as user and item, with columns for them, after its own."""
    levels = [n for n, name in enumerate(frame.index.names) if name is not None and name not in frame.columns]
    if not levels or isinstance(frame.columns, pd.MultiIndex):
        return frame
    columns = {frame.index.names[n]: frame.index.get_level_values(n) for n in levels}
    return pd.concat([frame, pd.DataFrame(columns, index=frame.index)], axis=1)


def as_arrow(source: Any) -> Any:
    """An Arrow table of a frame of another library, texts as strings; without a copy where the library allows it.

    Raises:
        ParameterError: it is no frame.
    """
    import pyarrow as pa
    from pyarrow.interchange import from_dataframe

    if hasattr(source, "collect_schema") and hasattr(source, "collect"):  # polars: what is not computed yet
        source = source.collect()
    try:
        table = pa.table(source) if hasattr(source, "__arrow_c_stream__") else from_dataframe(source)
    except (pa.ArrowException, AttributeError, TypeError, ValueError) as error:
        raise ParameterError(
            f"a table is needed, a frame (pandas, polars, Arrow), a dict of columns or a list of rows, and this is a "
            f"{type(source).__name__} ({error})"
        ) from None
    return pa.table([_with_strings(column) for column in table.columns], names=table.column_names)


def _with_strings(column: Any) -> Any:
    """A column whose texts pyarrow can take from and convert, which it cannot where they are kept as polars does."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = pa.chunked_array([_decoded(chunk) for chunk in column.chunks], type=_text(column.type.value_type))
    return column.cast(_text(column.type))


def _text(kind: Any) -> Any:
    import pyarrow as pa

    return pa.large_string() if pa.types.is_string_view(kind) else kind


def _decoded(chunk: Any) -> Any:
    values = chunk.dictionary
    return values.cast(_text(values.type)).take(chunk.indices)
