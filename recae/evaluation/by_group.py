"""A test part cut into groups: of users or items by a column, of users by activity, of items by popularity."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from recae._types import IdArray, IntArray, Mask
from recae.errors import DataError, ParameterError
from recae.evaluation.aligned_test import AlignedTest
from recae.evaluation.report import Report
from recae.ratings import RatingMatrix
from recae.ratings.csr import make_csr
from recae.ratings.side_columns import cells_of, is_number_column, values_in

PARTS = 4  # that numbers are cut into, each with about as many test ratings
MOST_VALUES = 10  # different numbers that are groups of their own
MOST_GROUPS = 100
EMPTY = "(unknown)"

Measure = Callable[[AlignedTest], Report]


def reports_by(measure: Measure, test: AlignedTest, by: str) -> dict[str, Report]:
    """A report of each group of `by`, largest first for texts, in rising order for numbers.

    Groups in which there is nothing to measure are left out.

    Raises:
        ParameterError: there is no such column, or it has too many different texts.
    """
    found = {}
    for name, keep in _groups(test, by).items():
        part = _restricted(test, keep)
        if part.ratings.n_ratings == 0:
            continue
        try:
            found[name] = measure(part)
        except DataError:  # no relevant item of this group can be found by a list
            continue
    return found


def _groups(test: AlignedTest, by: str) -> dict[str, Mask]:
    """Names of groups, and which of the test's ratings belong to each; an item may have several genres."""
    users, items, _ = test.ratings.pairs()
    if by == "activity":
        return _by_number(_history_lengths(test)[users], "ratings")
    if by == "popularity":
        counts = np.append(test.trained_on.counts("item"), 0)  # the last is for items that the model does not know
        return _by_number(counts[test.item_index[items]], "ratings")
    for kind, ids, of_rating in (("user", test.user_ids, users), ("item", test.ratings.item_ids, items)):
        column = _column(test, kind, ids, by)
        if column is not None:
            return _by_column(column, of_rating, by)
    known = sorted({*_names(test, "user"), *_names(test, "item")})
    raise ParameterError(name="by", value=by, expected=("activity", "popularity", *known))


def _history_lengths(test: AlignedTest) -> IntArray:
    lengths: IntArray = np.diff(test.history(np.arange(len(test.user_ids))).indptr)
    return lengths


def _tables(test: AlignedTest, kind: str) -> list[pd.DataFrame]:
    found = [getattr(ratings, f"{kind}_table") for ratings in (test.ratings, test.trained_on)]
    return [table for table in found if table is not None]


def _names(test: AlignedTest, kind: str) -> list[str]:
    return [str(name) for table in _tables(test, kind) for name in table.columns]


def _column(test: AlignedTest, kind: str, ids: IdArray, by: str) -> pd.Series | None:
    """The column of a side table, a value for each of `ids`."""
    tables = [table for table in _tables(test, kind) if by in table.columns]
    return tables[0][by].reindex(pd.Index(ids)) if tables else None


def _by_column(column: pd.Series, of_rating: IntArray, by: str) -> dict[str, Mask]:
    if is_number_column(column):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        if len(np.unique(values[~np.isnan(values)])) > MOST_VALUES:
            return _by_number(values[of_rating], "")
    members: dict[str, list[int]] = {}
    for place, cell in enumerate(cells_of(column)):
        for name in values_in(cell) or [EMPTY]:
            members.setdefault(name, []).append(place)
    if len(members) > MOST_GROUPS:
        raise ParameterError(
            f"it has {len(members):,} different values",
            name="by",
            value=by,
            expected=f"a column of at most {MOST_GROUPS}",
        )
    masks = {name: np.isin(of_rating, places) for name, places in members.items()}
    return dict(sorted(masks.items(), key=lambda pair: (-int(pair[1].sum()), pair[0])))


def _by_number(values: Any, unit: str) -> dict[str, Mask]:
    """Quarters of the ratings by a number that each has; equal numbers stay together."""
    known = values[~np.isnan(values.astype(np.float64))]
    if len(known) == 0:
        return {EMPTY: np.ones(len(values), dtype=bool)}
    edges = np.unique(np.quantile(known, np.arange(1, PARTS + 1) / PARTS, method="inverted_cdf"))
    found = {}
    for low, high in pairwise([-np.inf, *edges]):
        keep = (values > low) & (values <= high)  # `high` is one of the numbers
        first = values[keep].min()
        name = f"{first:g}" if first == high else f"{first:g} to {high:g}"
        found[f"{name} {unit}".strip()] = np.asarray(keep)
    if len(known) < len(values):
        found[EMPTY] = np.isnan(values.astype(np.float64))
    return found


def _restricted(test: AlignedTest, keep: Mask) -> AlignedTest:
    """The same test with only some of its ratings: users, items and what is seen stay."""
    ratings = test.ratings.select(keep)
    return replace(test, ratings=ratings, target=_target(test, ratings))


def _target(test: AlignedTest, ratings: RatingMatrix) -> Any:
    """Those test ratings whose items the model knows, in the model's columns."""
    users, items, stars = ratings.pairs()
    columns = test.item_index[items]
    known = columns >= 0
    order = np.lexsort((columns[known], users[known]))
    counts = np.bincount(users[known], minlength=ratings.n_users)
    indptr = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
    data, indices = stars[known][order], columns[known][order].astype(np.int32)
    return make_csr(data.astype(np.float32), indices, indptr, test.target.shape)
