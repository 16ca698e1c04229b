"""What is done with the encoder's output before it is decoded, and what it costs.

A code is a module `forward(h) -> (code, penalty)`: `h` is the encoder's output (batch, width), `penalty` a
scalar, a mean over the batch's rows, that the objective adds to the loss. In evaluation mode a code is
deterministic.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from recae.errors import ParameterError
from recae.nn.losses import gaussian_kl


class Deterministic(nn.Module):
    """The code is the encoder's output; it costs nothing."""

    width_factor = 1

    def forward(self, h: Tensor) -> tuple[Tensor, Tensor]:
        return h, h.new_zeros(())


class KLSparse(Deterministic):
    """weight · Σ_j KL(rho ‖ mean activation of unit j over the batch) (Ng, 2011); for activations in (0, 1)."""

    def __init__(self, rho: float = 0.1, weight: float = 0.2) -> None:
        super().__init__()
        if not 0 < rho < 1:
            raise ParameterError(f"rho={rho}: the wanted mean activation lies between 0 and 1")
        self.rho, self.weight = rho, weight

    def forward(self, h: Tensor) -> tuple[Tensor, Tensor]:
        mean = h.mean(0).clamp(1e-6, 1 - 1e-6)
        rho = self.rho
        kl = rho * torch.log(rho / mean) + (1 - rho) * torch.log((1 - rho) / (1 - mean))
        return h, self.weight * kl.sum()


class L1Sparse(Deterministic):
    """weight · mean over rows of Σ_j |h_j|."""

    def __init__(self, weight: float = 1e-5) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, h: Tensor) -> tuple[Tensor, Tensor]:
        return h, self.weight * h.abs().sum(1).mean()


class KSparse(Deterministic):
    """Only each row's k largest activations are kept (Makhzani and Frey, 2014)."""

    def __init__(self, k: int) -> None:
        super().__init__()
        if k < 1:
            raise ParameterError(f"k={k}: at least one unit has to stay")
        self.k = k

    def forward(self, h: Tensor) -> tuple[Tensor, Tensor]:
        if self.k > h.shape[1]:
            raise ParameterError(f"k={self.k} of a code with {h.shape[1]} units")
        top = h.topk(self.k, dim=1)
        return torch.zeros_like(h).scatter(1, top.indices, top.values), h.new_zeros(())


class GaussianCode(nn.Module):
    """Variational (Kingma and Welling, 2014): the encoder gives means and log variances, (batch, 2 d).

    In training the code is mean + exp(logvar / 2) N(0, 1); in evaluation it is the mean. The penalty is
    `weight` · KL(N(mean, var) ‖ N(0, 1)), mean over rows; whoever anneals it sets `weight` as training goes.
    """

    width_factor = 2

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, h: Tensor) -> tuple[Tensor, Tensor]:
        mean, logvar = h.chunk(2, dim=1)
        penalty = self.weight * gaussian_kl(mean, logvar).mean()
        if not self.training:
            return mean, penalty
        return mean + torch.exp(0.5 * logvar) * torch.randn_like(mean), penalty
