"""A fitted model and a test part to a `Report`: figures with their intervals, and what they were measured on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import pandas as pd

from recae.errors import ParameterError
from recae.evaluation.aligned_test import AlignedTest, align_test
from recae.evaluation.names import METRICS, Metric, parse_metrics
from recae.evaluation.rank import measure_lists
from recae.evaluation.rate import measure_ratings
from recae.evaluation.report import Figure, Report
from recae.ratings import RatingMatrix
from recae.recommender.base import Recommender, fitted_ratings
from recae.splitting import Split

__all__ = ["METRICS", "RANKING_DEFAULTS", "RATING_DEFAULTS", "Report", "evaluate"]

RATING_DEFAULTS = ("rmse", "mae")
RANKING_DEFAULTS = ("recall@20", "recall@50", "ndcg@20", "ndcg@100", "coverage@20")


def evaluate(
    model: Recommender,
    test: Split | RatingMatrix,
    metrics: str | Sequence[str] | None = None,
    *,
    part: Literal["test", "validation"] = "test",
    exclude: RatingMatrix | Iterable[RatingMatrix] | None = None,
    relevant_from: float | None = None,
    block: int | None = None,
) -> Report:
    """Measure a fitted model.

    Users and items are matched by raw id, so that a test part may come from a file of its own.

    Args:
        model: fitted.
        test: a `Split`, or the test ratings of users known to the model. Where a split hides whole users, they
            are scored from the ratings that it shows of them (`test_input`), without retraining.
        metrics: names such as "rmse" or "ndcg@100" (`recae.evaluation.METRICS` lists them). By default rmse and
            mae for models that predict ratings; recall@20, recall@50, ndcg@20, ndcg@100 and coverage@20 for
            those that rank (as far as the catalogue reaches).
        part: which part of a split: choose settings by "validation", look at "test" once.
        exclude: further ratings whose items are not to be ranked. What the model was fitted on is never ranked;
            nor are, given a split, its train part and (when `part` is "test") its validation part, or, of
            hidden users, what was shown of them.
        relevant_from: the lowest rating that counts as relevant to ranking metrics; by default every test
            rating does.
        block: users that are ranked at once; by default as many as give 64 MB of scores.

    All items are ranked, never a sample, ties by item order. Ratings of users or items without a training
    rating are predicted as the model predicts them (the bias baseline); ranking metrics skip users and items
    that the model does not know at all. Both are counted in the report.

    Returns:
        A `Report`. Intervals are 95 % over users: value +- 1.96 standard errors, users being what was sampled.
        For rmse and mae, ratios of sums over users, the standard error is the delta method's.

    Raises:
        NotFittedError: the model was not fitted.
        ParameterError: an unknown metric, a cut-off beyond the catalogue, or a rating metric of a model that
            predicts no ratings.
        DataError: there is nothing to measure (the message says why).
        DivergenceError: the model predicted something that is not a finite number.
    """
    trained_on = fitted_ratings(model)
    wanted = _wanted(model, metrics)
    if block is not None and block < 1:
        raise ParameterError(name="block", value=block, expected="at least 1 user at a time")
    excluded = [exclude] if isinstance(exclude, RatingMatrix) else list(exclude or ())
    aligned = align_test(trained_on, test, part, excluded)
    figures: dict[str, Figure] = {}
    tables: list[pd.DataFrame] = []
    if of_ratings := [metric for metric in wanted if metric.kind == "rating"]:
        some, table = measure_ratings(model, aligned, of_ratings)
        figures, tables = {**figures, **some}, [*tables, table]
    if of_lists := [metric for metric in wanted if metric.kind != "rating"]:
        some, table = measure_lists(model, aligned, of_lists, relevant_from=relevant_from, block=block)
        figures, tables = {**figures, **some}, [*tables, table]
    return _report(model, aligned, {metric.name: figures[metric.name] for metric in wanted}, tables)


def _wanted(model: Recommender, names: str | Sequence[str] | None) -> list[Metric]:
    n_items = model.ratings_.n_items
    if names is None:
        if model.predicts_ratings:
            return parse_metrics(RATING_DEFAULTS)
        within = [metric for metric in parse_metrics(RANKING_DEFAULTS) if metric.k <= n_items]
        return within or parse_metrics([f"recall@{n_items}", f"ndcg@{n_items}"])
    wanted = parse_metrics([names] if isinstance(names, str) else names)
    for metric in wanted:
        if metric.k > n_items:
            raise ParameterError(
                name="metrics", value=metric.name, expected=f"a cut-off of at most {n_items:,} items, the catalogue"
            )
        if metric.kind == "rating" and not model.predicts_ratings:
            raise ParameterError(
                f"{type(model).__name__} ranks items and predicts no ratings", name="metrics", value=metric.name,
                remedy=(f"measure {RANKING_DEFAULTS[0]} or {RANKING_DEFAULTS[3]}", "use a model such as AutoRec"),
            )  # fmt: skip
    return wanted


def _report(model: Recommender, test: AlignedTest, figures: dict[str, Figure], tables: list[pd.DataFrame]) -> Report:
    table = pd.concat(tables, axis=1).sort_index()
    table = table[[name for name in figures if name in table]]
    table.index = pd.Index(test.user_ids[table.index.to_numpy()], name="user")
    return Report(figures, {"n_users": len(table), **test.counts()}, table, type(model).__name__, test.name)
