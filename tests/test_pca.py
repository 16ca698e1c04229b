"""PCA and the linear autoencoder trained by gradient: the same directions, held to NumPy's SVD."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from linear_toys import Dense, assert_sane, ones_of, random_ratings, ratings_of, sparse_sets
from property_examples import examples
from scipy.linalg import subspace_angles

from recae.errors import ParameterError
from recae.models.linear import pca_recommender as pca
from recae.models.linear.linear_ae import LinearAutoencoder, squared_error_of_all
from recae.models.linear.pca_recommender import PCARecommender
from recae.nn import Autoencoder
from recae.sparse import SparseRows
from recae.training import Batch

RATINGS = random_ratings()
X = ones_of(RATINGS)


@pytest.fixture(params=["dense", "sparse"])
def solver(request: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to decompose: small sets densely, large ones by scikit-learn on sparse rows."""
    monkeypatch.setattr(pca, "SMALL", 2**20 if request.param == "dense" else 0)
    return str(request.param)


def project(x: Dense, k: int, centre: bool) -> Dense:
    """x projected onto the first k principal directions of its rows."""
    mean = x.mean(0) if centre else np.zeros(x.shape[1])
    _, _, right = np.linalg.svd(x - mean, full_matrices=False)
    projected: Dense = mean + (x - mean) @ right[:k].T @ right[:k]
    return projected


# ---------------------------------------------------------------- PCA


@pytest.mark.parametrize("centre", [False, True])
@pytest.mark.parametrize("values", ["binary", "ratings"])
def test_scores_are_the_projection(solver: str, centre: bool, values: Any) -> None:
    """Scores equal NumPy's projection, PureSVD's or PCA's, of ones or of ratings, by either solver."""
    model = PCARecommender(factors=4, centre=centre, values=values).fit(RATINGS)
    x = X if values == "binary" else RATINGS.user_rows.toarray().astype(np.float64)
    assert model.score(RATINGS.user_rows) == pytest.approx(project(x, 4, centre), abs=1e-4)


def test_both_solvers_find_the_same_strengths(solver: str) -> None:
    """Singular values are NumPy's."""
    model = PCARecommender(factors=5).fit(RATINGS)
    assert model.strengths_ == pytest.approx(np.linalg.svd(X, compute_uv=False)[:5], rel=1e-5)


def test_similar_items_by_their_columns_in_the_projection() -> None:
    """The cosine of two items' vectors is that of their columns in the projected matrix."""
    model = PCARecommender(factors=4).fit(RATINGS)
    columns = project(X, 4, False).T
    vectors = model.item_vectors()
    expected = columns[0] @ columns[1] / np.linalg.norm(columns[0]) / np.linalg.norm(columns[1])
    found = vectors[0] @ vectors[1] / np.linalg.norm(vectors[0]) / np.linalg.norm(vectors[1])
    assert found == pytest.approx(expected, abs=1e-5)


def test_sparse_rows_are_never_made_dense(monkeypatch: pytest.MonkeyPatch) -> None:
    """Centred PCA of a large sparse set works on rows that refuse to become dense."""
    ratings = random_ratings(3000, 600, fill=0.01)
    monkeypatch.setattr(type(ratings.user_rows), "toarray", lambda *_: pytest.fail("rows were made dense"))
    assert PCARecommender(factors=3, centre=True).fit(ratings).components_.shape == (600, 3)


def test_more_factors_than_there_are_directions_is_no_error(solver: str) -> None:
    """A small set gives as many directions as it has, less one."""
    model = PCARecommender(factors=500).fit(RATINGS)
    assert model.components_.shape == (13, 12)


# ---------------------------------------------------------------- the same by gradient


