"""Rows of ratings with features: the input of networks with side information."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recae.sparse import SparseRows


@dataclass(frozen=True, eq=False)
class SideRows:
    """Sparse rows, a vector of features each, and which training rows they are.

    Attributes:
        rows: the ratings, B rows.
        features: (B, f); 0 stands for the mean.
        index: int64 (B,), -1 for a row that was not in training.
    """

    rows: SparseRows
    features: Tensor
    index: Tensor

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, wanted: Tensor) -> SideRows:
        on_device = wanted.to(self.features.device, non_blocking=True)
        return SideRows(self.rows[wanted], self.features[on_device], self.index[on_device])

    def to(self, device: str | torch.device) -> SideRows:
        return SideRows(self.rows.to(device), self.features.to(device), self.index.to(device))
