"""Text files with columns, read by pyarrow; ids keep every character that they have, but for blanks round them.

An id column is read as distinct strings and becomes integers only if every id would come back the same
(no leading zeros, signs or points): "007" stays "007".
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice, product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recae.errors import DataError, DataWarning, shown
from recae.readers.arrow_memory import held_by_arrow
from recae.readers.columns import MISSING, Choice, assign, is_position
from recae.readers.id_columns import id_column
from recae.readers.integers import DELIMITERS, bytes_are_plain, read_plain
from recae.readers.quotes import whole_records, without_quotes
from recae.readers.reading import Reading
from recae.readers.sniffing import TextOptions, sniff
from recae.readers.text_layout import Layout, line_blocks, not_in_encoding, records

KINDS = {"user": "id", "item": "id", "rating": "rating", "timestamp": "time"}
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")


@dataclass
class TextTable:
    """A text file, and which of its columns hold users, items, ratings and timestamps.

    Attributes:
        layout: how it is written.
        chosen: role to column.
        kinds: column to what it holds: 'id', 'rating', 'time' or 'integer'.
    """

    layout: Layout
    chosen: dict[str, str]
    kinds: dict[str, str] = field(init=False)
    _types: tuple[str, str] = field(init=False, default=("float", "integer"))  # ratings and times in the last block

    def __post_init__(self) -> None:
        self.kinds = {column: KINDS[role] for role, column in self.chosen.items()}

    @classmethod
    def open(
        cls, path: Path, given: Mapping[str, Choice], options: TextOptions | None = None,
        expected: Reading | None = None,
    ) -> TextTable:  # fmt: skip
        """The file at `path`, with the columns that are `given`, `expected` of files like it, or found.

        Raises:
            DataError: it cannot be told how it is written, or a role has no column.
        """
        expected = expected or Reading()
        choices = {**expected.columns, **_not_none(given)}
        wanted = [choice for choice in choices.values() if choice is not None and not isinstance(choice, bool)]
        layout = sniff(path, wanted, options, expected.text)
        if not layout.header:  # positions are all that tells columns apart
            given = {role: choice for role, choice in choices.items() if is_position(choice)} | _not_none(given)
        return cls(layout, assign(layout.names, given, path.name, expected.columns))

    def tables(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[Any, int]]:
        """Arrow tables of the wanted columns, block by block, and how many bytes of the file were read so far.

        Ids are dictionaries of strings; ratings are float32, or strings where they have decimal commas; times are
        int64, timestamps or dictionaries of strings.

        Raises:
            DataError: a line has too few or too many fields, or a field cannot be read; the message names the line.
        """
        import pyarrow as pa

        spanning = self.layout.quoting == "spanning"
        blocks = whole_records(self.layout) if spanning else line_blocks(self.layout, start, stop)
        try:
            for block, so_far in blocks:
                if block.strip():
                    yield self._parsed(block, newlines=spanning), so_far
        except pa.ArrowInvalid as error:
            raise explained(self.layout, self.kinds, error, start) from None

    def _parsed(self, block: bytes, *, newlines: bool = False) -> Any:
        import pyarrow as pa

        if self.layout.even:
            block = without_quotes(block)
        others = [types for types in product(("float", "text"), ("integer", "date", "text")) if types != self._types]
        integers = self.layout.delimiter in DELIMITERS and bytes_are_plain(block, 0, self.layout.delimiter)
        for types in (self._types, *others):
            try:
                table = self._table(block, types, integers, newlines)
            except pa.ArrowInvalid as error:
                fault = error
                continue
            self._types = types
            return table
        raise fault

    def _table(self, block: bytes, types: tuple[str, str], integers: bool, newlines: bool) -> Any:
        """A block as a table; where its bytes are plain numbers, ids are read as integers, in a fifth of the time."""
        import pyarrow as pa
        from pyarrow import csv

        options = arrow_options(self.layout, self.kinds, types, newlines=newlines)
        options[0].block_size = len(block)  # a line of any length is within it
        held = held_by_arrow(block)
        ids = [column for column, kind in self.kinds.items() if kind == "id"]
        if integers:
            careful = options[2].column_types
            options[2].column_types = careful | dict.fromkeys(ids, pa.int64())
            with suppress(pa.ArrowInvalid):  # fractions, or more than 64 bits
                table = csv.read_csv(pa.BufferReader(held), *options)
                if not any(table.column(name).null_count for name in ids):
                    return table
            options[2].column_types = careful
        return csv.read_csv(pa.BufferReader(held), *options)

    def joined(self, tables: list[Any]) -> dict[str, Any]:
        """The rows of some of the `tables`: role to an array or a categorical."""
        return {
            role: self._column([table.column(name) for table in tables], name) for role, name in self.chosen.items()
        }

    def _column(self, parts: list[Any], name: str) -> Any:
        import pyarrow as pa

        if not parts:
            return np.empty(0)
        if self.kinds[name] == "id":
            if all(pa.types.is_int64(part.type) for part in parts):
                return np.concatenate([part.to_numpy() for part in parts])
            return id_column(_one_dictionary([_as_strings(part) for part in parts]), name)
        if self.kinds[name] == "rating":
            return np.concatenate([_floats(part, self.layout, name) for part in parts])
        if all(pa.types.is_dictionary(part.type) for part in parts):
            return _one_dictionary(parts).to_pandas()
        return _joined([part.to_numpy() if pa.types.is_int64(part.type) else part.to_pandas() for part in parts])

    def where(self, row: int, start: int = 0) -> str:
        """How messages name the rating at position `row` after byte `start`: file and line, which are read again."""
        line, _ = next(islice(records(self.layout, start), row, None))
        return f"{self.layout.path.name}, line {line}"


def _not_none(given: Mapping[str, Choice]) -> dict[str, Choice]:
    return {role: choice for role, choice in given.items() if choice is not None}


def read_columns(layout: Layout, kinds: dict[str, str]) -> dict[str, Any]:
    """The columns named in `kinds` ('id', 'rating', 'time' or 'integer'), each as an array or categorical.

    Raises:
        DataError: a line has too few or too many fields, or a field cannot be read; the message names the line.
    """
    table = TextTable(layout, {})
    table.kinds = kinds
    table.chosen = {name: name for name in kinds}
    return read_whole(table)


def read_whole(table: TextTable) -> dict[str, Any]:
    """All rows: role to values."""
    layout = table.layout
    if layout.is_plain and layout.quoting == "none":
        kinds = {column: table.kinds[column] for column in table.chosen.values()}
        plain = read_plain(layout.path, layout.delimiter, layout.names, layout.skip, kinds)
        if plain is not None:
            return {role: plain[column] for role, column in table.chosen.items()}
    return table.joined([part for part, _ in table.tables()])


def _as_strings(ids: Any) -> Any:
    """Integers as they were written, numbered; strings as they are."""
    import pyarrow as pa

    return ids.cast(pa.string()).dictionary_encode() if pa.types.is_int64(ids.type) else ids


def _one_dictionary(parts: list[Any]) -> Any:
    """Numbered strings of several blocks, numbered alike."""
    import pyarrow as pa

    chunks = [chunk for part in parts for chunk in part.chunks]
    return pa.chunked_array(chunks, type=pa.dictionary(pa.int32(), pa.string())).unify_dictionaries()


def _floats(column: Any, layout: Layout, name: str) -> Any:
    return column.to_numpy() if str(column.type) == "float" else _decimal(column, layout, name)


def _joined(values: list[Any]) -> Any:
    """Blocks of ratings or of times; times of several types become objects, each as it was written."""
    if len({str(getattr(one, "dtype", "")) for one in values}) == 1:
        return np.concatenate(values) if isinstance(values[0], np.ndarray) else pd.concat(values, ignore_index=True)
    return pd.concat([_as_written(pd.Series(one)) for one in values], ignore_index=True)


def _as_written(column: pd.Series) -> pd.Series:
    return column.astype(str if pd.api.types.is_datetime64_any_dtype(column) else object).astype(object)


# ---------------------------------------------------------------- pyarrow


def arrow_options(
    layout: Layout, kinds: dict[str, str], types: tuple[str, str] = ("float", "integer"), *, newlines: bool = False
) -> tuple[Any, ...]:
    """How pyarrow is to read, parse and convert blocks of lines; `types` are those of ratings and of times."""
    import pyarrow as pa
    from pyarrow import csv as arrow

    strings = pa.dictionary(pa.int32(), pa.string())
    column_types = {
        "id": strings, "integer": pa.int64(), "rating": pa.float32() if types[0] == "float" else strings,
        "time": {"integer": pa.int64(), "date": pa.timestamp("s"), "text": strings}[types[1]],
    }  # fmt: skip
    options = arrow.ReadOptions(column_names=list(layout.names))
    quoted = layout.quoting != "none"
    parse = arrow.ParseOptions(
        delimiter=layout.separator, quote_char='"' if quoted else False, newlines_in_values=newlines,
        escape_char="\\" if layout.escaped else False,
    )  # fmt: skip
    convert = arrow.ConvertOptions(
        include_columns=list(kinds),
        column_types={name: column_types[kind] for name, kind in kinds.items()},
        timestamp_parsers=[arrow.ISO8601],  # its %Y takes two digits, and it reads 30 February as 2 March
    )
    return options, parse, convert


def _decimal(column: Any, layout: Layout, name: str) -> Any:
    """Ratings that were read as strings, some with decimal commas, as float32 (n,)."""
    column = column.unify_dictionaries()
    codes = np.concatenate([chunk.indices.to_numpy(zero_copy_only=False) for chunk in column.chunks])
    texts = [str(text).strip() for text in column.chunk(0).dictionary.to_pylist()]
    points = any("." in text for text in texts if _number(text) is not None)
    commas = [] if points else [text for text in texts if DECIMAL_COMMA.fullmatch(text)]
    numbers = [_number(text, comma=bool(commas)) for text in texts]
    if None in numbers or not commas:  # with points in other ratings a comma is no decimal sign
        raise explained(layout, {name: "rating"}, ValueError("a rating is not a number"), comma=bool(commas))
    if all(re.fullmatch(r"[+-]?\d{1,3},\d{3}", text) for text in commas):
        raise DataError(
            f"{layout.path.name}: {commas[0]!r} in column {name!r} may be thousands or a decimal comma: write it with "
            "a point, or without the comma"
        )
    warnings.warn(
        f"{layout.path.name}: ratings in column {name!r} have decimal commas: {commas[0]} is read as "
        f"{_number(commas[0], comma=True)}", DataWarning, stacklevel=2,
    )  # fmt: skip
    return np.array(numbers, np.float32)[codes]


def _number(text: str, *, comma: bool = False) -> float | None:
    """A field as a number; NaN where it is missing, None where it is no number."""
    text = text.strip()
    if text.lower() in MISSING:
        return float("nan")
    try:
        return None if "_" in text or not text.isascii() else float(text.replace(",", ".") if comma else text)
    except ValueError:
        return None


# ---------------------------------------------------------------- where the fault is


def explained(
    layout: Layout, kinds: dict[str, str], error: Exception, start: int = 0, *, comma: bool = False
) -> DataError:
    """What could not be read after byte `start`, with the line."""
    position = {kind: layout.names.index(name) for name, kind in kinds.items()}
    rating = position.get("rating")
    name = layout.path.name
    for line, fields in records(layout, start):
        if len(fields) != len(layout.names):
            expected = f"expected {len(layout.names)} ({', '.join(layout.names[:12])})"
            return DataError(f"{name}, line {line}: {len(fields)} fields, {expected}")
        if rating is not None and _number(fields[rating], comma=comma) is None:
            return DataError(
                f"{name}, line {line}: rating {shown(fields[rating])} in column {layout.names[rating]!r} is not a "
                "number"
            )
    detail = str(error).splitlines()[0]
    if "UTF8" in detail or "UTF-8" in detail:
        return not_in_encoding(name, layout.encoding)
    return DataError(f"{name} cannot be read: {detail}")
