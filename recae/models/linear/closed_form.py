"""Linear autoencoders with a closed form: EASE, EDLAE, DLAE, RLAE and DAN's normalisation. Scores are X B.

With G = Xᵀ X, n its diagonal (of binary rows: how many users each item has), and a ridge γ an item, all of them are
written with the one inverse C = (G + diag γ)⁻¹:

    unconstrained  B = I - C diag γ                                        LAE, DLAE
    zero diagonal  B = I - C diag(1 / diag C): off the diagonal -C_ij / C_jj   EASE, EDLAE
    diagonal ≤ ξ   B = I - C diag(max(γ, (1 - ξ) / diag C))                RLAE, RDLAE

where γ = l2, and with dropout p of the input in training, integrated out, γ = l2 + n p / (1 - p).

Orientation: B[i, j] is what having i adds to the score of j. B is not symmetric; score with B, not its transpose.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from recae._types import Csr, IntArray, Scores
from recae.distributed.ranks import Ranks, choose_device, current
from recae.errors import ParameterError
from recae.models.linear.gram import gram, invert_, peak_bytes, sum_lower_to_first_, take_from_first_
from recae.ratings import RatingMatrix
from recae.recommender.base import Recommender
from recae.recommender.fitting import FitOptions
from recae.recommender.learned import LearnedArrays
from recae.recommender.memory import MemoryLimited, available_bytes, refuse_too_large
from recae.recommender.params import ReadsValues, as_input, check, default, hyperparameters, learned, param
from recae.recommender.registry import register
from recae.sparse import SparseRows, spmm
from recae.sparse.resources import kernel_threads

_DTYPES = {"float32": torch.float32, "float64": torch.float64}
FEW = 32  # ratings of a row that is scored by NumPy


@hyperparameters
class InputDropout(Recommender):
    """Base of models whose ridge γ is that of learning under dropout of the input, integrated out."""

    l2: float = param(300.0, "ridge λ of γ = λ + n p / (1 - p); above 0", low=0, tune=(10.0, 3000.0, "log"))
    dropout: float = param(0.33, "share p of the input dropped in training, from 0 to below 1", low=0, tune=(0.0, 0.7))

    def _dropout(self) -> float:
        return self.dropout


@hyperparameters
class ClosedForm(ReadsValues, MemoryLimited):
    """What the closed forms share: G, the inverse, scoring. A model says what γ is, and what B is of C."""

    linear: ClassVar[bool] = True
    shares_rows: ClassVar[bool] = True

    l2: float = param(
        500.0, "ridge γ added to each item's own co-occurrence; above 0", low=0, tune=(10.0, 3000.0, "log")
    )
    precision: Literal["float32", "float64"] = param(
        "float32", "of the solution (it is kept in float32)", choices=("float32", "float64")
    )
    device: str = param("auto", "where to solve and to score: auto, cpu, cuda, cuda:N")

    weights_: Tensor = learned()

    # ---------------------------------------------------------------- what a model says

    def _dropout(self) -> float:
        """p, the share of the input that is dropped."""
        return 0.0

    def _user_power(self) -> float:
        """β: a user of n ratings counts n^-β in G."""
        return 0.0

    def _weights(self, inverse: Tensor, ridge: Tensor, counts: Tensor) -> Tensor:
        """B from C (which it may overwrite), γ and n."""
        raise NotImplementedError

    # ---------------------------------------------------------------- fitting

    def _fit(self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions) -> None:
        inverse, ridge, counts = self._solve(ratings)
        self._take(self._weights(inverse, ridge, counts))

    def _solve(self, ratings: RatingMatrix) -> tuple[Tensor, Tensor, Tensor]:
        """C, γ and n, on the device.

        Of several processes, each adds its share of the users to G, and the first one inverts it for all.
        """
        check_ridge(self.l2, self._dropout())
        ranks = current()
        device, dtype = self._device(ratings.n_items, ranks), _DTYPES[self.precision]
        rows = as_input(ratings.user_rows, self.values)
        n_users = np.diff(rows.indptr)
        weight = np.power(np.maximum(n_users, 1), -self._user_power(), dtype=np.float64).astype(np.float32)
        counts = np.bincount(rows.indices, rows.data.astype(np.float64) ** 2, ratings.n_items)
        n = torch.from_numpy(counts).to(device, dtype)
        ridge = self.l2 + n * (self._dropout() / (1 - self._dropout()))
        own = slice(None) if ranks.size == 1 else ranks.share(np.arange(len(weight)))
        matrix = gram(rows if ranks.size == 1 else rows[own], weight[own], device=device, dtype=dtype)
        sum_lower_to_first_(matrix, ranks)
        matrix.diagonal().add_(ridge)
        ranks.from_first(lambda: len(invert_(matrix)))
        take_from_first_(matrix, ranks)
        return matrix, ridge, n

    def _take(self, weights: Tensor) -> None:
        self.weights_ = weights.float()

    def _device(self, n_items: int, ranks: Ranks) -> torch.device:
        """Where to solve; with "auto", the CPU where the matrix does not fit the GPU."""
        device, needed = choose_device(self.device), self.bytes_needed(n_items)
        unfit = device.type == "mps" or needed > (available_bytes(device) or needed)
        if self.device == "auto" and ranks.total(unfit)[0]:  # of several processes, all or none
            device = torch.device("cpu")
        on_it = ranks.local_size if device.type == "cpu" else 1  # each process holds a matrix
        refuse_too_large(type(self).__name__, n_items, needed * on_it, device, self.memory_limit)
        return device

    def bytes_needed(self, n_items: int) -> int:
        """Bytes that fitting takes at most, apart from the ratings."""
        kept = 4 * n_items**2 if self.precision == "float64" else 0
        return peak_bytes(n_items, _DTYPES[self.precision]) + kept

    # ---------------------------------------------------------------- scoring

    def score(self, user_rows: Csr) -> Scores:
        if user_rows.shape[0] == 1 and user_rows.nnz <= FEW and self.weights_.device.type == "cpu":
            row = as_input(
                user_rows, self.values
            )  # one short row: calling an operator of PyTorch takes longer than this
            scores: Scores = (row.data @ self.weights_.numpy()[row.indices])[None]
            return scores
        return self._product(user_rows).cpu().numpy()

    def _device_scores(self, user_index: IntArray) -> Tensor:
        return self._product(self.ratings_.user_rows[user_index])

    def _product(self, user_rows: Csr) -> Tensor:
        """Scores of rows, (n_rows, n_items), on the weights' device."""
        device = self.weights_.device
        rows = SparseRows.from_scipy(as_input(user_rows, self.values), device=device)
        with torch.no_grad(), kernel_threads(device.type == "cpu"):
            return spmm(rows, self.weights_)

    # ---------------------------------------------------------------- files

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {"weights": self.weights_.cpu().numpy()}

    def _restore(self, arrays: LearnedArrays) -> None:
        device, n = choose_device(self.device), self.ratings_.n_items
        self.weights_ = torch.from_numpy(arrays.floats("weights", n, n)).to("cpu" if device.type == "mps" else device)


