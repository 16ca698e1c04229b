"""Predicted ratings against true ones, block by block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from recae._types import Csr
from recae.errors import DivergenceError
from recae.evaluation.aligned_test import AlignedTest
from recae.evaluation.names import Metric
from recae.evaluation.report import Figure, Measured, influence, ratio

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
    if test.inputs is None:
        index = test.user_index[users]
        parts = [slice(start, start + PAIRS) for start in range(0, len(users), PAIRS)]
        predicted = np.concatenate([model.predict_pairs(index[p], items[p], **_dates(model, test, p)) for p in parts])
    else:
        predicted = np.empty(len(users), np.float32)
        predicted[known] = _predict_hidden(model, test.inputs, users[known], items[known])
        if not known.all():  # nothing is known of the item, and the user is new: -1 for both gives the baseline
            predicted[~known] = model.predict_pairs(items[~known], items[~known])
    _refuse_not_finite(model, test, predicted, users)
    return predicted


def _dates(model: Recommender, test: AlignedTest, part: slice) -> dict[str, Any]:
    """When the ratings of `part` were given, for models that read it."""
    stamps = test.ratings.timestamps
    return {"timestamps": stamps[part]} if model.reads_dates and stamps is not None else {}


def _predict_hidden(model: Recommender, inputs: Csr, users: Any, items: Any) -> Any:
    """Ratings of pairs (row of `inputs`, item index) with rows in rising order, some rows at a time."""
    predicted = np.empty(len(users), np.float32)
    for first in range(0, inputs.shape[0], HIDDEN_USERS):
        pairs = slice(*np.searchsorted(users, [first, first + HIDDEN_USERS]))
        if pairs.start < pairs.stop:
            rows = inputs[first : first + HIDDEN_USERS]
            predicted[pairs] = model.predict_pairs_new(rows, users[pairs] - first, items[pairs])
    return predicted


def _refuse_not_finite(model: Recommender, test: AlignedTest, predicted: Any, users: Any) -> None:
    bad = ~np.isfinite(predicted)
    if bad.any():
        first = int(np.argmax(bad))
        raise DivergenceError(
            f"{type(model).__name__} predicts {predicted[first]} for user {test.user_ids[users[first]]!r} and "
            f"{int(bad.sum()) - 1:,} more ratings: it has not learnt; try a lower learning rate"
        )
