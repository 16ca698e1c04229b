"""Item-based AutoRec as a user of plain PyTorch would write it: dense rows, a mask, Adam. What we are compared with."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from torch import nn


class PlainAutoRec(nn.Module):
    """One sigmoid layer of `hidden` units over dense rows (batch, n)."""

    def __init__(self, n: int, hidden: int) -> None:
        super().__init__()
        self.encode, self.decode = nn.Linear(n, hidden), nn.Linear(hidden, n)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.decode(torch.sigmoid(self.encode(x)))
        return out


def epoch_seconds(
    rows: sparse.csr_array, *, hidden: int, batch_size: int, epochs: int, l2: float, seed: int = 0
) -> npt.NDArray[np.float64]:
    """Seconds of each epoch over `rows` (n_rows, n): dense batches made from the CSR as training goes, as one does
    where the dense matrix is too large; where it fits into 2 GiB it is made once, which is the faster way."""
    torch.manual_seed(seed)
    model = PlainAutoRec(rows.shape[1], hidden)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3, weight_decay=l2 / rows.shape[0], fused=True)
    whole = torch.from_numpy(rows.toarray()) if 4 * rows.shape[0] * rows.shape[1] <= 2**31 else None
    seconds = []
    for _ in range(epochs):
        start = time.perf_counter()
        for index in torch.randperm(rows.shape[0]).split(batch_size):
            x = whole[index] if whole is not None else torch.from_numpy(rows[index.numpy()].toarray())
            error = (model(x) - x) * (x != 0)
            optimizer.zero_grad()
            (error.square().sum() / len(x)).backward()
            optimizer.step()
        seconds.append(time.perf_counter() - start)
    return np.array(seconds)
