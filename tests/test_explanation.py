"""Explanations: contributions of past ratings, exact for linear models, by leaving out for the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cli_helpers import done, inline, parsed
from contract import COLD_FILM, COLD_USER, FILMS, USERS, fitted, frame_of, ratings, stars
from linear_toys import ratings_of

import recae
from recae import explanation
from recae.errors import DataError, NotFittedError, ParameterError, UnknownIdError
from recae.models import MODELS

LINEAR = sorted(name for name, entry in MODELS.items() if entry.model_class.linear)
X = ratings_of([[1, 0, 1], [1, 1, 0], [0, 0, 1], [1, 0, 1]])


def score_of(model: Any, user: int, film: int) -> float:
    """The score by the model's own scoring of the whole row."""
    matrix = model.ratings_
    row = matrix.user_rows[matrix.user_index([USERS[user]])]
    return float(model.score(row)[0, matrix.item_index([FILMS[film]])[0]])


@pytest.mark.parametrize("name", LINEAR)
def test_contributions_of_a_linear_model_sum_to_the_score(name: str) -> None:
    """What each rating adds, and the base, are the score; a linear model must not be marked so by mistake."""
    frame = recae.explain(fitted(name), USERS[3], FILMS[4])
    assert frame.attrs["exact"]
    assert set(frame["item"]) == {FILMS[film] for film in stars(3)}
    assert frame["contribution"].sum() + frame.attrs["base"] == pytest.approx(score_of(fitted(name), 3, 4), abs=1e-4)


@pytest.mark.parametrize("name", ["item-knn", "mult-dae", "recency"])
def test_the_score_of_a_list_is_what_is_explained(name: str) -> None:
    """Where lists add popularity, the score is that of the list for known users and new ones: popularity is told apart,
    and what ratings add is as without it."""
    settings: Any = {"base": {"model": "item-knn", "popularity": 2.0, "shrink": 1.0}, "power": 1.0}
    model = recae.make_model(name, **settings if name == "recency" else {"popularity": 2.0}).fit(ratings())
    reader = model.base_ if name == "recency" else model
    listed = model.recommend([USERS[3]], n=20).set_index("item")["score"]
    item = listed.index[1]
    frame = recae.explain(model, USERS[3], item)
    assert frame.attrs["score"] == pytest.approx(listed[item], rel=1e-5)
    column = ratings().item_index([item])[0]
    assert frame.attrs["popularity"] == pytest.approx(reader.prior_[column])
    if model.linear or name == "recency":
        assert frame.attrs["exact"]
        assert frame["contribution"].sum() + frame.attrs["base"] == pytest.approx(frame.attrs["score"], rel=1e-4)
    reader.prior_ = None
    bare = recae.explain(model, USERS[3], item)
    assert "popularity" not in bare.attrs
    assert frame.attrs["base"] - bare.attrs["base"] == pytest.approx(frame.attrs["popularity"], rel=1e-4)
    pd.testing.assert_frame_equal(frame, bare)


def test_the_command_line_says_what_popularity_adds(tmp_path: Path) -> None:
    """A line beside the score; the JSON has it, too."""
    file = recae.ItemKNN(popularity=2.0, shrink=1.0).fit(ratings()).save(tmp_path / "k.recae")
    asked = ["explain", str(file), "--user", str(USERS[3]), "--item", str(FILMS[4])]
    about = recae.explain(recae.load_model(file), USERS[3], FILMS[4]).attrs
    assert parsed(*asked)["popularity"] == pytest.approx(about["popularity"], rel=1e-4)
    assert "of the score, whatever the user rated" in done(inline(*asked))


@pytest.mark.parametrize("name", ["ease", "dlae"])
def test_contributions_are_entries_of_b(name: str) -> None:
    """Rating i adds x_i B[i, j]: the entry of B and not of its transpose, in falling order."""
    model = fitted(name)
    matrix, frame = model.ratings_, recae.explain(fitted(name), USERS[3], FILMS[4])
    weights = model.weights_.numpy()[matrix.item_index(frame["item"]), matrix.item_index([FILMS[4]])[0]]
    np.testing.assert_allclose(frame["contribution"], frame["rating"] * weights, atol=1e-5)
    assert (np.diff(frame["contribution"]) <= 0).all()


def test_b_is_not_transposed() -> None:
    """On a B worked out by hand that is not symmetric, i speaks for j by B[i, j]."""
    model = recae.EASE(l2=1.0).fit(X)
    inverse = np.linalg.inv((X.user_rows.T @ X.user_rows).toarray() + np.eye(3))
    b = -inverse / np.diag(inverse)
    frame = recae.explain(model, 101, "i2").set_index("item")
    assert frame.loc["i0", "contribution"] == pytest.approx(b[0, 2], abs=1e-5)
    assert abs(b[0, 2] - b[2, 0]) > 0.01


