"""Auto: the model that suits a table of ratings or purchases, chosen on a part of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from recae._types import Csr, FloatArray, IntArray, Scores
from recae.models.ensemble.choose_next_item import choose_next_item
from recae.models.ensemble.choose_ranker import Choice, choose_ranker
from recae.models.ensemble.choose_rating_model import choose_rating_model
from recae.models.ensemble.handed_on import HandsOn
from recae.models.ensemble.members import fit_member
from recae.ratings import RatingMatrix
from recae.recommender.base import Recommender
from recae.recommender.fitting import FitOptions
from recae.recommender.learned import LearnedArrays
from recae.recommender.params import hyperparameters, learned, param, seed
from recae.recommender.registry import make_model, register

log = logging.getLogger("recae")
LONG_TAIL = 10.0  # values whose largest is so many times the mean of their sizes are amounts
RARE = 0.001  # share of values with fractions that may be slips, and no tail


@register("auto", "looks at the data, and takes the model that is best on a part of it")
@hyperparameters
class Auto(HandsOn):
    """A rating model where the values are ratings, a ranker where they are purchases or counts; or the next item's.

    The candidates are few (docs/which_model.md). They are fitted on a bounded part of the data, what is hidden from
    them decides, and the one that is taken learns from all. `model_` is the fitted model and `choice_` says why it was
    taken; a file that `save` writes holds `model_`.
    """

    has_members: ClassVar[bool] = True
    iterative: ClassVar[bool] = True  # the model may be; then there is something to resume
    chooses_model: ClassVar[bool] = True
    meets_hidden_users: ClassVar[bool] = True  # the model may; of others, such a validation part is left out

    task: Literal["auto", "ratings", "rankings", "next-item"] = param(
        "auto",
        "predict ratings, rank items, or rank what comes next by order of time; auto: rank where all values are equal, "
        "or are amounts (counts, money, hours)",
        choices=("auto", "ratings", "rankings", "next-item"),
    )
    rng: int = seed("seed of the part that decides, and of the model")

    model_: Recommender = learned()
    choice_: Choice = learned()

    # ---------------------------------------------------------------- fitting

    def _fit(self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions) -> None:
        self.choice_ = self._choose(ratings, options)
        log.info("auto takes %s", self.choice_.reason)
        model = make_model(self.choice_.name, **self.choice_.params)
        if "rng" in model.get_params():
            model.set_params(rng=self.rng)
        if not model.iterative:
            options = replace(options, checkpoint=None, resume=False)
        self._take(fit_member(
            model, ratings, validation, options, checkpoint=options.checkpoint,
            checkpoint_seconds=options.checkpoint_seconds, resume=options.resume,
        ))  # fmt: skip
        params = self.choice_.params.items()
        given = {name: list(value) if isinstance(value, tuple) else value for name, value in params}  # as JSON has it
        model._record(**{**given, **model.chosen_})
        self._record(**model.chosen_)

    def _choose(self, ratings: RatingMatrix, options: FitOptions) -> Choice:
        if self.task == "next-item":
            return choose_next_item(ratings, self.rng, options.progress)
        rates = self.task == "ratings" or (self.task == "auto" and are_ratings(ratings))
        return (choose_rating_model if rates else choose_ranker)(ratings, self.rng, options.progress)

    def _take(self, model: Recommender) -> None:
        """Answer by a fitted model."""
        self.model_ = model
        for name in ("predicts_ratings", "personal", "linear", "prior_", "_baseline_", "_unit", "_model_weight",
                     "reads_dates", "lists_by_product"):  # fmt: skip
            setattr(self, name, getattr(model, name))

    # ---------------------------------------------------------------- scoring

    def _answerer(self) -> Recommender:
        return self.model_

    def _scores_of_new(self, new: RatingMatrix) -> Callable[[IntArray], Scores]:
        return self.model_._scores_of_new(new)

    def _device_scores(self, user_index: IntArray) -> Any:
        return self.model_._device_scores(user_index)

    def user_vectors(self) -> FloatArray | Csr:
        self._fitted()
        return self.model_.user_vectors()

    def _added_to_lists(self) -> FloatArray | None:
        return self.model_._added_to_lists()

    def _lists_by_scores(self) -> bool:
        return self.model_._lists_by_scores()

    # ---------------------------------------------------------------- files

    def save(self, path: str | Path, *, ratings: bool = True, training: dict[str, Any] | None = None) -> Path:
        """Write the model that was chosen; `recae.load_model` gives that one."""
        self._fitted()
        return self.model_.save(path, ratings=ratings, training=training)

    def _reads_only_rows(self) -> bool:
        return self.model_._reads_only_rows()

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return self.model_._arrays()

    def _restore(self, arrays: LearnedArrays) -> None:
        raise NotImplementedError("a file holds the model that was chosen")


def answering(model: Recommender) -> Recommender:
    """The model that answers for a fitted one: of `Auto` the one that it took, as its file holds it."""
    model._fitted()
    return model.model_ if isinstance(model, Auto) else model


def are_ratings(ratings: RatingMatrix) -> bool:
    """Whether values say how much something was liked: neither all equal, nor amounts of what was bought or played.

    Amounts (counts, sums of money, hours) have a long tail, which no scale of ratings has: their largest is far above
    the mean of their sizes, zeros apart. Or they are whole numbers of which more than half are 1. What was brought
    back makes some of them 0 or negative.
    """
    values = ratings.user_rows.data
    if values.min() == values.max():
        return False
    sizes, whole = np.abs(values), bool((values == np.round(values)).all())
    largest = float(values.max() if whole else np.quantile(values, 1 - RARE, method="lower"))
    tail = largest > LONG_TAIL * float(sizes[sizes > 0].mean(dtype=np.float64))
    mostly_one = whole and values.min() <= 1 < values.max() and float((values == 1).mean()) > 0.5
    return not (tail or mostly_one)
