"""From columns of a table to the CSR arrays of a `RatingMatrix`, in linear time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recae._types import Csr, FloatArray, IntArray
from recae.errors import DataError, Remedy
from recae.ratings.column_checks import row_number
from recae.ratings.ids import WORTH_A_THREAD
from recae.ratings.merging import Duplicates, Runs, check_duplicates, merge_runs
from recae.ratings.times import Where


def make_csr(data: Any, indices: Any, indptr: Any, shape: tuple[int, int]) -> Csr:
    """CSR of arrays that are sorted and without duplicates; indices of one small type save scipy a copy."""
    small = _index_type(len(data))
    rows = sparse.csr_array((data, indices.astype(small, copy=False), indptr.astype(small, copy=False)), shape=shape)
    rows.has_sorted_indices = True
    rows.has_canonical_format = True
    return rows


def mapped_csr(data: Any, indices: Any, indptr: Any, shape: tuple[int, int]) -> Csr:
    """`make_csr` of arrays on disk: int32 columns stay as they are even where row starts need 64 bits."""
    if _index_type(len(data)) is np.int32:
        return make_csr(data, indices, indptr, shape)
    return _csr_over(np.asarray(data), np.asarray(indices), indptr, shape)


def _csr_over(data: Any, indices: Any, indptr: Any, shape: tuple[int, int]) -> Csr:
    """`make_csr` over arrays as they are: scipy's constructor may copy them, be it to another type or out of a view."""
    rows: Csr = sparse.csr_array(shape, dtype=data.dtype)
    rows.data, rows.indices, rows.indptr = data, indices, indptr
    rows.has_sorted_indices = True
    rows.has_canonical_format = True
    return rows


def take_rows(rows: Csr, index: IntArray) -> Csr:
    """The rows `index`, (n,), in that order; of neighbouring ones in memory, entries are not copied."""
    in_memory = rows.indices.flags.writeable  # numba takes what is not to be written to for another type
    if len(index) == 0 or index[0] < 0 or not in_memory or not (np.diff(index) == 1).all():
        return rows[index]
    first, last = int(index[0]), int(index[-1]) + 1
    starts = rows.indptr[first : last + 1]
    part = slice(starts[0], starts[-1])
    starts = (starts - starts[0]).astype(np.result_type(rows.indices, _index_type(int(starts[-1]))))
    return _csr_over(rows.data[part], rows.indices[part], starts, (len(index), rows.shape[1]))


def cut_evenly(counts: npt.NDArray[Any], size: int) -> IntArray:
    """Where to cut rows with `counts` entries each, so that parts have about `size` entries: (n_parts + 1,).

    A part is of whole rows, so a row longer than `size` makes a longer part.
    """
    ends = np.cumsum(counts, dtype=np.int64)
    part = np.maximum(ends - 1, 0) // size
    cuts = np.flatnonzero(part[1:] != part[:-1]) + 1
    return np.concatenate([[0], cuts, [len(counts)]]).astype(np.int64)


def _index_type(n: int) -> type[np.int32] | type[np.int64]:
    return np.int32 if n <= np.iinfo(np.int32).max else np.int64


