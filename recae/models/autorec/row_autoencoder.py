"""`RowAutoencoder`: what AutoRec and its relatives share once there is a network from rows to ratings."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from recae._types import Csr, IntArray, Scores
from recae.distributed.ranks import choose_device
from recae.models.autorec.distributions import RatingDistribution, distribution
from recae.models.autorec.heads import OrdinalHead
from recae.models.autorec.ordinal_folding import solve_columns_ordinal
from recae.models.autorec.rating_network import RatingNetwork
from recae.ratings import RatingMatrix
from recae.recommender.epochs import TrainedInEpochs
from recae.recommender.folding import solve_columns
from recae.recommender.params import hyperparameters, learned
from recae.sparse import SparseRows
from recae.sparse.resources import kernel_threads

BLOCK = 2048  # rows encoded at once


@hyperparameters
class RowAutoencoder(TrainedInEpochs):
    """Base of models with a `RatingNetwork` over items' or users' rows; a subclass says how it is made and trained.

    It declares the hyper-parameter `by` ("item" or "user"), and writes `_fit`, `_network` and `_l2`.
    """

    predicts_ratings: ClassVar[bool] = True
    shares_rows: ClassVar[bool] = True

    network_: RatingNetwork = learned()
    _kept_codes: npt.NDArray[np.float32] | None = learned()

    # ---------------------------------------------------------------- what a subclass writes

    @abstractmethod
    def _network(self, n_cols: int, ratings: RatingMatrix) -> RatingNetwork:
        """An untrained network for rows of `n_cols`."""

    @abstractmethod
    def _l2(self, ratings: RatingMatrix) -> float:
        """L2 weight of the output layer, for the summed loss."""

    def _rows(self, matrix: Csr, index: IntArray | None = None, place: torch.device | None = None) -> Any:
        """Rows as the network reads them; `index` says which training rows they are, None that they are unseen.

        They are on `place`, by default the network's device.
        """
        return SparseRows.from_scipy(matrix, device=self._place() if place is None else place)

    def _place(self) -> torch.device:
        return next(self.network_.parameters()).device

    # ---------------------------------------------------------------- scoring

    def score(self, user_rows: Csr) -> Scores:
        if self.by == "user":  # type: ignore[attr-defined]
            with self._inference():
                return as_numpy(self.network_.full(self._rows(user_rows)))
        weight, bias = self._solve(user_rows)
        return self._finish(weight @ self._codes().T + bias[:, None])

    def score_users(self, user_index: IntArray) -> Scores:
        if self.by == "user":  # type: ignore[attr-defined]
            with self._inference():
                return as_numpy(self.network_.full(self._rows(self.ratings_.user_rows[user_index], user_index)))
        weight, bias = self._output_layer()
        logits = weight[user_index] @ self._codes().T + bias[user_index, None]
        return self._finish(logits, np.asarray(user_index)[:, None])

    def _pairs(self, user_index: IntArray, item_index: IntArray) -> Scores:
        row, col = self._turn(user_index, item_index)
        return self._finish(self._logits(self.ratings_.rows(self.by), row, col, known=True), col)  # type: ignore[attr-defined]

    def _pairs_new(self, user_rows: Csr, row_index: IntArray, item_index: IntArray) -> Scores:
        if self.by == "user":  # type: ignore[attr-defined]
            return self._finish(self._logits(user_rows, row_index, item_index, known=False), item_index)
        distinct, where = np.unique(row_index, return_inverse=True)
        weight, bias = self._solve(user_rows[distinct])
        out = np.empty(len(row_index), np.float32)
        codes = self._codes()
        for start in range(0, len(out), 2**16):
            part = slice(start, start + 2**16)
            out[part] = np.einsum("zk,zk->z", weight[where[part]], codes[item_index[part]]) + bias[where[part]]
        return self._finish(out)

    def item_vectors(self) -> npt.NDArray[np.float32]:
        """Item-based: the codes, (n_items, k). User-based: the output weights, (n_items, k)."""
        return self._codes() if self.by == "item" else self._output_layer()[0]  # type: ignore[attr-defined]

    def _turn(self, user_index: IntArray, item_index: IntArray) -> tuple[IntArray, IntArray]:
        """Row and column of pairs."""
        return (user_index, item_index) if self.by == "user" else (item_index, user_index)  # type: ignore[attr-defined]

    def _logits(self, rows: Csr, row: IntArray, col: IntArray, *, known: bool) -> Scores:
        """What the head is given at pairs (row, col) of `rows`, a block of distinct rows at a time."""
        order = np.lexsort((col, row))
        distinct, starts = np.unique(row[order], return_index=True)
        bounds = np.append(starts, len(row))
        out = np.empty(len(row), np.float32)
        with self._inference():
            for first in range(0, len(distinct), BLOCK):
                last = min(len(distinct), first + BLOCK)
                chosen = order[bounds[first] : bounds[last]]
                indptr = torch.from_numpy(bounds[first : last + 1] - bounds[first])
                places = SparseRows(
                    indptr, torch.from_numpy(col[chosen].astype(np.int32)), torch.zeros(len(chosen)), rows.shape[1]
                )  # fmt: skip
                index = distinct[first:last]
                given = self._rows(rows[index], index if known else None)
                out[chosen] = as_numpy(self.network_.logits_at(given, places.to(self._place())))
        return out

    # ---------------------------------------------------------------- how sure it is

    def predict_distribution(self, users: Any, items: Any) -> RatingDistribution:
        """What each rating level's chance is, for pairs of raw ids; needs output="ordinal".

        Args:
            users, items: raw ids, aligned; one id on either side stands for all.

        Returns:
            `RatingDistribution`: levels (L,), probability (n, L), mean (n,) as `predict` gives it, std (n,) in
            ratings. A user or an item without a training rating has the baseline's mean, and shared thresholds.

        Raises:
            ParameterError: the model has another output.
            UnknownIdError: an id was not in training.
        """
        ratings = self._fitted()
        user_index, item_index = np.broadcast_arrays(ratings.user_index(users), ratings.item_index(items))
        return distribution(self, user_index, item_index)

    def _scores_of(self, user_index: IntArray, item_index: IntArray) -> tuple[Tensor, Tensor]:
        """Ordinal output's scores of pairs, (n,), and the column of each, -1 where its own thresholds are unknown."""
        served = self._serves("user", user_index) & self._serves("item", item_index)
        row, col = self._turn(user_index, item_index)
        means = torch.from_numpy(self._fallback.at(user_index, item_index)).to(self._place())
        score = self.network_.to_logits(means).cpu().numpy()
        known = self.ratings_.rows(self.by)  # type: ignore[attr-defined]
        score[served] = self._logits(known, row[served], col[served], known=True)
        columns = np.where(served, col, -1)
        return torch.from_numpy(score).to(self._place()), torch.from_numpy(columns).to(self._place())

    # ---------------------------------------------------------------- item codes and unseen users

    def _codes(self) -> npt.NDArray[np.float32]:
        """Item-based: what the output layer is given for each item, (n_items, k); worked out once."""
        if self._kept_codes is None:
            item_rows = self.ratings_.rows("item")
            parts = np.split(np.arange(item_rows.shape[0]), np.arange(BLOCK, item_rows.shape[0], BLOCK))
            with self._inference():
                blocks = [as_numpy(self.network_.hidden(self._rows(item_rows[part], part))) for part in parts]
            self._kept_codes = np.concatenate(blocks)
        return self._kept_codes

    def _solve(self, user_rows: Csr) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        head, l2 = self.network_.head, max(self._l2(self.ratings_), 2e-3)
        if isinstance(head, OrdinalHead):
            return solve_columns_ordinal(self._codes(), user_rows, head.model, *self._output_layer(), l2=l2)
        targets = self.network_.to_logits(torch.from_numpy(user_rows.data)).numpy()
        return solve_columns(self._codes(), user_rows, targets, *self._output_layer(), l2=l2 / 2)

    def _output_layer(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        weight, bias = self.network_.units()
        return as_numpy(weight), as_numpy(bias)

    def _finish(self, logits: npt.NDArray[Any], columns: IntArray | None = None) -> Scores:
        place = self._place()
        wanted = None if columns is None else torch.from_numpy(np.ascontiguousarray(columns)).to(place)
        return as_numpy(self.network_.finish(torch.from_numpy(np.asarray(logits, np.float32)).to(place), wanted))

    def _forget_codes(self) -> None:
        self._kept_codes = None

    @contextmanager
    def _inference(self) -> Iterator[None]:
        """No gradients, and on the CPU the kernels have the cores."""
        self.network_.eval()
        with torch.no_grad(), kernel_threads(self._place().type == "cpu"):
            yield

    # ---------------------------------------------------------------- files

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {name: as_numpy(value) for name, value in self.network_.state_dict().items()}

    def _restore(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        n_cols = self.ratings_.n_items if self.by == "user" else self.ratings_.n_users  # type: ignore[attr-defined]
        self.network_ = self._network(n_cols, self.ratings_)
        self.network_.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
        self.network_.to(choose_device(self.device)).eval()
        self._forget_codes()


def as_numpy(tensor: Tensor) -> npt.NDArray[np.float32]:
    """Float32, on the CPU, without gradient."""
    return tensor.detach().float().cpu().numpy()
