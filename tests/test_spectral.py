"""Spectral: the filter is that of the dense matrix, however it is applied, and answers of small cases are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from linear_toys import random_ratings
from numpy.polynomial.chebyshev import chebval
from scipy import sparse

import recae
from recae.models import Spectral
from recae.models.linear.pca_recommender import SMALL
from recae.models.linear.spectral import leading
from recae.models.linear.spectrum_filters import MOST_DEGREE, NEAR, filter_by_name, polynomial
from recae.ratings import RatingMatrix

RATINGS = random_ratings(60, 33)


def by_hand(model: Spectral, ratings: RatingMatrix) -> tuple[np.ndarray, np.ndarray]:
    """Scores of everybody, and the eigenvalues of S, by dense eigenvectors in double precision."""
    x = np.asarray((ratings.user_rows.toarray() != 0), np.float64)
    n_u, n_i = np.maximum(x.sum(1), 1), x.sum(0)
    g = np.maximum(n_i + model.prior, 1)
    r = x / n_u[:, None] ** model.user_power / np.sqrt(g)
    values, vectors = np.linalg.eigh(r.T @ r)
    values, vectors = np.clip(values[::-1] / values[-1], 0, None), vectors[:, ::-1]
    assert model.strength is not None
    c = model.strength
    f = {"ridge": values / (values + c), "plateau": 1 - (1 - values.clip(max=1)) ** c, "linear": values}[model.filter]
    k = model.components_.shape[1]
    gains = f + np.where(np.arange(len(values)) < k, model.low_pass, 0)
    return (x / g**model.pre) @ (vectors * gains) @ vectors.T * g**model.post_, values


@pytest.mark.parametrize("name", ["ridge", "plateau", "linear"])
@pytest.mark.parametrize("factors", [1, 7, 500])
def test_scores_are_those_of_the_dense_filter(name: str, factors: int) -> None:
    """Scores are f(S) + w V V' to a thousandth, with few eigenvectors and with many, whatever f is."""
    model = Spectral(
        filter=name, strength=0.7, low_pass=0.3, factors=factors, popularity=0.0, pre=0.4, post=0.7,
        user_power=0.3, prior=2.0,
    ).fit(RATINGS)  # fmt: skip
    wanted, _ = by_hand(model, RATINGS)
    found = model.score(RATINGS.user_rows)
    np.testing.assert_allclose(found, wanted, atol=2e-3 * np.abs(wanted).max())


def test_gf_cf_is_a_setting() -> None:
    """Scores are those of the paper: x R'R + 0.3 x D^-1/2 V V' D^1/2, R = D_u^-1/2 X D^-1/2 (eqs. 4 and 13)."""
    model = Spectral(
        filter="linear", strength=1.0, user_power=0.5, prior=0.0, pre=0.0, post=0.0, low_pass=0.3, low_pass_power=0.5,
        factors=5, popularity=0.0,
    ).fit(RATINGS)  # fmt: skip
    x, n_u, n_i = dense(RATINGS)
    r = x / np.sqrt(n_u)[:, None] / np.sqrt(n_i)
    v = np.linalg.svd(r)[2][:5].T
    wanted = x @ r.T @ r + 0.3 * (x / np.sqrt(n_i)) @ v @ v.T * np.sqrt(n_i)
    np.testing.assert_allclose(model.score(RATINGS.user_rows), wanted, atol=1e-5 * np.abs(wanted).max())


