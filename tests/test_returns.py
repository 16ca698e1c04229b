"""What was bought and brought back, and ratings below a threshold: nothing becomes a purchase or is lost in silence."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cli_helpers import inline, parsed

import recae
from recae.errors import DataWarning, ParameterError
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


def test_what_is_odd_is_said_once(recwarn: pytest.WarningsRecorder) -> None:
    """Neither the fits that a fit is made of nor another model on the same ratings say it again."""
    rng = np.random.default_rng(0)
    users, items = np.divmod(rng.permutation(1200)[:500], 30)
    ratings = RatingMatrix.from_columns(users, items, rng.integers(0, 3, 500).astype(np.float32))
    recae.Auto(task="rankings").fit(ratings, progress=False)
    Popularity().fit(ratings)
    said = [str(one.message) for one in recwarn if issubclass(one.category, DataWarning)]
    assert len([text for text in said if "0 or less" in text]) == 1


def test_models_that_read_the_values_have_nothing_to_say() -> None:
    """A rating model, and a linear one of the ratings as they are, read 0 and -1 as what they are."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Bias().fit(shop())
        EASE(l2=1.0, values="ratings").fit(shop())


def test_a_scale_that_a_few_ratings_stretch_is_said() -> None:
    """A rating model says so of one 55 among stars, and of counts; not of stars, nor of a scale that is stated."""
    rng = np.random.default_rng(0)
    users, items = np.divmod(rng.permutation(4000)[:2000], 50)
    stars = rng.integers(1, 11, 2000).astype(np.float32) / 2
    slip = np.r_[stars[:-1], np.float32(55)]
    counts = np.ceil(rng.pareto(0.7, 2000)).astype(np.float32)
    for values in (slip, counts):
        with pytest.warns(DataWarning, match=r"a few ratings make the scale .* to .*: nearly all .* `scale`"):
            Bias().fit(RatingMatrix.from_columns(users, items, values))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Bias().fit(RatingMatrix.from_columns(users, items, stars))
        Bias().fit(RatingMatrix.from_columns(users, items, slip, scale=(0.0, 100.0)))
        EASE(l2=1.0).fit(RatingMatrix.from_columns(users, items, slip))


def test_columns_of_shops_are_found() -> None:
    """`visitor` and `sku` name users and items; beside a product, sku is another column."""
    frame = pd.DataFrame({"visitor": ["v", "w"], "sku": ["a", "b"], "rating": [1, 2]})
    assert recae.load(frame).item_ids.tolist() == ["a", "b"]
    assert recae.load(frame.assign(product=["lamp", "desk"])).item_ids.tolist() == ["desk", "lamp"]


def test_users_with_few_ratings_above_a_threshold_are_counted() -> None:
    """The ratings that a threshold keeps, and that are left out since their users have fewer than five, are said."""
    users, items = np.repeat([1, 2, 3], [6, 3, 2]), np.r_[0:6, 0:3, 0:2]
    ratings = RatingMatrix.from_columns(users, items, np.r_[np.full(6, 5.0), 5, 4, 1, 2, 2].astype(np.float32))
    with pytest.warns(DataWarning, match="2 of the 8 ratings of at least 4 .* of 1 users with fewer than 5"):
        assert liked(ratings, 4).n_ratings == 6
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        liked(ratings.filter(min_user=6), 4)


def test_how_many_ratings_a_user_has_at_least_is_said(tmp_path: Path) -> None:
    """min_user and --min-user keep users of fewer ratings than five, in every command that has --threshold."""
    users, items = np.repeat([1, 2, 3], [6, 3, 2]), np.r_[0:6, 0:3, 0:2]
    ratings = RatingMatrix.from_columns(users, items, np.full(11, 4.0, np.float32))
    with pytest.warns(DataWarning, match="2 of the 11 .* of 1 users with fewer than 3"):
        assert liked(ratings, 4, min_user=3).n_ratings == 9
    file, keep = tmp_path / "r.csv", ("--threshold", "4", "--min-user", "2")
    ratings.to_frame().to_csv(file, index=False)
    assert parsed("train", file, "--model", "popularity", "--test", "0", *keep)["n_train"] == 11
    made = parsed("split", file, "--out", tmp_path / "s.npz", "--split", "random", "--test", "0.2", *keep[:2])
    assert made["train"] + made["test"] == 6
    made = parsed("split", file, "--out", tmp_path / "t.npz", "--split", "random", "--test", "0.2", *keep)
    assert made["train"] + made["test"] == 11
    compared = parsed("compare", file, "--models", "popularity", "--split", "random", "--test", "0.2", *keep)
    assert compared["models"][0]["model"] == "popularity"
    found = recae.compare(ratings, ["popularity"], "random", threshold=4, min_user=2, test=0.2)
    assert found.split.train.n_ratings + found.split.test.n_ratings == 11
    for command in ("train", "tune", "compare"):
        alone = inline(command, file, "--models" if command == "compare" else "--model", "bias", "--min-user", "2")
        assert (alone.exit_code, "add --threshold" in alone.stderr) == (2, True)


def test_a_number_of_ratings_without_a_threshold_is_refused() -> None:
    """`recae.compare` says that min_user is about what a threshold keeps, and does not pass it over."""
    with pytest.raises(ParameterError, match=r"min_user=2: .*threshold"):
        recae.compare(shop(), ["popularity"], min_user=2)
