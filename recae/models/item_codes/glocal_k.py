"""GLocal-K: SparseFC, then fine-tuned on the rating matrix under a learnt convolution (Han et al., CIKM 2021)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from recae._types import FloatArray, IntArray
from recae.models.item_codes.global_stage import (
    ORDERS,
    GlobalNetwork,
    Neighbourhoods,
    WholeMatrix,
    global_loss,
    neighbourhoods,
    ordering,
)
from recae.models.item_codes.kernel_network import KernelNetwork, kernel_loss
from recae.models.item_codes.kernel_recommender import L2_AT_100K, KernelRecommender, published
from recae.ratings import RatingMatrix
from recae.recommender.epochs import rating_error
from recae.recommender.fitting import FitOptions
from recae.recommender.item_codes import as_numpy
from recae.recommender.params import default, hyperparameters, learned, param
from recae.recommender.registry import register
from recae.sparse import SparseRows
from recae.training import History, RowBatches, Trainer


@register("glocal-k", "SparseFC fine-tuned on the rating matrix under a learnt convolution")
@hyperparameters
class GLocalK(KernelRecommender):
    """SparseFC, then the same network trained further on ReLU of the convolved training matrix.

    The 3 x 3 kernel is made from the network's own mean output for each item. Both stages are full-batch L-BFGS;
    an epoch is a round of 20 iterations. The authors print the lowest test error over the second stage's epochs;
    here the last epoch counts, or with a validation part the best one by it. Of the kernel's draw and its negative,
    which are equally likely, the one with a positive weight of the rating itself is taken (`GlobalNetwork.open_`).

    The convolution mixes the ratings of neighbouring rows and columns, so the model depends on the order of users and
    items. `order="given"` is the authors' (ids as they are sorted, an arbitrary order); "popularity" and "singular"
    put similar users and items side by side, and do not change when ids are renamed, but for ties.

    The convolution needs the whole matrix: codes are those of the training items, and the output weights of an unseen
    user are a ridge regression on them (`recae.recommender.folding`), without the convolution.
    """

    order: str = param("given", "which users and items are neighbours", choices=ORDERS)
    dot_scale: float = param(0.5, "factor of the convolution's kernel; published: 1 (ML-100K), 0.5 (ML-1M)", low=0)
    epochs: int = default(16, help="rounds of 20 iterations before the convolution, at most")
    tune_epochs: int = param(10, "rounds of 20 iterations under the convolution, at most", low=0)

    network_: GlobalNetwork = learned()

    def _fit(self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions) -> None:
        rows = self._ordered(ratings, ratings)
        held_out = None if validation is None else self._ordered(validation, ratings)
        self.network_ = self._network(ratings)
        settings = {"decay": 1 / len(rows), "kernels": True, "optimizer": "lbfgs", "lr": 1.0}
        trainer = self._trainer(ratings, validation, options, **settings)
        first = self._local_stage(rows, held_out, trainer, ratings.scale)
        second = self._global_stage(rows, held_out, trainer, ratings.scale)
        self.history_ = _joined(first, second)

    def _local_stage(
        self, rows: SparseRows, held_out: SparseRows | None, trainer: Trainer, scale: tuple[float, float]
    ) -> History:
        """Train as SparseFC; its checkpoint is a file beside that of the second stage."""
        path = None if trainer.checkpoint is None else Path(trainer.checkpoint)
        beside = None if path is None else path.with_name(f"{path.name}.local")
        trainer = replace(
            trainer, checkpoint=beside, fingerprint={**trainer.fingerprint, "stage": "local"}, label="local kernels"
        )
        validate = None
        if held_out is not None:
            parts = [(rows.to(trainer.device), held_out.to(trainer.device))]
            validate = rating_error(KernelNetwork.at, parts, scale, self._unit)
        return trainer.fit(self.network_, RowBatches(rows, batch_size=0), kernel_loss, validate)

    def _global_stage(
        self, rows: SparseRows, held_out: SparseRows | None, trainer: Trainer, scale: tuple[float, float]
    ) -> History:
        """Train on the convolved matrix."""
        fingerprint = {**trainer.fingerprint, "stage": "global"}
        trainer = replace(trainer, epochs=self.tune_epochs, fingerprint=fingerprint, label="global kernel")
        device = torch.device(trainer.device)
        whole = WholeMatrix(rows.to(device), neighbourhoods(rows, device))
        self.network_.to(device).open_(whole.rows)
        validate = None
        if held_out is not None:
            given = (whole.rows, whole.around)
            validate = rating_error(_global_predictions, [(given, held_out.to(device))], scale, self._unit)
        return trainer.fit(self.network_, whole, global_loss, validate)

    def _l2(self, ratings: RatingMatrix) -> float:
        return published(L2_AT_100K, 140.0, ratings.n_ratings) if self.l2 is None else self.l2

    def _kernel_l2(self, ratings: RatingMatrix) -> float:
        return published(0.012, 0.036, ratings.n_ratings) if self.kernel_l2 is None else self.kernel_l2

    def _network(self, ratings: RatingMatrix) -> GlobalNetwork:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.rng)
            return GlobalNetwork(
                ratings.n_users, n_items=ratings.n_items, dot_scale=self.dot_scale,
                **self._network_settings(ratings),
            )  # fmt: skip

    def _ordered(self, part: RatingMatrix, ratings: RatingMatrix) -> SparseRows:
        """Item rows of `part`, items and users in the order that `ratings` define."""
        users, items = ordering(ratings, self.order)
        return self._inside(part.rows("item")[items][:, users])

    def _make_codes(self) -> FloatArray:
        device = next(self.network_.parameters()).device
        rows = self._ordered(self.ratings_, self.ratings_).to(device)
        weights, _ = self.network_.weights()
        codes = as_numpy(self.network_.global_hidden(rows, neighbourhoods(rows, device), weights))
        return codes[np.argsort(ordering(self.ratings_, self.order)[1])]

    def _user_order(self) -> IntArray:
        return np.argsort(ordering(self.ratings_, self.order)[0])


def _global_predictions(
    network: GlobalNetwork, given: tuple[SparseRows, Neighbourhoods], pattern: SparseRows
) -> Tensor:
    return network.global_at(*given, pattern)


def _joined(first: History, second: History) -> History:
    """The epochs of both stages, numbered in one sequence; the weights kept are those of the second stage."""
    later = [{**record, "epoch": record["epoch"] + len(first)} for record in second.records]
    return History([*first.records, *later], second.best_epoch + len(first), second.stopped_early)