def test_cheby_cf_is_a_setting() -> None:
    """Scores are those of the paper: D^b (p(L) + 0.2 V V') D^-b x, p of degree 8 by the recurrence on 2 L - 1."""
    model = Spectral(
        filter="step", strength=1.5, user_power=0.5, prior=0.0, pre=0.4, post=0.4, low_pass=0.2, factors=5,
        popularity=0.0,
    ).fit(RATINGS)  # fmt: skip
    x, n_u, n_i = dense(RATINGS)
    r = x / np.sqrt(n_u)[:, None] / np.sqrt(n_i)
    v, laplacian = np.linalg.svd(r)[2][:5].T, np.eye(len(n_i)) - r.T @ r
    nodes = [np.cos((9.5 - k) / 9 * np.pi) for k in range(1, 10)]
    ends = [np.cos((8 - k) / 8 * np.pi) for k in range(9)]
    target = [0.5 + 0.5 * (-e) ** 1.5 if e < 0 else 0.5 - 0.5 * e**1.5 for e in ends]
    weights = [2 / 9 * sum(t * np.cos(d * np.arccos(n)) for t, n in zip(target, nodes)) for d in range(9)]
    weights[0] /= 2
    before, now, scaled = np.eye(len(n_i)), 2 * laplacian - np.eye(len(n_i)), 2 * laplacian - np.eye(len(n_i))
    filtered = weights[0] * before + weights[1] * now
    for weight in weights[2:]:
        before, now = now, 2 * scaled @ now - before
        filtered += weight * now
    wanted = (x / n_i**0.4) @ (filtered + 0.2 * v @ v.T) * n_i**0.4
    np.testing.assert_allclose(model.score(RATINGS.user_rows), wanted, atol=1e-5 * np.abs(wanted).max())


def dense(ratings: RatingMatrix) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """X of ones, and its numbers by user and by item, 1 for none."""
    x = np.asarray(ratings.user_rows.toarray() != 0, np.float64)
    return x, np.maximum(x.sum(1), 1), np.maximum(x.sum(0), 1)


def test_a_low_degree_is_enough_beyond_the_leading_eigenvectors() -> None:
    """The degree falls with the spectrum that is left, and a degree that is given is taken, however far off it is."""
    some: dict[str, Any] = {"strength": 0.45, "low_pass": 0.0, "popularity": 0.0, "post": 0.45}
    degrees = [len(Spectral(**some, factors=k).fit(RATINGS).coefficients_) - 1 for k in (1, 6, 25)]
    assert degrees[0] >= degrees[1] >= degrees[2] < degrees[0]
    low = Spectral(**some, factors=1, degree=1).fit(RATINGS)
    exact, _ = by_hand(low, RATINGS)
    assert len(low.coefficients_) == 2
    assert np.abs(low.score(RATINGS.user_rows) - exact).max() > 0.02 * np.abs(exact).max()


@pytest.mark.parametrize("c", [0.01, 0.05, 0.45, 2.0])
@pytest.mark.parametrize("end", [0.001, 0.07, 0.5, 1.0])
def test_polynomials_are_near_the_filter_and_bounded(c: float, end: float) -> None:
    """Within a thousandth of f up to the end where 16 degrees do, else a fifth; never so large that digits are lost."""
    f = filter_by_name("ridge", c)
    found = polynomial(f, end, None)
    s = np.linspace(0, end, 999)
    allowed = NEAR if len(found) <= MOST_DEGREE else 0.2
    assert np.abs(chebval(2 * s - 1, found) - f(s)).max() <= 1.2 * allowed * f(np.array(end))
    assert np.abs(found).max() < 10


@pytest.mark.parametrize("name", ["ridge", "plateau", "step"])
@pytest.mark.parametrize("degree", [None, 3])
def test_filters_that_are_tried_together_score_as_each_alone(name: str, degree: int | None) -> None:
    """Trials share one recurrence, for any users that are asked for; scores are to the bit those of a model alone."""
    settings: dict[str, Any] = {"filter": name, "degree": degree, "factors": 6, "popularity": 0.0}
    model = Spectral(**settings)
    candidates = model._candidates(RATINGS)
    assert len({one["strength"] for one in candidates}) > 1 < len({one["post"] for one in candidates})
    for candidate, tried in model._trials(RATINGS, candidates):
        alone = Spectral(**settings, **candidate).fit(RATINGS)
        for users in (RATINGS.user_rows, RATINGS.user_rows[5:40], RATINGS.user_rows[::-1]):
            np.testing.assert_array_equal(tried.score(users), alone.score(users))


