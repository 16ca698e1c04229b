"""Closed-form linear autoencoders: held to the least-squares problems that they claim to solve."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from linear_toys import Dense, assert_sane, ones_of, random_ratings, ratings_of, ridge, sparse_sets
from property_examples import examples

from recae.errors import DivergenceError, ParameterError
from recae.models.linear import closed_form as linear_module
from recae.models.linear import gram as gram_module
from recae.models.linear.closed_form import EASE, ClosedForm
from recae.models.linear.ease_relatives import DAN, DLAE, EDLAE, RLAE, fit_together
from recae.models.linear.gram import gram, invert_
from recae.recommender import memory

RATINGS = random_ratings()
X = ones_of(RATINGS)
N = X.sum(0)
CPU = torch.device("cpu")


def weights(model: ClosedForm, ratings: Any = RATINGS) -> Dense:
    """B of a model fitted on `ratings` in float64, (n_items, n_items)."""
    fitted: ClosedForm = model.clone().set_params(precision="float64", device="cpu").fit(ratings)
    return fitted.weights_.numpy().astype(np.float64)


def columns(x: Dense, ridges: Dense, diagonal: float | None) -> Dense:
    """B column by column as a ridge regression of item j on all items, or on the others, B_jj being given."""
    out = np.zeros((x.shape[1],) * 2)
    for item in range(x.shape[1]):
        others = np.arange(x.shape[1]) != item if diagonal is not None else np.ones(x.shape[1], bool)
        target = x[:, item] * (1 - (diagonal or 0.0))
        out[others, item] = ridge(x[:, others], target, ridges[others])
        if diagonal is not None:
            out[item, item] = diagonal
    return out


# ---------------------------------------------------------------- each model is what it says


def test_ease_is_a_ridge_regression_of_each_item_on_all_others() -> None:
    """EASE's B minimises |X - X B|² + l2 |B|² with a zero diagonal: the same as one regression an item."""
    assert weights(EASE(l2=3.0)) == pytest.approx(columns(X, np.full(13, 3.0), 0.0), abs=1e-6)


def test_ease_learns_from_ratings_as_they_are_on_request() -> None:
    """values="ratings" regresses ratings, not ones; both ways score rows as they were learnt."""
    model = EASE(l2=3.0, values="ratings")
    found = weights(model)
    assert found == pytest.approx(
        columns(RATINGS.user_rows.toarray().astype(np.float64), np.full(13, 3.0), 0.0), abs=1e-6
    )
    scores = model.fit(RATINGS).score(RATINGS.user_rows)
    assert scores == pytest.approx(RATINGS.user_rows.toarray() @ found, abs=1e-4)


def test_lae_is_the_plain_ridge_regression() -> None:
    """DLAE without dropout, and RLAE with xi=1, are the unconstrained linear autoencoder."""
    expected = columns(X, np.full(13, 2.0), None)
    assert weights(DLAE(l2=2.0, dropout=0.0)) == pytest.approx(expected, abs=1e-6)
    assert weights(RLAE(l2=2.0, dropout=0.0, xi=1.0)) == pytest.approx(expected, abs=1e-6)


def _over_all_masks(x: Dense, p: float) -> tuple[Dense, Dense]:
    """Inputs under every mask, scaled by 1 / (1 - p), and targets, both weighted by the root of its probability."""
    inputs, targets = [], []
    for mask in itertools.product((0.0, 1.0), repeat=x.shape[1]):
        kept = np.array(mask)
        root = np.sqrt(np.prod(np.where(kept > 0, 1 - p, p)))
        inputs.append(root * x * kept / (1 - p))
        targets.append(root * x)
    return np.concatenate(inputs), np.concatenate(targets)


@pytest.mark.parametrize("p", [0.25, 0.6])
def test_dlae_is_the_mean_over_all_dropout_masks(p: float) -> None:
    """DLAE minimises the expected error under dropout: here the expectation is taken over all 2^5 masks."""
    ratings = random_ratings(9, 5, seed=3, fill=0.6)
    noisy, clean = _over_all_masks(ones_of(ratings), p)
    expected = np.column_stack([ridge(noisy, clean[:, j], np.full(5, 0.7)) for j in range(5)])
    assert weights(DLAE(l2=0.7, dropout=p), ratings) == pytest.approx(expected, abs=1e-6)


def test_edlae_is_ease_under_dropout() -> None:
    """EDLAE is the regression of each item on the others with γ = l2 + n p / (1 - p)."""
    ridges = 2.0 + N * 0.3 / 0.7
    assert weights(EDLAE(l2=2.0, dropout=0.3)) == pytest.approx(columns(X, ridges, 0.0), abs=1e-6)


