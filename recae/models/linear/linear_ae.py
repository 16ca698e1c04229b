"""The linear autoencoder trained by gradient: the shared core with identity activations, on sparse rows."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from recae._types import Csr, IntArray, Scores
from recae.distributed.ranks import choose_device
from recae.nn import Autoencoder
from recae.ratings import RatingMatrix
from recae.recommender.epochs import load_network, network_arrays
from recae.recommender.fitting import FitOptions
from recae.recommender.learned import LearnedArrays
from recae.recommender.list_error import ranking_error
from recae.recommender.own_part import StopsByOwnPart
from recae.recommender.params import ReadsValues, as_input, default, hyperparameters, learned, param
from recae.recommender.registry import register
from recae.sparse import SparseRows
from recae.sparse.resources import kernel_threads
from recae.training import Batch, RowBatches


@register("linear-ae", "linear autoencoder trained by gradient on sparse rows")
@hyperparameters
class LinearAutoencoder(ReadsValues, StopsByOwnPart):
    """x W Uᵀ (+ b) for rows x in which what is missing is 0, learnt by gradient on all n_items outputs.

    Loss: mean over users of Σ over all items of (x - x̂)², plus (l2 / 2) (|W|² + |U|²) where l2 is above 0. Its minimum
    spans the same directions as PureSVD's, and with `centre` (biases) as PCA's (Baldi and Hornik, 1989):
    `PCARecommender` is the same model without training.
    """

    linear: ClassVar[bool] = True
    meets_hidden_users: ClassVar[bool] = True
    shares_rows: ClassVar[bool] = True
    starts_warm: ClassVar[bool] = True

    hidden: int = param(50, "width of the code", low=1, tune=(10, 300, "log"))
    tied: bool = param(True, "the decoder uses the encoder's weights")
    centre: bool = param(False, "learn biases, which do what centring does")
    l2: float = param(0.0, "L2 weight on the weights, against the mean over users of the summed squared error", low=0)
    lr: float = default(0.005, tune=(5e-4, 0.02, "log"))
    epochs: int = default(100, tune=(30, 150))
    batch_size: int = default(256, help="rows a step", low=1)

    network_: Autoencoder = learned()

    def _train(self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions) -> None:
        device = choose_device(self.device)
        rows = SparseRows.from_scipy(as_input(ratings.user_rows, self.values))  # the trainer moves them
        network = self._network(ratings.n_items)
        self.network_ = options.begin(network, lambda small: self._network(small.n_items), ratings).to(device)
        trainer = self._trainer(ratings, validation, options, decay=self.l2, kernels=True)
        validate = (
            None if validation is None else ranking_error(self._reconstruct, options.known_ratings(ratings), validation)
        )
        batches = RowBatches(rows, batch_size=self.batch_size)
        self.history_ = trainer.fit(self.network_, batches, squared_error_of_all, validate)

    def _network(self, n_items: int) -> Autoencoder:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.rng)
            network = Autoencoder.mirrored([n_items, self.hidden], activations="identity", tied=self.tied)
        for name, parameter in network.named_parameters():
            if name.endswith("bias"):
                parameter.requires_grad_(self.centre)
            elif self.tied:
                parameter.decay_factor = 2.0  # type: ignore[attr-defined]  # it is both W and U
        return network

    def _reads_only_rows(self) -> bool:
        return True

    def score(self, user_rows: Csr) -> Scores:
        return self._reconstruct(user_rows).cpu().numpy()

    def _device_scores(self, user_index: IntArray) -> Tensor:
        return self._reconstruct(self.ratings_.user_rows[user_index])

    def _reconstruct(self, user_rows: Csr) -> Tensor:
        """Scores of rows, (n_rows, n_items), on the network's device."""
        device = next(self.network_.parameters()).device
        rows = SparseRows.from_scipy(as_input(user_rows, self.values), device=device)
        with torch.no_grad(), kernel_threads(device.type == "cpu"):
            return self.network_.reconstruct(rows)

    def item_vectors(self) -> npt.NDArray[np.float32]:
        """The decoder's weights, (n_items, hidden)."""
        weight: npt.NDArray[np.float32] = _last(self.network_).weight.detach().cpu().numpy()
        return weight

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return network_arrays(self.network_)

    def _restore(self, arrays: LearnedArrays) -> None:
        self.network_ = load_network(lambda: self._network(self.ratings_.n_items), arrays, self.device)


def squared_error_of_all(model: nn.Module, batch: Batch) -> Tensor:
    """Σ over all columns, mean over rows, of (x - x̂)² for a linear decoder x̂ = h Uᵀ + b, without making x̂.

    With x sparse, Σ (x - x̂)² = Σ_stored (x² - 2 x x̂) + Σ_all x̂², and the last sum is h (UᵀU) hᵀ + 2 h Uᵀb + |b|²: the
    cost is that of the stored entries and of a small matrix, not of users x items.
    """
    rows, values = batch.target, batch.target.values
    code = model.encode(batch.input)  # type: ignore[operator]
    last = _last(model)
    stored = last.at(code, rows)
    whole = ((code @ (last.weight.mT @ last.weight)) * code).sum() + 2 * (code @ (last.weight.mT @ last.bias)).sum()
    loss: Tensor = (values.dot(values) - 2 * values.dot(stored) + whole) / len(rows) + last.bias.dot(last.bias)
    return loss


def _last(model: nn.Module) -> Any:
    return model.decoder.layers[-1]  # type: ignore[union-attr, index]
