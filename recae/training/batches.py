"""What a trainer is fed: examples by number, a batch at a time. The order is the trainer's business."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from recae.errors import DataError, ParameterError
from recae.sparse import SparseRows


class Batch(NamedTuple):
    """Rows to be read and what should come out: both (batch, n), dense or sparse; often the same."""

    input: Any
    target: Any


class Batches(Protocol):
    """Examples 0 ... n_examples - 1, of which `take` makes a batch."""

    n_examples: int
    batch_size: int

    def take(self, index: Tensor) -> Batch:
        """The batch of the examples `index`, int64 (m,), on the training device."""
        ...

    def to(self, device: torch.device) -> Batches:
        """The same batches on `device`."""
        ...


class RowBatches:
    """Batches of rows, dense (n_rows, n) or sparse, each its own target unless `target` is given.

    Args:
        rows: the input.
        target: what should come out, row by row; by default the input itself.
        batch_size: rows a step; 0 for all of them at once (full batch).
    """

    def __init__(
        self, rows: Tensor | SparseRows, target: Tensor | SparseRows | None = None, *, batch_size: int
    ) -> None:
        if len(rows) == 0:
            raise DataError("there are no rows to train on")
        if target is not None and len(target) != len(rows):
            raise DataError(f"{len(rows)} rows, but {len(target)} targets; one each is needed")
        if batch_size < 0:
            raise ParameterError(f"batch_size={batch_size}: rows a step, or 0 for all at once")
        self.rows, self.target = rows, target
        self.n_examples = len(rows)
        self.batch_size = batch_size or self.n_examples

    def take(self, index: Tensor) -> Batch:
        if len(index) == self.n_examples:  # a full batch needs no order
            return Batch(self.rows, self.rows if self.target is None else self.target)
        rows = self.rows[index]
        return Batch(rows, rows if self.target is None else self.target[index])

    def to(self, device: torch.device) -> RowBatches:
        target = None if self.target is None else self.target.to(device)
        return RowBatches(self.rows.to(device), target, batch_size=self.batch_size)
