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
from recae.models.ensemble.choose_ranker import Choice
from recae.recommender import model_card
from recae.recommender.popularity import POPULAR
from tests import contract

LEARNS_ONCE = (
    "als", "ease", "edlae", "dlae", "rlae", "dan", "sparse-ease", "pca", "item-knn", "slim", "spectral",
    "ranking-blend",
)  # fmt: skip


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


def test_members_tell_what_they_chose(tmp_path: Path) -> None:
    """A blend's and a base's choices stand beside what was given, in a file, too; nothing chosen is nothing told."""
    ratings = contract.ratings()
    members = ({"model": "als", "factors": 4}, "ease", {"model": "pca", "factors": 3, "popularity": 0.0})
    blend = recae.RankingBlend(members=members).fit(ratings, progress=False)
    als, ease, pca = blend.chosen_["members"]
    assert als == {"model": "als", "factors": 4, **blend.models_[0].chosen_}
    assert ease == {"model": "ease", **blend.models_[1].chosen_}
    assert {"alpha", "l2"} <= als.keys() | ease.keys()
    assert pca == members[2]
    assert recae.load_model(blend.save(tmp_path / "b.recae")).chosen_ == blend.chosen_
    recency = recae.Recency(power=1.0).fit(ratings)
    assert recency.chosen_ == {"base": {"model": "ease", **recency.base_.chosen_}}
    assert recae.RankingBlend(members=members[2:]).fit(ratings).chosen_ == {}
    assert recae.Recency(base={"model": "ease", "l2": 50.0, "centre": False}, power=1.0).fit(ratings).chosen_ == {}


def test_auto_tells_the_members_of_a_blend_that_it_took(monkeypatch: pytest.MonkeyPatch) -> None:
    """What candidates chose before the blend was fitted is told, with what its members chose then."""
    params = {"members": ({"model": "als", "alpha": 2.0, "factors": 4, "popularity": 0.0}, {"model": "ease"})}
    taken = Choice("ranking-blend", params, "it is told to", {})
    monkeypatch.setattr("recae.models.ensemble.auto.choose_ranker", lambda *_: taken)
    model = recae.Auto(task="rankings").fit(low_rank(80, 60))
    als, ease = model.chosen_["members"]
    assert (als["alpha"], als["factors"]) == (2.0, 4)
    assert ease["l2"] == model.model_.models_[1].l2_
    given = {"members": ({"model": "pca", "factors": 3, "popularity": 0.0},)}
    taken = Choice("ranking-blend", given, "it is told to", {})
    assert recae.Auto(task="rankings").fit(low_rank(80, 60)).chosen_ == {"members": list(given["members"])}


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


def test_members_are_said_in_words() -> None:
    """Each by its name, with its settings; of what a file says otherwise nothing fails."""
    members = [{"model": "als", "factors": 4, "popularity": POPULAR}, {"model": "ease"}]
    assert model_card.chosen_words({"members": members}) == "members als (factors 4, popularity alone), ease"
    assert model_card.chosen_words({"base": members[0]}) == "base als (factors 4, popularity alone)"
    for odd in ({}, {"model": None, "l2": [1]}, [], "als", None, 3.0):
        assert model_card.chosen_words({"members": [odd], "base": odd})
