"""What was bought and brought back, and ratings below a threshold: nothing becomes a purchase or is lost in silence."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import recae
from recae.errors import DataWarning
from recae.models import EASE, Bias, Popularity
from recae.ratings import RatingMatrix
from recae.ratings.liked import liked


def shop() -> RatingMatrix:
    """Pieces less those that were brought back: of one pair nothing is left."""
    rows = [("a", "x", 2), ("a", "x", -2), ("a", "y", 1), ("b", "x", 3), ("b", "x", -1), ("b", "z", 1), ("c", "y", 9)]
    frame = pd.DataFrame(rows, columns=["user", "item", "rating"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        return recae.load(frame, duplicates="sum")


@pytest.mark.parametrize("model", [Popularity(), EASE(l2=1.0)], ids=["popularity", "ease"])
def test_a_ranker_says_that_it_takes_returns_for_purchases(model: recae.Recommender) -> None:
    """A model that reads ones says so of values of 0 or less, and is silent where these are left out."""
    with pytest.warns(DataWarning, match=r"ratings of 0 or less: models that rank count each as taken.*binarize"):
        model.fit(shop())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(shop().binarize(1))


def test_models_that_read_the_values_have_nothing_to_say() -> None:
    """A rating model, and a linear one of the ratings as they are, read 0 and -1 as what they are."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Bias().fit(shop())
        EASE(l2=1.0, values="ratings").fit(shop())


def test_users_with_few_ratings_above_a_threshold_are_counted() -> None:
    """The ratings that a threshold keeps, and that are left out since their users have fewer than five, are said."""
    users, items = np.repeat([1, 2, 3], [6, 3, 2]), np.r_[0:6, 0:3, 0:2]
    ratings = RatingMatrix.from_columns(users, items, np.r_[np.full(6, 5.0), 5, 4, 1, 2, 2].astype(np.float32))
    with pytest.warns(DataWarning, match="2 of the 8 ratings of at least 4 .* of 1 users with fewer than 5"):
        assert liked(ratings, 4).n_ratings == 6
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        liked(ratings.filter(min_user=6), 4)
