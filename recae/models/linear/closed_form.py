"""Linear autoencoders with a closed form: EASE, EDLAE, DLAE, RLAE and DAN's normalisation. Scores are X B.

With G = Xᵀ X, n its diagonal (of binary rows: how many users each item has), and a ridge γ an item, all of them are
written with the one inverse C = (G + diag γ)⁻¹:

    unconstrained  B = I - C diag γ                                        LAE, DLAE
    zero diagonal  B = I - C diag(1 / diag C): off the diagonal -C_ij / C_jj   EASE, EDLAE
    diagonal ≤ ξ   B = I - C diag(max(γ, (1 - ξ) / diag C))                RLAE, RDLAE

where γ = l2, and with dropout p of the input in training, integrated out, γ = l2 + n p / (1 - p).

Centred, rows are read less the items' means m: G = (X - 1 mᵀ)ᵀ (X - 1 mᵀ), and scores are m + (x - m) B. Where few
entries say little about each other, B is near 0 and items are ranked by their popularity; scores X B would rank them by
chance.

Orientation: B[i, j] is what having i adds to the score of j. B is not symmetric; score with B, not its transpose.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from recae._types import Csr, FloatArray, IntArray, Scores
from recae.distributed.ranks import Ranks, choose_device, current
from recae.errors import ParameterError
from recae.models.linear.gram import gram, invert_, peak_bytes, small_part, sum_lower_to_first_, take_from_first_
from recae.ratings import RatingMatrix
from recae.recommender.base import Recommender
from recae.recommender.fitting import FitOptions
from recae.recommender.learned import LearnedArrays
from recae.recommender.memory import MemoryLimited, available_bytes, refuse_too_large
from recae.recommender.params import ReadsValues, as_input, hyperparameters, learned, param
from recae.recommender.registry import register
from recae.sparse import SparseRows, spmm
from recae.sparse.resources import kernel_threads

_DTYPES = {"float32": torch.float32, "float64": torch.float64}
FEW = 32  # ratings of a row that is scored by NumPy
# l2 and centre, among which is chosen where nothing is said: l2 of entries of 1, else times their mean square.
_CHOICES = (
    (300.0, False), (30.0, False), (100.0, False), (1000.0, False), (3000.0, False),
    (300.0, True), (1000.0, True), (3000.0, True), (10000.0, True),
)  # fmt: skip


@hyperparameters
class InputDropout(Recommender):
    """Base of models whose ridge γ is that of learning under dropout of the input, integrated out."""

    l2: float | None = param(
        None, "ridge λ of γ = λ + n p / (1 - p); above 0; none to choose it on a small part of the data", low=0,
        tune=(10.0, 3000.0, "log"),
    )  # fmt: skip
    dropout: float = param(0.33, "share p of the input dropped in training, from 0 to below 1", low=0, tune=(0.0, 0.7))

    def _dropout(self) -> float:
        return self.dropout


@hyperparameters
class ClosedForm(ReadsValues, MemoryLimited):
    """What the closed forms share: G, the inverse, scoring. A model says what γ is, and what B is of C."""

    linear: ClassVar[bool] = True
    shares_rows: ClassVar[bool] = True

    l2: float | None = param(
        None, "ridge λ added to each item's own co-occurrence; above 0; none to choose it on a small part of the data",
        low=0, tune=(10.0, 3000.0, "log"),
    )  # fmt: skip
    centre: bool | None = param(
        None, "read rows less the items' means: scores are m + (x - m) B; none to choose it with l2, else not to",
        tune=[False, True],
    )  # fmt: skip
    precision: Literal["float32", "float64"] = param(
        "float32", "precision of the solution, which is kept in float32", choices=("float32", "float64")
    )
    device: str = param("auto", "where to solve and to score: auto, cpu, cuda, cuda:N")

    weights_: Tensor = learned()
    offset_: Tensor | None = learned()
    l2_: float = learned()
    centred_: bool = learned()

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
        self._choose(ratings)
        inverse, ridge, counts, mean = self._solve(ratings)
        self._take(self._weights(inverse, ridge, counts), mean)

    def _choose(self, ratings: RatingMatrix) -> None:
        """Set `l2_` and `centred_`: what is given, else what ranks best the hidden entries of a small part."""
        self.l2_, self.centred_ = (_CHOICES[0][0] if self.l2 is None else self.l2), bool(self.centre)
        check_ridge(self.l2_, self._dropout())
        if self.l2 is None:
            self.l2_, self.centred_ = current().from_first(lambda: self._best(as_input(ratings.user_rows, self.values)))
            self._record_open(l2=self.l2_, centre=self.centred_)

    def _best(self, rows: Csr) -> tuple[float, bool]:
        part = small_part(rows)
        if part is None:
            return self.l2_, self.centred_
        unit = float(np.mean(np.square(part.shown[part.known], dtype=np.float64))) or 1.0
        choices = [(unit * l2, centre) for l2, centre in _CHOICES if self.centre in (None, centre)]
        x = torch.from_numpy(part.shown).double()
        weight = torch.from_numpy(self._user_weights(part.known.sum(1))).double()
        gram_, counts, mean = (x * weight[:, None]).mT @ x, x.square().sum(0), x.mean(0)

        def figure(choice: tuple[float, bool]) -> float:
            matrix, ridge = gram_.clone(), self._ridge(counts, choice[0])
            if choice[1]:
                centre_(matrix, weight @ x, mean, float(weight.sum()))
            matrix.diagonal().add_(ridge)
            inverse = torch.cholesky_inverse(torch.linalg.cholesky_ex(matrix)[0])
            b = self._weights(inverse, ridge, counts)
            return part.figure((x @ b + (mean - mean @ b if choice[1] else 0)).float().numpy())

        return max(choices, key=figure)

    def _solve(self, ratings: RatingMatrix) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """C, γ, n, and the items' means where rows are centred, on the device.

        Of several processes, each adds its share of the users to G, and the first one inverts it for all.
        """
        ranks = current()
        device, dtype = self._device(ratings.n_items, ranks), _DTYPES[self.precision]
        rows = as_input(ratings.user_rows, self.values)
        weight = self._user_weights(np.diff(rows.indptr))
        counts = np.bincount(rows.indices, rows.data.astype(np.float64) ** 2, ratings.n_items)
        n = torch.from_numpy(counts).to(device, dtype)
        ridge = self._ridge(n, self.l2_)
        own = slice(None) if ranks.size == 1 else ranks.share(np.arange(len(weight)))
        matrix = gram(rows if ranks.size == 1 else rows[own], weight[own], device=device, dtype=dtype)
        sum_lower_to_first_(matrix, ranks)
        mean = None
        if self.centred_:
            equal = np.full_like(weight, 1 / len(weight))
            weighted, mean = (torch.from_numpy(shares @ rows).to(device, dtype) for shares in (weight, equal))
            centre_(matrix, weighted, mean, float(weight.sum(dtype=np.float64)))
        matrix.diagonal().add_(ridge)
        ranks.from_first(lambda: len(invert_(matrix)))
        take_from_first_(matrix, ranks)
        return matrix, ridge, n, mean

    def _user_weights(self, counts: npt.NDArray[Any]) -> FloatArray:
        """What a user of so many entries counts in G, (n_users,)."""
        weights: FloatArray = np.maximum(counts, 1).astype(np.float64) ** -self._user_power()
        return weights.astype(np.float32)

    def _ridge(self, counts: Tensor, l2: float) -> Tensor:
        """γ of each item, (n_items,)."""
        return l2 + counts * (self._dropout() / (1 - self._dropout()))

    def _take(self, weights: Tensor, mean: Tensor | None) -> None:
        self.weights_ = weights.float()
        self.offset_ = None if mean is None else mean.float() - mean.float() @ self.weights_

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

    def _reads_only_rows(self) -> bool:
        return True

    def score(self, user_rows: Csr) -> Scores:
        if user_rows.shape[0] == 1 and user_rows.nnz <= FEW and self.weights_.device.type == "cpu":
            # one short row: calling an operator of PyTorch takes longer than this
            row = as_input(user_rows, self.values)
            scores: Scores = (row.data @ self.weights_.numpy()[row.indices])[None]
            if self.offset_ is not None:
                scores += self.offset_.numpy()
            return scores
        return self._product(user_rows).cpu().numpy()

    def _device_scores(self, user_index: IntArray) -> Tensor:
        return self._product(self.ratings_.user_rows[user_index])

    def _product(self, user_rows: Csr) -> Tensor:
        """Scores of rows, (n_rows, n_items), on the weights' device."""
        device = self.weights_.device
        rows = SparseRows.from_scipy(as_input(user_rows, self.values), device=device)
        with torch.no_grad(), kernel_threads(device.type == "cpu"):
            scores = spmm(rows, self.weights_)
            return scores if self.offset_ is None else scores.add_(self.offset_)

    # ---------------------------------------------------------------- files

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        arrays = {"weights": self.weights_.cpu().numpy(), "l2": np.array(self.l2_, np.float64)}
        return arrays if self.offset_ is None else {**arrays, "offset": self.offset_.cpu().numpy()}

    def _restore(self, arrays: LearnedArrays) -> None:
        device, n = choose_device(self.device), self.ratings_.n_items
        device = torch.device("cpu") if device.type == "mps" else device
        self.weights_ = torch.from_numpy(arrays.floats("weights", n, n)).to(device)
        self.l2_ = arrays.number("l2") if "l2" in arrays else self.l2 or 0.0  # files of earlier versions say it in l2
        self.centred_ = "offset" in arrays
        self.offset_ = torch.from_numpy(arrays.floats("offset", n)).to(device) if self.centred_ else None