def structured(seed: int = 0) -> Any:
    """90 users x 24 items in three groups of tastes: three directions far stronger than the rest."""
    rng = np.random.default_rng(seed)
    group, topic = rng.integers(0, 3, 90), np.arange(24) % 3
    return ratings_of((rng.random((90, 24)) < np.where(group[:, None] == topic, 0.8, 0.04)).astype(float))


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("centre", [True, False])
def test_the_linear_autoencoder_finds_the_subspace_of_pca(tied: bool, centre: bool) -> None:
    """Trained by gradient, tied or not, its decoder spans PureSVD's directions, and with biases PCA's."""
    ratings = structured()
    k = 2 if centre else 3
    settings: Any = {"tied": tied, "centre": centre, "epochs": 300, "lr": 0.05, "batch_size": 90, "device": "cpu"}
    trained = LinearAutoencoder(hidden=k, own_part=0.0, **settings)
    trained.fit(ratings, progress=False)
    solved = PCARecommender(factors=k, centre=centre).fit(ratings)
    assert np.rad2deg(subspace_angles(trained.item_vectors(), solved.components_)).max() < 0.5
    rows = ratings.user_rows
    assert trained.score(rows) == pytest.approx(solved.score(rows), abs=0.02)


@pytest.mark.parametrize("bias", [False, True])
def test_the_loss_over_all_items_is_had_from_the_stored_ones(bias: bool) -> None:
    """The loss and its gradients equal those of the dense output, without that output being made."""
    torch.manual_seed(0)
    network = Autoencoder.mirrored([13, 4], activations="identity").double()
    if bias:
        for name, parameter in network.named_parameters():
            if name.endswith("bias"):
                torch.nn.init.normal_(parameter)
    rows = SparseRows.from_scipy(RATINGS.user_rows, dtype=torch.float64)
    sparse = squared_error_of_all(network, Batch(rows, rows))
    sparse.backward()
    found = [p.grad.clone() for p in network.parameters()]
    network.zero_grad()
    dense = (network(rows).logits - rows.to_dense()).square().sum(1).mean()
    dense.backward()
    assert sparse.item() == pytest.approx(dense.item(), rel=1e-12)
    for one, other in zip(found, network.parameters()):
        assert one.numpy() == pytest.approx(other.grad.numpy(), abs=1e-10)


def test_l2_is_what_the_docstring_says() -> None:
    """Halving the weights by hand cannot beat what was found: the l2 objective is at its minimum."""
    ratings = structured()
    model = LinearAutoencoder(hidden=2, l2=4.0, epochs=300, lr=0.02, batch_size=90, device="cpu", own_part=0.0).fit(
        ratings, progress=False
    )
    weight, x = model.item_vectors().astype(np.float64), ones_of(ratings)

    def objective(scale: float) -> float:
        w = scale * weight
        return float(((x - x @ w @ w.T) ** 2).sum(1).mean() + (4.0 / 2) * 2 * (w**2).sum())

    assert objective(1.0) < min(objective(0.99), objective(1.01))


def test_training_stops_by_the_ranking_of_held_out_items() -> None:
    """With a validation part the best epoch is kept, and its figure is 1 - NDCG@100 of what is kept."""
    import recae

    split = recae.split(structured(), "per-user", test=0.2, validation=0.2, rng=0)
    model = LinearAutoencoder(hidden=3, epochs=30, patience=5, batch_size=32, device="cpu").fit(
        split.train, split.validation, progress=False
    )
    assert split.validation is not None
    report = recae.evaluate(model, split.validation, ["ndcg@24"])
    assert model.history_.best == pytest.approx(1 - report["ndcg@24"], abs=1e-6)
    assert model.history_.best == min(record["validation"] for record in model.history_.records)


# ---------------------------------------------------------------- bad input


@settings(max_examples=examples(25), deadline=None)
@given(ratings=sparse_sets())
def test_no_nan_whatever_is_missing(ratings: Any) -> None:
    """Users without ratings, unrated items, stored zeros only: scores are finite, lists come out."""
    for model in (
        PCARecommender(factors=2), PCARecommender(factors=2, centre=True, values="ratings"),
        LinearAutoencoder(hidden=2, epochs=2, device="cpu"),
    ):  # fmt: skip
        assert_sane(model.fit(ratings, progress=False), ratings)


@pytest.mark.parametrize("model", [PCARecommender(factors=0), LinearAutoencoder(hidden=0)])
def test_at_least_one_direction_is_needed(model: Any) -> None:
    """No factors, no model: refused."""
    with pytest.raises(ParameterError, match="at least 1"):
        model.fit(RATINGS)
