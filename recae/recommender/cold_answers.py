"""`ColdAnswers`: ratings for pairs that a model cannot serve, since a side has no ratings or is unknown."""

from __future__ import annotations

from typing import Literal

import numpy as np

from recae._types import Csr, DoubleArray, FloatArray, IntArray
from recae.ratings.csr import take_rows
from recae.recommender.biases import Biases, user_deviations
from recae.recommender.cold_regression import ColdRegression, fit_cold_regression
from recae.recommender.contract import Contract

FEW = 256  # rows whose coefficients are solved for when they are asked for; of more, those of all are kept


class ColdAnswers(Contract):
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
        for by, asked in (("item", user & ~item), ("user", item & ~user)):
            if asked.any():
                out[asked] += self._expected(by, user_index[asked], item_index[asked])  # type: ignore[arg-type]
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
            some = take_rows(user_rows, rows)
            out[asked] += self._expected_in("item", some, deviation[rows], where, item_index[asked])
        if (asked := item & ~user).any():
            out[asked] += self._expected("user", nobody[asked], item_index[asked])
        return out

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

    def _expected(self, by: Literal["user", "item"], user_index: IntArray, item_index: IntArray) -> FloatArray:
        """Deviation of users (items) without ratings, for items (users) with some, of pairs: (n,)."""
        baseline = self._baseline()
        if by == "user" and baseline.new_user is not None:  # a lean file, which knows no user
            return np.asarray(baseline.new_user[item_index], np.float32)
        row_index, column_index = (user_index, item_index) if by == "item" else (item_index, user_index)
        rows, where = np.unique(row_index, return_inverse=True)
        if len(rows) > FEW or f"coefficients {by}" in self._derived:
            return self._expected_by(by, self._all_coefficients(by), row_index, column_index)
        matrix, deviation = self._other_side(by)
        return self._expected_in(by, take_rows(matrix, rows), deviation[rows], where, column_index)

    def _all_coefficients(self, by: Literal["user", "item"]) -> list[DoubleArray]:
        """Those of all rows of the training ratings, which are kept: one user's list may need those of all items."""
        name = f"coefficients {by}"
        if name not in self._derived:
            rows, deviation = self._other_side(by)
            self._derived[name] = [
                one.coefficients(rows, self._baseline().mean, deviation) for one in self._of_cold(by)
            ]
        found: list[DoubleArray] = self._derived[name]
        return found

    def _expected_in(
        self, by: Literal["user", "item"], rows: Csr, deviation: FloatArray, where: IntArray, column: IntArray
    ) -> FloatArray:
        """The same, of columns for some rows of ratings; `where` says which row of these a pair has."""
        theta = [one.coefficients(rows, self._baseline().mean, deviation) for one in self._of_cold(by)]
        return self._expected_by(by, theta, where, column)

    def _expected_by(
        self, by: Literal["user", "item"], theta: list[DoubleArray], row: IntArray, column: IntArray
    ) -> FloatArray:
        """The same, from coefficients of rows, of each regression."""
        plain, *told = (one.at(own, row, column) for one, own in zip(self._of_cold(by), theta))
        return plain if not told else plain + self._belief(by, column) * (told[0] - plain)

    def _of_cold(self, by: Literal["user", "item"]) -> tuple[ColdRegression, ...]:
        """The regression of users or items without ratings; a model with features adds that by features."""
        name = f"cold {by}"
        if name not in self._derived:
            self._derived[name] = self._fit_cold(by)
        found: tuple[ColdRegression, ...] = self._derived[name]
        return found

    def _fit_cold(self, by: Literal["user", "item"]) -> tuple[ColdRegression, ...]:
        baseline = self._baseline()
        if baseline.new_user is not None:
            level = np.full(self.ratings_.n_items + 1, float(baseline.new_item))
            return (ColdRegression(level, np.ones((len(level), 1))),)
        rows, deviation = self._other_side(by)
        return (fit_cold_regression(rows, baseline.mean, deviation),)

    def _other_side(self, by: Literal["user", "item"]) -> tuple[Csr, FloatArray]:
        """Rows of the training ratings whose columns are users or items, and the rows' own deviations."""
        if by == "item":
            return self.ratings_.rows("user"), self._baseline().user
        return self.ratings_.rows("item"), self._baseline().item

    def _belief(self, by: Literal["user", "item"], column: IntArray) -> FloatArray:
        """Of a model with features: how far these are believed, for each of these columns, 0 to 1."""
        raise NotImplementedError
