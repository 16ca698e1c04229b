"""How a text file of ratings is written, and its lines in one plain form, whatever the form of the file.

`line_blocks` gives blocks of whole lines, packed or not, in UTF-8 with '\\n', one byte between fields, and one line for
each line of the file: lines without ratings (comments, the block heads of Netflix' files) are empty there. So all
readers read one form, and line numbers are those of the file.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recae.errors import DataError, Remedy
from recae.readers.packing import packing_of, unpacked, unpacking

BLOCK_BYTES = 1 << 22
UNIT = "\x1f"  # ASCII's unit separator: stands for a delimiter of several bytes
BLANKS = " +"  # the delimiter of aligned columns: any number of blanks and tabs
Block = tuple[bytes, int]  # whole lines, and how many bytes of the file were read so far


@dataclass(frozen=True)
class Layout:
    """How a text file is written.

    Attributes:
        path: the file.
        delimiter: what stands between fields: a character, several ("::"), or `BLANKS`.
        names: of the columns.
        skip: lines before the first rating.
        header: whether the last of these holds the names.
        quoting: what a quote at the beginning of a field is: "none", a character like others; "lines", the beginning
            of a quoted field, which ends in the same line; "spanning", of one that may run over lines.
        even: whether quotes only stand round whole fields without a delimiter, so that they can be left out.
        escaped: whether a backslash within a quoted field takes away the meaning of the next character.
        encoding: of the text.
        returns: whether a carriage return without a line feed ends a line.
        comment: the character that a line begins with that holds no rating; "" for none.
        item_blocks: whether a line "17:" stands before the ratings of item 17 (Netflix Prize).
    """

    path: Path
    delimiter: str
    names: tuple[str, ...]
    skip: int = 0
    header: bool = False
    quoting: str = "none"
    even: bool = False
    escaped: bool = False
    encoding: str = "utf-8"
    returns: bool = False
    comment: str = ""
    item_blocks: bool = False

    @property
    def separator(self) -> str:
        """The one character between fields in `line_blocks`."""
        return self.delimiter if len(self.delimiter.encode()) == 1 else UNIT

    @property
    def is_plain(self) -> bool:
        """Whether the bytes of the file are lines as `line_blocks` gives them, so that it can be cut anywhere."""
        return (
            self.separator == self.delimiter
            and self.encoding == "utf-8"
            and not (self.returns or self.comment or self.item_blocks or packing_of(self.path))
        )


def line_blocks(layout: Layout, start: int = 0, stop: int | None = None) -> Iterator[Block]:
    """Blocks of whole lines in one plain form (see the module), without the lines before the first rating.

    Args:
        layout: of the file.
        start, stop: the part of a plain file that is wanted, in bytes, from and to the beginning of a line.

    Raises:
        DataError: the file is damaged, or not in the encoding.
    """
    skip = layout.skip if start == 0 else 0
    blocks = _plain_form(layout, _whole_lines(layout, start, stop))
    for block, so_far in blocks:
        while skip and block:
            block, skip = block.partition(b"\n")[2], skip - 1
        if block:
            yield block, so_far


def _whole_lines(layout: Layout, start: int, stop: int | None) -> Iterator[Block]:
    """Decoded text with '\\n' as the only end of a line, cut behind one; the last line ends with one too."""
    rest = b""
    for data, so_far in _decoded(layout, start, stop):
        data = rest + data
        end = data.rfind(b"\n") + 1
        if end:
            yield data[:end], so_far
        rest = data[end:]
    if rest:
        yield rest + b"\n", so_far


def _decoded(layout: Layout, start: int, stop: int | None) -> Iterator[Block]:
    """Bytes in UTF-8, without a byte order mark; returns are line feeds where the layout says so."""
    held = b""
    plain = codecs.lookup(layout.encoding).name == "utf-8"
    decoder = codecs.getincrementaldecoder(layout.encoding)()
    for data, so_far in raw_blocks(layout.path, start, stop):
        data = data if plain else _decode(layout, decoder, data).encode()
        if held == b"" and start == 0 and data.startswith(codecs.BOM_UTF8):
            data = data[len(codecs.BOM_UTF8) :]
        start = 1  # a mark stands at the very beginning only
        if layout.returns:
            data, held = held + data, b""
            if data.endswith(b"\r"):  # its line feed may be in the next block
                data, held = data[:-1], b"\r"
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        yield data, so_far
    tail = (b"" if plain else _decode(layout, decoder, b"", final=True).encode()) + held.replace(b"\r", b"\n")
    if tail:
        yield tail, so_far


def _decode(layout: Layout, decoder: codecs.IncrementalDecoder, data: bytes, final: bool = False) -> str:
    try:
        return decoder.decode(data, final)
    except UnicodeError:
        raise not_in_encoding(layout.path.name, layout.encoding) from None


def not_in_encoding(name: str, encoding: str) -> DataError:
    """The error for a file that is not in the encoding that was tried."""
    return DataError(
        f"{name} is not written in {encoding.upper()}, which was tried",
        remedy=Remedy("say which encoding it has with {encoding}", encoding=...),
    )


def raw_blocks(path: Path, start: int = 0, stop: int | None = None) -> Iterator[Block]:
    """The unpacked bytes of a file, and how many bytes of the file were read so far."""
    with unpacking(path), path.open("rb") as raw, unpacked(raw, path) as file:
        if start:
            file.seek(start)
        left = stop - start if stop is not None else None
        while left is None or left > 0:
            data = file.read(BLOCK_BYTES if left is None else min(BLOCK_BYTES, left))
            if not data:
                return
            left = None if left is None else left - len(data)
            yield data, raw.tell()


def _plain_form(layout: Layout, blocks: Iterator[Block]) -> Iterator[Block]:
    comment = re.compile(b"(?m)^%s.*$" % re.escape(layout.comment.encode())) if layout.comment else None
    item = b""
    for block, so_far in blocks:
        if comment:
            block = comment.sub(b"", block)
        if layout.item_blocks:
            block, item = _with_items(block, item)
        if layout.delimiter == BLANKS:
            block = re.sub(rb"(?m)^[ \t]+|[ \t\r]+$", b"", block)
            block = re.sub(rb"[ \t]+", UNIT.encode(), block)
        elif layout.separator != layout.delimiter:
            block = block.replace(layout.delimiter.encode(), UNIT.encode())
        yield block, so_far


ITEM_HEAD = re.compile(rb"(?m)^([^,:\s]+):[ \t\r]*$")


def _with_items(block: bytes, item: bytes) -> tuple[bytes, bytes]:
    """Lines of Netflix' blocks with the item before each; heads of blocks become empty. Gives the last item too."""
    parts = ITEM_HEAD.split(block)
    done = [re.sub(rb"(?m)^(?=[^\r\n])", lambda _: item + b",", parts[0])]
    for item, lines in zip(parts[1::2], parts[2::2]):  # the last item is what the next block begins with
        done.append(re.sub(rb"(?m)^(?=[^\r\n])", lambda _, head=item: head + b",", lines))
    return b"".join(done), item


