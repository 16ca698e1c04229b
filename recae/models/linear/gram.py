"""The item-item matrix G = Xᵀ D X of sparse rows, and its inverse in place: what closed-form linear models rest on.

`SmallPart` is a dense part of the rows with entries hidden, on which settings are chosen at a cost that does not grow.

One copy of the matrix is held throughout. SciPy's `potri` crashes in float32 above some 38,000 columns, and
`torch.cholesky_inverse` holds three copies; so factor, inverse of the factor, and product are blocked here, each a
few products of large blocks, in place. Work is n³ multiply-adds, as in LAPACK's potrf and potri.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recae._types import Csr, FloatArray, IntArray
from recae.distributed.ranks import Ranks
from recae.errors import DivergenceError, Remedy
from recae.jit import jit_kernel, prange
from recae.nn.products import add_product_, full_precision, product
from recae.sparse import SparseRows, spmm
from recae.sparse.resources import kernel_threads

BLOCK = 512  # columns: larger ones are no faster and hold more
_USERS = 4096  # dense rows at once, on a GPU
_COLUMN_BYTES = 2**29  # dense columns at once, on a GPU
SMALL_USERS, SMALL_ITEMS = 3_000, 600  # of a part to choose settings on
HIDDEN = 0.2  # of a row's entries there
LIST = 20  # length of the lists that are compared there
_SPARSE_BELOW = 0.05  # filled: reads of 4 bytes a rating and item, against 2 operations a cell; an estimate, unmeasured


def peak_bytes(n_items: int, dtype: torch.dtype) -> int:
    """Bytes that `gram` and `invert_` hold at most: the matrix, and some blocks of its columns."""
    size = torch.empty((), dtype=dtype).element_size()
    return n_items * size * (n_items + 4 * min(BLOCK, n_items))


@full_precision()
def gram(user_rows: Csr, weight: FloatArray, *, device: torch.device, dtype: torch.dtype = torch.float32) -> Tensor:
    """Xᵀ diag(weight) X, (n_items, n_items), of which only the lower triangle is sure to be filled.

    Args:
        user_rows: X, (n_users, n_items); never made dense as a whole.
        weight: of each user, (n_users,).
    """
    n_items = user_rows.shape[1]
    if device.type != "cpu":
        filled = user_rows.nnz / (max(1, user_rows.shape[0]) * n_items)
        by_ratings = device.type == "cuda" and dtype == torch.float32 and filled < _SPARSE_BELOW
        return (_sparse_gram if by_ratings else _dense_gram)(user_rows, weight, device, dtype)
    out = torch.zeros((n_items, n_items), dtype=dtype)
    item_rows = user_rows.T.tocsr()
    with kernel_threads():
        _gram_lower(
            item_rows.indptr, item_rows.indices, item_rows.data, user_rows.indptr, user_rows.indices, user_rows.data,
            weight, out.numpy(),
        )  # fmt: skip
    return out


@jit_kernel(parallel=True)
def _gram_lower(
    item_indptr: Any, item_users: Any, item_values: FloatArray,
    user_indptr: Any, user_items: Any, user_values: FloatArray, weight: FloatArray, out: Any,
) -> None:  # fmt: skip
    """Row i: of everybody who rated i, all they rated up to i. A row of `out` stays in the processor's cache."""
    for item in prange(out.shape[0]):
        for entry in range(item_indptr[item], item_indptr[item + 1]):
            user = item_users[entry]
            value = item_values[entry] * weight[user]
            for other in range(user_indptr[user], user_indptr[user + 1]):
                if user_items[other] > item:
                    break
                out[item, user_items[other]] += value * user_values[other]


def gram_rows(user_rows: Csr, item_rows: Csr, first: int, last: int) -> FloatArray:
    """Rows `first` to `last` of Xᵀ X, (last - first, n_items), on the CPU."""
    out = np.zeros((last - first, user_rows.shape[1]), np.float32)
    _gram_rows(
        item_rows.indptr[first : last + 1], item_rows.indices, item_rows.data, user_rows.indptr, user_rows.indices,
        user_rows.data, out,
    )  # fmt: skip
    return out


