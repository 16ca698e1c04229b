"""Hybrid: a rating model beside regressions on features of items and users."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import recae
from recae.comparison.leagues import league_of
from recae.errors import ParameterError
from recae.models import Bias, Blend, Dated, Hybrid
from recae.models.ensemble.feature_regression import (
    PULLS,
    FeatureRegression,
    Opinions,
    fit_feature_regression,
    fit_opinions,
    with_cold_rows,
)
from recae.ratings import RatingMatrix
from recae.recommender.biases import ITEM_L2, USER_L2, fit_baseline

USERS, ITEMS = 90, 50


def kinds(says: bool = True, seed: int = 0) -> RatingMatrix:
    """Ratings of 90 users for 50 films of two kinds, of which a user likes one: 4 or 5, and 1 or 2 for the other.

    The tables tell the kinds of both; where they say nothing, they hold kinds drawn at random.
    """
    rng = np.random.default_rng(seed)
    u, i = np.nonzero(rng.random((USERS, ITEMS)) < 0.3)
    r = np.where(u % 2 == i % 2, 4.0, 1.0) + rng.integers(0, 2, len(u))
    of_user, of_item = (np.arange(n) % 2 if says else rng.integers(0, 2, n) for n in (USERS, ITEMS))
    users = pd.DataFrame({"user": np.arange(USERS), "job": np.where(of_user, "cook", "pilot")})
    items = pd.DataFrame({"item": np.arange(ITEMS), "genres": np.where(of_item, "Drama", "Crime|War")})
    return RatingMatrix.from_columns(
        u, i, r, 1000 + np.arange(len(u)), scale=(1.0, 5.0), user_table=users, item_table=items
    )


def rmse(model: Any, ratings: RatingMatrix, keep: Any) -> float:
    users, items, truth = ratings.pairs()
    return float(np.sqrt(np.mean((model.predict_pairs(users[keep], items[keep]) - truth[keep]) ** 2)))


# ---------------------------------------------------------------- the regression


def test_what_is_told_of_a_rating_is_what_a_fit_without_it_says() -> None:
    """Each row's θ without one rating, and what is left of it, are those of a ridge regression on the others."""
    rng = np.random.default_rng(0)
    rows = sparse.random_array((7, 11), density=0.5, rng=rng, format="csr", dtype=np.float32)
    rows.data = rng.integers(1, 6, rows.nnz).astype(np.float32)
    features, deviation = rng.normal(size=(11, 3)).astype(np.float32), rng.normal(size=7).astype(np.float32)
    one = fit_feature_regression(rows, 3.0, deviation, features, pull=2.0)
    assert one is not None
    left = one.left_of_training(rows, deviation)
    theta, told, rest = one.leave_one_out(left)
    x = np.column_stack([features.astype(np.float64), np.ones(11)])
    pull = np.diag([2.0, 2.0, 2.0, USER_L2])
    level = one.level
    own = rows.data - 3.0 - np.repeat(deviation.astype(np.float64), np.diff(rows.indptr)) - level[rows.indices]
    for row in range(7):
        part = np.arange(rows.indptr[row], rows.indptr[row + 1])
        columns, wanted = rows.indices[part], np.empty(len(part))
        for k, entry in enumerate(part):
            others = np.flatnonzero((rows.indices == rows.indices[entry]) & (np.arange(rows.nnz) != entry))
            of_column = own[others].sum() / (len(others) + ITEM_L2)
            wanted[k] = rows.data[entry] - 3.0 - level[rows.indices[entry]] - of_column
        np.testing.assert_allclose(left.data[part], wanted, rtol=1e-6)
        solved = np.linalg.solve(x[columns].T @ x[columns] + pull, x[columns].T @ wanted)
        np.testing.assert_allclose(theta[row], solved[:-1], rtol=1e-6)
        for k, entry in enumerate(part):
            mine = np.delete(columns, k)
            without = np.linalg.solve(x[mine].T @ x[mine] + pull, x[mine].T @ np.delete(wanted, k))
            assert told[entry] == pytest.approx(without[:-1] @ x[columns[k], :-1], rel=1e-6, abs=1e-9)
            assert rest[entry] == pytest.approx(wanted[k] - without @ x[columns[k]], rel=1e-6, abs=1e-9)


