"""What SparseFC and GLocal-K share: item codes and user units, which are all that is needed once they are trained."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from recae.assembly import Csr
from recae.models.base import Recommender, Run
from recae.models.biases import fit_biases
from recae.models.blocks import IntArray, Scores
from recae.models.folding import solve_columns
from recae.models.kernel_network import KernelNetwork
from recae.models.params import learned, param
from recae.nn.activations import ACTIVATIONS
from recae.ratings import RatingMatrix
from recae.sparse import SparseRows
from recae.sparse.threads import kernel_threads
from recae.training import History, Trainer
from recae.training.devices import choose_device
from recae.training.optimizers import FULL_BATCH

PAIRS = 2**16  # evaluated at a time
FloatArray = npt.NDArray[np.float32]


@dataclass(kw_only=True, eq=False, repr=False)
class KernelRecommender(Recommender):
    """Base of `SparseFC` and `GLocalK`: item-based, so a score is a code of the item times a unit of the user.

    Loss: Σ over stored ratings of (r - output)² + Σ over layers of (l2 / 2) |W|² + (kernel_l2 / 2) |K|², biases
    free. The papers halve the squared error: their 60 and 0.013 are 120 and 0.026 here, in AutoRec's units.
    """

    predicts_ratings: ClassVar[bool] = True
    iterative: ClassVar[bool] = True

    hidden: int | tuple[int, ...] = param((500, 500), "hidden units; several layers as 500,500", low=1)
    activation: str = param("sigmoid", "activation of hidden layers", choices=tuple(ACTIVATIONS))
    dims: int = param(5, "coordinates of the units' learnt positions", low=1)
    l2: float | None = param(
        None,
        "L2 weight on W, against the summed squared error; none: as published for 100,000 and 1,000,000",
        low=0,
        tune=(10.0, 300.0, "log"),
    )
    kernel_l2: float | None = param(
        None,
        "L2 weight on K, against the summed squared error; none: as published for 100,000 and 1,000,000",
        low=0,
        tune=(0.003, 0.1, "log"),
    )
    noise: float = param(0.0, "fraction of input ratings hidden in training", low=0)
    patience: int | None = param(10, "epochs without a better validation RMSE before stopping")
    device: str = param("auto", "where to train: auto, cpu, cuda, cuda:N, mps")
    rng: int = param(0, "seed of everything random")

    network_: KernelNetwork = learned()
    history_: History = learned()
    _kept_codes: FloatArray | None = learned()
    _kept_units: tuple[FloatArray, FloatArray] | None = learned()

    # ---------------------------------------------------------------- what a model writes

    @abstractmethod
    def _make_codes(self) -> FloatArray:
        """What the output layer is given for each item of training, (n_items, k); within `_inference`."""

    def _user_order(self) -> IntArray | slice:
        """The network's column of each user."""
        return slice(None)

    # ---------------------------------------------------------------- for fitting

    def _network_settings(self, ratings: RatingMatrix) -> dict[str, Any]:
        hidden = (self.hidden,) if isinstance(self.hidden, int) else tuple(self.hidden)
        return {
            "hidden": hidden, "dims": self.dims, "act": self.activation, "noise": self.noise,
            "l2": self._l2(ratings), "kernel_l2": self._kernel_l2(ratings), "n_rows": ratings.n_items,
        }  # fmt: skip

    def _l2(self, ratings: RatingMatrix) -> float:
        return published(40.0, 120.0, ratings.n_ratings) if self.l2 is None else self.l2

    def _kernel_l2(self, ratings: RatingMatrix) -> float:
        return published(0.012, 0.026, ratings.n_ratings) if self.kernel_l2 is None else self.kernel_l2

    def _trainer(self, n_rows: int, run: Run, tag: dict[str, str], **settings: Any) -> Trainer:
        return Trainer(
            decay=1 / n_rows, patience=self.patience, device=choose_device(self.device), kernels=True, seed=self.rng,
            checkpoint=run.checkpoint, checkpoint_seconds=run.checkpoint_seconds, resume=run.resume,
            progress=run.progress, tag=tag, **settings,
        )  # fmt: skip

    # ---------------------------------------------------------------- scoring

    def score(self, user_rows: Csr) -> Scores:
        weight, bias = self._solve(user_rows)
        return weight @ self._codes().T + bias[:, None]

    def score_users(self, user_index: IntArray) -> Scores:
        weight, bias = self._units()
        return weight[user_index] @ self._codes().T + bias[user_index, None]

    def _pairs(self, user_index: IntArray, item_index: IntArray) -> Scores:
        return self._products(*self._units(), user_index, item_index)

    def _pairs_new(self, user_rows: Csr, row_index: IntArray, item_index: IntArray) -> Scores:
        distinct, where = np.unique(row_index, return_inverse=True)
        return self._products(*self._solve(user_rows[distinct]), where, item_index)

    def item_vectors(self) -> FloatArray:
        """The items' codes, (n_items, k)."""
        return self._codes()

    def _products(self, weight: FloatArray, bias: FloatArray, row: IntArray, item: IntArray) -> Scores:
        """w_row · h_item + b_row of pairs, (n,)."""
        codes, out = self._codes(), np.empty(len(row), np.float32)
        for start in range(0, len(out), PAIRS):
            part = slice(start, start + PAIRS)
            out[part] = np.einsum("zk,zk->z", weight[row[part]], codes[item[part]]) + bias[row[part]]
        return out

    def _solve(self, user_rows: Csr) -> tuple[FloatArray, FloatArray]:
        """Units of unseen users; `l2` counts in full, for it was learnt under a kernel that is at most 1."""
        l2 = max(self._l2(self.ratings_) / 2, 1e-3)
        return solve_columns(self._codes(), user_rows, user_rows.data, *self._units(), l2=l2)

    def _codes(self) -> FloatArray:
        if self._kept_codes is None:
            with self._inference():
                self._kept_codes = self._make_codes()
        return self._kept_codes

    def _units(self) -> tuple[FloatArray, FloatArray]:
        """Output weights (n_users, k), the kernel's part in them included, and biases (n_users,)."""
        if self._kept_units is None:
            with self._inference():
                weight, bias = as_numpy(self.network_.decode()[0]), as_numpy(self.network_.biases[-1])
            order = self._user_order()
            self._kept_units = weight[order], bias[order]
        return self._kept_units

    def _forget(self) -> None:
        self._kept_codes, self._kept_units = None, None

    @contextmanager
    def _inference(self) -> Iterator[None]:
        """No gradients, and on the CPU the kernels have the cores."""
        self.network_.eval()
        on_cpu = next(self.network_.parameters()).device.type == "cpu"
        with torch.no_grad(), kernel_threads(on_cpu):
            yield

    # ---------------------------------------------------------------- files

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {name: as_numpy(value) for name, value in self.network_.state_dict().items()}

    def _load(self, network: KernelNetwork, arrays: dict[str, npt.NDArray[Any]]) -> None:
        network.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
        self.network_ = network.to(choose_device(self.device))
        self._forget()


