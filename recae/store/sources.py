"""Files as parts of a store: each part a few million ratings in memory, its ids numbered within the part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recae._types import FloatArray, IdArray, IntArray
from recae.errors import DataError, Remedy
from recae.ratings.column_checks import refuse_bad_values
from recae.ratings.ids import factorise_both, plain
from recae.readers.columns import Choice
from recae.readers.sniffing import TextOptions
from recae.readers.tables import checked
from recae.store.chunks import ChunkedFile, Rows, open_file
from recae.store.vocabulary import checked_ids


@dataclass(frozen=True)
class Part:
    """Some rows as they were read, with ids numbered within the part.

    Attributes:
        users, items: int32 (n,), indices of `user_ids` and `item_ids`.
        ratings: float32 (n,).
        timestamps: int64 (n,), or None.
        user_ids, item_ids: distinct ids, int64 or texts (objects).
    """

    users: npt.NDArray[np.int32]
    items: npt.NDArray[np.int32]
    ratings: FloatArray
    timestamps: IntArray | None
    user_ids: IdArray
    item_ids: IdArray


class Source:
    """The files that a store is made of, read chunk by chunk.

    Args:
        paths: the files, in order.
        given: the columns that were stated; see `recae.load`.
        options: what was stated of text files.
        scale: lowest and highest possible rating, or None.
        name: what reports call the ratings.
        day_first: whether the day comes first in dates such as 03/04/2005.

    Raises:
        DataError: a file cannot be read, or some files have timestamps and others have none.
    """

    def __init__(
        self, paths: list[Path], given: dict[str, Choice], options: TextOptions, scale: tuple[float, float] | None,
        name: str, day_first: bool | None = None,
    ) -> None:  # fmt: skip
        self.name, self.scale, self.day_first = name, scale, day_first
        opened = [open_file(path, given, options) for path in paths]
        _refuse_mixture(opened)
        self._chunks = [(file, chunk) for file in opened for chunk in file.chunks()]
        self.files: list[dict[str, Any]] = [
            {"name": path.name, "bytes": path.stat().st_size, "changed_ns": path.stat().st_mtime_ns} for path in paths
        ]

    def sizes(self) -> list[int]:
        """How much there is to read in each chunk, in bytes."""
        return [chunk.size for _, chunk in self._chunks]

    def read(self, number: int) -> Iterator[tuple[Part, int]]:
        """The parts of a chunk, and how much of the chunk was read after each, in bytes."""
        file, chunk = self._chunks[number]
        for rows in file.read(chunk):
            yield self._part(file, rows), rows.so_far

    def _part(self, file: ChunkedFile, rows: Rows) -> Part:
        users, items, ratings, stamps = checked(rows.columns, file.chosen, rows.where, self.day_first, is_part=True)
        refuse_bad_values(ratings, self.scale, rows.where)
        user_codes, user_ids, item_codes, item_ids = factorise_both(users, items)
        return Part(
            user_codes, item_codes, ratings, stamps,
            checked_ids(user_ids, file.chosen["user"], file.path.name),
            checked_ids(item_ids, file.chosen["item"], file.path.name),
        )  # fmt: skip

    def locate_second(self, user: Any, item: Any) -> str:
        """File and line where a pair of raw ids occurs for the second time; the files are read again."""
        seen = 0
        for file, chunk in self._chunks:
            for rows in file.read(chunk):
                users, items, _, _ = checked(rows.columns, file.chosen, rows.where, self.day_first, is_part=True)
                found = np.flatnonzero(_equal(users, user) & _equal(items, item))
                if seen + len(found) > 1:
                    return rows.where(int(found[1 - seen]))
                seen += len(found)
        raise DataError(f"user {user!r} and item {item!r} are not in the files: they were changed meanwhile")


def _refuse_mixture(files: list[ChunkedFile]) -> None:
    """All files have timestamps, or none."""
    without = [file.path.name for file in files if "timestamp" not in file.chosen]
    if without and len(without) < len(files):
        raise DataError(
            f"{without[0]} has no timestamps, and others have",
            remedy=Remedy("leave them out with {timestamp}", timestamp=False),
        )


def _equal(column: Any, wanted: Any) -> npt.NDArray[np.bool_]:
    """Where a column of ids has this one; integers may have become texts since."""
    codes, ids = factorise_both(column, column)[:2]
    return np.array([plain(one) == wanted or str(plain(one)) == wanted for one in ids], dtype=bool)[codes]