@jit_kernel(parallel=True)
def _gram_rows(
    item_indptr: Any, item_users: Any, item_values: FloatArray,
    user_indptr: Any, user_items: Any, user_values: FloatArray, out: Any,
) -> None:  # fmt: skip
    for row in prange(out.shape[0]):
        for entry in range(item_indptr[row], item_indptr[row + 1]):
            user, value = item_users[entry], item_values[entry]
            for other in range(user_indptr[user], user_indptr[user + 1]):
                out[row, user_items[other]] += value * user_values[other]


def _dense_gram(user_rows: Csr, weight: FloatArray, device: torch.device, dtype: torch.dtype) -> Tensor:
    """The same by products of dense blocks of users: what a GPU is good at, where much of them is filled."""
    out = torch.zeros((user_rows.shape[1],) * 2, dtype=dtype, device=device)
    for start in range(0, user_rows.shape[0], _USERS):
        rows = SparseRows.from_scipy(user_rows[start : start + _USERS], dtype=dtype).to(device).to_dense()
        out.addmm_((rows * torch.from_numpy(weight[start : start + _USERS, None]).to(rows)).mT, rows)
    return out


def _sparse_gram(user_rows: Csr, weight: FloatArray, device: torch.device, dtype: torch.dtype) -> Tensor:
    """The same by products of the items' rows with X, of which a block of columns is dense at a time."""
    item_rows = SparseRows.from_scipy(user_rows.T.tocsr(), dtype=dtype).to(device)
    n_items, n_users = item_rows.shape
    shares = torch.from_numpy(weight).to(device, dtype)
    out = torch.empty((n_items, n_items), dtype=dtype, device=device)
    width = max(1, min(BLOCK, _COLUMN_BYTES // (dtype.itemsize * n_users)))
    for start in range(0, n_items, width):
        columns = item_rows[torch.arange(start, min(n_items, start + width))].to_dense() * shares
        out[:, start : start + width] = spmm(item_rows, columns.mT.contiguous())
    return out


@full_precision()
def invert_(matrix: Tensor) -> Tensor:
    """The inverse of a symmetric positive definite matrix, in place; only its lower triangle is read.

    Raises:
        DivergenceError: it is not positive definite in its precision.
    """
    _cholesky_(matrix)
    _invert_lower_(matrix)
    _product_(matrix)
    mirror_(matrix)
    return matrix


def _cholesky_(a: Tensor) -> None:
    """A = L Lᵀ: the lower triangle becomes L. Right-looking: each block column is taken off all that follow."""
    for start, end in _blocks(len(a)):
        factor, info = torch.linalg.cholesky_ex(a[start:end, start:end])
        if int(info) != 0 or not bool(factor.diagonal().isfinite().all()):
            raise DivergenceError(
                f"the item-item matrix is not positive definite in {str(a.dtype).removeprefix('torch.')}",
                remedy=(
                    Remedy("set a larger penalty with {l2}", l2=...),
                    *([Remedy("use {precision}", precision="float64")] if a.dtype == torch.float32 else []),
                ),
            )
        a[start:end, start:end] = factor
        panel = torch.linalg.solve_triangular(factor.mT, a[end:, start:end], upper=True, left=False).contiguous()
        a[end:, start:end] = panel
        for left, right in _blocks(len(panel)):
            add_product_(a[end + left :, end + left : end + right], panel[left:], panel[left:right].mT, alpha=-1)


def _invert_lower_(a: Tensor) -> None:
    """L to L⁻¹, from the last block column to the first."""
    for start, end in reversed(list(_blocks(len(a)))):
        eye = torch.eye(end - start, dtype=a.dtype, device=a.device)
        inverse = torch.linalg.solve_triangular(a[start:end, start:end], eye, upper=False)
        panel = product(a[end:, start:end], inverse)
        for left, right in _blocks(len(panel)):
            rows = slice(end + left, end + right)
            a[rows, start:end] = product(a[rows, end : end + right], panel[:right]).neg_()
        a[start:end, start:end] = inverse


def _product_(a: Tensor) -> None:
    """L⁻¹ to its (L⁻¹)ᵀ L⁻¹, from the first block row to the last."""
    for start, end in _blocks(len(a)):
        rows = product(a[start:end, start:end].mT, a[start:end, :end])
        add_product_(rows, a[end:, start:end].mT, a[end:, :end])
        a[start:end, :end] = rows


def sum_lower_to_first_(a: Tensor, ranks: Ranks) -> None:
    """The lower triangles of all processes' matrices, added up in the first one: only these travel, block by block."""
    for start, end in _blocks(len(a) if ranks.size > 1 else 0):
        rows = a[start:end, :end].contiguous()
        a[start:end, :end] = ranks.sum_to_first_(rows)


def take_from_first_(a: Tensor, ranks: Ranks) -> None:
    """The first process's matrix in all of them, block by block."""
    for start, end in _blocks(len(a) if ranks.size > 1 else 0):
        ranks.broadcast_(a[start:end])


def mirror_(a: Tensor) -> None:
    """The lower triangle onto the upper one."""
    for start, end in _blocks(len(a)):
        lower = a[start:end, start:end].tril()
        a[start:end, start:end] = lower + lower.tril(-1).mT
        a[start:end, end:] = a[end:, start:end].mT


def _blocks(n: int) -> Iterator[tuple[int, int]]:
    return ((start, min(n, start + BLOCK)) for start in range(0, n, BLOCK))


@dataclass(frozen=True)
class SmallPart:
    """The most rated items of some users, as dense rows, a fifth of each row's entries hidden.

    Attributes:
        items: their indices, (m,), by rising index.
        shown: rows with what is hidden as 0, float32 (n, m).
        known, hidden: where an entry is shown, and where one is hidden, bool (n, m).
    """

    items: IntArray
    shown: FloatArray
    known: Any
    hidden: Any

    def figure(self, scores: Any) -> float:
        """Recall@20 + NDCG@20 of the hidden entries in lists by `scores` (n, m), mean over users who have any."""
        users, length = self.hidden.any(1), min(LIST, len(self.items))
        scores = np.where(self.known, -np.inf, scores)[users]
        best = np.argpartition(-scores, length - 1, axis=1)[:, :length]
        order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1, kind="stable")
        found = np.take_along_axis(self.hidden[users], np.take_along_axis(best, order, axis=1), axis=1)
        most = np.minimum(self.hidden[users].sum(1), length)
        discount = 1 / np.log2(np.arange(length) + 2)
        return float(np.mean(found.sum(1) / most + (found @ discount) / np.cumsum(discount)[most - 1]))


def small_part(user_rows: Csr) -> SmallPart | None:
    """A part of rows (n_users, n_items), the same for the same rows; None where there is nothing to hide."""
    rng = np.random.default_rng(0)
    users = np.sort(rng.permutation(user_rows.shape[0])[:SMALL_USERS])
    rows = user_rows[users]
    popular = np.argsort(-np.bincount(rows.indices, minlength=rows.shape[1]), kind="stable")
    items = np.sort(popular[:SMALL_ITEMS])
    rows = rows[:, items].tocsr()
    counts = np.diff(rows.indptr)
    row = np.repeat(np.arange(len(users)), counts)
    rank = np.empty(rows.nnz, np.int64)
    rank[np.lexsort((rng.random(rows.nnz), row))] = np.arange(rows.nnz) - rows.indptr[row]
    hide = rank < np.minimum((HIDDEN * counts + 0.5).astype(np.int64), counts - 1)[row]
    if not hide.any():
        return None
    shown, known, hidden = (np.zeros(rows.shape, kind) for kind in (np.float32, bool, bool))
    known[row[~hide], rows.indices[~hide]] = True
    hidden[row[hide], rows.indices[hide]] = True
    shown[row[~hide], rows.indices[~hide]] = rows.data[~hide]
    return SmallPart(items, shown, known, hidden)
