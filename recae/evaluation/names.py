"""The metrics that `evaluate` knows by name."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from recae import metrics
from recae._types import DoubleArray, IntArray
from recae.errors import ParameterError

# A user's list (raw ids, the best first) and the set of the items that are relevant to that user, to a number.
Own = Callable[[list[Any], set[Any]], float]
LIST_OF_OWN = 20  # items that an own metric is given, where it has no attribute `k`

Kind = Literal["rating", "list", "catalogue"]

# What each name means; names with @k take a cut-off.
METRICS: dict[str, str] = {
    "rmse": "root mean squared error",
    "mae": "mean absolute error",
    "recall@k": "relevant items found, over min(k, relevant): Liang et al. 2018",
    "recall-plain@k": "relevant items found, over all relevant: LightGCN's tables",
    "precision@k": "relevant items found, over k",
    "ndcg@k": "discounted cumulative gain, over that of a perfect list",
    "map@k": "average precision, over min(k, relevant)",
    "map-plain@k": "average precision, over all relevant: trec_eval",
    "mrr@k": "1 / rank of the first relevant item",
    "hit@k": "users with a relevant item in their list",
    "novelty@k": "-log2 of the share of users who rated an item, in bits",
    "diversity@k": "1 - mean cosine of the items of a list",
    "calibration@k": "KL divergence of the list's categories from the user's past ones: Steck 2018; 0 is calibrated",
    "coverage@k": "items that are in some list, over all items",
    "gini@k": "inequality of the items' exposure: 0 equal, 1 concentrated",
}

ACCURACY: dict[str, Callable[[metrics.Hits, int], DoubleArray]] = {
    "recall": metrics.recall,
    "recall-plain": functools.partial(metrics.recall, capped=False),
    "precision": metrics.precision,
    "ndcg": metrics.ndcg,
    "map": metrics.average_precision,
    "map-plain": functools.partial(metrics.average_precision, capped=False),
    "mrr": metrics.reciprocal_rank,
    "hit": metrics.hit,
}
_LOWER_IS_BETTER = frozenset({"rmse", "mae", "gini", "calibration"})
CATALOGUE: dict[str, Callable[[IntArray], float]] = {"coverage": metrics.coverage, "gini": metrics.gini}


@dataclass(frozen=True)
class Metric:
    """A metric as asked for.

    Attributes:
        name: such as "ndcg@100".
        family: the part before the @.
        k: the cut-off; 0 for metrics of ratings.
        kind: read from predicted ratings, from each user's list, or from all lists together.
        function: a metric of the caller's own (`Own`); None for those that have a name in `METRICS`.
    """

    name: str
    family: str
    k: int
    kind: Kind
    function: Own | None = None

    @property
    def lower_is_better(self) -> bool:
        """Whether a lower figure is better; an own metric says it with an attribute `lower_is_better`."""
        if self.function is not None:
            return bool(getattr(self.function, "lower_is_better", False))
        return lower_is_better(self.name)


def lower_is_better(name: str) -> bool:
    """Whether a metric, such as "rmse" or "ndcg@100", is better where it is lower."""
    return name.split("@")[0] in _LOWER_IS_BETTER


def simple_model(metric: Metric) -> str | None:
    """The model that every other one should beat by `metric`; None where a better figure is no better model."""
    if metric.kind == "rating":
        return "bias"
    return "popularity" if metric.family in ACCURACY else None


def parse_metrics(names: Iterable[str | Own]) -> list[Metric]:
    """Metrics by name, and own ones (functions, see `recae.evaluate`), without repetitions.

    Raises:
        ParameterError: a name is unknown, or its cut-off is missing, needless or no positive number.
    """
    found = [own_metric(name) if callable(name) else parse_metric(name) for name in dict.fromkeys(names)]
    called = [metric.name for metric in found]
    twice = next((name for name in called if called.count(name) > 1), None)
    if twice is not None:
        raise ParameterError(f"two metrics are called {twice!r}", name="metrics", value=twice, remedy="rename one")
    if not found:
        raise ParameterError("no metric is named", name="metrics", value=(), expected=tuple(METRICS))
    return found


def own_metric(function: Own) -> Metric:
    """A function as a metric: its name is the function's, its lists are `function.k` long."""
    name, k = getattr(function, "__name__", type(function).__name__), getattr(function, "k", LIST_OF_OWN)
    return Metric(name, name, int(k), "list", function)


def parse_metric(name: str) -> Metric:
    match = re.fullmatch(r"([a-z-]+)(?:@([1-9][0-9]*))?", str(name))
    family, cut = match.groups() if match else (str(name).partition("@")[0], None)
    if family in METRICS:
        if match is None or cut is not None:
            raise ParameterError(f"{family} has no cut-off", name="metrics", value=name)
        return Metric(name, family, 0, "rating")
    if f"{family}@k" not in METRICS:
        raise ParameterError(name="metrics", value=name, expected=tuple(METRICS))
    if cut is None:
        raise ParameterError(name="metrics", value=name, expected=f"the length of the lists too, such as {family}@20")
    return Metric(name, family, int(cut), "catalogue" if family in CATALOGUE else "list")
