"""DeepRec: a deep autoencoder of users' rows under strong dropout, its output fed back in."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional

from recae.models.autorec.autorec import AutoRec
from recae.models.autorec.rating_network import RatingNetwork, rating_loss
from recae.nn.layers import as_widths
from recae.nn.products import affine
from recae.ratings import RatingMatrix
from recae.recommender.biases import ENOUGH_FOR_PUBLISHED
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

    enough_ratings: ClassVar[int] = ENOUGH_FOR_PUBLISHED

    by: Literal["item", "user"] = default("user")
    hidden: int | tuple[int, ...] = default((512, 512, 1024, 512, 512))
    activation: str = default("selu")
    output: str = default("selu")
    input: Literal["auto", "raw", "levelled", "centred", "residual"] = default("raw")
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
        return RatingNetwork(n_cols, as_widths(self.hidden), code_dropout=self.code_dropout, **settings)

    def _l2(self, ratings: RatingMatrix) -> float:
        return 0.0 if self.l2 is None else self.l2

    def _decay(self, rows: SparseRows) -> float:
        return 1 / max(1, rows.nnz)

    def _objective(self) -> Objective:
        return mean_rating_loss

    def _second(self) -> Objective | None:
        return refeeding if self.refeed else None


def mean_rating_loss(network: RatingNetwork, batch: Batch) -> Tensor:
    """`rating_loss` as a mean over stored ratings instead of rows."""
    rows_per_rating: float = len(batch.target) / max(1, batch.target.nnz)
    return rating_loss(network, batch) * rows_per_rating


def refeeding(network: RatingNetwork, batch: Batch) -> Tensor:
    """Mean over all entries of (f(y) - y)², where y = f(x) is the network's present output for the batch."""
    weight, bias = network.output_layer()
    columns = torch.arange(len(bias), device=bias.device)
    with torch.no_grad():
        dense = network.full(batch.input)
    noise: Any = network.core.noise
    terms = [None] if network.presence is None else [network.presence.weight.sum(0)]
    row, level = noise.given_dense(dense, torch.ones_like(dense, dtype=torch.bool))
    logits = affine(bias, network.through(row, terms), weight.t())
    added = network.added(level)
    output = network.finish(logits if added is None else logits + added, columns)
    return functional.mse_loss(noise.unit.inside(output), noise.unit.inside(dense))
