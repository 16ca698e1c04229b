"""ELSA: a linear autoencoder of low rank with a zero diagonal, for catalogues that a matrix of items does not fit."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from recae._types import Csr, Scores
from recae.distributed.ranks import choose_device
from recae.ratings import RatingMatrix
from recae.recommender.fitting import FitOptions
from recae.recommender.learned import LearnedArrays
from recae.recommender.list_error import ranking_error
from recae.recommender.own_part import StopsByOwnPart
from recae.recommender.params import ReadsValues, as_input, default, hyperparameters, learned, param
from recae.recommender.registry import register
from recae.sparse import SparseRows, spmm
from recae.sparse.resources import kernel_threads
from recae.training import Batch, RowBatches

_LEAST = 1e-6  # of |x̂|², against |x|²: below it is rounding


@register("elsa", "linear autoencoder of low rank with a zero diagonal, for large catalogues")
@hyperparameters
class ELSA(ReadsValues, StopsByOwnPart):
    """Scores x (A Aᵀ - I), the rows of A (n_items, factors) of length 1 (Vančura et al., RecSys 2022).

    Length 1 makes the diagonal of A Aᵀ - I zero, as EASE's is; memory and time grow with n_items, not its square.
    Loss: mean over users of |x̂ / |x̂| - x / |x||², summed over all items (the paper's mean times n_items). This is
    2 - 2 cos(x̂, x), and both x·x̂ and |x̂|² follow from x A and Aᵀ A, so that x̂ itself is never made (`cosine_loss`).
    The paper's released code also cuts x̂ at 0 in training; its equations, and we, do not. NAdam is Adam here.
    """

    linear: ClassVar[bool] = True
    meets_hidden_users: ClassVar[bool] = True
    shares_rows: ClassVar[bool] = True
    starts_warm: ClassVar[bool] = True

    factors: int = param(256, "width of A; the paper has up to 2,000", low=1, tune=(32, 512, "log"))
    lr: float = default(0.03, tune=(3e-3, 0.3, "log"))
    epochs: int = default(20, tune=(5, 40))
    batch_size: int = default(256, help="rows a step; for 100,000 items and more take 1,024 or more", low=1)
    patience: int | None = default(5)

    codes_: Tensor = learned()

    def _train(self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions) -> None:
        device = choose_device(self.device)
        rows = SparseRows.from_scipy(as_input(ratings.user_rows, self.values))  # the trainer moves them
        model = options.begin(self._codes(ratings), self._codes, ratings).to(device)
        trainer = self._trainer(ratings, validation, options, kernels=True)

        def score(user_rows: Csr) -> Scores:
            self.codes_ = model().detach()
            return self.score(user_rows)

        validate = None if validation is None else ranking_error(score, options.known_ratings(ratings), validation)
        self.history_ = trainer.fit(model, RowBatches(rows, batch_size=self.batch_size), cosine_loss, validate)
        self.codes_ = model().detach()

    def _codes(self, ratings: RatingMatrix) -> Codes:
        return Codes(ratings.n_items, self.factors, self.rng)

    def _start_state(self) -> dict[str, Any]:
        return {"weight": self.codes_}

    def _reads_only_rows(self) -> bool:
        return True

    def score(self, user_rows: Csr) -> Scores:
        given = as_input(user_rows, self.values)
        rows = SparseRows.from_scipy(given, device=self.codes_.device)
        with torch.no_grad():
            with kernel_threads(self.codes_.device.type == "cpu"):
                code = spmm(rows, self.codes_)
            scores: Scores = (code @ self.codes_.mT).cpu().numpy()
        row_of = np.repeat(np.arange(given.shape[0]), np.diff(given.indptr))
        scores[row_of, given.indices] -= given.data
        return scores

    def item_vectors(self) -> npt.NDArray[np.float32]:
        """A, (n_items, factors): rows of length 1."""
        return self.codes_.cpu().numpy()

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {"codes": self.codes_.cpu().numpy()}

    def _restore(self, arrays: LearnedArrays) -> None:
        self.codes_ = torch.from_numpy(arrays.floats("codes", self.ratings_.n_items, self.factors)).to(
            choose_device(self.device)
        )


class Codes(nn.Module):
    """A: one code an item, (n_items, factors), each divided by its length."""

    def __init__(self, n_items: int, factors: int, seed: int) -> None:
        super().__init__()
        drawn = torch.randn(n_items, factors, generator=torch.Generator().manual_seed(seed))
        self.weight = nn.Parameter(nn.functional.normalize(drawn))

    def forward(self) -> Tensor:
        return nn.functional.normalize(self.weight)


def cosine_loss(model: nn.Module, batch: Batch) -> Tensor:
    """Mean over rows x of |x̂ / |x̂| - x / |x||² = 2 - 2 cos(x̂, x), x̂ = x A Aᵀ - x, at the cost of x A and of Aᵀ A.

    With z = x A: x·x̂ = |z|² - |x|², and |x̂|² = z (Aᵀ A) zᵀ - 2 |z|² + |x|². An empty row costs nothing.
    """
    rows, codes = batch.input, model()
    code = spmm(rows, codes)
    squared = rows.with_values(rows.values * rows.values).sums()
    inside = (code * code).sum(1)
    norm = ((code @ (codes.mT @ codes)) * code).sum(1) - 2 * inside + squared
    filled = squared > 0
    least = _LEAST * squared.clamp(min=1e-12)
    cosine = (inside - squared) / (squared.clamp(min=1e-12) * torch.maximum(norm, least)).sqrt()
    return torch.where(filled, 2 - 2 * cosine, 0.0).sum() / len(rows)
