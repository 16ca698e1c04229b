"""What one call of `fit` is told, what it refuses, and what it says of the ratings: options, checks, warnings."""

from __future__ import annotations

import datetime as dt
import importlib
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recae.errors import DataError, DataWarning, ParameterError, Phrase, Remedy
from recae.ratings import RatingMatrix
from recae.ratings.ids import plain
from recae.ratings.matching import match, same_ids
from recae.store import check_before_use

ASIDE = "take them from recae.splitting.take_validation(train, 0.1)"
RARE = 0.001  # share of the ratings at each end of the scale that may be slips
MANY = 1000  # ratings from which on so small a share says something
_fitting: ContextVar[bool] = ContextVar("fitting")
STRETCHED = 2.0  # a scale so many times as wide as what nearly all ratings need


@dataclass(frozen=True)
class FitOptions:
    """How one call of `fit` is to run; no part of what the model is.

    Attributes:
        checkpoint: file in which training keeps its state; None for none.
        checkpoint_seconds: time between two writes of it, at least.
        resume: continue from the checkpoint if there is one.
        progress: show a bar; None for "where stderr is a terminal".
        validation_input: what hidden validation users show; None where validation users are training users.
        stop_after: epochs after which training ends; None for those of the model.
        label: what stands before the bar.
        start: a fitted model that training goes on from; None for none.
        weight: of a rating model's own answers against the biases, where it is known already; None to estimate it.
    """

    checkpoint: str | Path | None = None
    checkpoint_seconds: float = 60.0
    resume: bool = False
    progress: bool | None = None
    validation_input: RatingMatrix | None = None
    stop_after: int | None = None
    label: str = "training"
    start: Any = None
    weight: float | None = None

    def for_trainer(self) -> dict[str, Any]:
        """The options that a `Trainer` takes."""
        names = ("checkpoint", "checkpoint_seconds", "resume", "progress", "stop_after", "label")
        return {name: getattr(self, name) for name in names}

    def known_ratings(self, ratings: RatingMatrix) -> RatingMatrix:
        """The ratings from which validation users are scored: those hidden users show, else the training `ratings`."""
        return ratings if self.validation_input is None else self.validation_input

    def begin(self, network: Any, make: Callable[[RatingMatrix], Any], ratings: RatingMatrix) -> Any:
        """`network` as training begins with it: as it is made, or with what `start` has learnt (`warm_start`)."""
        if self.start is not None:
            from recae.recommender.warm_start import take_over

            take_over(network, make, ratings, self.start)
        return network


# ---------------------------------------------------------------- checks


def check_fit(model: type[Any], ratings: RatingMatrix, options: FitOptions, callbacks: Sequence[Any] = ()) -> None:
    """Refuse what a model of this class cannot be fitted on.

    Raises:
        ParameterError: several processes cannot fit it together, or there is nothing to checkpoint or to tell.
        DataError: there is nothing to learn from, or ids are of a type that a model file does not hold.
    """
    refuse_many_processes(model)
    if not isinstance(ratings, RatingMatrix):
        raise DataError(f"fit takes a RatingMatrix, not {type(ratings).__name__}; recae.load(...) makes one")
    if ratings.n_ratings == 0:
        raise DataError(f"{ratings.name} holds no rating to learn from")
    refuse_what_no_file_holds(ratings)
    if model.predicts_ratings:
        refuse_equal_ratings(model, ratings)
    if ratings.is_mapped:
        check_before_use(ratings)
    if (options.checkpoint is not None or options.resume) and not model.iterative:
        raise ParameterError(f"{model.__name__} is fitted in one step, so there is nothing to checkpoint or resume")
    if callbacks and not model.iterative:
        raise ParameterError(f"{model.__name__} is fitted in one step, so there are no epochs to tell callbacks of",
                             remedy="leave callbacks out")  # fmt: skip
    if options.start is not None and not model.starts_warm:
        how = "each fit begins anew" if model.iterative else "it is fitted in one step"
        raise ParameterError(f"{model.__name__} goes on from no other model: {how}", remedy="leave start out")