def test_rlae_bounds_the_diagonal_and_is_optimal_there() -> None:
    """Where LAE's diagonal exceeds xi, RLAE's column is the best one with B_jj = xi; elsewhere it is LAE's."""
    free = columns(X, np.full(13, 9.0), None)
    xi = float(np.median(np.diag(free)[:-1]))
    bound = columns(X, np.full(13, 9.0), xi)
    expected = np.where(np.diag(free) > xi, bound, free)
    assert (np.diag(free) > xi).any()
    assert (np.diag(free)[:-1] < xi).any()
    assert weights(RLAE(l2=9.0, dropout=0.0, xi=xi)) == pytest.approx(expected, abs=1e-6)


def test_rlae_at_zero_is_ease() -> None:
    """xi = 0 forbids a diagonal: EASE, and with dropout EDLAE."""
    assert weights(RLAE(l2=5.0, dropout=0.0, xi=0.0)) == pytest.approx(weights(EASE(l2=5.0)), abs=1e-6)
    assert weights(RLAE(l2=5.0, dropout=0.4, xi=0.0)) == pytest.approx(weights(EDLAE(l2=5.0, dropout=0.4)), abs=1e-6)


@pytest.mark.parametrize("diagonal", ["zero", "free"])
def test_dan_normalises_users_and_items(diagonal: str) -> None:
    """DAN is the regression on rows scaled by n_u^(-β/2), with rows of B times n^α and columns by n^-α."""
    scaled = X * np.maximum(X.sum(1, keepdims=True), 1) ** -0.2
    base = columns(scaled, 1.5 + N * 0.25, 0.0 if diagonal == "zero" else None)
    scale = np.maximum(N, 1) ** 0.3
    found = weights(DAN(l2=1.5, alpha=0.3, beta=0.4, dropout=0.2, diagonal=diagonal))
    assert found == pytest.approx(base * scale[:, None] / scale[None, :], abs=1e-6)


def test_dan_of_nothing_is_edlae() -> None:
    """Without normalisation, alpha = beta = 0, DAN is EDLAE."""
    plain = DAN(l2=4.0, alpha=0.0, beta=0.0, dropout=0.3)
    assert weights(plain) == pytest.approx(weights(EDLAE(l2=4.0, dropout=0.3)), abs=1e-7)


def test_scores_are_rows_times_b_and_not_its_transpose() -> None:
    """Everybody who has the rare item has the popular one, not the other way: having the rare one says more."""
    ratings = ratings_of(np.array([[1, 1, 0]] * 4 + [[0, 1, 0]] * 20 + [[0, 1, 1]] * 4 + [[0, 0, 1]] * 4))
    model = EASE(l2=1.0, device="cpu").fit(ratings)
    b = model.weights_.numpy()
    assert b[0, 1] > 2 * b[1, 0] > 0
    scores = model.score(ratings_of([[1, 0, 0], [0, 1, 0]]).user_rows)
    assert scores == pytest.approx(b[:2], abs=1e-6)
    assert scores[0, 1] > 2 * scores[1, 0]


def test_fitting_together_gives_what_fitting_alone_gives() -> None:
    """Models that share one inverse come out as if each had made its own, also beside one that shares nothing."""
    models = [EASE(l2=5.0), RLAE(l2=5.0, dropout=0.0, xi=0.2), DLAE(l2=5.0, dropout=0.0), EDLAE(l2=5.0)]
    for model in fit_together(models, RATINGS):
        single = model.clone().fit(RATINGS)
        assert np.array_equal(model.weights_.numpy(), single.weights_.numpy())
        assert model.recommend(100, n=3).equals(single.recommend(100, n=3))


def test_fitting_together_makes_one_inverse_for_all_that_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three models of one l2 and one of another: two inverses."""
    made: list[Any] = []
    monkeypatch.setattr(linear_module, "invert_", lambda m: made.append(1) or invert_(m))
    fit_together([EASE(l2=5.0), RLAE(l2=5.0, dropout=0.0), DLAE(l2=5.0, dropout=0.0), EASE(l2=6.0)], RATINGS)
    assert len(made) == 2


# ---------------------------------------------------------------- the solver


@pytest.mark.parametrize("block", [1, 4, 13, 512])
def test_inverse_is_numpys_whatever_the_block(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocked inverse equals numpy.linalg.inv, reads the lower triangle only, and works in place."""
    monkeypatch.setattr(gram_module, "BLOCK", block)
    rng = np.random.default_rng(1)
    root = rng.normal(size=(20, 13))
    full = root.T @ root + np.eye(13)
    given = torch.from_numpy(np.tril(full) + np.triu(rng.normal(size=(13, 13)), 1))
    out = invert_(given)
    assert out.data_ptr() == given.data_ptr()
    assert out.numpy() == pytest.approx(np.linalg.inv(full), abs=1e-10)


