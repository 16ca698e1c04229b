"""DualAutoRec: an item-based AutoRec that also knows each user by what the user gave to other items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from recae._types import Csr, FloatArray
from recae.models.item_codes.dual_network import DualBatches, DualNetwork, Side, UserRows
from recae.models.item_codes.item_codes import ItemCodes, as_numpy, column_means, rows_a_step, validator
from recae.nn.activations import ACTIVATIONS
from recae.ratings import RatingMatrix
from recae.recommender.biases import fit_biases
from recae.recommender.fitting import FitOptions, fingerprint
from recae.recommender.folding import solve_columns
from recae.recommender.params import learned, param
from recae.sparse import SparseRows
from recae.training import Reconstruction, RowBatches
from recae.training.pretraining import pretrain

BLOCK = 2048  # item rows encoded at once


@dataclass(kw_only=True, eq=False, repr=False)
class DualAutoRec(ItemCodes):
    """Item rows are encoded as in AutoRec; a part of each user's output unit is encoded from the user's own row.

    The prediction is w_u · h_i + b_u + p_u · (A h_i + q_i). h_i comes from what item i received and from whom (the
    ratings, and which there are: AutoRec's row and an implicit one); p_u = tanh(...) from what user u gave and to what
    (SVD++'s implicit sum, Koren 2008, and NSVD's explicit one, Paterek 2007, here through a tanh). w, b and q are
    learnt as such. `hidden=(500, 250, 500)` with `pretrain_epochs` is a deep item side, pretrained as AutoRec's.

    A user's row that holds the rating to be predicted would give it away. So each step leaves the batch's items out
    of all user rows: what a user is known by in training is what it is at a test, everything but the rating asked for.

    Loss: Σ over stored ratings of (r - prediction)² + (l2 / 2) of AutoRec's weights and (side_l2 / 2) of the user
    side's. An unseen user's p is encoded; the rest of the unit is a ridge regression on the codes of the items rated,
    of what p leaves over (`recae.recommender.folding`).
    """

    hidden: int | tuple[int, ...] = param(500, "hidden units; several layers as 500,250,500", low=1)
    side: int = param(64, "units of the user side", low=1)
    activation: str = param("sigmoid", "activation of hidden units", choices=tuple(ACTIVATIONS))
    l2: float = param(100.0, "L2 weight on the encoder and the output units, against the summed squared error", low=0)
    inner_l2: float = param(10.0, "L2 weight on the layers between them, in a deep one", low=0)
    side_l2: float = param(30.0, "L2 weight on the user side, against the summed squared error", low=0)
    noise: float = param(0.1, "fraction of an item's ratings hidden in training", low=0)
    side_noise: float = param(0.3, "fraction of a user's ratings hidden in training", low=0)
    optimizer: str = param("adam", "how to minimise", choices=("adam", "sgd"))
    lr: float = param(2e-3, "learning rate", low=0)
    schedule: str = param("cosine", "learning rate over time", choices=("constant", "cosine", "linear", "one-cycle"))
    epochs: int = param(30, "passes over the rows, at most", low=0)
    batch_size: int | None = param(
        None, "rows a step; none for an eighth of them, at most 512; 0 for all at once", low=0
    )
    ema: float = param(0.0, "decay a step of the weights' running mean, which is kept instead; 0: not averaged", low=0)
    pretrain_epochs: int = param(0, "epochs of greedy layer-wise pretraining of the item side, each layer", low=0)
    patience: int | None = param(10, "epochs without a better validation RMSE before stopping")
    device: str = param("auto", "where to train: auto, cpu, cuda, cuda:N, mps")
    rng: int = param(0, "seed of everything random")

    network_: DualNetwork = learned()

    def _fit(self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions) -> None:
        rows = SparseRows.from_scipy(ratings.rows("item"))
        users = UserRows.of(SparseRows.from_scipy(ratings.user_rows), item_means(ratings))
        trainer = self._trainer(
            len(rows), options, fingerprint(self, ratings, validation), epochs=self.epochs, optimizer=self.optimizer,
            lr=self.lr, schedule=self.schedule, ema=self.ema,
        )  # fmt: skip
        device = torch.device(trainer.device)
        validate = None
        if validation is not None:
            every = torch.arange(len(rows), device=device)
            whole = Side(rows.to(device), every, users.to(device))
            places = SparseRows.from_scipy(validation.rows("item"), device=device)
            validate = validator(lambda net, at: net.at(whole, at), places, ratings.scale)  # type: ignore[operator]
        batches = DualBatches(rows, users, batch_size=rows_a_step(self.optimizer, self.batch_size, len(rows)))
        network = self._network(ratings).to(device)
        if self.pretrain_epochs and not trainer.resumes():
            alone = RowBatches(rows.to(device), batch_size=batches.batch_size)
            objective = Reconstruction("summed-squared-error", stored_only=True)
            pretrain(network.core, alone, objective, trainer, epochs=self.pretrain_epochs)
            torch.nn.init.zeros_(network.rated.weight)  # what was learnt so far stands
        self.history_ = trainer.fit(network, batches, network.objective, validate)
        self.network_ = network
        self._forget()

    def _network(self, ratings: RatingMatrix) -> DualNetwork:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.rng)
            return DualNetwork(
                ratings.n_users, ratings.n_items, hidden=self._widths(), side=self.side, start=column_means(ratings),
                act=self.activation, noise=self.noise, side_noise=self.side_noise, l2=self.l2, inner_l2=self.inner_l2,
                side_l2=self.side_l2,
            )  # fmt: skip

    def _widths(self) -> tuple[int, ...]:
        return (self.hidden,) if isinstance(self.hidden, int) else tuple(self.hidden)

    def _make_codes(self) -> FloatArray:
        item_rows, device = self.ratings_.rows("item"), self.network_.offset.device
        blocks = [
            as_numpy(self.network_.codes(SparseRows.from_scipy(item_rows[index.numpy()], device=device), index))
            for index in torch.split(torch.arange(item_rows.shape[0]), BLOCK)
        ]
        return np.concatenate(blocks)

    def _make_units(self) -> tuple[FloatArray, FloatArray]:
        return (
            np.concatenate([as_numpy(self.network_.last.weight), self._user_side(self.ratings_.user_rows)], 1),
            as_numpy(self.network_.last.bias),
        )

    def _solve(self, user_rows: Csr) -> tuple[FloatArray, FloatArray]:
        with self._inference():
            side = self._user_side(user_rows)
        codes, (units, bias), width = self._codes(), self._units(), self._widths()[-1]
        row = np.repeat(np.arange(user_rows.shape[0]), np.diff(user_rows.indptr))
        only_side = np.concatenate([np.zeros((len(side), width), np.float32), side], 1)
        rest = user_rows.data - self._products(
            only_side, np.zeros(len(side), np.float32), row, user_rows.indices.astype(np.int64)
        )
        own, new_bias = solve_columns(
            codes[:, :width], user_rows, rest, units[:, :width], bias, l2=max(self.l2 / 2, 1e-3)
        )
        return np.concatenate([own, side], 1), new_bias

    def _user_side(self, user_rows: Csr) -> FloatArray:
        """p of user rows; within `_inference`."""
        rows = SparseRows.from_scipy(user_rows)
        users = UserRows.of(rows, item_means(self.ratings_)).to(self.network_.offset.device)
        return as_numpy(self.network_.user_side(users))

    def _restore(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        self._load(self._network(self.ratings_), arrays)


def item_means(ratings: RatingMatrix) -> Tensor:
    """Mean ratings of the items, (n_items,), drawn towards the mean of all where there are few."""
    biases = fit_biases(ratings, user_l2=10.0, item_l2=5.0, sweeps=3)
    return torch.from_numpy(biases.mean + biases.item)
