"""Mult-VAE and Mult-DAE: autoencoders under a multinomial likelihood (Liang, Krishnan, Hoffman, Jebara, WWW 2018)."""

from __future__ import annotations

import math
from typing import ClassVar

from torch import nn

from recae.models.vae.neural_ranker import NeuralRanker, widths
from recae.nn import Autoencoder, Decoder, Deterministic, Dropout, Encoder, GaussianCode
from recae.nn.layers import ACTIVATIONS, lecun_uniform
from recae.ratings import RatingMatrix
from recae.recommender.fitting import FitOptions
from recae.recommender.params import default, hyperparameters, param
from recae.recommender.registry import register

# The paper's schedule adds 1 / 200,000 a step and stops at 0.2, which its training on MovieLens-20M reached after
# 40,000 of its 200 x 234 steps.
ANNEALED = 0.85


@hyperparameters
class MirroredRanker(NeuralRanker):
    """Base of `MultVAE` and `MultDAE`: the decoder has the encoder's hidden layers, in reverse."""

    _repeats: ClassVar[bool] = True

    activation: str = param("tanh", "activation of hidden layers", choices=tuple(ACTIVATIONS))


@register("mult-vae", "variational autoencoder under a multinomial likelihood, its KL term annealed")
@hyperparameters
class MultVAE(MirroredRanker):
    """Variational: a row's entries are draws from softmax(f(z)), z ~ N(mean(x), var(x)); at test z is the mean.

    Loss (eq. 7): mean over users of -Σ_j x_j log softmax(f(z))_j + β KL(q(z | x) ‖ N(0, 1)), with one z a user and
    step. β rises in a straight line from 0 to `beta` over `anneal_steps`. Rows are scaled to unit length, then
    entries are dropped. As in the paper, the best epoch is to be chosen by validation NDCG@100.

    The paper has a hidden layer of 600 on each side (`hidden=600`), for 117,000 users and more; the last layer's first
    weights are larger here. With up to 6,000 users lists are better without (docs/which_model.md): mean and log
    variance are linear in the row, logits in the code.
    """

    hidden: int | tuple[int, ...] | None = param(
        None, "hidden units of the encoder; the decoder mirrors them; none for no hidden layer; 600 as published", low=1
    )
    latent: int = param(200, "width of the code z", low=1)
    beta: float = param(0.2, "weight of the KL term in the end", low=0, tune=(0.05, 2.0, "log"))
    anneal_steps: int | None = param(
        None, "steps over which beta rises from 0; none for 85 % of all, as in the paper; 0 for at once", low=0
    )

    def _train(self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions) -> None:
        super()._train(ratings, validation, options)
        self.network_.code = GaussianCode(self.beta).eval()  # annealing is over: its step counter is not saved

    def _network(self, ratings: RatingMatrix, steps: int) -> nn.Module:
        anneal = math.ceil(ANNEALED * steps) if self.anneal_steps is None else self.anneal_steps
        code = GaussianCode(self.beta, anneal if steps else 0)
        inner = widths(self.hidden)
        names = [self.activation] * len(inner)
        decoder = Decoder([self.latent, *inner[::-1], ratings.n_items], names)
        if inner:  # logits start as large as hidden units make them: better lists
            lecun_uniform(decoder.layers[-1].weight)  # type: ignore[arg-type]
        return Autoencoder(
            Encoder([ratings.n_items, *inner, 2 * self.latent], [*names, "identity"]), decoder,
            noise=Dropout(self.dropout), code=code,
        )  # fmt: skip


@register("mult-dae", "denoising autoencoder under a multinomial likelihood")
@hyperparameters
class MultDAE(MirroredRanker):
    """Denoising: the same likelihood, with a code that is what the encoder says, and L2 on the weights.

    Loss (eq. 10): mean over users of -Σ_j x_j log softmax(f(g(x̃)))_j + (l2 / 2) |W|². The paper's
    λ |W|² with λ = 0.01 / 500 is l2 = 4e-5.
    """

    hidden: int | tuple[int, ...] = param(200, "hidden units of the encoder, the code last; the decoder mirrors", low=1)
    l2: float = default(4e-5, tune=(1e-5, 1e-2, "log"))

    def _network(self, ratings: RatingMatrix, steps: int) -> nn.Module:
        inner = widths(self.hidden)
        names = [self.activation] * len(inner)
        return Autoencoder(
            Encoder([ratings.n_items, *inner], names),
            Decoder([*inner[::-1], ratings.n_items], names[1:]),
            noise=Dropout(self.dropout), code=Deterministic(),
        )  # fmt: skip
