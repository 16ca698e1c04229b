"""Files of any size, a chunk at a time: byte ranges of a text file, row groups of a Parquet file, or a stream.

A chunk is read by itself, so that one that was read need not be read again. A packed text file can only be read
from its beginning, and one with quotes may have fields that run over two lines: each is one chunk, which is streamed.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from recae.errors import DataError
from recae.ratings.times import Where
from recae.readers.columns import Choice, assign
from recae.readers.delimited import TextTable
from recae.readers.frame_columns import plain_column
from recae.readers.sniffing import TextOptions
from recae.readers.tables import JSON, PARQUET, kind_of, refuse_text_options

CHUNK_BYTES = 1 << 26
PART_ROWS = 1 << 22  # rows in memory at once


class Chunk(NamedTuple):
    """From `start` to before `stop`, in bytes or row groups; `size`: how much there is to read, in bytes."""

    start: int
    stop: int
    size: int


class Rows(NamedTuple):
    """Some rows: role to values, how messages name a row, and how much of the chunk was read so far, in bytes."""

    columns: dict[str, Any]
    where: Where
    so_far: int


def open_file(path: Path, given: dict[str, Choice], options: TextOptions) -> ChunkedFile:
    """The file at `path`, its columns found or taken from `given`; see `recae.load`.

    Raises:
        DataError: it cannot be read, is of another format, or lacks a column.
    """
    if not path.is_file():
        raise DataError(f"no file {path}: csv, tsv, '::' and Parquet files can be prepared")
    kind = kind_of(path)
    if kind in JSON:
        raise DataError(f"{path.name}: {kind} files cannot be prepared; write csv, tsv, '::' or Parquet")
    refuse_text_options(path.name, kind, options)
    return ParquetFile(path, given) if kind in PARQUET else TextFile(path, given, options)


class TextFile:
    """A text file with columns, packed or not. One whose bytes are lines as they are is cut; others are streamed."""

    def __init__(self, path: Path, given: dict[str, Choice], options: TextOptions) -> None:
        self.path = path
        self.table = TextTable.open(path, given, options)
        self.layout, self.chosen = self.table.layout, self.table.chosen
        self.is_streamed = not self.layout.is_plain or self.layout.quoting == "spanning"

    def chunks(self) -> list[Chunk]:
        size = self.path.stat().st_size
        if self.is_streamed:
            return [Chunk(0, size, size)]
        cuts = self._cuts(size)
        return [Chunk(start, stop, stop - start) for start, stop in pairwise(cuts) if stop > start]

    def _cuts(self, size: int) -> list[int]:
        """Where lines begin, `CHUNK_BYTES` apart, from the first rating to the end."""
        with self.path.open("rb") as file:
            for _ in range(self.layout.skip):
                file.readline()
            cuts = [file.tell()]
            while cuts[-1] < size:
                file.seek(max(cuts[-1], cuts[-1] + CHUNK_BYTES - 1))
                file.readline()
                cuts.append(min(file.tell(), size))
        return cuts

    def read(self, chunk: Chunk) -> Iterator[Rows]:
        """The rows of a chunk, a few million at a time."""
        start = 0 if self.is_streamed else chunk.start
        rows = 0
        for tables, so_far in _grouped(self._tables(chunk)):
            columns = self.table.joined(tables)
            yield Rows(columns, self._lines(rows, start), so_far - start)
            rows += sum(table.num_rows for table in tables)

    def _lines(self, first: int, start: int) -> Where:
        return lambda row: self.table.where(first + row, start)

    def _tables(self, chunk: Chunk) -> Iterator[tuple[Any, int]]:
        return self.table.tables() if self.is_streamed else self.table.tables(chunk.start, chunk.stop)


def _grouped(tables: Iterator[tuple[Any, int]]) -> Iterator[tuple[list[Any], int]]:
    """Tables that follow one another, up to about `PART_ROWS` rows together."""
    waiting: list[Any] = []
    so_far = 0
    for table, so_far in tables:
        waiting.append(table)
        if sum(one.num_rows for one in waiting) >= PART_ROWS:
            yield waiting, so_far
            waiting = []
    if waiting:
        yield waiting, so_far


class ParquetFile:
    """A Parquet file; a row group that is larger than memory is not (one of some million rows is usual)."""

    def __init__(self, path: Path, given: dict[str, Choice]) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        self.path = path
        try:
            with parquet.ParquetFile(path) as file:
                self.chosen = assign(file.schema_arrow.names, given, path.name)
                groups = [file.metadata.row_group(n) for n in range(file.metadata.num_row_groups)]
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{path.name} cannot be read as Parquet: {str(error).splitlines()[0]}") from None
        self.rows = [group.num_rows for group in groups]
        self.bytes = [group.total_byte_size for group in groups]

    def chunks(self) -> list[Chunk]:
        """Row groups that follow one another, up to `PART_ROWS` rows together."""
        found: list[Chunk] = []
        start = rows = 0
        for number, count in enumerate(self.rows):
            if rows and rows + count > PART_ROWS:
                found.append(Chunk(start, number, sum(self.bytes[start:number])))
                start, rows = number, 0
            rows += count
        return [*found, Chunk(start, len(self.rows), sum(self.bytes[start:]))] if rows else found

    def read(self, chunk: Chunk) -> Iterator[Rows]:
        import pyarrow as pa
        from pyarrow import parquet

        first, groups = sum(self.rows[: chunk.start]), list(range(chunk.start, chunk.stop))
        total, done = sum(self.rows[chunk.start : chunk.stop]), 0
        try:
            with parquet.ParquetFile(self.path) as file:
                for batch in file.iter_batches(PART_ROWS, row_groups=groups, columns=list(self.chosen.values())):
                    table = pa.Table.from_batches([batch])
                    columns = {role: plain_column(table.column(name), role) for role, name in self.chosen.items()}
                    yield Rows(columns, self._numbers(first + done), chunk.size * (done + len(batch)) // total)
                    done += len(batch)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{self.path.name} cannot be read as Parquet: {str(error).splitlines()[0]}") from None

    def _numbers(self, first: int) -> Where:
        return lambda row: f"{self.path.name}, row {first + row + 1}"


ChunkedFile = TextFile | ParquetFile
