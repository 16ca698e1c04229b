"""Blends: weights are the regression they are said to be, out of sample; the rest is the members'."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize
from test_resume import ratings as few

import recae
from recae.errors import ParameterError
from recae.models import AutoRec, Bias, BiasedMF, Blend, GlobalMean, load_model
from recae.models.ensemble import blend as blending
from recae.models.ensemble.blend import stacking
from recae.models.ensemble.members import member_of
from recae.ratings import RatingMatrix
from recae.recommender import files
from recae.recommender.biases import fit_baseline, user_deviations
from recae.splitting import take_validation

QUICK = {"hidden": 4, "epochs": 8, "lr": 0.02, "l2": 5.0, "device": "cpu"}


def sample() -> RatingMatrix:
    """The first 150 users of the embedded sample."""
    whole = recae.load("sample")
    users, _, _ = whole.pairs()
    return whole.select(users < 150)


def members() -> tuple[Any, ...]:
    return (AutoRec(**QUICK), {"model": "biased-mf", "factors": 4, "l2": 0.08, "bias_l2": 1.0, "prior": 0.0}, "bias")


@pytest.fixture(scope="module")
def blend() -> Blend:
    return Blend(members=members(), seeds=2, l2=5.0, rng=1).fit(sample())


@pytest.mark.parametrize("l2", [0.0, 3.0, 1e9])
def test_weights_solve_their_problem(l2: float) -> None:
    """A general minimiser under w >= 0 finds no lower objective, and one member that only harms gets weight 0."""
    rng = np.random.default_rng(0)
    truth = rng.normal(3.5, 1, 300)
    predicted = np.column_stack([truth + rng.normal(0, 0.7, 300), truth + rng.normal(0.3, 0.9, 300), 7 - truth])
    weights, intercept = stacking(predicted, truth, l2)
    centred, rest = predicted - predicted.mean(0), truth - truth.mean()

    def objective(w: Any) -> float:
        return float(((rest - centred @ w) ** 2).sum() + l2 * ((w - 1 / 3) ** 2).sum())

    best = minimize(objective, np.full(3, 0.3), bounds=[(0, None)] * 3, method="L-BFGS-B", options={"ftol": 1e-14})
    assert objective(weights) <= best.fun * (1 + 1e-8)
    assert (weights >= 0).all()
    assert (predicted @ weights + intercept).mean() == pytest.approx(truth.mean())
    if l2 < 10:
        assert weights[2] == 0
        assert weights[0] > weights[1] > 0
    else:
        np.testing.assert_allclose(weights, 1 / 3, atol=1e-3)


def test_weights_come_from_ratings_that_the_members_did_not_see(blend: Blend) -> None:
    """Made by hand from fits on the rest and the part put aside, the weights are the same; then all is fitted again."""
    data = sample()
    rest, aside = take_validation(data, 0.1, 1)
    users, items, truth = aside.pairs()
    warm = (rest.counts("user")[users] > 0) & (rest.counts("item")[items] > 0)
    users, items, truth = users[warm], items[warm], truth[warm]
    columns = [
        np.mean([AutoRec(**QUICK, rng=seed).fit(rest)._pairs(users, items) for seed in (1, 2)], axis=0),
        np.mean(
            [
                BiasedMF(factors=4, l2=0.08, bias_l2=1.0, prior=0.0, rng=seed).fit(rest)._pairs(users, items)
                for seed in (1, 2)
            ],
            axis=0,
        ),
        Bias().fit(rest)._pairs(users, items),
    ]
    weights, intercept = stacking(np.column_stack(columns).astype(float), truth.astype(float), 5.0)
    np.testing.assert_allclose(blend.weights_, weights, atol=1e-4)
    assert blend.intercept_ == pytest.approx(intercept, abs=1e-3)
    again = AutoRec(**QUICK, rng=2).fit(data)
    np.testing.assert_array_equal(blend.groups_[0].models[1].score_users(np.arange(5)), again.score_users(np.arange(5)))


def test_a_validation_part_takes_the_place_of_the_part_put_aside() -> None:
    """Given one, the members are fitted once, on all of the ratings, and the weights come from it only."""
    train, validation = take_validation(sample(), 0.2, 3)
    given = Blend(members=members(), l2=5.0).fit(train, validation)
    changed = Blend(members=members(), l2=5.0).fit(train, few_of(validation))
    assert not np.allclose(given.weights_, changed.weights_)
    one = given.groups_[1].models[0].score_users(np.arange(9))
    np.testing.assert_array_equal(one, changed.groups_[1].models[0].score_users(np.arange(9)))
    users, items, truth = validation.pairs()
    warm = (train.counts("user")[users] > 0) & (train.counts("item")[items] > 0)
    by_itself = given.groups_[2].models[0].predict_pairs(users[warm], items[warm])
    assert given.member_rmse_ is not None
    assert given.member_rmse_[2] == pytest.approx(np.sqrt(np.mean((by_itself - truth[warm]) ** 2)), rel=1e-5)


def test_where_ratings_are_few_a_blend_that_knows_less_than_the_biases_is_drawn_to_them() -> None:
    """Of members that say the mean to everybody, less than half is left."""
    data = sample()
    users, items, _ = data.pairs()
    blend = Blend(members=("global-mean", "global-mean")).fit(data)
    weight, biases = blend._model_weight, fit_baseline(data).at(users, items)
    assert weight < 0.5
    expected = biases + weight * (blend._pairs(users, items) - biases)
    np.testing.assert_allclose(blend.predict_pairs(users, items), np.clip(expected, *data.scale), rtol=1e-5)


def test_seeds_follow_a_members_own_one() -> None:
    """Where a member says none, they follow that of the blend."""
    groups = Blend(members=(AutoRec(rng=7), "biased-mf", "bias"), seeds=2, rng=4)._new_groups()
    assert [[model.get_params().get("rng") for model in group.models] for group in groups] == [[7, 8], [4, 5], [None]]


def few_of(ratings: RatingMatrix) -> RatingMatrix:
    return ratings.select(np.arange(ratings.n_ratings) % 3 == 0)


def test_one_model_and_several_seeds_is_their_mean() -> None:
    """A blend of one is the plain mean of its fits, weight 1, and nothing is put aside for it."""
    data = few()
    mean = Blend(members=(AutoRec(**QUICK),), seeds=3, rng=4).fit(data)
    everybody = np.arange(data.n_users)
    single = [AutoRec(**QUICK, rng=seed).fit(data).score_users(everybody) for seed in (4, 5, 6)]
    np.testing.assert_allclose(mean.score_users(everybody), np.mean(single, axis=0), rtol=1e-5)
    np.testing.assert_array_equal(mean.weights_, [1.0])


def test_a_blend_beats_its_members_on_the_sample() -> None:
    """On unseen ratings, stacking beats each of its members, and is no worse than equal weights."""
    split = recae.split(sample(), "random", test=0.2, rng=0)
    stacked = Blend(members=members()).fit(split.train)
    figures = [recae.evaluate(member_of(m).fit(split.train), split.test)["rmse"] for m in members()]
    equal = recae.evaluate(Blend(members=members(), weights="equal").fit(split.train), split.test)["rmse"]
    figure = recae.evaluate(stacked, split.test)["rmse"]
    assert figure < min(figures)
    assert figure < equal + 1e-3


def test_a_saved_blend_is_the_blend(blend: Blend, tmp_path: Path) -> None:
    """One file has all members with all fits and settings, models given as objects included; nested ones, too."""
    data = sample()
    again = load_model(blend.save(tmp_path / "m.recae"))
    users, items, _ = data.pairs()
    np.testing.assert_array_equal(again.predict_pairs(users, items), blend.predict_pairs(users, items))
    np.testing.assert_array_equal(again.score(data.user_rows[:7]), blend.score(data.user_rows[:7]))
    assert isinstance(again, Blend)
    assert again.member_rmse_ is not None
    outer = Blend(members=(Blend(members=("bias", AutoRec(**QUICK))), "bias"), weights="equal").fit(few())
    back = load_model(outer.save(tmp_path / "outer.recae"))
    np.testing.assert_array_equal(back.score_users(np.arange(9)), outer.score_users(np.arange(9)))


def test_weights_may_be_given() -> None:
    """Given ones are used as they are, with the intercept that keeps the mean; and nothing is put aside for them."""
    data = sample()
    mix = Blend(members=("bias", "global-mean"), weights=(0.5, 0.25), holdout=0.5).fit(data)
    mean = float(data.user_rows.data.mean())
    expected = 0.5 * Bias().fit(data).score_users(np.arange(4)) + 0.25 * mean + 0.25 * mean
    np.testing.assert_allclose(mix.score_users(np.arange(4)), expected, rtol=1e-5)
    none = Blend(members=("bias", "global-mean"), weights=(0.0, 0.0)).fit(data)  # the mean; of cold pairs, of both
    assert none.score_users(np.arange(4)).shape == (4, data.n_items)
    np.testing.assert_allclose(none.score_users(np.arange(4)), mean, rtol=1e-6)
    pair, films = np.full(4, -1), np.arange(4)
    both = [model.fit(data).predict_pairs(pair, films) for model in (Bias(), GlobalMean())]
    np.testing.assert_allclose(none.predict_pairs(pair, films), np.mean(both, axis=0), rtol=1e-5)
    bad: tuple[Any, ...] = ((1.0,), (0.5, -0.1), "best", (0.5, "x"))
    for weights in bad:
        with pytest.raises(ParameterError, match="weights="):
            Blend(members=("bias", "global-mean"), weights=weights).fit(data)
    for share in (0.0, 1.0):
        with pytest.raises(ParameterError, match="holdout="):
            Blend(members=("bias", "global-mean"), holdout=share).fit(data)


def test_too_few_ratings_mean_equal_weights() -> None:
    """With fewer ratings to put aside than members there is nothing to choose by: the plain mean, not an error."""
    for n in (12, 4):
        data = few().select(np.arange(200) < n)
        assert np.array_equal(Blend(members=("bias", "global-mean")).fit(data).weights_, [0.5, 0.5])
    train, validation = take_validation(few(), 0.2, 0)
    users, items, _ = validation.pairs()
    warm = np.flatnonzero((train.counts("user")[users] > 0) & (train.counts("item")[items] > 0))
    for n, equal in ((2, True), (3, False)):  # as many as there are members, and one more
        given = validation.select(np.isin(np.arange(len(users)), warm[:n]))
        blend = Blend(members=("bias", "global-mean")).fit(train, given)
        assert np.array_equal(blend.weights_, [0.5, 0.5]) == equal


@pytest.mark.parametrize(
    ("bad", "word"),
    [
        ((), "members"), ("bias", "tuple"), (("ease",), "ranks"), (("no-such",), "no-such"), ((3,), "3"),
        (({"model": "bias", "no_such": 1},), "no_such"), (({"l2": 1.0},), "l2"),
    ],
)  # fmt: skip
def test_what_is_no_member_is_refused(bad: Any, word: str) -> None:
    """No members, a bare name, a ranker, an unknown name or setting: named in the message."""
    with pytest.raises(ParameterError, match=word):
        Blend(members=bad).fit(few())


def test_members_given_as_models_stay_as_they_are() -> None:
    """They are cloned: the caller's model has learnt nothing afterwards."""
    mine = GlobalMean()
    Blend(members=(mine, "bias")).fit(few())
    assert getattr(mine, "ratings_", None) is None


