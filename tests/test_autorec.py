"""AutoRec: the paper's loss, both orientations, both paths, and users it was never trained on."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
import torch
from scipy import sparse, special

from recae.datasets.sample import sample
from recae.errors import DataError, DivergenceError
from recae.models import AutoRec, Bias
from recae.models.autorec.rating_network import RatingNetwork, rating_loss
from recae.ratings import RatingMatrix
from recae.recommender.folding import solve_columns
from recae.sparse import SparseRows
from recae.training import Batch

By = Literal["item", "user"]
both = pytest.mark.parametrize("by", ["item", "user"])


def low_rank(users: int = 60, items: int = 40, noise: float = 0.0, seed: int = 0) -> RatingMatrix:
    """Ratings of rank 2 (and a mean) for 60 users and 40 items, half of them known."""
    rng = np.random.default_rng(seed)
    truth = 3 + rng.normal(size=(users, 2)) @ rng.normal(size=(2, items)) / 2
    u, i = np.nonzero(rng.random(truth.shape) < 0.5)
    r = np.clip(truth[u, i] + noise * rng.normal(size=len(u)), 1, 5)
    return RatingMatrix.from_columns(u, i, r, scale=(1.0, 5.0))


def rmse(model: AutoRec | Bias, data: RatingMatrix) -> float:
    users, items, r = data.pairs()
    return float(np.sqrt(np.mean((model.predict_pairs(users, items) - r) ** 2)))


def quick(by: By = "item", **more: Any) -> AutoRec:
    settings = {
        "hidden": 8,
        "epochs": 60,
        "lr": 0.02,
        "l2": 0.5,
        "batch_size": 16,
        "noise": 0.0,
        "device": "cpu",
        "shrink": "never",
    }
    return AutoRec(by=by, **{**settings, **more})


# ---------------------------------------------------------------- the loss


def network(data: RatingMatrix, by: By, hidden: tuple[int, ...] = (5,), **more: Any) -> RatingNetwork:
    torch.manual_seed(0)
    settings = {
        "activation": "sigmoid",
        "output": "identity",
        "scale": data.scale,
        "start": torch.full((data.rows(by).shape[1],), data.mean),
        **more,
    }
    return RatingNetwork(data.rows(by).shape[1], hidden, **settings).double()


def as_rows(data: RatingMatrix, by: By) -> SparseRows:
    return SparseRows.from_scipy(data.rows(by), dtype=torch.float64)


@both
@pytest.mark.parametrize("output", ["identity", "sigmoid"])
def test_the_loss_is_the_papers(by: By, output: str) -> None:
    """Equation 3 in NumPy: squared error of f(W g(V r + mu) + b) at rated entries; unrated inputs are 0."""
    data = low_rank(7, 5)
    net = network(data, by, output=output)
    v, mu, w, b = (p.detach().numpy() for p in net.parameters())
    r = data.rows(by).toarray().astype(float)
    logits = special.expit(r @ v + mu) @ w.T + b
    out = logits if output == "identity" else 1 + 4 * special.expit(logits)
    expected = ((out - r)[data.rows(by).toarray() != 0] ** 2).sum() / len(r)
    rows = as_rows(data, by)
    assert float(rating_loss(net, Batch(rows, rows)).detach()) == pytest.approx(expected, rel=1e-9)
    np.testing.assert_allclose(net.full(rows).detach().numpy(), out, rtol=1e-9)


@both
def test_the_minimum_is_that_of_the_regularised_sum(by: By) -> None:
    """At L-BFGS' minimum the gradient of Σ error² + (l2/2)(|V|² + |W|²), biases free, is 0."""
    data = low_rank(14, 9)
    model = quick(by, optimizer="lbfgs", lr=1.0, epochs=150, l2=3.0, hidden=3, schedule="constant").fit(data)
    net, rows = model.network_.double(), as_rows(data, by)
    loss = rating_loss(net, Batch(rows, rows)) * len(rows)
    for name, p in net.named_parameters():
        if name.endswith("weight"):
            loss = loss + 3.0 / 2 * p.square().sum()
    gradient = torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(net.parameters()))])
    assert float(gradient.norm()) < 0.02 * float(loss.detach())
    assert model.history_.records[-1]["loss"] < model.history_.records[0]["loss"]


