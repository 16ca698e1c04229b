"""Ratings that are too many for memory, put in order: binned by rows, and then bin by bin sorted and appended.

Memory is that of one bin. A bin is a range of users (or of items), so what follows one bin's ratings is the next
bin's: the side is written from its beginning to its end.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from recae._types import Array, IntArray
from recae.ratings.csr import Duplicates, cut_evenly, to_csr
from recae.store.layout import ArrayFile, write_json
from recae.store.steps import Report, Workplace, need, read, save


class PairNames(NamedTuple):
    """How messages speak of a pair that occurs twice, given its row and column."""

    describe: Callable[[int, int], str]  # "user 7, item 'x'"
    locate: Callable[[int, int], str]  # "ratings.csv, line 12"


COLUMNS = ("rows", "cols", "ratings", "timestamps")


def bin_by_rows(folder: Path, columns: dict[str, Array | None], cuts: IntArray) -> None:
    """Write ratings into a step's folder, bin by bin, in the order that they had within a bin.

    Args:
        folder: where to.
        columns: rows, cols, ratings, and timestamps or None; each (n,).
        cuts: first row of each bin, and the number of rows: (n_bins + 1,).
    """
    rows = columns["rows"]
    assert rows is not None
    n_bins = len(cuts) - 1
    bin_of_row = np.repeat(np.arange(n_bins, dtype=np.uint16 if n_bins < 2**16 else np.int64), np.diff(cuts))
    bins = bin_of_row[rows]
    order = np.argsort(bins, kind="stable")  # a radix sort, for 16 bits
    save(folder, {name: None if column is None else column[order] for name, column in columns.items()})
    save(folder, {"starts": np.concatenate([[0], np.cumsum(np.bincount(bins, minlength=n_bins))])})


def gathered(parts: Sequence[Path], number: int) -> dict[str, Array | None]:
    """The ratings of bin `number`, of all parts, in the order of the parts."""
    found: dict[str, list[Array | None]] = {name: [] for name in COLUMNS}
    for folder in parts:
        start, stop = need(folder, "starts")[number : number + 2]
        for name in COLUMNS:
            found[name].append(read(folder, name, slice(start, stop)))
    return {name: _joined(arrays) for name, arrays in found.items()}


def _joined(arrays: list[Array | None]) -> Array | None:
    there = [array for array in arrays if array is not None]
    return np.concatenate(there) if there else None


class Side:
    """The arrays of one side, user_rows or item_rows, which grow bin by bin and survive a kill.

    After each bin, what is on the disk for certain is noted; another process cuts off what lies behind, and goes on.

    Args:
        work: where the notes are kept.
        name: user_rows or item_rows.
        dtypes: type of each array, by its name in the store.
    """

    def __init__(self, work: Workplace, name: str, dtypes: dict[str, str]) -> None:
        self.name, self.out, self._note = name, work.out, work.folder / f"{name}.json"
        kept: dict[str, Any] = {"bins": 0, "rows": 0, "total": 0.0, "arrays": {}}
        if self._note.is_file():
            kept = json.loads(self._note.read_text(encoding="utf-8"))
        self.bins, self.rows, self.total = kept["bins"], kept["rows"], kept["total"]
        self.files = {
            file: ArrayFile(self.out / f"{file}.npy", dtype, **kept["arrays"].get(file, {}))
            for file, dtype in dtypes.items()
        }
        if not self.bins:
            self.files[f"{name}.indptr"].append(np.zeros(1, np.int64))

    @property
    def n_ratings(self) -> int:
        return self.files[f"{self.name}.data"].length

    def add(self, columns: dict[str, Array | None], n_rows: int, n_cols: int, how: Duplicates, pair: PairNames) -> None:
        """One more bin: its ratings in any order, and how many rows it has. Its first row is the next one."""
        rows, cols, ratings = columns["rows"], columns["cols"], columns["ratings"]
        assert rows is not None
        assert cols is not None
        assert ratings is not None
        first, before = self.rows, self.n_ratings
        rows = rows - rows.dtype.type(first)
        csr, stamps = to_csr(
            rows, cols, ratings, columns["timestamps"], (n_rows, n_cols), how,
            lambda place: pair.describe(int(rows[place]) + first, int(cols[place])),
            lambda place: pair.locate(int(rows[place]) + first, int(cols[place])),
        )  # fmt: skip
        self.files[f"{self.name}.indices"].append(csr.indices)
        self.files[f"{self.name}.data"].append(csr.data)
        if stamps is not None and "timestamps" in self.files:
            self.files["timestamps"].append(stamps)
        self.files[f"{self.name}.indptr"].append(csr.indptr[1:].astype(np.int64) + before)
        self.total += float(csr.data.sum(dtype=np.float64))
        self.bins, self.rows = self.bins + 1, first + n_rows
        states = {name: file.state() for name, file in self.files.items()}
        write_json(self._note, {"bins": self.bins, "rows": self.rows, "total": self.total, "arrays": states})

    def close(self) -> dict[str, dict[str, Any]]:
        """What the manifest says of the arrays."""
        return {f"{name}.npy": file.close() for name, file in self.files.items()}


def sort_bins(
    side: Side, parts: Sequence[Path], cuts: IntArray, n_cols: int, how: Duplicates, pair: PairNames, report: Report
) -> None:
    """Sort and append the bins that the side has not yet."""
    for number in range(side.bins, len(cuts) - 1):
        report(f"sorting {side.name}", number, len(cuts) - 1)
        side.add(gathered(parts, number), int(cuts[number + 1] - cuts[number]), n_cols, how, pair)
    report(f"sorting {side.name}", len(cuts) - 1, len(cuts) - 1)


def turned(indptr: Array, indices: Array, data: Array, size: int) -> Iterator[Callable[[], dict[str, Array | None]]]:
    """The other side's ratings, a block of about `size` at a time, each as a function that reads it from the maps."""
    cuts = cut_evenly(np.diff(indptr), size)

    def block(first: int, last: int) -> dict[str, Array | None]:
        start, stop = int(indptr[first]), int(indptr[last])
        users = np.repeat(np.arange(first, last, dtype=np.int32), np.diff(indptr[first : last + 1]))
        return {
            "rows": np.array(indices[start:stop]), "cols": users, "ratings": np.array(data[start:stop]),
            "timestamps": None,
        }  # fmt: skip

    for first, last in zip(cuts[:-1].tolist(), cuts[1:].tolist()):
        yield partial(block, first, last)


def counts_of(indices: Array, n: int, block: int = 1 << 22) -> npt.NDArray[np.int64]:
    """How often each column occurs, (n,), read block by block."""
    total = np.zeros(n, np.int64)
    for start in range(0, len(indices), block):
        total += np.bincount(indices[start : start + block], minlength=n)
    return total
