"""`KernelRecommender`: hyper-parameters and fold-in of SparseFC and GLocal-K."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from recae._types import Csr, FloatArray, IntArray
from recae.models.item_codes.kernel_network import KernelNetwork
from recae.nn.layers import as_widths
from recae.ratings import RatingMatrix
from recae.recommender.biases import ENOUGH_FOR_PUBLISHED
from recae.recommender.folding import solve_columns
from recae.recommender.item_codes import ItemCodes, as_numpy
from recae.recommender.params import default, hyperparameters, learned, param

L2_AT_100K = 80.0


@hyperparameters
class KernelRecommender(ItemCodes):
    """Base of `SparseFC` and `GLocalK`, which are item-based networks of kernel-weighted layers.

    Loss: Σ over stored ratings of (r - output)² + Σ over layers of (l2 / 2) |W|² + (kernel_l2 / 2) |K|², biases
    free. The papers halve the squared error: their 60 and 0.013 are 120 and 0.026 here, in AutoRec's units.

    Without `l2` it is the published one for a million ratings and more. For 100,000 the published 40 is too low on
    held-out training ratings of each set that was tried; it is 80 there, and a power law between.
    """

    enough_ratings: ClassVar[int] = ENOUGH_FOR_PUBLISHED

    hidden: int | tuple[int, ...] = default((500, 500))
    dims: int = param(5, "coordinates of the units' learnt positions", low=1)
    l2: float | None = param(
        None,
        "L2 weight on W, against the summed squared error; none: as published for 1,000,000, 80 for 100,000",
        low=0,
        tune=(10.0, 300.0, "log"),
    )
    kernel_l2: float | None = param(
        None,
        "L2 weight on K, against the summed squared error; none: as published for 100,000 and 1,000,000",
        low=0,
        tune=(0.003, 0.1, "log"),
    )

    network_: KernelNetwork = learned()

    # ---------------------------------------------------------------- for fitting

    def _network_settings(self, ratings: RatingMatrix) -> dict[str, Any]:
        return {
            "hidden": as_widths(self.hidden), "dims": self.dims, "act": self.activation, "noise": self.noise,
            "l2": self._l2(ratings), "kernel_l2": self._kernel_l2(ratings), "n_rows": ratings.n_items,
        }  # fmt: skip

    def _l2(self, ratings: RatingMatrix) -> float:
        return published(L2_AT_100K, 120.0, ratings.n_ratings) if self.l2 is None else self.l2

    def _kernel_l2(self, ratings: RatingMatrix) -> float:
        return published(0.012, 0.026, ratings.n_ratings) if self.kernel_l2 is None else self.kernel_l2

    # ---------------------------------------------------------------- users

    def _user_order(self) -> IntArray | slice:
        """The network's column of each user."""
        return slice(None)

    def _make_output_layer(self) -> tuple[FloatArray, FloatArray]:
        """Output weights times kernel, (n_users, k), and biases, (n_users,)."""
        weight, bias = as_numpy(self.network_.decode()[0]), as_numpy(self.network_.biases[-1])
        order = self._user_order()
        return weight[order], bias[order]

    def _solve(self, user_rows: Csr) -> tuple[FloatArray, FloatArray]:
        """Ridge regression of unseen users; `l2` counts in full, as the kernel in training is at most 1."""
        l2 = max(self._l2(self.ratings_) / 2, 1e-3)
        targets = self._unit.inside(user_rows.data)
        return solve_columns(self._codes(), user_rows, targets, *self._mean_output(), l2=l2)


def published(at_100k: float, at_1m: float, n_ratings: int) -> float:
    """A weight for 100,000 and for a million ratings, continued as a power law, but not below 100,000."""
    return at_1m * math.pow(max(n_ratings, 100_000) / 1e6, math.log10(at_1m / at_100k))
