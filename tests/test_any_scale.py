"""Rating models on any scale (stars times 20, or plus 3), and their pull towards the biases."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from contract import BY_LBFGS, COLD_FILM, brief, ratings, small
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from property_examples import examples
from rating_toys import low_rank, parted

import recae
from recae.models import MODELS
from recae.ratings import RatingMatrix
from recae.recommender.biases import RATINGS, Unit, fit_baseline, ridge_weight

RATING = [name for name, entry in MODELS.items() if entry.model_class.predicts_ratings]
few = settings(  # a fit takes its time
    max_examples=examples(3), deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate]
)


def restated(data: RatingMatrix, factor: float, shift: float) -> RatingMatrix:
    """The same opinions on another scale."""
    rows = data.user_rows.copy()
    rows.data = (rows.data.astype(np.float64) * factor + shift).astype(np.float32)
    low, high = data.scale
    return data.with_rows(rows, data.timestamps, scale=(low * factor + shift, high * factor + shift))


def table(seed: int) -> RatingMatrix:
    """The contract's users and films with other stars."""
    data, rng = ratings(), np.random.default_rng(seed)
    rows = data.user_rows.copy()
    rows.data = rng.integers(1, 6, rows.nnz).astype(np.float32)
    return data.with_rows(rows, data.timestamps)


@pytest.mark.parametrize("name", RATING)
@few
@given(seed=st.integers(0, 10**6), factor=st.sampled_from([0.5, 3.0, 20.0]), shift=st.sampled_from([-40.0, 0.0, 3.0]))
def test_another_scale_gives_the_same_model(name: str, seed: int, factor: float, shift: float) -> None:
    """Predictions for known, cold and unseen users are those of the stars, on the other scale."""
    stars = table(seed)
    other = restated(stars, factor, shift)
    one, two = brief(name, 3).fit(stars), brief(name, 3).fit(other)
    rng = np.random.default_rng(seed)
    users, items = rng.integers(0, stars.n_users, 50), rng.integers(0, stars.n_items, 50)
    close = {"atol": 0.02 * factor, "rtol": 0}
    expected = one.predict_pairs(users, items) * factor + shift
    np.testing.assert_allclose(two.predict_pairs(users, items), expected, **close)
    expected = one.predict_pairs_new(stars.user_rows, users, items) * factor + shift
    np.testing.assert_allclose(two.predict_pairs_new(other.user_rows, users, items), expected, **close)


def test_the_unit_of_five_stars_is_the_ratings() -> None:
    """On 1 to 5 nothing is computed, so nothing changes by a bit; on others the ends are 1 and 5."""
    values = np.array([1.0, 2.5], np.float32)
    assert Unit.of((1.0, 5.0)) == RATINGS
    assert RATINGS.inside(values) is values
    unit = Unit.of((-10.0, 10.0))
    assert (unit.inside(-10.0), unit.inside(10.0), unit.outside(3.0)) == (1.0, 5.0, 0.0)
    assert Unit.of((7.0, 7.0)).inside(7.0) == 1.0  # of one rating only


# ---------------------------------------------------------------- the pull towards the biases


def test_the_weight_is_that_of_least_squares_where_it_is_clear() -> None:
    """The slope of what the biases leave over on what the model adds; 0 where it is within its standard error."""
    rng = np.random.default_rng(0)
    baseline, added = rng.normal(3, 1, 100_000), rng.normal(0, 1, 100_000)
    truth = baseline + 0.3 * added + rng.normal(0, 1, 100_000)
    assert ridge_weight(truth, baseline, baseline + added) == pytest.approx(0.3, abs=0.01)
    faint = baseline + 0.002 * added + rng.normal(0, 1, 100_000)  # the standard error is 0.003
    assert ridge_weight(faint, baseline, baseline + added) == 0
    assert ridge_weight(baseline - added, baseline, baseline + added) == 0
    assert ridge_weight(baseline + 2 * added, baseline, baseline + added) == 1


def test_the_weight_is_drawn_to_the_model_by_ten_ratings() -> None:
    """Of 20 ratings with half of what the model adds, least squares says 1/2, and with ten more that say 1, 2/3.

    A model that adds nothing is its own.
    """
    baseline, added = np.full(20, 3.0), np.linspace(-1, 1, 20)
    assert ridge_weight(baseline + added / 2, baseline, baseline + added) == pytest.approx(2 / 3)
    assert ridge_weight(baseline + added, baseline, baseline) == 1


