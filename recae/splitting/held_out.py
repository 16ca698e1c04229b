"""Held-out users (strong generalisation): whole users are hidden, then met with a part of their ratings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from recae._types import IntArray, Mask
from recae.errors import DataError, ParameterError
from recae.ratings import RatingMatrix
from recae.splitting.masks import rank_of_each
from recae.splitting.parts import Split, check_fraction, take


def held_out_users(
    ratings: RatingMatrix,
    test: float | int | None,
    validation: float | int,
    rng: np.random.Generator,
    *,
    fold_in: float,
    min_ratings: int,
    settings: dict[str, Any],
) -> Split:
    """The split of Liang et al. 2018 with users and held-out ratings drawn from `rng`."""
    check_fraction("fold_in", fold_in)
    if min_ratings < 1:
        raise ParameterError(name="min_ratings", value=min_ratings, expected="at least 1")
    candidates = np.flatnonzero(ratings.counts("user") > 0)
    n_test = _number("test", test, len(candidates))
    n_validation = _number("validation", validation, len(candidates)) if validation else 0
    if n_test + n_validation >= len(candidates):
        raise DataError(
            f"{n_test:,} test and {n_validation:,} validation users leave the train part empty: only "
            f"{len(candidates):,} users of {ratings.name!r} have ratings"
        )
    order = rng.permutation(candidates)
    cut = len(order) - n_test
    return strong_generalisation(
        ratings, np.sort(order[cut:]), np.sort(order[cut - n_validation : cut]),
        hold_out=lambda shown: _share(shown, fold_in, min_ratings, rng), settings=settings,
    )  # fmt: skip


def strong_generalisation(
    ratings: RatingMatrix,
    test_users: IntArray,
    validation_users: IntArray,
    *,
    hold_out: Callable[[RatingMatrix], Mask],
    settings: dict[str, Any] | None = None,
) -> Split:
    """Hide the users given (indices); all others are train users.

    The items are those that a train user rated; ratings of hidden users for other items are dropped, and
    counted in `settings["dropped_ratings"]`. Of a hidden user's ratings, what `hold_out` chooses (called on
    the test users, then on the validation users; it gives a mask over their ratings) becomes the target
    (`test`, `validation`), the rest is shown to the model (`test_input`, `validation_input`). Every hidden
    user keeps a row in both, be it empty: ranking metrics leave out users without a target.

    Raises:
        DataError: no hidden user of a part has a target.
    """
    hidden = np.zeros(ratings.n_users, dtype=bool)
    hidden[test_users] = hidden[validation_users] = True
    train_users = np.flatnonzero(~hidden)
    items = np.unique(ratings.user_rows[train_users].indices).astype(np.int64)
    train = take(ratings, train_users, items)
    if train.n_ratings == 0:
        raise DataError(f"none of the {len(train_users):,} train users of {ratings.name!r} has a rating")
    test, test_input = _target_and_input(take(ratings, test_users, items), hold_out, "test")
    validation = validation_input = None
    kept = train.n_ratings + test.n_ratings + test_input.n_ratings
    if len(validation_users):
        theirs = take(ratings, validation_users, items)
        validation, validation_input = _target_and_input(theirs, hold_out, "validation")
        kept += theirs.n_ratings
    settings = {**(settings or {}), "dropped_ratings": ratings.n_ratings - kept}
    return Split(train, test, validation, test_input, validation_input, "held-out-users", settings)


def _target_and_input(
    theirs: RatingMatrix, hold_out: Callable[[RatingMatrix], Mask], name: str
) -> tuple[RatingMatrix, RatingMatrix]:
    target = hold_out(theirs)
    if not target.any():
        most = int(theirs.counts("user").max(initial=0))
        raise DataError(
            f"the {name} part is empty: none of the {theirs.n_users:,} hidden users has enough ratings to hold any "
            f"out (the most is {most}, for items that train users rated); lower fold_in or min_ratings, or hide others"
        )
    return theirs.select(target), theirs.select(~target)


def _share(theirs: RatingMatrix, fold_in: float, min_ratings: int, rng: np.random.Generator) -> Mask:
    """int((1 - fold_in) n) of each user's n ratings, where n >= min_ratings; else none."""
    counts = theirs.counts("user")
    sizes = ((1 - fold_in) * counts + 1e-9).astype(np.int64)  # (1 - 0.8) * 5 is a hair below 1
    sizes[counts < min_ratings] = 0
    return rank_of_each(theirs, rng, last=False) < np.repeat(sizes, counts)


def _number(name: str, value: Any, n_users: int) -> int:
    """A number of users from a number, or from a share of all users (rounded)."""
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        if value < 1:
            raise ParameterError(
                name=name, value=value, expected="at least 1 user, or a share of the users such as 0.1"
            )
        return int(value)
    check_fraction(name, value)
    number = int(value * n_users + 0.5)
    if number == 0:
        raise DataError(
            f"this share of {n_users:,} users leaves the {name} part empty", name=name, value=value,
            remedy="take more users",
        )  # fmt: skip
    return number
