"""`ColdAnswers`: ratings for pairs that a model cannot serve, since a side has no ratings or is unknown."""

from __future__ import annotations

from typing import Any

import numpy as np

from recae._types import Csr, DoubleArray, FloatArray, IntArray, Mask, Scores
from recae.ratings import RatingMatrix
from recae.ratings.csr import take_rows
from recae.ratings.matrix import By
from recae.recommender.biases import Biases, user_deviations, weighed
from recae.recommender.cold_regression import ColdRegression, fit_cold_regression
from recae.recommender.scoring import finite, replaced
from recae.recommender.weighing import Weighing

FEW = 256  # rows whose coefficients are solved for when they are asked for; of more, those of all are kept


class ColdAnswers(Weighing):
    """The part of `Recommender` that knows what the simple answer to a pair is: mu + b_u + b_i.

    The deviation of an item without ratings is not 0: users choose what they rate, and on average it is liked more, or
    less, than everything. So for a user it is what the items that this user rated have; and likewise the deviation of
    a user without ratings, for an item. See `ColdRegression`, to which models with features give theirs.
    """

    def _simple_pairs(self, user_index: IntArray, item_index: IntArray) -> FloatArray:
        """The simple answer of pairs of known users and items, (n,), unclipped; -1 for an unknown one."""
        out = self._baseline().at(user_index, item_index)
        if self._expects_nothing():
            return out
        user, item = self._has_ratings("user", user_index), self._has_ratings("item", item_index)
        sides: tuple[tuple[By, Mask], ...] = (("item", user & ~item), ("user", item & ~user))
        for by, asked in sides:
            if asked.any():
                out[asked] += self._expected(by, user_index[asked], item_index[asked])
        return out

    def _simple_pairs_new(self, user_rows: Csr, row_index: IntArray, item_index: IntArray) -> FloatArray:
        """The same of pairs (row of `user_rows`, item) of unseen users; -1 for an unknown row or item."""
        baseline, nobody = self._baseline(), np.full(len(item_index), -1)
        out = baseline.at(nobody, item_index)
        deviation = user_deviations(user_rows, baseline)
        out += np.append(deviation, np.float32(0))[row_index]  # -1: the 0
        if self._expects_nothing():
            return out
        user = np.append(np.diff(user_rows.indptr), 0)[row_index] > 0
        item = self._has_ratings("item", item_index)
        if (asked := user & ~item).any():
            rows, where = np.unique(row_index[asked], return_inverse=True)
            theta = self._coefficients_in("item", take_rows(user_rows, rows), deviation[rows])
            out[asked] += self._expected_at("item", theta, where, item_index[asked])
        if (asked := item & ~user).any():
            out[asked] += self._expected("user", nobody[asked], item_index[asked])
        return out

    def predict_pairs_new(self, user_rows: Csr, row_index: IntArray, item_index: IntArray) -> Scores:
        """Ratings for pairs (row of `user_rows`, item index) of unseen users, (n,), within the scale.

        An unknown row or item is -1; it, and an item without a training rating, is predicted by the baseline.
        """
        ratings = self._fitted()
        self._needs_ratings()
        return np.clip(self._answers_new(user_rows, row_index, item_index), *ratings.scale)

    def _rated_of_new(
        self, new: RatingMatrix, row_index: IntArray, item_index: IntArray, times: DoubleArray | None = None
    ) -> Scores:
        """`predict_pairs_new` of rows of `new`; what reads dates also reads those of `new`, and is asked at `times`."""
        return self.predict_pairs_new(new.user_rows, row_index, item_index)

    def _answers_new(self, user_rows: Csr, row_index: IntArray, item_index: IntArray) -> FloatArray:
        """What unseen users are told of pairs (row of `user_rows`, item), (n,), unclipped; -1 for an unknown one.

        Of a ranker these are its own scores; of a rating model, ratings drawn towards the biases, and the simple
        answer where nothing else is known.
        """
        if not self.predicts_ratings:
            return self._pairs_new(user_rows, row_index, item_index)
        served = self._serves("item", item_index) & (row_index >= 0)
        out = self._simple_pairs_new(user_rows, row_index, item_index)
        own = finite(self._pairs_new(user_rows, row_index[served], item_index[served]))
        out[served] = weighed(self._model_weight, own, out[served])
        return out

    # ---------------------------------------------------------------- lists

    def _list_scores_of(self, own: Any, user_index: IntArray) -> Any:
        """As of any model; but what a network makes of an empty row is nothing that it has learnt.

        Items without ratings have what is expected of them, and users without ratings, of whom something is known, the
        ratings that they are expected to give.
        """
        scores, users = super()._list_scores_of(own, user_index), np.asarray(user_index)
        if not self.predicts_ratings:
            return scores
        cold, rated = self._cold_items(), self._has_ratings("user", users)
        if len(cold) and rated.any():
            scores = replaced(scores, np.flatnonzero(rated), cold, self._cold_grid(users[rated], cold))
        if (told := np.flatnonzero(np.isin(users, self._told_of_cold_users()))).size:
            items = np.arange(self.ratings_.n_items)
            found = np.stack([self._simple_pairs(np.full_like(items, user), items) for user in users[told]])
            scores = replaced(scores, told, items, found)
        return scores

    def _told_of_cold_users(self) -> IntArray:
        """Users without ratings of whom features tell something; the others' lists are of what is popular."""
        return np.zeros(0, np.int64)

    def ranking_scores_new(self, user_rows: Csr) -> Scores:
        return self._with_cold_items(super().ranking_scores_new(user_rows), user_rows)

    def _with_cold_items(self, scores: Scores, user_rows: Csr) -> Scores:
        """Scores of unseen users, (n_rows, n_items), in which items without ratings have what is expected of them."""
        cold, rated = self._cold_items(), np.flatnonzero(np.diff(user_rows.indptr))
        if not len(cold) or not len(rated):
            return scores
        return np.asarray(replaced(scores, rated, cold, self._cold_grid_new(take_rows(user_rows, rated), cold)))

    def _cold_items(self) -> IntArray:
        """Items without ratings, which stand in lists as they are predicted; none where lists are the same for all."""
        if not self.predicts_ratings or not self.personal or self._expects_nothing():
            return np.zeros(0, np.int64)
        return np.flatnonzero(self.ratings_.counts("item") == 0)

    def _cold_grid(self, users: IntArray, items: IntArray) -> FloatArray:
        """Ratings of users with some for items without, (n, m), unclipped."""
        level = self._baseline().user_means[users]
        return level[:, None] + self._expected_grid("item", self._coefficients("item", users), items)

    def _cold_grid_new(self, user_rows: Csr, items: IntArray) -> FloatArray:
        """The same of unseen users, of whom each has a rating."""
        deviation = user_deviations(user_rows, self._baseline())
        theta = self._coefficients_in("item", user_rows, deviation)
        return self._baseline().mean + deviation[:, None] + self._expected_grid("item", theta, items)

    def _expects_nothing(self) -> bool:
        """Whether this is an old file's model, to which who has no ratings has a deviation of 0."""
        return self._cold_as_before or (self.ratings_.n_users == 0 and self._baseline().new_user is None)

    def _lean_baseline(self) -> Biases:
        """The biases with what a file without ratings keeps of them."""
        baseline, n_items = self._baseline(), self.ratings_.n_items
        if self._expects_nothing() or baseline.new_user is not None:
            return baseline
        nobody, everything = np.full(n_items, -1), np.arange(n_items)
        return baseline._replace(
            new_item=float(self._of_cold("item")[0].level[-1]), new_user=self._expected("user", nobody, everything)
        )

    # ---------------------------------------------------------------- what is expected of those without ratings

    def _expected(self, by: By, user_index: IntArray, item_index: IntArray) -> FloatArray:
        """Deviation of users (items) without ratings, for items (users) with some, of pairs: (n,)."""
        baseline = self._baseline()
        if by == "user" and baseline.new_user is not None:  # a lean file, which knows no user
            return np.asarray(baseline.new_user[item_index], np.float32)
        row_index, column_index = (user_index, item_index) if by == "item" else (item_index, user_index)
        rows, where = np.unique(row_index, return_inverse=True)
        return self._expected_at(by, self._coefficients(by, rows), where, column_index)

    def _coefficients(self, by: By, rows: IntArray) -> list[DoubleArray]:
        """Of each regression, the coefficients of training rows, (n, f + 1); of many, those of all are kept."""
        name, (matrix, deviation) = f"coefficients {by}", self._other_side(by)
        if len(rows) <= FEW and name not in self._derived:
            return self._coefficients_in(by, take_rows(matrix, rows), deviation[rows])
        if name not in self._derived:
            self._derived[name] = self._coefficients_in(by, matrix, deviation)
        return [theta[rows] for theta in self._derived[name]]

    def _coefficients_in(self, by: By, rows: Csr, deviation: FloatArray) -> list[DoubleArray]:
        """The same of any rows of ratings, whose own deviations are (n,)."""
        return [one.coefficients(rows, self._baseline().mean, deviation) for one in self._of_cold(by)]

    def _expected_at(self, by: By, theta: list[DoubleArray], row: IntArray, column: IntArray) -> FloatArray:
        """The deviation of pairs, (n,), of rows with these coefficients and columns without ratings."""
        plain, *told = (one.at(own, row, column) for one, own in zip(self._of_cold(by), theta))
        return plain if not told else plain + self._belief(by, column) * (told[0] - plain)

    def _expected_grid(self, by: By, theta: list[DoubleArray], columns: IntArray) -> FloatArray:
        """The same of all rows with these coefficients and each column, (n, m)."""
        plain, *told = (one.grid(own, columns) for one, own in zip(self._of_cold(by), theta))
        return plain if not told else plain + self._belief(by, columns) * (told[0] - plain)

    def _of_cold(self, by: By) -> tuple[ColdRegression, ...]:
        """The regression of users or items without ratings; a model with features adds that by features."""
        name = f"cold {by}"
        if name not in self._derived:
            self._derived[name] = self._fit_cold(by)
        found: tuple[ColdRegression, ...] = self._derived[name]
        return found

    def _fit_cold(self, by: By) -> tuple[ColdRegression, ...]:
        baseline = self._baseline()
        if baseline.new_user is not None:
            level = np.full(self.ratings_.n_items + 1, float(baseline.new_item))
            return (ColdRegression(level, np.ones((len(level), 1))),)
        rows, deviation = self._other_side(by)
        return (fit_cold_regression(rows, baseline.mean, deviation),)

    def _other_side(self, by: By) -> tuple[Csr, FloatArray]:
        """Rows of the training ratings whose columns are users or items, and the rows' own deviations."""
        if by == "item":
            return self.ratings_.rows("user"), self._baseline().user
        return self.ratings_.rows("item"), self._baseline().item

    def _belief(self, by: By, column: IntArray) -> FloatArray:
        """Of a model with features: how far these are believed, for each of these columns, 0 to 1."""
        raise NotImplementedError
