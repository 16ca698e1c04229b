"""`Contract`: what a model declares and writes, and the scores that the rest of a recommender is made of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from recae._types import Csr, FloatArray, IntArray, Mask, Scores
from recae.errors import NotFittedError
from recae.ratings import RatingMatrix
from recae.recommender.biases import Biases
from recae.recommender.fitting import FitOptions
from recae.recommender.learned import LearnedArrays
from recae.recommender.params import Parameters
from recae.recommender.scoring import popular_where, scores_at, with_prior


class Contract(Parameters, ABC):
    """The part of `Recommender` that models write or override; the rest is written once, in `base.py`."""

    predicts_ratings: ClassVar[bool] = False
    iterative: ClassVar[bool] = False
    personal: ClassVar[bool] = True  # lists depend on what a user rated; users without a rating get what is popular
    linear: ClassVar[bool] = False  # score(x) = score(0) + x B for some B, of which `recae.explain` makes use
    reads_dates: ClassVar[bool] = False  # predictions take timestamps=, and evaluation hands them over
    meets_hidden_users: ClassVar[bool] = False  # an iterative model that can be stopped by users it does not learn from
    shares_rows: ClassVar[bool] = False  # several processes (torchrun) can fit it together, each with its rows

    ratings_: RatingMatrix
    _derived: dict[str, Any]  # made from what was learnt at the first request that needs it
    _baseline_: Biases | None = None
    prior_: FloatArray | None = None  # what lists add to each item's score, (n_items,); see `DrawnToPopularity`

    # ---------------------------------------------------------------- what a model writes

    @abstractmethod
    def _fit(self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions) -> None:
        """Learn from `ratings`; `validation` shares its indices."""

    @abstractmethod
    def score(self, user_rows: Csr) -> Scores:
        """Scores of unseen users from only their ratings: (n_rows, n_items) to (n_rows, n_items), unclipped."""

    @abstractmethod
    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Learned arrays by name, for a file."""

    @abstractmethod
    def _restore(self, arrays: LearnedArrays) -> None:
        """Take learned arrays back; `ratings_` and hyper-parameters are set already.

        Raises:
            Invalid: an array is missing, or has another type or shape than this model's, or is not finite.
        """

    def score_users(self, user_index: IntArray) -> Scores:
        """Scores of known users, (n,) to (n, n_items), unclipped. By default from their training rows."""
        return self.score(self.ratings_.user_rows[user_index])

    def _device_scores(self, user_index: IntArray) -> Any:
        """Scores as of `score_users`, or as a tensor on the model's device: on a GPU, lists are then made there."""
        return self.score_users(user_index)

    def ranking_scores(self, user_index: IntArray) -> Scores:
        """What lists of known users are ranked by, (n,) to (n, n_items): `score_users` and a prior, or popularity.

        A user without a training rating tells a model nothing, nor does one whose items all get equal scores: most
        models would list items in catalogue order. Such users are ranked by how many ratings each item has, unless the
        model knows more of them (features), or gives everybody the same list (`personal` is False).
        """
        scores: Scores = self._or_popular(self.score_users(user_index), ~self._serves("user", user_index))
        return scores

    def ranking_scores_new(self, user_rows: Csr) -> Scores:
        """The same for unseen users from their ratings, (n_rows, n_items) to (n_rows, n_items)."""
        scores: Scores = self._or_popular(self.score(user_rows), np.diff(user_rows.indptr) == 0)
        return scores

    def _list_scores(self, user_index: IntArray) -> Any:
        """As `ranking_scores`, or a tensor on a GPU."""
        return self._or_popular(self._device_scores(user_index), ~self._serves("user", user_index))

    def _or_popular(self, scores: Any, empty: Mask) -> Any:
        if not self.personal:
            return scores
        return popular_where(empty, with_prior(scores, self.prior_), self.ratings_.counts("item"))

    def _pairs(self, user_index: IntArray, item_index: IntArray) -> Scores:
        """Scores of pairs of known users and items, (n,); by default through dense blocks."""
        return scores_at(user_index, item_index, self.ratings_.n_items, self.score_users)

    def _pairs_new(self, user_rows: Csr, row_index: IntArray, item_index: IntArray) -> Scores:
        """Scores of pairs (row of `user_rows`, item) of unseen users, (n,); by default through dense blocks."""
        return scores_at(row_index, item_index, self.ratings_.n_items, lambda rows: self.score(user_rows[rows]))

    def _serves(self, by: Literal["user", "item"], index: IntArray) -> npt.NDArray[np.bool_]:
        """Users or items that `_pairs` is asked about, (n,): those with ratings, or a model knows more than ratings.

        The others get the baseline. -1 stands for an unknown id, which nothing is known of.
        """
        known: npt.NDArray[np.bool_] = (index >= 0) & (self.ratings_.counts(by)[index] > 0)
        return known

    def item_vectors(self) -> npt.NDArray[np.float32] | Csr:
        """One vector an item, (n_items, d), dense or sparse, whose cosine is similarity; by default who rated it."""
        return self.ratings_.rows("item")


def fitted_ratings(model: Any) -> RatingMatrix:
    """The ratings that a model was fitted on.

    Raises:
        NotFittedError: it was not fitted.
    """
    ratings: RatingMatrix | None = getattr(model, "ratings_", None)
    if ratings is None:
        raise NotFittedError(f"this {type(model).__name__} has learnt nothing yet: call fit(ratings) first")
    return ratings
