"""`SparseRows`: some rows of a sparse matrix as tensors; what a batch of ratings is."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from torch import Tensor

from recae.errors import ParameterError
from recae.sparse import cpu, reference

TransposedPattern = tuple[Tensor, Tensor, Tensor]


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
    _transposed: list[TransposedPattern] = field(default_factory=list)
    _host_indptr: Tensor | None = None  # a copy on the CPU: sizes of rows are read from it without waiting for the GPU

    @classmethod
    def from_scipy(
        cls, matrix: Any, *, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32
    ) -> SparseRows:
        """From any SciPy sparse matrix or array, shape (n_rows, n_cols).

        Stored zeros are kept; an index stored twice becomes one entry, their sum, as SciPy defines it. Arrays of the
        right type are not copied, so that memory maps stay on disk: do not write to the result.
        """
        rows = matrix if isinstance(matrix, sparse.csr_array) else sparse.csr_array(matrix)
        if not rows.has_canonical_format:
            rows = rows.copy()  # the caller's matrix stays as it is
            rows.sum_duplicates()
        return cls(
            _as_tensor(rows.indptr.astype(np.int64)), _as_tensor(rows.indices.astype(np.int32, copy=False)),
            _as_tensor(np.ascontiguousarray(rows.data)).to(dtype), int(rows.shape[1]),
        ).to(device)  # fmt: skip

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

    def __getitem__(self, index: Tensor) -> SparseRows:
        return self.take(index)

    def take(self, index: Tensor) -> SparseRows:
        """The rows `index`, shape (m,), in that order, repeats allowed.

        Raises:
            ParameterError: `index` is not 1-D int64, or (of an index on the CPU) a row does not exist.
        """
        if index.dim() != 1 or index.dtype != torch.int64:
            raise ParameterError(
                f"rows are taken by a 1-D int64 index, not {index.dtype} of shape {tuple(index.shape)}"
            )
        if self.device.type == "cpu":
            index = self._in_range(index.cpu())
            return SparseRows(*cpu.take(self.indptr, self.indices, self.values, index), self.n_cols)
        nnz, index = self._nnz_of(index), index.to(self.device, non_blocking=True)
        return SparseRows(*reference.take(self.indptr, self.indices, self.values, index, nnz), self.n_cols)

    def _in_range(self, index: Tensor) -> Tensor:
        """`index` itself, if all of its rows exist: the kernel does not check."""
        low, high = (int(bound) for bound in torch.aminmax(index)) if len(index) else (0, -1)
        if low < 0 or high >= len(self):
            raise ParameterError(f"rows {low} to {high} are wanted; there are rows from 0 to {len(self) - 1}")
        return index

    def _nnz_of(self, index: Tensor) -> int | None:
        """Entries of the rows `index`, where that is known without waiting for a GPU."""
        if self._host_indptr is None or index.device.type != "cpu":
            return None
        starts, rows = self._host_indptr.numpy(), self._in_range(index).numpy()  # NumPy's indexing is the quick one
        return int((starts[rows + 1] - starts[rows]).sum())

    def to(self, device: str | torch.device, dtype: torch.dtype | None = None) -> SparseRows:
        if torch.device(device) == self.device and dtype in (None, self.values.dtype):
            return self
        values = self.values.to(device, dtype or self.values.dtype)
        host = self.indptr if self.device.type == "cpu" else self._host_indptr
        return SparseRows(self.indptr.to(device), self.indices.to(device), values, self.n_cols, _host_indptr=host)

    def with_values(self, values: Tensor) -> SparseRows:
        """Other values, shape (nnz,), on the same pattern; its transposed form is shared."""
        return SparseRows(self.indptr, self.indices, values, self.n_cols, self._transposed, self._host_indptr)

    def row_of(self) -> Tensor:
        """The row of each stored entry, int64, shape (nnz,)."""
        rows = torch.arange(len(self), device=self.device)
        return torch.repeat_interleave(rows, self.indptr[1:] - self.indptr[:-1], output_size=self.nnz)

    def spread(self, values: Tensor) -> Tensor:
        """A value of each row, (n_rows,), at its row's stored entries, (nnz,)."""
        return torch.repeat_interleave(values, self.lengths(), output_size=self.nnz)

    def lengths(self) -> Tensor:
        """Stored entries of each row, int64, shape (n_rows,)."""
        return self.indptr[1:] - self.indptr[:-1]

    def lengths_on_host(self) -> Tensor:
        """`lengths` on the CPU, for which a GPU is asked once at most."""
        host = self.indptr if self._host_indptr is None else self._host_indptr
        return (host[1:] - host[:-1]).cpu()

    def sums(self) -> Tensor:
        """The sum of each row's values, (n_rows,), in a fixed order: on a GPU, without atomic additions."""
        return torch.segment_reduce(self.values, "sum", offsets=self.indptr, unsafe=True)

    def transposed(self) -> TransposedPattern:
        """The transposed pattern (see `transpose`), computed once."""
        if not self._transposed:
            self._transposed.append(transpose(self.indptr, self.indices, self.n_cols))
        return self._transposed[0]

    def to_dense(self) -> Tensor:
        """Dense (n_rows, n_cols), 0 where nothing is stored: for small data and the deliberate dense path."""
        dense = self.values.new_zeros(self.shape)
        dense[self.row_of(), self.indices.long()] = self.values
        return dense

    def mask(self) -> Tensor:
        """Dense (n_rows, n_cols), 1 where an entry is stored."""
        return self.with_values(torch.ones_like(self.values)).to_dense()


def _as_tensor(array: npt.NDArray[Any]) -> Tensor:
    """A tensor over the array's memory; PyTorch warns of read-only memory, which nothing here writes to."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*not writable")
        return torch.from_numpy(array)


def transpose(indptr: Tensor, indices: Tensor, n_cols: int) -> TransposedPattern:
    """The transposed pattern: row starts (n_cols + 1,), column indices (nnz,) and positions in `values` (nnz,)."""
    return torch.ops.recae.transpose(indptr, indices, n_cols)  # type: ignore[no-any-return]


def operator(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: `torch.ops.recae.NAME` calls the function, on every device; compiled code may hold such a call.

    `torch.library.custom_op` does the same, but imports PyTorch's compiler at the first call, which takes as long as
    importing PyTorch does.
    """

    def define(function: Callable[..., Any]) -> Callable[..., Any]:
        schema = torch.library.infer_schema(function, mutates_args=())
        torch.library.define(f"recae::{name}", schema, tags=(torch.Tag.pt2_compliant_tag,))
        torch.library.impl(f"recae::{name}", "default", function)
        return function

    return define


# An operator, because backward passes that PyTorch compiles call it too.
@operator("transpose")
def _transpose(indptr: Tensor, indices: Tensor, n_cols: int) -> tuple[Tensor, Tensor, Tensor]:
    on_cpu = indptr.device.type == "cpu"
    return (cpu if on_cpu else reference).transpose(indptr, indices, n_cols)  # type: ignore[no-any-return]


@torch.library.register_fake("recae::transpose")
def _(indptr: Tensor, indices: Tensor, n_cols: int) -> tuple[Tensor, Tensor, Tensor]:
    position = indptr.new_empty(indices.shape[0])
    return indptr.new_empty(n_cols + 1), torch.empty_like(indices), position