def test_gram_is_x_transposed_x_with_weights() -> None:
    """The lower triangle of Xᵀ diag(w) X from sparse rows, and the dense-block way of GPUs, equal NumPy's."""
    weight = np.random.default_rng(2).random(40).astype(np.float32)
    x = RATINGS.user_rows.toarray()
    expected = np.tril(x.T @ (weight[:, None] * x))
    assert np.tril(gram(RATINGS.user_rows, weight, device=CPU).numpy()) == pytest.approx(expected, rel=1e-5)
    dense = gram_module._dense_gram(RATINGS.user_rows, weight, CPU, torch.float32)
    assert np.tril(dense.numpy()) == pytest.approx(expected, rel=1e-5)


def test_a_matrix_that_is_not_positive_definite_is_an_error_with_a_remedy() -> None:
    """Two items rated by the same 4,096 users, and a ridge that float32 cannot see beside them: a clear error."""
    twins = ratings_of(np.ones((4096, 3)))
    with pytest.raises(DivergenceError, match=r"float32; set a larger penalty with l2.*precision='float64'"):
        EASE(l2=1e-6, device="cpu").fit(twins)
    assert np.isfinite(weights(EASE(l2=1e-6), twins)).all()


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize("l2", [0.0, -1.0, float("nan")])
def test_a_ridge_must_be_positive(l2: float) -> None:
    """Without a ridge an unrated item has no inverse: refused."""
    with pytest.raises(ParameterError, match="l2="):
        EASE(l2=l2).fit(RATINGS)


@pytest.mark.parametrize("model", [EDLAE(dropout=1.0), DLAE(dropout=1.5), DAN(dropout=1.0), RLAE(dropout=-0.1)])
def test_dropout_must_leave_something(model: ClosedForm) -> None:
    """Dropping everything makes the ridge infinite: refused."""
    with pytest.raises(ParameterError, match="dropout="):
        model.fit(RATINGS)


def test_a_catalogue_too_large_is_refused_before_anything_is_allocated(monkeypatch: pytest.MonkeyPatch) -> None:
    """400,000 items would take 596 GiB: the error says so at once and names what to use instead."""
    monkeypatch.setattr(linear_module, "gram", lambda *_, **__: pytest.fail("memory was about to be taken"))
    rows = RATINGS.user_rows.copy()
    rows.resize((40, 400_000))
    large = ratings_of(np.eye(2))
    object.__setattr__(large, "user_rows", rows)
    object.__setattr__(large, "user_ids", np.arange(40))
    object.__setattr__(large, "item_ids", np.arange(400_000))
    with pytest.raises(ParameterError, match=r"EASE needs about .* GiB .*400,000 x 400,000.*sparse-ease or elsa"):
        EASE(device="cpu").fit(large)


def test_a_memory_limit_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """memory_limit decides where it is given; else what the system says is free; unknown is no reason to refuse."""
    with pytest.raises(ParameterError, match="allowed by memory_limit"):
        EASE(memory_limit=1e-7, device="cpu").fit(RATINGS)
    monkeypatch.setattr(memory, "available_bytes", lambda device: 10)
    with pytest.raises(ParameterError, match="free on cpu"):
        EASE(device="cpu").fit(RATINGS)
    EASE(memory_limit=1.0, device="cpu").fit(RATINGS)
    monkeypatch.setattr(memory, "available_bytes", lambda device: None)
    EASE(device="cpu").fit(RATINGS)


def test_free_memory_is_at_most_what_the_container_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """The smaller of what the system and the container leave counts."""
    monkeypatch.setattr(memory, "_of_system", lambda: 100)
    monkeypatch.setattr(memory, "_of_container", lambda: 40)
    assert memory.available_bytes(CPU) == 40
    monkeypatch.setattr(memory, "_of_container", lambda: None)
    assert memory.available_bytes(CPU) == 100


@settings(max_examples=examples(25), deadline=None)
@given(ratings=sparse_sets())
def test_no_nan_whatever_is_missing(ratings: Any) -> None:
    """Users without ratings, unrated items, single ratings, stored zeros: scores are finite, lists come out."""
    for model in (EASE(l2=0.5), EDLAE(l2=0.5), DLAE(l2=0.5), RLAE(l2=0.5), DAN(l2=0.5, values="ratings")):
        assert_sane(model.set_params(device="cpu").fit(ratings), ratings)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_gives_what_the_cpu_gives() -> None:
    """Solved and scored on the GPU, a model equals the one of the CPU."""
    ratings = random_ratings(3000, 700, seed=4, fill=0.05)
    on_cpu, on_gpu = (EASE(l2=20.0, device=device).fit(ratings) for device in ("cpu", "cuda"))
    assert on_gpu.weights_.device.type == "cuda"
    rows = ratings.user_rows[:50]
    assert on_gpu.score(rows) == pytest.approx(on_cpu.score(rows), abs=1e-4)
