"""What a metric says of each user's list, by the metric's name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from recae import metrics
from recae._types import Csr, DoubleArray, IntArray
from recae.errors import DataError
from recae.evaluation.aligned_test import AlignedTest
from recae.evaluation.categories import category_shares
from recae.evaluation.names import ACCURACY, Metric, Own

Value = Callable[[IntArray, IntArray, metrics.Hits], DoubleArray]  # users (rows of the test), their lists and hits


def list_values(test: AlignedTest, relevant: Csr, wanted: Sequence[Metric]) -> dict[str, Value]:
    """A function for each metric of lists, by name, from users, lists (users, width) and hits to values (users,)."""
    return {metric.name: _value(test, relevant, metric) for metric in wanted if metric.kind == "list"}


def _value(test: AlignedTest, relevant: Csr, metric: Metric) -> Value:
    k = metric.k
    if metric.function is not None:
        return _own(test, relevant, metric.function, k)
    if metric.family in ACCURACY:
        accuracy = ACCURACY[metric.family]
        return lambda _users, _ranked, hits: accuracy(hits, k)
    if metric.family == "novelty":
        information = metrics.self_information(test.trained_on)
        return lambda _users, ranked, _hits: metrics.novelty(ranked, k, information)
    if metric.family == "diversity":
        return lambda _users, ranked, _hits: metrics.diversity(ranked, k, test.trained_on)
    shares = category_shares(test.trained_on)
    return lambda users, ranked, _hits: metrics.miscalibration(ranked, k, test.history(users), shares)


def _own(test: AlignedTest, relevant: Csr, function: Own, k: int) -> Value:
    """A metric of the caller's, which is given raw ids."""
    ids = test.trained_on.item_ids

    def values(users: IntArray, ranked: IntArray, _hits: metrics.Hits) -> DoubleArray:
        found = np.empty(len(users))
        for row, user in enumerate(users):
            items = ranked[row, :k]
            wanted = relevant.indices[relevant.indptr[user] : relevant.indptr[user + 1]]
            value = function(ids[items[items >= 0]].tolist(), set(ids[wanted].tolist()))
            try:
                found[row] = float(value)
            except (TypeError, ValueError):
                raise DataError(f"the metric {function!r} gave {value!r}; a number is needed") from None
        return found

    return values
