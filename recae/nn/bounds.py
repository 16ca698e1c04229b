"""The evidence lower bound of a variational autoencoder, in nats a row."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from recae.errors import ParameterError, Phrase, Remedy
from recae.nn.autoencoder import Autoencoder
from recae.nn.codes import GaussianCode
from recae.nn.layers import Rows
from recae.nn.losses import check_unit_interval, gaussian_kl
from recae.sparse import SparseRows


class Bound(NamedTuple):
    """Both terms of -ELBO of each row, (batch,): -E log p(x | z), and KL(q(z | x) ‖ p(z))."""

    reconstruction: Tensor
    kl: Tensor

    @property
    def total(self) -> Tensor:
        """-ELBO of each row, (batch,): an upper bound on -log p(x)."""
        return self.reconstruction + self.kl


@torch.no_grad()
def negative_bound(model: Autoencoder, x: Rows, *, samples: int = 1, rng: torch.Generator | int | None = None) -> Bound:
    """-ELBO of rows `x` (batch, n) in [0, 1], each pixel a Bernoulli variable (Kingma and Welling, 2014, eq. 7).

    The expectation is over `samples` codes drawn from q(z | x) for each row, not only at its mean, whatever mode
    the model is in. For grey values the reconstruction term is the cross-entropy that the literature reports, not
    the likelihood of a density.

    Raises:
        ParameterError: the model is not variational.
        DataError: values outside [0, 1].
    """
    if not isinstance(model.code, GaussianCode):
        raise ParameterError(
            "only a variational autoencoder has an evidence bound",
            remedy=Remedy("build it with {code}", code=Phrase("code=GaussianCode()")),
        )
    target = x.to_dense() if isinstance(x, SparseRows) else x
    check_unit_interval(target)
    if isinstance(rng, int):
        rng = torch.Generator().manual_seed(rng)
    mean, logvar = model.code.posterior(model.encoder(x))
    cost = torch.zeros_like(mean[:, 0])
    for _ in range(samples):
        noise = torch.randn(mean.shape, generator=rng).to(mean)  # drawn on the CPU: the same on every device
        logits = model.decoder(mean + torch.exp(0.5 * logvar) * noise)
        cost += functional.binary_cross_entropy_with_logits(logits, target, reduction="none").sum(1) / samples
    return Bound(cost, gaussian_kl(mean, logvar))
