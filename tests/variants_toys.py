"""What the tests of the core's variants share: rows, codes, noises, a trainer."""

from __future__ import annotations

import numpy as np
import torch
from scipy import sparse
from torch import nn

from recae.nn import (
    Dropout,
    Gaussian,
    GaussianCode,
    KLSparse,
    KSparse,
    L1Sparse,
    Masking,
    SaltAndPepper,
)  # fmt: skip
from recae.sparse import SparseRows
from recae.training import Reconstruction, Trainer

N_ROWS, N_COLS = 60, 12
FORMS = ("dense", "sparse")
CODES = {
    "plain": lambda: None,
    "kl-sparse": lambda: KLSparse(rho=0.1, weight=0.01),
    "l1-sparse": lambda: L1Sparse(weight=1e-3),
    "k-sparse": lambda: KSparse(k=3),
    "gaussian": lambda: GaussianCode(weight=0.01),
}
NOISES = {
    "none": lambda: None,
    "gaussian": lambda: Gaussian(0.3, 0.0, 1.0),
    "masking": lambda: Masking(0.3),
    "salt-and-pepper": lambda: SaltAndPepper(0.2),
    "dropout": lambda: Dropout(0.3),
}


def structured_rows(form: str = "dense") -> torch.Tensor | SparseRows:
    """Rows (60, 12) in [0, 1] of rank 2 and a third of zeros, so that there is something to learn."""
    rng = np.random.default_rng(0)
    rows = rng.random((N_ROWS, 2)) @ rng.random((2, N_COLS)) / 2
    rows = np.where(rng.random(rows.shape) < 1 / 3, 0, rows).astype(np.float32)
    return torch.from_numpy(rows) if form == "dense" else SparseRows.from_scipy(sparse.csr_array(rows))


def trainer(epochs: int = 40, **settings: object) -> Trainer:
    return Trainer(epochs=epochs, lr=1e-2, device="cpu", progress=False, **settings)


def first_loss(model: nn.Module, rows: torch.Tensor | SparseRows, loss: str = "squared-error") -> float:
    """The loss without noise and penalty."""
    model.eval()
    with torch.no_grad():
        return Reconstruction(loss).on(rows)(model)
