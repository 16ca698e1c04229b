"""Files of any size, a chunk at a time: byte ranges of a text file, row groups of a Parquet file, or a stream.

A chunk is read by itself, so that one that was read need not be read again. A packed text file can only be read
from its beginning, and one with quotes may have fields that run over two lines: each is one chunk, which is streamed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from recae.errors import DataError
from recae.ratings.csr import Where
from recae.readers.columns import Choice, assign
from recae.readers.delimited import arrow_options, explained, line_of, sniff, to_numpy
from recae.readers.integers import DELIMITERS, bytes_are_plain
from recae.readers.tables import PACKED, kind_of, plain_column

CHUNK_BYTES = 1 << 26
PART_ROWS = 1 << 22  # rows in memory at once
KINDS = {"user": "id", "item": "id", "rating": "rating", "timestamp": "time"}


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


def open_file(path: Path, given: dict[str, Choice]) -> ChunkedFile:
    """The file at `path`, its columns found or taken from `given`; see `recae.load`.

    Raises:
        DataError: it cannot be read, is of another format, or lacks a column.
    """
    if not path.is_file():
        raise DataError(f"no file {path}: csv, tsv, '::' and Parquet files can be prepared")
    kind = kind_of(path)
    if kind in (".json", ".jsonl", ".ndjson", ".zip"):
        raise DataError(f"{path.name}: {kind} files cannot be prepared; write csv, tsv, '::' or Parquet")
    return ParquetFile(path, given) if kind in (".parquet", ".pq") else TextFile(path, given)


class TextFile:
    """A csv, tsv or '::' file, packed or not."""

    def __init__(self, path: Path, given: dict[str, Choice]) -> None:
        self.path = path
        self.layout = sniff(path, tuple(choice for choice in given.values() if isinstance(choice, str)))
        self.chosen = assign(self.layout.names, given, path.name)
        self.kinds = {column: KINDS[role] for role, column in self.chosen.items()}
        self.streamed = self.layout.quoted or path.suffix.lower() in PACKED

    def chunks(self) -> list[Chunk]:
        size = self.path.stat().st_size
        if self.streamed:
            return [Chunk(0, size, size)]
        cuts = self._cuts(size)
        return [Chunk(start, stop, stop - start) for start, stop in pairwise(cuts) if stop > start]

    def _cuts(self, size: int) -> list[int]:
        """Where lines begin, `CHUNK_BYTES` apart, from the first after the header to the end."""
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
        import pyarrow as pa

        start = 0 if self.streamed else chunk.start
        try:
            rows = 0
            for table, so_far in self._stream() if self.layout.quoted else self._tables(chunk):
                columns = {role: to_numpy(table.column(name), self.kinds[name]) for role, name in self.chosen.items()}
                yield Rows(columns, self._lines(rows, start), so_far)
                rows += table.num_rows
        except pa.ArrowInvalid as error:
            raise explained(self.layout, self.kinds, error, start) from None
        except OSError as error:
            raise DataError(f"cannot read {self.path}: {error}") from None

    def _lines(self, first: int, start: int) -> Where:
        return lambda row: line_of(self.layout, first + row, start)

    def _tables(self, chunk: Chunk) -> Iterator[tuple[Any, int]]:
        """Without quotes: blocks of whole lines, each parsed by itself."""
        for data, so_far in self._unpacked() if self.streamed else self._range(chunk):
            if data.strip():
                yield self._parsed(data), so_far

    def _range(self, chunk: Chunk) -> Iterator[tuple[bytes, int]]:
        with self.path.open("rb") as file:
            file.seek(chunk.start)
            yield file.read(chunk.stop - chunk.start), chunk.size

    def _unpacked(self) -> Iterator[tuple[bytes, int]]:
        rest, skip = b"", self.layout.skip
        with self._raw() as raw:
            stream = self._stream_of(raw)
            while data := stream.read(CHUNK_BYTES):
                rest += data
                while skip and b"\n" in rest:
                    rest, skip = rest.split(b"\n", 1)[1], skip - 1
                end = 0 if skip else rest.rfind(b"\n") + 1
                if end:
                    yield rest[:end], raw.tell()
                    rest = rest[end:]
            if rest and not skip:
                yield rest, raw.tell()

    def _parsed(self, data: bytes) -> Any:
        """A table of whole lines; ids that are all plain integers are read as such, in a fifth of the time."""
        import pyarrow as pa
        from pyarrow import csv

        options = arrow_options(self.layout, self.kinds, newlines=False, inside=True)
        ids = [self.chosen[role] for role in ("user", "item")]
        if self.layout.delimiter in DELIMITERS and bytes_are_plain(data, 0, self.layout.delimiter):
            careful = options[2].column_types
            options[2].column_types = careful | dict.fromkeys(ids, pa.int64())
            with suppress(pa.ArrowInvalid):  # the careful way will say what is wrong, if anything is
                table = csv.read_csv(pa.BufferReader(data), *options)
                if not any(table.column(name).null_count for name in ids):
                    return table
            options[2].column_types = careful
        return csv.read_csv(pa.BufferReader(data), *options)

    def _stream(self) -> Iterator[tuple[Any, int]]:
        """With quotes: from the beginning, as pyarrow finds the ends of lines."""
        import pyarrow as pa
        from pyarrow import csv

        with self._raw() as raw:
            batches: list[Any] = []
            for batch in csv.open_csv(self._stream_of(raw), *arrow_options(self.layout, self.kinds, newlines=True)):
                batches.append(batch)
                if sum(one.num_rows for one in batches) >= PART_ROWS:
                    yield pa.Table.from_batches(batches), raw.tell()
                    batches = []
            if sum(one.num_rows for one in batches):
                yield pa.Table.from_batches(batches), raw.tell()

    def _raw(self) -> Any:
        import pyarrow as pa

        return pa.OSFile(str(self.path))

    def _stream_of(self, raw: Any) -> Any:
        """Unpacked, where the file is packed; `raw.tell()` says how far it was read."""
        import pyarrow as pa

        if self.path.suffix.lower() not in PACKED:
            return raw
        return pa.CompressedInputStream(raw, pa.Codec.detect(str(self.path)).name)


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
                    columns = {role: plain_column(table.column(name)) for role, name in self.chosen.items()}
                    yield Rows(columns, self._numbers(first + done), chunk.size * (done + len(batch)) // total)
                    done += len(batch)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{self.path.name} cannot be read as Parquet: {str(error).splitlines()[0]}") from None

    def _numbers(self, first: int) -> Where:
        return lambda row: f"{self.path.name}, row {first + row + 1}"


ChunkedFile = TextFile | ParquetFile
