"""One trial: a model with these settings, learnt on one part, measured on the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from recae.errors import ParameterError
from recae.evaluation import evaluate
from recae.evaluation.names import lower_is_better, parse_metrics
from recae.models import Recommender
from recae.ratings import RatingMatrix
from recae.recommender.fingerprints import checksum, checksum_of_times
from recae.splitting import Cut, Split, split, take_validation
from recae.splitting.cuts import as_text
from recae.training.reporting import Callback, telling

HIDE = ("auto", "ratings", "users", "time")


@dataclass(frozen=True)
class Task:
    """What all trials of a search share.

    Attributes:
        model: settings that are not searched; never fitted itself.
        parts: `train` to learn from and `test` to measure on: both of the ratings that were given.
        metric: its name.
        fingerprint: the model, settings and data of a search: a study is resumed only on the same ones.
    """

    model: Recommender
    parts: Split
    metric: str
    fingerprint: dict[str, Any]

    @property
    def minimises(self) -> bool:
        return lower_is_better(self.metric)

    def measure(self, settings: dict[str, Any], callback: Callback) -> float:
        """The figure of a model with `settings`; `callback` hears of epochs where they are in the metric's units."""
        model = self.model.clone().set_params(**settings)
        params = model.get_params()
        if "patience" in params and "patience" not in settings:
            model.set_params(patience=None)
        if not self.can_be_watched:
            model.fit(self.parts.train, progress=False)
            return evaluate(model, self.parts, self.metric)[self.metric]
        with telling(callback, trial=True):
            model.fit(self.parts.train, self.parts.test, progress=False)
        history: Any = getattr(model, "history_", None)
        if history is not None and len(history) and history.records[-1]["validation"] is not None:
            return float(history.records[-1]["validation"])
        return evaluate(model, self.parts, self.metric)[self.metric]

    @property
    def can_be_watched(self) -> bool:
        """Models of ratings are validated by RMSE on known users."""
        return self.model.iterative and self.metric == "rmse" and self.parts.test_input is None


def task_of(
    model: Recommender, ratings: RatingMatrix | Split, validation: float | Cut, hide: str, metric: str | None, rng: int
) -> Task:
    """The task of a search; see `recae.tune`."""
    if hide not in HIDE:
        raise ParameterError(name="hide", value=hide, expected=HIDE)
    if isinstance(ratings, Split) and ratings.validation is not None:
        parts, hide = measured_on_validation(ratings), ratings.how
        held_out = [part for part in (parts.test, parts.test_input) if part is not None]
        measured: Any = checksum(parts.test)
        ratings = ratings.train
        beside = model._reads_beside(ratings, held_out) | {"shown": " ".join(map(checksum, held_out[1:])) or "none"}
    else:
        ratings = ratings.train if isinstance(ratings, Split) else ratings
        if hide == "auto":
            hide = "ratings" if model.predicts_ratings else "users"
        parts, measured = parts_of(ratings, validation, hide, rng), as_text(validation)
        beside = model._reads_beside(ratings, ()) | {"shown": "none"}
        if hide == "time":
            beside["timestamps"] = checksum_of_times([ratings])
    if metric is None:
        n = parts.train.n_items
        metric = "rmse" if model.predicts_ratings else f"ndcg@{min(100, n)}"
    parse_metrics([metric])
    fingerprint = {
        "model": type(model).__name__, "settings": {k: repr(v) for k, v in model.get_params().items() if k != "device"},
        "ratings": checksum(ratings), "validation": measured, "hide": hide, "metric": metric, "seed": rng, **beside,
    }  # fmt: skip
    return Task(model, parts, metric, fingerprint)


def measured_on_validation(split: Split) -> Split:
    """Train and validation part of a split; its test part is not among them."""
    assert split.validation is not None
    return Split(split.train, split.validation, test_input=split.validation_input, how=split.how)


def parts_of(ratings: RatingMatrix, validation: float | Cut, hide: str, rng: int) -> Split:
    """Ratings in two: to learn from, and to measure trials on."""
    if hide == "users":
        return split(ratings, "held-out-users", test=validation, rng=rng)
    way: Literal["random", "time"] = "time" if hide == "time" else "random"
    return Split(*take_validation(ratings, validation, rng, way), how=way)
