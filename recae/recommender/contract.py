"""`Contract`: what a model declares and writes, and the scores that the rest of a recommender is made of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from recae._types import Csr, FloatArray, IntArray, Mask, Scores
from recae.errors import NotFittedError, ParameterError
from recae.ratings import RatingMatrix
from recae.ratings.side_columns import table_checksum
from recae.recommender.biases import (
    ENOUGH,
    RATINGS,
    Biases,
    Unit,
    fit_biases,
    user_deviations,
    weighed,
)
from recae.recommender.fingerprints import checksum_of_times, scales
from recae.recommender.fitting import FitOptions
from recae.recommender.learned import LearnedArrays
from recae.recommender.params import Parameters
from recae.recommender.scoring import as_on, finite, popular_where, scores_at, with_prior
from recae.schemas import require


class Contract(Parameters, ABC):
    """The part of `Recommender` that models write or override; the rest is written once, in `base.py`."""

    predicts_ratings: ClassVar[bool] = False
    iterative: ClassVar[bool] = False
    personal: ClassVar[bool] = True  # lists depend on what a user rated; users without a rating get what is popular
    linear: ClassVar[bool] = False  # score(x) = score(0) + x B for some B, of which `recae.explain` makes use
    reads_dates: ClassVar[bool] = False  # predictions take timestamps=, and evaluation hands them over
    logarithmic: ClassVar[bool] = False  # scores are logarithms of shares, which a blend takes instead
    reads_order: ClassVar[bool] = False  # what was last counts: parts to measure on are the latest, by default
    meets_hidden_users: ClassVar[bool] = False  # an iterative model that can be stopped by users it does not learn from
    enough_ratings: ClassVar[int] = ENOUGH  # a user or item, on average, from which biases do not help a rating model
    starts_warm: ClassVar[bool] = False  # `fit(ratings, start=yesterday)` goes on from a fitted model
    chooses_model: ClassVar[bool] = False  # `fit` takes another model, which answers and is saved: no member of others
    has_members: ClassVar[bool] = False  # it fits other models, any of them, which may read times and tables
    shares_rows: ClassVar[bool] = False  # several processes (torchrun) can fit it together, each with its rows

    ratings_: RatingMatrix
    _derived: dict[str, Any]  # made from what was learnt at the first request that needs it
    _baseline_: Biases | None = None
    prior_: FloatArray | None = None  # what lists add to each item's score, (n_items,); see `DrawnToPopularity`
    _unit: Unit = RATINGS  # that a rating model computes in
    _as_before: bool = False  # read from a file of recae 0.1.0, and written as one: see `_read_as_before`
    _cold_as_before: bool = False  # of a file of recae 0.1.0, where who has no ratings has a deviation of 0
    _model_weight: float = 1.0  # of a rating model's own answers, the rest being the biases' (`weighing`)

    _about: dict[str, Any] = {}  # noqa: RUF012 - replaced, never changed: what the model's file says of its making
    _found: dict[str, Any] = {}  # noqa: RUF012 - replaced, never changed: see `chosen_`

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

    def _reads_only_rows(self) -> bool:
        """Whether `score` takes a row and what `_arrays` holds, and no ratings of others: a lean file serves it."""
        return False

    @classmethod
    def _can_meet_hidden_users(cls) -> bool:
        """Whether a validation part may be of hidden users, of whom nothing is learnt."""
        return not cls.predicts_ratings and (cls.meets_hidden_users or not cls.iterative)

    def _reads_beside(self, ratings: RatingMatrix, held_out: Sequence[RatingMatrix]) -> dict[str, str]:
        """What a fit reads of its ratings, and of those held out, beside who rated what and how, by name.

        A checkpoint or a search is resumed only where it is the same. What is not read may change.
        """
        parts, found = [ratings, *held_out], {}
        if self.predicts_ratings or self.has_members:
            found["scale"] = scales(parts)
        if self.reads_dates or self.has_members:
            found["timestamps"] = checksum_of_times(parts)
        if self.has_members:
            users = table_checksum(ratings.user_table, ratings.user_ids)
            found["tables"] = f"{users} {table_checksum(ratings.item_table, ratings.item_ids)}"
        return found

    def _baseline(self) -> Biases:  # written in `Recommender`
        raise NotImplementedError

    def _saved_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """`_arrays`, and what is learnt beside them: a ranker's prior; a rating model's unit and weight."""
        arrays = self._arrays()
        if self.prior_ is not None:
            arrays = {**arrays, "prior": self.prior_}
        if self.predicts_ratings and not self._as_before:
            arrays = {**arrays, "unit": np.array(self._unit), "model_weight": np.array(self._model_weight)}
        return arrays

    def _restore_saved(self, arrays: LearnedArrays) -> None:
        """Take back what `_saved_arrays` gave; `ratings_` and hyper-parameters are set already.

        Raises:
            Invalid: see `_restore`.
        """
        if "prior" in arrays:
            self.prior_ = arrays.floats("prior", self.ratings_.n_items)
        if self.predicts_ratings:
            self._unit, self._model_weight, self._as_before = RATINGS, 1.0, "unit" not in arrays
            if not self._as_before:
                self._unit, self._model_weight = Unit.read(arrays), arrays.number("model_weight")
                require(0 <= self._model_weight <= 1, "the model's weight is not within 0 and 1")
            else:
                self._read_as_before()
        self._restore(arrays)

    def _read_as_before(self) -> None:
        """Keep the meaning of a file of recae 0.1.0, whose models computed in ratings and had other biases.

        Such a file is known by the missing "unit"; a lean one, made of it since then, holds the biases.
        """
        if self._baseline_ is None:
            self._baseline_ = fit_biases(self.ratings_, user_l2=10.0, item_l2=5.0, sweeps=3)
        self._cold_as_before = True

    # ---------------------------------------------------------------- what a fit has chosen

    @property
    def chosen_(self) -> dict[str, Any]:
        """What the fit has chosen by itself where settings leave it open, by name; kept in the model's file.

        Names are those of hyper-parameters (`l2`, `factors`, `epochs`, `popularity`, ...), and `weight`: of a rating
        model's own answers against the biases, from 0 to 1; `cold_users` and `cold_items`: of what features say of
        users and items without a rating. What the members of a `ranking-blend` and the base of `recency` chose is in
        `members` and `base`, as these settings take it.

        Raises:
            NotFittedError: it has not been fitted.
        """
        self._fitted()
        found = self._about.get("chosen", {}) if self._about else self._found
        return dict(found) if isinstance(found, dict) else {}

    def _fitted(self) -> RatingMatrix:
        return fitted_ratings(self)

    # ---------------------------------------------------------------- answers drawn towards the biases

    def _needs_ratings(self) -> None:
        if not self.predicts_ratings:
            raise ParameterError(
                f"{type(self).__name__} ranks items and predicts no ratings",
                remedy=("ask it to recommend", "use a model such as AutoRec"),
            )

    # ---------------------------------------------------------------- scores

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
        scores: Scores = self._list_scores_of(self.score_users(user_index), user_index)
        return scores

    def ranking_scores_new(self, user_rows: Csr) -> Scores:
        """The same for unseen users from their ratings, (n_rows, n_items) to (n_rows, n_items)."""
        own = self._drawn_scores_new(user_rows)
        scores: Scores = self._or_popular(own, np.diff(user_rows.indptr) == 0)
        return scores

    def _scores_of_new(self, new: RatingMatrix) -> Callable[[IntArray], Scores]:
        """`ranking_scores_new` of rows of `new`, (n,); what reads dates also reads those of `new`.

        What is made of all of `new` is the function's: a model keeps nothing of a request.
        """
        return lambda rows: self.ranking_scores_new(new.user_rows[rows])

    def _list_scores(self, user_index: IntArray) -> Any:
        """As `ranking_scores`, or a tensor on a GPU."""
        return self._list_scores_of(self._device_scores(user_index), user_index)

    def _list_scores_of(self, own: Any, user_index: IntArray) -> Any:
        """What lists are ranked by, from the model's own scores of known users."""
        if self._is_drawn():
            own = self._weighed_scores(own, self._baseline().user[user_index])
        return self._or_popular(own, ~self._serves("user", user_index))

    def _is_drawn(self) -> bool:
        """Whether some answers are not the model's own, but drawn towards the biases."""
        return self._model_weight < 1

    def _lists_by_scores(self) -> bool:
        """Whether lists are in the order of the model's own scores, its prior added."""
        return not self._is_drawn()

    def _drawn_scores(self, user_index: IntArray) -> Scores:
        """Scores of known users, (n, n_items), drawn towards the biases where a fit found that to help; unclipped."""
        own = self.score_users(user_index)
        return self._weighed_scores(own, self._baseline().user[user_index]) if self._is_drawn() else own

    def _drawn_scores_new(self, user_rows: Csr) -> Scores:
        """The same of unseen users, (n_rows, n_items)."""
        own = self.score(user_rows)
        return self._weighed_scores(own, user_deviations(user_rows, self._baseline())) if self._is_drawn() else own

    def _weighed_scores(self, own: Any, user: FloatArray) -> Any:
        """Scores (n, n_items), array or tensor, drawn towards the biases of items and of these users, (n,)."""
        level, item = (self._baseline().mean + user)[:, None], self._baseline().item
        if not isinstance(own, np.ndarray):
            level = as_on(own, level)
        return weighed(self._model_weight, own, with_prior(level, item))

    def _or_popular(self, scores: Any, empty: Mask) -> Any:
        if not self.personal:
            return scores
        return popular_where(empty, with_prior(scores, self.prior_), self.ratings_.counts("item"))

    def _pairs(self, user_index: IntArray, item_index: IntArray) -> Scores:
        """Scores of pairs of known users and items, (n,); by default through dense blocks."""
        return scores_at(user_index, item_index, self.ratings_.n_items, self.score_users)

    def _weighed_pairs(self, user_index: IntArray, item_index: IntArray) -> Scores:
        """`_pairs`, finite, drawn towards the biases."""
        own: Scores = finite(self._pairs(user_index, item_index))
        return weighed(self._model_weight, own, self._baseline().at(user_index, item_index))

    def _pairs_new(self, user_rows: Csr, row_index: IntArray, item_index: IntArray) -> Scores:
        """Scores of pairs (row of `user_rows`, item) of unseen users, (n,); by default through dense blocks."""
        return scores_at(row_index, item_index, self.ratings_.n_items, lambda rows: self.score(user_rows[rows]))

    def _serves(self, by: Literal["user", "item"], index: IntArray) -> npt.NDArray[np.bool_]:
        """Users or items that `_pairs` is asked about, (n,): those with ratings, or a model knows more than ratings.

        The others get the baseline. -1 stands for an unknown id, which nothing is known of.
        """
        return self._has_ratings(by, index)

    def _has_ratings(self, by: Literal["user", "item"], index: IntArray) -> Mask:
        """Which of these users or items have training ratings, (n,); -1 stands for an unknown one, which has none."""
        there = index >= 0  # a lean file has no user
        known: Mask = there.copy()
        known[there] = self.ratings_.counts(by)[index[there]] > 0
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
