"""Ranked lists of all items against the relevant ones, block by block: never a users x items array."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from recae import metrics
from recae._types import Csr, IntArray, Scores
from recae.errors import DataError, DivergenceError
from recae.evaluation.aligned_test import AlignedTest, overlap
from recae.evaluation.list_values import list_values
from recae.evaluation.names import CATALOGUE, Metric
from recae.evaluation.report import Figure, Measured, mean
from recae.ranking import top_n
from recae.ratings.csr import make_csr
from recae.recommender.scoring import rows_in_block

if TYPE_CHECKING:
    from recae.recommender.base import Recommender


Rank = Callable[[IntArray, int], IntArray]  # users (rows of the test) and a width, to item indices (users, width)


def rank_by(model: Recommender, test: AlignedTest) -> Rank:
    """Lists as a model makes them: the best items that are not seen."""
    met = None if test.shown is None else model._scores_of_new(test.shown)

    def rank(users: IntArray, width: int) -> IntArray:
        scores = met(users) if met is not None else model.ranking_scores(test.user_index[users])
        return _best(model, scores, test.seen[users], width)

    return rank


def measure_lists(
    rank: Rank,
    test: AlignedTest,
    wanted: Sequence[Metric],
    *,
    relevant_from: float | None = None,
    block: int | None = None,
) -> Measured:
    """What `wanted` metrics of the lists that `rank` gives come to."""
    relevant = _relevant(test.target, relevant_from)
    users = np.flatnonzero((np.diff(relevant.indptr) > 0) & test.scorable())
    _refuse_nothing_to_find(test, relevant, users)
    n_items = test.trained_on.n_items
    width = max(metric.k for metric in wanted)
    size = block or rows_in_block(n_items)
    value_of = list_values(test, relevant, wanted)
    values = {metric.name: np.empty(len(users)) for metric in wanted if metric.kind == "list"}
    shown = {metric.k: np.zeros(n_items, np.int64) for metric in wanted if metric.kind == "catalogue"}
    for start in range(0, len(users), size):
        some = users[start : start + size]
        ranked = rank(some, width)
        hits = metrics.find_hits(ranked, relevant[some])
        for name, value in value_of.items():
            values[name][start : start + size] = value(some, ranked, hits)
        for k, count in shown.items():
            count += metrics.exposure(ranked, k, n_items)
    figures = {name: mean(theirs) for name, theirs in values.items()}
    for metric in wanted:
        if metric.kind == "catalogue":
            figures[metric.name] = Figure(CATALOGUE[metric.family](shown[metric.k]))
    groups = {
        group: {name: mean(theirs[rows]) for name, theirs in values.items()}
        for group, rows in test.groups(users).items()
    }
    return Measured(figures, groups, pd.DataFrame(values, index=users))


def _relevant(target: Csr, relevant_from: float | None) -> Csr:
    """Test ratings of at least `relevant_from`."""
    if relevant_from is None:
        return target
    keep = target.data >= relevant_from
    indptr = np.concatenate([[0], np.cumsum(keep, dtype=np.int64)])[target.indptr]
    return make_csr(target.data[keep], target.indices[keep], indptr, target.shape)


def _refuse_nothing_to_find(test: AlignedTest, relevant: Csr, users: IntArray) -> None:
    if len(users) == 0:
        raise DataError(
            f"no test user of {test.name!r} has a relevant item to be found: of {len(test.user_ids):,} users the "
            f"model knows {int(test.scorable().sum()):,}, and of {len(test.item_index):,} items "
            f"{int((test.item_index >= 0).sum()):,}; are the ids of one kind, and is relevant_from within the scale?"
        )
    theirs = relevant[users]
    if overlap(theirs, test.seen[users]).nnz == theirs.nnz:
        raise DataError(
            f"all {theirs.nnz:,} test ratings of {test.name!r} are among those that the model was shown, which are "
            "never ranked: is this the training part?"
        )


def _best(model: Recommender, scores: Scores, seen: Csr, width: int) -> IntArray:
    """The `width` best unseen items of rows of scores, (n, width).

    Raises:
        DivergenceError: scores are not numbers.
    """
    ranked, _ = top_n(scores, width, seen)
    short = np.flatnonzero(ranked[:, -1] < 0)  # few items are left, or scores are not numbers
    if np.isnan(scores[short]).any():
        raise DivergenceError(
            f"{type(model).__name__} scores items as NaN: it has not learnt; try a lower learning rate"
        )
    return ranked
