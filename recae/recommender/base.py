"""`Recommender`: what every model can do once it can score rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

import numpy as np
import pandas as pd

from recae._types import IntArray, Mask, Scores
from recae.ratings import RatingMatrix
from recae.ratings.any_frame import as_pandas
from recae.recommender import frames
from recae.recommender.biases import Biases, Unit, few_ratings, fit_baseline
from recae.recommender.fitting import FitOptions, check_fit, checked_validation, one_of_many, say_odd_values
from recae.recommender.nearest import Similar, UnknownItems
from recae.recommender.params import check
from recae.recommender.row import dated_row, row_of
from recae.recommender.scoring import top_allowed, top_n_for_users

if TYPE_CHECKING:
    from recae.training import Callback

UnknownUsers = Literal["error", "popular", "warn", "ignore"]
UnknownPairs = Literal["error", "baseline", "warn", "ignore"]


class Recommender(Similar):
    """Base of all models.

    A model is a keyword-only dataclass of hyper-parameters (`recae.recommender.params.param`) that writes `_fit`,
    `score`, `_arrays` and `_restore`. Everything that a user calls is here. Learned state ends in `_`.

    Attributes:
        ratings_: what the model was fitted on: its vocabularies, tables and what each user has seen.
    """

    # ---------------------------------------------------------------- fitting

    def fit(
        self,
        ratings: RatingMatrix,
        validation: RatingMatrix | None = None,
        *,
        validation_input: RatingMatrix | None = None,
        start: Recommender | None = None,
        checkpoint: str | Path | None = None,
        checkpoint_seconds: float = 60.0,
        resume: bool = False,
        progress: bool | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> Self:
        """Learn from ratings.

        Args:
            ratings: to learn from.
            validation: held-out ratings, matched by raw id where they come from a file of their own; those of users
                or items that `ratings` lacks are left out, with a warning. Iterative models stop by them and keep the
                best epoch. Closed-form models have no use for them.
            validation_input: what hidden validation users show, row by row (`validation_input` of a split by users);
                `validation` then holds theirs, and not those of the users learnt from. Ranking models only.
            start: a fitted model of the same kind, such as yesterday's, whose weights training begins with: ids that it
                knows start where they were, new ones from means. A few epochs then do. Models in epochs only.
            checkpoint: a file that training keeps its state in, at most every `checkpoint_seconds`.
            resume: go on from `checkpoint` if it is there, exactly as if nothing had happened.
            progress: show a bar; None for "where stderr is a terminal".
            callbacks: are told of each training and epoch, and may end it (`recae.training.Callback`). Models in epochs
                only.

        Under torchrun all processes call this alike, with the same ratings, and all of them end with the same model
        (docs/scale.md); within `recae.distributed.ranks.single_process()` each fits its own.

        Raises:
            ParameterError: a hyper-parameter is out of range, or several processes cannot fit this model together.
            DataError: there is nothing to learn from (for a model that predicts ratings: all are equal), or
                `validation` has other users or items, or hidden users for a model that predicts ratings.
            ProcessLostError: another process of those that fit it together is gone.
        """
        check(self)
        options = FitOptions(checkpoint, checkpoint_seconds, resume, progress, validation_input, start=start)
        check_fit(type(self), ratings, options, callbacks)
        validation = checked_validation(self, ratings, validation, options)
        with _telling(callbacks), one_of_many() as outermost:
            self._fit_alone(ratings, validation, options)
            self._weigh(ratings, validation, options)
        if outermost:
            say_odd_values(self, ratings)
        return self

    def _fit_alone(self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions) -> None:
        """Fit what has been checked; the model's answers are its own."""
        self._found = {}
        self._as_before = self._cold_as_before = False
        if self.predicts_ratings:
            self._baseline_, self._unit, self._model_weight = fit_baseline(ratings), Unit.of(ratings.scale), 1.0
        self._fit(ratings, validation, options)
        self._set_ratings(ratings)

    def _weigh(self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions) -> None:
        """Draw the answers towards the biases, where that is called for."""
        if self._is_weighed(ratings):
            self._model_weight = self._estimate_weight(ratings, validation, options)
            self._record(weight=self._model_weight)

    def _is_weighed(self, ratings: RatingMatrix) -> bool:
        """Whether answers are drawn towards the biases, by a weight that held-out ratings give."""
        shrink, n = self.get_params().get("shrink", "never"), ratings.n_ratings
        return shrink == "always" or (shrink == "auto" and few_ratings(ratings.shape, n, self.enough_ratings))

    def _record(self, **found: Any) -> None:
        """Keep for `chosen_` what a fit has found: plain numbers and texts, and lists of settings."""
        self._found = {**self._found, **found}

    def _record_open(self, **found: Any) -> None:
        """The same for settings, of which those that are given were not chosen."""
        self._record(**{name: value for name, value in found.items() if getattr(self, name) is None})

    def _set_ratings(self, ratings: RatingMatrix) -> None:
        """Keep the ratings that the model is fitted on, and forget what was derived from others."""
        self.ratings_, self._derived, self._about = ratings, {}, {}

    def _baseline(self) -> Biases:
        """mu + b_u + b_i of the training ratings, fitted once: by `fit`, or at the first request of a saved model."""
        if self._baseline_ is None:
            self._baseline_ = fit_baseline(self.ratings_)
        return self._baseline_

    # ---------------------------------------------------------------- ratings of pairs

    def predict(self, users: Any, items: Any, *, unknown: UnknownPairs = "error") -> Scores:
        """Ratings for pairs of raw ids, (n,), within the scale.

        Args:
            users, items: raw ids, aligned; one id on either side stands for all.
            unknown: for ids that were not in training: raise an `error`, predict the `baseline` mu + b_u + b_i with
                what is known, or give NaN, and `warn` of it or `ignore` it. A user or an item without a single
                training rating is predicted by the baseline in any case: the deviation of such an item is what those
                have that the user rated, as is that of such a user for an item.

        Raises:
            ParameterError: the model ranks and predicts no ratings, or there are not equally many users and items.
            UnknownIdError: an id is unknown, and `unknown` is "error".
        """
        ratings = self._fitted()
        self._needs_ratings()
        frames.check_choice("unknown", unknown, get_args(UnknownPairs))
        index = frames.find_pairs(ratings, users, items, unknown)
        return frames.without_unknown(self.predict_pairs(*index), *index, unknown)

    def predict_pairs(self, user_index: IntArray, item_index: IntArray) -> Scores:
        """Ratings for pairs of indices of known users and items, (n,), within the scale; -1 for an unknown one."""
        ratings = self._fitted()
        self._needs_ratings()
        served = self._serves("user", user_index) & self._serves("item", item_index)
        out = np.empty(len(served), np.float32)
        out[~served] = self._simple_pairs(user_index[~served], item_index[~served])
        out[served] = self._weighed_pairs(user_index[served], item_index[served])
        return np.clip(out, *ratings.scale)

    def predict_new(
        self, new_ratings: pd.DataFrame | RatingMatrix, pairs: pd.DataFrame, *, unknown: UnknownPairs = "error"
    ) -> Scores:
        """Ratings for pairs of users never trained on, from only their ratings: (n,), within the scale.

        Args:
            new_ratings: frame with user, item, rating (or a RatingMatrix): what the new users rated. Items unknown to
                the model are left out, with a warning unless `unknown` is "ignore".
            pairs: frame with user, item: what is asked for. Users are those of `new_ratings`.
            unknown: for a pair's user without ratings in `new_ratings`, and for an item that was not in training: as
                in `predict`.

        Raises:
            UnknownIdError: an id is unknown, and `unknown` is "error".
            DataError: a rating is outside the scale.
        """
        self._fitted()
        frames.check_choice("unknown", unknown, get_args(UnknownPairs))
        new = frames.new_users(new_ratings, self, unknown=unknown)
        pairs = as_pandas(pairs)
        frames.require(pairs, ("user", "item"), "pairs")
        index = frames.find_pairs(new, pairs["user"], pairs["item"], unknown)
        return frames.without_unknown(self._rated_of_new(new, *index), *index, unknown)

    # ---------------------------------------------------------------- recommendations

    def recommend(
        self,
        users: Any,
        n: int = 10,
        *,
        filter_seen: bool = True,
        candidates: Iterable[Any] | None = None,
        exclude: Iterable[Any] | None = None,
        unknown: UnknownUsers = "error",
    ) -> pd.DataFrame:
        """The n best items for each user: a frame with user, item, score, rank (from 1), and title where known.

        A user without a training rating gets the most popular items, whose score is their number of ratings, where the
        model knows nothing else of that user.

        Args:
            users: raw ids, one or many.
            n: items a user, at most: fewer where fewer are left, or the catalogue has fewer.
            filter_seen: leave out what the user rated in training.
            candidates: raw item ids to choose among; by default all.
            exclude: raw item ids to leave out.
            unknown: for users that were not in training: raise an `error`, list the most `popular` items, or give no
                list, and `warn` of it or `ignore` it. An unknown item in `candidates` or `exclude` is an error
                likewise, or is passed over, with a warning unless it is "ignore".

        Raises:
            UnknownIdError: a user or an item is unknown, and `unknown` is "error".
            ParameterError: n is below 1.
        """
        ratings = self._fitted()
        frames.check_choice("unknown", unknown, get_args(UnknownUsers))
        n = frames.checked_n(n, ratings.n_items)
        allowed = frames.allowed_items(ratings, candidates, exclude, unknown)
        wanted = frames.as_id_array(users)
        user_index = frames.find(ratings, "user", wanted, unknown, "they get no list")
        if unknown in ("warn", "ignore"):
            wanted, user_index = wanted[user_index >= 0], user_index[user_index >= 0]
        found = np.full((len(wanted), n), -1, np.int64), np.full((len(wanted), n), -np.inf, np.float32)
        known = user_index >= 0
        found[0][known], found[1][known] = self.recommend_users(
            user_index[known], n, filter_seen=filter_seen, allowed=allowed
        )
        if (user_index < 0).any():
            popular = frames.popular(ratings, n, allowed)
            found[0][user_index < 0], found[1][user_index < 0] = popular
        return frames.ranked_frame(wanted, *found, ratings)

    def recommend_users(
        self, user_index: IntArray, n: int = 10, *, filter_seen: bool = True, allowed: Mask | None = None
    ) -> tuple[IntArray, Scores]:
        """As `recommend`, of indices of known users: item indices and scores, (n_users, n); -1 where none is left."""
        ratings = self._fitted()
        n = frames.checked_n(n, ratings.n_items)
        everything = np.ones(ratings.n_items, bool) if allowed is None else allowed
        return top_n_for_users(self._list_scores, user_index, ratings.user_rows if filter_seen else None, n, everything)

    def recommend_new(
        self, new_ratings: pd.DataFrame | RatingMatrix, n: int = 10, *, filter_seen: bool = True,
        candidates: Iterable[Any] | None = None, exclude: Iterable[Any] | None = None, unknown: UnknownItems = "error",
    ) -> pd.DataFrame:  # fmt: skip
        """As `recommend`, for users never trained on, from only their ratings, without retraining.

        Args:
            new_ratings: frame with user, item, rating (rating may be missing for models that rank), or a
                RatingMatrix. Items unknown to the model are left out, with a warning unless `unknown` is "ignore"; a
                user of whom no rating is left gets the most popular items.
            unknown: for an unknown item in `candidates` or `exclude`: raise an `error`, or pass it over, and `warn` of
                it or `ignore` it.
        """
        ratings = self._fitted()
        frames.check_choice("unknown", unknown, get_args(UnknownItems))
        n = frames.checked_n(n, ratings.n_items)
        new = frames.new_users(new_ratings, self, unknown=unknown)
        allowed = frames.allowed_items(ratings, candidates, exclude, unknown)
        seen = new.user_rows if filter_seen else None
        found = top_n_for_users(self._scores_of_new(new), np.arange(new.n_users), seen, n, allowed)
        return frames.ranked_frame(new.user_ids, *found, ratings)

    def recommend_row(
        self, item_index: Any, ratings: Any = None, n: int = 10, *, filter_seen: bool = True,
        allowed: Mask | None = None, timestamps: Any = None,
    ) -> tuple[IntArray, Scores]:  # fmt: skip
        """As `recommend_new`, for one user, of arrays and in arrays: the fast way in, for a server.

        Nothing is a frame here, and nothing is looked up by raw id: a row of three ratings takes well under a
        millisecond with the models whose scores do (`ratings_.item_index` and `ratings_.item_ids` translate ids).

        Args:
            item_index: columns of the items that the user rated, (k,), in any order; of one that occurs twice, ratings
                are merged as those of training were (`ratings_.read_as`): the last one counts by default.
            ratings: (k,), on the scale of the training ratings; may be None for models that rank, as 1 each.
            n: length of the list, at most.
            filter_seen: leave out the items of `item_index`.
            allowed: which items may be listed, bool (n_items,); None for all.
            timestamps: of each rating, seconds since 1970, (k,), in any order; they say which of an item's is the last.

        Returns:
            Item indices and scores, best first, (n,) each; shorter where fewer items are left.

        Raises:
            ParameterError: n is below 1, an index is none, or shapes differ.
            DataError: a rating is missing, is not finite or is outside the scale.
        """
        known = self._fitted()
        n = frames.checked_n(n, known.n_items)
        if timestamps is None or not self.reads_dates:
            row = row_of(item_index, ratings, known, needs_rating=self.predicts_ratings, timestamps=timestamps)
            scores = self.ranking_scores_new(row)
        else:
            new = dated_row(item_index, ratings, timestamps, known, needs_rating=self.predicts_ratings)
            row, scores = new.user_rows, self._scores_of_new(new)(np.zeros(1, np.int64))
        index, listed = (found[0] for found in top_allowed(scores, row if filter_seen else None, n, allowed))
        return index[index >= 0], listed[index >= 0]


def _telling(callbacks: Sequence[Callback]) -> AbstractContextManager[None]:
    """Within, trainings tell `callbacks`; without any, PyTorch is not needed."""
    if not callbacks:
        return nullcontext()
    from recae.training.reporting import telling

    return telling(*callbacks)