def checked_validation(
    model: Any, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions
) -> RatingMatrix | None:
    """The validation part as a model can use it; see `matched_validation`, `check_validation` and `check_start`."""
    shown = options.validation_input
    if shown is None:
        validation = matched_validation(ratings, validation)
    check_validation(type(model), ratings, validation, shown)
    if options.start is not None:
        from recae.recommender.warm_start import check_start

        check_start(model, options.start, ratings, validation)
    return validation


def refuse_what_no_file_holds(ratings: RatingMatrix) -> None:
    """Refuse ids and entries of tables that `Recommender.save` could not write.

    Raises:
        DataError: names the first one, and its type.
    """
    for part, ids in (("user id", ratings.user_ids), ("item id", ratings.item_ids)):
        if ids.dtype.kind not in "iu":
            _refuse(part, ids.tolist(), _is_plain_id)
    for part, table in (("user table", ratings.user_table), ("item table", ratings.item_table)):
        columns = {} if table is None else {name: table[name] for name in table.columns}
        for name, column in columns.items():
            if column.dtype.kind not in "iufbM":
                held = column.cat.categories if column.dtype == "category" else column
                _refuse(f"{part}, column {name!r}", held.tolist(), _is_plain_entry)


def _refuse(part: str, values: list[Any], fits: Callable[[Any], bool]) -> None:
    if set(map(type, values)) <= {str, int}:
        return
    odd = next((value for value in values if not fits(plain(value))), None)
    if odd is not None:
        raise DataError(
            f"{part} {odd!r} ({type(odd).__name__}): a model file holds finite numbers, texts and tuples of them",
            remedy="make texts of them before the ratings are loaded, with .astype(str), of bytes with .str.decode()",
        )


def _is_plain_id(value: Any) -> bool:
    """As `recae.schemas.check_ids` has it, which reads them."""
    if isinstance(value, tuple):
        return all(map(_is_plain_id, value))
    return isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))


def _is_plain_entry(value: Any) -> bool:
    """What `recae.recommender.files` writes of a table: missing ones and dates too."""
    if isinstance(value, list | tuple):
        return all(map(_is_plain_entry, value))
    return value is None or isinstance(value, str | int | float | dt.date | type(pd.NaT) | type(pd.NA))


def refuse_many_processes(model: type[Any]) -> None:
    """Under torchrun, refuse a model that would be fitted over and over instead of together.

    Raises:
        ParameterError: there are several processes, and the model cannot share rows among them.
    """
    if (n := processes().size) > 1 and not model.shares_rows:
        raise ParameterError(
            f"{model.__name__} is fitted by one process, and torchrun started {n}",
            remedy="start it without torchrun (docs/scale.md lists the models that several processes can share)",
        )


def refuse_equal_ratings(model: type[Any], ratings: RatingMatrix) -> None:
    """Refuse ratings that are all the same for a model that predicts ratings, the simplest ones included.

    They say who took what (purchases, plays), not how much it was liked: every prediction would be that number, with
    an error of 0, and lists would be in no order. A single rating is no sign of that.

    Raises:
        DataError: there are two ratings or more, and all are equal.
    """
    values, step = ratings.user_rows.data, 1 << 20
    chunks = (values[start : start + step] for start in range(0, len(values), step))
    if len(values) > 1 and all(bool((chunk == values[0]).all()) for chunk in chunks):
        raise DataError(
            f"all {len(values):,} ratings of {ratings.name!r} are {values[0]:g}: they say who took what, not how "
            f"much it was liked, and {model.__name__} would predict that for everything",
            remedy=Remedy("take a model that ranks items: {ranker}", ranker=Phrase("recae.EASE(), for example")),
        )


def matched_validation(ratings: RatingMatrix, validation: RatingMatrix | None) -> RatingMatrix | None:
    """The validation part in the users and items of `ratings`, by raw id; parts of one split are that already.

    Ratings of users or items that training lacks are left out, which a `DataWarning` says.

    Raises:
        DataError: none is left.
    """
    if not isinstance(validation, RatingMatrix):
        return validation
    of_one_split = validation.user_ids is ratings.user_ids and validation.item_ids is ratings.item_ids
    if of_one_split or same_ids(validation, ratings):
        return validation
    matched, n_left_out = match(validation, ratings)
    if matched.n_ratings == 0:
        raise DataError(
            f"none of the {validation.n_ratings:,} validation ratings of {validation.name!r} is of a user and an item "
            f"of {ratings.name!r}; ids are matched as they are (user {plain(validation.user_ids[0])!r} there, "
            f"{plain(ratings.user_ids[0])!r} here)",
            remedy=Remedy("of hidden users, give {validation_input} too", validation_input=...),
        )
    if n_left_out:
        warnings.warn(
            f"{n_left_out:,} of the {validation.n_ratings:,} validation ratings of {validation.name!r} are of users or "
            "items that training lacks, and are left out",
            DataWarning, stacklevel=3,
        )  # fmt: skip
    return matched


