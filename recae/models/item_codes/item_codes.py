"""Item-based models, served: once trained, a code for each item and a unit for each user are all there is."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from recae._types import Csr, FloatArray, IntArray, Scores
from recae.distributed.ranks import choose_device, current
from recae.nn.activations import ACTIVATIONS
from recae.ratings import RatingMatrix
from recae.recommender.biases import fit_biases
from recae.recommender.epochs import TrainedInEpochs
from recae.recommender.params import hyperparameters, learned, param
from recae.sparse import SparseRows
from recae.sparse.resources import kernel_threads

PAIRS = 2**16  # evaluated at a time


@hyperparameters
class ItemCodes(TrainedInEpochs):
    """Base of item-based rating models whose score is w_u · h_i + b_u: h_i the item's code, (w_u, b_u) the user's unit.

    A subclass writes `_fit`, `_restore`, `_make_codes`, `_make_units` and `_solve`.
    """

    predicts_ratings: ClassVar[bool] = True

    hidden: int | tuple[int, ...] = param(500, "hidden units; several layers as 500,250,500", low=1)
    activation: str = param("sigmoid", "activation of hidden layers", choices=tuple(ACTIVATIONS))
    noise: float = param(0.0, "fraction of an item's ratings hidden in training", low=0)

    network_: Any = learned()
    _kept_codes: FloatArray | None = learned()
    _kept_units: tuple[FloatArray, FloatArray] | None = learned()

    # ---------------------------------------------------------------- what a subclass writes

    @abstractmethod
    def _make_codes(self) -> FloatArray:
        """Codes of the items of training, (n_items, k); called within `_inference`."""

    @abstractmethod
    def _make_units(self) -> tuple[FloatArray, FloatArray]:
        """Weights (n_users, k) and biases (n_users,) of the users of training; called within `_inference`."""

    @abstractmethod
    def _solve(self, user_rows: Csr) -> tuple[FloatArray, FloatArray]:
        """Units of unseen users from their ratings (n_rows, n_items): (n_rows, k) and (n_rows,)."""

    def _widths(self) -> tuple[int, ...]:
        return (self.hidden,) if isinstance(self.hidden, int) else tuple(self.hidden)

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

    def _codes(self) -> FloatArray:
        if self._kept_codes is None:
            with self._inference():
                self._kept_codes = self._make_codes()
        return self._kept_codes

    def _units(self) -> tuple[FloatArray, FloatArray]:
        if self._kept_units is None:
            with self._inference():
                self._kept_units = self._make_units()
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

    def _load(self, network: nn.Module, arrays: dict[str, npt.NDArray[Any]]) -> None:
        network.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
        self.network_ = network.to(choose_device(self.device))
        self._forget()


def column_means(ratings: RatingMatrix) -> Tensor:
    """Mean ratings of the users, (n_users,), drawn towards the mean of all where there are few."""
    biases = fit_biases(ratings, user_l2=10.0, item_l2=5.0, sweeps=3)
    return torch.from_numpy(biases.mean + biases.user)


def validator(
    predict: Callable[[nn.Module, SparseRows], Tensor], places: SparseRows, scale: tuple[float, float]
) -> Callable[[nn.Module], float]:
    """RMSE at held-out `places`, clipped to the scale; `predict` says what a network gives there, (nnz,).

    Of several processes that fit together, each hands in its share of the places; all get the figure of all.
    """
    ranks = current()

    def validate(network: nn.Module) -> float:
        error: Tensor = predict(network, places).clamp(*scale) - places.values
        total, n = ranks.total(float(error.square().sum()), places.nnz)
        return math.sqrt(total / max(1, n))

    return validate


def as_numpy(tensor: Tensor) -> FloatArray:
    return tensor.detach().float().cpu().numpy()
