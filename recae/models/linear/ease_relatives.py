"""The relatives of EASE with a closed form: EDLAE, DLAE, RLAE and DAN, and several of them with one inverse."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import torch
from torch import Tensor

from recae.models.linear.closed_form import ClosedForm, InputDropout, less_from_identity, zero_diagonal
from recae.ratings import RatingMatrix
from recae.recommender.params import Values, check, default, hyperparameters, param
from recae.recommender.registry import register


@register("edlae", "EASE that learns under dropout")
@hyperparameters
class EDLAE(InputDropout, ClosedForm):
    """EASE that learns under dropout, integrated out (Steck, NeurIPS 2020): "emphasised denoising" at full rank."""

    def _weights(self, inverse: Tensor, ridge: Tensor, counts: Tensor) -> Tensor:
        return zero_diagonal(inverse)


@register("dlae", "linear autoencoder under dropout, in closed form, its diagonal free")
@hyperparameters
class DLAE(InputDropout, ClosedForm):
    """Denoising linear autoencoder (Steck, NeurIPS 2020), its diagonal free; dropout=0 is the plain LAE (ridge)."""

    def _weights(self, inverse: Tensor, ridge: Tensor, counts: Tensor) -> Tensor:
        return less_from_identity(inverse, ridge)


@register("rlae", "linear autoencoder in closed form, its diagonal bounded")
@hyperparameters
class RLAE(InputDropout, ClosedForm):
    """Linear autoencoder whose diagonal is at most ξ (Moon et al., SIGIR 2023); RDLAE with a dropout above 0.

    ξ = 0 is EASE (EDLAE), ξ = 1 the unconstrained LAE (DLAE).
    """

    xi: float = param(0.6, "what B's diagonal may be at most, ξ", low=0, tune=(0.0, 0.9))
    dropout: float = default(0.2)

    def _weights(self, inverse: Tensor, ridge: Tensor, counts: Tensor) -> Tensor:
        return less_from_identity(inverse, torch.maximum(ridge, (1 - self.xi) / inverse.diagonal()))


@register("dan", "linear autoencoder in closed form, with popular items and active users held back")
@hyperparameters
class DAN(InputDropout, ClosedForm):
    """Data-adaptive normalisation around a (denoising) linear autoencoder (Park et al., SIGIR 2025).

    Users of many ratings count less in G = Xᵀ diag(n_u^-β) X, and B becomes diag(n^α) B diag(n^-α), which takes from
    popular items; γ = l2 + n p / (1 - p) with the plain n.
    """

    alpha: float = param(0.2, "how much popular items are held back, α; 0 for not at all", low=0, tune=(0.0, 0.5))
    beta: float = param(0.3, "how much active users are held back, β; 0 for not at all", low=0, tune=(0.0, 0.8))
    dropout: float = default(0.5)
    diagonal: Literal["zero", "free"] = param(
        "zero", "constraint on B's diagonal: zero (EASE's) or free (the plain LAE's)", choices=("zero", "free")
    )

    def _user_power(self) -> float:
        return self.beta

    def _weights(self, inverse: Tensor, ridge: Tensor, counts: Tensor) -> Tensor:
        solved = zero_diagonal(inverse) if self.diagonal == "zero" else less_from_identity(inverse, ridge)
        scale = torch.where(counts > 0, counts, 1).pow(self.alpha)
        return solved.mul_(scale[:, None]).div_(scale)


def fit_together(models: Iterable[ClosedForm], ratings: RatingMatrix) -> list[ClosedForm]:
    """Fit several closed forms, with one inverse for all that share γ, β, values, precision and device.

    EASE, RLAE(dropout=0) of any ξ and DLAE(dropout=0) of one l2 share theirs: choosing ξ costs one solution. Each
    group holds one matrix more than its models keep.
    """
    groups: dict[tuple[Any, ...], list[ClosedForm]] = {}
    models = list(models)
    for model in models:
        check(model)
        model._choose(ratings)
        key = (
            model.l2_, model.centred_, model._dropout(), model._user_power(), model.values, model.precision,
            model.device,
        )  # fmt: skip
        groups.setdefault(key, []).append(model)
    for group in groups.values():
        inverse, ridge, counts, mean = group[0]._solve(ratings)
        for model in group:
            last = model is group[-1]
            model._take(model._weights(inverse if last else inverse.clone(), ridge, counts), mean)
            model._set_ratings(ratings)
    return models


def chosen_ridge(
    ratings: RatingMatrix, l2: float | None, centre: bool | None, dropout: float, values: Values
) -> tuple[float, bool]:
    """The ridge, and whether to centre, that EDLAE (without dropout EASE) takes for these ratings."""
    model = EDLAE(l2=l2, centre=centre, dropout=dropout, values=values)
    model._choose(ratings)
    return model.l2_, model.centred_
