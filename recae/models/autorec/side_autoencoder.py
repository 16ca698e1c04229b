"""AutoRec with side information: the base of `CFN` and `WideDeep`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from recae._types import Csr, FloatArray, IntArray
from recae.models.autorec.cold_features import ColdFeatures
from recae.models.autorec.feature_tables import checksum_of_read, encode_table
from recae.models.autorec.rating_network import RatingNetwork
from recae.models.autorec.side_network import SideNetwork
from recae.models.autorec.side_rows import SideRows
from recae.nn.layers import as_widths
from recae.ratings import RatingMatrix
from recae.recommender.params import default, hyperparameters, learned, param
from recae.sparse import SparseRows


@hyperparameters
class SideAutoencoder(ColdFeatures):
    """AutoRec that reads the tables of users and items (`features.encode_table`) besides the ratings.

    A user or an item without a single training rating is answered for by a regression on its features, where its table
    has any (`ColdFeatures`), and otherwise as by any model.

    Unseen users (`predict_new`) are known only by their ratings.
    """

    starts_warm: ClassVar[bool] = False  # categories in the tables may be others tomorrow

    mask_input: bool | None = default(False)
    features: Literal["both", "user", "item", "none"] = param(
        "both", "whose tables are read, where there are any", choices=("both", "user", "item", "none")
    )
    hide_rows: float = param(
        0.0, "fraction of rows that lose all ratings in training, to be predicted from features only", low=0
    )
    side_l2: float = param(1.0, "L2 weight on the weights of rows' features", low=0, tune=(0.3, 30.0, "log"))
    column_l2: float = param(
        3000.0, "L2 weight on the weights of columns' features (of users, item-based)", low=0, tune=(100.0, 1e5, "log")
    )

    _side_features: dict[str, FloatArray] | None = learned()

    @property
    def league(self) -> str:
        """A key of `recae.comparison.leagues.LEAGUES`."""
        return "ratings" if self.features == "none" else "side"

    def _reads_beside(self, ratings: RatingMatrix, held_out: Sequence[RatingMatrix]) -> dict[str, str]:
        users = checksum_of_read(self._table(ratings, "user"), ratings.user_ids)
        items = checksum_of_read(self._table(ratings, "item"), ratings.item_ids)
        return {**super()._reads_beside(ratings, held_out), "tables": f"{users} {items}"}

    # ---------------------------------------------------------------- hooks of AutoRec

    def _network(
        self, ratings: RatingMatrix, start: Tensor | None = None, levels: FloatArray | None = None
    ) -> RatingNetwork:
        self._side_features = {
            "user": encode_table(self._table(ratings, "user"), ratings.user_ids).matrix,
            "item": encode_table(self._table(ratings, "item"), ratings.item_ids).matrix,
        }
        return super()._network(ratings, start, levels)

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