def to_csr(
    users: npt.NDArray[np.int32],
    items: npt.NDArray[np.int32],
    values: FloatArray,
    timestamps: IntArray | None,
    shape: tuple[int, int],
    duplicates: Duplicates,
    describe: Callable[[int], str],
    where: Where = row_number,
) -> tuple[Csr, IntArray | None, Runs | None]:
    """CSR with sorted columns, its timestamps in the same order, and the rows of pairs that occur more than once.

    Two stable counting passes (by item, then by user) order the ratings in linear time, without a comparison
    sort; ratings that are in order already, as in the published csv files, are left where they are. Rows of one pair
    are merged as asked; they are returned as they were where there are times, and None where there are none.

    Raises:
        DataError: columns of several lengths, a code below 0 (a missing id), or a pair twice where none may be.
    """
    check_duplicates(duplicates)
    runs = None
    stamps = None if timestamps is None else np.asarray(timestamps, dtype=np.int64)
    _refuse_uneven(users, items, values, stamps)
    for kind, codes in (("user", users), ("item", items)):  # scipy would write before its arrays
        if len(codes) and codes.min() < 0:
            raise DataError(f"{where(int(np.argmax(codes < 0)))}: the id of the {kind} is missing")
    if _in_order(users, items):
        return make_csr(values, items, _row_starts(users, shape[0]), shape), stamps, None
    order, columns, starts = _by_user_and_item(users, items, shape)
    values, stamps = _gathered(values, stamps, order)
    repeated = np.zeros(len(order), dtype=bool)
    repeated[1:] = columns[1:] == columns[:-1]
    repeated[starts[:-1][np.diff(starts) > 0]] = False
    if repeated.any():
        if duplicates == "error":
            row = int(order[np.argmax(repeated)])
            raise DataError(
                f"{where(row)}: a second rating for {describe(row)}",
                remedy=(
                    Remedy("merge the rows of a pair, such as with {duplicates}", duplicates="last"),
                    "correct the table",
                ),
            )
        kept = np.concatenate([[0], np.cumsum(~repeated)])
        if stamps is not None:
            several = np.flatnonzero(repeated | np.append(repeated[1:], False))
            runs = Runs(kept[several + 1] - 1, values[several], stamps[several])
        values, stamps = merge_runs(values, stamps, repeated, duplicates)
        columns, starts = columns[~repeated], kept[starts]
    return make_csr(values, columns, starts, shape), stamps, runs


def _gathered(values: FloatArray, stamps: IntArray | None, order: Any) -> tuple[FloatArray, IntArray | None]:
    """Values and timestamps in another order; of long arrays at once: NumPy lets go of the interpreter meanwhile."""
    if stamps is None or len(values) < WORTH_A_THREAD:
        return values[order], None if stamps is None else stamps[order]
    with ThreadPoolExecutor(1) as pool:
        moved = pool.submit(stamps.__getitem__, order)
        return values[order], moved.result()


def _refuse_uneven(*columns: npt.NDArray[Any] | None) -> None:
    lengths = [len(column) for column in columns if column is not None]
    if len(set(lengths)) > 1:
        raise DataError(
            f"columns of {', '.join(map(str, lengths))} rows: users, items, ratings and times have one each"
        )


def _in_order(users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> bool:
    """By user, then by item, and no pair twice."""
    step = users[1:] > users[:-1]
    return bool((step | ((users[1:] == users[:-1]) & (items[1:] > items[:-1]))).all())


def _row_starts(codes: npt.NDArray[np.int32], n: int) -> npt.NDArray[np.integer]:
    return np.concatenate([[0], np.cumsum(np.bincount(codes, minlength=n))]).astype(_index_type(len(codes)))


def _by_user_and_item(
    users: npt.NDArray[np.int32], items: npt.NDArray[np.int32], shape: tuple[int, int]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Positions in order (equal pairs as they came), their items, and where each user's begin.

    scipy's transposition is a stable counting sort. The first one, of a single row, sorts by item and carries
    position and user packed in one integer, which spares a gather; the second one sorts by user.
    """
    n = len(users)
    small = _index_type(n)
    packed = (users.astype(np.int64) << 32) | np.arange(n, dtype=np.int64)
    row: Csr = sparse.csr_array((packed, items, np.array([0, n], dtype=small)), shape=(1, shape[1]))
    sorted_by_item = row.tocsc().data
    positions: Any = sorted_by_item.astype(np.uint32).astype(small)
    their_users = (sorted_by_item >> 32).astype(np.int32)
    rows = sparse.csc_array((positions, their_users, _row_starts(items, shape[1])), shape=shape).tocsr()
    return rows.data, rows.indices, rows.indptr


def k_core(rows: Csr, min_user: int, min_item: int, until_stable: bool) -> tuple[IntArray, IntArray, Csr]:
    """Users and items that have enough ratings, and where their ratings stand in `rows.data` (CSR int64)."""
    users, items = np.arange(rows.shape[0]), np.arange(rows.shape[1])
    positions = sparse.csr_array((np.arange(rows.nnz, dtype=np.int64), rows.indices, rows.indptr), shape=rows.shape)
    while True:
        good_users = np.diff(positions.indptr) >= min_user
        good_items = np.bincount(positions.indices, minlength=positions.shape[1]) >= min_item
        stable = bool(good_users.all() and good_items.all())
        users, items = users[good_users], items[good_items]
        positions = positions[good_users][:, good_items]
        if stable or not until_stable:
            positions.sort_indices()
            return users, items, positions
