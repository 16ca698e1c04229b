"""`ColdFeatures`: users and items without ratings are answered for by what their features say."""

from __future__ import annotations

from typing import Any

import numpy as np

from recae._types import Arrays, DoubleArray, FloatArray, IntArray, Mask
from recae.models.autorec.autorec import AutoRec
from recae.models.autorec.cold_weights import ColdWeights, cold_part, cold_weights
from recae.models.autorec.feature_tables import encode_table
from recae.ratings import RatingMatrix
from recae.ratings.matrix import By
from recae.recommender.cold_regression import ColdRegression, fit_cold_regression, shared
from recae.recommender.fitting import FitOptions
from recae.recommender.learned import LearnedArrays
from recae.recommender.params import hyperparameters, learned
from recae.schemas import require


@hyperparameters
class ColdFeatures(AutoRec):
    """The part of AutoRec with features that answers where there is no rating.

    For an item without ratings each user has a regression of ratings on the items' features, whose coefficients are
    near those of all where the user rated little; for a user without ratings each item has one on the users'. Between
    such a user and such an item stands what users of these features have for items of those.

    How far features are believed is estimated in `fit`: a tenth of the users and of the items lose all their ratings,
    and what the regressions explain of theirs gives a weight against what is expected without features, one for users
    and one for items (`cold_weights`). So features that say nothing do no harm. `shrink="never"` takes them at their
    word.
    """

    _cold_weights: ColdWeights | None = learned()

    def _table(self, ratings: RatingMatrix, by: str) -> Any:
        """The table that is read of users or items; None for none."""
        raise NotImplementedError

    # ---------------------------------------------------------------- fitting

    def _fit(self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions) -> None:
        self._cold_weights = None
        super()._fit(ratings, validation, options)

    def _weigh(self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions) -> None:
        super()._weigh(ratings, validation, options)
        if self.shrink == "never":
            return
        part = cold_part(ratings, {by: self._described(by) for by in ("user", "item")}, self.rng)
        if part is not None:
            self._cold_weights = cold_weights(part, {by: self._bent_features(by) for by in ("user", "item")})
            self._record(cold_users=self._cold_weights.user, cold_items=self._cold_weights.item)

    # ---------------------------------------------------------------- what features say

    def _bent_features(self, by: By) -> FloatArray:
        """Features of users or items, (n, f), whose numbers bend."""
        name = f"bent features {by}"
        if name not in self._derived:
            ratings = self.ratings_
            ids = ratings.user_ids if by == "user" else ratings.item_ids
            self._derived[name] = encode_table(self._table(ratings, by), ids, bends=True).matrix
        features: FloatArray = self._derived[name]
        return features

    def _described(self, by: By) -> Mask:
        """Of whom features are known and believed, (n_users,) or (n_items,)."""
        name = f"described {by}"
        if name not in self._derived:
            self._derived[name] = (self._bent_features(by) != 0).any(axis=1)
        return np.asarray(self._derived[name] & (getattr(self._chosen_weights(), by) > 0))

    def _chosen_weights(self) -> ColdWeights:
        return ColdWeights() if self._cold_weights is None else self._cold_weights

    def _fit_cold(self, by: By) -> tuple[ColdRegression, ...]:
        plain = super()._fit_cold(by)
        if not self._described(by).any():
            return plain
        rows, deviation = self._other_side(by)
        pull = getattr(self._chosen_weights(), f"{by}_pull")
        features = self._bent_features(by)
        return (*plain, fit_cold_regression(rows, self._baseline().mean, deviation, features, pull))

    def _belief(self, by: By, column: IntArray) -> FloatArray:
        weight = getattr(self._chosen_weights(), by) * self._described(by)
        return np.asarray(np.append(weight, 0.0)[column], np.float32)  # -1 reads the 0

    def _simple_pairs(self, user_index: IntArray, item_index: IntArray) -> FloatArray:
        out = super()._simple_pairs(user_index, item_index)
        neither = ~self._has_ratings("user", user_index) & ~self._has_ratings("item", item_index)
        if neither.any():
            out[neither] += self._expected_of_both(user_index[neither], item_index[neither])
        return out

    def _expected_of_both(self, user_index: IntArray, item_index: IntArray) -> FloatArray:
        """What features say of users without ratings for items without, of pairs, (n,), against mu."""
        user, item = self._belief("user", user_index), self._belief("item", item_index)
        told = {by: self._of_cold(by)[1:] for by in ("user", "item")}
        out = np.zeros(len(user), np.float32)
        for known, index, weight in ((told["user"], user_index, user), (told["item"], item_index, item)):
            for one in known:
                out += weight * (one.level[index] - one.level[-1]).astype(np.float32)
        if told["user"] and told["item"]:
            cross = self._cross(told["user"][0])
            both = np.einsum("zk,zk->z", told["user"][0].x[user_index] @ cross, told["item"][0].x[item_index])
            out += user * item * both.astype(np.float32)
        return out

    def _cross(self, of_users: ColdRegression) -> DoubleArray:
        """What users' features say of their coefficients on items' features, (f_users + 1, f_items + 1)."""
        if "cross" not in self._derived:
            _, theta = self._coefficients("item", np.arange(self.ratings_.n_users))
            self._derived["cross"] = shared(of_users.x[:-1], theta, self.ratings_.counts("user"))
        cross: DoubleArray = self._derived["cross"]
        return cross

    # ---------------------------------------------------------------- lists

    def _lists_by_scores(self) -> bool:
        return super()._lists_by_scores() and not len(self._told_of_cold_users())

    def _told_of_cold_users(self) -> IntArray:
        return np.flatnonzero((self.ratings_.counts("user") == 0) & self._described("user"))

    # ---------------------------------------------------------------- files

    def _arrays(self) -> Arrays:
        found = super()._arrays()
        return found if self._cold_weights is None else {**found, "cold_weights": np.array(self._cold_weights)}

    def _read_as_before(self) -> None:
        super()._read_as_before()
        self._cold_as_before = False  # features said something then, too

    def _restore(self, arrays: LearnedArrays) -> None:
        self._cold_weights = None  # as in a file of recae 0.1.0
        if "cold_weights" in arrays:
            found = [float(one) for one in arrays.floats("cold_weights", -1, dtype="float64")]
            require(len(found) in (2, 4), "weights of features are neither two nor, with their pulls, four numbers")
            self._cold_weights = ColdWeights(*found)
            require(all(0 <= w <= 1 for w in found[:2]), "a weight of features is not within 0 and 1")
            require(all(pull > 0 for pull in found[2:]), "a pull of features is not above 0")
        super()._restore(arrays)
