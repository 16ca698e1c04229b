"""Raw ids in a store: integers as an array, texts as their UTF-8 bytes; and one vocabulary of many parts' ids.

Whether ids are integers is known when all of them were seen. A part of a text file whose ids look like integers
keeps them as such; where another part has "A7" or "007", they turn back into the texts that they were written as.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from recae._types import IdArray
from recae.errors import DataError
from recae.ratings.ids import plain
from recae.schemas import Invalid
from recae.store.checks import check_ends
from recae.store.layout import map_array, write_array

MERGED_AT_ONCE = 1 << 20  # ids


def is_text(ids: IdArray) -> bool:
    return ids.dtype == object


def as_text(ids: IdArray) -> IdArray:
    """Integers as they were written; texts as they are."""
    return ids if is_text(ids) else ids.astype(str).astype(object)


def checked_ids(ids: IdArray, column: str, file: str) -> IdArray:
    """Distinct ids as int64 or as texts.

    Raises:
        DataError: they are something else, such as fractions.
    """
    if ids.dtype.kind in "iu" and not (ids.dtype.kind == "u" and ids.max(initial=0) > np.iinfo(np.int64).max):
        return ids.astype(np.int64)
    odd = [value for value in ids.tolist() if not isinstance(value, str)]
    if ids.dtype == object and not odd:
        return ids
    shown = plain(odd[0]) if odd else plain(ids[0])
    raise DataError(
        f"{file}: the id {shown!r} in column {column!r} is a {type(shown).__name__}; a store keeps integers of 64 bits "
        "and texts: write the column as one of them"
    )


def merged(parts: Iterable[IdArray]) -> IdArray:
    """The sorted vocabulary of all parts; texts where any part has texts."""
    whole = np.empty(0, np.int64)
    waiting: list[IdArray] = []
    for part in parts:
        waiting.append(part)
        if sum(map(len, waiting)) > max(MERGED_AT_ONCE, len(whole)):
            whole, waiting = _union([whole, *waiting]), []
    return _union([whole, *waiting])


def _union(parts: list[IdArray]) -> IdArray:
    if any(map(is_text, parts)):
        distinct: set[str] = set()
        for part in parts:
            distinct.update(as_text(part).tolist())
        out = np.empty(len(distinct), dtype=object)
        out[:] = sorted(distinct)
        return out
    return np.unique(np.concatenate(parts))


class Numbering:
    """The number of each id of a vocabulary."""

    def __init__(self, vocabulary: IdArray) -> None:
        self.text = is_text(vocabulary)
        self.index = pd.Index(vocabulary)

    def of(self, ids: IdArray) -> npt.NDArray[np.int32]:
        """Numbers of a part's ids, (n,), all of which are in the vocabulary."""
        return self.index.get_indexer(pd.Index(as_text(ids) if self.text else ids)).astype(np.int32)


# ---------------------------------------------------------------- files


def write_ids(folder: Path, name: str, ids: IdArray) -> dict[str, dict[str, Any]]:
    """Ids as `name`.npy, or as `name`.text.npy and `name`.ends.npy; gives what the manifest says of these."""
    if not is_text(ids):
        return {f"{name}.npy": write_array(folder / f"{name}.npy", ids)}
    encoded = [text.encode() for text in ids.tolist()]
    text = np.frombuffer(b"".join(encoded), dtype=np.uint8)
    ends = np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)))
    return {f"{name}.{part}.npy": write_array(folder / f"{name}.{part}.npy", array)
            for part, array in (("text", text), ("ends", ends))}  # fmt: skip


def read_ids(folder: Path, name: str, arrays: dict[str, dict[str, Any]]) -> IdArray:
    """Ids in memory, as `write_ids` was given them; `arrays` is what it gave.

    Raises:
        DataError: a file is missing or of another size.
        Invalid: what it holds is no list of ids.
    """
    if f"{name}.npy" in arrays:
        return np.array(map_array(folder, f"{name}.npy", arrays[f"{name}.npy"]))
    text, ends = (map_array(folder, file, arrays[file]) for file in (f"{name}.text.npy", f"{name}.ends.npy"))
    check_ends(ends, len(text))
    return decoded(text.tobytes(), ends)


def decoded(text: bytes, ends: npt.NDArray[np.int64]) -> IdArray:
    stops = ends.tolist()
    out = np.empty(len(stops), dtype=object)
    try:
        out[:] = [text[start:stop].decode() for start, stop in zip([0, *stops[:-1]], stops)]
    except UnicodeDecodeError:
        raise Invalid("an id is no text in UTF-8") from None
    return out