@register("ease", "EASE: a linear autoencoder in closed form, its diagonal zero")
@hyperparameters
class EASE(ClosedForm):
    """Embarrassingly shallow autoencoder (Steck, WWW 2019): min |X - X B|² + l2 |B|² with diag B = 0."""

    def _weights(self, inverse: Tensor, ridge: Tensor, counts: Tensor) -> Tensor:
        return zero_diagonal(inverse)


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

    l2: float = default(1000.0)
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

    l2: float = default(20.0)
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


def check_ridge(l2: float, dropout: float) -> None:
    """Refuse a ridge without a solution.

    Raises:
        ParameterError: `l2` is not a finite number above 0, or `dropout` is not in [0, 1).
    """
    if not 0 < l2 < np.inf:
        raise ParameterError(name="l2", value=l2, expected="a finite number above 0", remedy="try 500")
    if not 0 <= dropout < 1:
        raise ParameterError(name="dropout", value=dropout, expected="a share from 0 to below 1")


def zero_diagonal(inverse: Tensor) -> Tensor:
    """B = -C_ij / C_jj, and 0 on the diagonal, in place of C."""
    inverse.div_(-inverse.diagonal().clone())
    return inverse.fill_diagonal_(0)


def less_from_identity(inverse: Tensor, scale: Tensor) -> Tensor:
    """B = I - C diag(scale), in place of C."""
    inverse.mul_(-scale)
    inverse.diagonal().add_(1)
    return inverse


def fit_together(models: Iterable[ClosedForm], ratings: RatingMatrix) -> list[ClosedForm]:
    """Fit several closed forms, with one inverse for all that share γ, β, values, precision and device.

    EASE, RLAE(dropout=0) of any ξ and DLAE(dropout=0) of one l2 share theirs: choosing ξ costs one solution. Each
    group holds one matrix more than its models keep.
    """
    groups: dict[tuple[Any, ...], list[ClosedForm]] = {}
    models = list(models)
    for model in models:
        check(model)
        key = (model.l2, model._dropout(), model._user_power(), model.values, model.precision, model.device)
        groups.setdefault(key, []).append(model)
    for group in groups.values():
        inverse, ridge, counts = group[0]._solve(ratings)
        for model in group:
            last = model is group[-1]
            model._take(model._weights(inverse if last else inverse.clone(), ridge, counts))
            model._set_ratings(ratings)
    return models