def published(at_100k: float, at_1m: float, n_ratings: int) -> float:
    """A weight that was published for 100,000 and for a million ratings; a power law between and beyond."""
    return at_1m * (n_ratings / 1e6) ** math.log10(at_1m / at_100k)


def column_means(ratings: RatingMatrix) -> Tensor:
    """Mean ratings of the users, (n_users,), drawn towards the mean of all where there are few."""
    biases = fit_biases(ratings, user_l2=10.0, item_l2=5.0, sweeps=3)
    return torch.from_numpy(biases.mean + biases.user)


def rows_a_step(optimizer: str, batch_size: int | None, n_rows: int) -> int:
    """All (0) for full-batch optimisers, else `batch_size`, by default an eighth of the rows, at most 512."""
    if optimizer in FULL_BATCH:
        return 0
    return min(512, math.ceil(n_rows / 8)) if batch_size is None else batch_size


def validator(
    predict: Callable[[nn.Module, SparseRows], Tensor], places: SparseRows, scale: tuple[float, float]
) -> Callable[[nn.Module], float]:
    """RMSE at held-out `places`, clipped to the scale; `predict` says what a network gives there, (nnz,)."""

    def validate(network: nn.Module) -> float:
        error: Tensor = predict(network, places).clamp(*scale) - places.values
        return math.sqrt(float(error.square().mean()))

    return validate


def as_numpy(tensor: Tensor) -> FloatArray:
    return tensor.detach().float().cpu().numpy()
