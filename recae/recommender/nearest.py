"""`Similar`: the items, and the users, that are nearest to each other in a model."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, get_args

import numpy as np
import pandas as pd

from recae._types import Csr, FloatArray
from recae.notebook import html_table
from recae.recommender import frames
from recae.recommender.saving import Saving
from recae.recommender.scoring import most_similar

UnknownItems = Literal["error", "warn", "ignore"]


class Similar(Saving):
    """The part of `Recommender` that compares items with items and users with users."""

    lists_by_product: ClassVar[bool] = False  # lists are in the order of user_vectors() @ item_vectors().T, and what
    # `_added_to_lists` adds to each item's

    def similar_items(self, items: Any, n: int = 10, *, unknown: UnknownItems = "error") -> pd.DataFrame:
        """The n items nearest to each one, by the cosine of `item_vectors`: item, similar, score, rank, title.

        Args:
            items: raw ids, one or many.
            n: items in a list, at most: fewer where the catalogue has fewer others.
            unknown: for items that were not in training: raise an `error`, or give no list, and `warn` of it or
                `ignore` it.

        Raises:
            UnknownIdError: an item is unknown, and `unknown` is "error".
            ParameterError: n is below 1.
        """
        return self._nearest("item", items, n, unknown)

    def similar_users(self, users: Any, n: int = 10, *, unknown: UnknownItems = "error") -> pd.DataFrame:
        """The n users nearest to each one, by the cosine of `user_vectors`: user, similar, score, rank.

        Args:
            users: raw ids, one or many.
            n, unknown: as in `similar_items`.

        Raises:
            UnknownIdError: a user is unknown, and `unknown` is "error".
            ParameterError: n is below 1.
        """
        return self._nearest("user", users, n, unknown)

    def user_vectors(self) -> FloatArray | Csr:
        """One vector a user, (n_users, d), dense or sparse, whose cosine is similarity; by default what they rated."""
        return self._fitted().rows("user")

    def _added_to_lists(self) -> FloatArray | None:
        """Where `lists_by_product`: what lists add to each item's product, (n_items,); None for nothing."""
        return None

    def _unit_vectors(self, by: Literal["user", "item"]) -> tuple[Any, Any]:
        """Vectors of users or items, each of length 1, (n, d), and their transpose.

        Sparse ones are as long as the ratings, so that they are kept: a request makes nothing of that length.
        """
        name = f"unit vectors {by}"
        if name in self._derived:
            kept: tuple[Any, Any] = self._derived[name]
            return kept
        unit = frames.normalised(self.item_vectors() if by == "item" else self.user_vectors())
        if not hasattr(unit, "tocsr"):
            return unit, unit.T
        found = self._derived[name] = unit, unit.T.tocsr()
        return found

    def _nearest(self, by: Literal["user", "item"], ids: Any, n: int, unknown: str) -> pd.DataFrame:
        ratings = self._fitted()
        frames.check_choice("unknown", unknown, get_args(UnknownItems))
        most = ratings.n_items if by == "item" else ratings.n_users
        n, wanted = frames.checked_n(n, most), frames.as_id_array(ids)
        index = frames.find(ratings, by, wanted, unknown, "they get no list")
        found = most_similar(*self._unit_vectors(by), index[index >= 0], n)
        if by == "item":
            return frames.ranked_frame(wanted[index >= 0], *found, ratings, of="item", found="similar")
        nearest, score = found
        row, rank = np.nonzero(nearest >= 0)
        return pd.DataFrame({
            "user": wanted[index >= 0][row], "similar": ratings.user_ids[nearest[row, rank]],
            "score": score[row, rank], "rank": rank + 1,
        })  # fmt: skip

    def _repr_html_(self) -> str:
        """For notebooks: what it is, its hyper-parameters, and what it has learnt from."""
        known = getattr(self, "ratings_", None)
        learnt = "nothing learnt yet" if known is None else f"learnt from {known!r}"
        gives = "predicts ratings" if self.predicts_ratings else "ranks items"
        return html_table(f"{type(self).__name__}: {gives}", [(k, str(v)) for k, v in self.get_params().items()],
                          notes=[learnt])  # fmt: skip
