"""What stands between fields: the delimiter under which the first lines of a file have one width."""

from __future__ import annotations

import csv
from collections import Counter
from typing import NamedTuple

from recae.errors import DataError, Phrase, Remedy
from recae.readers.columns import ROLES, is_number, known_roles
from recae.readers.text_layout import BLANKS

CANDIDATES = ("\t", ",", ";", "|", "::", BLANKS)


class Line(NamedTuple):
    """Fields of a record, and the number of its line in the file."""

    number: int
    fields: list[str]


class Split(NamedTuple):
    """The first records of a file under one delimiter, and the width that most of them have."""

    delimiter: str
    lines: list[Line]
    width: int
    share: float  # of the records after the first, those that have this width

    @property
    def n_clear(self) -> int:
        """Columns of numbers, and usual names in the first line: what a wrong delimiter does not leave."""
        rows = [line.fields for line in self.lines[1:] or self.lines if len(line.fields) == self.width]
        numbers = sum(all(is_number(row[column]) for row in rows) for column in range(self.width))
        return numbers + len(known_roles(self.lines[0].fields))


class LooksLikeLists(DataError):
    """A file is not a table but lists, "user item item ..." a line.

    Attributes:
        surely: whether it can be no table with a damaged line.
    """

    surely = False


def best_split(name: str, rows: list[tuple[int, str]], sep: str | None, expected: str | None = None) -> Split:
    """The first records under the delimiter that was stated, that is expected and serves, or that fits best.

    Blanks are taken only where nothing else serves: names and titles have some.
    """
    if sep is None and expected is not None:
        split = split_by(rows, delimiter_of(expected))
        if split.width > 1 and split.share >= 0.9:
            return split
    if sep is not None:
        split = split_by(rows, delimiter_of(sep))
        if max(len(line.fields) for line in split.lines) == 1:
            raise DataError(f"{name}: it is not in {rows[0][1][:40]!r}", name="sep", value=sep)
        return split
    found = [split_by(rows, candidate) for candidate in CANDIDATES]
    even = [one for one in found if one.width > 1 and one.share >= 0.9]
    if even:
        return max(even, key=lambda one: (one.delimiter != BLANKS, one.n_clear, -CANDIDATES.index(one.delimiter)))
    if are_lists(rows):
        error = LooksLikeLists(
            f"{name} looks like lists, 'user item item ...' a line, and not like a table",
            remedy=(
                Remedy("say {lists} if it is", lists=True),
                Remedy(
                    "read a folder with train.txt and test.txt of such lists with {published}",
                    published=Phrase("recae.splitting.published_lists(folder)"),
                ),
            ),
        )
        error.surely = are_surely_lists(rows)
        raise error
    best = max(found, key=lambda one: (len(one.lines[0].fields), one.delimiter != BLANKS))
    if len(best.lines[0].fields) == 1:
        raise DataError(
            f"{name} has one column only ({rows[0][1][:40]!r})",
            remedy=Remedy("say what stands between fields with {sep}", sep=...),
        )
    return best


def delimiter_of(sep: str) -> str:
    """A stated delimiter: blanks stand for any number of them."""
    return BLANKS if sep.strip(" ") == "" else sep


def split_by(rows: list[tuple[int, str]], delimiter: str) -> Split:
    """With quoted fields or without, as more records have one width."""
    variants = [records_of(rows, delimiter, quoted) for quoted in (True, False)]
    splits = []
    for lines in variants:
        widths = Counter(len(line.fields) for line in lines[1:] or lines)
        width, count = max(widths.items(), key=lambda found: found[1])
        splits.append(Split(delimiter, lines, width, count / sum(widths.values())))
    return max(splits, key=lambda one: (one.share, one.width > 1, -len(one.lines)) if delimiter == "\t" else one.share)


def records_of(rows: list[tuple[int, str]], delimiter: str, quoted: bool) -> list[Line]:
    if delimiter == BLANKS:
        return [Line(number, text.split()) for number, text in rows]
    if len(delimiter) > 1:
        return [Line(number, text.split(delimiter)) for number, text in rows]
    if not quoted:
        return [Line(number, text.split(delimiter)) for number, text in rows]
    reader = csv.reader((text + "\n" for _, text in rows), delimiter=delimiter)
    found, first = [], 0
    try:
        for fields in reader:
            found.append(Line(rows[min(first, len(rows) - 1)][0], fields))
            first = reader.line_num
    except csv.Error:  # a return within a line
        return records_of(rows, delimiter, quoted=False)
    return found


def are_lists(rows: list[tuple[int, str]]) -> bool:
    """Lines of whole numbers with blanks between, some with many: "user item item ..."."""
    found = [text.split() for _, text in rows]
    return all(word.isdecimal() for words in found for word in words) and max(map(len, found)) > len(ROLES)


def are_surely_lists(rows: list[tuple[int, str]]) -> bool:
    """Whether lines have many widths, and each begins with another number: a damaged table has one width in most."""
    found = [text.split() for _, text in rows]
    widths = Counter(map(len, found))
    return len(widths) > 2 and 2 * max(widths.values()) <= len(found) and len({line[0] for line in found}) == len(found)
