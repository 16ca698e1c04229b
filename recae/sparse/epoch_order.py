"""The rows of an epoch in its order: taken, and transposed batch by batch, all at once.

On a GPU the host is what a step of small kernels waits for: taking and transposing a batch by itself is some twenty
launches, and cutting it out of rows that lie in order is three.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from recae.sparse.rows import SparseRows, TransposedPattern

BYTES_AN_ENTRY = 80  # of the device, while rows are put in order


class Ordered(NamedTuple):
    """Rows in an order that is cut into batches, and the transposed pattern of each batch.

    Attributes:
        rows: (n_rows, n_cols) with nnz entries.
        t_indptr: int64 (batches * n_cols + 1,); entries of column c in batch b begin at t_indptr[b * n_cols + c].
        t_row: int32 (nnz,); an entry's row within its batch.
        t_position: int64 (nnz,); its place among all entries.
    """

    rows: SparseRows
    t_indptr: Tensor
    t_row: Tensor
    t_position: Tensor


def in_order(rows: SparseRows, parts: Sequence[Tensor]) -> Ordered:
    """The rows of each batch, int64 (m,) on the CPU, one after the other."""
    taken = rows.take(torch.cat(list(parts)))
    device, n_keys = taken.device, len(parts) * taken.n_cols
    sizes = torch.tensor([len(part) for part in parts]).to(device, non_blocking=True)
    batch = torch.repeat_interleave(torch.arange(len(parts), device=device), sizes, output_size=len(taken))
    within = (torch.arange(len(taken), device=device) - (sizes.cumsum(0) - sizes)[batch]).int()
    row_of = taken.row_of()
    key = (batch * taken.n_cols)[row_of] + taken.indices
    if n_keys < 2**31:
        key = key.int()
    key, position = torch.sort(key, stable=True)
    t_indptr = torch.searchsorted(key, torch.arange(n_keys + 1, device=device, dtype=key.dtype))
    return Ordered(taken, t_indptr, within[row_of[position]], position)


def cut(rows: SparseRows, parts: Sequence[Tensor]) -> Iterator[SparseRows]:
    """The batches rows[part] for each of `parts`, whose transposed pattern is known."""
    ordered = in_order(rows, parts)
    whole, lengths = ordered.rows, rows.lengths_on_host().numpy()[torch.cat(list(parts)).numpy()]
    host = torch.from_numpy(np.concatenate([[0], np.cumsum(lengths)]))
    row = 0
    for number, part in enumerate(parts):
        start, end = int(host[row]), int(host[row + len(part)])
        yield SparseRows(
            whole.indptr[row : row + len(part) + 1] - start, whole.indices[start:end], whole.values[start:end],
            rows.n_cols, [_cut_pattern(ordered, number, start, end)], host[row : row + len(part) + 1] - start,
        )  # fmt: skip
        row += len(part)


def _cut_pattern(ordered: Ordered, number: int, start: int, end: int) -> TransposedPattern:
    """The transposed pattern of one batch, whose entries are those from start to end."""
    (_, t_indptr, t_row, t_position), n_cols = ordered, ordered.rows.n_cols
    columns = slice(number * n_cols, (number + 1) * n_cols + 1)
    return t_indptr[columns] - start, t_row[start:end], t_position[start:end] - start
