"""Matrix factorisation: fold-in held to its ridge regression, and the claim that it is a linear autoencoder and PCA."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from linear_toys import Dense, assert_sane, ones_of, random_ratings, ratings_of, ridge, sparse_sets
from property_examples import examples
from scipy.linalg import subspace_angles

from recae.errors import DivergenceError, ParameterError
from recae.models.classic.biased_mf import BiasedMF, _solve_in_place
from recae.models.classic.implicit_mf import ImplicitALS, ImplicitBPR
from recae.models.linear.linear_ae import LinearAutoencoder
from recae.models.linear.pca_recommender import PCARecommender

RATINGS = random_ratings()
X = ones_of(RATINGS)


def groups(seed: int = 0) -> Any:
    """90 users x 24 items in three groups of tastes."""
    rng = np.random.default_rng(seed)
    group, topic = rng.integers(0, 3, 90), np.arange(24) % 3
    return ratings_of((rng.random((90, 24)) < np.where(group[:, None] == topic, 0.8, 0.04)).astype(float))


# ---------------------------------------------------------------- the claim


def test_matrix_factorisation_is_the_linear_autoencoder_is_pca() -> None:
    """Least squares over all entries, solved three ways (alternately, by gradient, by SVD): one and the same scores.

    Factors by ALS with weight 1 everywhere and hardly a penalty, the trained linear autoencoder, and PureSVD: their
    item factors span one subspace, and users, known or not, get the same scores.
    """
    ratings = groups()
    models = [
        ImplicitALS(factors=3, l2=1e-4, alpha=1.0, iterations=60),
        LinearAutoencoder(hidden=3, epochs=300, lr=0.05, batch_size=90, device="cpu", own_part=0.0),
        PCARecommender(factors=3),
    ]
    fitted = [model.fit(ratings, progress=False) for model in models]
    unseen = groups(seed=1).user_rows
    for model in fitted[:2]:
        angles = np.rad2deg(subspace_angles(model.item_vectors(), fitted[2].item_vectors()))
        assert angles.max() < 0.5
        for rows in (ratings.user_rows, unseen):
            assert model.score(rows) == pytest.approx(fitted[2].score(rows), abs=0.01)


# ---------------------------------------------------------------- ALS


def als_users(confidence: Dense, items: Dense, l2: float) -> Dense:
    """Each user's factors by weighted ridge regression on all items: c at what is rated, 1 elsewhere."""
    out = []
    for row in confidence:
        root = np.sqrt(np.where(row > 0, row, 1.0))
        out.append(ridge(items * root[:, None], (row > 0) * root, np.full(items.shape[1], l2)))
    return np.array(out)


@pytest.mark.parametrize("values", ["binary", "ratings"])
def test_als_folds_in_by_the_weighted_ridge_regression(values: Any) -> None:
    """Unseen users' factors minimise their part of the objective, with alpha (times the rating) as the weight."""
    model = ImplicitALS(factors=3, l2=0.7, alpha=2.5, values=values).fit(RATINGS, progress=False)
    confidence = 2.5 * (X if values == "binary" else RATINGS.user_rows.toarray())
    expected = als_users(confidence, model.item_factors_.astype(np.float64), 0.7) @ model.item_factors_.T
    assert model.score(RATINGS.user_rows) == pytest.approx(expected, abs=1e-3)


def test_als_scores_known_users_as_unseen_ones_with_their_ratings() -> None:
    """The last thing that is solved for are the users: both ways to ask give the same."""
    model = ImplicitALS(factors=3, l2=0.5).fit(RATINGS, progress=False)
    assert model.score_users(np.arange(40)) == pytest.approx(model.score(RATINGS.user_rows), abs=1e-5)


def test_implicit_is_used_without_its_warnings() -> None:
    """No advice on BLAS threads or matrix types reaches the user: both are seen to."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ImplicitALS(factors=2).fit(RATINGS, progress=False).score(RATINGS.user_rows)
        ImplicitBPR(factors=2, iterations=2).fit(RATINGS, progress=False).score(RATINGS.user_rows)


# ---------------------------------------------------------------- BPR


def test_bpr_meets_unseen_users_as_it_met_known_ones() -> None:
    """Scores that fold-in gives to training rows order items as the trained factors do."""
    model = ImplicitBPR(factors=8, iterations=100, lr=0.05).fit(groups(), progress=False)
    known, folded = model.score_users(np.arange(90)), model.score(groups().user_rows)
    assert np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(known, folded)]) > 0.95


def test_bpr_ranks_what_is_rated_above_what_is_not() -> None:
    """Of pairs of a rated and an unrated item of an unseen user, nearly all are in order, though noise is 4 in 24."""
    model = ImplicitBPR(factors=8, lr=0.05).fit(groups(), progress=False)
    unseen = groups(seed=1)
    scores, rated = model.score(unseen.user_rows), ones_of(unseen) > 0
    right = [(s[r][:, None] > s[~r][None, :]).mean() for s, r in zip(scores, rated)]
    assert np.mean(right) > 0.9


def test_bpr_scores_a_row_the_same_wherever_it_stands() -> None:
    """Fold-in is stochastic, but equal rows get equal scores, in any block, at any position."""
    model = ImplicitBPR(factors=4).fit(RATINGS, progress=False)
    rows = RATINGS.user_rows
    whole = model.score(rows)
    assert np.array_equal(model.score(rows[7:9]), whole[7:9])


def test_bpr_gives_users_without_ratings_the_items_biases() -> None:
    """Nothing is known of them but what everybody likes."""
    model = ImplicitBPR(factors=4).fit(RATINGS, progress=False)
    assert model.score_users(np.array([39]))[0] == pytest.approx(model.item_factors_[:, -1])
    assert model.score(RATINGS.user_rows[[39]])[0] == pytest.approx(model.item_factors_[:, -1])


# ---------------------------------------------------------------- biased MF


@pytest.mark.parametrize("power", [0.0, 1.0])
def test_biased_mf_solves_each_user_by_ridge_regression(power: float) -> None:
    """A user's factors and bias are the regression on the items rated, penalties as documented; cold users are 0."""
    model = BiasedMF(factors=3, l2=0.3, bias_l2=0.8, power=power, sweeps=3).fit(RATINGS)
    items, dense = model.item_.astype(np.float64), RATINGS.user_rows.toarray()
    for user in range(39):
        rated = np.flatnonzero(X[user])
        features = np.column_stack([items[rated, :3], np.ones(len(rated))])
        weight = np.array([0.3 * (len(rated) + 30) ** power] * 3 + [0.8])
        expected = ridge(features, dense[user, rated] - model.mean_ - items[rated, 3], weight)
        assert model.user_[user] == pytest.approx(expected, abs=1e-4)
    assert not model.user_[39].any()
    assert not model.item_[12].any()


