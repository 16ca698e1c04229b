"""Predicted ratings, and ratings out of the ordinary: every registered model again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from contract import (
    COLD_FILM,
    COLD_USER,
    FILMS,
    IMPERSONAL,
    N_A,
    N_B,
    NEEDS_MORE_USERS,
    USERS,
    N,
    brief,
    fitted,
    frame_of,
    hidden_films,
    ratings,
)

from recae.errors import DataError, ParameterError, UnknownIdError
from recae.models import MODELS
from recae.ratings import RatingMatrix
from recae.recommender.biases import fit_biases

RATING = [name for name in MODELS if MODELS[name].model_class.predicts_ratings]
RANKING = [name for name in MODELS if name not in RATING]
each = pytest.mark.parametrize("name", MODELS)
each_rating = pytest.mark.parametrize("name", RATING)


# ---------------------------------------------------------------- predicting


@each_rating
def test_predictions_lie_within_the_scale(name: str) -> None:
    """Every pair, the cold ones included, gets a float32 from 1 to 5."""
    model = fitted(name)
    for user in [*USERS, COLD_USER]:
        predicted = model.predict(user, [*FILMS, COLD_FILM])
        assert predicted.shape == (N,)
        assert predicted.dtype == np.float32
        assert ((predicted >= 1) & (predicted <= 5)).all()


@each_rating
def test_pairs_are_aligned_and_one_side_may_stand_for_all(name: str) -> None:
    """predict of pairs, of one user with many films and of many users with one agree, in any order, repeats kept."""
    model, rng = fitted(name), np.random.default_rng(0)
    users, films = rng.choice(USERS, 40), rng.choice(FILMS, 40)
    table = np.stack([model.predict(user, FILMS) for user in USERS])
    expected = table[[USERS.index(u) for u in users], [FILMS.index(f) for f in films]]
    np.testing.assert_allclose(model.predict(users, films), expected, atol=1e-5)
    np.testing.assert_allclose(model.predict(USERS, FILMS[3]), table[:, 3], atol=1e-5)
    with pytest.raises((ValueError, DataError)):
        model.predict(USERS[:3], FILMS[:2])


@each_rating
def test_predictions_are_scores_within_the_scale(name: str) -> None:
    """For users and films with ratings, predict is score_users, clipped."""
    model, data = fitted(name), ratings()
    scores = model.score_users(data.user_index(USERS))[:, data.item_index(FILMS)]
    table = np.stack([model.predict(user, FILMS) for user in USERS])
    np.testing.assert_allclose(table, np.clip(scores, 1, 5), atol=1e-5)


@pytest.mark.parametrize("name", [name for name in RATING if name not in IMPERSONAL | NEEDS_MORE_USERS])
def test_hidden_ratings_are_foretold(name: str) -> None:
    """The hidden films of the own group are worth about 4.7 stars, the other group's, which got 1, far less."""
    model = fitted(name)
    own = [model.predict(USERS[u], FILMS[f])[0] for u in range(N_A + N_B) for f in hidden_films(u)]
    other = [model.predict(USERS[u], FILMS[f])[0] for u, f in ((0, 12), (1, 13), (N_A, 5), (N_A + 1, 6))]
    assert np.mean(own) > 4.2
    assert np.mean(other) < np.mean(own) - 1


@each_rating
def test_the_cold_are_predicted_by_the_baseline(name: str) -> None:
    """Without a rating on one side: mu, b of the other side, and the deviations met with there, drawn to the usual."""
    model, data = fitted(name), ratings()
    biases = fit_biases(data, user_l2=5.0, item_l2=3.0, sweeps=10)
    mean, dense = biases.mean, data.user_rows.toarray()
    u, i = data.user_index([USERS[4]])[0], data.item_index([FILMS[2]])[0]

    def met(rows: Any, deviation: Any, row: int) -> float:
        """The deviation of a column without ratings in a row."""
        left = np.where(rows != 0, rows - mean - deviation[:, None], 0)
        count = (rows != 0).sum(0)
        usual = np.average(left.sum(0)[count > 0] / count[count > 0], weights=np.sqrt(count[count > 0]))
        n = (rows[row] != 0).sum()
        return float(usual + (left[row].sum() - n * usual) / (n + 10))

    assert model.predict(COLD_USER, COLD_FILM)[0] == pytest.approx(mean, rel=1e-5)
    expected = mean + biases.item[i] + met(dense.T, biases.item, i)
    assert model.predict(COLD_USER, FILMS[2])[0] == pytest.approx(expected, rel=1e-5)
    expected = mean + biases.user[u] + met(dense, biases.user, u)
    assert model.predict(USERS[4], COLD_FILM)[0] == pytest.approx(expected, rel=1e-5)


@each_rating
def test_the_unknown_are_an_error_or_the_baseline(name: str) -> None:
    """Unknown ids raise by name, or are predicted as cold ones are."""
    model = fitted(name)
    for user, film, named in (("stranger", FILMS[2], "stranger"), (USERS[4], "no such film", "no such film")):
        with pytest.raises(UnknownIdError, match=named):
            model.predict(user, film)
    ask = {"unknown": "baseline"}
    assert model.predict("stranger", FILMS[2], **ask)[0] == model.predict(COLD_USER, FILMS[2])[0]
    assert model.predict(USERS[4], "no such", **ask)[0] == model.predict(USERS[4], COLD_FILM)[0]
    mixed = model.predict([USERS[4], "stranger"], FILMS[2], unknown="baseline")
    np.testing.assert_allclose(mixed[0], model.predict(USERS[4], FILMS[2])[0], atol=1e-5)
    with pytest.raises(ParameterError, match="'error', 'baseline', 'warn' or 'ignore'"):
        model.predict(USERS[4], FILMS[2], unknown="guess")


