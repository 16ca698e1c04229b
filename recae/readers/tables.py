"""Any table of ratings, a file or a pandas frame, to a `RatingMatrix`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from recae._types import IntArray
from recae.errors import DataError, ParameterError
from recae.ratings import RatingMatrix
from recae.ratings.csr import Duplicates, Where, finite_ratings, refuse_missing_ids, row_number, seconds
from recae.readers.columns import Choice, assign
from recae.readers.delimited import id_column, line_of, open_bytes, read_columns, sniff

PACKED = (".gz", ".bz2", ".zst")
Scale = tuple[float, float] | None


def from_table(
    frame: pd.DataFrame, given: dict[str, Choice], scale: Scale, duplicates: Duplicates, name: str
) -> RatingMatrix:
    """Ratings from a pandas frame, columns guessed where `given` is silent; see `recae.load`."""
    chosen = assign(list(frame.columns), given, "the table")
    columns = {role: frame[column] for role, column in chosen.items()}
    return _assemble(columns, chosen, row_number, scale, duplicates, name)


def from_file(path: Path, given: dict[str, Choice], scale: Scale, duplicates: Duplicates, name: str) -> RatingMatrix:
    """Ratings from a csv, tsv, '::', Parquet or JSON-lines file, packed or not; see `recae.load`."""
    read = {".parquet": _parquet, ".pq": _parquet, ".jsonl": _json_lines, ".ndjson": _json_lines, ".json": _json_lines}
    columns, chosen, where = read.get(kind_of(path), _delimited)(path, given)
    return _assemble(columns, chosen, where, scale, duplicates, name)


def kind_of(path: Path) -> str:
    """The suffix that tells the format: '.csv' for 'ratings.csv.gz'."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    return next((suffix for suffix in reversed(suffixes) if suffix not in PACKED), "")


Columns = tuple[dict[str, Any], dict[str, Any], Where]  # role -> values; role -> column's name; how to name a row


def _assemble(
    columns: dict[str, Any], chosen: dict[str, Any], where: Where, scale: Scale, duplicates: Duplicates, name: str
) -> RatingMatrix:
    if len(columns["user"]) == 0:
        raise DataError(f"{name} has no rows: at least one rating is needed")
    users, items, ratings, stamps = checked(columns, chosen, where)
    return RatingMatrix.from_columns(
        users, items, ratings, stamps, scale=scale, duplicates=duplicates, name=name, where=where
    )


def checked(
    columns: dict[str, Any], chosen: dict[str, Any], where: Where
) -> tuple[pd.Series, pd.Series, npt.NDArray[np.float32], IntArray | None]:
    """Users, items, ratings and timestamps of a table, (n,) each.

    Raises:
        DataError: an id is missing, or a rating or a time is not a number; the message says `where`.
    """
    series = {role: pd.Series(values, copy=False) for role, values in columns.items()}
    for role in ("user", "item"):
        refuse_missing_ids(series[role], chosen[role], where)
        _refuse_empty_ids(series[role], chosen[role], where)
    if "rating" in series:
        ratings = finite_ratings(series["rating"], chosen["rating"], where)
    else:
        ratings = np.ones(len(series["user"]), dtype=np.float32)
    stamps = seconds(series["timestamp"], chosen["timestamp"], where) if "timestamp" in series else None
    return series["user"], series["item"], ratings, stamps


def _refuse_empty_ids(column: pd.Series, name: str, where: Where) -> None:
    """In a text file a missing id is an empty field."""
    if isinstance(column.dtype, pd.CategoricalDtype) and "" in column.cat.categories:
        empty = column.cat.codes.to_numpy() == column.cat.categories.get_loc("")
        if empty.any():
            raise DataError(f"{where(int(np.argmax(empty)))}: the id in column {name!r} is missing")


# ---------------------------------------------------------------- one function a format


