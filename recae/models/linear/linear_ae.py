"""The linear autoencoder trained by gradient: the shared core with identity activations, on sparse rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from recae._types import Csr, Scores
from recae.distributed.ranks import choose_device
from recae.nn import Autoencoder
from recae.ratings import RatingMatrix
from recae.recommender.base import Recommender
from recae.recommender.fitting import FitOptions, fingerprint, ranking_error
from recae.recommender.inputs import VALUES, VALUES_HELP, Values, as_input
from recae.recommender.params import learned, param
from recae.sparse import SparseRows
from recae.sparse.resources import kernel_threads
from recae.training import Batch, History, RowBatches, Trainer


@dataclass(kw_only=True, eq=False, repr=False)
class LinearAutoencoder(Recommender):
    """x W Uᵀ (+ b) for rows x in which what is missing is 0, learnt by gradient on all n_items outputs.

    Loss: mean over users of Σ over all items of (x - x̂)², plus (l2 / 2) (|W|² + |U|²) where l2 is above 0. Its minimum
    spans the same directions as PureSVD's, and with `centre` (biases) as PCA's (Baldi and Hornik, 1989):
    `PCARecommender` is the same model without training.
    """

    iterative: ClassVar[bool] = True
    linear: ClassVar[bool] = True
    meets_hidden_users: ClassVar[bool] = True
    shares_rows: ClassVar[bool] = True

    hidden: int = param(50, "width of the code", low=1, tune=(10, 300, "log"))
    tied: bool = param(True, "the decoder uses the encoder's weights")
    centre: bool = param(False, "learn biases, which do what centring does")
    values: Values = param("binary", VALUES_HELP, choices=VALUES)
    l2: float = param(0.0, "L2 weight on the weights, against the mean over users of the summed squared error", low=0)
    lr: float = param(0.005, "learning rate of Adam", low=0, tune=(5e-4, 0.02, "log"))
    schedule: str = param("cosine", "learning rate over time", choices=("constant", "cosine", "linear", "one-cycle"))
    epochs: int = param(100, "passes over the rows, at most", low=0, tune=(30, 150))
    batch_size: int = param(256, "rows a step", low=1)
    patience: int | None = param(10, "epochs without a better validation NDCG@100 before stopping")
    device: str = param("auto", "where to train: auto, cpu, cuda, cuda:N, mps")
    rng: int = param(0, "seed of everything random")

    network_: Autoencoder = learned()
    history_: History = learned()

    def _fit(self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions) -> None:
        device = choose_device(self.device)
        rows = SparseRows.from_scipy(as_input(ratings.user_rows, self.values), device=device)
        self.network_ = self._network(ratings.n_items).to(device)
        trainer = Trainer(
            epochs=self.epochs, lr=self.lr, schedule=self.schedule, decay=self.l2, patience=self.patience,
            device=device, kernels=True, seed=self.rng,
            tag=fingerprint(self, ratings, validation, options.validation_input), **options.for_trainer(),
        )  # fmt: skip
        validate = None if validation is None else ranking_error(self.score, options.known_ratings(ratings), validation)
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

    def score(self, user_rows: Csr) -> Scores:
        device = next(self.network_.parameters()).device
        rows = SparseRows.from_scipy(as_input(user_rows, self.values), device=device)
        with torch.no_grad(), kernel_threads(device.type == "cpu"):
            return self.network_.reconstruct(rows).cpu().numpy()

    def item_vectors(self) -> npt.NDArray[np.float32]:
        """The decoder's weights, (n_items, hidden)."""
        weight: npt.NDArray[np.float32] = _last(self.network_).weight.detach().cpu().numpy()
        return weight

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {name: value.detach().cpu().numpy() for name, value in self.network_.state_dict().items()}

    def _restore(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        self.network_ = self._network(self.ratings_.n_items)
        self.network_.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
        self.network_.to(choose_device(self.device))


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
