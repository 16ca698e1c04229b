"""Hybrid: a rating model beside regressions on features, each user's on those of items and each item's on users'."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar, Literal

import numpy as np

from recae._types import Arrays, Csr, FloatArray, IntArray, Mask, Scores
from recae.models.autorec.feature_tables import encode_table
from recae.models.ensemble.feature_regression import (
    Opinions,
    fit_opinions,
    less,
    rows_less,
    with_cold_rows,
)
from recae.models.ensemble.members import base_of, plain_params
from recae.models.ensemble.some_users import some_users
from recae.models.outputs.heads import LEVELS, has_levels
from recae.ratings import RatingMatrix
from recae.ratings.matrix import By
from recae.recommender.base import Recommender
from recae.recommender.biases import PRIOR
from recae.recommender.fitting import FitOptions
from recae.recommender.learned import LearnedArrays
from recae.recommender.params import hyperparameters, learned, param, seed
from recae.recommender.registry import register
from recae.recommender.weighing import ASIDE
from recae.splitting import take_validation

SIDES: tuple[By, By] = ("item", "user")


@register("hybrid", "a rating model beside regressions on features of items and users; serves cold ones")
@hyperparameters
class Hybrid(Recommender):
    """r̂_ui = f_ui + m_ui, where f is what features say and m a rating model of what they leave.

    f_ui = γ · x_i + θ_u · x_i: x_i are the features of item i, γ is what they mean to everybody, and θ_u what they mean
    to user u, a ridge regression of the user's ratings (Burke, "Hybrid recommender systems", 2002, calls this feature
    augmentation). θ_u knows the ratings of u. So m learns from r_ui less what θ from the *other* ratings of u says,
    which is what f is like for an item that u has not rated. Of a ridge regression this needs no second fit. Features
    of users are read in the same way from what this leaves: each item has a regression on them.

    How strongly θ is drawn to 0 is chosen by what is left of ratings that θ has not seen. Where that is not clearly
    less than without features, they are not read; nor where m alone is better on a tenth of the ratings, since it
    learns by itself what θ learns worse. Who has no ratings has what the base expects, and f; θ of a user without
    ratings is what users with features like theirs have. Unseen users are known only by their ratings. A base that
    takes stars for ordered levels takes what features leave of them so, too, in `BINS` parts.
    """

    predicts_ratings: ClassVar[bool] = True
    iterative: ClassVar[bool] = True  # where its base is
    has_members: ClassVar[bool] = True

    base: Any = param(
        "dual-autorec", 'the rating model beside features: a name; in Python also a model, or {"model": name, ...}'
    )
    features: Literal["both", "user", "item", "none"] = param(
        "both", "whose tables are read, where they tell something", choices=("both", "user", "item", "none")
    )
    item_pull: float | None = param(
        None, "ratings' worth of pull to 0 of what items' features mean to a user; none to choose it", low=0.1
    )
    user_pull: float | None = param(
        None, "ratings' worth of pull to 0 of what users' features mean to an item; none to choose it", low=0.1
    )
    compare: bool = param(
        True,
        "leave features out where the base alone is better on ratings put aside (two fits, of 300,000 ratings at most)",
    )
    rng: int = seed("seed of the base where it says none, and of whom the choice of pulls looks at")

    base_: Recommender = learned()
    opinions_: dict[By, Opinions] = learned()
    told_: FloatArray = learned()

    @property
    def league(self) -> str:
        """A key of `recae.comparison.leagues.LEAGUES`."""
        return "ratings" if self.features == "none" else "side"

    # ---------------------------------------------------------------- fitting

    def _fit(self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions) -> None:
        base = self._new_base()
        self._regress(ratings)
        if not base.iterative:
            options = replace(options, checkpoint=None, resume=False)
        if self.opinions_ and self.compare:
            options = replace(options, weight=self._compare(ratings, validation, options))
        if self.opinions_ and _leaves_output_open(base) and has_levels(ratings):
            base.set_params(output="ordinal")  # what features leave of levels is nearly as ordered as these
        if validation is not None:
            users, items, _ = validation.pairs()
            validation = less(validation, self._told(users, items))
        left = less(ratings, self.told_)
        base._fit_alone(left, validation, options)
        base._weigh(left, validation, options)
        self.base_ = base

    def _compare(self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions) -> float | None:
        """Leave features out if the base alone is better on ratings put aside, of all users or of some.

        Returns:
            The weight of what is better against the biases; None where all ratings are to say it, or too few are left.
        """
        some = some_users(ratings, self.rng)
        whole = some is ratings
        if whole and validation is not None:
            rest, aside = ratings, validation
        else:
            rest, aside = take_validation(some, ASIDE, self.rng)
        if len(aside) < PRIOR:
            return None
        users, items, truth = aside.pairs()
        found = {}
        for features in ("none", self.features):
            trial = self.clone().set_params(features=features, compare=False, base=self._undrawn_base())
            quiet = replace(options, checkpoint=None, resume=False, label=f"comparing, features: {features}")
            trial._fit_alone(rest, None, quiet)
            trial._draw_by(aside)
            error = np.square(truth - trial.predict_pairs(users, items), dtype=np.float64).mean()
            found[features] = float(error), trial.base_._model_weight
        best = min(found, key=found.__getitem__)
        if best == "none":
            self._read_nothing(ratings)
        return found[best][1] if whole else None

    def _undrawn_base(self) -> Recommender:
        """The base, not to be drawn to the biases by a fit of its own."""
        base = self._new_base()
        return base.set_params(shrink="never") if "shrink" in base.get_params() else base

    def _read_nothing(self, ratings: RatingMatrix) -> None:
        self.opinions_, self.told_, self._found = {}, np.zeros(len(ratings), np.float32), {}
        self._record(features="none")

    def _regress(self, ratings: RatingMatrix) -> None:
        """What features say, and what they say of each training rating, (nnz,)."""
        self._read_nothing(ratings)
        features = {by: self._features(ratings, by) for by in SIDES}
        for by, across in (SIDES, SIDES[::-1]):
            if not features[by].any():
                continue
            pull = getattr(self, f"{by}_pull")
            found = fit_opinions(less(ratings, self.told_), by, features[by], pull, self.rng)
            if found is not None:
                opinions, told = found
                self.opinions_[by] = with_cold_rows(opinions, features[across], ratings.counts(across))
                self.told_ = self.told_ + told
                self._record_open(**{f"{by}_pull": opinions.regression.pull})
        self._record(features="both" if len(self.opinions_) == len(SIDES) else "".join(self.opinions_) or "none")

    def _draw_by(self, aside: RatingMatrix) -> None:
        users, items, _ = aside.pairs()
        self.base_._draw_by(less(aside, self._told(users, items)))

    def _features(self, ratings: RatingMatrix, by: By) -> FloatArray:
        """Features of items or users that are to be read, (n, f)."""
        table, ids = (ratings.item_table, ratings.item_ids) if by == "item" else (ratings.user_table, ratings.user_ids)
        return encode_table(table if self.features in ("both", by) else None, ids, bends=True).matrix

    def _new_base(self) -> Recommender:
        return base_of(self.base, self.rng, "give Dated a Hybrid as its base, not the reverse")

    # ---------------------------------------------------------------- known users

    def score_users(self, user_index: IntArray) -> Scores:
        users = np.asarray(user_index)
        scores = np.array(self.base_._drawn_scores(users), np.float32)
        for by, one in self.opinions_.items():
            scores += one.grid(rows=users) if by == "item" else one.grid(columns=users).T
        return scores

    def _pairs(self, user_index: IntArray, item_index: IntArray) -> Scores:
        return self.base_._weighed_pairs(user_index, item_index) + self._told(user_index, item_index)

    def _simple_pairs(self, user_index: IntArray, item_index: IntArray) -> FloatArray:
        return self.base_._simple_pairs(user_index, item_index) + self._told(user_index, item_index)

    def _told(self, user_index: IntArray, item_index: IntArray) -> FloatArray:
        """What features say of pairs of known users and items, (n,); -1 for an unknown one."""
        out = np.zeros(len(user_index), np.float32)
        for by, one in self.opinions_.items():
            out += one.at(user_index, item_index) if by == "item" else one.at(item_index, user_index)
        return out

    def _serves(self, by: By, index: IntArray) -> Mask:
        return self.base_._serves(by, index)

    # ---------------------------------------------------------------- unseen users

    def score(self, user_rows: Csr) -> Scores:
        left, opinions = self._left_of_new(user_rows)
        scores = self.base_._drawn_scores_new(left)
        return scores if opinions is None else scores + opinions.grid()

    def _answers_new(self, user_rows: Csr, row_index: IntArray, item_index: IntArray) -> FloatArray:
        left, opinions = self._left_of_new(user_rows)
        return _plus(self.base_._answers_new(left, row_index, item_index), opinions, row_index, item_index)

    def _pairs_new(self, user_rows: Csr, row_index: IntArray, item_index: IntArray) -> Scores:
        return self._answers_new(user_rows, row_index, item_index)

    def _simple_pairs_new(self, user_rows: Csr, row_index: IntArray, item_index: IntArray) -> FloatArray:
        left, opinions = self._left_of_new(user_rows)
        return _plus(self.base_._simple_pairs_new(left, row_index, item_index), opinions, row_index, item_index)

    def _left_of_new(self, user_rows: Csr) -> tuple[Csr, Opinions | None]:
        """Rows of unseen users less what items' features say of them, and these users' opinions, if any are read."""
        if "item" not in self.opinions_:
            return user_rows, None
        regression = self.opinions_["item"].regression
        theta, told, _ = regression.leave_one_out(regression.left_of_new(user_rows))
        return rows_less(user_rows, told + regression.level[user_rows.indices]), Opinions(regression, theta)

    # ---------------------------------------------------------------- lists

    def _cold_grid(self, users: IntArray, items: IntArray) -> FloatArray:
        found = self.base_._cold_grid(users, items)
        for by, one in self.opinions_.items():
            found = found + (one.grid(users, items) if by == "item" else one.grid(items, users).T)
        return found

    def _cold_grid_new(self, user_rows: Csr, items: IntArray) -> FloatArray:
        left, opinions = self._left_of_new(user_rows)
        found = self.base_._cold_grid_new(left, items)
        return found if opinions is None else found + opinions.grid(columns=items)

    def _told_of_cold_users(self) -> IntArray:
        if "told of cold users" not in self._derived:
            told = np.zeros(self.ratings_.n_users, bool)
            for by, one in self.opinions_.items():
                told |= (one.regression.x if by == "user" else one.theta).any(axis=1)
            self._derived["told of cold users"] = np.flatnonzero((self.ratings_.counts("user") == 0) & told)
        found: IntArray = self._derived["told of cold users"]
        return found

    def item_vectors(self) -> Any:
        return self.base_.item_vectors()

    # ---------------------------------------------------------------- files

    def _saved_params(self) -> dict[str, Any]:
        return plain_params(self)

    def _arrays(self) -> Arrays:
        arrays = {f"base/{name}": array for name, array in self.base_._saved_arrays().items()}
        for by, one in self.opinions_.items():
            arrays |= {f"{by}/{name}": array for name, array in one.arrays().items()}
        return {**arrays, "told": self.told_}

    def _restore(self, arrays: LearnedArrays) -> None:
        self.told_, shape = arrays.floats("told", self.ratings_.n_ratings), self.ratings_.shape
        self.opinions_ = {
            by: Opinions.read(arrays.under(f"{by}/"), shape if by == "item" else shape[::-1])
            for by in SIDES
            if f"{by}/theta" in arrays
        }
        base = self._new_base()
        if _leaves_output_open(base) and f"base/{LEVELS}" in arrays:
            base.set_params(output="ordinal")
        base._set_ratings(less(self.ratings_, self.told_))
        base._restore_saved(arrays.under("base/"))
        self.base_ = base


def _leaves_output_open(base: Recommender) -> bool:
    """Whether a base is left to choose between ordered levels and ratings as they are (`DualAutoRec`)."""
    return base.get_params().get("output") == "auto"


def _plus(own: FloatArray, opinions: Opinions | None, row_index: IntArray, item_index: IntArray) -> FloatArray:
    """Answers to pairs, (n,), and what the rows' opinions add to them."""
    return own if opinions is None else own + opinions.at(row_index, item_index)
