"""Text files with columns (csv, tsv, `::`), read by pyarrow; ids keep every character that they have.

An id column is read as distinct strings and becomes integers only if every id would come back the same
(no leading zeros, signs, spaces or points): "007" stays "007".
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import pandas as pd

from recae.errors import DataError
from recae.readers.columns import ROLES, looks_like_header
from recae.readers.integers import read_plain

SAMPLE_BYTES = 1 << 16
BLOCK_BYTES = 1 << 22
INTEGER = r"^(0|-?[1-9][0-9]{0,17})$"
CANDIDATES = ("\t", ",", ";", "|", " ")


@dataclass(frozen=True)
class Layout:
    """How a text file is written: delimiter ('::' among them), column names, lines before the first rating."""

    path: Path
    delimiter: str
    names: tuple[str, ...]
    skip: int
    quoted: bool

    @property
    def separators(self) -> int:
        """Columns that pyarrow sees for one of ours: with ':' as delimiter, a::b is read as a, nothing, b."""
        return len(self.delimiter)


def sniff(path: Path, wanted: tuple[str, ...] = ()) -> Layout:
    """Delimiter and column names from the first lines; without a header: user, item, rating, timestamp.

    `wanted` are names that the caller gave: a first line that has one of them is a header.

    Raises:
        DataError: the file is empty or is not text.
    """
    lines = _first_lines(path)
    start = next(n for n, line in enumerate(lines) if line.strip())
    delimiter = _delimiter(lines[start])
    first = _fields(lines[start], delimiter)
    header = looks_like_header(first, wanted)
    names = first if header else [*ROLES, *(f"column {n}" for n in range(5, len(first) + 1))][: len(first)]
    quoted = any('"' in line for line in lines[start + 1 :]) and delimiter != "::"
    return Layout(path, delimiter, tuple(names), start + 1 if header else 0, quoted)


def read_columns(layout: Layout, kinds: dict[str, str]) -> dict[str, Any]:
    """The columns named in `kinds` ('id', 'rating', 'time' or 'integer'), each as an array or categorical.

    Raises:
        DataError: a line has too few or too many fields, or a field cannot be read; the message names the line.
    """
    import pyarrow as pa

    if not layout.quoted:
        plain = read_plain(layout.path, layout.delimiter, layout.names, layout.skip, kinds)
        if plain is not None:
            return plain
    try:
        table = _read(layout, kinds, newlines=layout.quoted)
    except pa.ArrowInvalid:
        try:
            table = _read(layout, kinds, newlines=True)
        except pa.ArrowInvalid as error:
            raise explained(layout, kinds, error) from None
    return {name: to_numpy(table.column(name), kind) for name, kind in kinds.items()}


def line_of(layout: Layout, row: int, start: int = 0) -> str:
    """How a message calls the rating at position `row` after byte `start`: file and line, which are read again."""
    line, _ = next(islice(records(layout, start), row, None))
    return f"{layout.path.name}, line {line}"


# ---------------------------------------------------------------- pyarrow


def _read(layout: Layout, kinds: dict[str, str], newlines: bool) -> Any:
    from pyarrow import csv as arrow

    return arrow.read_csv(str(layout.path), *arrow_options(layout, kinds, newlines))


def arrow_options(layout: Layout, kinds: dict[str, str], newlines: bool, *, inside: bool = False) -> tuple[Any, ...]:
    """How pyarrow is to read, parse and convert; `inside` a file there is no header line to pass over."""
    import pyarrow as pa
    from pyarrow import csv as arrow

    strings = pa.dictionary(pa.int32(), pa.string())
    types = {"id": strings, "rating": pa.float32(), "integer": pa.int64()}
    names = [n for name in layout.names for n in (name, *[f"\0{name}"] * (layout.separators - 1))]
    names = names[: len(names) - layout.separators + 1]
    skip = 0 if inside else layout.skip
    options = arrow.ReadOptions(column_names=names, skip_rows=skip, block_size=BLOCK_BYTES)
    parse = arrow.ParseOptions(
        delimiter=layout.delimiter[0],
        quote_char=False if layout.delimiter == "::" else '"',
        newlines_in_values=newlines,
    )
    convert = arrow.ConvertOptions(
        include_columns=list(kinds),
        column_types={name: types[kind] for name, kind in kinds.items() if kind in types},
        timestamp_parsers=[arrow.ISO8601, "%Y-%m-%d %H:%M:%S", "%Y/%m/%d"],
    )
    return options, parse, convert


def to_numpy(column: Any, kind: str) -> Any:
    if kind != "id" or str(column.type) == "int64":
        return column.to_numpy()
    return id_column(column)


def id_column(column: Any, *, integers: bool = True) -> pd.Categorical:
    """A dictionary-encoded Arrow column as a categorical; `integers`: as integers where that loses nothing."""
    import pyarrow as pa
    from pyarrow import compute

    column = column.unify_dictionaries()
    if column.num_chunks == 0:
        return pd.Categorical([])
    codes = np.concatenate([chunk.indices.to_numpy(zero_copy_only=False) for chunk in column.chunks])
    ids = column.chunk(0).dictionary
    whole = integers and compute.all(compute.match_substring_regex(ids, INTEGER)).as_py()
    categories = ids.cast(pa.int64()).to_numpy() if whole else ids.to_numpy(zero_copy_only=False).astype(object)
    return pd.Categorical.from_codes(codes, categories=pd.Index(categories), validate=False)


# ---------------------------------------------------------------- the first lines


def open_bytes(path: Path) -> IO[bytes]:
    """The file's bytes, unpacked where the name says that they are packed (.gz, .bz2, .zst)."""
    import pyarrow as pa

    return cast("IO[bytes]", pa.input_stream(str(path), compression="detect"))