def test_of_an_unknown_row_the_level_is_told_and_of_an_unknown_column_nothing() -> None:
    """level + θ · x by hand; index -1 reads neither the last row nor the last column."""
    level, x, theta = np.array([0.5, -0.25]), np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[0.1, 0.2], [10.0, 20.0]])
    opinions = Opinions(FeatureRegression(3.0, level, level, x, 1.0), theta)
    found = opinions.at(np.array([0, 1, -1, 0, -1]), np.array([1, 0, 1, -1, -1]))
    np.testing.assert_allclose(found, [-0.25 + 0.3 + 0.8, 0.5 + 10 + 40, -0.25, 0, 0], rtol=1e-6)


def test_the_pull_that_leaves_least_is_doubled_beside_a_model() -> None:
    """Of ratings that θ has not seen, `pull / 2` leaves less than any other of `PULLS` does."""
    ratings = kinds()
    rows, deviation = ratings.user_rows, fit_baseline(ratings).user
    features = (np.arange(ITEMS)[:, None] % 2 - 0.5).astype(np.float32)

    def left_over(pull: float) -> float:
        one = fit_feature_regression(rows, ratings.mean, deviation, features, pull)
        assert one is not None
        return float(np.square(one.leave_one_out(one.left_of_training(rows, deviation))[2]).mean())

    found = fit_feature_regression(rows, ratings.mean, deviation, features)
    assert found is not None
    assert found.pull == 2 * min(PULLS, key=left_over)


def test_features_are_read_where_they_say_more_than_a_standard_error() -> None:
    """Of ratings that θ has not seen, less is left than without features, by more than its standard error.

    Features that are drawn at random sometimes leave a little less, by chance, and are not read.
    """
    by_chance = 0
    for seed in range(4):
        ratings, rng = kinds(seed=seed), np.random.default_rng(seed)
        rows, deviation = ratings.user_rows, fit_baseline(ratings).user

        def squares(features: Any, pull: float, rows: Any = rows, deviation: Any = deviation) -> Any:
            one = fit_feature_regression(rows, 3.0, deviation, features, pull)
            assert one is not None
            return np.square(one.leave_one_out(one.left_of_training(rows, deviation))[2])

        features = rng.normal(size=(ITEMS, 2)).astype(np.float32)
        nothing = squares(features[:, :0], 1.0)
        gain = max((nothing - squares(features, pull) for pull in PULLS), key=np.mean)
        clear = gain.mean() > gain.std() / np.sqrt(len(gain))
        by_chance += gain.mean() > 0 and not clear
        assert (fit_feature_regression(rows, 3.0, deviation, features) is not None) == clear
    assert by_chance


@pytest.mark.parametrize("by", ["item", "user"])
def test_what_is_told_of_ratings_is_level_and_opinion(by: Any) -> None:
    """In the order of `user_rows`; a column whose features are as usual has the level 0."""
    ratings = kinds()
    features = np.random.default_rng(0).normal(size=(ITEMS if by == "item" else USERS, 2)).astype(np.float32)
    features[3] = 0
    found = fit_opinions(ratings, by, features, 10.0)
    assert found is not None
    one = found[0].regression
    assert one.level[3] == 0
    across: Any = "user" if by == "item" else "item"
    rows = ratings.rows(across)
    _, opinion, _ = one.leave_one_out(one.left_of_training(rows, getattr(fit_baseline(ratings), across)))
    told = sparse.csr_array((opinion + one.level[rows.indices], rows.indices, rows.indptr), shape=rows.shape)
    users, items, _ = ratings.pairs()
    expected = told.toarray()[(users, items) if by == "item" else (items, users)]
    np.testing.assert_allclose(found[1], expected, atol=1e-5)


