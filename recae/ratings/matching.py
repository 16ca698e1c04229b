"""Ratings of one file in the users and items of another, matched by raw id."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from recae._types import IdArray
from recae.errors import DataError, ParameterError, Remedy
from recae.ratings.csr import make_csr, mapped_csr
from recae.ratings.matrix import RatingMatrix
from recae.ratings.repeated_rows import kept_repeats


class Matched(NamedTuple):
    """Ratings in another vocabulary, and how many of them have a user or an item that is not in it."""

    ratings: RatingMatrix
    n_left_out: int


def same_ids(one: RatingMatrix, other: RatingMatrix) -> bool:
    """Whether both have the same users and items in the same order."""
    return _equal(one.user_ids, other.user_ids) and _equal(one.item_ids, other.item_ids)


def match(ratings: RatingMatrix, like: RatingMatrix) -> Matched:
    """`ratings` with the users and items of `like`, shape of `like`; those of other users or items are left out."""
    if same_ids(ratings, like):
        return Matched(ratings, 0)
    users, items, values = ratings.pairs()
    user = like.user_index(ratings.user_ids, missing="-1")[users]
    item = like.item_index(ratings.item_ids, missing="-1")[items]
    order = np.lexsort((item, user))
    order = order[(user[order] >= 0) & (item[order] >= 0)]
    counts = np.bincount(user[order], minlength=like.n_users)
    indptr = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
    rows = make_csr(values[order], item[order].astype(np.int32), indptr, like.shape)
    stamps = None if ratings.timestamps is None else ratings.timestamps[order]
    repeats = kept_repeats(ratings.repeats, order, ratings.n_ratings)
    matched = like.with_rows(rows, stamps, name=ratings.name, scale=ratings.scale, repeats=repeats)
    return Matched(matched, ratings.n_ratings - len(order))


def in_one_vocabulary(*parts: RatingMatrix) -> list[RatingMatrix]:
    """Parts of one set of ratings from files of their own, with the users and items of all of them.

    The ids of the first part come first, then those that are new in each other one. Tables are the first one's that
    has any, and how it was read is the first one's; the scale is that of all.

    Raises:
        DataError: a user or an item has ids of two kinds (numbers in one file, texts in another).
    """
    users = _union([part.user_ids for part in parts], "user")
    items = _union([part.item_ids for part in parts], "item")
    scale = min(part.scale[0] for part in parts), max(part.scale[1] for part in parts)
    tables: dict[str, Any] = {
        name: next((table for part in parts if (table := getattr(part, name)) is not None), None)
        for name in ("item_table", "user_table")
    }
    empty = make_csr(
        np.zeros(0, np.float32), np.zeros(0, np.int32), np.zeros(len(users) + 1, np.int64), (len(users), len(items))
    )
    whole = RatingMatrix(empty, users, items, scale, **tables)
    matched = [match(part, whole).ratings for part in parts]
    return [replace(one, scale=scale, read_as=parts[0].read_as, _cache={}, **tables) for one in matched]


def with_unrated(ratings: RatingMatrix) -> RatingMatrix:
    """The same ratings, with the users and items that only their tables know: these have no rating, and come last.

    Raises:
        ParameterError: there are no tables.
        DataError: ids are numbers in the ratings and texts in a table, or the reverse.
    """
    if ratings.user_table is None and ratings.item_table is None:
        raise ParameterError(
            f"{ratings.name} has no table of users or items", name="unrated", value=True,
            remedy=Remedy("give them, with {items}", items="products.csv"),
        )  # fmt: skip
    users = _with_described(ratings.user_ids, ratings.user_table, "user")
    items = _with_described(ratings.item_ids, ratings.item_table, "item")
    if len(users) == ratings.n_users and len(items) == ratings.n_items:
        return ratings
    rows = ratings.user_rows
    indptr = np.append(rows.indptr, np.full(len(users) - ratings.n_users, rows.nnz, rows.indptr.dtype))
    wider = mapped_csr(rows.data, rows.indices, indptr, (len(users), len(items)))
    return replace(ratings, user_rows=wider, user_ids=users, item_ids=items, _cache={})


def _with_described(ids: IdArray, table: pd.DataFrame | None, kind: str) -> IdArray:
    if table is None or table.index.isin(ids).all():
        return ids
    return _union([ids, table.index.dropna().to_numpy()], kind, "the ratings", f"the table of {kind}s")


def _union(ids: list[IdArray], kind: str, here: str = "one part", there: str = "another") -> IdArray:
    kinds = ["numbers" if one.dtype.kind in "iuf" else "texts" for one in ids]
    if len(set(kinds)) > 1:
        odd = next(of for of in kinds if of != kinds[0])
        raise DataError(f"{kind} ids are {kinds[0]} in {here} and {odd} in {there}: load them with ids of one kind")
    return np.asarray(pd.unique(np.concatenate(ids)))


def _equal(one: IdArray, other: IdArray) -> bool:
    return one is other or np.array_equal(one, other)
