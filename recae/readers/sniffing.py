"""How a text file is written, found from its first lines where the caller does not say it."""

from __future__ import annotations

import codecs
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from recae.errors import DataError, DataWarning, ParameterError, Remedy
from recae.readers.columns import (
    is_header,
    is_number,
    known_roles,
    names_without_header,
)
from recae.readers.delimiters import Split, best_split, split_by
from recae.readers.packing import open_bytes
from recae.readers.quotes import with_quotes
from recae.readers.text_layout import BLANKS, ITEM_HEAD, Layout, line_blocks, not_in_encoding, raw_blocks

SAMPLE_BYTES = 1 << 16
SAMPLE_LINES = 200
SEP_LINE = re.compile(r'\s*"?sep=(\\t|[^\r\n"])"?\s*')  # what Excel writes above a table, and reads
MARKS = (
    (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip


@dataclass(frozen=True)
class TextOptions:
    """What the caller says of a text file; None where it is to be found.

    Attributes:
        encoding: such as "utf-8", "gbk", "cp1252".
        sep: what stands between fields, of any length; " " for any number of blanks.
        header: whether the first line holds the names of the columns.

    Raises:
        ParameterError: one of them is out of range.
    """

    encoding: str | None = None
    sep: str | None = None
    header: bool | None = None

    def __post_init__(self) -> None:
        if self.encoding is not None:
            try:
                "".encode(self.encoding)  # refuses codecs of bytes, such as "zip"
            except (LookupError, TypeError):
                raise ParameterError(
                    name="encoding",
                    value=self.encoding,
                    expected="an encoding that Python knows, such as 'utf-8', 'gbk' or 'cp1252'",
                ) from None
        if self.sep is not None and (not isinstance(self.sep, str) or not self.sep or set(self.sep) & set('\r\n"')):
            raise ParameterError(
                name="sep", value=self.sep, expected="the characters that stand between fields, such as ','"
            )
        if self.header not in (None, True, False):
            raise ParameterError(name="header", value=self.header, expected="True, False, or None to have it found")

    def stated(self) -> dict[str, object]:
        """The options that are not None."""
        return {name: value for name, value in vars(self).items() if value is not None}


def sniff(
    path: Path, wanted: Sequence[str | int] = (), options: TextOptions | None = None,
    expected: TextOptions | None = None,
) -> Layout:  # fmt: skip
    """How the text file at `path` is written.

    Args:
        path: the file, packed or not.
        wanted: columns that the caller stated, by name or by position: a first line with such a name is a header.
        options: what the caller says of the file.
        expected: what was so of a file of this form: it holds where this file does not show that it is otherwise.

    Raises:
        DataError: the file is empty or no text, or something cannot be told; the message says what to state.
    """
    options, expected = options or TextOptions(), expected or TextOptions()
    encoding, returns, texts = _first_lines(path, options.encoding, expected.encoding)
    layout = Layout(path, ",", (), encoding=encoding, returns=returns)
    numbered = [(n, text) for n, text in enumerate(texts, 1) if text.strip()]
    if len(numbered) > 1 and (found := SEP_LINE.fullmatch(numbered[0][1])):
        numbered = numbered[1:]
        options = replace(options, sep=options.sep or found[1].replace("\\t", "\t"))
    above, rows = _without_comments(numbered)
    if _has_item_blocks(rows):
        return with_quotes(_netflix(layout, rows))
    split = best_split(path.name, rows, options.sep, expected.sep)
    if above and _are_rows(above, split):
        above, split = [], best_split(path.name, numbered, options.sep, expected.sep)
    layout = replace(layout, delimiter=split.delimiter, comment=above[0][1][0] if above else "")
    header = options.header
    if header is None:
        header = is_header([line.fields for line in split.lines], wanted, path.name, expected.header)
    layout = _with_names(layout, split, above, wanted, header)
    if layout.comment:
        _say_comments(layout, above)
    return with_quotes(layout)


def _with_names(
    layout: Layout, split: Split, above: list[tuple[int, str]], wanted: Sequence[str | int], header: bool
) -> Layout:
    """The layout with the names of the columns: from a header, from a comment above the rows, or by their order."""
    name, first = layout.path.name, split.lines[0]
    if header:
        names = [field.strip() for field in first.fields]
        _refuse_other_width(name, names, split)
        return replace(layout, names=tuple(names), skip=first.number, header=True)
    even = [line.fields for line in split.lines if len(line.fields) == split.width]
    names = _names_in_comment(above, split) or names_without_header(even, wanted, name)
    return replace(layout, names=tuple(names), skip=first.number - 1)


def _refuse_other_width(name: str, names: list[str], split: Split) -> None:
    """Names that are fewer or more than the fields of the rows would be given to the wrong columns."""
    if len(split.lines) > 1 and split.share > 0.5 and split.width != len(names):
        line = next(line for line in split.lines[1:] if len(line.fields) == split.width)
        raise DataError(
            f"{name}, line {line.number}: {split.width} fields, expected {len(names)} ({', '.join(names[:12])}): "
            "the header and the rows must have equally many"
        )


# ---------------------------------------------------------------- text


def text_of(path: Path, encoding: str | None) -> tuple[str, bool]:
    """The encoding of a text file, stated or found, and whether a return without line feed ends lines."""
    return _first_lines(path, encoding)[:2]


def _first_lines(path: Path, encoding: str | None, expected: str | None = None) -> tuple[str, bool, list[str]]:
    """Encoding, whether a return without line feed ends lines, and the first lines."""
    with open_bytes(path) as file:
        start = file.read(SAMPLE_BYTES)
        whole = not file.read(1)
    if encoding is None:
        encoding = next((name for mark, name in MARKS if start.startswith(mark)), None)
        encoding = encoding or ("utf-8" if expected is None else _expected_encoding(path, expected))
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(start, final=whole).removeprefix("\ufeff")
    except UnicodeError:
        raise (_no_text(path) if b"\0" in start else not_in_encoding(path.name, encoding)) from None
    if "\0" in text:
        raise _no_text(path)
    if not text.strip():
        raise DataError(f"{path} is empty: at least one rating is needed")
    returns = any(text.count('"', 0, found.start()) % 2 == 0 for found in re.finditer(r"\r(?!\n|\Z)", text))
    lines = re.split(r"\r\n|\n|\r" if returns else r"\r?\n", text)
    complete = lines if whole or len(lines) == 1 else lines[:-1]
    return encoding, returns, complete[:SAMPLE_LINES]


def _expected_encoding(path: Path, expected: str) -> str:
    """The encoding that is expected, unless the file is UTF-8, as text of another one hardly ever is by chance."""
    decoder, wide, zeros = codecs.getincrementaldecoder("utf-8")(), False, False
    try:
        for data, _ in raw_blocks(path):
            decoder.decode(data)
            wide, zeros = wide or not data.isascii(), zeros or b"\0" in data
        decoder.decode(b"", final=True)
    except UnicodeError:
        return expected
    plain = "user,item".encode(expected) == b"user,item"  # else two bytes are a letter, and most of them 0
    return "utf-8" if not zeros and (wide or not plain) else expected


def _no_text(path: Path) -> DataError:
    return DataError(
        f"{path} is not a text file in UTF-8: csv, tsv, '::', JSON lines and Parquet can be read",
        remedy=Remedy("if it is text of another encoding, say which one with {encoding}", encoding=...),
    )


# ---------------------------------------------------------------- lines without ratings


def _without_comments(numbered: list[tuple[int, str]]) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    """The lines at the beginning that start with one of '#' and '%', and all others that do not start with it.

    A file of such lines only has none.
    """
    mark = numbered[0][1][0]
    count = next((n for n, (_, text) in enumerate(numbered) if not text.startswith(mark)), 0) if mark in "#%" else 0
    rows = [(number, text) for number, text in numbered if not (count and text.startswith(mark))]
    return numbered[:count], rows


def _say_comments(layout: Layout, above: list[tuple[int, str]]) -> None:
    """A `DataWarning` for lines that are passed over, where they may be rows: with a delimiter, or between rows."""
    mark = layout.comment.encode()
    whole = replace(layout, comment="", skip=0)
    count = sum(block.count(b"\n" + mark) + block.startswith(mark) for block, _ in line_blocks(whole))
    like_rows = [text for _, text in above if len(split_by([(0, text)], layout.delimiter).lines[0].fields) > 1]
    if count > len(above) or like_rows:
        shown = like_rows[0] if like_rows else above[0][1]
        warnings.warn(
            f"{layout.path.name}: {count:,} lines that begin with {layout.comment!r} are passed over, such as "
            f"{shown[:40]!r}", DataWarning, stacklevel=3,
        )  # fmt: skip


def _are_rows(above: list[tuple[int, str]], split: Split) -> bool:
    """Whether a line that begins like a comment is a row all the same: numbers stand where rows have numbers."""
    rows = [line.fields for line in split.lines if len(line.fields) == split.width]
    numbers = [j for j in range(1, split.width) if all(is_number(row[j]) for row in rows[1:] or rows)]
    candidates = [line.fields for line in split_by(above, split.delimiter).lines]
    return bool(numbers) and any(
        len(fields) == split.width and all(is_number(fields[j]) for j in numbers) for fields in candidates
    )


def _names_in_comment(above: list[tuple[int, str]], split: Split) -> list[str]:
    """Names in the last line above the rows: "# user item rating"."""
    if not above:
        return []
    number, text = above[-1]
    text = text.lstrip("#% \t")
    for delimiter in (split.delimiter, BLANKS):
        fields = [name.strip() for name in split_by([(number, text)], delimiter).lines[0].fields]
        if len(fields) == split.width and len(known_roles(fields)) > 1:
            return fields
    return []


def _has_item_blocks(rows: list[tuple[int, str]]) -> bool:
    """Netflix: a line "17:" before the ratings of item 17."""
    return len(rows) > 1 and bool(ITEM_HEAD.fullmatch(rows[0][1].encode())) and "," in rows[1][1]


def _netflix(layout: Layout, rows: list[tuple[int, str]]) -> Layout:
    fields = next(text.split(",") for _, text in rows if not ITEM_HEAD.fullmatch(text.encode()))
    if len(fields) > 3:
        raise DataError(
            f"{layout.path.name}: 'user,rating,date' is expected below a line such as {rows[0][1]!r}, and there are "
            f"{len(fields)} fields"
        )
    names = ("item", "user", "rating", "timestamp")[: len(fields) + 1]
    return replace(layout, delimiter=",", names=names, item_blocks=True)
