"""RecVAE: a composite prior and alternating updates (Shenbin, Alekseev, Tutubalina, Malykh, Nikolenko, WSDM 2020)."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn

from recae.models.vae.implicit_losses import multinomial
from recae.models.vae.neural_ranker import NeuralRanker
from recae.nn import Autoencoder, Decoder, Dropout, Encode, GaussianCode
from recae.nn.layers import Rows
from recae.ratings import RatingMatrix
from recae.recommender.fitting import FitOptions
from recae.recommender.params import default, hyperparameters, param
from recae.recommender.registry import register
from recae.training import Batch

PARTS = (3 / 20, 3 / 4, 1 / 10)  # of the prior: N(0, 1), the last encoder's posterior, N(0, e¹⁰)
WIDE = 10.0  # log variance of the third
DEPTH = 5  # hidden layers of the encoder
NORM_EPS = 0.1  # of the layers' normalisation, as in the authors' program


@register("rec-vae", "Mult-VAE with a composite prior, encoder and decoder learning in turns")
@hyperparameters
class RecVAE(NeuralRanker):
    """Mult-VAE with a deep encoder, a linear decoder, a prior that holds the encoder to its last state, and turns.

    Loss: mean over users of -Σ_j x_j log softmax(W z + b)_j + γ Σ_j x_j log(q(z | x) / p(z | x)), with one z ~ q drawn
    a user and step; the second term is γ Σ_j x_j KL(q ‖ p) on average. The prior p is, unit by unit, the mixture
    3/20 N(0, 1) + 3/4 q_old + 1/10 N(0, e¹⁰), where q_old is the encoder as it was when its last turn ended.

    In each epoch the encoder learns for `encoder_passes` passes over the rows, under dropout, then the decoder for
    `decoder_passes`, without it, by only the likelihood. Each pass is validated and has a record in the
    history.
    """

    hidden: int = param(600, "width of the encoder's five hidden layers", low=1)
    latent: int = param(200, "width of the code z", low=1)
    gamma: float = param(0.005, "weight of the KL term, times the sum of the row", low=0, tune=(1e-3, 0.02, "log"))
    encoder_passes: int = param(3, "passes over the rows in which the encoder learns, each epoch", low=1)
    decoder_passes: int = param(1, "passes over the rows in which the decoder learns, each epoch", low=1)
    lr: float = default(5e-4, tune=(2e-4, 2e-3, "log"))
    epochs: int = default(50, help="rounds of encoder and decoder passes, at most")
    patience: int | None = default(10)

    def _network(self, ratings: RatingMatrix, steps: int) -> nn.Module:
        return Autoencoder(
            DenseEncoder(ratings.n_items, self.hidden, 2 * self.latent),
            Decoder([self.latent, ratings.n_items]),
            noise=Dropout(self.dropout), code=GaussianCode(0.0),
        )  # fmt: skip

    def _trainee(self, network: nn.Module, steps: int) -> nn.Module:
        assert isinstance(network, Autoencoder)
        return Alternating(network, self.encoder_passes * steps, self.decoder_passes * steps)

    def _train(self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions) -> None:
        super()._train(ratings, validation, options)
        self.network_.requires_grad_(True)  # the last turn froze a part

    def _objective(self, model: nn.Module, batch: Batch) -> Tensor:
        assert isinstance(model, Alternating)
        model.take_turn()
        mean, logvar = model.posterior(batch.input)
        z = mean + torch.exp(0.5 * logvar) * torch.randn_like(mean)
        likelihood = multinomial(model.network.decoder(z), batch.target)
        if model.decoder_learns:  # the KL term does not depend on it
            return likelihood
        return likelihood + self._divergence(model, batch, z, mean, logvar)

    def _divergence(self, model: Alternating, batch: Batch, z: Tensor, mean: Tensor, logvar: Tensor) -> Tensor:
        """γ Σ_j x_j (log q(z | x) - log p(z | x)), mean over rows."""
        kl = (log_normal(z, mean, logvar) - model.log_prior(batch.input, z)).sum(1)
        totals: Tensor = batch.target.sums().to(kl.dtype)
        return self.gamma * totals.dot(kl) / max(1, len(kl))

    def _passes(self) -> int:
        return self.epochs * (self.encoder_passes + self.decoder_passes)

    def _patience(self) -> int | None:
        return None if self.patience is None else self.patience * (self.encoder_passes + self.decoder_passes)


class DenseEncoder(nn.Module):
    """Five layers of one width, each fed with the sum of all before it: h_k = norm(swish(W h_{k-1} + Σ_{i<k} h_i)).

    Rows (batch, n_in), dense or sparse, to (batch, n_out).
    """

    def __init__(self, n_in: int, hidden: int, n_out: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Encode(n_in if k == 0 else hidden, hidden) for k in range(DEPTH))
        self.norms = nn.ModuleList(nn.LayerNorm(hidden, eps=NORM_EPS) for _ in range(DEPTH))
        self.last = Encode(hidden, n_out)
        for norm in self.norms:
            norm.weight.decay_factor = 0.0  # type: ignore[union-attr]  # it is no weight of an input

    def forward(self, x: Rows) -> Tensor:
        h: Tensor = self.norms[0](nn.functional.silu(self.layers[0](x)))
        before = h
        for layer, norm in zip(self.layers[1:], self.norms[1:]):
            h = norm(nn.functional.silu(layer(h) + before))
            before = before + h
        out: Tensor = self.last(h)
        return out


class Alternating(nn.Module):
    """A RecVAE in training: the network, the encoder of its last turn, and whose turn it is.

    Args:
        network: encoder and decoder.
        encoder_steps, decoder_steps: length of the two turns. Steps done are part of the state, so that resuming goes
            on in the same turn.
    """

    def __init__(self, network: Autoencoder, encoder_steps: int, decoder_steps: int) -> None:
        super().__init__()
        self.network = network
        self.old = copy.deepcopy(network.encoder).requires_grad_(False)
        self.encoder_steps, self.round_steps = encoder_steps, encoder_steps + decoder_steps
        self.decoder_learns = False
        self.steps_done = 0  # a number, not a buffer: a GPU that is asked for one has to be waited for

    def get_extra_state(self) -> Tensor:
        """What `state_dict` holds beside weights: how many steps were done."""
        return torch.tensor(self.steps_done)

    def set_extra_state(self, state: Tensor) -> None:
        self.steps_done = int(state)

    def take_turn(self) -> None:
        """Before a step: only whose turn it is has gradients; the prior changes where the encoder's turn has ended."""
        step = self.steps_done % self.round_steps
        self.decoder_learns = step >= self.encoder_steps
        if step == self.encoder_steps:
            self.old.load_state_dict(self.network.encoder.state_dict())
        self.network.encoder.requires_grad_(not self.decoder_learns)
        self.network.decoder.requires_grad_(self.decoder_learns)
        self.steps_done += 1

    def posterior(self, rows: Rows) -> tuple[Tensor, Tensor]:
        """Mean and log variance of q(z | x), (batch, d) each; under dropout while the encoder learns."""
        given = rows if self.decoder_learns else self.network.noise(rows)
        return GaussianCode.posterior(self.network.encoder(given))

    def log_prior(self, rows: Rows, z: Tensor) -> Tensor:
        """log p(z | x) unit by unit, (batch, d); the old encoder reads rows without dropout."""
        return log_composite_prior(z, *GaussianCode.posterior(self.old(rows)))


def log_normal(z: Tensor, mean: Tensor | float, logvar: Tensor | float) -> Tensor:
    """log N(z; mean, exp(logvar)), entry by entry."""
    if not isinstance(logvar, Tensor):
        logvar = torch.full((), logvar, dtype=z.dtype, device=z.device)
    return -0.5 * (logvar + math.log(2 * math.pi) + (z - mean).square() * torch.exp(-logvar))


def log_composite_prior(z: Tensor, old_mean: Tensor, old_logvar: Tensor) -> Tensor:
    """log of 3/20 N(0, 1) + 3/4 N(old_mean, exp(old_logvar)) + 1/10 N(0, e¹⁰) at z, unit by unit: (batch, d)."""
    densities = log_normal(z, 0.0, 0.0), log_normal(z, old_mean, old_logvar), log_normal(z, 0.0, WIDE)
    return torch.stack([d + math.log(part) for d, part in zip(densities, PARTS)]).logsumexp(0)
