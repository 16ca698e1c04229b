"""The fast way through a plain text file in which all ids are integers: pandas' C engine, which is parallel.

pandas would read "007" and "+7" as 7. So the bytes of the file are looked through, block by block, for anything
that is not a plain number; where there is, the careful reader of `delimited` takes over.
"""

from __future__ import annotations

import csv
import mmap
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

BLOCK = 1 << 19  # bytes: a block and its comparisons stay in the cache
DELIMITERS = (",", "\t")
NEWLINE, RETURN, POINT, ZERO, NINE = b"\n\r.09"
EXPONENTS = b"eE"


def read_plain(
    path: Path, delimiter: str, names: tuple[str, ...], skip: int, kinds: dict[str, str]
) -> dict[str, Any] | None:
    """Every column as a NumPy array, or None where the file is not of this simple sort.

    All columns must be wanted: pandas passes over surplus fields where some are not.
    """
    if set(kinds) != set(names) or delimiter not in DELIMITERS:
        return None
    dtypes = {name: "float32" for name, kind in kinds.items() if kind == "rating"}
    try:
        with np.errstate(over="ignore"), warnings.catch_warnings():  # 1e99 becomes infinite, and is refused as that
            warnings.simplefilter("error", pd.errors.ParserWarning)  # fields beyond the names would be lost
            frame = pd.read_csv(
                path, sep=delimiter, header=None, names=list(names), skiprows=skip, dtype=dtypes, engine="c",
                index_col=False, quoting=csv.QUOTE_NONE, na_filter=False, compression=None,
            )  # fmt: skip
    except (
        ValueError,
        OverflowError,
        pd.errors.ParserWarning,
    ):  # the careful reader says what is wrong
        return None
    # the other types were not stated: asked for int64, pandas would take "7.0" and "1e3"
    if any(frame[name].dtype != np.int64 for name in kinds if name not in dtypes):
        return None
    if not is_plain(path, delimiter, skip):
        return None
    return {name: frame[name].to_numpy() for name in kinds}


def is_plain(path: Path, delimiter: str, skip: int) -> bool:
    """Whether all after `skip` lines is plain numbers: no leading zeros, signs, spaces, quotes or letters."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        start = 0
        for _ in range(skip):
            start = data.find(b"\n", start) + 1
        return bytes_are_plain(data, start, delimiter, letters=False)


def bytes_are_plain(data: mmap.mmap | bytes, start: int, delimiter: str, *, letters: bool = True) -> bool:
    """`is_plain` of text from `start` on, which is the beginning of a line; `letters` may be anywhere, if they may."""
    starts = range(start, len(data), BLOCK)
    with ThreadPoolExecutor() as pool:  # NumPy lets go of the interpreter within a block
        return all(pool.map(lambda at: _block_is_plain(data, start, at, ord(delimiter), letters), starts))


def _block_is_plain(data: mmap.mmap | bytes, start: int, at: int, delimiter: int, letters: bool) -> bool:
    """The block from `at` on, with the two bytes before it, so that no pattern falls between two blocks."""
    text = data[at - 2 : at + BLOCK] if at > start else b"\n" + data[at : at + BLOCK]
    block = np.frombuffer(text, dtype=np.uint8)
    other = block < POINT
    separators = np.count_nonzero(block == delimiter) + np.count_nonzero(block == NEWLINE)
    strange = np.count_nonzero(other) - separators  # signs, spaces, quotes; and the \r of Windows, which is fine
    if strange and strange != np.count_nonzero(block == RETURN):
        return False
    if not letters and not _has_no_word(block):
        return False
    padded = other[:-2] & (block[1:-1] == ZERO) & (block[2:] >= ZERO)  # a separator, 0, a digit
    return not padded.any()


def _has_no_word(block: npt.NDArray[np.uint8]) -> bool:
    """Whether the only letters are those of exponents: pandas takes True for 1, where all ratings are truths."""
    n_letters = np.count_nonzero(block > NINE)
    return bool(n_letters == 0 or n_letters == sum(np.count_nonzero(block == letter) for letter in EXPONENTS))
