"""GLocal-K: SparseFC, then fine-tuned on the rating matrix under a learnt convolution (Han et al., CIKM 2021)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from recae._types import FloatArray, IntArray
from recae.models.item_codes.global_stage import ORDERS, GlobalNetwork, WholeMatrix, neighbourhoods, ordering
from recae.models.item_codes.item_codes import as_numpy, validator
from recae.models.item_codes.kernel_recommender import KernelRecommender, published
from recae.ratings import RatingMatrix
from recae.recommender.fitting import FitOptions
from recae.recommender.params import default, hyperparameters, learned, param
from recae.recommender.registry import register
from recae.sparse import SparseRows
from recae.training import History, RowBatches, Trainer


@register("glocal-k", "SparseFC fine-tuned on the rating matrix under a learnt convolution")
@hyperparameters
class GLocalK(KernelRecommender):
    """First SparseFC; then the same network, reading ReLU of the convolved training matrix, is trained further.

    The 3 x 3 kernel is made from the network's own mean output for each item. Both stages are full-batch L-BFGS;
    an epoch is a round of 20 iterations. The authors print the lowest test error over the second stage's epochs;
    here the last epoch counts, or with a validation part the best one by it. Of the kernel's draw and its negative,
    which are equally likely, the one is taken that does not hide the ratings' own places (`GlobalNetwork.open_`).

    The convolution mixes the ratings of whatever stands side by side, so the model depends on the order of users and
    items. `order="given"` is the authors' (ids as they are sorted, which means nothing); "popularity" and "singular"
    make neighbours of those that are alike, and do not change when ids are renamed, but for ties.

    The convolution needs the whole matrix: codes are those of the training items, and an unseen user's output unit
    is a ridge regression on them (`recae.recommender.folding`), as if the user had stood outside of the convolution.
    """

    order: str = param("given", "which users and items are neighbours", choices=ORDERS)
    dot_scale: float = param(0.5, "factor of the convolution's kernel; published: 1 (ML-100K), 0.5 (ML-1M)", low=0)
    epochs: int = default(16, help="rounds of 20 iterations before the convolution, at most")
    tune_epochs: int = param(10, "rounds of 20 iterations under the convolution, at most", low=0)

    network_: GlobalNetwork = learned()

    def _fit(self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions) -> None:
        rows = self._ordered(ratings, ratings)
        places = None if validation is None else self._ordered(validation, ratings)
        self.network_ = self._network(ratings)
        settings = {"decay": 1 / len(rows), "kernels": True, "optimizer": "lbfgs", "lr": 1.0}
        trainer = self._trainer(ratings, validation, options, **settings)
        first = self._stage(rows, places, trainer, ratings.scale)
        second = self._global_stage(rows, places, trainer, ratings.scale)
        self.history_ = _joined(first, second)
        self._forget()

    def _stage(
        self, rows: SparseRows, places: SparseRows | None, trainer: Trainer, scale: tuple[float, float]
    ) -> History:
        """SparseFC; its checkpoint stands beside the one that was asked for."""
        path = None if trainer.checkpoint is None else Path(trainer.checkpoint)
        beside = None if path is None else path.with_name(f"{path.name}.local")
        trainer = replace(
            trainer, checkpoint=beside, fingerprint={**trainer.fingerprint, "stage": "local"}, label="local kernels"
        )
        validate = None
        if places is not None:
            given, at = rows.to(trainer.device), places.to(trainer.device)
            validate = validator(lambda net, held_out: net.at(given, held_out), at, scale)  # type: ignore[operator]
        return trainer.fit(self.network_, RowBatches(rows, batch_size=0), self.network_.objective, validate)

    def _global_stage(
        self, rows: SparseRows, places: SparseRows | None, trainer: Trainer, scale: tuple[float, float]
    ) -> History:
        fingerprint = {**trainer.fingerprint, "stage": "global"}
        trainer = replace(trainer, epochs=self.tune_epochs, fingerprint=fingerprint, label="global kernel")
        device = torch.device(trainer.device)
        whole = WholeMatrix(rows.to(device), neighbourhoods(rows, device))
        self.network_.to(device).open_(whole.rows)
        validate = None
        if places is not None:
            held_out = places.to(device)
            validate = validator(
                lambda net, at: net.global_at(whole.rows, whole.around, at),  # type: ignore[operator]
                held_out, scale,
            )  # fmt: skip
        return trainer.fit(self.network_, whole, self.network_.global_objective, validate)

    def _l2(self, ratings: RatingMatrix) -> float:
        return published(40.0, 140.0, ratings.n_ratings) if self.l2 is None else self.l2

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
        """Item rows of `part` in the order that `ratings` give, users too."""
        users, items = ordering(ratings, self.order)
        return SparseRows.from_scipy(part.rows("item")[items][:, users])

    def _make_codes(self) -> FloatArray:
        device = next(self.network_.parameters()).device
        rows = self._ordered(self.ratings_, self.ratings_).to(device)
        weights, _ = self.network_.weights()
        codes = as_numpy(self.network_.global_hidden(rows, neighbourhoods(rows, device), weights))
        return codes[np.argsort(ordering(self.ratings_, self.order)[1])]

    def _user_order(self) -> IntArray:
        return np.argsort(ordering(self.ratings_, self.order)[0])

    def _restore(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        self._load(self._network(self.ratings_), arrays)


def _joined(first: History, second: History) -> History:
    """The epochs of both stages, numbered through; the kept weights are the second one's."""
    later = [{**record, "epoch": record["epoch"] + len(first)} for record in second.records]
    return History([*first.records, *later], second.best_epoch + len(first), second.stopped_early)
