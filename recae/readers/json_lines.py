"""Files of JSON lines to columns: one object a line; ids keep the type that JSON gives them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from recae.errors import DataError, ParameterError, Phrase, Remedy
from recae.readers.arrow_memory import opened_by_arrow
from recae.readers.columns import Choice, assign
from recae.readers.frame_columns import plain_column
from recae.readers.packing import open_bytes
from recae.readers.text_layout import not_in_encoding


def read_json_lines(
    path: Path, given: Mapping[str, Choice], encoding: str, expected: Mapping[str, Choice] | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Role to values, and role to the name of its field.

    Raises:
        DataError: a line is no object, lacks a field, or holds a list or an object in one; the message names it.
    """
    first = next(_objects(path, encoding), None)
    if first is None:
        raise DataError(f"{path.name} is empty: at least one rating is needed")
    chosen = assign(list(first[1]), given, path.name, expected)
    return _fast(path, first[1], chosen, encoding) or _slow(path, chosen, encoding), chosen


def read_json_table(path: Path, encoding: str) -> pd.DataFrame:
    """All fields of all lines, each value of the type that JSON gives it; a field that a line lacks is missing there.

    Raises:
        DataError: there are no lines, one is no object, or a text has half a character; the message names the line.
    """
    rows = []
    for number, record in _objects(path, encoding):
        for name, value in record.items():
            _refuse_half_character(value, f"{path.name}, line {number}: field {name!r}")
        rows.append(record)
    if not rows:
        raise DataError(f"{path.name} is empty: at least one row is needed")
    return pd.DataFrame(rows)


def line_of(path: Path, row: int, encoding: str) -> str:
    """How messages name the object at position `row`; the file is read again."""
    for position, (number, _) in enumerate(_objects(path, encoding)):
        if position == row:
            return f"{path.name}, line {number}"
    raise ParameterError(f"{path.name} has no row {row + 1}")


def _fast(path: Path, first: dict[str, Any], chosen: dict[str, Any], encoding: str) -> dict[str, Any] | None:
    """By pyarrow, with the types of the first line; None where another line has other types."""
    import pyarrow as pa
    from pyarrow import json as arrow

    types = {int: pa.int64(), str: pa.string(), float: pa.float64()}
    kinds = {name: types.get(type(first[name])) for name in chosen.values()}
    if "rating" in chosen:
        kinds[chosen["rating"]] = pa.float64()
    if None in kinds.values() or encoding not in ("utf-8", "utf8"):
        return None
    parse = arrow.ParseOptions(explicit_schema=pa.schema(kinds.items()), unexpected_field_behavior="ignore")
    try:
        with opened_by_arrow(path) as source:
            table = arrow.read_json(source, parse_options=parse)
    except pa.ArrowInvalid:
        return None
    if any(table.column(name).null_count for name in chosen.values()):
        return None
    return {role: plain_column(table.column(name), role) for role, name in chosen.items()}


def _slow(path: Path, chosen: dict[str, Any], encoding: str) -> dict[str, Any]:
    """Line by line: takes ids of mixed types, and finds the line at fault."""
    values: dict[str, list[Any]] = {role: [] for role in chosen}
    for number, record in _objects(path, encoding):
        for role, name in chosen.items():
            where = f"{path.name}, line {number}"
            if name not in record:
                raise DataError(f"{where}: no field {name!r} for the {role}")
            if isinstance(record[name], dict | list):
                raise DataError(
                    f"{where}: the {role} in field {name!r} is {json.dumps(record[name])[:60]}, and a number or a text "
                    "is needed: write the value that is meant, without the brackets"
                )
            _refuse_half_character(record[name], f"{where}: the {role} in field {name!r}")
            values[role].append(record[name])
    return {role: pd.Series(column, dtype=object).infer_objects() for role, column in values.items()}


def _refuse_half_character(value: Any, what: str) -> None:
    """Refuse a text that UTF-8 does not have: JSON can write half a surrogate pair."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise DataError(f"{what} holds half a character, which UTF-8 has not") from None


def _objects(path: Path, encoding: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number and object of every line that is not empty."""
    with open_bytes(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8-sig" if encoding in ("utf-8", "utf8") else encoding)
        try:
            for number, line in enumerate(text, 1):
                if line.strip():
                    yield number, _object(line, f"{path.name}, line {number}")
        except UnicodeError:
            raise not_in_encoding(path.name, encoding) from None


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except RecursionError:
        raise DataError(f"{where}: nested too deep; one object a line is read") from None
    except ValueError as error:
        raise DataError(f"{where}: not JSON ({error}); one object a line is read") from None
    if not isinstance(record, dict):
        raise DataError(
            f"{where}: a JSON {type(record).__name__}, expected one object a line",
            remedy=Remedy("read another layout with pandas and pass {frame}", frame=Phrase("the frame")),
        )
    return record