@both
@pytest.mark.parametrize("hidden", [(5,), (6, 3, 6)])
def test_dense_and_sparse_path_are_one(by: By, hidden: tuple[int, ...]) -> None:
    """The dense path gives the sparse path's loss and every gradient, deep or shallow."""
    data, results = low_rank(13, 8), []
    rows = as_rows(data, by)
    for path in ("sparse", "dense"):
        net = network(data, by, hidden)
        assert net.choose_path(rows, path) == (path == "dense")
        loss = rating_loss(net, Batch(rows, rows))
        results.append([loss, *torch.autograd.grad(loss, list(net.parameters()))])
    for a, b in zip(*results):
        torch.testing.assert_close(a, b)


def test_the_path_is_chosen_by_density_and_size() -> None:
    """Crowded and small goes dense, thin goes sparse, and either can be forced; training agrees on both."""
    full = RatingMatrix.from_columns(*np.divmod(np.arange(200), 20), np.arange(200) % 5 + 1.0)
    thin = low_rank().select(np.arange(low_rank().n_ratings) % 10 == 0)
    for data, dense in ((full, True), (thin, False)):
        rows = as_rows(data, "user")
        assert network(data, "user").choose_path(rows, "auto") == dense
    a, b = (quick(path=path, epochs=5).fit(low_rank()) for path in ("sparse", "dense"))
    np.testing.assert_allclose(a.score_users(np.arange(60)), b.score_users(np.arange(60)), atol=0.01)


# ---------------------------------------------------------------- learning


@both
def test_orientation(by: By) -> None:
    """Encoder and decoder are as wide as a row: items for users' rows, users for items' rows; scores are users'."""
    data = low_rank()
    model = quick(by, epochs=1).fit(data)
    wide = data.n_items if by == "user" else data.n_users
    assert {tuple(p.shape) for n, p in model.network_.named_parameters() if n.endswith("weight")} == {(wide, 8)}
    assert model.score_users(np.arange(3)).shape == (3, data.n_items)
    assert model.item_vectors().shape == (data.n_items, 8)


@both
@pytest.mark.parametrize(
    "settings",
    [
        {}, {"hidden": (16, 8, 16), "activation": "tanh", "lr": 0.01}, {"output": "sigmoid"}, {"noise": 0.1},
        {"dropout": 0.1},
        {"optimizer": "rprop", "lr": 0.01}, {"optimizer": "lbfgs", "lr": 1.0, "epochs": 20}, {"activation": "relu"},
        {"optimizer": "sgd", "lr": 0.005, "epochs": 300}, {"schedule": "one-cycle"},
        {"batch_size": 0, "epochs": 200}, {"batch_size": None},
    ],
    ids=str,
)  # fmt: skip
def test_every_way_of_training_learns(by: By, settings: dict[str, Any]) -> None:
    """Each setting fits ratings of rank 2 at least twice as well as their biases do."""
    data = low_rank()
    assert rmse(quick(by, **settings).fit(data), data) < 0.5 * rmse(Bias().fit(data), data)


@both
def test_sigmoid_output_stays_within_the_scale(by: By) -> None:
    """Unclipped scores of a sigmoid output lie strictly within the scale; equal ratings are refused."""
    model = quick(by, output="sigmoid").fit(low_rank())
    scores = model.score(low_rank(seed=5).user_rows)
    assert 1 < scores.min() <= scores.max() < 5
    flat = RatingMatrix.from_columns([0, 1, 1], [0, 0, 1], [3.0, 3.0, 3.0])
    with pytest.raises(DataError, match="all 3 ratings"):
        quick(by, output="sigmoid").fit(flat)


@both
def test_pretraining_gives_fine_tuning_a_better_start(by: By) -> None:
    """Layer by layer first: the loss of the first epoch of fine-tuning is lower than without."""
    data = low_rank()
    deep = {"hidden": (16, 6, 16), "lr": 5e-3, "epochs": 1, "activation": "tanh"}
    plain, pretrained = (quick(by, pretrain_epochs=n, **deep).fit(data) for n in (0, 40))
    assert pretrained.history_.records[0]["loss"] < 0.8 * plain.history_.records[0]["loss"]


@both
def test_validation_stops_and_keeps_the_best(by: By) -> None:
    """Overfitting is noticed: the kept epoch has the lowest validation RMSE, which is what predict gives."""
    data = low_rank(noise=0.8)
    held = np.random.default_rng(0).random(data.n_ratings) < 0.2
    train, validation = data.select(~held), data.select(held)
    model = quick(by, l2=0.0, epochs=300, patience=5, lr=0.05, schedule="constant").fit(train, validation)
    figures = model.history_.frame()["validation"]
    assert model.history_.stopped_early
    assert len(figures) < 300
    assert model.history_.best == figures.min() == figures[model.history_.best_epoch - 1]
    assert rmse(model, validation) == pytest.approx(figures.min(), abs=1e-4)