def test_two_items_that_always_come_together() -> None:
    """Where two items are had by the same users and others never with them, each adds to the other alone."""
    x = np.zeros((6, 4), np.float32)
    x[:3, :2] = x[3:, 2:] = 1
    ratings = RatingMatrix(sparse.csr_array(x), np.arange(6), np.arange(4), (1.0, 1.0), name="pairs")
    model = Spectral(strength=0.5, low_pass=0.0, popularity=0.0, prior=0.0, user_power=0.0, pre=0.0, post=0.0).fit(
        ratings
    )
    one = sparse.csr_array(np.array([[1, 0, 0, 0]], np.float32))
    # S has the eigenvalue 1 on (1, 1, 0, 0) / sqrt 2 and on the other pair, and 0 else: f(1) / 2 = 1 / 3.
    np.testing.assert_allclose(model.score(one), [[1 / 3, 1 / 3, 0, 0]], atol=1e-3)


def test_blocks_and_files_change_nothing(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores do not depend on how many users are filtered at once, nor on a file between."""
    model = Spectral(strength=0.3, low_pass=0.1, factors=4, popularity=0.0, post=0.4).fit(RATINGS)
    wanted = model.score(RATINGS.user_rows)
    monkeypatch.setattr("recae.models.linear.spectral.CELLS", 7 * sum(RATINGS.shape))
    np.testing.assert_allclose(model.score(RATINGS.user_rows), wanted, atol=1e-6)
    again = recae.load_model(model.save(f"{tmp_path}/m.recae"))
    np.testing.assert_array_equal(again.score(RATINGS.user_rows), model.score(RATINGS.user_rows))


def test_what_is_given_is_taken_and_the_rest_is_chosen() -> None:
    """Candidates are the strengths and weights that are not said."""
    assert len(Spectral()._candidates(RATINGS)) == 10
    assert Spectral(strength=0.2)._candidates(RATINGS) == [
        {"strength": 0.2, "post": 0.35}, {"strength": 0.2, "post": 0.45},
    ]  # fmt: skip
    assert Spectral(strength=0.2, post=0.5)._candidates(RATINGS) == [{"strength": 0.2, "post": 0.5}]
    assert Spectral(strength=0.2, post=0.5).fit(RATINGS).post_ == 0.5
    assert [one["strength"] for one in Spectral(filter="plateau", post=0.4)._candidates(RATINGS)] == [1, 2, 4, 8]
    assert len(Spectral(filter="step", post=0.4)._candidates(RATINGS)) == 4
    assert len(Spectral(filter="linear", post=0.4)._candidates(RATINGS)) == 1


def test_random_products_find_the_leading_directions() -> None:
    """On a matrix too large for LAPACK, the leading singular values and their space are those of SciPy's ARPACK."""
    rng = np.random.default_rng(0)
    low = rng.normal(size=(1500, 5)) @ (rng.normal(size=(5, 1200)) * np.array([9, 7, 5, 4, 3])[:, None])
    rows = sparse.csr_array((low * (rng.random(low.shape) < 0.5)).astype(np.float32))
    vectors, strengths = leading(rows, 5, 0, iterations=4)
    wanted = sparse.linalg.svds(rows.astype(np.float64), 5, random_state=0)
    np.testing.assert_allclose(np.sort(strengths), np.sort(wanted[1]), rtol=1e-4)
    np.testing.assert_allclose(np.linalg.svd(wanted[2] @ vectors, compute_uv=False), 1, atol=1e-4)


def test_more_iterations_come_nearer_to_the_leading_eigenvectors() -> None:
    """Where the spectrum hardly falls, few random products miss what leads; with many, values are ARPACK's."""
    rows = sparse.csr_array((np.random.default_rng(0).random((1300, 900)) < 0.03).astype(np.float32))
    wanted = np.sort(sparse.linalg.svds(rows.astype(np.float64), 6, random_state=0)[1])[::-1]
    few, many = (leading(rows, 6, 0, iterations)[1] for iterations in (0, 60))
    assert few[-1] < 0.95 * wanted[-1]
    np.testing.assert_allclose(many, wanted, rtol=2e-3)
    assert rows.shape[0] * rows.shape[1] > SMALL
