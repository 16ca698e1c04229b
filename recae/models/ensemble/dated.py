"""Dated: a rating model, corrected by what it left over of ratings near in time. Reads the date asked for."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from recae._types import DoubleArray, IntArray, Scores
from recae.errors import ParameterError
from recae.models.ensemble.handed_on import HandsOn
from recae.models.ensemble.members import base_of, plain_params
from recae.models.ensemble.time_kernel import near_counts, near_means
from recae.ratings import RatingMatrix
from recae.ratings.known_times import timestamps_of
from recae.recommender.at_moments import PredictsAtMoments
from recae.recommender.base import Recommender
from recae.recommender.fitting import FitOptions
from recae.recommender.learned import LearnedArrays
from recae.recommender.params import hyperparameters, learned, param, seed
from recae.recommender.registry import register
from recae.splitting import take_validation

DAY = 86_400.0
USER_SPANS = (20.0, 60.0, 300.0, 1800.0, DAY, 30 * DAY)  # seconds; a visit lasts minutes
ITEM_SPANS = (3 * DAY, 20 * DAY, 100 * DAY)  # an item's reputation changes over weeks
USER_SHRINK, ITEM_SHRINK = 2.0, 5.0  # ratings of mean 0 that are added
PENALTIES = np.logspace(-2, 6, 17)  # of the ridge regression, chosen among by leaving one out
NEED = ("and this model reads dates", "use its base model by itself")
PAIRS = 2**18  # corrected at once


@register("dated", "a rating model corrected by what it left over of ratings near in time; reads dates")
@hyperparameters
class Dated(HandsOn, PredictsAtMoments):
    """What ratings near in time add to a model that knows no dates.

    The prediction for user u, item i at time t is r̂_ui + c + θ · f_uit. r̂ is the base model's; f holds the means of
    what r̂ left over (r - r̂, on training ratings) of the user's ratings near t, from 20 seconds to a month, and of
    the item's, from days to months, each under a kernel exp(-|t - t_j| / span); how many ratings the user gave on
    that day, for how long the user has been there, and r̂ itself. These are the day effects and drifts of Koren
    ("Collaborative filtering with temporal dynamics", 2009), smoothed from what is left over instead of learnt for
    each user and day.

    θ is a ridge regression on a part put aside, with the base fitted on the rest; then the base is fitted again, on
    all. A validation part given to `fit` is used instead, and the base is fitted once.

    A date is part of the question: `predict(users, items, timestamps=...)`. Without one, the base model's prediction is
    returned, as for unseen users and in lists. Figures belong to the league of dates: knowing to the second when a
    rating was given says which others were given on the same visit, which is unknown when predicting the future.
    """

    has_members: ClassVar[bool] = True

    base: Any = param(
        "dual-autorec", 'the rating model that is corrected: a name; in Python also a model, or {"model": name, ...}'
    )
    holdout: float = param(0.1, "share of the ratings put aside to fit the correction on, in (0, 1)", low=0)
    rng: int = seed("seed of the part put aside, and of the base model where it says none")

    base_: Recommender = learned()
    theta_: DoubleArray = learned()

    # ---------------------------------------------------------------- fitting

    def _fit(self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions) -> None:
        timestamps_of(ratings, *NEED)
        if not 0 < self.holdout < 1:
            raise ParameterError(name="holdout", value=self.holdout, expected="a share above 0 and below 1")
        self.theta_ = np.zeros(len(USER_SPANS) + len(ITEM_SPANS) + 4)
        if validation is None and self.holdout * ratings.n_ratings >= 1:
            rest, aside = take_validation(ratings, self.holdout, self.rng)
            self._set_base(self._new_base().fit(rest, progress=options.progress), rest)
            self.theta_ = self._regress(rest, aside)
        self._set_base(self._new_base().fit(ratings, progress=options.progress), ratings)
        if validation is not None:
            self.theta_ = self._regress(ratings, validation)

    def _new_base(self) -> Recommender:
        return base_of(self.base, self.rng, "give the model that it is made of")

    def _set_base(self, base: Recommender, ratings: RatingMatrix) -> None:
        """The base, and what it left over of its ratings, by users and by items."""
        self.base_, self._model_weight = base, base._model_weight
        users, items, truth = ratings.pairs()
        left = (truth - _base_scores(base, users, items)).astype(np.float64)
        times = timestamps_of(ratings, *NEED).astype(np.float64)
        by_item = np.argsort(items, kind="stable")
        self._by_user = (ratings.user_rows.indptr.astype(np.int64), left, times)
        starts = np.concatenate([[0], np.cumsum(ratings.counts("item"))])
        self._by_item = (starts.astype(np.int64), left[by_item], times[by_item])
        rated = ratings.counts("user") > 0
        self._first = np.zeros(ratings.n_users)
        self._first[rated] = np.minimum.reduceat(times, self._by_user[0][:-1][rated])

    def _regress(self, known: RatingMatrix, aside: RatingMatrix) -> DoubleArray:
        """[θ, c] from ratings that the base has not seen; cold pairs are the fallback's."""
        from sklearn.linear_model import RidgeCV
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        users, items, truth = aside.pairs()
        times = timestamps_of(aside, *NEED).astype(np.float64)
        warm = (known.counts("user")[users] > 0) & (known.counts("item")[items] > 0)
        if warm.sum() <= len(self.theta_):
            return np.zeros_like(self.theta_)
        users, items, truth, times = users[warm], items[warm], truth[warm], times[warm]
        score = _base_scores(self.base_, users, items)
        ridge = make_pipeline(StandardScaler(), RidgeCV(PENALTIES))
        ridge.fit(self._features(users, items, times, score), truth - score)
        scale = np.where(ridge[0].scale_ > 0, ridge[0].scale_, 1)
        theta = ridge[1].coef_ / scale
        return np.append(theta, ridge[1].intercept_ - ridge[0].mean_ @ theta)

    def _features(self, users: IntArray, items: IntArray, times: DoubleArray, score: Scores) -> DoubleArray:
        """f of pairs at times, (n, features): the user's, the item's, r̂."""
        return np.column_stack([self._user_features(users, times), self._item_features(items, times), score])

    def _user_features(self, users: IntArray, times: DoubleArray) -> DoubleArray:
        starts, _, when = self._by_user
        there = np.log1p(near_counts(starts, when, users, times, DAY / 2))
        since = np.log1p(np.maximum(0, times - self._first[users]) / DAY)
        return np.column_stack([near_means(*self._by_user, users, times, USER_SPANS, USER_SHRINK), there, since])

    def _item_features(self, items: IntArray, times: DoubleArray) -> DoubleArray:
        return near_means(*self._by_item, items, times, ITEM_SPANS, ITEM_SHRINK)

    # ---------------------------------------------------------------- scoring

    def _at(self, user_index: IntArray, item_index: IntArray, times: DoubleArray) -> Scores:
        out = np.empty(len(user_index), np.float32)
        for start in range(0, len(user_index), PAIRS):
            part = slice(start, start + PAIRS)
            users, items = user_index[part], item_index[part]
            score = _base_scores(self.base_, users, items)
            features = self._features(users, items, times[part], score)
            out[part] = score + features @ self.theta_[:-1] + self.theta_[-1]
        return out

    def _answerer(self) -> Recommender:
        """Rows, and pairs without a date, hold none: what the base makes of them."""
        return self.base_

    # ---------------------------------------------------------------- files

    def _saved_params(self) -> dict[str, Any]:
        return plain_params(self)

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {"theta": self.theta_, **{f"base/{k}": v for k, v in self.base_._saved_arrays().items()}}

    def _restore(self, arrays: LearnedArrays) -> None:
        base = self._new_base()
        base._set_ratings(self.ratings_)
        base._restore_saved(arrays.under("base/"))
        self.theta_ = arrays.floats("theta", len(USER_SPANS) + len(ITEM_SPANS) + 4, dtype="float64")
        self._set_base(base, self.ratings_)


def _base_scores(base: Recommender, users: IntArray, items: IntArray) -> Scores:
    """The base's scores of pairs, (n,), unclipped, a part at a time."""
    parts = [slice(start, start + PAIRS) for start in range(0, len(users), PAIRS)]
    return np.concatenate([base._weighed_pairs(users[p], items[p]) for p in parts] or [np.empty(0, np.float32)])