def test_a_rate_too_high_is_called_divergence() -> None:
    """Not NaN predictions, but an error that says what to do."""
    with pytest.raises(DivergenceError, match="smaller learning rate"):
        quick(optimizer="sgd", lr=1e3, activation="identity").fit(low_rank())


def test_training_leaves_the_callers_random_state_alone() -> None:
    """Weights, noise and order come only from `rng`, and nothing is drawn from PyTorch's or NumPy's global state."""
    torch.manual_seed(5)
    first = torch.rand(3)
    torch.manual_seed(5)
    a = quick(epochs=2, noise=0.2, rng=1).fit(low_rank())
    assert torch.equal(torch.rand(3), first)
    b, c = quick(epochs=2, noise=0.2, rng=1).fit(low_rank()), quick(epochs=2, noise=0.2, rng=2).fit(low_rank())
    everybody = np.arange(60)
    np.testing.assert_array_equal(a.score_users(everybody), b.score_users(everybody))
    assert np.abs(a.score_users(everybody) - c.score_users(everybody)).max() > 1e-3


# ---------------------------------------------------------------- unseen users


def test_the_ridge_solution_is_the_minimum() -> None:
    """On either side of rows = units, the closed form is where the gradient of its objective vanishes."""
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(30, 6)).astype(np.float32)
    weight, bias = rng.normal(size=(9, 6)).astype(np.float32), rng.normal(size=9).astype(np.float32)
    for n_rated in (1, 4, 25):
        items = np.sort(rng.choice(30, n_rated, replace=False))
        ratings = rng.normal(3, 1, n_rated).astype(np.float32)
        row = sparse.csr_array((ratings, items, [0, n_rated]), shape=(1, 30))
        w, b = solve_columns(codes, row, ratings, weight.mean(0), float(bias.mean()), l2=0.7)
        residual = ratings - codes[items] @ w[0] - b[0]
        np.testing.assert_allclose(codes[items].T @ residual, 0.7 * (w[0] - weight.mean(0)), atol=1e-3)
        assert residual.sum() == pytest.approx(b[0] - bias.mean(), abs=1e-3)


def test_a_user_with_nothing_rated_is_an_average_one() -> None:
    """With no ratings the solution is the mean unit of the training users."""
    codes, weight = np.eye(4, 3, dtype=np.float32), np.array([1.5, 2.5, 3.5])
    w, b = solve_columns(codes, sparse.csr_array((2, 4)), np.zeros(0, np.float32), weight, 1.5, l2=1.0)
    np.testing.assert_allclose(w, [[1.5, 2.5, 3.5]] * 2)
    np.testing.assert_allclose(b, [1.5, 1.5])


def test_a_known_users_ratings_recover_their_own_unit() -> None:
    """Given all that a known user rated, what is solved for scores as the trained unit does."""
    data = low_rank()
    model = quick(epochs=200, l2=0.2, lr=0.03).fit(data)
    known, solved = model.score_users(np.arange(60)), model.score(data.user_rows)
    assert float(np.sqrt(np.mean((known - solved) ** 2))) < 0.25
    assert np.corrcoef(known.ravel(), solved.ravel())[0, 1] > 0.95


@pytest.fixture(scope="module")
def strangers() -> tuple[RatingMatrix, RatingMatrix, RatingMatrix]:
    """The sample without 100 users; 80 % of what those rated; the other 20 %."""
    data, rng = sample(), np.random.default_rng(0)
    users, _, _ = data.pairs()
    hidden = np.isin(users, rng.choice(data.n_users, 100, replace=False))
    revealed = rng.random(data.n_ratings) < 0.8
    return data.select(~hidden), data.select(hidden & revealed), data.select(hidden & ~revealed)


@both
def test_unseen_users_are_predicted_better_than_by_biases(by: By, strangers: Any) -> None:
    """100 users are hidden entirely, then 80 % of their ratings are shown: the rest is foretold, beating the biases."""
    train, shown, asked = strangers
    users, items, r = asked.pairs()

    def error(model: AutoRec | Bias) -> float:
        return float(np.sqrt(np.mean((model.predict_pairs_new(shown.user_rows, users, items) - r) ** 2)))

    model = AutoRec(by=by, hidden=100, epochs=30, device="cpu").fit(train)
    assert error(model) < error(Bias().fit(train)) - 0.01
