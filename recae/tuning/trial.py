"""One trial: a model with these settings, learnt on one part, measured on the other."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from recae.errors import ParameterError, Remedy
from recae.evaluation import evaluate
from recae.evaluation.names import lower_is_better, parse_metrics
from recae.models import Recommender
from recae.ratings import RatingMatrix
from recae.recommender.fingerprints import checksum, checksum_of_times
from recae.recommender.params import declared
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
        model = with_settings(self.model, settings)
        params = model.get_params()
        if "patience" in params and "patience" not in settings:
            model.set_params(patience=None)
        if not self.can_be_watched:
            model.fit(self.parts.train, progress=False)
            return self._figure(model)
        with telling(callback, trial=True):
            model.fit(self.parts.train, self.parts.test, progress=False)
        history: Any = getattr(model, "history_", None)
        if history is not None and len(history) and history.records[-1]["validation"] is not None:
            return float(history.records[-1]["validation"])
        return self._figure(model)

    def _figure(self, model: Recommender) -> float:
        """What a fitted model's answers are worth; of what is taken again, lists name what a user has had."""
        again = bool(self.parts.settings.get("again"))
        return evaluate(model, self.parts, self.metric, filter_seen=not again)[self.metric]

    @property
    def can_be_watched(self) -> bool:
        """Models of ratings are validated by RMSE on known users."""
        return self.model.iterative and self.metric == "rmse" and self.parts.test_input is None


def with_settings(model: Recommender, settings: Mapping[str, Any]) -> Recommender:
    """A copy of `model` with `settings` that a search found, and nothing learnt."""
    made = model.clone().set_params(**settings)
    return made.set_params(own_part=type(made.get_params()["own_part"])(0)) if fixes_epochs(model, settings) else made


def fixes_epochs(model: Recommender, names: Container[str]) -> bool:
    """Whether a search of these settings says how long a ranker learns that finds its epochs by itself otherwise.

    Such a ranker puts a part of the entries aside, and learns for as many epochs as were best on it. Then the number
    that a search tries would only be the most. Where `own_part` is searched or is not the default, it stays.
    """
    own = {p.name: p.default for p in declared(type(model)) if p.name == "own_part"}
    if "epochs" not in names or "own_part" in names:
        return False
    return any(model.get_params()[name] == default for name, default in own.items())


def task_of(
    model: Recommender, ratings: RatingMatrix | Split, validation: float | Cut, hide: str, metric: str | None, rng: int,
    again: bool = False,
) -> Task:  # fmt: skip
    """The task of a search; see `recae.tune`."""
    if hide not in HIDE:
        raise ParameterError(name="hide", value=hide, expected=HIDE)
    if isinstance(ratings, Split) and ratings.validation is not None:
        if again:
            raise ParameterError("the split says it by itself", name="again", value=again, remedy="leave it out")
        parts, hide = measured_on_validation(ratings), ratings.how
        held_out = [part for part in (parts.test, parts.test_input) if part is not None]
        measured: Any = checksum(parts.test)
        ratings = ratings.train
        beside = model._reads_beside(ratings, held_out) | {"shown": " ".join(map(checksum, held_out[1:])) or "none"}
    else:
        if hide == "auto":
            hide = "ratings" if model.predicts_ratings else "users"
        if isinstance(ratings, Split):
            again = again or (hide == "time" and bool(ratings.settings.get("again")))
            ratings = ratings.train
        parts, measured = parts_of(ratings, validation, hide, rng, again), as_text(validation)
        beside = model._reads_beside(ratings, ()) | {"shown": "none"}
        if hide == "time":
            beside["timestamps"] = checksum_of_times([ratings])
    if metric is None:
        n = parts.train.n_items
        metric = "rmse" if model.predicts_ratings else f"ndcg@{min(100, n)}"
    parse_metrics([metric])
    fingerprint = {
        "model": type(model).__name__, "settings": {k: repr(v) for k, v in model.get_params().items() if k != "device"},
        "ratings": checksum(ratings), "validation": measured, "hide": hide, "metric": metric, "seed": rng,
        "again": bool(parts.settings.get("again")), **beside,
    }  # fmt: skip
    return Task(model, parts, metric, fingerprint)


def measured_on_validation(split: Split) -> Split:
    """Train and validation part of a split; its test part is not among them."""
    assert split.validation is not None
    return Split(
        split.train, split.validation, test_input=split.validation_input, how=split.how, settings=split.settings
    )


def parts_of(ratings: RatingMatrix, validation: float | Cut, hide: str, rng: int, again: bool) -> Split:
    """Ratings in two: to learn from, and to measure trials on."""
    if hide != "time" and again:
        raise ParameterError(
            "is for trials by time", name="again", value=again, remedy=Remedy("add {hide}", hide="time")
        )
    if hide == "users":
        return split(ratings, "held-out-users", test=validation, rng=rng)
    way: Literal["random", "time"] = "time" if hide == "time" else "random"
    parts = take_validation(ratings, validation, rng, way, again=again)
    return Split(*parts, how=way, settings={"again": again})
