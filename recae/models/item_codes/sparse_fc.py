"""SparseFC: an autoencoder whose units are connected where their learnt positions are near (Muller et al., 2018)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch

from recae._types import Csr, FloatArray, Scores
from recae.distributed.ranks import current
from recae.models.item_codes.kernel_network import KernelNetwork, kernel_loss
from recae.models.item_codes.kernel_recommender import KernelRecommender
from recae.ratings import RatingMatrix
from recae.recommender.epochs import TrainedByOptimizer, rating_error
from recae.recommender.fitting import FitOptions
from recae.recommender.item_codes import as_numpy
from recae.recommender.params import default, hyperparameters
from recae.recommender.registry import register
from recae.training import RowBatches

BLOCK = 2048  # item rows encoded at once


@register("sparse-fc", "item autoencoder whose units are connected where their learnt positions are near")
@hyperparameters
class SparseFC(KernelRecommender, TrainedByOptimizer):
    """Item rows through kernel-weighted layers n_users, 500, 500, n_users (Muller, Martel and Indiveri, ICML 2018).

    Every weight is W_ij max(0, 1 - |u_i - v_j|²): the positions u and v of units in 5 dimensions are learnt, and units
    far apart are not connected. The optimiser is L-BFGS with a line search on all rows at once, which reaches a much
    lower loss here than Adam; `epochs` counts rounds of 20 of its iterations. The authors used SciPy's L-BFGS-B, 20
    times 50 iterations.

    The output weights of an unseen user are a ridge regression on the codes of the items rated
    (`recae.recommender.folding`). An unseen item is encoded from its row: `score_new_items`.
    """

    shares_rows: ClassVar[bool] = True

    optimizer: str = default("lbfgs")
    lr: float = default(1.0, help="learning rate; of lbfgs the first step that its line search tries")
    schedule: str = default("constant")
    epochs: int = default(20, help="passes over the rows, at most; with lbfgs, rounds of 20 iterations", tune=(8, 30))

    def _fit(self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions) -> None:
        rows = self._inside(ratings.rows("item"))
        trainer = self._trainer(ratings, validation, options, decay=1 / len(rows), kernels=True)
        network = self._network(ratings)
        validate = None
        if validation is not None:
            own = current().share(torch.arange(len(rows)))
            held_out = self._inside(validation.rows("item"), torch.device(trainer.device))
            validate = rating_error(
                KernelNetwork.at, [(rows.to(trainer.device)[own], held_out[own])], ratings.scale, self._unit
            )
        batches = RowBatches(rows, batch_size=self._rows_a_step(len(rows)))
        self.history_ = trainer.fit(network, batches, kernel_loss, validate)
        self.network_ = network

    def _network(self, ratings: RatingMatrix) -> KernelNetwork:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.rng)
            return KernelNetwork(ratings.n_users, **self._network_settings(ratings))

    def score_new_items(self, item_rows: Csr) -> Scores:
        """Scores of all training users for items never trained on, from the items' own ratings, unclipped.

        Args:
            item_rows: ratings of the items, (n_rows, n_users), columns as in `ratings_`.

        Returns:
            (n_rows, n_users).
        """
        self._fitted()
        weight, bias = self._output_layer()
        with self._inference():
            return self._unit.outside(self._encode(item_rows) @ weight.T + bias)

    def _make_codes(self) -> FloatArray:
        return self._encode(self.ratings_.rows("item"))

    def _encode(self, item_rows: Csr) -> FloatArray:
        """Codes of rows, a block at a time; within `_inference`."""
        weights, _ = self.network_.weights()
        device = weights[0].device
        blocks = [
            as_numpy(self.network_.hidden(self._inside(item_rows[at : at + BLOCK], device), weights))
            for at in range(0, item_rows.shape[0], BLOCK)
        ]
        return np.concatenate(blocks) if blocks else np.empty((0, weights[-1].shape[1]), np.float32)
