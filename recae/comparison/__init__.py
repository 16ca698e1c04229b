"""Several models on one split: one table, with times, memory and paired tests of the differences."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from recae.comparison.leagues import league_of
from recae.comparison.memory_growth import MemoryGrowth
from recae.comparison.paired import order_rows, paired_test
from recae.comparison.table import Comparison
from recae.errors import DataError, ParameterError, RecaeError
from recae.evaluation import Report, evaluate
from recae.evaluation.names import parse_metrics
from recae.models import Recommender, make_model
from recae.ratings import RatingMatrix
from recae.splitting import Split, split

__all__ = ["Comparison", "compare", "paired_test"]

RANKING = ("ndcg@100", "recall@20", "recall@50", "coverage@20", "novelty@20", "diversity@20")
RATING = ("rmse", "mae")
LIST = 20  # items of the lists that recommending is timed on


def compare(
    ratings: RatingMatrix | Split,
    models: Iterable[str | Recommender] | Mapping[str, str | Recommender],
    protocol: str = "held-out-users",
    metrics: Sequence[str] | None = None,
    *,
    test: float | int | None = None,
    threshold: float | None = None,
    rng: int = 0,
    progress: Callable[[str], None] | None = None,
    **options: Any,
) -> Comparison:
    """Fit models on one and the same train part and measure them on one and the same test part.

    Args:
        ratings: all ratings, or a `Split` that is made already.
        models: names (`recae.MODELS`), models, or either by label. Models are cloned: yours stay as they are.
        protocol: how to split (`recae.split`): by default whole users are hidden, and met with a part of their ratings.
        metrics: the first one orders the table. By default rmse and mae where all models predict ratings and known
            users are tested; else ndcg@100, recall@20, recall@50, coverage@20, novelty@20, diversity@20.
        test: share of the ratings (of the users) to test on.
        threshold: keep only ratings of at least this, each as 1, and users with 5 of them or more: what is liked.
        rng: seed of the split, and of models given by name.
        progress: called with a line about each model as it is done.
        options: of the split, such as `fold_in=0.8`.

    Models that learn by epochs are stopped by the split's validation part, where it has one.
    A model that fails (say, a catalogue too large for it) is reported, and the others go on. Times are wall-clock;
    kernels are compiled at their first use ever, which is then in them.

    Raises:
        ParameterError: an unknown name or metric, or two models of one label.
        DataError: no model could be measured.
    """
    labelled = _labelled(models, rng)
    if not isinstance(ratings, Split):
        if threshold is not None:
            ratings = ratings.binarize(threshold).filter(min_user=5)
        ratings = split(ratings, protocol, test=test, rng=rng, **options)  # type: ignore[arg-type]
    names = tuple(metrics) if metrics is not None else _default_metrics(labelled.values(), ratings)
    parse_metrics(names)  # an unknown name is the caller's error, not a failure of each model
    rows: list[dict[str, Any]] = []
    failed: dict[str, str] = {}
    reports: dict[str, Report] = {}
    for label, model in labelled.items():
        try:
            row, reports[label] = _measured(label, model, ratings, names)
            rows.append(row)
        except RecaeError as error:
            failed[label] = str(error)
        if progress is not None:
            progress(_line(label, failed.get(label) or rows[-1], names[0]))
    if not rows:
        raise DataError("no model could be measured: " + "; ".join(f"{k}: {v}" for k, v in failed.items()))
    return Comparison(order_rows(rows, reports, names[0]), failed, reports, names, ratings)


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


def _measured(label: str, model: Recommender, parts: Split, names: Sequence[str]) -> tuple[dict[str, Any], Report]:
    """A row of the table, and the report that it is from."""
    memory = MemoryGrowth()
    start = time.perf_counter()
    _fit(model, parts)
    fitted = time.perf_counter()
    grown = memory.peak_mb()
    report = evaluate(model, parts, names)
    row: dict[str, Any] = {"model": label, "settings": model.get_params(), "league": league_of(model)}
    row |= {name: report[name] for name in names}
    row["intervals"] = {name: list(i) for name in names if (i := report.interval(name)) is not None}
    row |= {"fit_seconds": fitted - start, "recommend_seconds": _seconds_to_recommend(model, parts), "peak_mb": grown}
    return row, report


def _fit(model: Recommender, parts: Split) -> None:
    """On train; what learns by epochs is stopped by the validation part, where there is one that it can be asked on."""
    hidden = parts.validation_input is not None
    if not model.iterative or parts.validation is None or (hidden and not model.meets_hidden_users):
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