@pytest.mark.parametrize("name", ["u-autorec", "mult-vae", "als"])
def test_of_other_models_a_contribution_is_what_is_lost_without_the_rating(name: str, monkeypatch) -> None:
    """Scoring the row without one rating, made by hand, loses its contribution; few copies at a time give the same."""
    model = fitted(name)
    frame = recae.explain(model, USERS[20], FILMS[12])
    monkeypatch.setattr(explanation, "AT_ONCE", 2 * len(frame) + 1)
    pd.testing.assert_frame_equal(recae.explain(model, USERS[20], FILMS[12]), frame, rtol=1e-4, atol=1e-5)
    assert not frame.attrs["exact"]
    item = model.ratings_.item_index([FILMS[12]])[0]
    full = model.ratings_.user_rows[model.ratings_.user_index([USERS[20]])]
    for film, contribution in zip(frame["item"][:3], frame["contribution"][:3]):
        rest = full.tolil()
        rest[0, model.ratings_.item_index([film])[0]] = 0
        less = model.score(rest.tocsr().astype(np.float32))[0, item]
        assert contribution == pytest.approx(model.score(full)[0, item] - less, abs=1e-4)


def test_the_own_taste_speaks_for_a_film() -> None:
    """Films of the own group say more for a hidden one than the single film of the other group."""
    frame = recae.explain(fitted("ease"), USERS[0], FILMS[0])
    assert frame["item"].iloc[0].startswith("A")
    assert frame["item"].iloc[-1].startswith("B")
    assert frame.loc[0, "title"] == f"The {frame.loc[0, 'item']}"


@pytest.mark.parametrize("name", ["ease", "i-autorec"])
def test_a_stranger_with_the_same_ratings_gets_the_same_explanation(name: str) -> None:
    """A frame of ratings, with or without a user column, and a RatingMatrix of one user are explained alike."""
    model, stranger = fitted(name), frame_of(5)
    known = recae.explain(model, USERS[5], FILMS[7])
    for new in (stranger, stranger.drop(columns="user"), recae.RatingMatrix.from_frame(stranger, scale=(1, 5))):
        pd.testing.assert_frame_equal(recae.explain(model, new, FILMS[7]), known, rtol=1e-4, atol=1e-5)


def test_n_keeps_the_largest() -> None:
    """n cuts the sorted list; the score stays that of all ratings."""
    whole, cut = (recae.explain(fitted("ease"), USERS[3], FILMS[4], n=n) for n in (None, 2))
    pd.testing.assert_frame_equal(cut, whole[:2])
    assert cut.attrs == whole.attrs


def test_what_cannot_be_explained_says_why() -> None:
    """Unknown ids, users without ratings, several users, n=0 and an unfitted model are named."""
    model = fitted("ease")
    for user, item, error, text in (
        ("nobody knows", FILMS[0], UnknownIdError, "nobody knows"), (USERS[0], "no film", UnknownIdError, "no film"),
        (COLD_USER, FILMS[0], DataError, "nothing to explain"), (ratings(), FILMS[0], DataError, "31 users"),
        (pd.DataFrame({"rating": [1.0]}), FILMS[0], DataError, "new_ratings needs columns"),
    ):  # fmt: skip
        with pytest.raises(error, match=text):
            recae.explain(model, user, item)
    with pytest.raises(ParameterError, match="n=0"):
        recae.explain(model, USERS[0], FILMS[0], n=0)
    with pytest.raises(NotFittedError, match="fit"):
        recae.explain(recae.EASE(), USERS[0], FILMS[0])
    assert (recae.explain(model, USERS[0], COLD_FILM)["contribution"] == 0).all()


@pytest.mark.parametrize("weight", [0.0, 0.25])
def test_the_explained_score_is_the_answer_drawn_to_the_biases(weight: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of weight w, score and contributions are w times the model's own and 1 - w times the biases', as what
    `predict_new` answers; a film without ratings has the simple answer."""
    data = ratings()
    monkeypatch.setattr(recae.BiasedMF, "_estimate_weight", lambda *_: weight)
    model = recae.BiasedMF(factors=2, shrink="always").fit(data)
    own = recae.explain(recae.BiasedMF(factors=2, shrink="never").fit(data), USERS[3], FILMS[4])
    frame = recae.explain(model, USERS[3], FILMS[4])
    mine = data.to_frame().query("user == @USERS[3]").assign(user="z")
    pairs = pd.DataFrame({"user": "z", "item": [FILMS[4], COLD_FILM]})
    expected = model.predict_new(mine, pairs)
    assert 1 < expected[0] < 5
    assert frame.attrs["score"] == pytest.approx(expected[0], abs=1e-5)
    assert not frame.attrs["exact"]
    assert recae.explain(model, USERS[3], COLD_FILM).attrs["score"] == pytest.approx(expected[1], abs=1e-5)
    monkeypatch.setattr(recae.BiasedMF, "_estimate_weight", lambda *_: 0.0)
    bias = recae.explain(recae.BiasedMF(factors=2, shrink="always").fit(data), USERS[3], FILMS[4])
    parts = [one.set_index("item")["contribution"].sort_index() for one in (frame, own, bias)]
    np.testing.assert_allclose(parts[0], weight * parts[1] + (1 - weight) * parts[2], atol=1e-4)
