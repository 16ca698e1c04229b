"""Which items may be in whose list, and what is added to their scores: lists under conditions, for any model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from recae._types import Csr, FloatArray, IntArray, Mask, Scores
from recae.errors import DataError, ParameterError
from recae.ranking import top_n
from recae.ratings import RatingMatrix
from recae.ratings.any_frame import as_pandas
from recae.ratings.conditions import items_where
from recae.recommender import frames
from recae.recommender.base import Recommender
from recae.recommender.scoring import blocks, finite, top_n_for_users


@dataclass(frozen=True)
class Choice:
    """What `choice_of` made of a request.

    Attributes:
        allowed: which items may be in a list, bool (n_items,).
        filter_seen: leave out what a user has rated.
        candidates: items of each user's own, (n_users, n_items), an entry a candidate; None where all have the same.
        boost: what is added to the items' scores, in standard deviations of a user's scores, (n_items,); or None.
    """

    allowed: Mask
    filter_seen: bool = True
    candidates: Csr | None = None
    boost: FloatArray | None = None


def choice_of(
    ratings: RatingMatrix, *, filter_seen: bool = True, candidates: Any = None, exclude: Iterable[Any] | None = None,
    where: str | None = None, boost: dict[str, float] | None = None, unknown: str = "error",
    new: RatingMatrix | None = None,
) -> Choice:  # fmt: skip
    """A request as arrays.

    Args:
        candidates: raw item ids for everybody; or a frame with user and item, in which case a user without a row there
            gets no list.
        exclude: raw item ids to leave out.
        where: a condition over the item table, such as 'year >= 1990 and "Comedy" in genres'
            (`recae.ratings.conditions`).
        boost: columns of the item table and their weights. A column is standardised over the items; its weight counts
            standard deviations of the user's scores. A missing value counts as the mean.
        unknown: for unknown ids among candidates and exclude: "error", "warn" or "ignore".
        new: ratings of users never trained on, whom the request is about; None for the known users.

    Raises:
        ParameterError: the condition or a column is none; a frame lacks a column.
        DataError: there is no item table, or a column holds no numbers.
        UnknownIdError: an id is unknown, and `unknown` is "error".
    """
    own = None
    if candidates is not None and (hasattr(candidates, "columns") or isinstance(candidates, dict)):
        own, candidates = _own_candidates(ratings, as_pandas(candidates), unknown, new or ratings), None
    allowed = frames.allowed_items(ratings, candidates, exclude, unknown)
    if where is not None:
        allowed &= items_where(where, ratings.item_table, ratings.item_ids)
    return Choice(allowed, filter_seen, own, _boost(ratings, boost) if boost else None)


def chosen_lists(
    model: Recommender, user_index: IntArray, n: int, choice: Choice, new: RatingMatrix | None = None
) -> tuple[IntArray, Scores]:
    """Item indices and scores of users' lists, (n_users, n); -1 where no item is left.

    `user_index` are known users, or users of `new`, who were never trained on.
    """
    ratings = new or model.ratings_
    score = model._list_scores if new is None else model._scores_of_new(new)
    seen = ratings.user_rows if choice.filter_seen else None
    if choice.boost is None and choice.candidates is None:
        return top_n_for_users(score, user_index, seen, n, choice.allowed)
    index = np.full((len(user_index), n), -1, np.int64)
    listed = np.full((len(user_index), n), -np.inf, np.float32)
    for block in blocks(len(user_index), ratings.n_items):
        users = user_index[block]
        rows = None if seen is None else seen[users]
        index[block], listed[block] = top_n(_changed(score(users), users, choice), n, rows)
    return index, listed


def _changed(scores: Any, users: IntArray, choice: Choice) -> Scores:
    """Scores with the boost, -inf for what may not be in a list."""
    own: Scores = np.array(scores if isinstance(scores, np.ndarray) else scores.cpu().numpy(), np.float32)
    finite(own)
    if choice.boost is not None:
        own += own.std(axis=1, keepdims=True) * choice.boost
    if choice.candidates is not None:
        own[choice.candidates[users].toarray() == 0] = -np.inf
    own[:, ~choice.allowed] = -np.inf
    return own


def _own_candidates(ratings: RatingMatrix, frame: pd.DataFrame, unknown: str, of: RatingMatrix) -> Csr:
    """Entries (user of `of`, item of `ratings`) of the frame's rows."""
    frames.require(frame, ("user", "item"), "candidates")
    users = frames.find(of, "user", frame["user"], unknown, "they get no list")
    items = frames.find(ratings, "item", frame["item"], unknown, "they cannot be listed")
    known = (users >= 0) & (items >= 0)
    ones = np.ones(int(known.sum()), np.float32)
    return sparse.csr_array(sparse.coo_array((ones, (users[known], items[known])), shape=(of.n_users, ratings.n_items)))


def _boost(ratings: RatingMatrix, weights: dict[str, float]) -> FloatArray:
    table = ratings.item_table
    if table is None:
        raise DataError("the items have no table: a boost needs a column of numbers, such as a margin")
    total = np.zeros(ratings.n_items, np.float64)
    for column, weight in weights.items():
        if column not in table.columns:
            raise ParameterError(name="boost", value=column, expected=tuple(map(str, table.columns)))
        values = pd.to_numeric(table[column], errors="coerce").reindex(ratings.item_ids).to_numpy(np.float64)
        if not np.isfinite(values).any():
            raise DataError(f"column {column!r} of the item table holds no numbers to boost by")
        values = np.where(np.isfinite(values), values, np.nan)
        centred = np.nan_to_num(values - np.nanmean(values))
        total += weight * centred / (float(np.nanstd(values)) or 1.0)
    return total.astype(np.float32)
