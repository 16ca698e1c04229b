"""Ratings to train, validation and test parts: disjoint, complete, and the same for the same seed.

How a split is made decides what a figure means:

- ``random``: a share of all ratings is hidden (rating prediction; AutoRec, Sedhain et al. 2015: 90/10).
- ``k-fold``: every rating is hidden once, in `folds` splits (`k_folds` gives all of them).
- ``per-user``: a share of each user's ratings is hidden (matrix factorisation; LightGCN's 80/20).
- ``leave-one-out``: one rating a user is hidden, the last one where times are known.
- ``time``: everything after a moment is hidden, such as a date or the last seven days; `rolling_windows` does so over
  and over, a window later each time. Rows that repeat a pair are cut first, and merged in each part by itself.
- ``held-out-users``: whole users are hidden, and met with a part of their ratings (strong
  generalisation: Liang et al. 2018, "Variational Autoencoders for Collaborative Filtering").

`liang_2018` prepares MovieLens-20M, Netflix and MSD exactly as that paper did.
`published_lists` reads a split that somebody else has made (Gowalla, Yelp2018, Amazon-Book); `own_split` takes parts
from files of yours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np

from recae._types import Mask
from recae.errors import ParameterError
from recae.ratings import RatingMatrix
from recae.ratings.seeds import Rng, generator_of
from recae.splitting import masks
from recae.splitting.by_time import cut_by_time, say_left_out
from recae.splitting.cuts import Cut, as_text
from recae.splitting.held_out import held_out_users, strong_generalisation
from recae.splitting.liang import liang_2018
from recae.splitting.own import own_split
from recae.splitting.parts import Split, check_fraction, divide, seed_of
from recae.splitting.published import published_lists
from recae.splitting.rolling import rolling_windows
from recae.store import check_before_use

How = Literal["random", "k-fold", "per-user", "leave-one-out", "time", "held-out-users"]

__all__ = [
    "HOW", "Cut", "How", "Split", "k_folds", "liang_2018", "own_split", "published_lists", "rolling_windows", "split",
    "strong_generalisation", "take_validation",
]  # fmt: skip

# The options of each way, with their defaults; `fold` has none.
HOW: dict[str, dict[str, Any]] = {
    "random": {},
    "k-fold": {"folds": 5, "fold": None},
    "per-user": {"last": False},
    "leave-one-out": {"last": None},
    "time": {"again": False},
    "held-out-users": {"fold_in": 0.8, "min_ratings": 5},
}


def split(
    ratings: RatingMatrix,
    how: How = "random",
    *,
    test: Any = None,
    validation: Any = 0.0,
    rng: Rng = None,
    **options: Any,
) -> Split:
    """Hide a test part of the ratings, and on request a validation part of what is left.

    Args:
        ratings: all ratings, shape (n_users, n_items).
        how: ``random``, ``k-fold``, ``per-user``, ``leave-one-out``, ``time`` or ``held-out-users``.
        test: share of the ratings to hide, in (0, 1); by default 0.1. For ``held-out-users`` the share of
            the users, or their number (an int). For ``time`` also a date, from which on all is hidden ("2024-05-01",
            a datetime; in UTC where it names no zone), or the span before the last rating ("7D", "12h", a timedelta).
            ``k-fold`` and ``leave-one-out`` take none.
        validation: share of the remaining *train* ratings to put aside for tuning; 0 for none. It is taken
            as the test part is: by user for ``per-user``, the latest for ``time`` (a share, a date or a span), else at
            random.
            For ``held-out-users`` the share of *all* users, or their number.
        rng: seed or generator. The test part does not depend on `validation`; of ``held-out-users`` the users do not,
            while items that only validation users rated leave all parts.
        options: ``k-fold``: `folds` (5) and `fold` (0 to folds - 1; the same seed for each).
            ``per-user``: `last` (False; True hides each user's latest ratings).
            ``leave-one-out``: `last` (None: the latest where there are timestamps, else any; True; False).
            ``time``: `again` (False: a pair of user and item of the test part that occurs before it, too, is left out
            of it, and said; True: it stays, for what is bought again). Where rows
            of a pair were added up (`duplicates="sum"`), pairs that come to 0 or less in a later part are left out of
            it, and said: they were brought back.
            ``held-out-users``: `fold_in` (0.8, the share of a user's ratings that is shown) and `min_ratings`
            (5: of users with fewer, all are shown and none is tested).

    Returns:
        A `Split` whose parts share the users and items of `ratings`; for ``held-out-users`` see
        `strong_generalisation`.

    Raises:
        ParameterError: an unknown `how` or option, or a share outside (0, 1).
        DataError: a part would be empty, timestamps are needed and there are none, or a store is damaged.
    """
    chosen = _options(how, options)
    check_before_use(ratings)
    settings = {"test": as_text(test), "validation": as_text(validation), "seed": seed_of(rng), **chosen}
    if how in ("k-fold", "leave-one-out"):
        if test is not None:
            raise ParameterError(f"a {how} split does not use it", name="test", value=test, remedy="leave it out")
        del settings["test"]
    elif test is None:
        test = settings["test"] = 0.1
    generator = generator_of(rng)
    if how == "held-out-users":
        return held_out_users(ratings, test, validation, generator, settings=settings, **chosen)
    if how == "k-fold":
        return _fold(ratings, chosen["folds"], chosen["fold"], validation, generator, settings)
    if how == "time":
        return _by_time(ratings, test, validation, settings, **chosen)
    in_test = _TEST_PART[how](ratings, test, generator, **chosen)
    train, tested = divide(ratings, in_test, "test", f"a {how} split with a test share of {test}")
    return _with_validation(train, tested, how, validation, generator, settings)


def k_folds(ratings: RatingMatrix, folds: int = 5, validation: float = 0.0, rng: Rng = None) -> Iterator[Split]:
    """All `folds` splits of a k-fold: each rating is in the test part of exactly one; sizes differ by 1 at most.

    With the same int as `rng`, `split(ratings, "k-fold", folds=folds, fold=i)` gives the i-th of them.
    """
    seed = int(generator_of(rng).integers(2**63)) if seed_of(rng) is None else seed_of(rng)
    masks.check_folds(ratings, folds)
    return (split(ratings, "k-fold", folds=folds, fold=fold, validation=validation, rng=seed) for fold in range(folds))


def take_validation(
    train: RatingMatrix,
    fraction: float | Cut,
    rng: Rng = None,
    how: Literal["random", "per-user", "time"] = "random",
    *,
    again: bool = False,
) -> tuple[RatingMatrix, RatingMatrix]:
    """`train` in two: what is left of it, and a validation part to choose settings on.

    Args:
        fraction: share of the train ratings that become the validation part, in (0, 1); by time also a date or a span.
        how: any ratings (``random``), a share of each user's (``per-user``), or the latest (``time``).
        again: by time, whether pairs that what is left has, too, stay in the validation part (as in `split`).

    Returns:
        (train, validation), with the users and items of the `train` given.
    """
    if again and how != "time":
        raise ParameterError("only a part by time uses it", name="again", value=again, remedy="leave it out")
    if how not in ("random", "per-user", "time"):
        raise ParameterError(name="how", value=how, expected=("random", "per-user", "time"))
    if how == "time":
        check_before_use(train)
        rest, validation, left_out = cut_by_time(train, fraction, "validation", again=again)
        say_left_out(left_out, "validation", train.name)
        return rest, validation
    check_fraction("fraction", fraction)
    check_before_use(train)
    chosen = _TEST_PART[how](train, fraction, generator_of(rng))
    return divide(train, chosen, "validation", f"a validation part of {fraction}")


_TEST_PART: dict[str, Callable[..., Mask]] = {
    "random": masks.random_part,
    "per-user": masks.per_user_part,
    "leave-one-out": masks.one_of_each_user,
}


def _by_time(
    ratings: RatingMatrix, test: Cut | float, validation: Cut | float, settings: dict[str, Any], *, again: bool
) -> Split:
    """Cut twice: the test part off all ratings, and the validation part off what is left."""
    train, tested, left_out = cut_by_time(ratings, test, "test", again=again)
    say_left_out(left_out, "test", ratings.name)
    valid = None
    if validation:
        train, valid, left_out = cut_by_time(train, validation, "validation", again=again)
        say_left_out(left_out, "validation", ratings.name)
    return Split(train, tested, valid, how="time", settings=settings)


def _options(how: str, given: dict[str, Any]) -> dict[str, Any]:
    if how not in HOW:
        raise ParameterError(name="how", value=how, expected=tuple(HOW))
    unknown = [name for name in given if name not in HOW[how]]
    if unknown:
        known = ", ".join(HOW[how]) or "none"
        raise ParameterError(
            f"a {how} split does not use it; it uses {known}", name=unknown[0], value=given[unknown[0]]
        )
    return {**HOW[how], **given}


def _fold(
    ratings: RatingMatrix,
    folds: int,
    fold: int | None,
    validation: float,
    rng: np.random.Generator,
    settings: dict[str, Any],
) -> Split:
    masks.check_folds(ratings, folds)
    if fold is None or not 0 <= fold < folds:
        raise ParameterError(
            name="fold", value=fold, expected=f"a number from 0 to {folds - 1}, the fold that is the test part"
        )
    in_test = masks.fold_of_each(ratings, folds, rng) == fold
    train, test = divide(ratings, in_test, "test", f"fold {fold} of {folds}")
    seed = rng.integers(2**63, size=folds)[fold]  # each fold has its own validation draw
    return _with_validation(train, test, "k-fold", validation, np.random.default_rng(seed), settings)


def _with_validation(
    train: RatingMatrix,
    test: RatingMatrix,
    how: str,
    fraction: float | Cut,
    rng: np.random.Generator,
    settings: dict[str, Any],
) -> Split:
    validation = None
    if fraction:
        way: Any = how if how == "per-user" else "random"
        check_fraction("validation", fraction)
        train, validation = take_validation(train, fraction, rng, way)
    return Split(train, test, validation, how=how, settings=settings)