def test_biased_mf_lowers_its_objective_with_each_sweep() -> None:
    """Alternating exact solutions can only go down."""
    stored, dense = X > 0, RATINGS.user_rows.toarray()

    def objective(sweeps: int) -> float:
        model = BiasedMF(factors=3, l2=0.5, bias_l2=0.8, power=0.0, sweeps=sweeps).fit(RATINGS)
        error = ((dense - model.score_users(np.arange(40)))[stored].astype(np.float64) ** 2).sum()
        sides = (model.user_.astype(np.float64), model.item_.astype(np.float64))
        return float(error + sum(0.5 * (s[:, :3] ** 2).sum() + 0.8 * (s[:, 3] ** 2).sum() for s in sides))

    found = [objective(n) for n in (2, 3, 5, 10)]
    assert found == sorted(found, reverse=True)


def test_biased_mf_finds_low_rank_ratings() -> None:
    """Ratings of biases and one product of tastes are foretold to a tenth of what the biases leave."""
    import recae

    rng = np.random.default_rng(0)
    taste = rng.normal(size=(120, 1)) * rng.normal(size=(1, 30))
    ratings = ratings_of((3 + rng.normal(0, 0.5, (120, 1)) + taste) * (rng.random((120, 30)) < 0.6))
    split = recae.split(ratings, "random", test=0.2, rng=0)
    model = BiasedMF(factors=1, l2=0.001, bias_l2=0.01, sweeps=50).fit(split.train)
    plain = recae.evaluate(recae.Bias().fit(split.train), split)["rmse"]
    assert recae.evaluate(model, split)["rmse"] < plain / 10


def test_pairs_are_entries_of_the_scores() -> None:
    """Pairs, of known and of unseen users, without the dense block, equal those of the dense block."""
    model = BiasedMF(factors=3).fit(RATINGS)
    users, items = np.repeat(np.arange(40), 13), np.tile(np.arange(13), 40)
    dense = model.score_users(np.arange(40)).ravel()
    assert model._pairs(users, items) == pytest.approx(dense, abs=1e-5)
    assert model._pairs_new(RATINGS.user_rows, users, items) == pytest.approx(dense, abs=1e-5)


def test_the_kernels_solver_is_numpys() -> None:
    """The Cholesky solution inside the kernel equals numpy.linalg.solve."""
    rng = np.random.default_rng(3)
    root, x = rng.normal(size=(9, 6)), rng.normal(size=6)
    a = root.T @ root
    found = x.copy()
    _solve_in_place(np.tril(a), found)
    assert found == pytest.approx(np.linalg.solve(a, x), rel=1e-9)


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize("l2", [0.0, -1.0])
def test_als_needs_a_penalty(l2: float) -> None:
    """Without one, a user with fewer ratings than factors has no single solution: refused."""
    with pytest.raises(ParameterError, match="l2="):
        ImplicitALS(l2=l2).fit(RATINGS)


def test_als_says_so_where_float32_does_not_see_the_penalty() -> None:
    """A penalty far below what float32 resolves makes equations singular: an error with the remedy, no NaN."""
    model = ImplicitALS(factors=5, l2=1.0).fit(RATINGS, progress=False).set_params(l2=1e-30)
    model.item_factors_ = np.ones((13, 5), np.float32)
    with pytest.raises(DivergenceError, match="l2=1e-30: it is too small"):
        model.score(RATINGS.user_rows)


@settings(max_examples=examples(15), deadline=None)
@given(ratings=sparse_sets())
def test_no_nan_whatever_is_missing(ratings: Any) -> None:
    """Users without ratings, unrated items, zeros, no penalty at all: scores are finite, lists come out."""
    for model in (
        ImplicitALS(factors=2, l2=0.01, iterations=2), ImplicitALS(factors=2, values="ratings", iterations=2),
        ImplicitALS(factors=2, alpha=0.0, iterations=2), ImplicitBPR(factors=2, iterations=3),
        BiasedMF(factors=2, l2=0.0, bias_l2=0.0, sweeps=3),
    ):  # fmt: skip
        if model.predicts_ratings and ratings.n_ratings > 1 and np.ptp(ratings.user_rows.data) == 0:
            continue  # equal ratings are refused
        assert_sane(model.fit(ratings, progress=False), ratings)
