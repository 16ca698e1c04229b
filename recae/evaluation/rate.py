"""Predicted ratings against true ones, block by block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from recae.errors import DivergenceError
from recae.evaluation.aligned_test import AlignedTest
from recae.evaluation.names import Metric
from recae.evaluation.report import Figure, Measured, influence, ratio
from recae.ratings import RatingMatrix
from recae.ratings.repeated_rows import kept_repeats

if TYPE_CHECKING:
    from recae.recommender.base import Recommender

PAIRS = 2**20  # predicted at once, for known users
HIDDEN_USERS = 2048  # predicted at once


def measure_ratings(model: Recommender, test: AlignedTest, wanted: Sequence[Metric]) -> Measured:
    """What `wanted` metrics of predicted ratings come to."""
    users, items, truth = test.ratings.pairs()
    predicted = _predict(model, test, users, test.item_index[items])
    error = truth - predicted.astype(np.float64)
    counts = test.ratings.counts("user")
    rated = np.flatnonzero(counts)
    figures, per_user, moved = {}, pd.DataFrame(index=rated), pd.DataFrame(index=rated)
    masks = test.groups(rated)
    groups: dict[str, dict[str, Figure]] = {group: {} for group in masks}
    for metric in wanted:
        squared = metric.family == "rmse"
        loss = error * error if squared else np.abs(error)
        total = np.bincount(users, weights=loss, minlength=len(counts))[rated].astype(np.float64)
        figures[metric.name] = ratio(total, counts[rated], root=squared)
        moved[metric.name] = influence(total, counts[rated], root=squared)
        for group, rows in masks.items():
            groups[group][metric.name] = ratio(total[rows], counts[rated][rows], root=squared)
        mean = total / counts[rated]
        per_user[metric.name] = np.sqrt(mean) if squared else mean
    return Measured(figures, groups, per_user, moved)


def _predict(model: Recommender, test: AlignedTest, users: Any, items: Any) -> Any:
    """Ratings of pairs (row of the test, the model's item index or -1)."""
    known = items >= 0
    if test.shown is None:
        index = test.user_index[users]
        parts = [slice(start, start + PAIRS) for start in range(0, len(users), PAIRS)]
        predicted = np.concatenate([model.predict_pairs(index[p], items[p], **_dates(model, test, p)) for p in parts])
    else:
        predicted = np.empty(len(users), np.float32)
        stamps = test.ratings.timestamps if model.reads_dates else None
        times = None if stamps is None else stamps[known].astype(np.float64)
        predicted[known] = _predict_hidden(model, test.shown, users[known], items[known], times)
        if not known.all():  # nothing is known of the item, and the user is new: -1 for both gives the baseline
            predicted[~known] = model.predict_pairs(items[~known], items[~known])
    _refuse_not_finite(model, test, predicted, users)
    return predicted


def _dates(model: Recommender, test: AlignedTest, part: slice) -> dict[str, Any]:
    """When the ratings of `part` were given, for models that read it."""
    stamps = test.ratings.timestamps
    return {"timestamps": stamps[part]} if model.reads_dates and stamps is not None else {}


def _predict_hidden(model: Recommender, shown: RatingMatrix, users: Any, items: Any, times: Any) -> Any:
    """Ratings of pairs (row of `shown`, item index) with rows in rising order, some rows at a time.

    Models that read dates are asked at `times`, (n,); None where they do not, or none are known.
    """
    predicted = np.empty(len(users), np.float32)
    for first in range(0, shown.n_users, HIDDEN_USERS):
        pairs = slice(*np.searchsorted(users, [first, first + HIDDEN_USERS]))
        if pairs.start < pairs.stop:
            some = _some_users(shown, slice(first, first + HIDDEN_USERS))
            at = None if times is None else times[pairs]
            predicted[pairs] = model._rated_of_new(some, users[pairs] - first, items[pairs], at)
    return predicted


def _some_users(shown: RatingMatrix, users: slice) -> RatingMatrix:
    """A run of the users of `shown`, with their times."""
    rows, indptr = shown.user_rows[users], shown.user_rows.indptr[users.start : users.stop + 1]
    kept = np.arange(indptr[0], indptr[-1])
    stamps = None if shown.timestamps is None else shown.timestamps[kept]
    repeats = kept_repeats(shown.repeats, kept, shown.n_ratings)
    return shown.with_rows(rows, stamps, user_ids=shown.user_ids[users], repeats=repeats)


def _refuse_not_finite(model: Recommender, test: AlignedTest, predicted: Any, users: Any) -> None:
    bad = ~np.isfinite(predicted)
    if bad.any():
        first = int(np.argmax(bad))
        raise DivergenceError(
            f"{type(model).__name__} predicts {predicted[first]} for user {test.user_ids[users[first]]!r} and "
            f"{int(bad.sum()) - 1:,} more ratings: it has not learnt; try a lower learning rate"
        )
