"""`SparseRows`: some rows of a sparse matrix as tensors; what a batch of ratings is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from recae.errors import ParameterError
from recae.sparse import cpu, reference

Turned = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True, eq=False, repr=False)
class SparseRows:
    """CSR rows as tensors. What is not stored is missing, not zero.

    Attributes:
        indptr: int64, shape (n_rows + 1,); the entries of row r are those from indptr[r] to indptr[r + 1].
        indices: int32, shape (nnz,); columns, increasing within a row.
        values: float, shape (nnz,).
        n_cols: number of columns.
    """

    indptr: Tensor
    indices: Tensor
    values: Tensor
    n_cols: int
    _turned: list[Turned] = field(default_factory=list)

    @classmethod
    def from_scipy(
        cls, matrix: Any, *, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32
    ) -> SparseRows:
        """From any SciPy sparse matrix or array, shape (n_rows, n_cols); stored zeros are kept."""
        rows = sparse.csr_array(matrix)
        if not rows.has_sorted_indices:
            rows = rows.copy()
            rows.sort_indices()
        return cls(
            torch.from_numpy(rows.indptr.astype(np.int64)).to(device),
            torch.from_numpy(rows.indices.astype(np.int32)).to(device),
            torch.from_numpy(np.ascontiguousarray(rows.data)).to(device, dtype),
            int(rows.shape[1]),
        )

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @property
    def shape(self) -> tuple[int, int]:
        return (len(self), self.n_cols)

    @property
    def nnz(self) -> int:
        return len(self.indices)

    @property
    def device(self) -> torch.device:
        return self.values.device

    @property
    def density(self) -> float:
        return self.nnz / max(1, len(self) * self.n_cols)

    def __repr__(self) -> str:
        return f"SparseRows({len(self):,} x {self.n_cols:,}, {self.nnz:,} stored, {self.device})"

    def __getitem__(self, wanted: Tensor) -> SparseRows:
        """The rows of index `wanted`, shape (m,), in that order."""
        if wanted.dim() != 1 or wanted.dtype != torch.int64:
            raise ParameterError(
                f"rows are taken by a 1-D int64 index, not {wanted.dtype} of shape {tuple(wanted.shape)}"
            )
        take = cpu.take if self.device.type == "cpu" else reference.take
        return SparseRows(*take(self.indptr, self.indices, self.values, wanted.to(self.device)), self.n_cols)

    def to(self, device: str | torch.device, dtype: torch.dtype | None = None) -> SparseRows:
        if torch.device(device) == self.device and dtype in (None, self.values.dtype):
            return self
        values = self.values.to(device, dtype or self.values.dtype)
        return SparseRows(self.indptr.to(device), self.indices.to(device), values, self.n_cols)

    def with_values(self, values: Tensor) -> SparseRows:
        """Other values, shape (nnz,), at the same places; what is known of the pattern is shared."""
        return SparseRows(self.indptr, self.indices, values, self.n_cols, self._turned)

    def row_of(self) -> Tensor:
        """The row of each stored entry, int64, shape (nnz,)."""
        return reference.row_of(self.indptr)

    def lengths(self) -> Tensor:
        """Stored entries of each row, int64, shape (n_rows,)."""
        return self.indptr[1:] - self.indptr[:-1]

    def transposed(self) -> Turned:
        """The pattern by columns (see `transpose`), worked out once."""
        if not self._turned:
            self._turned.append(transpose(self.indptr, self.indices, self.n_cols))
        return self._turned[0]

    def to_dense(self) -> Tensor:
        """Dense (n_rows, n_cols), 0 where nothing is stored: for small data and the deliberate dense path."""
        dense = self.values.new_zeros(self.shape)
        dense[self.row_of(), self.indices.long()] = self.values
        return dense

    def mask(self) -> Tensor:
        """Dense (n_rows, n_cols), 1 where an entry is stored."""
        return self.with_values(torch.ones_like(self.values)).to_dense()


def transpose(indptr: Tensor, indices: Tensor, n_cols: int) -> Turned:
    """The pattern by columns: row starts (n_cols + 1,), row of each entry (nnz,), its position in `values` (nnz,)."""
    if indptr.device.type == "cpu":
        return cpu.transpose(indptr, indices, n_cols)
    return reference.transpose(indptr, indices, n_cols)
