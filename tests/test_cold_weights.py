"""What features say of users and items without ratings, and how far they are believed (`recae.models.autorec`)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from recae.metrics import rmse
from recae.models import CFN, Auto, Bias, WideDeep, load_model
from recae.models.autorec.cold_weights import ColdWeights, careful_slope, cold_part
from recae.models.autorec.feature_tables import encode_table
from recae.ratings import RatingMatrix

SETTINGS: dict[str, Any] = {
    "hidden": 8, "epochs": 25, "lr": 0.03, "l2": 1.0, "batch_size": 32, "side_l2": 0.1, "column_l2": 0.1,
    "device": "cpu", "hide_rows": 0.2,
}  # fmt: skip


def told(*, truly: bool, cold: int = 12) -> tuple[RatingMatrix, RatingMatrix]:
    """Two kinds of users and films, one's own kind liked: ratings without the first users and films, and theirs.

    The tables tell the kinds, or (`truly` False) ten numbers that have nothing to do with the ratings.
    """
    rng = np.random.default_rng(1)
    u, i = np.nonzero(rng.random((120, 80)) < 0.3)
    r = np.where(u % 2 == i % 2, 4.0, 1.0) + rng.integers(0, 2, len(u))
    users = pd.DataFrame({"user": np.arange(120)} | _columns(truly, 120, rng))
    items = pd.DataFrame({"item": np.arange(80)} | _columns(truly, 80, rng))
    data = RatingMatrix.from_columns(u, i, r, scale=(1.0, 5.0), user_table=users, item_table=items)
    seen = (u >= cold) & (i >= cold)
    return data.select(seen), data.select(~seen)


def _columns(truly: bool, n: int, rng: np.random.Generator) -> dict[str, Any]:
    return {"kind": np.where(np.arange(n) % 2, "a", "b")} if truly else {f"x{k}": rng.normal(size=n) for k in range(10)}


def test_the_slope_is_least_squares_less_the_error_of_groups() -> None:
    """With group g adding the same to all its errors, the estimate lies one standard error over groups below 0.6."""
    found, plain = [], []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        group = np.repeat(np.arange(40), 25)
        added = rng.normal(size=40)[group]
        wanted = 0.6 * added + rng.normal(size=40)[group] + 0.1 * rng.normal(size=1000)
        found.append(careful_slope(wanted, added, group))
        plain.append(added @ wanted / (added @ added))
    assert np.mean(plain) == pytest.approx(0.6, abs=0.03)
    assert np.mean(plain) - np.mean(found) == pytest.approx(np.std(plain), rel=0.2)


def test_a_slope_stays_within_0_and_1() -> None:
    """Against the biases or beyond the model itself is no weight; a model that adds nothing has none."""
    added, of = np.random.default_rng(0).normal(size=100), np.arange(100)
    assert careful_slope(-added, added, of) == 0
    assert careful_slope(3 * added, added, of) == 1
    assert careful_slope(added, 0 * added, of) == 0


def test_a_tenth_of_those_with_features_lose_all_ratings() -> None:
    """What is left has none of theirs; the pairs to measure on have one cold side, and a warm one."""
    train, _ = told(truly=True)
    described = {"user": np.arange(120) < 112, "item": np.arange(80) < 72}
    part = cold_part(train, described, 0)
    assert part is not None
    for by, taken in (("user", part.user[0]), ("item", part.item[1])):
        gone = np.flatnonzero((train.counts(by) > 0) & (part.rest.counts(by) == 0))
        np.testing.assert_array_equal(np.unique(taken), gone)
        assert len(gone) == round(0.1 * np.count_nonzero(described[by] & (train.counts(by) > 0)))
    assert (part.rest.counts("item")[part.user[1]] > 0).all()
    assert (part.rest.counts("user")[part.item[0]] > 0).all()
    assert cold_part(train, {"user": np.arange(120) < 15, "item": np.zeros(80, bool)}, 0) is None


@pytest.mark.parametrize("kind", [CFN, WideDeep])
def test_features_are_believed_by_what_they_say(kind: Any) -> None:
    """Where the tables tell all, weights are near 1; where they tell nothing, near 0 and no worse than the biases.

    Taken at their word, such tables are worse than the biases.
    """
    train, test = told(truly=True)
    model = kind(**SETTINGS).fit(train)
    assert min(model._cold_weights.user, model._cold_weights.item) > 0.8
    users, items, truth = test.pairs()
    blind = rmse(truth, Bias().fit(train).predict_pairs(users, items))
    assert rmse(truth, model.predict_pairs(users, items)) < 0.6 * blind
    train, test = told(truly=False)
    model, proud = kind(**SETTINGS).fit(train), kind(**SETTINGS, shrink="never").fit(train)
    assert max(model._cold_weights.user, model._cold_weights.item) < 0.2
    users, items, truth = test.pairs()
    blind = rmse(truth, Bias().fit(train).predict_pairs(users, items))
    assert rmse(truth, model.predict_pairs(users, items)) < 1.01 * blind
    assert proud._cold_weights is None
    assert rmse(truth, proud.predict_pairs(users, items)) > 1.02 * blind


def test_predictions_lists_and_files_have_the_same_weights(tmp_path: Any) -> None:
    """Of cold users, cold films and both; half believed is half-way; a weight of 0 is the simple answer."""
    train, _ = told(truly=True)
    model = CFN(**SETTINGS).fit(train)
    users, items = (grid.ravel() for grid in np.meshgrid(np.arange(0, 24), np.arange(0, 24)))
    simple = Bias().fit(train).predict_pairs(users, items)
    warm = (users >= 12) & (items >= 12)

    def said(weights: ColdWeights) -> Any:
        model._cold_weights, model._derived = weights, {}
        return model._simple_pairs(users, items)

    whole, half, none = said(ColdWeights(1, 1, 5, 5)), said(ColdWeights(0.5, 0.25, 5, 5)), said(ColdWeights(0, 0))
    np.testing.assert_allclose(np.clip(none, 1, 5)[~warm], simple[~warm], atol=1e-5)
    for one, weight in ((items >= 12, 0.5), (users >= 12, 0.25)):  # cold users, cold films
        cold = one & ~warm
        np.testing.assert_allclose(half[cold], (none + weight * (whole - none))[cold], atol=1e-5)
    assert np.abs(whole - none)[~warm].mean() > 0.5
    said(ColdWeights(0.5, 0.25, 5, 5))
    predicted = model.predict_pairs(users, items)
    np.testing.assert_allclose(np.clip(model.ranking_scores(np.arange(24))[users, items], 1, 5), predicted, atol=1e-5)
    new, some = model.ranking_scores_new(train.user_rows[12:24]), np.arange(12).repeat(24)
    pairs = model.predict_pairs_new(train.user_rows[12:24], some, np.tile(np.arange(24), 12))
    np.testing.assert_allclose(np.clip(new[:, :24].ravel(), 1, 5), pairs, atol=1e-5)
    again = load_model(model.save(tmp_path / "m.recae"))
    np.testing.assert_array_equal(again.predict_pairs(users, items), predicted)
    assert again._cold_weights == ColdWeights(0.5, 0.25, 5, 5)
    said(ColdWeights(0, 0.25))
    assert (model.ranking_scores(np.arange(12)) == train.counts("item")).all()  # as of anybody nothing is known of


def test_auto_answers_as_the_model_that_it_took() -> None:
    """Cold pairs, lists of cold users and of unseen ones, of the model itself and through `Auto`."""
    train, _ = told(truly=True)
    auto = Auto()
    auto._take(CFN(**SETTINGS).fit(train))
    auto._set_ratings(train)
    users, items = (grid.ravel() for grid in np.meshgrid(np.arange(0, 24), np.arange(0, 24)))
    np.testing.assert_array_equal(auto.predict_pairs(users, items), auto.model_.predict_pairs(users, items))
    for one, other in zip(auto.recommend_users(np.arange(24)), auto.model_.recommend_users(np.arange(24))):
        np.testing.assert_array_equal(one, other)
    rows = train.user_rows[12:24]
    np.testing.assert_array_equal(auto.ranking_scores_new(rows), auto.model_.ranking_scores_new(rows))


def test_new_films_are_listed_for_those_who_like_their_kind() -> None:
    """Films without a rating stand in lists, known and unseen users', above warm ones of the other kind."""
    train, _ = told(truly=True)
    model = WideDeep(**SETTINGS).fit(train)
    for scores in (model.ranking_scores(np.arange(12, 120)), model.ranking_scores_new(train.user_rows[12:])):
        own = (np.arange(12, 120)[:, None] % 2) == (np.arange(80) % 2)
        fresh = np.arange(80) < 12
        liked = np.where(own & fresh, scores, np.nan)
        assert np.nanmean(liked) > np.nanmean(np.where(~own & ~fresh, scores, np.nan)) + 1


def test_numbers_bend_where_what_they_say_turns() -> None:
    """Films of the middle years are liked: a straight line says nothing of a new one, one that bends does."""
    rng = np.random.default_rng(0)
    u, i = np.nonzero(rng.random((100, 90)) < 0.3)
    year = 1900 + np.arange(90)
    r = np.where(np.abs(year[i] - 1945) < 20, 5.0, 2.0) - rng.integers(0, 2, len(u))
    table = pd.DataFrame({"item": np.arange(90), "year": year})
    data = RatingMatrix.from_columns(u, i, r, scale=(1.0, 5.0), item_table=table)
    cold = np.isin(i, np.arange(5, 90, 8))
    model = CFN(**SETTINGS).fit(data.select(~cold))
    assert model._cold_weights is not None
    assert model._cold_weights.item > 0.8
    assert rmse(r[cold], model.predict_pairs(u[cold], i[cold])) < 1
    assert rmse(r[cold], Bias().fit(data.select(~cold)).predict_pairs(u[cold], i[cold])) > 1.4
    assert encode_table(data.item_table, data.item_ids, bends=True).names[:2] == ["year", "year>1908.9"]
