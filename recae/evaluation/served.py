"""Lists as they were served, by whatever made them, against a test part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from recae._types import Csr, IntArray
from recae.errors import DataError, ParameterError
from recae.evaluation.aligned_test import AlignedTest, align_test
from recae.evaluation.names import Metric, Own, parse_metrics
from recae.evaluation.rank import measure_lists
from recae.evaluation.report import Report
from recae.evaluation.together import report_of
from recae.ratings import RatingMatrix
from recae.ratings.csr import make_csr
from recae.ratings.ids import plain
from recae.ratings.matching import in_one_vocabulary
from recae.ratings.numbers import as_numbers
from recae.splitting import Split

DEFAULTS = ("recall@10", "ndcg@10", "map@10", "coverage@10")
NEEDS_TRAIN = ("novelty", "diversity", "calibration")


def evaluate_lists(
    lists: pd.DataFrame,
    test: Split | RatingMatrix,
    metrics: str | Own | Sequence[str | Own] | None = None,
    *,
    train: RatingMatrix | None = None,
    relevant_from: float | None = None,
) -> Report:
    """Measure lists as they were served: of another program, of a log, of rules that come after a model.

    Args:
        lists: a frame with user, item and rank (from 1); further columns are left alone. `Recommender.recommend`
            gives one.
        test: a `Split`, or the test ratings; users and items are matched by raw id.
        metrics: as in `evaluate`, metrics of lists alone; by default recall@10, ndcg@10, map@10 and coverage@10.
        train: what was known when the lists were made; by default the train part of a split. It says what the catalogue
            is (else all items of the lists and of the test part), who is new, and what novelty, diversity and
            calibration are measured against.
        relevant_from: the lowest rating that counts as relevant; by default every test rating does.

    Nothing is taken out of the lists: an item that a user has rated before counts where the test part has it, so that
    buying again can be measured. Users of the test part without a list count as having an empty one, and users that it
    lacks are left out; an item that nobody knows takes its rank and is no hit.

    Raises:
        ParameterError: an unknown metric, one of predicted ratings, or one that needs `train`.
        DataError: a column is missing, a rank is no whole number from 1, or a user has an item or a rank twice.
    """
    wanted = parse_metrics(DEFAULTS if metrics is None else [metrics] if _single(metrics) else metrics)  # type: ignore[arg-type,list-item]
    known = test.train if isinstance(test, Split) and train is None else train
    _check(wanted, known)
    frame = _checked(lists)
    ratings = test.test if isinstance(test, Split) else test
    aligned = _aligned(ratings, known, frame, test.how if isinstance(test, Split) else "")
    users, items, ranks = _indices(aligned, frame)
    width = max(metric.k for metric in wanted)

    def served(some: IntArray, n: int) -> IntArray:
        row = np.full(len(aligned.user_ids), -1)
        row[some] = np.arange(len(some))
        table = np.full((len(some), n), -1, np.int64)
        here = row[users] >= 0
        table[row[users[here]], ranks[here] - 1] = items[here]
        return table

    within = ranks <= width
    users, items, ranks = users[within], items[within], ranks[within]
    found = measure_lists(served, aligned, wanted, relevant_from=relevant_from)
    return report_of("lists as served", aligned, [metric.name for metric in wanted], [found])


class _Served(AlignedTest):
    """A test whose users can all have a list, whoever knows them."""

    def scorable(self) -> Any:
        return np.ones(len(self.user_ids), dtype=bool)

    def new_users(self) -> Any:
        """Nobody is new where nothing is known of anybody."""
        return super().new_users() if self.trained_on.n_ratings else np.zeros(len(self.user_ids), dtype=bool)

    def counts(self) -> dict[str, int]:
        """Nothing is cold either."""
        found = super().counts()
        return found if self.trained_on.n_ratings else {name: n * (name == "n_ratings") for name, n in found.items()}


def _single(metrics: Any) -> bool:
    return isinstance(metrics, str) or callable(metrics)


def _check(wanted: Sequence[Metric], train: RatingMatrix | None) -> None:
    for metric in wanted:
        if metric.kind == "rating":
            raise ParameterError("lists have no predicted ratings", name="metrics", value=metric.name)
        if metric.family in NEEDS_TRAIN and train is None:
            raise ParameterError(
                "it is measured against training ratings", name="metrics", value=metric.name, remedy="give train="
            )  # fmt: skip


def _checked(lists: pd.DataFrame) -> pd.DataFrame:
    missing = [name for name in ("user", "item", "rank") if name not in lists.columns]
    if missing:
        raise DataError(f"lists needs columns user, item, rank; it has {', '.join(map(str, lists.columns))}")
    if not len(lists):
        raise DataError("lists has no rows: there is no list to measure")
    ranks = as_numbers(lists["rank"])
    bad = ~((ranks >= 1) & (ranks == np.floor(ranks)) & (ranks < 2**53))
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(f"row {row + 1}: rank {plain(lists['rank'].iloc[row])!r} is no whole number from 1")
    frame = lists[["user", "item"]].assign(rank=ranks.astype(np.int64))
    for column in ("item", "rank"):
        twice = frame.duplicated(["user", column]).to_numpy()
        if twice.any():
            row = int(np.argmax(twice))
            user, value = frame["user"].iloc[row], frame[column].iloc[row]
            raise DataError(f"row {row + 1}: user {plain(user)!r} has {column} {plain(value)!r} twice")
    return frame


def _aligned(test: RatingMatrix, train: RatingMatrix | None, frame: pd.DataFrame, how: str) -> AlignedTest:
    """The test part in the items of train, or in those that occur, where there is no train."""
    if train is None:
        shown = RatingMatrix.from_columns(frame["user"].to_numpy(), frame["item"].to_numpy(), np.ones(len(frame)))
        test, shown = in_one_vocabulary(test, shown)
        train = test.with_rows(_empty(test.shape), None)
    elif test.item_ids is not train.item_ids:
        train, test = in_one_vocabulary(train, test)
    made = align_test(train, test, "test", [])
    fields = {name: getattr(made, name) for name in AlignedTest.__dataclass_fields__}
    return _Served(
        **fields | {"seen": _empty(made.seen.shape), "name": f"{test.name}, {how} split" if how else test.name}
    )


def _empty(shape: tuple[int, int]) -> Csr:
    return make_csr(np.zeros(0, np.float32), np.zeros(0, np.int32), np.zeros(shape[0] + 1, np.int64), shape)


def _indices(test: AlignedTest, frame: pd.DataFrame) -> tuple[IntArray, IntArray, IntArray]:
    """Row of the test, item (-1: unknown to all) and rank of each entry that is for a user of the test."""
    users = test.ratings.user_index(frame["user"].to_numpy(), missing="-1")
    if not (test.ratings.counts("user")[users[users >= 0]] > 0).any():
        raise DataError(
            f"none of the users of the lists is a user of the test part {test.ratings.name!r}: "
            f"{plain(frame['user'].iloc[0])!r} there, {plain(test.ratings.user_ids[0])!r} here"
        )
    keep = users >= 0
    items = test.trained_on.item_index(frame["item"].to_numpy(), missing="-1")
    return users[keep], items[keep], frame["rank"].to_numpy()[keep]
