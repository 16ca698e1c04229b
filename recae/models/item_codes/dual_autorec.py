"""DualAutoRec: an item-based AutoRec that also encodes each user's ratings of other items."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from recae._types import Csr, FloatArray
from recae.models.item_codes.dual_network import (
    DualBatches,
    DualInput,
    DualNetwork,
    ItemRows,
    UserRows,
    dual_loss,
    outermost_loss,
)  # fmt: skip
from recae.nn.layers import as_widths
from recae.ratings import RatingMatrix
from recae.recommender.epochs import STEPS, TrainedByOptimizer
from recae.recommender.fitting import FitOptions, rating_error
from recae.recommender.folding import solve_columns
from recae.recommender.item_codes import ItemCodes, as_numpy
from recae.recommender.learned import LearnedArrays
from recae.recommender.params import default, hyperparameters, learned, param
from recae.recommender.registry import register
from recae.recommender.scoring import products_at
from recae.training import RowBatches
from recae.training.pretraining import pretrain

BLOCK = 2048  # item rows encoded at once


@register("dual-autorec", "item autoencoder whose output units are encoded from what the users gave")
@hyperparameters
class DualAutoRec(ItemCodes, TrainedByOptimizer):
    """Encodes item rows as AutoRec does, and a part of each user's output weights from the user's own row.

    The prediction is w_u · h_i + b_u + p_u · (A h_i + q_i). h_i is encoded from the ratings of item i and from which
    users gave one; p_u = tanh(...) from the ratings of user u and from which items have one (SVD++'s implicit sum,
    Koren 2008, and NSVD's explicit one, Paterek 2007, here through a tanh). w, b and q are free parameters.
    Item rows are read less their level, which is added to the predictions: what the network learns is the rest.
    `hidden=(500, 250, 500)` with `pretrain_epochs` is a deep item encoder, pretrained as AutoRec's.

    A user's row that holds the rating to be predicted would give it away. So each step hides the batch's items in all
    user rows: in training as in a test, a user is encoded from all ratings but the one to predict.

    Loss: Σ over stored ratings of (r - prediction)² + (l2 / 2) of AutoRec's weights and (side_l2 / 2) of the user
    encoder's. An unseen user's p is encoded; w and b are a ridge regression of the residuals on the codes of the items
    rated (`recae.recommender.folding`).
    """

    side: int = param(64, "units of the user side", low=1)
    l2: float | None = param(
        None,
        "L2 weight on the encoder and the output units, against the summed squared error; none: 100, and up to 150 for "
        "a million ratings",
        low=0,
        tune=(30.0, 500.0, "log"),
    )
    inner_l2: float = param(
        10.0, "L2 weight on the layers between the first and the last, of a network with several hidden layers", low=0
    )
    side_l2: float = param(30.0, "L2 weight on the user side, against the summed squared error", low=0)
    input: Literal["levelled", "raw"] = param(
        "levelled",
        "item rows less their level, which is added to the outputs, or as they are",
        choices=("levelled", "raw"),
    )
    noise: float = default(0.2)
    side_noise: float = param(0.3, "fraction of a user's ratings hidden in training", low=0)
    optimizer: str = default("adam", help="how to minimise", choices=("adam", "sgd"))
    lr: float = default(2e-3)
    batch_size: int | None = default(
        None, help="items a step; none: for 8 steps an epoch, 16 for a million ratings, at most 512; 0: all at once"
    )
    pretrain_epochs: int = param(0, "epochs of greedy layer-wise pretraining of the item side, each layer", low=0)

    network_: DualNetwork = learned()

    def _fit(self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions) -> None:
        rows = self._inside(ratings.rows("item"))
        users = self._user_rows(ratings.user_rows)
        trainer = self._trainer(ratings, validation, options, decay=1 / len(rows), kernels=True)
        device = torch.device(trainer.device)
        validate = None
        if validation is not None:
            given = DualInput(rows.to(device), torch.arange(len(rows), device=device), users.to(device))
            held_out = self._inside(validation.rows("item"), device)
            validate = rating_error(DualNetwork.at, [(given, held_out)], ratings.scale, self._unit)
        size = self._rows_a_step(len(rows), steps=round(STEPS * growth(ratings.n_ratings)))
        batches = DualBatches(rows, users, batch_size=size)
        network = self._network(ratings, torch.from_numpy(self._unit.inside(self._baseline().user_means))).to(device)
        if self.pretrain_epochs and not trainer.resumes():
            item_rows = RowBatches(rows.to(device), batch_size=batches.batch_size)
            pretrain(network.core, item_rows, outermost_loss(network), trainer, epochs=self.pretrain_epochs)
            torch.nn.init.zeros_(network.rated.weight)  # training continues from the pretrained outputs
        self.history_ = trainer.fit(network, batches, dual_loss, validate)
        self.network_ = network

    def _network(self, ratings: RatingMatrix, start: Tensor | None = None) -> DualNetwork:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.rng)
            return DualNetwork(
                ratings.n_users, ratings.n_items, hidden=as_widths(self.hidden), side=self.side, start=start,
                act=self.activation, noise=self.noise, side_noise=self.side_noise, l2=self._l2(ratings),
                inner_l2=self.inner_l2, side_l2=self.side_l2, levelled=self.input == "levelled",
            )  # fmt: skip

    def _l2(self, ratings: RatingMatrix) -> float:
        """`l2`, or by default a value found on held-out training ratings of sets of 30,000 to 900,000."""
        return 50 * (1 + growth(ratings.n_ratings)) if self.l2 is None else self.l2

    def _make_codes(self) -> FloatArray:
        return np.concatenate([as_numpy(self.network_.codes(read, index)) for read, index in self._item_blocks()])

    def _make_levels(self) -> FloatArray | None:
        levels = [read.level for read, _ in self._item_blocks()] if self.network_.means is not None else []
        return np.concatenate([as_numpy(level) for level in levels if level is not None]) if levels else None

    def _item_blocks(self) -> Iterator[tuple[ItemRows, Tensor]]:
        """The training items' rows as they are read, and their index, a block at a time."""
        item_rows, device = self.ratings_.rows("item"), self.network_.offset.device
        for index in torch.split(torch.arange(item_rows.shape[0]), BLOCK):
            yield self.network_.read(self._inside(item_rows[index.numpy()], device)), index.to(device)

    def _make_output_layer(self) -> tuple[FloatArray, FloatArray]:
        return (
            np.concatenate([as_numpy(self.network_.last.weight), self._user_codes(self.ratings_.user_rows)], 1),
            as_numpy(self.network_.last.bias),
        )

    def _solve(self, user_rows: Csr) -> tuple[FloatArray, FloatArray]:
        with self._inference():
            encoded = self._user_codes(user_rows)
        codes, (weight, bias), width = self._codes(), self._mean_output(), as_widths(self.hidden)[-1]
        row = np.repeat(np.arange(user_rows.shape[0]), np.diff(user_rows.indptr))
        padded = np.concatenate([np.zeros((len(encoded), width), np.float32), encoded], 1)
        no_bias = np.zeros(len(encoded), np.float32)
        residual = self._unit.inside(user_rows.data) - products_at(
            padded, no_bias, codes, row, user_rows.indices.astype(np.int64)
        )
        levels = self._levels()
        residual = residual if levels is None else residual - levels[user_rows.indices]
        solved, new_bias = solve_columns(
            codes[:, :width], user_rows, residual, weight[:width], bias, l2=max(self._l2(self.ratings_) / 2, 1e-3)
        )
        return np.concatenate([solved, encoded], 1), new_bias

    def _restore(self, arrays: LearnedArrays) -> None:
        if "means" not in arrays:
            self.input = "raw"  # a file from before rows were levelled
        super()._restore(arrays)

    def _user_codes(self, user_rows: Csr) -> FloatArray:
        """p of user rows, (n_rows, side); within `_inference`."""
        return as_numpy(self.network_.user_codes(self._user_rows(user_rows).to(self.network_.offset.device)))

    def _user_rows(self, user_rows: Csr) -> UserRows:
        """Rows as the user encoder reads them, on the CPU."""
        return UserRows.of(self._inside(user_rows), torch.from_numpy(self._unit.inside(self._baseline().item_means)))


def growth(n_ratings: int) -> float:
    """What default settings follow: 1 for 300,000 ratings and fewer, 2 for a million and more, a power law between.

    With many ratings an item, 8 steps an epoch are too few to learn what there is, and after 16 a larger `l2` is best.
    With few, 16 steps cost twice and gain nothing.
    """
    return float(min(max((n_ratings / 300_000) ** 0.576, 1.0), 2.0))