def test_only_described_rows_without_ratings_have_what_others_like_them_have() -> None:
    """θ of rows with ratings, and of rows of which nothing is known, stay as they are."""
    theta = np.array([[1.0], [3.0], [0.0], [0.0]])
    opinions = Opinions(FeatureRegression(3.0, np.zeros(1), np.zeros(1), np.ones((1, 1)), 1.0), theta)
    features = np.array([[-1.0], [1.0], [1.0], [0.0]], np.float32)
    found = with_cold_rows(opinions, features, np.array([10**6, 10**6, 0, 0])).theta
    np.testing.assert_allclose(found[:, 0], [1, 3, 3, 0], atol=0.1)


def test_blocks_of_rows_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that are read a few ratings at a time have the same regressions."""
    ratings = kinds()
    features = (np.arange(ITEMS)[:, None] % 2 - 0.5).astype(np.float32)
    whole = fit_opinions(ratings, "item", features)
    monkeypatch.setattr("recae.models.ensemble.feature_regression.NUMBERS", 80)
    parts = fit_opinions(ratings, "item", features)
    assert whole is not None
    assert parts is not None
    np.testing.assert_array_equal(whole[0].theta, parts[0].theta)
    np.testing.assert_array_equal(whole[1], parts[1])


def test_what_users_features_say_is_in_the_order_of_ratings() -> None:
    """Regressions by item give each rating of `user_rows` its own: cooks are above, pilots below, by kinds of films."""
    ratings = kinds()
    features = (np.arange(USERS)[:, None] % 2 - 0.5).astype(np.float32)
    found = fit_opinions(ratings, "user", features)
    assert found is not None
    users, items, _ = ratings.pairs()
    many = ratings.counts("item")[items] > 5
    np.testing.assert_array_equal((found[1] > 0)[many], (users % 2 == items % 2)[many])


# ---------------------------------------------------------------- the model


def test_a_prediction_is_the_base_s_and_what_features_say() -> None:
    """Beside the biases alone: mu + b_u + b_i of ratings less what was told of them, and level + θ · x of each side."""
    ratings = kinds()
    model = Hybrid(base="bias").fit(ratings)
    users, items, truth = ratings.pairs()
    left = ratings.with_rows(model.base_.ratings_.user_rows)
    np.testing.assert_allclose(left.user_rows.data, truth - model.told_, rtol=1e-5)
    expected = fit_baseline(left).at(users, items)
    for by, row, column in (("item", users, items), ("user", items, users)):
        one = model.opinions_[by]  # type: ignore[index]
        expected += one.regression.level[column] + (one.theta[row] * one.regression.x[column]).sum(1)
    np.testing.assert_allclose(model.predict_pairs(users, items), np.clip(expected, 1, 5), rtol=1e-5)


def test_features_make_hidden_ratings_better_known() -> None:
    """Where kinds explain all but a coin's throw, half of the error of the biases is left."""
    ratings = kinds()
    split = recae.split(ratings, "random", test=0.2, rng=0)
    hidden = np.ones(split.test.n_ratings, bool)
    model = Hybrid(base="bias", item_pull=10, user_pull=10).fit(split.train)
    assert model.chosen_ == {"features": "both"}  # pulls are given
    assert rmse(model, split.test, hidden) < 0.5 * rmse(Bias().fit(split.train), split.test, hidden)


def test_features_that_say_nothing_are_not_read() -> None:
    """With kinds drawn at random the model is its base, to the bit, and says so."""
    ratings = kinds(says=False)
    model, base = Hybrid(base="biased-mf").fit(ratings), recae.BiasedMF().fit(ratings)
    assert model.chosen_ == {"features": "none"}
    users, items, _ = ratings.pairs()
    np.testing.assert_array_equal(model.predict_pairs(users, items), base.predict_pairs(users, items))
    pd.testing.assert_frame_equal(model.recommend([3], 5), base.recommend([3], 5))


