"""A fitted model and a test part to a `Report`: figures with their intervals, and what they were measured on."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

from recae.errors import DataError, DataWarning, ParameterError
from recae.evaluation.aligned_test import AlignedTest, align_test
from recae.evaluation.by_group import reports_by
from recae.evaluation.names import METRICS, Metric, Own, parse_metrics
from recae.evaluation.rank import measure_lists, rank_by
from recae.evaluation.rate import measure_ratings
from recae.evaluation.report import Measured, Report
from recae.evaluation.served import evaluate_lists
from recae.evaluation.together import report_of
from recae.ratings import RatingMatrix
from recae.recommender.base import Recommender
from recae.recommender.contract import fitted_ratings
from recae.recommender.saving import is_lean
from recae.splitting import Split

__all__ = ["METRICS", "RANKING_DEFAULTS", "RATING_DEFAULTS", "Report", "evaluate", "evaluate_lists"]

RATING_DEFAULTS = ("rmse", "mae")
RANKING_DEFAULTS = ("recall@20", "recall@50", "ndcg@20", "ndcg@100", "coverage@20")


def evaluate(
    model: Recommender,
    test: Split | RatingMatrix,
    metrics: str | Own | Sequence[str | Own] | None = None,
    *,
    part: Literal["test", "validation"] = "test",
    exclude: RatingMatrix | Iterable[RatingMatrix] | None = None,
    filter_seen: bool = True,
    relevant_from: float | None = None,
    block: int | None = None,
    by: str | None = None,
) -> Report:
    """Measure a fitted model.

    Users and items are matched by raw id, so that a test part may come from a file of its own.

    Args:
        model: fitted.
        test: a `Split`, or the test ratings of users known to the model. Where a split hides whole users, they
            are scored from the ratings that it shows of them (`test_input`), without retraining.
        metrics: names such as "rmse" or "ndcg@100" (`recae.evaluation.METRICS` lists them). By default rmse and
            mae for models that predict ratings; recall@20, recall@50, ndcg@20, ndcg@100 and coverage@20 for
            those that rank (as far as the catalogue reaches). A metric of your own is a function of a user's list
            (raw item ids, the best first) and the set of the user's relevant items that gives a number; its name is
            the function's, and its list has 20 items, or as many as its attribute `k` says; higher is better, unless
            it has an attribute `lower_is_better` that is true.
        part: which part of a split: choose settings by "validation", look at "test" once.
        exclude: further ratings whose items are not to be ranked. What the model was fitted on is never ranked;
            nor are, given a split, its train part and (when `part` is "test") its validation part, or, of
            hidden users, what was shown of them.
        filter_seen: False ranks all items, but for those of `exclude`: for what is bought again.
        relevant_from: the lowest rating that counts as relevant to ranking metrics; by default every test
            rating does.
        block: users that are ranked at once; by default as many as give 64 MB of scores.
        by: measure groups of the test ratings too (`Report.parts`): a column of the table of users or of items, such as
            "gender" or "genres" ("|" stands between several); "activity", the training ratings of the user (or those
            shown); "popularity", those of the item. Numbers are cut into quarters of the test ratings. For a group of
            items, lists are the same, and its items alone are relevant.

    All items are ranked, never a sample, ties by item order. Ratings of users or items without a training
    rating are predicted as the model predicts them (the bias baseline); ranking metrics skip users and items
    that the model does not know at all. Both are counted in the report.

    Returns:
        A `Report`; where some of the users have no training rating, with the figures of these and of the others.
        Intervals are 95 % over users: value +- 1.96 standard errors, users being what was sampled.
        For rmse and mae, ratios of sums over users, the standard error is the delta method's.

    Raises:
        NotFittedError: the model was not fitted.
        ParameterError: an unknown metric or column, a cut-off beyond the catalogue, or a rating metric of a model that
            predicts no ratings.
        DataError: there is nothing to measure (the message says why), such as lists of known users by a model that was
            saved without them.
        DivergenceError: the model predicted something that is not a finite number.
    """
    trained_on = fitted_ratings(model)
    wanted = _wanted(model, metrics)
    if block is not None and block < 1:
        raise ParameterError(name="block", value=block, expected="at least 1 user at a time")
    excluded = [exclude] if isinstance(exclude, RatingMatrix) else list(exclude or ())
    aligned = align_test(trained_on, test, part, excluded, filter_seen=filter_seen)
    _check_lean(aligned, wanted)

    def measured(test: AlignedTest) -> Report:
        return _measured(model, test, wanted, relevant_from, block)

    report = measured(aligned)
    return report if by is None else replace(report, by=by, parts=reports_by(measured, aligned, by))


def _check_lean(test: AlignedTest, wanted: Sequence[Metric]) -> None:
    """Say what follows where the model was saved without ratings; users who are shown in the test are served as ever.

    Raises:
        DataError: lists are to be measured, and it knows no user to list for.
    """
    if not is_lean(test.trained_on) or test.inputs is not None:
        return
    about = "the model was saved without anybody's ratings (a lean file), so every test user is unknown to it"
    if any(metric.kind != "rating" for metric in wanted):
        raise DataError(
            f"{about}, and gets no list",
            remedy=("measure it on hidden users, recae.split(ratings, 'held-out-users')", "save it with its ratings"),
        )
    warnings.warn(
        f"{about}: ratings are predicted by the mean and the items' biases alone. On hidden users, of whom a split "
        "shows some ratings, the model itself is measured",
        DataWarning, stacklevel=3,
    )  # fmt: skip


def _measured(
    model: Recommender, test: AlignedTest, wanted: Sequence[Metric], relevant_from: float | None, block: int | None
) -> Report:
    found: list[Measured] = []
    if of_ratings := [metric for metric in wanted if metric.kind == "rating"]:
        found.append(measure_ratings(model, test, of_ratings))
    if of_lists := [metric for metric in wanted if metric.kind != "rating"]:
        if relevant_from is None:
            _say_all_relevant(test)
        found.append(measure_lists(rank_by(model, test), test, of_lists, relevant_from=relevant_from, block=block))
    return report_of(type(model).__name__, test, [metric.name for metric in wanted], found)


def _say_all_relevant(test: AlignedTest) -> None:
    """A `DataWarning`, once of the same test part, where what may be a return or a dislike counts as found."""
    n_low = int((test.target.data <= 0).sum())
    if n_low and "all relevant" not in test.ratings._cache:
        test.ratings._cache["all relevant"] = True
        warnings.warn(
            f"{test.name}: {n_low:,} of the {test.target.nnz:,} test ratings are 0 or less, and each counts as "
            "relevant; if these items were returned or disliked, say from which rating on one is (`relevant_from`), "
            "or leave them out before the split (`threshold`, or ratings.binarize)", DataWarning, stacklevel=4,
        )  # fmt: skip


def _wanted(model: Recommender, names: str | Own | Sequence[str | Own] | None) -> list[Metric]:
    n_items = model.ratings_.n_items
    if names is None:
        if model.predicts_ratings:
            return parse_metrics(RATING_DEFAULTS)
        within = [metric for metric in parse_metrics(RANKING_DEFAULTS) if metric.k <= n_items]
        return within or parse_metrics([f"recall@{n_items}", f"ndcg@{n_items}"])
    wanted = parse_metrics([names] if isinstance(names, str) or callable(names) else names)
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
