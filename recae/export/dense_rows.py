"""Models as functions of dense rows, in which 0 is a missing rating: what an exported graph is made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from recae.errors import ParameterError
from recae.models.autorec.autorec import AutoRec
from recae.models.sessions.session_model import SessionModel
from recae.models.vae.cdae import CDAE
from recae.models.vae.neural_ranker import NeuralRanker
from recae.ratings.csr import make_csr
from recae.recommender.base import Recommender
from recae.recommender.item_codes import ItemCodes
from recae.recommender.params import Values

MOST = 20_000  # items of a linear model: its matrix has their square
DenseRows = nn.Module  # ratings (n, n_items) to scores (n, n_items), as the model's `score`


def dense_rows(model: Recommender) -> DenseRows:
    """The model's `score` of dense rows.

    Raises:
        ParameterError: it is no function of a row, reads a rating of 0, or is linear and has more than 20,000 items.
    """
    ratings, name = model._fitted(), type(model).__name__
    values = model.get_params().get("values", "ratings")
    low, high = ratings.scale
    if values != "binary" and low <= 0 <= high:
        raise ParameterError(
            f"{name} reads ratings from {low:g} to {high:g}, and 0 stands for a missing one in a dense row",
            remedy="fit it on ratings that are above 0",
        )
    if model.linear and ratings.n_items <= MOST and model._reads_only_rows():
        return LinearRows(model, values)
    if isinstance(model, NeuralRanker):
        return NetworkRows(model.network_, values, unit=not isinstance(model, CDAE))
    if isinstance(model, AutoRec) and model.by == "user" and model.starts_warm:  # without features of tables
        return RatingRows(model.network_)
    if model.linear and model._reads_only_rows():
        raise ParameterError(f"{name} of {ratings.n_items:,} items: its matrix is exported up to {MOST:,}",
                             remedy="export its vectors")  # fmt: skip
    raise ParameterError(
        f"{name} is no function of a row alone that a graph can hold: {_why_not(model)}",
        remedy="export ease or another linear model, mult-vae and kin, or u-autorec",
    )


def _why_not(model: Recommender) -> str:
    """Why a model has no graph of dense rows."""
    if isinstance(model, ItemCodes):
        return "an unseen user's weights are solved for, from the codes of the items that they rated"
    if model.lists_by_product:
        return "an unseen user's factors are solved for, by an equation or by steps for each row"
    if model.reads_dates or isinstance(model, SessionModel):
        return "it reads the order or the dates of events, which a row does not have"
    if not model.personal:
        return "it gives everybody the same list"
    if not model._reads_only_rows():
        return "it looks at the ratings of others, or at features of users and items"
    return "its score has other parts than those that are translated"


def as_read(ratings: Tensor, values: Values) -> Tensor:
    """Dense rows as `as_input` reads them."""
    if values == "binary":
        return (ratings != 0).to(ratings.dtype)
    return torch.log(1 + ratings) if values == "log" else ratings


class LinearRows(nn.Module):
    """score(0) + x B; B from the scores of each item alone, whose entry is read as 1."""

    base: Tensor
    matrix: Tensor

    def __init__(self, model: Recommender, values: Values) -> None:
        super().__init__()
        n = model.ratings_.n_items
        one = np.e - 1 if values == "log" else 1.0
        none = make_csr(np.zeros(0, np.float32), np.zeros(0, np.int32), np.zeros(2, np.int64), (1, n))
        each = make_csr(
            np.full(n, one, np.float32), np.arange(n, dtype=np.int32), np.arange(n + 1, dtype=np.int64), (n, n)
        )
        base = np.asarray(model.score(none), np.float32)
        self.values = values
        self.register_buffer("base", torch.from_numpy(base))
        self.register_buffer("matrix", torch.from_numpy(np.asarray(model.score(each), np.float32) - base))

    def forward(self, ratings: Tensor) -> Tensor:
        rows = as_read(ratings, self.values)
        return rows @ self.matrix + self.base


class NetworkRows(nn.Module):
    """Logits of a ranking network, of rows as `values` has them, of unit length where it was trained so."""

    def __init__(self, network: Any, values: Values, unit: bool) -> None:
        super().__init__()
        self.network, self.values, self.unit = network, values, unit

    def forward(self, ratings: Tensor) -> Tensor:
        rows = as_read(ratings, self.values)
        if self.unit:
            length = torch.sqrt((rows * rows).sum(1, keepdim=True))
            rows = rows / torch.where(length > 0, length, torch.ones_like(length))
        found = self.network(rows)
        logits: Tensor = found if isinstance(found, Tensor) else found.logits
        return logits


class RatingRows(nn.Module):
    """Predicted ratings, unclipped, of a network over users' rows; see `RatingNetwork.full`."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, ratings: Tensor) -> Tensor:
        network, noise = self.network, self.network.core.noise
        stored = ratings != 0
        values, level = noise.given_dense(ratings, stored)
        beside: list[Tensor | None] = [None] * (1 + len(network.inner))
        if network.presence is not None:
            beside[0] = stored.to(ratings.dtype) @ network.presence.weight
        weight, bias = network.output_layer()
        logits = network.through(values, beside) @ weight.t() + bias
        added = network.added(level)
        logits = logits if added is None else logits + added
        finished: Tensor = network.finish(logits, torch.arange(len(bias)))
        return finished