@each_rating
def test_ratings_of_unseen_users(name: str) -> None:
    """predict_new gives about what predict gives to the known user with the same ratings; strangers are named."""
    model = fitted(name)
    for user in (2, N_A + 3):
        pairs = pd.DataFrame({"user": "new one", "item": FILMS})
        new, known = model.predict_new(frame_of(user), pairs), model.predict(USERS[user], FILMS)
        np.testing.assert_allclose(new, known, atol=0.7)
        assert np.abs(new - known).mean() < 0.3
        assert ((new >= 1) & (new <= 5)).all()
    with pytest.raises(UnknownIdError, match="stranger"):
        model.predict_new(frame_of(2), pd.DataFrame({"user": ["stranger"], "item": [FILMS[0]]}))
    with pytest.raises(UnknownIdError, match="no such film"):
        model.predict_new(frame_of(2), pd.DataFrame({"user": ["new one"], "item": ["no such film"]}))
    with pytest.raises(DataError, match="pairs needs columns user, item"):
        model.predict_new(frame_of(2), pd.DataFrame({"who": [1]}))


@pytest.mark.parametrize("name", RANKING)
def test_what_ranks_predicts_no_ratings(name: str) -> None:
    """Asked for ratings, a ranking model says that it has none."""
    with pytest.raises(ParameterError, match="ranks items and predicts no ratings"):
        fitted(name).predict(USERS[0], FILMS[0])
    with pytest.raises(ParameterError, match="ranks items and predicts no ratings"):
        fitted(name).predict_new(frame_of(2), frame_of(2))


# ---------------------------------------------------------------- out of the ordinary


def quick(name: str, data: RatingMatrix):
    model = brief(name, 3)
    return model.fit(with_dates(data) if model.reads_dates else data)


def with_dates(data: RatingMatrix) -> RatingMatrix:
    """The same ratings, a second apart."""
    frame = data.to_frame().assign(timestamp=range(data.n_ratings))
    return RatingMatrix.from_frame(frame, timestamp="timestamp", scale=data.scale)


def usable(model, data: RatingMatrix) -> None:
    """It scores with finite numbers, lists what is unseen, predicts within the scale."""
    assert np.isfinite(model.score_users(np.arange(data.n_users))).all()
    n = data.n_items
    frame = model.recommend(data.user_ids, n=n)
    assert len(frame) == data.n_users * n - data.n_ratings
    model.similar_items(data.item_ids, n=n)
    if model.predicts_ratings:
        predicted = model.predict(data.user_ids[0], data.item_ids)
        assert ((predicted >= data.scale[0]) & (predicted <= data.scale[1])).all()


@each
def test_a_single_user(name: str) -> None:
    """One user with three films is enough to be of use."""
    data = RatingMatrix.from_columns([7, 7, 7], [1, 2, 5], [1.0, 3.0, 5.0], scale=(1.0, 5.0))
    usable(quick(name, data), data)


@each
def test_a_single_item(name: str) -> None:
    """One film that four users rated: there is nothing left to list, and no error."""
    data = RatingMatrix.from_columns([1, 2, 3, 4], [9, 9, 9, 9], [1.0, 3.0, 5.0, 5.0], scale=(1.0, 5.0))
    usable(quick(name, data), data)


@each
def test_all_ratings_equal(name: str) -> None:
    """Where everybody gives 3 stars, models of ratings refuse and name one that ranks; rankers rank."""
    users, films = np.divmod(np.arange(0, 40, 3), 8)
    data = RatingMatrix.from_columns(users, films, np.full(len(users), 3.0))
    assert data.scale == (3.0, 3.0)
    if MODELS[name].model_class.predicts_ratings:
        with pytest.raises(DataError, match="a model that ranks items"):
            quick(name, data)
    else:
        usable(quick(name, data), data)


@each
def test_a_rating_of_zero_is_a_rating(name: str) -> None:
    """An explicit 0 counts as seen, and what predicts ratings learns that it is low."""
    rng = np.random.default_rng(0)
    users, films = np.nonzero(rng.random((20, 9)) < 0.8)
    given = np.where(films < 3, 0.0, 5.0)
    data = RatingMatrix.from_columns(users, films, given, scale=(0.0, 5.0))
    model = brief(name, 30)
    model.fit(with_dates(data) if model.reads_dates else data)
    seen = set(films[users == 0])
    assert set(model.recommend(data.user_ids[0], n=9)["item"]) == set(range(9)) - seen
    if model.predicts_ratings and name != "global-mean":
        predicted = model.predict(data.user_ids[0], data.item_ids)
        assert predicted[:3].max() < 1.5 < 3.5 < predicted[3:].min()


@each
def test_tables_of_any_id_type(name: str) -> None:
    """Whole numbers, fractions, tuples and a mixture are ids like any other."""
    for ids in ([1, 2, 3], [0.5, 1.5, 2.5], [("a", 1), ("a", 2), ("b", 1)], ["1", 1, (1,)]):
        column = pd.Series(np.array([None] * 3), dtype=object)
        for index, raw in enumerate(ids):
            column[index] = raw
        frame = pd.DataFrame({"user": ["u", "v", "w"], "item": column, "rating": [1.0, 2.0, 5.0]})
        model = quick(name, RatingMatrix.from_frame(frame, scale=(1.0, 5.0)))
        assert set(model.recommend("u", n=3)["item"]) == set(ids[1:])
