"""Several models on one split: one table, with times, memory and paired tests of the differences."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from recae.comparison.leagues import league_of
from recae.comparison.memory_growth import MemoryGrowth
from recae.comparison.paired import order_rows, paired_test
from recae.comparison.repeats import merge_reports, merge_rows, splits_of
from recae.comparison.table import Comparison
from recae.errors import DataError, ParameterError, RecaeError, Remedy
from recae.evaluation import Report, evaluate
from recae.evaluation.names import Own, parse_metrics, simple_model
from recae.models import Recommender, make_model
from recae.ratings import RatingMatrix
from recae.ratings.liked import ENOUGH, liked
from recae.ratings.seeds import checked_seed
from recae.splitting import Split

__all__ = ["Comparison", "compare", "paired_test"]

RANKING = ("ndcg@100", "recall@20", "recall@50", "coverage@20", "novelty@20", "diversity@20")
RATING = ("rmse", "mae")
LIST = 20  # items of the lists that recommending is timed on


def compare(
    ratings: RatingMatrix | Split | Sequence[Split],
    models: Iterable[str | Recommender] | Mapping[str, str | Recommender],
    protocol: str = "held-out-users",
    metrics: str | Sequence[str | Own] | None = None,
    *,
    test: float | int | None = None,
    threshold: float | None = None,
    min_user: int = ENOUGH,
    filter_seen: bool = True,
    rng: int | Sequence[int] = 0,
    progress: Callable[[str], None] | None = None,
    **options: Any,
) -> Comparison:
    """Fit models on one and the same train part and measure them on one and the same test part.

    Args:
        ratings: all ratings, or a `Split` that is made already, or several (`recae.splitting.rolling_windows`).
        models: names (`recae.MODELS`), models, or either by label. Models are cloned: yours stay as they are.
        protocol: how to split (`recae.split`): by default whole users are hidden, and met with a part of their ratings.
        metrics: the first one orders the table. By default rmse and mae where all models predict ratings and known
            users are tested; else ndcg@100, recall@20, recall@50, coverage@20, novelty@20, diversity@20.
            Functions are metrics of your own (`recae.evaluate`); of these, higher is better, unless an attribute
            `lower_is_better` is true.
        test: share of the ratings (of the users) to test on.
        threshold: keep only ratings of at least this, each as 1: what is liked.
        min_user: with a threshold, users with fewer such ratings are left out.
        filter_seen: as in `recae.evaluate`; False, with `again=True` for a split by time, measures buying again.
        rng: seed of the split, and of models given by name; several seeds: a split for each, and means over them.
        progress: called with a line about each model as it is done.
        options: of the split, such as `fold_in=0.8`.

    Over several splits (seeds, splits, or all folds of a "k-fold" without `fold`) figures are means, with 95 %
    intervals over splits that allow for train parts that overlap (`recae.comparison.repeats.merge_reports`). The
    paired tests stay tests over users, with each user's mean over the splits that test it: users are what is sampled,
    and most are in several splits, so that to count each of their figures would be too sure; a test over a few splits
    would find nothing. Of rmse and mae, which are pooled over ratings, the difference of the figures is tested, by the
    delta method over users.

    Models that learn by epochs are stopped by the split's validation part, where it has one.
    A model that fails (say, a catalogue too large for it) is reported, and the others go on. Times are wall-clock;
    kernels are compiled at their first use ever, which is then in them.

    Raises:
        ParameterError: an unknown name or metric, or two models of one label.
        DataError: no model could be measured.
    """
    seeds = [checked_seed(seed) for seed in ([rng] if isinstance(rng, str) or not isinstance(rng, Iterable) else rng)]
    if not seeds:
        raise ParameterError("rng=[]: at least one seed is needed")
    given = models if isinstance(models, Mapping) else list(models)
    labels = list(_labelled(given, seeds[0]))
    if threshold is None and min_user != ENOUGH:
        raise ParameterError("is about what a threshold keeps", name="min_user", value=min_user,
                             remedy=Remedy("add {threshold}", threshold=...))  # fmt: skip
    if threshold is not None:
        if not isinstance(ratings, RatingMatrix):
            raise ParameterError(
                "is for ratings that are split here", name="threshold", value=threshold,
                remedy="use ratings.binarize before the split",
            )  # fmt: skip
        ratings = liked(ratings, threshold, min_user)
    wanted = [metrics] if isinstance(metrics, str) else metrics
    table = _Table(labels, tuple(wanted) if wanted is not None else None, progress, filter_seen)
    for seed, parts in splits_of(ratings, protocol, seeds, {"test": test, **options}):
        table.measure(_labelled(given, seed), parts)
    return table.result(repeated_split=isinstance(ratings, Split))


class _Table:
    """Rows and reports of each model on each split, as they are made."""

    def __init__(
        self, labels: Sequence[str], metrics: tuple[str | Own, ...] | None, progress: Callable[[str], None] | None,
        filter_seen: bool,
    ) -> None:  # fmt: skip
        self.metrics, self.progress, self.filter_seen = metrics, progress, filter_seen
        self.rows: dict[str, list[dict[str, Any]]] = {label: [] for label in labels}
        self.reports: dict[str, list[Report]] = {label: [] for label in labels}
        self.names: tuple[str, ...] = ()
        self.lower: dict[str, bool] = {}
        self.simple: dict[str, list[float]] = {}
        self.failed: dict[str, str] = {}
        self.splits: list[Split] = []  # the first one; of the others, sizes are enough
        self.tested: list[float] = []

    def measure(self, labelled: dict[str, Recommender], parts: Split) -> None:
        """Fit and measure all models that have not failed yet on one more split."""
        if self.metrics is None:
            self.metrics = _default_metrics(labelled.values(), parts)
        # an unknown name is the caller's error, not a failure of each model
        self.lower = {metric.name: metric.lower_is_better for metric in parse_metrics(self.metrics)}
        self.names = tuple(self.lower)
        self.splits = self.splits or [parts]
        self.tested.append(_share_tested(parts))
        self._measure_simple_model(parts)
        for label, model in labelled.items():
            if label in self.failed:
                continue
            try:
                row, report = _measured(label, model, parts, self.metrics, self.filter_seen)
                self.rows[label].append(row)
                self.reports[label].append(report)
            except RecaeError as error:
                self.failed[label] = str(error)
            if self.progress is not None:
                self.progress(_line(label, self.failed.get(label) or self.rows[label][-1], self.names[0]))

    def _measure_simple_model(self, parts: Split) -> None:
        """What every model should beat by the first metric, on the same split."""
        first = parse_metrics(self.metrics or ())[0]
        name = simple_model(first)
        if name is not None:
            simple = make_model(name).fit(parts.train)
            report = evaluate(simple, parts, first.name, filter_seen=self.filter_seen)
            self.simple[name] = [*self.simple.get(name, []), report[first.name]]

    def result(self, *, repeated_split: bool) -> Comparison:
        """The table; with `repeated_split` all splits are one and the same, and only seeds of models differ."""
        if not self.splits:
            raise DataError("there is no split to compare models on")
        tested = 0.0 if repeated_split else float(np.mean(self.tested))
        kept = [label for label in self.rows if label not in self.failed]
        if not kept:
            raise DataError("no model could be measured: " + "; ".join(f"{k}: {v}" for k, v in self.failed.items()))
        reports = {label: merge_reports(self.reports[label], tested) for label in kept}
        lower = self.lower[self.names[0]]
        rows = [merge_rows(self.rows[label], reports[label]) for label in kept]
        rows = order_rows(rows, reports, self.names[0], lower_is_better=lower)
        simple = {name: float(np.mean(values)) for name, values in self.simple.items()}
        return Comparison(rows, self.failed, reports, self.names, self.splits[0], len(self.tested), simple, self.lower)


def _share_tested(parts: Split) -> float:
    """Size of the test part over that of the train part: users where these are hidden, else ratings."""
    if parts.test_input is not None:
        return parts.test.n_users / max(1, parts.train.n_users)
    return parts.test.n_ratings / max(1, parts.train.n_ratings)


def _labelled(models: Any, rng: int) -> dict[str, Recommender]:
    given = models.items() if isinstance(models, Mapping) else [(_label(model), model) for model in models]
    found: dict[str, Recommender] = {}
    for label, model in given:
        if label in found:
            raise ParameterError(f"two models are called {label!r}", remedy="give a mapping of labels to models")
        found[label] = _made(model, rng) if isinstance(model, str) else model.clone()
    if not found:
        raise ParameterError("there is no model to compare", remedy="name at least one")
    return found


def _label(model: str | Recommender) -> str:
    return model if isinstance(model, str) else repr(model)


def _made(name: str, rng: int) -> Recommender:
    model = make_model(name)
    return model.set_params(rng=rng) if "rng" in model.get_params() else model


def _default_metrics(models: Iterable[Recommender], parts: Split) -> tuple[str, ...]:
    if parts.test_input is None and all(model.predicts_ratings for model in models):
        return RATING
    n = parts.train.n_items
    return tuple(name for name in RANKING if int(name.split("@")[1]) <= n) or (f"ndcg@{n}", f"recall@{n}")


def _measured(
    label: str, model: Recommender, parts: Split, metrics: Sequence[str | Own], filter_seen: bool
) -> tuple[dict[str, Any], Report]:
    """A row of the table, and the report that it is from."""
    memory = MemoryGrowth()
    start = time.perf_counter()
    _fit(model, parts)
    fitted = time.perf_counter()
    grown = memory.peak_mb()
    report = evaluate(model, parts, metrics, filter_seen=filter_seen)
    row: dict[str, Any] = {"model": label, "settings": model.get_params(), "league": league_of(model)}
    row |= dict(report)
    row["intervals"] = {name: list(i) for name in report if (i := report.interval(name)) is not None}
    row["groups"] = report.group_values()
    row |= {"fit_seconds": fitted - start, "recommend_seconds": _seconds_to_recommend(model, parts), "peak_mb": grown}
    return row, report


def _fit(model: Recommender, parts: Split) -> None:
    """On train; what learns by epochs is stopped by the validation part, where there is one that it can be asked on."""
    hidden = parts.validation_input is not None
    if not model.iterative or parts.validation is None or (hidden and not model._can_meet_hidden_users()):
        model.fit(parts.train, progress=False)
    else:
        model.fit(parts.train, parts.validation, validation_input=parts.validation_input, progress=False)


def _seconds_to_recommend(model: Recommender, parts: Split) -> float:
    """Lists of all test users, as a user of the package would ask for them."""
    n = min(LIST, parts.train.n_items)
    known = np.flatnonzero(parts.test.counts("user") > 0)
    start = time.perf_counter()
    if parts.test_input is None:
        model.recommend(parts.test.user_ids[known], n)
    else:
        model.recommend_new(parts.test_input, n)
    return time.perf_counter() - start


def _line(label: str, outcome: Mapping[str, Any] | str, name: str) -> str:
    if isinstance(outcome, str):
        return f"{label} failed: {outcome}"
    return f"{label}: {name} {outcome[name]:.4f}, fitted in {outcome['fit_seconds']:.1f} s"
