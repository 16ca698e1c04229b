"""What is expected of users and items without ratings (`recae.recommender.cold_regression` and `cold_answers`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from contract import brief
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.linear_model import Ridge

import recae
from recae.models import CFN, MODELS, Bias, Blend, Dated, GlobalMean
from recae.ratings import RatingMatrix
from recae.recommender.biases import fit_baseline
from recae.recommender.cold_regression import LEVEL_PULL, MOST, PULL, fit_cold_regression


def chosen(seed: int = 0) -> RatingMatrix:
    """Users 0 to 39 rate only good films, users 40 to 79 only bad ones; user 80 and films 30 and 31 have no rating."""
    rng = np.random.default_rng(seed)
    u, i = np.nonzero(rng.random((81, 32)) < 0.6)
    kept = (i < 30) & (u < 80) & ((i % 2 == 0) == (u < 40))
    u, i = u[kept], i[kept]
    r = np.where(i % 2 == 0, 4.0, 2.0) + rng.integers(-1, 2, len(u))
    r, with_all = np.append(r, [3.0, 3.0]), (np.append(u, [80, 80]), np.append(i, [30, 31]))
    return RatingMatrix.from_columns(*with_all, r, scale=(1.0, 5.0)).select(np.arange(len(r)) < len(u))


def random_rows(seed: int, n: int = 7, m: int = 9) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    rows = sparse.csr_array(rng.integers(1, 6, (n, m)) * (rng.random((n, m)) < 0.5)).astype(np.float32)
    return rows, rng.normal(size=(m, 3)).astype(np.float32).astype(np.float64)


@given(seed=st.integers(0, 10**6))
def test_coefficients_are_a_ridge_regression_of_what_is_left_over(seed: int) -> None:
    """scikit-learn's, row by row, of ratings less mean, row's deviation and level; an empty row has none."""
    rows, features = random_rows(seed)
    deviation = np.linspace(-1, 1, 7).astype(np.float32)
    found = fit_cold_regression(rows, 3.0, deviation, features, 2.0)
    theta = found.coefficients(rows, 3.0, deviation)
    dense, x = rows.toarray(), np.append(features, np.ones((9, 1)), 1)
    for r in range(7):
        rated = dense[r] != 0
        left = dense[r, rated] - 3.0 - deviation[r] - found.level[:-1][rated]
        expected = np.zeros(4)
        if rated.any():
            expected = Ridge(2.0, fit_intercept=False).fit(x[rated], left).coef_
        np.testing.assert_allclose(theta[r], expected, atol=1e-6)
    row, column = np.arange(7).repeat(9), np.tile(np.arange(9), 7)
    np.testing.assert_allclose(
        found.at(theta, row, column), found.level[column] + (theta[row] * x[column]).sum(1), atol=1e-5
    )


@given(seed=st.integers(0, 10**6))
def test_without_features_the_answer_is_the_mean_of_what_was_rated(seed: int) -> None:
    """Level: mean of columns' means by the root of their ratings. A row: drawn to it by `PULL` ratings."""
    rows, _ = random_rows(seed)
    found = fit_cold_regression(rows, 3.0, np.zeros(7, np.float32))
    dense = rows.toarray()
    count = (dense != 0).sum(0)
    means = (np.where(dense, dense - 3.0, 0).sum(0) / np.maximum(count, 1))[count > 0]
    level = np.average(means, weights=np.sqrt(count[count > 0])) if len(means) else 0.0
    np.testing.assert_allclose(found.level, level, atol=1e-8)
    n, total = (dense != 0).sum(1), np.where(dense, dense - 3.0 - level, 0).sum(1)
    theta = found.coefficients(rows, 3.0, np.zeros(7, np.float32))
    np.testing.assert_allclose(theta[:, 0], total / (n + PULL), atol=1e-8)
    np.testing.assert_allclose(found.at(theta, np.array([0, -1]), np.array([-1, 2])), [level + theta[0, 0], level],
                               atol=1e-6)  # fmt: skip


