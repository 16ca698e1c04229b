"""Splits that cannot be made are refused, with what to do instead."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from splitting_toys import random_ratings

from recae.errors import DataError, ParameterError
from recae.ratings import RatingMatrix
from recae.splitting import split, take_validation

RATINGS = random_ratings(10, 8, 60, 0, times=None)


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, float("nan"), "0.1", True, None])
@pytest.mark.parametrize("how", ["random", "per-user", "time"])
def test_shares_outside_0_and_1_are_refused(how: Any, share: Any) -> None:
    """Test and validation shares lie strictly between 0 and 1; the message names the value."""
    if share is not None:
        with pytest.raises(ParameterError, match="test="):
            split(RATINGS, how, test=share)
    if share not in (0, None) and how == "random":
        with pytest.raises(ParameterError, match=r"(fraction|validation)="):
            split(RATINGS, how, validation=share)
    with pytest.raises(ParameterError, match="fraction="):
        take_validation(RATINGS, share)


@pytest.mark.parametrize(
    ("how", "options", "message"),
    [
        ("randomly", {}, "'randomly'.*'per-user'"),
        ("random", {"folds": 3}, "folds=3: a random split does not use it; it uses none"),
        ("per-user", {"fold_in": 0.5}, "fold_in=0.5: .*it uses last"),
        ("k-fold", {"folds": 1, "fold": 0}, "folds=1"),
        ("k-fold", {"folds": 1000, "fold": 0}, "folds=1000"),
        ("k-fold", {}, "fold=None.*0 to 4"),
        ("k-fold", {"fold": 5}, "fold=5.*0 to 4"),
        ("k-fold", {"fold": 0, "test": 0.2}, "test=0.2.*k-fold"),
        ("leave-one-out", {"test": 0.2}, "test=0.2.*leave-one-out"),
        ("held-out-users", {"fold_in": 1.0}, "fold_in=1.0"),
        ("held-out-users", {"min_ratings": 0}, "min_ratings=0"),
        ("held-out-users", {"test": 0}, "test=0: expected at least 1 user"),
        ("held-out-users", {"test": 1.0}, "test=1.0"),
        ("held-out-users", {"test": 2, "validation": -1}, "validation=-1"),
    ],
)
def test_wrong_options_are_refused(how: Any, options: dict[str, Any], message: str) -> None:
    """An unknown way, an option of another way and a value out of range are named, with what there is."""
    with pytest.raises(ParameterError, match=message):
        split(RATINGS, how, **options)


@pytest.mark.parametrize(
    ("how", "options", "message"),
    [
        ("random", {"test": 0.001}, "test part empty"),
        ("random", {"test": 0.999}, "train part empty"),
        ("random", {"test": 0.5, "validation": 0.001}, "validation part empty"),
        ("time", {}, "no timestamps"),
        ("leave-one-out", {"last": True}, "no timestamps"),
        ("per-user", {"last": True}, "no timestamps"),
        ("per-user", {"test": 0.01}, "test part empty"),
        ("held-out-users", {"test": 0.01}, "test part empty"),
        ("held-out-users", {"test": 6, "validation": 4}, "train part empty"),
        ("held-out-users", {"test": 2, "fold_in": 0.99}, "test part is empty.*fold_in"),
    ],
)
def test_a_part_left_empty_is_an_error(how: Any, options: dict[str, Any], message: str) -> None:
    """No split hands back an empty part, and none by time is made without times; the message says what to do."""
    with pytest.raises(DataError, match=message):
        split(RATINGS, how, **options)


def test_one_moment_and_one_rating_each_cannot_be_split() -> None:
    """Ratings of one moment have no later half, and users with one rating each leave nothing to hide."""
    frame = pd.DataFrame({"user": range(5), "item": 1, "rating": 1.0, "timestamp": 7})
    ratings = RatingMatrix.from_frame(frame, timestamp="timestamp")
    with pytest.raises(DataError, match="one and the same time, 7"):
        split(ratings, "time", test=0.5)
    with pytest.raises(DataError, match="test part empty"):
        split(ratings, "leave-one-out")
