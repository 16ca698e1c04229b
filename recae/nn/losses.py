"""Losses as pure functions. Each says what it sums and what it averages over.

Outputs are an autoencoder's outputs: reconstructions for squared error, logits where the name says so. Shapes
are (batch, n) throughout, or (nnz,) for values at stored entries.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from recae.errors import DataError


def squared_error(output: Tensor, target: Tensor) -> Tensor:
    """Mean over all entries of (output - target)²."""
    return functional.mse_loss(output, target)


def summed_squared_error(output: Tensor, target: Tensor) -> Tensor:
    """Σ over columns, mean over rows, of (output - target)²: n times `squared_error`."""
    return (output - target).square().sum(1).mean()


def masked_squared_error(output: Tensor, target: Tensor, n_rows: int) -> Tensor:
    """Σ over stored ratings of (output - target)², divided by the number of rows.

    AutoRec's loss (Sedhain et al., WWW 2015, eq. 3) per row. `output` and `target`: (nnz,).
    """
    error = output - target
    return torch.dot(error, error) / max(1, n_rows)


def cross_entropy_from_logits(logits: Tensor, target: Tensor) -> Tensor:
    """Σ over columns, mean over rows, of -t log s(x) - (1 - t) log(1 - s(x)) with s the sigmoid; stable for any x.

    Targets lie in [0, 1]; see `check_unit_interval`.
    """
    return functional.binary_cross_entropy_with_logits(logits, target, reduction="none").sum(1).mean()


def multinomial(logits: Tensor, target: Tensor) -> Tensor:
    """Mean over rows of -Σ_j t_j log softmax(x)_j (Liang et al., WWW 2018, eq. 2)."""
    return -(functional.log_softmax(logits, dim=1) * target).sum(1).mean()


def gaussian_kl(mean: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mean, exp(logvar)) ‖ N(0, 1)) of each row, summed over units: (batch,).

    ½ Σ (mean² + var - 1 - log var), Kingma and Welling (2014), appendix B.
    """
    return 0.5 * (mean.square() + logvar.exp() - 1 - logvar).sum(1)


def bernoulli_kl(rho: float, mean: Tensor) -> Tensor:
    """KL(Bernoulli(rho) ‖ Bernoulli(mean)) of each unit, in nats: shape of `mean`.

    rho log(rho / mean) + (1 - rho) log((1 - rho) / (1 - mean)); `mean` is kept 1e-6 away from 0 and 1.
    """
    mean = mean.clamp(1e-6, 1 - 1e-6)
    return rho * torch.log(rho / mean) + (1 - rho) * torch.log((1 - rho) / (1 - mean))


def check_unit_interval(target: Tensor) -> None:
    """Cross-entropy needs targets in [0, 1].

    Raises:
        DataError: names the smallest and largest value met.
    """
    low, high = (float(extreme) for extreme in torch.aminmax(target)) if target.numel() else (0.0, 0.0)
    if not (low >= 0 and high <= 1):  # so written, NaN is refused as well
        raise DataError(
            f"cross-entropy needs values in [0, 1], but they run from {low:g} to {high:g}; divide by the highest"
        )