@pytest.mark.parametrize("features", ["item", "user", "none"])
def test_one_table_may_be_read(features: str) -> None:
    """Only the features asked for are read, and the league is that of ratings where none are."""
    model = Hybrid(base="bias", features=features).fit(kinds())  # type: ignore[arg-type]
    assert model.chosen_["features"] == features
    assert league_of(model) == ("ratings" if features == "none" else "side")


def test_users_and_items_without_ratings_are_served_from_their_features() -> None:
    """Ten users and eight films lose their ratings: cold users, cold films and pairs of both within a star."""
    ratings = kinds()
    users, items, _ = ratings.pairs()
    cold_user, cold_item = users < 10, items < 8
    model = Hybrid(base="bias").fit(ratings.select(~cold_user & ~cold_item))
    assert rmse(model, ratings, cold_user & ~cold_item) < 1
    assert rmse(model, ratings, ~cold_user & cold_item) < 1
    listed = model.recommend(np.arange(20, 30), n=ITEMS, filter_seen=False)
    for user, item, score in listed[["user", "item", "score"]].itertuples(index=False):
        if item < 8:
            clipped = np.clip(score, 1, 5)
            assert clipped == pytest.approx(float(model.predict([user], [item])[0]), abs=1e-4)
    own_kind = (listed["item"] % 2) == (listed["user"] % 2)
    assert own_kind[listed["rank"] <= 5].all()
    assert listed["rank"][(listed["item"] < 8) & own_kind].median() < ITEMS / 2
    cold = model.recommend([4, 5], n=5)
    assert ((cold["item"] % 2) == (cold["user"] % 2)).all()  # of features only


@pytest.mark.parametrize(("ratings", "output"), [("stars", "ordinal"), ("numbers", "auto")])
def test_what_is_left_of_stars_is_ordered(ratings: str, output: str, tmp_path: Path) -> None:
    """The base takes what features leave of stars for ordered levels, in a file, too, and not what they leave of
    numbers; a base that says what its output is keeps it."""
    data = kinds()
    rows = data.user_rows.copy()
    rows.data = rows.data if ratings == "stars" else rows.data + np.arange(len(rows.data), dtype=np.float32) * 1e-4
    data = data.with_rows(rows, data.timestamps)
    base = {"model": "dual-autorec", "hidden": 5, "side": 3, "epochs": 3, "shrink": "never"}
    model = Hybrid(base=base, compare=False).fit(data)
    assert model.opinions_
    assert model.base_.get_params()["output"] == output
    loaded = recae.load_model(model.save(tmp_path / "m"))
    users, items, _ = data.pairs()
    assert np.array_equal(loaded.predict_pairs(users, items), model.predict_pairs(users, items))
    assert recae.load_model(loaded.save(tmp_path / "again")).base_.get_params()["output"] == output
    named = Hybrid(base={**base, "output": "identity"}, compare=False).fit(data)
    assert named.base_.get_params()["output"] == "identity"


def test_who_is_not_described_and_has_no_ratings_gets_what_is_popular() -> None:
    """Of user 4 the table says nothing: the list is popularity's; of user 6 it does: it is of films of the kind."""
    ratings = kinds()
    users = ratings.user_table
    assert users is not None
    table = users.assign(job=users["job"].where(np.arange(USERS) != 4, None))
    train = replace(ratings, user_table=table, _cache={}).select(~np.isin(ratings.pairs()[0], [4, 6]))
    model = Hybrid(base="bias", features="user", user_pull=10, compare=False).fit(train)
    listed, described = (model.recommend([user], n=10)["item"].tolist() for user in (4, 6))
    assert listed == np.argsort(-train.counts("item"), kind="stable")[:10].tolist()
    assert all(item % 2 == 0 for item in described)


def test_new_users_are_served_as_known_ones() -> None:
    """A user who was never trained on gets, from the same ratings, nearly the answers of one who was."""
    ratings = kinds()
    model = Hybrid(base="bias", features="item").fit(ratings)
    own = ratings.to_frame().query("user == 7").assign(user="new")
    pairs = pd.DataFrame({"user": "new", "item": np.arange(ITEMS)})
    known = model.predict([7], np.arange(ITEMS))
    np.testing.assert_allclose(model.predict_new(own, pairs), known, atol=0.15)
    listed = model.recommend_new(own, n=5)
    assert (listed["item"] % 2 == 1).all()


