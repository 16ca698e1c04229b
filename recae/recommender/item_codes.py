"""`ItemCodes`: serves models whose score is the product of an item's code and a user's output weights, plus a bias."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from recae._types import Arrays, Csr, DoubleArray, FloatArray, IntArray, Scores
from recae.nn.layers import ACTIVATIONS
from recae.ratings import RatingMatrix
from recae.recommender.epochs import TrainedInEpochs, load_network, network_arrays
from recae.recommender.learned import LearnedArrays
from recae.recommender.params import DrawnToBiases, hyperparameters, learned, param
from recae.recommender.scoring import products_at
from recae.sparse import SparseRows
from recae.sparse.resources import kernel_threads


@hyperparameters
class ItemCodes(DrawnToBiases, TrainedInEpochs):
    """Base of models with a network whose score is f(w_u · h_i + b_u + l_i).

    h are the items' codes (n_items, k), w the users' output weights (n_users, k) and b their biases (n_users,); l are
    the items' levels (n_items,), where they do not pass through the network. All are made at the first request and
    kept. f brings outputs from the model's unit to the scale, unless `_finish` says
    otherwise.

    A subclass writes `_fit`, `_network`, `_make_codes`, `_make_output_layer` and `_solve`.
    """

    predicts_ratings: ClassVar[bool] = True

    hidden: int | tuple[int, ...] = param(500, "hidden units; several layers as 500,250,500", low=1)
    activation: str = param("sigmoid", "activation of hidden layers", choices=tuple(ACTIVATIONS))
    noise: float = param(0.0, "fraction of input ratings hidden in training", low=0)

    network_: Any = learned()

    # ---------------------------------------------------------------- what a subclass writes

    @abstractmethod
    def _network(self, ratings: RatingMatrix) -> nn.Module:
        """An untrained network for these ratings."""

    @abstractmethod
    def _make_codes(self) -> FloatArray:
        """Codes of the training items, (n_items, k); called within `_inference`."""

    @abstractmethod
    def _make_output_layer(self) -> tuple[FloatArray, FloatArray]:
        """Output weights (n_users, k) and biases (n_users,) of the training users; called within `_inference`."""

    def _make_levels(self) -> FloatArray | None:
        """What is added to all outputs of each training item, (n_items,), within `_inference`; None for nothing."""
        return None

    @abstractmethod
    def _solve(self, user_rows: Csr) -> tuple[FloatArray, FloatArray]:
        """Output weights (n_rows, k) and biases (n_rows,) of unseen users from their ratings (n_rows, n_items)."""

    def _finish(self, logits: Scores, columns: IntArray | None = None) -> Scores:
        """Ratings from outputs, of the same shape; `columns` are the users they belong to, None for unseen ones."""
        return self._unit.outside(logits)

    def _finish_tensor(self, logits: Tensor, columns: Tensor | None = None) -> Tensor:
        """The same of tensors."""
        return self._unit.outside(logits)

    def _inside(self, matrix: Csr, device: torch.device | None = None) -> SparseRows:
        """Rows of ratings in the model's unit, on a device, by default the CPU."""
        rows = SparseRows.from_scipy(matrix, device=device or "cpu")
        return rows.with_values(self._unit.inside(rows.values))

    # ---------------------------------------------------------------- scoring

    def score(self, user_rows: Csr) -> Scores:
        weight, bias = self._solve(user_rows)
        return self._finish(self._add_levels(weight @ self._codes().T + bias[:, None]))

    def score_users(self, user_index: IntArray) -> Scores:
        if self._on_gpu():
            return as_numpy(self._scores_on_gpu(user_index))
        weight, bias = self._output_layer()
        logits = weight[user_index] @ self._codes().T + bias[user_index, None]
        return self._finish(self._add_levels(logits), np.asarray(user_index)[:, None])

    def _device_scores(self, user_index: IntArray) -> Scores | Tensor:
        return self._scores_on_gpu(user_index) if self._on_gpu() else self.score_users(user_index)

    def _scores_on_gpu(self, user_index: IntArray) -> Tensor:
        """Scores of known users, (n, n_items), on the network's device, where codes and output weights are kept."""
        codes, weight, bias, levels = self._cached("on the device", self._to_device)
        index = torch.from_numpy(np.asarray(user_index, np.int64)).to(codes.device)
        with self._inference():
            logits = torch.addmm(bias[index, None], weight[index], codes.mT)
            return self._finish_tensor(logits if levels is None else logits.add_(levels), index[:, None])

    def _to_device(self) -> list[Tensor | None]:
        """Codes, output weights, biases and levels on the network's device."""
        device = next(self.network_.parameters()).device
        arrays = (self._codes(), *self._output_layer(), self._levels())
        return [None if array is None else torch.from_numpy(array).to(device) for array in arrays]

    def _add_levels(self, logits: Scores, item_index: IntArray | slice = slice(None)) -> Scores:
        """Outputs with the levels of their items, by default of all items; written into `logits`."""
        levels = self._levels()
        if levels is not None:
            logits += levels[item_index]
        return logits

    def _on_gpu(self) -> bool:
        device: torch.device = next(self.network_.parameters()).device
        return device.type == "cuda"

    def _pairs(self, user_index: IntArray, item_index: IntArray) -> Scores:
        logits = products_at(*self._output_layer(), self._codes(), user_index, item_index)
        return self._finish(self._add_levels(logits, item_index), user_index)

    def _pairs_new(self, user_rows: Csr, row_index: IntArray, item_index: IntArray) -> Scores:
        distinct, where = np.unique(row_index, return_inverse=True)
        logits = products_at(*self._solve(user_rows[distinct]), self._codes(), where, item_index)
        return self._finish(self._add_levels(logits, item_index))

    def item_vectors(self) -> FloatArray:
        """The items' codes, (n_items, k)."""
        return self._codes()

    def user_vectors(self) -> FloatArray:
        """The users' output weights, (n_users, k)."""
        return self._output_layer()[0]

    def _added_to_lists(self) -> FloatArray | None:
        return self._levels()

    def _levels(self) -> FloatArray | None:
        levels: FloatArray | None = self._cached("levels", self._make_levels)
        return levels

    def _codes(self) -> FloatArray:
        codes: FloatArray = self._cached("codes", self._make_codes)
        return codes

    def _output_layer(self) -> tuple[FloatArray, FloatArray]:
        layer: tuple[FloatArray, FloatArray] = self._cached("output layer", self._make_output_layer)
        return layer

    def _mean_output(self) -> tuple[DoubleArray, float]:
        """Means over the training users of output weights, (k,), and of biases: what an unseen user starts from."""
        if "mean output" not in self._derived:
            weight, bias = self._output_layer()
            self._derived["mean output"] = weight.mean(0).astype(np.float64), float(bias.mean())
        mean: tuple[DoubleArray, float] = self._derived["mean output"]
        return mean

    def _cached(self, name: str, make: Callable[[], Any]) -> Any:
        """The result of `make`, kept until the model is fitted again."""
        if name not in self._derived:
            with self._inference():
                self._derived[name] = make()
        return self._derived[name]

    @contextmanager
    def _inference(self) -> Iterator[None]:
        """Evaluation mode and no gradients; on a CPU, the sparse kernels have the cores."""
        self.network_.eval()
        with torch.no_grad(), kernel_threads(next(self.network_.parameters()).device.type == "cpu"):
            yield

    # ---------------------------------------------------------------- files

    def _arrays(self) -> Arrays:
        return network_arrays(self.network_)

    def _restore(self, arrays: LearnedArrays) -> None:
        self.network_ = load_network(lambda: self._network(self.ratings_), arrays, self.device)


def as_numpy(tensor: Tensor) -> FloatArray:
    """A tensor as float32 on the CPU, without gradient."""
    return tensor.detach().float().cpu().numpy()