def test_a_member_that_is_always_drawn_answers_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of weight .25, it is a quarter its own and three quarters the biases, for pairs, rows and unseen users, from a
    file and within another blend, too; stacked weights are of these answers. Files of before keep the undrawn ones."""
    data = sample()
    monkeypatch.setattr(BiasedMF, "_estimate_weight", lambda *_: 0.25)
    drawn = BiasedMF(factors=4, shrink="always")
    own, biases = BiasedMF(factors=4, shrink="never").fit(data), fit_baseline(data)
    blend = Blend(members=(drawn, "bias"), weights=(1.0, 0.0)).fit(data)
    assert not blend._is_drawn()
    users, items = np.arange(40), np.arange(40, 80)
    rows, mean = data.user_rows[users], np.float32(biases.mean)
    level = biases.item + user_deviations(rows, biases)[:, None] + mean
    back = load_model(blend.save(tmp_path / "m.recae"))
    outer = Blend(members=(blend, "bias"), weights=(1.0, 0.0)).fit(data)
    for model in (blend, back, outer):
        close: dict[str, Any] = {"atol": 1e-5}
        expected = 0.25 * own._pairs(users, items) + 0.75 * biases.at(users, items)
        np.testing.assert_allclose(model._pairs(users, items), expected, **close)
        expected = 0.25 * own.score_users(users) + 0.75 * (biases.item + biases.user[users, None] + mean)
        np.testing.assert_allclose(model.score_users(users), expected, **close)
        np.testing.assert_allclose(model.score(rows), 0.25 * own.score(rows) + 0.75 * level, **close)
        expected = 0.25 * own._pairs_new(rows, users, items) + 0.75 * level[users, items]
        np.testing.assert_allclose(model._pairs_new(rows, users, items), expected, **close)
    arrays = {name: array for name, array in blend._saved_arrays().items() if name != "members_drawn"}
    files.write_model(tmp_path / "before.recae", "Blend", blend._saved_params(), data, arrays, {"chosen": {}})
    before = load_model(tmp_path / "before.recae")
    np.testing.assert_allclose(before._pairs(users, items), own._pairs(users, items), **close)
    again = load_model(before.save(tmp_path / "again.recae"))
    np.testing.assert_array_equal(again._pairs(users, items), before._pairs(users, items))
    rest, aside = take_validation(data, 0.2, 3)
    stacked = Blend(members=(drawn, "global-mean"), l2=5.0).fit(rest, aside)
    monkeypatch.setattr(BiasedMF, "_estimate_weight", lambda *_: 1.0)
    assert not np.allclose(stacked.weights_, Blend(members=(drawn, "global-mean"), l2=5.0).fit(rest, aside).weights_)


@pytest.mark.parametrize("member", ["session-rnn-ratings", {"model": "dated", "base": "bias"}])
def test_members_that_read_dates_are_refused(member: Any) -> None:
    """A blend tells its members no dates: the message names the way round, which is fitted."""
    with pytest.raises(ParameterError, match=r"reads dates.*Dated\(base=recae.Blend"):
        Blend(members=("bias", member)).fit(sample())
    assert recae.Dated(base=Blend(members=("bias", "global-mean"), weights="equal")).fit(sample()).theta_.any()


def test_a_file_with_a_member_that_reads_dates_is_still_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Such members were taken before: a file of theirs answers as it did."""
    data = sample()
    with monkeypatch.context() as patch:
        patch.setattr(blending, "_refuse_dates", lambda _: None)
        model = Blend(members=("bias", {"model": "dated", "base": "bias"}), weights="equal").fit(data)
    users, items, _ = data.pairs()
    back = load_model(model.save(tmp_path / "m.recae"))
    np.testing.assert_array_equal(back.predict_pairs(users, items), model.predict_pairs(users, items))