# ---------------------------------------------------------------- line by line


def records(layout: Layout, start: int = 0) -> Iterator[tuple[int, list[str]]]:
    """Line number and fields of each line with a rating after byte `start`, slowly and exactly: to find a fault.

    Raises:
        DataError: a quoted field does not end.
    """
    before = layout.skip if start == 0 else _lines_before(layout.path, start)
    if layout.quoting == "none":
        numbered = enumerate(_lines(layout, start), before + 1)
        yield from ((n, line[:-1].split(layout.separator)) for n, line in numbered if line != "\n")
        return
    reader = csv_reader(layout, _lines(layout, start), strict=True)
    last = 0
    try:
        for fields in reader:
            if fields and fields != [""]:
                yield before + reader.line_num, fields
            last = reader.line_num
    except csv.Error as error:
        raise DataError(
            f"{layout.path.name}, line {before + last + 1}: a quoted field does not end as it should ({error})"
        ) from None


def csv_reader(layout: Layout, lines: Iterator[str], *, strict: bool = False) -> Any:
    """Python's csv reader for lines in the plain form, with quoted fields."""
    csv.field_size_limit(1 << 30)
    escape = "\\" if layout.escaped else None
    return csv.reader(lines, delimiter=layout.separator, escapechar=escape, strict=strict)


def _lines(layout: Layout, start: int) -> Iterator[str]:
    for block, _ in line_blocks(layout, start):
        for line in block.split(b"\n")[:-1]:
            yield line.removesuffix(b"\r").decode("utf-8", errors="replace") + "\n"


def _lines_before(path: Path, start: int) -> int:
    return sum(data.count(b"\n") for data, _ in raw_blocks(path, 0, start))
