"""`auto`: what it takes for ratings, purchases and counts, and that it serves as the model it took."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rating_toys import low_rank, parted

import recae
from recae.models.ensemble.auto import are_ratings
from recae.models.ensemble.choose_rating_model import choose_rating_model
from recae.ratings import RatingMatrix


def table(values: np.ndarray, n_users: int = 40, n_items: int = 25) -> RatingMatrix:
    """These values for as many random pairs."""
    pairs = np.random.default_rng(0).permutation(n_users * n_items)[: len(values)]
    return RatingMatrix.from_columns(*np.divmod(pairs, n_items), values.astype(np.float32))


def counts() -> RatingMatrix:
    """Numbers of plays, long-tailed."""
    return table(np.ceil(np.random.default_rng(1).pareto(0.8, 400)))


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        (np.ones(300), False),
        (np.ceil(np.random.default_rng(0).pareto(1.0, 300)), False),
        (np.random.default_rng(0).choice([1, 2, 3], 300, p=[0.7, 0.2, 0.1]), False),
        (np.random.default_rng(0).integers(1, 6, 300), True),
        (np.random.default_rng(0).uniform(-10, 10, 300), True),
        (np.random.default_rng(0).integers(1, 101, 300), True),
    ],
    ids=["purchases", "plays", "times bought", "stars", "a line", "per cent"],
)
def test_ratings_are_told_from_counts(values: np.ndarray, wanted: bool) -> None:
    """Equal values, long tails of whole numbers, and mostly ones are no ratings; scales of any width are."""
    assert are_ratings(table(values)) == wanted


def test_ratings_are_predicted_and_better_than_by_the_biases() -> None:
    """Where tastes can be learnt, a rating model is taken, and is ahead of the biases on ratings that it never saw."""
    train, test = parted(low_rank(120, 60))
    model = recae.Auto().fit(train)
    assert model.predicts_ratings
    assert model.choice_.name in ("dual-autorec", "biased-mf")
    assert model.choice_.name in model.choice_.reason
    biases = recae.evaluate(recae.Bias().fit(train), test)["rmse"]
    assert recae.evaluate(model, test)["rmse"] < 0.9 * biases


def test_noise_gets_the_biases() -> None:
    """Where stars depend on nothing, no model is worth its parameters."""
    choice = choose_rating_model(table(np.random.default_rng(2).integers(1, 6, 900)))
    assert choice.name == "bias"


@pytest.mark.parametrize("data", [counts(), low_rank().binarize(3)], ids=["plays", "purchases"])
def test_what_is_no_rating_is_ranked(data: RatingMatrix) -> None:
    """A ranker is taken, whose lists are the model's."""
    model = recae.Auto(rng=1).fit(data)
    assert not model.predicts_ratings
    pd_list = model.recommend(data.user_ids[:3], 4)
    assert pd_list.equals(model.model_.recommend(data.user_ids[:3], 4))


def test_the_file_holds_the_model_that_was_taken(tmp_path: Path) -> None:
    """What is loaded is that model, and predicts the same."""
    data = low_rank()
    model = recae.Auto(task="ratings").fit(data)
    again = recae.load_model(model.save(tmp_path / "m.recae"))
    assert type(again) is type(model.model_)
    pairs = np.arange(20), np.arange(20)
    np.testing.assert_array_equal(again.predict_pairs(*pairs), model.predict_pairs(*pairs))
