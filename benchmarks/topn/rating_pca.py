"""PCA put to rating prediction, for `benchmarks.linear_vs_mf`: what comes of taking the missing for zeros."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from recae._types import Csr, Scores
from recae.models.linear.pca_recommender import directions
from recae.ratings import RatingMatrix
from recae.ratings.csr import make_csr
from recae.recommender.base import Recommender
from recae.recommender.biases import Biases, fit_biases, user_deviations
from recae.recommender.fitting import FitOptions
from recae.recommender.learned import LearnedArrays
from recae.recommender.params import hyperparameters, learned, param

Floats = npt.NDArray[np.float32]


@hyperparameters
class RatingPCA(Recommender):
    """Predicts mu + b_u + b_i + (e V Vᵀ)_i, e being what the biases leave of a user's ratings, and 0 where none is.

    PCA has no notion of a missing entry; after the biases, 0 is at least what one would guess. The projection of a
    row that is mostly guesses is too small, so it is stretched by one number, fitted on the training ratings with
    each rating left out of its own prediction.
    """

    predicts_ratings: ClassVar[bool] = True

    factors: int = param(10, "number of directions; at most one less than the smaller side", low=1)
    user_l2: float = param(5.0, "ratings' worth of pull of a user's deviation towards 0", low=0)
    item_l2: float = param(3.0, "ratings' worth of pull of an item's deviation towards 0", low=0)
    rng: int = param(0, "seed of the solver's starting vector")

    components_: Floats = learned()
    stretch_: float = learned()
    biases_: Biases = learned()

    def _fit(self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions) -> None:
        self.biases_ = fit_biases(ratings, user_l2=self.user_l2, item_l2=self.item_l2, sweeps=10)
        rest = self._rest(ratings.user_rows, self.biases_.user)
        self.components_, _ = directions(rest, self.factors, centre=False, seed=self.rng)
        self.stretch_ = self._fit_stretch(rest)

    def _fit_stretch(self, rest: Csr) -> float:
        """Least squares of e on what the projection says of it without itself: e Vᵀ V less e |v_i|²."""
        codes = rest @ self.components_
        users = np.repeat(np.arange(rest.shape[0]), np.diff(rest.indptr))
        product = squares = 0.0
        for start in range(0, rest.nnz, 2**18):
            part = slice(start, start + 2**18)
            vectors, value = self.components_[rest.indices[part]], rest.data[part]
            said = np.einsum("zk,zk->z", codes[users[part]] - value[:, None] * vectors, vectors).astype(np.float64)
            product, squares = product + float(said @ value), squares + float(said @ said)
        return product / squares if squares > 0 else 1.0

    def _rest(self, user_rows: Csr, user: Floats) -> Csr:
        """Ratings less mu + b_u + b_i, with the same pattern."""
        users = np.repeat(np.arange(user_rows.shape[0]), np.diff(user_rows.indptr))
        data = user_rows.data - self.biases_.mean - user[users] - self.biases_.item[user_rows.indices]
        return make_csr(data.astype(np.float32), user_rows.indices, user_rows.indptr, user_rows.shape)

    def score(self, user_rows: Csr) -> Scores:
        return self._score(user_rows, user_deviations(user_rows, self.biases_, self.user_l2))

    def score_users(self, user_index: npt.NDArray[np.int64]) -> Scores:
        return self._score(self.ratings_.user_rows[user_index], self.biases_.user[user_index])

    def _score(self, user_rows: Csr, user: Floats) -> Scores:
        codes = self.stretch_ * (self._rest(user_rows, user) @ self.components_)
        base = self.biases_.mean + user[:, None] + self.biases_.item
        return np.asarray(base + codes @ self.components_.T, np.float32)

    def item_vectors(self) -> Floats:
        """The directions, (n_items, k)."""
        return self.components_

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        biases = {"mean": np.array(self.biases_.mean), "user": self.biases_.user, "item": self.biases_.item}
        return {"components": self.components_, "stretch": np.array(self.stretch_), **biases}

    def _restore(self, arrays: LearnedArrays) -> None:
        n_users, n_items = self.ratings_.shape
        self.components_, self.stretch_ = arrays.floats("components", n_items, -1), arrays.number("stretch")
        user, item = arrays.floats("user", n_users), arrays.floats("item", n_items)
        self.biases_ = Biases(arrays.number("mean"), user, item)