def _first_lines(path: Path) -> list[str]:
    try:
        with open_bytes(path) as file:
            start = file.read(SAMPLE_BYTES)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error}") from None
    if b"\0" in start:
        raise DataError(f"{path} is not a text file; csv, tsv, '::', JSON lines and Parquet can be read")
    text = start.decode("utf-8-sig", errors="replace")
    lines = text.splitlines()
    if not text.strip():
        raise DataError(f"{path} is empty: at least one rating is needed")
    return lines


def _delimiter(line: str) -> str:
    if "::" in line:
        return "::"
    counts = {candidate: len(_fields(line, candidate)) for candidate in CANDIDATES}
    best = max(CANDIDATES, key=lambda candidate: counts[candidate])
    return best if counts[best] > 1 else ","


def _fields(line: str, delimiter: str) -> list[str]:
    return line.split("::") if delimiter == "::" else next(csv.reader([line], delimiter=delimiter))


# ---------------------------------------------------------------- where the fault is


def records(layout: Layout, start: int = 0) -> Iterator[tuple[int, list[str]]]:
    """Line number and fields of every line after byte `start` (a line's first) but the header, slowly and exactly:
    to say where a fault is."""
    import io

    with open_bytes(layout.path) as file:
        before = _lines_before(file, start)
        text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="replace", newline="")
        if layout.delimiter == "::":
            numbered = ((n, line.rstrip("\r\n").split("::")) for n, line in enumerate(text, 1 + before))
        else:
            reader = csv.reader(text, delimiter=layout.delimiter)
            numbered = ((reader.line_num + before, fields) for fields in reader)
        filled = ((n, fields) for n, fields in numbered if fields and fields != [""])
        yield from islice(filled, int(layout.skip > 0 and start == 0), None)


def _lines_before(file: IO[bytes], start: int) -> int:
    """Lines in the first `start` bytes, which are read."""
    lines = 0
    while start > 0 and (block := file.read(min(start, BLOCK_BYTES))):
        lines, start = lines + block.count(b"\n"), start - len(block)
    return lines


def explained(layout: Layout, kinds: dict[str, str], error: Exception, start: int = 0) -> DataError:
    """What pyarrow could not read after byte `start`, with the line."""
    position = {kind: layout.names.index(name) for name, kind in kinds.items()}
    rating = position.get("rating")
    for line, fields in records(layout, start):
        where = f"{layout.path.name}, line {line}"
        if len(fields) != len(layout.names):
            return DataError(f"{where}: {len(fields)} fields, expected {len(layout.names)} ({', '.join(layout.names)})")
        if rating is not None and not _is_number(fields[rating]):
            return DataError(f"{where}: rating {fields[rating]!r} in column {layout.names[rating]!r} is not a number")
    detail = str(error).splitlines()[0]
    if "UTF8" in detail or "UTF-8" in detail:
        return DataError(f"{layout.path.name} is not written in UTF-8: convert it (iconv -f latin1 -t utf-8) first")
    return DataError(f"{layout.path.name} cannot be read: {detail}")


def _is_number(text: str) -> bool:
    try:
        float(text or "nan")
    except ValueError:
        return text in ("NA", "N/A", "null", "NULL", "#N/A")
    return True
