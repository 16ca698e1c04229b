"""What a fit chooses by itself is told (`chosen_`), is kept in files, and is what giving the settings would do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cli_helpers import done, inline, parsed
from rating_toys import low_rank

import recae
from recae.errors import NotFittedError
from recae.models import Recommender
from recae.recommender import model_card
from recae.recommender.popularity import POPULAR

LEARNS_ONCE = ("als", "ease", "edlae", "dlae", "rlae", "dan", "sparse-ease", "pca", "item-knn", "slim", "spectral")


@pytest.fixture(scope="module")
def chosen() -> dict[str, Recommender]:
    """Models that choose at once, each fitted with nothing said, on ratings of which enough can be put aside."""
    ratings = low_rank(80, 60)
    return {name: recae.make_model(name).fit(ratings, progress=False) for name in LEARNS_ONCE}


@pytest.mark.parametrize("name", LEARNS_ONCE)
def test_given_as_settings_it_gives_the_same_model(name: str, chosen: dict[str, Recommender]) -> None:
    """A model that is told what another one chose chooses nothing, and scores alike."""
    model = chosen[name]
    assert model.chosen_
    told = model.clone().set_params(**model.chosen_).fit(model.ratings_, progress=False)
    assert told.chosen_ == {}
    users = np.arange(20)
    np.testing.assert_allclose(told.score_users(users), model.score_users(users), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(told.recommend_users(users, 5)[0], model.recommend_users(users, 5)[0])


def test_another_fit_forgets_what_the_one_before_chose(chosen: dict[str, Recommender]) -> None:
    """Of the second of two fits only its own choice is told; a model that is not fitted tells none."""
    model = recae.PCARecommender().fit(chosen["pca"].ratings_)
    assert "factors" in model.chosen_
    model.set_params(factors=3).fit(model.ratings_)
    assert "factors" not in model.chosen_
    with pytest.raises(NotFittedError):
        _ = recae.PCARecommender().chosen_


def test_epochs_that_were_found_are_told() -> None:
    """Without a validation part it is how long everything is learnt from; with one, nothing has to be found."""
    ratings = low_rank(80, 60)
    model = recae.make_model("mult-dae", epochs=6, hidden=8, rng=0).fit(ratings, progress=False)
    assert model.chosen_["epochs"] == len(model.history_)
    split = recae.split(ratings, "random", test=0.1, validation=0.1, rng=0)
    assert "epochs" not in model.fit(split.train, split.validation, progress=False).chosen_


def test_the_weight_against_the_biases_is_told() -> None:
    """It is the weight that answers are made with."""
    model = recae.BiasedMF(factors=4, shrink="always").fit(low_rank(40, 30))
    assert model.chosen_["weight"] == model._model_weight
    assert recae.BiasedMF(factors=4, shrink="never").fit(low_rank(40, 30)).chosen_ == {}


def test_auto_tells_what_the_model_it_took_chose() -> None:
    """It is the same before the model is saved as it is in the file."""
    model = recae.Auto(task="rankings").fit(low_rank(80, 60))
    assert model.chosen_ == model.model_.chosen_


def test_people_see_it(tmp_path: Path) -> None:
    """`train` says it in a line; `info` says it beside each setting, as JSON too."""
    file = tmp_path / "m.recae"
    trained = inline("train", "sample", "--model", "als", "--factors", "8", "--out", file)
    facts = parsed("info", file)
    assert set(facts["chosen"]) == {"alpha", "l2", "popularity"}
    assert f"alpha {facts['chosen']['alpha']:g}" in trained.stderr
    shown = done(inline("info", file))
    lines = {line.split("  ")[1].strip(): line for line in shown.splitlines() if line.startswith("  ")}
    assert lines["alpha"].endswith(f"{facts['chosen']['alpha']:g} (chosen)")
    assert "chosen" not in lines["factors"]


def test_popularity_alone_is_said_in_words() -> None:
    """The weight that leaves nothing beside popularity is not shown as a number."""
    assert model_card.ALONE == POPULAR
    assert model_card.chosen_words({"popularity": POPULAR, "l2": 300.0}) == "popularity alone, l2 300"
