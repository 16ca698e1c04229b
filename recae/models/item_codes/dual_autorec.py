"""DualAutoRec: an item-based AutoRec that also knows each user by what the user gave to other items."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from recae._types import Csr, FloatArray
from recae.models.item_codes.dual_network import DualBatches, DualNetwork, Side, UserRows
from recae.models.item_codes.item_codes import ItemCodes, as_numpy, column_means, validator
from recae.ratings import RatingMatrix
from recae.recommender.biases import fit_biases
from recae.recommender.epochs import TrainedByOptimizer
from recae.recommender.fitting import FitOptions
from recae.recommender.folding import solve_columns
from recae.recommender.params import default, hyperparameters, learned, param
from recae.recommender.registry import register
from recae.sparse import SparseRows
from recae.training import Reconstruction, RowBatches
from recae.training.pretraining import pretrain

BLOCK = 2048  # item rows encoded at once


@register("dual-autorec", "item autoencoder whose output units are encoded from what the users gave")
@hyperparameters
class DualAutoRec(ItemCodes, TrainedByOptimizer):
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

    side: int = param(64, "units of the user side", low=1)
    l2: float = param(100.0, "L2 weight on the encoder and the output units, against the summed squared error", low=0)
    inner_l2: float = param(10.0, "L2 weight on the layers between them, in a deep one", low=0)
    side_l2: float = param(30.0, "L2 weight on the user side, against the summed squared error", low=0)
    noise: float = default(0.1)
    side_noise: float = param(0.3, "fraction of a user's ratings hidden in training", low=0)
    optimizer: str = default("adam", help="how to minimise", choices=("adam", "sgd"))
    lr: float = default(2e-3)
    pretrain_epochs: int = param(0, "epochs of greedy layer-wise pretraining of the item side, each layer", low=0)

    network_: DualNetwork = learned()

    def _fit(self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions) -> None:
        rows = SparseRows.from_scipy(ratings.rows("item"))
        users = UserRows.of(SparseRows.from_scipy(ratings.user_rows), item_means(ratings))
        trainer = self._trainer(ratings, validation, options, decay=1 / len(rows), kernels=True)
        device = torch.device(trainer.device)
        validate = None
        if validation is not None:
            every = torch.arange(len(rows), device=device)
            whole = Side(rows.to(device), every, users.to(device))
            places = SparseRows.from_scipy(validation.rows("item"), device=device)
            validate = validator(lambda net, at: net.at(whole, at), places, ratings.scale)  # type: ignore[operator]
        batches = DualBatches(rows, users, batch_size=self._rows_a_step(len(rows)))
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

    def _make_codes(self) -> FloatArray:
        item_rows, device = self.ratings_.rows("item"), self.network_.offset.device
        blocks = []
        for index in torch.split(torch.arange(item_rows.shape[0]), BLOCK):
            rows = SparseRows.from_scipy(item_rows[index.numpy()], device=device)
            blocks.append(as_numpy(self.network_.codes(rows, index.to(device))))
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
