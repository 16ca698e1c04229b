"""What is done with the encoder's output before it is decoded, and what it costs.

A code is a module `forward(h) -> (code, penalty)`: `h` is the encoder's output (batch, width), `penalty` a
scalar, a mean over the batch's rows, that the objective adds to the loss. In evaluation mode a code is
deterministic.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from recae.errors import ParameterError
from recae.nn.gaussian import draw
from recae.nn.losses import bernoulli_kl, gaussian_kl


class Deterministic(nn.Module):
    """The code is the encoder's output; it costs nothing."""

    width_factor = 1

    def forward(self, h: Tensor) -> tuple[Tensor, Tensor]:
        return h, h.new_zeros(())


class KLSparse(Deterministic):
    """weight · Σ_j KL(rho ‖ mean activation of unit j over the batch) (Ng, 2011); for activations in (0, 1).

    What a weight does depends on the loss beside it: tutorials use rho 0.1 and weight 0.2, or rho 0.02 and
    weight 7.5e-5, each with another reduction. `Autoencoder.mean_activation` says what was reached.
    """

    def __init__(self, rho: float = 0.1, weight: float = 0.2) -> None:
        super().__init__()
        if not 0 < rho < 1:
            raise ParameterError(name="rho", value=rho, expected="a mean activation above 0 and below 1")
        if weight < 0:
            raise ParameterError(name="weight", value=weight, expected="0 or more")
        self.rho, self.weight = rho, weight

    def forward(self, h: Tensor) -> tuple[Tensor, Tensor]:
        return h, self.weight * bernoulli_kl(self.rho, h.mean(0)).sum()


class L1Sparse(Deterministic):
    """weight · mean over rows of Σ_j |h_j|."""

    def __init__(self, weight: float = 1e-5) -> None:
        super().__init__()
        if weight < 0:
            raise ParameterError(name="weight", value=weight, expected="0 or more")
        self.weight = weight

    def forward(self, h: Tensor) -> tuple[Tensor, Tensor]:
        return h, self.weight * h.abs().sum(1).mean()


class KSparse(Deterministic):
    """Only each row's k largest activations are kept (Makhzani and Frey, 2014)."""

    def __init__(self, k: int) -> None:
        super().__init__()
        if k < 1:
            raise ParameterError(name="k", value=k, expected="at least 1, the units that stay")
        self.k = k

    def forward(self, h: Tensor) -> tuple[Tensor, Tensor]:
        if self.k > h.shape[1]:
            raise ParameterError(name="k", value=self.k, expected=f"at most {h.shape[1]}, the units of the code")
        top = h.topk(self.k, dim=1)
        return torch.zeros_like(h).scatter(1, top.indices, top.values), h.new_zeros(())


class GaussianCode(nn.Module):
    """Variational (Kingma and Welling, 2014): the encoder gives means and log variances, (batch, 2 d).

    In training the code is mean + exp(logvar / 2) N(0, 1); in evaluation it is the mean. The penalty is
    `weight` · KL(N(mean, var) ‖ N(0, 1)), mean over rows.

    Args:
        weight: of the KL term; 1 gives the evidence lower bound, more gives β-VAE (Higgins et al., 2017).
        anneal_steps: training steps over which the weight rises in a straight line from 0 (Bowman et al.,
            2016). The steps done are part of the state, so a resumed training continues from them. In evaluation
            the weight is always the full one: figures of different epochs can be compared.
    """

    width_factor = 2
    steps_done: Tensor

    def __init__(self, weight: float = 1.0, anneal_steps: int = 0) -> None:
        super().__init__()
        for name, value in (("weight", weight), ("anneal_steps", anneal_steps)):
            if value < 0:
                raise ParameterError(name=name, value=value, expected="0 or more")
        self.weight, self.anneal_steps = weight, anneal_steps
        self.register_buffer("steps_done", torch.zeros(()), persistent=anneal_steps > 0)

    @property
    def effective_weight(self) -> Tensor:
        """The weight that the next training step uses, a scalar."""
        return self.weight * (self.steps_done / max(1, self.anneal_steps)).clamp(max=1)

    def forward(self, h: Tensor) -> tuple[Tensor, Tensor]:
        mean, logvar = self.posterior(h)
        if not self.training:
            return mean, self.weight * gaussian_kl(mean, logvar).mean()
        noise = torch.randn_like(mean)
        if h.device.type == "cpu" or len(h) == 0:
            weight = self.effective_weight if self.anneal_steps else self.weight
            drawn = mean + torch.exp(0.5 * logvar) * noise, weight * gaussian_kl(mean, logvar).mean()
        else:
            drawn = draw(h, noise, self.steps_done, self.anneal_steps, self.weight)
        if self.anneal_steps:
            self.steps_done += 1
        return drawn

    @staticmethod
    def posterior(h: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance, (batch, d) each, of an encoder's output (batch, 2 d)."""
        mean, logvar = h.chunk(2, dim=1)
        return mean, logvar
