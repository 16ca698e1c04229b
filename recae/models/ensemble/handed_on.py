"""`HandsOn`: a model whose answers are another one's."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from recae._types import Csr, FloatArray, IntArray, Mask, Scores
from recae.ratings.matrix import By
from recae.recommender.base import Recommender


class HandsOn(Recommender):
    """Base of models that hand on what a fitted model says of known, unseen and cold users and of items.

    A subclass writes `_answerer`, and overrides the steps in which it says something else.
    """

    @abstractmethod
    def _answerer(self) -> Recommender:
        """The fitted model that answers."""

    def score(self, user_rows: Csr) -> Scores:
        return self._answerer().score(user_rows)

    def score_users(self, user_index: IntArray) -> Scores:
        return self._answerer().score_users(user_index)

    def _pairs(self, user_index: IntArray, item_index: IntArray) -> Scores:
        return self._answerer()._pairs(user_index, item_index)

    def _pairs_new(self, user_rows: Csr, row_index: IntArray, item_index: IntArray) -> Scores:
        return self._answerer()._pairs_new(user_rows, row_index, item_index)

    def _serves(self, by: By, index: IntArray) -> Mask:
        return self._answerer()._serves(by, index)

    def _simple_pairs(self, user_index: IntArray, item_index: IntArray) -> FloatArray:
        return self._answerer()._simple_pairs(user_index, item_index)

    def _simple_pairs_new(self, user_rows: Csr, row_index: IntArray, item_index: IntArray) -> FloatArray:
        return self._answerer()._simple_pairs_new(user_rows, row_index, item_index)

    def _answers_new(self, user_rows: Csr, row_index: IntArray, item_index: IntArray) -> FloatArray:
        return self._answerer()._answers_new(user_rows, row_index, item_index)

    def _cold_grid(self, users: IntArray, items: IntArray) -> FloatArray:
        return self._answerer()._cold_grid(users, items)

    def _cold_grid_new(self, user_rows: Csr, items: IntArray) -> FloatArray:
        return self._answerer()._cold_grid_new(user_rows, items)

    def _told_of_cold_users(self) -> IntArray:
        return self._answerer()._told_of_cold_users()

    def _list_scores_of(self, own: Any, user_index: IntArray) -> Any:
        return self._answerer()._list_scores_of(own, user_index)

    def ranking_scores_new(self, user_rows: Csr) -> Scores:
        return self._answerer().ranking_scores_new(user_rows)

    def item_vectors(self) -> Any:
        return self._answerer().item_vectors()
