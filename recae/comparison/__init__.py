"""Several models on one split: one table, and whether the differences in it mean anything."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recae.comparison.leagues import league_of
from recae.errors import DataError, ParameterError, RecaeError
from recae.evaluation import Report, evaluate
from recae.evaluation.names import parse_metrics
from recae.models import Recommender, make_model
from recae.ratings import RatingMatrix
from recae.splitting import Split, split

__all__ = ["Comparison", "compare"]

RANKING = ("ndcg@100", "recall@20", "recall@50", "coverage@20", "novelty@20", "diversity@20")
RATING = ("rmse", "mae")
LOWER_IS_BETTER = frozenset({"rmse", "mae", "gini"})
LIST = 20  # items of the lists that recommending is timed on
PER_FIT = ("fit_seconds", "recommend_seconds", "peak_mb")


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """What `compare` found.

    Attributes:
        rows: one mapping a model, the best first: `model` (its label), `settings`, `league`, the metrics,
            `fit_seconds`, `recommend_seconds` (lists of 20 for all test users, fitted model to frame), `peak_mb` (by
            how much the process grew, at most, while it was fitted; None where the system does not tell), `better_by`:
            the best model's figure less this one's over users, with its 95 % interval and its p-value.
        failed: label to message, of models that could not be fitted or measured.
        reports: label to `Report`.
        metrics: their names; by the first, models are ordered and compared.
        split: what they were compared on.
    """

    rows: list[dict[str, Any]]
    failed: dict[str, str]
    reports: dict[str, Report]
    metrics: tuple[str, ...]
    split: Split

    @property
    def best(self) -> str:
        """The label of the best model by the first metric."""
        return str(self.rows[0]["model"])

    def to_frame(self) -> pd.DataFrame:
        """One row a model, the best first: metrics, times, memory, and p (of the paired test against the best).

        Models that learn from different things (`recae.comparison.leagues`) are told apart by a column `league`.
        """
        mixed = ("league",) if len({row["league"] for row in self.rows}) > 1 else ()
        table = [
            {name: row[name] for name in ("model", *mixed, *self.metrics, *PER_FIT)} | {"p": row["better_by"].get("p")}
            for row in self.rows
        ]
        return pd.DataFrame(table).set_index("model")

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "data": self.split.train.name, "protocol": self.split.how, "settings": self.split.settings,
            "metrics": list(self.metrics), "n_test_users": max(len(r.per_user) for r in self.reports.values()),
            "models": self.rows, "failed": self.failed,
        }  # fmt: skip

    def to_json(self, path: str | Path | None = None) -> str:
        """`to_dict` as JSON; written to `path` too where one is given."""
        text = json.dumps(self.to_dict(), indent=2, ensure_ascii=False)
        if path is not None:
            Path(path).write_text(text + "\n", encoding="utf-8")
        return text

    def __str__(self) -> str:
        head = f"{self.split!r}\n"
        table = self.to_frame()
        texts = {str(name): [_text(value, str(name)) for value in table[name]] for name in table}
        shown = pd.DataFrame(texts, index=table.index.rename(None)).rename(
            columns={"fit_seconds": "fit s", "recommend_seconds": "list s", "peak_mb": "MB"}
        )
        notes = [f"p: paired t-test over users of {self.metrics[0]} against {self.best}, by Holm's correction"]
        notes += [f"{label} failed: {message}" for label, message in self.failed.items()]
        return "\n".join([head + shown.to_string(), *notes])

    __repr__ = __str__


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
    parse_metrics(names)  # a name that does not exist is nobody's failure but the caller's
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
    return Comparison(_ordered(rows, reports, names[0]), failed, reports, names, ratings)


def _labelled(models: Any, rng: int) -> dict[str, Recommender]:
    given = models.items() if isinstance(models, Mapping) else [(_label(model), model) for model in models]
    found: dict[str, Recommender] = {}
    for label, model in given:
        if label in found:
            raise ParameterError(f"two models are called {label!r}: give a mapping of labels to models")
        found[label] = _made(model, rng) if isinstance(model, str) else model.clone()
    if not found:
        raise ParameterError("no model to compare: name some of recae.MODELS")
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
    memory = _Growth()
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


# ---------------------------------------------------------------- who is better, and surely


def _ordered(rows: list[dict[str, Any]], reports: dict[str, Report], name: str) -> list[dict[str, Any]]:
    """The best first, each with what the best is better by."""
    sign = 1 if name.split("@")[0] in LOWER_IS_BETTER else -1
    rows = sorted(rows, key=lambda row: sign * row[name])
    best = reports[rows[0]["model"]].per_user
    for row in rows:
        row["better_by"] = {}
    if name in best:
        for row in rows[1:]:
            row["better_by"] = paired_test(best[name], reports[row["model"]].per_user[name])
        _correct([row["better_by"] for row in rows[1:]])
    return rows


def paired_test(best: pd.Series, other: pd.Series) -> dict[str, Any]:
    """Mean over common users of best - other, its 95 % interval, and p of Student's paired t-test (two-sided)."""
    from scipy import stats

    rest = (best - other).dropna().to_numpy()
    n, mean = len(rest), float(rest.mean()) if len(rest) else 0.0
    error = float(rest.std(ddof=1) / np.sqrt(n)) if n > 1 else float("nan")
    if not error > 0:  # a single user, or one and the same difference for all
        return {"mean": mean, "low": mean, "high": mean, "p": 1.0 if n < 2 or mean == 0 else 0.0, "n_users": n}
    half = float(stats.t.ppf(0.975, n - 1)) * error
    p = float(2 * stats.t.sf(abs(mean / error), n - 1))
    return {"mean": mean, "low": mean - half, "high": mean + half, "p": p, "n_users": n}


def _correct(tests: list[dict[str, Any]]) -> None:
    """Holm's step-down correction of the p-values, in place: so many tests, and still 5 % to be wrong in any."""
    least = 0.0
    for place, test in enumerate(sorted(tests, key=lambda test: test["p"])):
        least = max(least, min(1.0, (len(tests) - place) * test["p"]))
        test["p"] = least


# ---------------------------------------------------------------- memory and words


class _Growth:
    """By how much the process grows from here to its peak (Linux: the kernel's own mark, which can be reset)."""

    def __init__(self) -> None:
        gc.collect()
        _give_back()
        try:
            Path("/proc/self/clear_refs").write_text("5")
            self.before: int | None = _kilobytes("VmRSS")
        except OSError:
            self.before = None

    def peak_mb(self) -> float | None:
        return None if self.before is None else max(0, _kilobytes("VmHWM") - self.before) / 1024


def _give_back() -> None:
    """Memory that is free within the process to the system, where the C library can: or growth would not be seen."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _kilobytes(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field + ":"))


def _line(label: str, outcome: Mapping[str, Any] | str, name: str) -> str:
    if isinstance(outcome, str):
        return f"{label} failed: {outcome}"
    return f"{label}: {name} {outcome[name]:.4f}, fitted in {outcome['fit_seconds']:.1f} s"


def _text(value: Any, name: str) -> str:
    if value is None or pd.isna(value):
        return "-"
    if isinstance(value, str):
        return value
    if name == "p":
        return "<0.001" if value < 0.001 else f"{value:.3f}"
    return f"{value:.0f}" if name == "peak_mb" else f"{value:.2f}" if name in PER_FIT else f"{value:.4f}"
