"""CDAE: a denoising autoencoder with a vector for each user (Wu, DuBois, Zheng, Ester, WSDM 2016)."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from recae._types import Csr, IntArray, Scores
from recae.models.vae import implicit_losses as implicit
from recae.models.vae.neural_ranker import CPU, NeuralRanker
from recae.nn import Decode, Dropout, Encode
from recae.nn.layers import ACTIVATIONS, activation
from recae.ratings import RatingMatrix
from recae.recommender.fitting import FitOptions
from recae.recommender.list_error import ranking_error
from recae.recommender.params import as_input, default, hyperparameters, param
from recae.recommender.registry import register
from recae.sparse import SparseRows
from recae.training import Batch, RowBatches

LOSSES = {"logistic": implicit.logistic, "squared": implicit.squared}


@register("cdae", "denoising autoencoder with a vector for each user")
@hyperparameters
class CDAE(NeuralRanker):
    """z = h(x̃ W + V_u + b), scores W' z + b': a row with entries dropped, and who it is (eq. 2 to 4).

    Loss (eq. 5, pointwise): mean over users of the sum over items of the logistic or squared loss, plus
    (l2 / 2) (|W|² + |V|² + |W'|²), biases free. The paper draws `negatives` missing items beside each rated one; here
    every missing item has the weight that drawing gives it on average (`implicit_losses.logistic`): the same loss, less
    its noise.

    A user not trained on has the mean of the trained users' vectors, and so has a known one without ratings. Memory and
    time of a step grow with the number of users: each has `hidden` numbers of its own.
    """

    hidden: int = param(50, "hidden units", low=1, tune=[50, 100, 200, 400])
    activation: str = param("sigmoid", "activation h of the hidden layer", choices=tuple(ACTIVATIONS))
    lr: float = default(5e-3, tune=(5e-4, 2e-2, "log"))
    loss: Literal["logistic", "squared"] = param("logistic", "loss of each item", choices=tuple(LOSSES))
    negatives: float | None = param(5.0, "missing items that weigh as much as one rated item; none: all of them", low=0)
    l2: float = default(
        0.001, help="L2 weight on W, W' and the users' vectors, against the loss of a mean row", tune=(1e-3, 1.0, "log")
    )

    def _network(self, ratings: RatingMatrix, steps: int) -> nn.Module:
        known = torch.from_numpy(ratings.counts("user") > 0)
        return UserNetwork(ratings.n_items, self.hidden, known, self.activation, self.dropout)

    def _objective(self, model: nn.Module, batch: Batch) -> Tensor:
        rows, users = batch.input
        return LOSSES[self.loss](model(rows, users), batch.target, self.negatives)

    # ---------------------------------------------------------------- rows and who they are of

    def _batches(self, ratings: RatingMatrix, device: torch.device) -> RowBatches:
        busy = np.flatnonzero(ratings.counts("user"))
        rows = self._rows(as_input(ratings.user_rows[busy], self.values), CPU)  # the trainer moves them
        return UserBatches(rows, torch.from_numpy(busy), batch_size=self._rows_a_step(len(busy)))

    def _rows(self, rows: Csr, device: torch.device) -> SparseRows:
        return SparseRows.from_scipy(rows, device=device)

    def _validator(self, ratings: RatingMatrix, validation: RatingMatrix, options: FitOptions) -> Any:
        if options.validation_input is not None:
            return super()._validator(ratings, validation, options)
        return ranking_error(self._logits, ratings, validation, with_users=True)

    def _reads_only_rows(self) -> bool:
        return False  # users have vectors of their own

    def score(self, user_rows: Csr) -> Scores:
        scores: Scores = self._logits(user_rows).cpu().numpy()
        return scores

    def score_users(self, user_index: IntArray) -> Scores:
        scores: Scores = self._device_scores(user_index).cpu().numpy()
        return scores

    def _device_scores(self, user_index: IntArray) -> Tensor:
        return self._logits(self.ratings_.user_rows[user_index], user_index)

    def _logits(self, user_rows: Csr, user_index: IntArray | None = None) -> Tensor:
        device = next(self.network_.parameters()).device
        rows = self._rows(as_input(user_rows, self.values), device)
        users = None if user_index is None else torch.from_numpy(np.asarray(user_index, np.int64)).to(device)
        with torch.no_grad():
            logits: Tensor = self.network_(rows, users)
        return logits

    def item_vectors(self) -> Any:
        """W', (n_items, hidden)."""
        return self.network_.decode.weight.detach().cpu().numpy()


class UserNetwork(nn.Module):
    """Rows (batch, n_items) and their users' indices to logits (batch, n_items).

    Args:
        n_items, hidden: widths.
        known: which users have ratings, bool (n_users,). The others share the mean of their vectors.
        act: activation of the hidden layer, by name.
        dropout: fraction of a row's entries hidden in training.
    """

    known: Tensor

    def __init__(self, n_items: int, hidden: int, known: Tensor, act: str, dropout: float) -> None:
        super().__init__()
        self.encode, self.decode, self.noise = Encode(n_items, hidden), Decode(hidden, n_items), Dropout(dropout)
        self.users = nn.Embedding(len(known), hidden)
        nn.init.zeros_(self.users.weight)  # a vector learns only what the rows do not explain
        self.activation = activation(act)
        self.register_buffer("known", known, persistent=False)

    def forward(self, rows: SparseRows, users: Tensor | None = None) -> Tensor:
        """Logits; `users`, int64 (batch,), are users trained on; None for unseen ones."""
        return self.decode(self.activation(self.encode(self.noise(rows)) + self.vectors(users)))  # type: ignore[no-any-return]

    def vectors(self, users: Tensor | None) -> Tensor:
        """Each user's vector, (batch, hidden), or the mean of all known ones, (hidden,)."""
        if users is not None and self.training:  # none but known ones are trained on
            own: Tensor = self.users(users)
            return own
        share = self.known.to(self.users.weight.dtype)
        mean = share @ self.users.weight / share.sum().clamp(min=1)
        return mean if users is None else torch.where(self.known[users][:, None], self.users(users), mean)


class UserBatches(RowBatches):
    """Batches whose input is (rows, users' indices), and whose target is the rows.

    Args:
        rows: one a user.
        users: their indices, int64 (n_rows,).
        batch_size: rows a step.
    """

    def __init__(self, rows: SparseRows, users: Tensor, *, batch_size: int) -> None:
        super().__init__(rows, batch_size=batch_size)
        self.users = users

    def take(self, index: Tensor) -> Batch:
        rows, _ = super().take(index)
        if rows is self.rows:
            return Batch((rows, self.users), rows)
        return Batch((rows, self.users[index.to(self.users.device, non_blocking=True)]), rows)

    def _rows(self) -> tuple[Any, ...]:
        return self.rows, self.users

    def _copied(self, device: torch.device) -> UserBatches:
        assert isinstance(self.rows, SparseRows)
        return UserBatches(self.rows.to(device), self.users.to(device), batch_size=self.batch_size)