def check_validation(
    model: type[Any], ratings: RatingMatrix, validation: RatingMatrix | None, shown: RatingMatrix | None
) -> None:
    """Refuse a validation part that has other users or items than `ratings`, or hidden users who show nothing.

    Args:
        shown: what hidden validation users show; None where validation users are training users.

    Raises:
        DataError: shapes differ, or hidden users are given to a model that cannot meet them.
    """
    if shown is None:
        if validation is not None and validation.shape != ratings.shape:
            raise DataError(
                f"validation has {validation.shape[0]} users and {validation.shape[1]} items, training "
                f"{ratings.shape[0]} and {ratings.shape[1]}",
                remedy=("take both from one recae.split of ratings", ASIDE, "of hidden users, give validation_input="),
            )
        return
    if not model._can_meet_hidden_users():
        why = "predicts ratings, and" if model.predicts_ratings else "learns in epochs, and"
        raise DataError(
            f"{model.__name__} {why} is validated by users it learns from, not by hidden ones (validation_input)",
            remedy=(ASIDE, "leave both out"),
        )
    if validation is None or validation.shape != shown.shape or shown.n_items != ratings.n_items:
        wanted = None if validation is None else validation.shape
        raise DataError(
            f"validation_input has the shape {shown.shape}, validation {wanted}, and training has {ratings.n_items} "
            "items",
            remedy="give validation and validation_input of one recae.split(..., 'held-out-users')",
        )


def processes() -> Any:
    """Those that fit together, as `current` has it; it takes PyTorch, which a saved linear model lists without."""
    return importlib.import_module("recae.distributed.ranks").current()


# ---------------------------------------------------------------- values that may be meant otherwise


def say_odd_values(model: Any, ratings: RatingMatrix) -> None:
    """A `DataWarning` where a model takes returns for purchases, or learns on a scale that a few ratings stretch.

    It is said once of the same ratings, however many models are fitted on them.
    """
    text = _stretched(ratings) if model.predicts_ratings else _taken(model, ratings)
    if text is not None and text not in ratings._cache:
        ratings._cache[text] = True
        warnings.warn(text, DataWarning, stacklevel=3)


@contextmanager
def one_of_many() -> Iterator[bool]:
    """Around a fit: whether it is no part of another one, such as that of a candidate."""
    before = _fitting.set(True)
    try:
        yield before.old_value is not True
    finally:
        _fitting.reset(before)


def _taken(model: Any, ratings: RatingMatrix) -> str | None:
    """Of a model that reads ones: that 0 and less is one, too."""
    if not (ratings.user_rows.data <= 0).any() or model.get_params().get("values", "binary") != "binary":
        return None
    return (
        f"{ratings.name} has ratings of 0 or less: models that rank count each as taken, whatever its value; if "
        "these items were returned or disliked, leave them out (`threshold`, or ratings.binarize)"
    )


def _stretched(ratings: RatingMatrix) -> str | None:
    """Of a rating model, which computes on the scale: that few ratings make it far wider than the others need."""
    values = ratings.user_rows.data
    if len(values) < MANY or ratings.is_mapped:
        return None
    inner = np.quantile(values, RARE, method="higher"), np.quantile(values, 1 - RARE, method="lower")
    low, high = float(values.min()), float(values.max())
    if high - low <= STRETCHED * float(inner[1] - inner[0]) or ratings.scale != (low, high):
        return None
    return (
        f"{ratings.name}: a few ratings make the scale {low:g} to {high:g}: nearly all lie from {inner[0]:g} to "
        f"{inner[1]:g}, and are predicted worse so; if the others are slips, state the `scale`, and they are named; "
        "amounts (counts, money) are for models that rank"
    )