def _delimited(path: Path, given: dict[str, Choice]) -> Columns:
    layout = sniff(path, tuple(choice for choice in given.values() if isinstance(choice, str)))
    chosen = assign(layout.names, given, path.name)
    kinds = {"user": "id", "item": "id", "rating": "rating", "timestamp": "time"}
    values = read_columns(layout, {chosen[role]: kinds[role] for role in chosen})
    return {role: values[column] for role, column in chosen.items()}, chosen, lambda row: line_of(layout, row)


def _parquet(path: Path, given: dict[str, Choice]) -> Columns:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            chosen = assign(file.schema_arrow.names, given, path.name)
            table = file.read(columns=list(chosen.values()))
    except pa.ArrowException as error:
        raise DataError(f"{path.name} cannot be read as Parquet: {str(error).splitlines()[0]}") from None
    columns = {role: plain_column(table.column(name)) for role, name in chosen.items()}
    return columns, chosen, lambda row: f"{path.name}, row {row + 1}"


def plain_column(column: Any) -> Any:
    """An Arrow column as pandas has it; strings numbered already, so that only the distinct ones are looked at."""
    from pyarrow import types

    kind = column.type
    strings = types.is_string(kind) or types.is_large_string(kind)
    if strings and column.null_count == 0:
        return id_column(column.dictionary_encode(), integers=False)
    return column.to_pandas(integer_object_nulls=True)


def _json_lines(path: Path, given: dict[str, Choice]) -> Columns:
    """One object a line; ids keep the type that JSON gives them."""
    lines = _objects(path)
    first = next(lines, None)
    if first is None:
        raise DataError(f"{path.name} is empty: at least one rating is needed")
    chosen = assign(list(first[1]), given, path.name)
    columns = _json_fast(path, first[1], chosen) or _json_slow(path, chosen)
    return columns, chosen, lambda row: _json_line(path, row)


def _json_fast(path: Path, first: dict[str, Any], chosen: dict[str, Any]) -> dict[str, Any] | None:
    """By pyarrow, with the types of the first line; None where another line has other types."""
    import pyarrow as pa
    from pyarrow import json as arrow

    types = {int: pa.int64(), str: pa.string(), float: pa.float64()}
    kinds = {name: types.get(type(first[name])) for name in chosen.values()}
    if "rating" in chosen:
        kinds[chosen["rating"]] = pa.float64()
    if None in kinds.values():
        return None
    parse = arrow.ParseOptions(explicit_schema=pa.schema(kinds.items()), unexpected_field_behavior="ignore")
    try:
        with open_bytes(path) as file:
            table = arrow.read_json(file, parse_options=parse)
    except pa.ArrowInvalid:
        return None
    if any(table.column(name).null_count for name in chosen.values()):
        return None
    return {role: plain_column(table.column(name)) for role, name in chosen.items()}


def _json_slow(path: Path, chosen: dict[str, Any]) -> dict[str, Any]:
    """Line by line: takes ids of mixed types, and finds the line at fault."""
    values: dict[str, list[Any]] = {role: [] for role in chosen}
    for number, record in _objects(path):
        for role, name in chosen.items():
            if name not in record:
                raise DataError(f"{path.name}, line {number}: no field {name!r} for the {role}")
            values[role].append(record[name])
    return {role: pd.Series(column, dtype=object).infer_objects() for role, column in values.items()}


def _objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number and object of every line that is not empty."""
    with open_bytes(path) as file:
        for number, line in enumerate(_text_lines(file), 1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except ValueError as error:
                raise DataError(f"{path.name}, line {number}: not JSON ({error}); one object a line is read") from None
            if not isinstance(record, dict):
                raise DataError(
                    f"{path.name}, line {number}: a JSON {type(record).__name__}, expected one object a line; "
                    "read another layout with pandas and pass the frame"
                )
            yield number, record


def _text_lines(file: Any) -> Iterator[str]:
    import io

    return io.TextIOWrapper(file, encoding="utf-8-sig")


def _json_line(path: Path, row: int) -> str:
    for position, (number, _) in enumerate(_objects(path)):
        if position == row:
            return f"{path.name}, line {number}"
    raise ParameterError(f"{path.name} has no row {row + 1}")
