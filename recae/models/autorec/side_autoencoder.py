"""AutoRec with side information: the base of `CFN` and `WideDeep`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from recae._types import Arrays, Csr, FloatArray, IntArray, Mask
from recae.models.autorec.autorec import AutoRec
from recae.models.autorec.cold_weights import ColdWeights, cold_part, cold_weights
from recae.models.autorec.feature_tables import encode_table
from recae.models.autorec.rating_network import RatingNetwork
from recae.models.autorec.side_network import SideNetwork
from recae.models.autorec.side_rows import SideRows
from recae.nn.layers import as_widths
from recae.ratings import RatingMatrix
from recae.recommender.fitting import FitOptions
from recae.recommender.learned import LearnedArrays
from recae.recommender.params import hyperparameters, learned, param
from recae.schemas import require
from recae.sparse import SparseRows


@hyperparameters
class SideAutoencoder(AutoRec):
    """AutoRec that reads the tables of users and items (`features.encode_table`) besides the ratings.

    A user or an item without a single training rating is served from its features, where its table has any; from
    the bias baseline otherwise. How far features are believed is estimated in `fit`: a tenth of the users and of the
    items lose all their ratings, a copy of the model is fitted on the rest, and what it explains of theirs gives a
    weight of its answers against the biases, one for users and one for items (`cold_weights`). So features that say
    nothing do no harm. `shrink="never"` takes them at their word, as an ordinal output does; both fit once.

    Unseen users (`predict_new`) are known only by their ratings.
    """

    starts_warm: ClassVar[bool] = False  # categories in the tables may be others tomorrow

    features: Literal["both", "user", "item", "none"] = param(
        "both", "whose tables are read, where there are any", choices=("both", "user", "item", "none")
    )
    hide_rows: float = param(
        0.05, "fraction of rows that lose all ratings in training, to learn from features only", low=0
    )
    side_l2: float = param(1.0, "L2 weight on the weights of rows' features", low=0, tune=(0.3, 30.0, "log"))
    column_l2: float = param(
        3000.0, "L2 weight on those of columns' features (of users, item-based)", low=0, tune=(100.0, 1e5, "log")
    )

    _side_features: dict[str, FloatArray] | None = learned()
    _cold_weights: ColdWeights | None = learned()

    @property
    def league(self) -> str:
        """A key of `recae.comparison.leagues.LEAGUES`."""
        return "ratings" if self.features == "none" else "side"

    # ---------------------------------------------------------------- hooks of AutoRec

    def _network(self, ratings: RatingMatrix, start: Tensor | None = None) -> RatingNetwork:
        self._side_features = {
            "user": encode_table(self._table(ratings, "user"), ratings.user_ids).matrix,
            "item": encode_table(self._table(ratings, "item"), ratings.item_ids).matrix,
        }
        return super()._network(ratings, start)

    def _make_network(self, n_cols: int, ratings: RatingMatrix, settings: dict[str, Any]) -> RatingNetwork:
        assert self._side_features is not None
        across: Literal["user", "item"] = "item" if self.by == "user" else "user"
        return SideNetwork(
            n_cols, as_widths(self.hidden), columns=torch.from_numpy(self._side_features[across]),
            counts=torch.tensor(ratings.counts(across)), n_features=self._side_features[self.by].shape[1],
            hide_rows=self.hide_rows, side_l2=self.side_l2, column_l2=self.column_l2,
            **self._variant(ratings), **settings,
        )  # fmt: skip

    def _variant(self, ratings: RatingMatrix) -> dict[str, Any]:
        """Settings of `SideNetwork` that a subclass adds."""
        return {}

    def _table(self, ratings: RatingMatrix, by: str) -> Any:
        return getattr(ratings, f"{by}_table") if self.features in ("both", by) else None

    def _rows(self, matrix: Csr, index: IntArray | None = None, device: torch.device | None = None) -> SideRows:
        device = device or self.network_.device
        assert self._side_features is not None
        features = self._side_features[self.by]
        if index is None:
            own, known = np.zeros((matrix.shape[0], features.shape[1]), np.float32), np.full(matrix.shape[0], -1)
        else:
            own, known = features[index], np.asarray(index, np.int64)
        rows = SparseRows.from_scipy(matrix, device=device)
        return SideRows(rows, torch.from_numpy(own).to(device), torch.from_numpy(known).to(device))

    def _reads_only_rows(self) -> bool:
        return False  # features are of users, too

    def _serves(self, by: Literal["user", "item"], index: IntArray) -> npt.NDArray[np.bool_]:
        known = super()._serves(by, index)
        if self._cold_weights is not None and getattr(self._cold_weights, by) == 0:
            return known
        return known | ((index >= 0) & self._described(by)[index])

    def _described(self, by: Literal["user", "item"]) -> Mask:
        """Of whom features are known, (n_users,) or (n_items,)."""
        assert self._side_features is not None
        described: Mask = (self._side_features[by] != 0).any(axis=1)
        return described

    # ---------------------------------------------------------------- how far features are believed

    def _fit(self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions) -> None:
        self._cold_weights = None
        super()._fit(ratings, validation, options)

    def _weigh(self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions) -> None:
        super()._weigh(ratings, validation, options)
        if self.shrink == "never" or self.output == "ordinal":
            return
        part = cold_part(ratings, {by: self._described(by) for by in ("user", "item")}, self.rng)
        if part is not None:
            epochs = options.stop_after if validation is None else self.history_.best_epoch
            once = replace(options, checkpoint=None, resume=False, label="weighing features", stop_after=epochs)
            copy = self.clone()
            copy._fit_alone(part.rest, None, once)
            self._cold_weights = cold_weights(part, copy)
            self._record(cold_users=self._cold_weights.user, cold_items=self._cold_weights.item)

    def _weight_at(self, user_index: IntArray | None, item_index: IntArray) -> float | FloatArray:
        if not self._draws_cold():
            return self._model_weight
        assert self._cold_weights is not None
        item = self.ratings_.counts("item")[item_index] == 0
        user = np.bool_(False) if user_index is None else self.ratings_.counts("user")[user_index] == 0
        cold = np.where(user, self._cold_weights.user, 1.0) * np.where(item, self._cold_weights.item, 1.0)
        return np.where(user | item, cold, self._model_weight).astype(np.float32)

    def _is_drawn(self) -> bool:
        return super()._is_drawn() or self._draws_cold()

    def _draws_cold(self) -> bool:
        """Whether there are users or items without ratings, and weights for them."""
        counts = (self.ratings_.counts(by) for by in ("user", "item"))
        return self._cold_weights is not None and not all(bool(n.all()) for n in counts)

    # ---------------------------------------------------------------- files

    def _arrays(self) -> Arrays:
        found = super()._arrays()
        return found if self._cold_weights is None else {**found, "cold_weights": np.array(self._cold_weights)}

    def _restore(self, arrays: LearnedArrays) -> None:
        self._cold_weights = None  # as in a file of recae 0.1.0
        if "cold_weights" in arrays:
            self._cold_weights = ColdWeights(*map(float, arrays.floats("cold_weights", 2, dtype="float64")))
            require(all(0 <= w <= 1 for w in self._cold_weights), "a weight of features is not within 0 and 1")
        super()._restore(arrays)