def noise(seed: int = 3, n_users: int = 120, n_items: int = 50) -> RatingMatrix:
    """Stars that depend on nothing but who gives them: a model of tastes learns noise."""
    rng = np.random.default_rng(seed)
    users, items = np.nonzero(rng.random((n_users, n_items)) < 0.3)
    stars = np.clip(np.round(rng.normal(3, 0.7, n_users)[users] + rng.normal(0, 0.8, len(users))), 1, 5)
    return RatingMatrix.from_columns(users, items, stars, scale=(1.0, 5.0))


@pytest.mark.parametrize(
    "name", ["i-autorec", "u-autorec", "dual-autorec", "biased-mf", "cfn", "wide-deep", "sparse-fc"]
)
def test_where_there_is_nothing_to_learn_the_biases_answer(name: str) -> None:
    """By default a model of pure noise is at most a little worse than the biases; without the pull it may be far worse.

    On average over three tables: a weight is estimated on 150 ratings, and by chance of a single table it is sometimes
    a third. A likelihood of ordered levels learns less of noise than squared error does.
    """
    own, drawn = zip(*(_against_biases(name, seed) for seed in (3, 4, 5)))
    assert max(own) > (1.01 if name == "dual-autorec" else 1.02)
    assert np.mean(drawn) < 1.01


def _against_biases(name: str, seed: int) -> tuple[float, float]:
    """RMSE of a model without the pull, and with it, by the biases' RMSE."""
    train, test = parted(noise(seed))
    users, items, truth = test.pairs()

    def error(model: Any) -> float:
        return float(np.sqrt(np.mean((model.predict_pairs(users, items) - truth) ** 2)))

    biases = error(recae.make_model("bias").fit(train))
    more = {"epochs": 3 if name in BY_LBFGS else 30} if "epochs" in small(name).get_params() else {}
    model = small(name, shrink="auto", **more).fit(train)
    drawn, model._model_weight = error(model), 1.0  # from here on it is what it is with shrink="never"
    return error(model) / biases, drawn / biases


def test_without_the_pull_a_model_has_weight_one() -> None:
    """With shrink="never" the fit is that of "auto", to the bit, whose weight is put to 1."""
    train, test = parted(noise())
    users, items, _ = test.pairs()
    never, auto = (brief("i-autorec", 9).set_params(shrink=shrink).fit(train) for shrink in ("never", "auto"))
    assert auto._model_weight < never._model_weight == 1.0
    auto._model_weight = 1.0
    np.testing.assert_array_equal(auto.predict_pairs(users, items), never.predict_pairs(users, items))


def test_published_settings_are_drawn_to_the_biases_up_to_more_ratings() -> None:
    """With 75 ratings of each user and item, models of a paper's settings estimate a weight, and others do not."""
    rows, columns = np.indices((100, 100)).reshape(2, -1)
    kept = (columns - rows) % 100 < 75
    data = RatingMatrix.from_columns(rows[kept], columns[kept], 1.0 + columns[kept] % 5, scale=(1.0, 5.0))
    drawn = {name for name in RATING if recae.make_model(name)._is_weighed(data)}
    assert drawn == {"sparse-fc", "glocal-k", "deep-rec"}


def test_a_validation_part_gives_the_weight() -> None:
    """With one, nothing is fitted twice, and the weight is that of these ratings."""
    train, validation = parted(noise())
    model = small("i-autorec").fit(train, validation)
    users, items, truth = validation.pairs()
    own = model._pairs(users, items)
    assert model._model_weight == ridge_weight(truth, fit_baseline(train).at(users, items), own)


def test_lists_and_predictions_agree(tmp_path: Any) -> None:
    """What is predicted, what lists are ranked by, and what a file gives back are drawn by the same weight."""
    model = small("i-autorec").fit(low_rank())
    model._model_weight = 0.4
    users, items = np.arange(60), np.full(60, 7)
    lists = model.ranking_scores(users)
    np.testing.assert_allclose(np.clip(lists[:, 7], 1, 5), model.predict_pairs(users, items), atol=1e-5)
    rows = model.ratings_.user_rows
    new = model.ranking_scores_new(rows)
    np.testing.assert_allclose(np.clip(new[:, 7], 1, 5), model.predict_pairs_new(rows, users, items), atol=1e-5)
    again = recae.load_model(model.save(tmp_path / "m.recae"))
    np.testing.assert_array_equal(again.ranking_scores(users), lists)


def test_a_new_user_has_a_level() -> None:
    """Of an item without ratings a new user's own mean deviation is known, as a known user's is."""
    model, data = small("i-autorec").fit(ratings()), ratings()
    row = data.user_rows[:1]
    item = data.item_index([COLD_FILM])
    known = model.predict_pairs(np.array([0]), item)
    np.testing.assert_allclose(model.predict_pairs_new(row, np.array([0]), item), known, atol=0.02)