def test_new_users_of_one_kind_of_films_are_no_kinder_for_it() -> None:
    """Where all like dramas, who rates nothing else is not taken for somebody who likes everything."""
    rng = np.random.default_rng(0)
    u, i = np.nonzero(rng.random((60, 40)) < 0.3)
    u, i = u[(u != 7) | (i % 2 == 1)], i[(u != 7) | (i % 2 == 1)]
    r = np.where(i % 2, 4.0, 1.0) + rng.integers(0, 2, len(u))
    items = pd.DataFrame({"item": np.arange(40), "genres": np.where(np.arange(40) % 2, "Drama", "Crime")})
    ratings = RatingMatrix.from_columns(u, i, r, scale=(1.0, 5.0), item_table=items)
    model = Hybrid(base="bias", item_pull=10, compare=False).fit(ratings)
    own = ratings.to_frame().query("user == 7").assign(user="new")
    found = model.predict_new(own, pd.DataFrame({"user": "new", "item": np.arange(40)}))
    np.testing.assert_allclose(found, model.predict([7], np.arange(40)), atol=0.15)


def test_new_users_have_opinions_on_items_without_ratings() -> None:
    """A cold film of the liked kind stands above one of the other kind, in predictions and lists of unseen users."""
    ratings = kinds()
    items = ratings.pairs()[1]
    model = Hybrid(base="bias", item_pull=10).fit(ratings.select(items >= 8))
    own = ratings.to_frame().query("user == 7 and item >= 8").assign(user="new")
    pairs = pd.DataFrame({"user": "new", "item": np.arange(8)})
    predicted = model.predict_new(own, pairs)
    assert predicted[1::2].min() > predicted[::2].max() + 1
    listed = model.recommend_new(own, n=8, candidates=range(8))
    np.testing.assert_allclose(np.clip(listed["score"], 1, 5), predicted[listed["item"]], atol=1e-4)


@pytest.mark.parametrize("base", ["bias", {"model": "dual-autorec", "hidden": 4, "epochs": 2, "device": "cpu"}])
def test_a_file_keeps_all(base: Any, tmp_path: Path) -> None:
    """A loaded model has the same answers for known, cold and unseen users."""
    ratings = kinds()
    users, items, _ = ratings.pairs()
    train = ratings.select((users >= 5) & (items >= 4))
    model = Hybrid(base=base).fit(train)
    again = recae.load_model(model.save(tmp_path / "hybrid.recae"))
    assert again.get_params() == model.get_params()
    np.testing.assert_array_equal(again.predict_pairs(users, items), model.predict_pairs(users, items))
    everybody = np.arange(USERS)
    for found, expected in zip(again.recommend_users(everybody, 9), model.recommend_users(everybody, 9)):
        np.testing.assert_array_equal(found, expected)
    own = ratings.to_frame().query("user == 7").assign(user="new")
    pd.testing.assert_frame_equal(again.recommend_new(own, n=5), model.recommend_new(own, n=5))


def test_the_base_is_stopped_by_what_features_leave() -> None:
    """A validation part reaches the base less what features say, so its error there is that of the whole."""
    split = recae.split(kinds(), "random", test=0.1, validation=0.2, rng=0)
    base = {"model": "i-autorec", "hidden": 4, "epochs": 3, "lr": 0.05, "device": "cpu", "shrink": "never"}
    model: Any = Hybrid(base=base).fit(split.train, split.validation)
    everything = np.ones(split.validation.n_ratings, bool)
    assert model.base_.history_.best == pytest.approx(rmse(model, split.validation, everything), abs=0.03)


