"""DeepRec: a deep autoencoder of users' rows under strong dropout, its output fed back in."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from recae.models.autorec.autorec import AutoRec
from recae.models.autorec.rating_network import RatingNetwork
from recae.nn.products import affine
from recae.ratings import RatingMatrix
from recae.recommender.params import default, hyperparameters, param
from recae.recommender.registry import register
from recae.sparse import SparseRows
from recae.training import Batch
from recae.training.trainer_settings import Objective


@register("deep-rec", "deep user-based autoencoder under strong dropout, its dense output fed back in")
@hyperparameters
class DeepRec(AutoRec):
    """n-512-512-1024-512-512-n units, SELU throughout, four fifths of the 1024 dropped (Kuchaiev and Ginsburg, 2017).

    "Training Deep AutoEncoders for Collaborative Filtering", and its public code.
    Loss (eq. 1): the mean over stored ratings of (r - f(x))². Dense re-feeding (section 2.2): after each update the
    output y = f(x), a rating for everything, is taken for a new row, and a second update makes f(y) like y.

    The settings are the published ones. Other than there, output units start from the items' mean ratings, and the
    learning rate is halved at the published fractions of training, however many epochs there are.
    """

    by: Literal["item", "user"] = default("user")
    hidden: int | tuple[int, ...] = default((512, 512, 1024, 512, 512))
    activation: str = default("selu")
    output: str = default("selu")
    input: Literal["auto", "raw", "centred"] = default("raw")
    l2: float | None = default(0.0, help="L2 weight on the outermost weights, against the summed loss", tune=None)
    inner_l2: float = default(0.0)
    optimizer: str = default("sgd", help="how to minimise; sgd has momentum 0.9")
    lr: float = default(5e-3, tune=(1e-3, 2e-2, "log"))
    schedule: str = default("halving", choices=("halving", "constant", "cosine", "linear", "one-cycle"))
    epochs: int = default(102, tune=None)
    batch_size: int | None = default(128)
    code_dropout: float = param(0.8, "fraction of the narrow middle's units dropped in training", low=0)
    noise: float = default(0.0, tune=None)
    refeed: bool = param(True, "a second update on each batch, with the output as input and as target")

    _mean_over: ClassVar[Literal["rows", "ratings"]] = "ratings"

    def _make_network(self, n_cols: int, ratings: RatingMatrix, settings: dict[str, Any]) -> RatingNetwork:
        return RatingNetwork(n_cols, self._widths(), code_dropout=self.code_dropout, **settings)

    def _l2(self, ratings: RatingMatrix) -> float:
        return 0.0 if self.l2 is None else self.l2

    def _decay(self, rows: SparseRows) -> float:
        return 1 / max(1, rows.nnz)

    def _objective(self, model: nn.Module, batch: Batch) -> Tensor:
        rows_per_rating: float = len(batch.target) / max(1, batch.target.nnz)
        return self.network_.objective(model, batch) * rows_per_rating

    def _second(self) -> Objective | None:
        return refeeding if self.refeed else None


def refeeding(model: nn.Module, batch: Batch) -> Tensor:
    """Mean over all places of (f(y) - y)², y = f(x) being what the network now says of the batch; no target but y."""
    assert isinstance(model, RatingNetwork)
    weight, bias = model.units()
    columns = torch.arange(len(bias), device=bias.device)
    with torch.no_grad():
        dense = model.full(batch.input)
    means = model.core.noise.means
    terms = [None] if model.presence is None else [model.presence.weight.sum(0)]
    again = model.through(dense if means is None else dense - means, terms)  # type: ignore[operator]
    output = model.finish(affine(bias, again, weight.t()), columns)
    return functional.mse_loss(output, dense)
