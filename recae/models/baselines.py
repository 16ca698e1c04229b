"""Baselines: what every other model has to beat."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from recae._types import Csr, IntArray, Scores
from recae.ratings import RatingMatrix
from recae.recommender.base import Recommender
from recae.recommender.biases import ITEM_L2, SWEEPS, USER_L2, Biases, fit_biases, user_deviations
from recae.recommender.fitting import FitOptions
from recae.recommender.learned import LearnedArrays
from recae.recommender.params import hyperparameters, learned, param
from recae.recommender.registry import register


@register("global-mean", "the mean rating, for everything")
@hyperparameters
class GlobalMean(Recommender):
    """Every rating is predicted by the mean of all ratings."""

    predicts_ratings: ClassVar[bool] = True
    personal: ClassVar[bool] = False

    mean_: float = learned()

    def _fit(self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions) -> None:
        self.mean_ = ratings.mean

    def score(self, user_rows: Csr) -> Scores:
        return np.full(user_rows.shape, self.mean_, np.float32)

    def _pairs(self, user_index: IntArray, item_index: IntArray) -> Scores:
        return np.full(len(user_index), self.mean_, np.float32)

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {"mean": np.array(self.mean_)}

    def _restore(self, arrays: LearnedArrays) -> None:
        self.mean_ = arrays.number("mean")


@register("bias", "mean plus user and item deviations: the baseline of rating prediction")
@hyperparameters
class Bias(Recommender):
    """mu + b_u + b_i with regularised deviations (Koren, 2010): some rate high, some films are liked by all."""

    predicts_ratings: ClassVar[bool] = True
    personal: ClassVar[bool] = False

    user_l2: float = param(
        USER_L2, "ratings' worth of pull of a user's deviation towards 0", low=0, tune=(1.0, 30.0, "log")
    )
    item_l2: float = param(
        ITEM_L2, "ratings' worth of pull of an item's deviation towards 0", low=0, tune=(1.0, 30.0, "log")
    )
    sweeps: int = param(SWEEPS, "alternations between users and items, at most", low=1)

    biases_: Biases = learned()

    def _fit(self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions) -> None:
        self.biases_ = fit_biases(ratings, user_l2=self.user_l2, item_l2=self.item_l2, sweeps=self.sweeps)

    def score(self, user_rows: Csr) -> Scores:
        user = user_deviations(user_rows, self.biases_, self.user_l2)
        return (self.biases_.mean + user[:, None] + self.biases_.item[None, :]).astype(np.float32)

    def score_users(self, user_index: IntArray) -> Scores:
        user = self.biases_.user[user_index]
        return (self.biases_.mean + user[:, None] + self.biases_.item[None, :]).astype(np.float32)

    def _pairs(self, user_index: IntArray, item_index: IntArray) -> Scores:
        return self.biases_.at(user_index, item_index)

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {"mean": np.array(self.biases_.mean), "user": self.biases_.user, "item": self.biases_.item}

    def _restore(self, arrays: LearnedArrays) -> None:
        ratings = self.ratings_
        user, item = arrays.floats("user", ratings.n_users), arrays.floats("item", ratings.n_items)
        self.biases_ = Biases(arrays.number("mean"), user, item)


@register("popularity", "the most rated items, for everybody")
@hyperparameters
class Popularity(Recommender):
    """Items by how many users rated them: the same list for everybody, but for what each has seen."""

    personal: ClassVar[bool] = False

    counts_: npt.NDArray[np.float32] = learned()

    def _fit(self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions) -> None:
        self.counts_ = ratings.counts("item").astype(np.float32)

    def _reads_only_rows(self) -> bool:
        return True

    def score(self, user_rows: Csr) -> Scores:
        return np.broadcast_to(self.counts_, (user_rows.shape[0], len(self.counts_)))

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {"counts": self.counts_}

    def _restore(self, arrays: LearnedArrays) -> None:
        self.counts_ = arrays.floats("counts", self.ratings_.n_items)