def test_a_base_that_reads_dates_is_refused_and_dates_may_be_read_over_it() -> None:
    """Dated is the outer one of both; a blend may have a hybrid as a member."""
    ratings = kinds()
    with pytest.raises(ParameterError, match=r"reads dates.*Dated a Hybrid"):
        Hybrid(base="dated").fit(ratings)
    dated = Dated(base=Hybrid(base="bias")).fit(ratings)
    assert league_of(dated) == "dates"
    users, items, _ = ratings.pairs()
    hybrid = Hybrid(base="bias").fit(ratings)
    np.testing.assert_allclose(dated.predict_pairs(users, items), hybrid.predict_pairs(users, items), rtol=1e-5)
    blend = Blend(members=(Hybrid(base="bias"), "bias")).fit(ratings)
    assert blend.weights_[0] > 0.8


def tastes(seed: int = 0) -> RatingMatrix:
    """180 users with 9 ratings each of 60 films, whose three groups the table does not tell apart: it has two others.

    Films of a group are liked by a third of the users. Kinds in the table are half of a group and half of the next, so
    that they say something of a rating, and groups, which ratings tell, say all.
    """
    rng = np.random.default_rng(seed)
    u = np.repeat(np.arange(180), 9)
    i = np.concatenate([rng.choice(60, 9, replace=False) for _ in range(180)])
    r = np.where(u % 3 == i // 20, 5.0, 1.0)
    kinds_of = np.where((np.arange(60) + 10) % 60 < 30, "Drama", "Crime")
    items = pd.DataFrame({"item": np.arange(60), "genres": kinds_of})
    return RatingMatrix.from_columns(u, i, r, scale=(1.0, 5.0), item_table=items)


@pytest.mark.parametrize("validated", [False, True], ids=["", "with validation"])
def test_the_better_of_both_is_taken(validated: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Features are left out where the base alone errs less on ratings put aside, and read where it errs more."""
    ratings = tastes()
    parts = recae.split(ratings, "random", test=0.1, validation=0.1, rng=0)
    asked = []

    def told(self: Any, aside: RatingMatrix) -> None:
        asked.append((self.features, aside.n_ratings))
        self.base_._model_weight = 0.25

    monkeypatch.setattr(Hybrid, "_draw_by", told)
    for better in ("none", "both"):
        wrong = {"none": "both", "both": "none"}[better]

        def predicted(self: Any, users: Any, items: Any, wrong: str = wrong) -> Any:
            return np.full(len(users), 9.0 if self.features == wrong else 3.0, np.float32)

        monkeypatch.setattr(Hybrid, "predict_pairs", predicted)
        model = Hybrid(base="biased-mf").fit(parts.train, parts.validation if validated else None)
        assert model.chosen_["features"] == ("none" if better == "none" else "item")
        assert model.base_._model_weight == 0.25  # it is not estimated by a fit of its own
        expected = parts.validation.n_ratings if validated else round(0.1 * parts.train.n_ratings)
        assert [features for features, _ in asked] == ["none", "both"]
        assert all(abs(n - expected) <= 1 for _, n in asked)
        asked.clear()


def test_of_many_ratings_those_of_some_users_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is looked at is bounded, and says nothing of the weight of a fit on everything."""
    ratings, looked_at = kinds(), []
    monkeypatch.setattr("recae.models.ensemble.some_users.MOST_RATINGS", 500)
    fit_alone = Hybrid._fit_alone
    monkeypatch.setattr(
        Hybrid, "_fit_alone", lambda self, *given: (looked_at.append(len(given[0])), fit_alone(self, *given))[1]
    )
    model = Hybrid(base="bias").fit(ratings)
    assert model.chosen_["features"] == "both"
    assert looked_at[0] == len(ratings)
    assert 300 < looked_at[1] == looked_at[2] < 600


def test_nothing_is_compared_where_it_is_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    """With compare=False features that say something beside biases are read."""
    monkeypatch.setattr(Hybrid, "_compare", None)
    assert Hybrid(base="biased-mf", compare=False).fit(kinds()).chosen_["features"] == "both"