def test_of_many_features_rows_differ_in_leading_directions() -> None:
    """100 features: 64 directions and the constant for each row, all 100 for what rows share."""
    rng = np.random.default_rng(0)
    rows = sparse.csr_array(rng.integers(1, 6, (20, 300)) * (rng.random((20, 300)) < 0.5)).astype(np.float32)
    features = rng.normal(size=(300, 100)).astype(np.float32)
    found = fit_cold_regression(rows, 3.0, np.zeros(20, np.float32), features)
    assert found.x.shape == (301, MOST + 1)
    assert found.coefficients(rows, 3.0, np.zeros(20, np.float32)).shape == (20, MOST + 1)
    lengths = np.linalg.norm(found.x[:-1, :-1], axis=1)
    assert (lengths <= np.linalg.norm(features, axis=1) + 1e-4).all()


@given(seed=st.integers(0, 10**6))
def test_the_level_is_a_ridge_regression_of_columns_means(seed: int) -> None:
    """scikit-learn's, each column by the root of its ratings, the constant free; an unknown column has the constant."""
    rows, features = random_rows(seed)
    deviation = np.linspace(-1, 1, 7).astype(np.float32)
    found = fit_cold_regression(rows, 3.0, deviation, features)
    left = rows.toarray() - 3.0 - deviation.astype(np.float64)[:, None]
    count = (rows.toarray() != 0).sum(0)
    rated = count > 0
    means = (left * (rows.toarray() != 0)).sum(0)[rated] / count[rated]
    root = np.sqrt(count[rated])
    ridge = Ridge(LEVEL_PULL * root.sum() / count.sum()).fit(features[rated], means, sample_weight=root)
    np.testing.assert_allclose(found.level, [*ridge.predict(features), ridge.intercept_], atol=1e-8)


def test_of_no_ratings_nothing_is_expected() -> None:
    """Level and coefficients are 0 where there is no rating, with features and without."""
    rows, features = sparse.csr_array((7, 9), dtype=np.float32), random_rows(0)[1]
    zero = np.zeros(7, np.float32)
    for given_features in (None, features):
        found = fit_cold_regression(rows, 3.0, zero, given_features)
        assert not found.level.any()
        assert not found.coefficients(rows, 3.0, zero).any()


