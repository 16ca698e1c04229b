"""Ratings that are too many for memory, put in order: binned by rows, then sorted and appended bin by bin.

A bin is a range of rows (users, or items), so the ratings after those of one bin are those of the next: the CSR
arrays are written from their beginning to their end. Memory is that of one bin.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from recae._types import Array, Csr, FloatArray, IntArray
from recae.ratings.csr import cut_evenly, to_csr
from recae.ratings.merging import Duplicates
from recae.store.layout import ArrayFile, write_json
from recae.store.steps import Report, Steps, need, read, save


@dataclass(frozen=True)
class Entries:
    """Ratings by row and column number, in any order.

    Attributes:
        rows, cols: int32 (n,).
        ratings: float32 (n,).
        timestamps: int64 (n,), or None.
    """

    rows: npt.NDArray[np.int32]
    cols: npt.NDArray[np.int32]
    ratings: FloatArray
    timestamps: IntArray | None = None


class PairNames(NamedTuple):
    """How messages name a pair that occurs twice, given its row and column."""

    describe: Callable[[int, int], str]  # "user 7, item 'x'"
    locate: Callable[[int, int], str]  # "ratings.csv, line 12"


def bin_by_rows(folder: Path, entries: Entries, cuts: IntArray) -> None:
    """Write entries into a step's folder, bin by bin; within a bin they keep their order.

    Args:
        folder: where to write.
        entries: the ratings.
        cuts: first row of each bin, and the number of rows: (n_bins + 1,).
    """
    n_bins = len(cuts) - 1
    bin_of_row = np.repeat(np.arange(n_bins, dtype=np.uint16 if n_bins < 2**16 else np.int64), np.diff(cuts))
    bins = bin_of_row[entries.rows]
    order = np.argsort(bins, kind="stable")  # a radix sort, for 16 bits
    save(folder, {name: None if column is None else column[order] for name, column in vars(entries).items()})
    save(folder, {"starts": np.concatenate([[0], np.cumsum(np.bincount(bins, minlength=n_bins))])})


def read_bin(parts: Sequence[Path], number: int) -> Entries:
    """The entries of bin `number` in all parts, in the order of the parts."""
    found = []
    for folder in parts:
        start, stop = need(folder, "starts")[number : number + 2]
        part = slice(start, stop)
        columns = (need(folder, name, part) for name in ("rows", "cols", "ratings"))
        found.append((*columns, read(folder, "timestamps", part)))
    rows, cols, ratings, stamps = zip(*found)
    times = [each for each in stamps if each is not None]
    return Entries(
        np.concatenate(rows), np.concatenate(cols), np.concatenate(ratings), np.concatenate(times) if times else None
    )


class CsrWriter:
    """The CSR arrays of a store, user_rows or item_rows, which grow bin by bin and survive a kill.

    After each bin, a note says what is on the disk for certain. Another process cuts off what lies behind, and resumes.

    Args:
        steps: where the note is kept.
        name: user_rows or item_rows.
        dtypes: type of each array, by its name in the store.
    """

    def __init__(self, steps: Steps, name: str, dtypes: dict[str, str]) -> None:
        self.name, self._note = name, steps.folder / f"{name}.json"
        kept: dict[str, Any] = {"bins": 0, "rows": 0, "total": 0.0, "low": np.inf, "high": -np.inf, "arrays": {}}
        if self._note.is_file():
            kept |= json.loads(self._note.read_text(encoding="utf-8"))
        self.bins, self.rows, self.total = kept["bins"], kept["rows"], kept["total"]
        self.low, self.high = kept["low"], kept["high"]
        self.files = {
            file: ArrayFile(steps.out / f"{file}.npy", dtype, **kept["arrays"].get(file, {}))
            for file, dtype in dtypes.items()
        }
        if not self.bins:
            self.files[f"{name}.indptr"].append(np.zeros(1, np.int64))

    @property
    def n_ratings(self) -> int:
        return self.files[f"{self.name}.data"].length

    def add(self, entries: Entries, n_rows: int, n_cols: int, duplicates: Duplicates, pair: PairNames) -> None:
        """Sort and append one more bin of `n_rows` rows; its first row is the next one."""
        first = self.rows
        rows = entries.rows - entries.rows.dtype.type(first)

        def row_and_column(index: int) -> tuple[int, int]:
            return int(entries.rows[index]), int(entries.cols[index])

        csr, stamps, _ = to_csr(
            rows, entries.cols, entries.ratings, entries.timestamps, (n_rows, n_cols), duplicates,
            lambda index: pair.describe(*row_and_column(index)), lambda index: pair.locate(*row_and_column(index)),
        )  # fmt: skip
        self._append(csr, stamps)
        self.total += float(csr.data.sum(dtype=np.float64))
        self.low, self.high = min(self.low, float(csr.data.min())), max(self.high, float(csr.data.max()))
        self.bins, self.rows = self.bins + 1, first + n_rows
        states = {name: file.state() for name, file in self.files.items()}
        write_json(self._note, {
            "bins": self.bins, "rows": self.rows, "total": self.total, "low": self.low, "high": self.high,
            "arrays": states,
        })  # fmt: skip

    def _append(self, csr: Csr, stamps: IntArray | None) -> None:
        ends = csr.indptr[1:].astype(np.int64) + self.n_ratings
        self.files[f"{self.name}.indices"].append(csr.indices)
        self.files[f"{self.name}.data"].append(csr.data)
        self.files[f"{self.name}.indptr"].append(ends)
        if stamps is not None and "timestamps" in self.files:
            self.files["timestamps"].append(stamps)

    def close(self) -> dict[str, dict[str, Any]]:
        """What the manifest says of the arrays."""
        return {f"{name}.npy": file.close() for name, file in self.files.items()}


def sort_bins(
    writer: CsrWriter, parts: Sequence[Path], cuts: IntArray, n_cols: int, duplicates: Duplicates, pair: PairNames,
    report: Report,
) -> None:  # fmt: skip
    """Sort and append the bins that the writer lacks."""
    for number in range(writer.bins, len(cuts) - 1):
        report(f"sorting {writer.name}", number, len(cuts) - 1)
        writer.add(read_bin(parts, number), int(cuts[number + 1] - cuts[number]), n_cols, duplicates, pair)
    report(f"sorting {writer.name}", len(cuts) - 1, len(cuts) - 1)


@dataclass(frozen=True)
class Transposed:
    """A matrix on disk, read as the entries of its transpose, in blocks of about `size` entries.

    Attributes:
        indptr, indices, data: the CSR arrays of the matrix, as maps.
        size: entries of a block.
    """

    indptr: Array
    indices: Array
    data: Array
    size: int

    def blocks(self) -> list[tuple[int, int]]:
        """First row of each block, and the row after its last."""
        cuts = cut_evenly(np.diff(self.indptr), self.size).tolist()
        return list(itertools.pairwise(cuts))

    def read(self, first: int, last: int) -> Entries:
        """The entries of rows `first` to before `last`, by column."""
        start, stop = int(self.indptr[first]), int(self.indptr[last])
        rows = np.repeat(np.arange(first, last, dtype=np.int32), np.diff(self.indptr[first : last + 1]))
        return Entries(np.array(self.indices[start:stop]), rows, np.array(self.data[start:stop]))

    def counts(self, n: int, block: int = 1 << 22) -> IntArray:
        """Entries of each of the `n` columns, (n,), read block by block."""
        total = np.zeros(n, np.int64)
        for start in range(0, len(self.indices), block):
            total += np.bincount(self.indices[start : start + block], minlength=n)
        return total