@register("ease", "EASE: a linear autoencoder in closed form, its diagonal zero")
@hyperparameters
class EASE(ClosedForm):
    """Embarrassingly shallow autoencoder (Steck, WWW 2019): min |X - X B|² + l2 |B|² with diag B = 0."""

    def _weights(self, inverse: Tensor, ridge: Tensor, counts: Tensor) -> Tensor:
        return zero_diagonal(inverse)


def check_ridge(l2: float, dropout: float) -> None:
    """Refuse a ridge without a solution.

    Raises:
        ParameterError: `l2` is not a finite number above 0, or `dropout` is not in [0, 1).
    """
    if not 0 < l2 < np.inf:
        raise ParameterError(name="l2", value=l2, expected="a finite number above 0", remedy="try 500")
    if not 0 <= dropout < 1:
        raise ParameterError(name="dropout", value=dropout, expected="a share from 0 to below 1")


def centre_(matrix: Tensor, sums: Tensor, mean: Tensor, total: float) -> Tensor:
    """Σ w (x - m)(x - m)ᵀ from Σ w x xᵀ, in place: `sums` is Σ w x, `mean` m, (n_items,) each, and `total` Σ w."""
    half = sums - 0.5 * total * mean
    return matrix.addr_(half, mean, alpha=-1).addr_(mean, half, alpha=-1)


def zero_diagonal(inverse: Tensor) -> Tensor:
    """B = -C_ij / C_jj, and 0 on the diagonal, in place of C."""
    inverse.div_(-inverse.diagonal().clone())
    return inverse.fill_diagonal_(0)


def less_from_identity(inverse: Tensor, scale: Tensor) -> Tensor:
    """B = I - C diag(scale), in place of C."""
    inverse.mul_(-scale)
    inverse.diagonal().add_(1)
    return inverse