@pytest.mark.parametrize("described", [True, False], ids=["features", "none"])
def test_blocks_of_ratings_change_nothing(described: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few ratings at a time give what all give at once."""
    rows, features = random_rows(3)
    features = features if described else None
    zero = np.zeros(7, np.float32)
    whole = fit_cold_regression(rows, 3.0, zero, features)
    row, column = np.arange(7).repeat(9), np.tile(np.arange(9), 7)
    answers = whole.at(whole.coefficients(rows, 3.0, zero), row, column)
    monkeypatch.setattr("recae.recommender.cold_regression.BLOCK", 5)
    monkeypatch.setattr("recae.recommender.cold_regression.PAIRS", 4)
    np.testing.assert_allclose(whole.at(whole.coefficients(rows, 3.0, zero), row, column), answers, atol=1e-6)
    parts = fit_cold_regression(rows, 3.0, zero, features)
    np.testing.assert_allclose(parts.level, whole.level, atol=1e-10)
    np.testing.assert_allclose(parts.coefficients(rows, 3.0, zero), whole.coefficients(rows, 3.0, zero), atol=1e-10)


# ---------------------------------------------------------------- in a model


def test_many_rows_keep_their_coefficients(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked of many at once or of one at a time, answers are the same; what is kept is forgotten by another fit."""
    data = chosen()
    model = Bias().fit(data)
    users, film = np.arange(80), np.full(80, 30)
    singly = np.concatenate([model.predict_pairs(users[u : u + 1], film[:1]) for u in range(80)])
    monkeypatch.setattr("recae.recommender.cold_answers.FEW", 10)
    np.testing.assert_allclose(model.predict_pairs(users, film), singly, atol=1e-6)
    assert "coefficients item" in model._derived
    model.fit(data.select(np.arange(data.n_ratings) % 2 == 0))
    assert "coefficients item" not in model._derived


def test_who_rates_what_is_good_is_expected_to_rate_what_is_good() -> None:
    """A film without ratings: more for those who chose good films, less for the others, than with b_i = 0.

    An unknown film is the same, and so it is for unseen users with the same rows.
    """
    data = chosen()
    model = Bias().fit(data)
    users, film = np.arange(80), np.full(80, 30)
    found = model.predict_pairs(users, film)
    more = found - fit_baseline(data).at(users, film)
    assert (more[:40] > 0.1).all()
    assert (more[40:] < -0.1).all()
    np.testing.assert_array_equal(model.predict_pairs(users, -np.ones(80, np.int64)), found)
    rows, index = data.user_rows[users], np.where(users % 2, 30, -1)
    np.testing.assert_allclose(model.predict_pairs_new(rows, users, index), found, atol=1e-5)


def test_both_without_ratings_get_the_mean() -> None:
    """Nothing is known: mu."""
    data = chosen()
    model = Bias().fit(data)
    for user, item in ((80, 30), (-1, 31), (80, -1), (-1, -1)):
        assert model.predict_pairs(np.array([user]), np.array([item])) == pytest.approx(data.mean, abs=1e-5)


def test_the_simple_answer_to_unseen_users_is_that_to_known_ones() -> None:
    """A known user's row, an empty and an unknown one: mu, both deviations, and what is expected where one lacks."""
    data = chosen()
    model = Bias().fit(data)
    users = np.array([80, 0, 3, 79])  # the first has no rating
    row, item = (one.ravel() for one in np.meshgrid([0, 1, 2, 3, -1], [0, 1, 29, 30, -1]))
    expected = model._simple_pairs(np.append(users, -1)[row], item)
    np.testing.assert_allclose(model._simple_pairs_new(data.user_rows[users], row, item), expected, atol=1e-3)


def test_ratings_of_unseen_users_are_within_the_scale() -> None:
    """Who gives bad films 5, and bad ones only, would give good films 6: it is 5; in the same way below 1."""
    data = chosen()
    model = Bias().fit(data)
    kind, strict = np.where(np.arange(32) % 2, 5.0, 0.0), np.where(np.arange(32) % 2, 0.0, 1.0)
    rows = sparse.csr_array(np.stack([kind, strict]).astype(np.float32))
    np.testing.assert_array_equal(model.predict_pairs_new(rows, np.array([0, 1]), np.array([0, 1])), [5, 1])


def test_an_unknown_user_is_expected_to_be_as_an_items_raters() -> None:
    """Known item, unknown user: mu + b_i and what deviations the item's raters have on average."""
    rng = np.random.default_rng(0)
    u, i = np.nonzero(np.ones((60, 8)))
    kept = (i < 4) == (u < 30)  # kind users rate films 0 to 3, strict ones 4 to 7, all films being alike
    u, i = u[kept], i[kept]
    r = np.where(u < 30, 4.0, 2.0) + rng.integers(-1, 2, len(u))
    data = RatingMatrix.from_columns(u, i, r, scale=(1.0, 5.0))
    model, nobody = Bias(item_l2=1000.0).fit(data), np.full(8, -1)
    model._baseline_ = model.biases_  # in which films have next to no deviation
    found = model.predict_pairs(nobody, np.arange(8))
    assert (found[:4] > 3.4).all()
    assert (found[4:] < 2.6).all()


def test_a_lean_file_answers_as_the_whole_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of unseen users, unknown ones, and items without ratings, also when it is saved again.

    In one from before they were expected, the deviation of an unknown user is 0, as it was.
    """
    data = chosen()
    model = recae.make_model("u-autorec", hidden=3, epochs=1, device="cpu").fit(data)
    lean = recae.load_model(model.save(tmp_path / "lean.recae", ratings=False))
    row, item = np.array([0, 0, -1, 1, -1]), np.array([30, 2, 2, -1, 30])
    expected = model.predict_pairs_new(data.user_rows[[0, 79]], row, item)
    np.testing.assert_allclose(lean.predict_pairs_new(data.user_rows[[0, 79]], row, item), expected, atol=1e-5)
    again = recae.load_model(lean.save(tmp_path / "again.recae"))
    np.testing.assert_array_equal(again.predict_pairs_new(data.user_rows[[0, 79]], row, item),
                                  lean.predict_pairs_new(data.user_rows[[0, 79]], row, item))  # fmt: skip
    monkeypatch.setattr(type(model), "_lean_baseline", lambda self: self._baseline())
    old = recae.load_model(model.save(tmp_path / "old.recae", ratings=False))
    nobody = old.predict_pairs_new(data.user_rows[:0], np.array([-1, -1]), np.array([2, 30]))
    np.testing.assert_allclose(nobody, model._baseline().at(np.array([-1, -1]), np.array([2, 30])), atol=1e-6)


@pytest.mark.parametrize("model", [Bias(), GlobalMean()])
def test_predict_by_raw_id_answers_for_unknown_ids(model: Any) -> None:
    """`unknown="baseline"` of an id that training never had is the answer for one without a rating."""
    data = chosen()
    model.fit(data)
    said = model.predict([0, 79, 12345], [777, 30, 2], unknown="baseline")
    expected = model.predict_pairs(np.array([0, 79, -1]), np.array([-1, 30, 2]))
    np.testing.assert_array_equal(said, expected)


def test_a_frame_of_new_users_gets_the_same() -> None:
    """`predict_new` of a film that nobody rated, for a user who rates good films."""
    data = chosen()
    model = Bias().fit(data)
    users, items, ratings = data.select(data.pairs()[0] == 0).pairs()
    frame = pd.DataFrame({"user": "new", "item": data.item_ids[items], "rating": ratings})
    found = model.predict_new(frame, pd.DataFrame({"user": ["new"], "item": [data.item_ids[30]]}))
    assert found[0] == pytest.approx(model.predict_pairs(np.array([0]), np.array([30]))[0], abs=1e-5)
    assert len(users)


# ---------------------------------------------------------------- lists, and models made of models

RATES = [
    name
    for name, one in MODELS.items()
    if one.model_class.predicts_ratings and one.model_class.personal and not one.model_class.reads_dates
]


@pytest.mark.parametrize("name", RATES)
def test_items_without_ratings_stand_in_lists_as_they_are_predicted(name: str) -> None:
    """Films 30 and 31 have in everybody's list the score that `predict` gives, and not what a network makes of no row.

    So in the lists of unseen users. Who rates bad films is expected to dislike them, and has them near the end.
    """
    data = chosen()
    model: Any = brief(name, 2).fit(data)
    users = np.arange(0, 80, 7)
    listed = model.recommend(users, n=32, filter_seen=False)
    cold = listed[listed["item"] >= 30]
    assert len(cold) == 2 * len(users)
    expected = model.predict(cold["user"], cold["item"])
    np.testing.assert_allclose(np.clip(cold["score"], 1, 5), expected, atol=1e-4)
    own = data.to_frame().query("user == 3").assign(user="new")
    new = model.recommend_new(own, n=32, filter_seen=False).query("item >= 30")
    expected = model.predict_new(own, new[["user", "item"]])
    np.testing.assert_allclose(np.clip(new["score"], 1, 5), expected, atol=1e-4)


def described() -> tuple[RatingMatrix, Any, Any]:
    """Films of two kinds, told by a table, of which a user likes one; every fifth film has no training rating."""
    rng = np.random.default_rng(0)
    u, i = np.nonzero(rng.random((90, 50)) < 0.4)
    r = np.where(u % 2 == i % 2, 4.0, 1.0) + rng.integers(0, 2, len(u))
    items = pd.DataFrame({"item": np.arange(50), "kind": np.where(np.arange(50) % 2, "Drama", "Crime")})
    data = RatingMatrix.from_columns(u, i, r, 1000 + np.arange(len(u)), scale=(1.0, 5.0), item_table=items)
    cold = i % 5 == 0
    return data.select(~cold), (u[cold], i[cold]), r[cold]


@pytest.mark.parametrize("outer", ["blend", "dated", "file of a blend"])
def test_models_made_of_models_hand_on_what_features_say(outer: str, tmp_path: Path) -> None:
    """A blend, whose other member knows no features but has no weight, and Dated answer as their CFN does.

    So for known and unseen users, and in lists.
    """
    train, (users, items), truth = described()
    settings = {"hidden": 8, "epochs": 2, "device": "cpu"}
    alone: Any = CFN(**settings, shrink="auto" if outer == "dated" else "never").fit(train)
    member = {"model": "cfn", **settings}
    made: Any = Dated(base=member) if outer == "dated" else Blend(members=(member, "bias"), weights=(1.0, 0.0))
    made.fit(train)
    if outer.startswith("file"):
        made = recae.load_model(made.save(tmp_path / "blend.recae"))
    predicted = made.predict_pairs(users, items)
    np.testing.assert_allclose(predicted, alone.predict_pairs(users, items), atol=1e-4)
    plain = Bias().fit(train).predict_pairs(users, items)
    assert np.mean((predicted - truth) ** 2) < 0.6 * np.mean((plain - truth) ** 2)
    own = train.to_frame().query("user == 7").assign(user="new")
    pairs = pd.DataFrame({"user": "new", "item": np.arange(0, 50, 5)})
    np.testing.assert_allclose(made.predict_new(own, pairs), alone.predict_new(own, pairs), atol=1e-4)
    for found, expected in ((made.recommend([7], 9), alone.recommend([7], 9)),
                            (made.recommend_new(own, 9), alone.recommend_new(own, 9))):  # fmt: skip
        assert found["item"].tolist() == expected["item"].tolist()
        assert (found["item"] % 5 == 0).any()


@pytest.mark.parametrize("outer", ["blend", "dated"])
def test_lists_of_users_without_ratings_are_the_members(outer: str) -> None:
    """Who has features and no ratings gets from a blend and from Dated what their member lists, not what is popular."""
    rng = np.random.default_rng(0)
    u, i = np.nonzero(rng.random((90, 50)) < 0.4)
    r = np.where(u % 2 == i % 2, 4.0, 1.0) + rng.integers(0, 2, len(u))
    users = pd.DataFrame({"user": np.arange(90), "job": np.where(np.arange(90) % 2, "cook", "pilot")})
    data = RatingMatrix.from_columns(u, i, r, 1000 + np.arange(len(u)), scale=(1.0, 5.0), user_table=users)
    train = data.select(u >= 6)
    base = recae.Hybrid(base="bias", user_pull=10, compare=False)
    made: Any = Dated(base=base) if outer == "dated" else Blend(members=(base, "bias"), weights=(1.0, 0.0))
    alone, made = base.clone().fit(train), made.fit(train)
    expected, found = alone.recommend(np.arange(6), 5), made.recommend(np.arange(6), 5)
    assert ((expected["item"] % 2) == (expected["user"] % 2)).all()
    assert found["item"].tolist() == expected["item"].tolist()


def test_a_blend_weighs_what_its_members_say_of_who_has_no_ratings() -> None:
    """Of weights 1 and 3 a quarter is the first member's answer, and of weights that sum to less, too."""
    train, (users, items), _ = described()
    cfn: Any = {"model": "cfn", "hidden": 8, "epochs": 2, "device": "cpu", "shrink": "never"}
    blend = Blend(members=(cfn, "bias"), weights=(0.1, 0.3)).fit(train)
    first, second = (group.models[0].predict_pairs(users, items) for group in blend.groups_)
    assert np.abs(first - second).max() > 0.5
    inside = (first > 1) & (first < 5)
    found = blend.predict_pairs(users, items)[inside]
    np.testing.assert_allclose(found, (0.25 * first + 0.75 * second)[inside], atol=1e-4)
