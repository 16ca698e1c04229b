"""`RowAutoencoder`: scores and distributions of AutoRec and its relatives, from a network over rows of ratings."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from recae._types import Csr, FloatArray, IntArray, Scores
from recae.models.autorec.distributions import RatingDistribution, distribution
from recae.models.autorec.rating_network import RatingNetwork
from recae.models.outputs.heads import OrdinalHead, finish
from recae.models.outputs.ordinal_folding import solve_columns_ordinal
from recae.ratings import RatingMatrix
from recae.recommender.folding import solve_columns
from recae.recommender.item_codes import ItemCodes, as_numpy
from recae.recommender.params import hyperparameters, learned, param
from recae.sparse import SparseRows

BLOCK = 2048  # rows encoded at once


@hyperparameters
class RowAutoencoder(ItemCodes):
    """Base of models with a `RatingNetwork` over items' or users' rows; a subclass makes and trains it.

    Item-based, scores are those of `ItemCodes`. User-based, the network encodes the users' rows at each request. Pairs
    of known users and items are computed one by one (`sddmm`), either way.
    """

    shares_rows: ClassVar[bool] = True

    by: Literal["item", "user"] = param("item", "whose rows are encoded", choices=("item", "user"))

    network_: RatingNetwork = learned()

    # ---------------------------------------------------------------- what a subclass writes

    @abstractmethod
    def _l2(self, ratings: RatingMatrix) -> float:
        """L2 weight of the output layer, for the summed loss."""

    @abstractmethod
    def _rows(self, matrix: Csr, index: IntArray | None = None, device: torch.device | None = None) -> Any:
        """Rows as the network reads them.

        Args:
            index: of the rows among the training rows; None for unseen rows.
            device: where they are to be; None for the network's.
        """

    # ---------------------------------------------------------------- scoring

    def _reads_only_rows(self) -> bool:
        return self.by == "user"

    def score(self, user_rows: Csr) -> Scores:
        return self._score_rows(user_rows) if self.by == "user" else super().score(user_rows)

    def score_users(self, user_index: IntArray) -> Scores:
        if self.by == "user":
            return self._score_rows(self.ratings_.user_rows[user_index], user_index)
        return super().score_users(user_index)

    def _device_scores(self, user_index: IntArray) -> Scores | Tensor:
        if self.by == "user" and self._on_gpu():
            return self._full(self.ratings_.user_rows[user_index], user_index)
        return super()._device_scores(user_index)

    def _score_rows(self, user_rows: Csr, index: IntArray | None = None) -> Scores:
        """Scores of user rows, (n_rows, n_items), by a user-based network; `index` as for `_rows`."""
        return as_numpy(self._full(user_rows, index))

    def _full(self, user_rows: Csr, index: IntArray | None) -> Tensor:
        """The same, on the network's device."""
        with self._inference():
            return self.network_.full(self._rows(user_rows, index))

    def _pairs(self, user_index: IntArray, item_index: IntArray) -> Scores:
        row, col = self._row_and_column(user_index, item_index)
        return self._finish(self._logits(self.ratings_.rows(self.by), row, col, known=True), col)

    def _pairs_new(self, user_rows: Csr, row_index: IntArray, item_index: IntArray) -> Scores:
        if self.by == "user":
            return self._finish(self._logits(user_rows, row_index, item_index, known=False), item_index)
        return super()._pairs_new(user_rows, row_index, item_index)

    def item_vectors(self) -> FloatArray:
        """Item-based: the codes, (n_items, k). User-based: the output weights, (n_items, k)."""
        return self._codes() if self.by == "item" else self._output_layer()[0]

    def user_vectors(self) -> FloatArray:
        """Item-based: the output weights, (n_users, k). User-based: the last hidden layer's units, (n_users, k)."""
        if self.by == "item":
            return super().user_vectors()
        everybody, rows = np.arange(self.ratings_.n_users), self.ratings_.user_rows
        parts = [everybody[start : start + BLOCK] for start in range(0, len(everybody), BLOCK)]
        with self._inference():
            return np.concatenate([as_numpy(self.network_.hidden(self._rows(rows[part], part))) for part in parts])

    def _row_and_column(self, user_index: IntArray, item_index: IntArray) -> tuple[IntArray, IntArray]:
        """Rows and columns of the encoded matrix, of pairs of users and items."""
        return (user_index, item_index) if self.by == "user" else (item_index, user_index)

    def _logits(self, rows: Csr, row: IntArray, col: IntArray, *, known: bool) -> Scores:
        """Input of the head at pairs (row, col) of `rows`, (n,), a block of distinct rows at a time.

        `known` says that `rows` are the training rows.
        """
        order = np.lexsort((col, row))
        distinct, starts = np.unique(row[order], return_index=True)
        bounds = np.append(starts, len(row))
        out = np.empty(len(row), np.float32)
        with self._inference():
            for first in range(0, len(distinct), BLOCK):
                last = min(len(distinct), first + BLOCK)
                chosen = order[bounds[first] : bounds[last]]
                indptr = torch.from_numpy(bounds[first : last + 1] - bounds[first])
                pattern = SparseRows(
                    indptr, torch.from_numpy(col[chosen].astype(np.int32)), torch.zeros(len(chosen)), rows.shape[1]
                )  # fmt: skip
                index = distinct[first:last]
                given = self._rows(rows[index], index if known else None)
                out[chosen] = as_numpy(self.network_.logits_at(given, pattern.to(self.network_.device)))
        return out

    def _finish(self, logits: Scores, columns: IntArray | None = None) -> Scores:
        return finish(self.network_.head, logits, columns, self.network_.device)

    def _finish_tensor(self, logits: Tensor, columns: Tensor | None = None) -> Tensor:
        return self.network_.finish(logits, columns)

    # ---------------------------------------------------------------- how sure it is

    def predict_distribution(self, users: Any, items: Any) -> RatingDistribution:
        """The probability of each rating level, for pairs of raw ids; needs output="ordinal".

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

    def _ordinal_scores(self, user_index: IntArray, item_index: IntArray) -> tuple[Tensor, Tensor]:
        """Scores of pairs under an ordinal output, (n,), and the column of each, -1 for shared thresholds."""
        served = self._serves("user", user_index) & self._serves("item", item_index)
        row, col = self._row_and_column(user_index, item_index)
        device = self.network_.device
        means = torch.from_numpy(self._simple_pairs(user_index, item_index)).to(device)
        score = self.network_.to_logits(means).cpu().numpy()
        score[served] = self._logits(self.ratings_.rows(self.by), row[served], col[served], known=True)
        columns = np.where(served, col, -1)
        return torch.from_numpy(score).to(device), torch.from_numpy(columns).to(device)

    # ---------------------------------------------------------------- item codes and unseen users

    def _make_codes(self) -> FloatArray:
        return self._by_item(self.network_.hidden)

    def _by_item(self, read: Callable[[Any], Tensor]) -> FloatArray:
        """What `read` makes of the training items' rows, a block at a time, (n_items, ...)."""
        item_rows = self.ratings_.rows("item")
        parts = np.split(np.arange(item_rows.shape[0]), np.arange(BLOCK, item_rows.shape[0], BLOCK))
        return np.concatenate([as_numpy(read(self._rows(item_rows[part], part))) for part in parts])

    def _make_levels(self) -> FloatArray | None:
        if self.by == "user" or not self.network_.core.noise.levelled:
            return None
        return self._by_item(self.network_.levels)

    def _make_output_layer(self) -> tuple[FloatArray, FloatArray]:
        weight, bias = self.network_.output_layer()
        return as_numpy(weight), as_numpy(bias)

    def _solve(self, user_rows: Csr) -> tuple[FloatArray, FloatArray]:
        head, l2, levels = self.network_.head, max(self._l2(self.ratings_), 2e-3), self._levels()
        known = None if levels is None else levels[user_rows.indices]
        if isinstance(head, OrdinalHead):
            return solve_columns_ordinal(
                self._codes(), user_rows, head.model, *self._mean_output(), l2=l2, known=known
            )  # fmt: skip
        targets = self.network_.to_logits(torch.from_numpy(user_rows.data)).numpy()
        targets = targets if known is None else targets - known
        return solve_columns(self._codes(), user_rows, targets, *self._mean_output(), l2=l2 / 2)
