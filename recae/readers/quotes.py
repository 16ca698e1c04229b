"""What quotes mean in a text file: decided from all its lines, since one quote that is read wrongly swallows rows.

A quote is the beginning of a quoted field (RFC 4180) where all lines are whole records when read so. Where they are
not, it is a character like others if all lines are whole records when read so. Where neither holds, quoted fields run
over lines. What can be read in two ways, or in none, is refused.
"""

from __future__ import annotations

import csv
import mmap
import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from recae.errors import DataError
from recae.readers.packing import packing_of
from recae.readers.text_layout import Block, Layout, csv_reader, line_blocks, raw_blocks

Pattern = re.Pattern[bytes]
NEWLINE, RETURN, QUOTE = b'\n\r"'


def with_quotes(layout: Layout) -> Layout:
    """The layout, with what quotes mean in its rows; the whole file is read where it has any.

    Raises:
        DataError: a quoted field does not end, or quotes can be read in two ways; the message names the line.
    """
    if not _has_quote(layout):
        return layout
    width = len(layout.names) - layout.item_blocks
    if all(_is_even(block, layout) for block, _ in line_blocks(layout)):
        return replace(layout, quoting="lines", even=True)
    if _all_whole(layout, _lines(layout, _QUOTED, width)):
        return replace(layout, quoting="lines")
    if _all_whole(layout, _lines(layout, _ESCAPED, width)):
        return replace(layout, quoting="lines", escaped=True)
    fault = _fault(replace(layout, quoting="spanning"))
    if not _all_whole(layout, _lines(layout, _PLAIN, width)):
        if fault:
            raise DataError(f"{layout.path.name}, {fault}")
        return replace(layout, quoting="spanning")
    if _mostly_quoted(layout) or (not fault and layout.delimiter != "\t"):
        quoted = _lines(layout, _QUOTED, width)
        line = next(n for n, text in _numbered(layout) if not quoted.fullmatch(text))
        raise DataError(
            f"{layout.path.name}, line {line}: a quoted field does not end in its line; close the quote, or double "
            "quotes within a field"
        )
    return layout


def whole_records(layout: Layout) -> Iterator[Block]:
    """Blocks of whole records of a file whose quoted fields run over lines, in the plain form of `line_blocks`.

    What is no record, such as a quote that does not end, is in the last block.
    """
    records = _lines(layout, _SPANNING, len(layout.names) - layout.item_blocks)
    rest, so_far = b"", 0
    for block, so_far in line_blocks(layout):
        rest += block
        found = records.match(rest)
        end = found.end() if found else 0
        if end:
            yield rest[:end], so_far
            rest = rest[end:]
    if rest:
        yield rest, so_far


def without_quotes(block: bytes) -> bytes:
    """The text of a layout that is `even`, as it would be without quotes."""
    text = np.frombuffer(block, np.uint8)
    return bytes(text[text != QUOTE])


def _is_even(block: bytes, layout: Layout) -> bool:
    """Whether all lines are whole, and quotes stand round fields without a delimiter, and nowhere else.

    So most files are that have quotes, and it takes a part of the time that records need to be told one by one.
    """
    text, width = np.frombuffer(block, np.uint8), len(layout.names)
    lines = text == NEWLINE
    ends = np.flatnonzero(lines | (text == ord(layout.separator)))
    n_lines = np.count_nonzero(lines)
    if len(ends) != n_lines * width or not lines[ends[width - 1 :: width]].all():
        return False
    starts = np.concatenate([[0], ends[:-1] + 1])
    ends = ends - (text[ends - 1] == RETURN)
    opened = text[starts] == QUOTE
    closed = (text[ends - 1] == QUOTE) & (ends - starts > 1)
    return np.array_equal(opened, closed) and 2 * np.count_nonzero(opened) == np.count_nonzero(text == QUOTE)


def _all_whole(layout: Layout, lines: Pattern) -> bool:
    """Whether all lines of the file are whole records."""
    return all(lines.fullmatch(block) for block, _ in line_blocks(layout))


_QUOTED = rb'(?:"[^"\n]*+(?:""[^"\n]*+)*+"|[^"\nD][^\nD]*+|)'
_ESCAPED = rb'(?:"[^"\\\n]*+(?:(?:\\[^\n]|"")[^"\\\n]*+)*+"|[^"\nD][^\nD]*+|)'
_SPANNING = rb'(?:"[^"]*+(?:""[^"]*+)*+"|[^"\nD][^\nD]*+|)'
_PLAIN = rb"[^\nD]*+"


def _lines(layout: Layout, field: bytes, width: int) -> Pattern:
    """Whole lines of `width` fields each; empty lines too."""
    separator = re.escape(layout.separator.encode())
    field = field.replace(b"D", separator)
    return re.compile(rb"(?:(?:%b(?:%b%b){%d})?+\r?\n)*+" % (field, separator, field, width - 1 + layout.item_blocks))


def _has_quote(layout: Layout) -> bool:
    """Whether a quote stands anywhere below the header."""
    if layout.encoding != "utf-8":
        return any(b'"' in block for block, _ in line_blocks(layout))
    if packing_of(layout.path):
        found = sum(block.count(b'"') for block, _ in raw_blocks(layout.path))
        return found > 0 and any(b'"' in block for block, _ in line_blocks(layout))
    with layout.path.open("rb") as file:
        if not layout.returns:
            for _ in range(layout.skip):
                file.readline()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return data.find(b'"', file.tell()) >= 0


def _fault(layout: Layout) -> str:
    """Where the file is at fault if quoted fields may run over lines, in words; empty where it is not."""
    reader = csv_reader(layout, (line.decode("utf-8", "replace") for _, line in _numbered(layout)), strict=True)
    start = 1
    try:
        for fields in reader:
            if fields and len(fields) != len(layout.names):
                expected = f"expected {len(layout.names)} ({', '.join(layout.names)})"
                return f"line {layout.skip + start}: {len(fields)} fields, {expected}"
            start = reader.line_num + 1
    except csv.Error:
        return (
            f"line {layout.skip + start}: a quoted field does not end as it should; close the quote, or double quotes "
            "within a field"
        )
    return ""


def _numbered(layout: Layout) -> Iterator[tuple[int, bytes]]:
    """Line number and line, with its end."""
    number = layout.skip
    for block, _ in line_blocks(layout):
        for line in block.split(b"\n")[:-1]:
            number += 1
            yield number, line + b"\n"


def _mostly_quoted(layout: Layout) -> bool:
    """Whether most fields of the first lines begin with a quote: then it is no character of names."""
    block = next(iter(line_blocks(layout)))[0][: 1 << 16]
    separator = layout.separator.encode()
    quoted = block.count(b'\n"') + block.count(separator + b'"') + block.startswith(b'"')
    return 2 * quoted > block.count(b"\n") + block.count(separator)
