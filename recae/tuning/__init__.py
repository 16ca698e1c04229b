"""Choosing a model's hyper-parameters on held-out training data, and on nothing else.

found = recae.tune("i-autorec", split.train, budget=40)
model = found.model().fit(split.train)
found.save("i-autorec.toml")              # for `recae train --settings`, with the log of the search beside
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from recae.errors import DataError
from recae.models import Recommender, make_model
from recae.ratings import RatingMatrix
from recae.ratings.seeds import checked_seed
from recae.splitting import Cut, Split
from recae.tuning.budget import Budget
from recae.tuning.outcome import Tuning
from recae.tuning.search import Search
from recae.tuning.space import space_of
from recae.tuning.trial import task_of

__all__ = ["Tuning", "tune"]


def tune(
    model: str | Recommender,
    ratings: RatingMatrix | Split,
    space: Mapping[str, Any] | None = None,
    budget: int | str = 30,
    *,
    validation: float | Cut = 0.1,
    hide: Literal["auto", "ratings", "users", "time"] = "auto",
    metric: str | None = None,
    again: bool = False,
    study: str | Path | None = None,
    prune: bool = True,
    rng: int = 0,
    progress: Callable[[str], None] | None = None,
) -> Tuning:
    """Search for a model's best settings on a part of `ratings`, and measure each on another part of them.

    Pass the train part of a split, or a split: its train part is searched on, its validation part is measured on where
    it has one, and its test part is never seen.

    Args:
        model: a name (`recae.MODELS`), or a model, whose settings are kept where they are not searched.
        ratings: what may be used for the choice, or a split.
        space: hyper-parameter to (low, high), (low, high, "log"), or a list of values; by default what the model
            declares. The model's own settings are the first trial; what they leave open (None) the model chooses there.
        budget: so many trials in all, or a time such as "90s", "20m" or "2h", after which none is begun.
        validation: share of the ratings (of the users) that trials are measured on; one and the same for all. By time
            also a date or a span, such as "7D". A split that has a validation part is measured on that.
        hide: what is held out of `ratings`: ratings at random, whole users who are met with 80 % of their
            ratings, or the latest ratings ("time"); "auto": ratings for models that predict them, users for those
            that rank.
        again: of trials by time, also measure on pairs that occur before, and rank what a user has had: for what is
            bought again (as `again` of a split by time, which a split that was made with it says by itself).
        metric: what is measured; by default rmse, or ndcg@100 for models that rank.
        study: a file that keeps the search as it goes; a search that was stopped or killed resumes from it, with the
            same result. By default none is kept.
        prune: give up a trial whose validation figure is, on its way, worse than the median of those before.
        rng: seed of the validation part and of the search.
        progress: called with a line about each trial.

    A trial's figure is that of its last epoch (early stopping is off), as the model is to be fitted on all of
    `ratings` later, where there is nothing to stop by: epochs are one of the settings. Rankers that find by themselves
    how many epochs are best (`own_part`) do so in trials, as in `fit`, where epochs are not searched; where they are,
    trials and the model that is found learn for exactly so many (`own_part=0`, which adds no popularity to lists unless
    `popularity` is given or searched). Of models that predict ratings and train in epochs a trial's figure is the
    network's own, before answers are drawn towards the biases (`shrink`): the best network is looked for, and `fit`
    decides how far it is trusted. Candidates are drawn by a tree-structured Parzen estimator (Bergstra et al., 2011;
    Optuna).

    Raises:
        ParameterError: a setting is out of range, or `study` holds another search.
        DataError: a part would be empty, or not a single trial gave a figure.
        MissingExtraError: Optuna is not installed.
    """
    model = make_model(model) if isinstance(model, str) else model.clone()
    if not isinstance(ratings, RatingMatrix | Split):
        raise DataError(f"tune takes a RatingMatrix or a Split, not {type(ratings).__name__}")
    limit = Budget.read(budget)
    rng = checked_seed(rng)
    task = task_of(model, ratings, validation, hide, metric, rng, again)
    search = Search(task, space_of(model, space), limit, None if study is None else Path(study), prune, rng, progress)
    return search.run()
