"""Ordinal output: likelihood, gradients and moments against SciPy; models that use it; unseen users."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import optimize, sparse, stats
from test_autorec import By, both, low_rank, quick, rmse

from recae.errors import DataError, ParameterError
from recae.models import AutoRec, Bias, load_model
from recae.models.outputs.heads import OrdinalHead
from recae.models.outputs.ordinal import CumulativeLogit
from recae.models.outputs.ordinal_folding import solve_columns_ordinal
from recae.ratings import RatingMatrix
from recae.sparse import SparseRows

LEVELS = np.array([0.5, 1.0, 3.0, 5.0])


def toy(n_cols: int = 0, seed: int = 0) -> CumulativeLogit:
    """Four uneven levels with thresholds moved from where they start."""
    model = CumulativeLogit(torch.tensor(LEVELS), torch.tensor([3, 9, 5, 2]), n_cols).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p += 0.3 * torch.randn(p.shape, generator=generator, dtype=p.dtype)
    return model


def by_scipy(model: CumulativeLogit, score: float, column: int | None = None) -> np.ndarray[Any, Any]:
    """Chances of the levels as differences of SciPy's logistic distribution at thresholds worked out by hand."""
    first, gaps = model.first.detach().numpy(), model.gaps.detach().numpy()
    if column is not None and model.weight is not None:
        gaps = gaps + model.weight.detach().numpy()[column]
    inner = first[0] + np.concatenate([[0.0], np.cumsum(np.exp(gaps))])
    below = stats.logistic.cdf(np.concatenate([[-np.inf], inner, [np.inf]]) - score)
    return np.diff(below)


def test_chances_moments_and_likelihood_are_scipys() -> None:
    """Probabilities, mean and log-likelihood equal those of SciPy's logistic distribution, column by column."""
    model = toy(n_cols=3)
    for column in (0, 1, 2, None):
        for score in (-4.0, -0.3, 0.0, 2.5):
            expected = by_scipy(model, score, column)
            columns = None if column is None else torch.tensor([column])
            at = torch.tensor([score], dtype=torch.double)
            np.testing.assert_allclose(model.probabilities(at, columns).detach().numpy()[0], expected, atol=1e-12)
            assert model.mean(at, columns).item() == pytest.approx(float(expected @ LEVELS), rel=1e-9)
            for level, rating in enumerate(LEVELS):
                found = model.log_likelihood(at, torch.tensor([rating]), columns).item()
                assert found == pytest.approx(float(np.log(expected[level])), rel=1e-7)


def test_an_unknown_column_has_the_shared_thresholds() -> None:
    """Column -1 is no column at all: neither the first nor the last one's own gaps."""
    model, score = toy(n_cols=3), torch.tensor([0.4, -1.0], dtype=torch.double)
    unknown, ratings = torch.tensor([-1, -1]), torch.tensor([1.0, 5.0])
    torch.testing.assert_close(model.mean(score, unknown), model.mean(score))
    torch.testing.assert_close(model.log_likelihood(score, ratings, unknown), model.log_likelihood(score, ratings))
    assert not torch.allclose(model.mean(score, torch.tensor([2, 2])), model.mean(score))


def test_gradients_are_finite_differences_of_scipys_likelihood() -> None:
    """Score, first threshold, gaps and a column's own gaps: autograd gives the slope of SciPy's -log P."""
    model, columns = toy(n_cols=2), torch.tensor([0, 1, 1, 0, 1])
    ratings = torch.tensor([0.5, 1.0, 3.0, 5.0, 5.0])
    score = torch.tensor([0.1, -2.0, 0.7, 3.0, -1.5], dtype=torch.double, requires_grad=True)
    inputs = [score, *model.parameters()]
    found = torch.autograd.grad(-model.log_likelihood(score, ratings, columns).sum(), inputs)
    shapes = [p.shape for p in inputs]
    start = np.concatenate([p.detach().numpy().ravel() for p in inputs])

    def loss(flat: np.ndarray[Any, Any]) -> float:
        parts = np.split(flat, np.cumsum([s.numel() for s in shapes])[:-1])
        with torch.no_grad():
            for p, part in zip(model.parameters(), parts[1:]):
                p.copy_(torch.from_numpy(part).reshape(p.shape))
        level = np.searchsorted(LEVELS, ratings.numpy())
        return -float(sum(np.log(by_scipy(model, s, int(c))[k]) for s, c, k in zip(parts[0], columns, level)))

    numeric = optimize.approx_fprime(start, loss, 1e-6)
    np.testing.assert_allclose(np.concatenate([g.numpy().ravel() for g in found]), numeric, atol=1e-5)


def test_far_scores_stay_numbers() -> None:
    """At scores of +-200 in float32 the likelihood is the right large number, its gradient +-1, and never NaN."""
    model = CumulativeLogit(torch.tensor(LEVELS), torch.tensor([3, 9, 5, 2]))
    score = torch.tensor([200.0, -200.0, 200.0, -200.0], requires_grad=True)
    found = model.log_likelihood(score, torch.tensor([0.5, 5.0, 3.0, 1.0]))
    assert ((found > -210) & (found < -190)).all()
    (slope,) = torch.autograd.grad(found.sum(), score)
    torch.testing.assert_close(slope, torch.tensor([-1.0, 1.0, -1.0, 1.0]))
    assert all(p.grad is None or bool(p.grad.isfinite().all()) for p in model.parameters())


def test_thresholds_start_where_the_shares_are() -> None:
    """At score 0 an untrained head gives each level (nearly) the share it had; score_of undoes mean."""
    counts = torch.tensor([300, 900, 500, 200])
    model = CumulativeLogit(torch.tensor(LEVELS), counts)
    chance = model.probabilities(torch.zeros(1)).detach()[0]
    np.testing.assert_allclose(chance, counts / counts.sum(), atol=1e-3)
    means = torch.linspace(0.7, 4.8, 30)
    torch.testing.assert_close(model.mean(model.score_of(means)).detach(), means, atol=1e-3, rtol=0)


@pytest.mark.parametrize("n", [1, 101])
def test_too_few_or_too_many_levels_are_refused(n: int) -> None:
    """One level has no order, and a hundred and one are not levels: the message says what to choose instead."""
    with pytest.raises(DataError, match=f"there are {n}; choose output='identity'"):
        CumulativeLogit(torch.arange(float(n)), torch.ones(n))


def test_the_loss_is_the_mean_rows_negative_log_likelihood() -> None:
    """Summed over stored ratings with their weights, by SciPy, and divided by the number of rows."""
    head = OrdinalHead(torch.tensor(LEVELS), torch.tensor([3, 9, 5, 2]), 3).double()
    rows = SparseRows(
        torch.tensor([0, 2, 2, 3]), torch.tensor([0, 2, 1], dtype=torch.int32), torch.tensor([5.0, 1.0, 0.5]), 3
    )  # fmt: skip
    logits, weight = torch.tensor([0.3, -1.0, 2.0]).double(), torch.tensor([1.0, 0.5, 2.0]).double()
    expected = -sum(
        float(w) * np.log(by_scipy(head.model, float(s), c)[k])
        for w, s, c, k in zip(weight, logits, [0, 2, 1], [3, 1, 0])
    )
    assert head.loss(logits, rows, weight).item() == pytest.approx(float(expected) / 3, rel=1e-9)


# ---------------------------------------------------------------- models


def stars(seed: int = 0) -> RatingMatrix:
    """`low_rank` in whole stars."""
    data = low_rank(seed=seed)
    return data.with_rows(data.user_rows._with_data(np.round(data.user_rows.data)))


def ordinal(by: By = "item", **more: Any) -> AutoRec:
    return quick(by, **{"output": "ordinal", "l2": 1.0, **more})


@both
@pytest.mark.parametrize("thresholds", ["shared", "column"])
@pytest.mark.parametrize("path", ["sparse", "dense"])
def test_it_learns(by: By, thresholds: str, path: str) -> None:
    """On stars of rank 2 the error is under two thirds of the biases', whatever the path and the thresholds."""
    data = stars()
    model = ordinal(by, thresholds=thresholds, path=path).fit(data)
    assert rmse(model, data) < 0.65 * rmse(Bias().fit(data), data)
    if thresholds == "column":
        assert float(model.network_.head.model.weight.abs().max()) > 1e-3


@both
def test_the_distribution_is_that_of_the_prediction(by: By, tmp_path: Any) -> None:
    """Chances sum to 1; their mean is what predict says, also for a cold user; a saved model says the same."""
    data = stars()
    users, _, _ = data.pairs()
    data = data.select(users != 7)
    model = ordinal(by, epochs=20).fit(data)
    who, what = np.array([0, 3, 7, 59]), np.array([2, 39, 5, 0])
    found = model.predict_distribution(who, what)
    assert found.probability.shape == (4, len(found.levels))
    np.testing.assert_allclose(found.probability.sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(found.mean, model.predict(who, what), atol=2e-3)
    spread = np.sqrt((found.probability * (found.levels - found.mean[:, None]) ** 2).sum(1))
    np.testing.assert_allclose(found.std, spread, atol=1e-4)
    again = load_model(model.save(tmp_path / "m")).predict_distribution(who, what)
    np.testing.assert_array_equal(again.probability, found.probability)


def test_its_spread_is_honest() -> None:
    """Where noise is added to half of the items, the standard deviation there is larger, as errors are."""
    data, rng = low_rank(200, 40), np.random.default_rng(0)
    _, items, _ = data.pairs()
    noisy = np.where(items < 20, data.user_rows.data + rng.normal(0, 1.2, len(items)), data.user_rows.data)
    data = data.with_rows(data.user_rows._with_data(np.clip(np.round(noisy), 1, 5).astype(np.float32)))
    model = ordinal("user", thresholds="column", epochs=80, l2=5.0).fit(data)
    every = np.arange(200)
    wild, calm = (model.predict_distribution(every, np.full(200, item)).std.mean() for item in (3, 30))
    assert wild > calm + 0.1


def test_other_outputs_have_no_distribution() -> None:
    """Squared error says nothing of spread: the error names the output that does."""
    with pytest.raises(ParameterError, match="output='ordinal'"):
        quick(epochs=1).fit(low_rank()).predict_distribution(0, 0)


def test_unseen_users_units_are_the_likelihoods_maximum() -> None:
    """Newton's unit is where autograd's gradient of the penalised likelihood vanishes; no unit is the mean unit."""
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(30, 6)).astype(np.float32)
    weight, bias = rng.normal(size=(9, 6)).astype(np.float32), rng.normal(size=9).astype(np.float32)
    levels = toy().float()
    items = np.sort(rng.choice(30, 12, replace=False))
    given = rng.choice(LEVELS, 12).astype(np.float32)
    row = sparse.csr_array((given, items, [0, 12]), shape=(1, 30))
    w, b = solve_columns_ordinal(codes, row, levels, weight.mean(0), float(bias.mean()), l2=0.7)
    unit = torch.tensor(np.append(w[0], b[0]), dtype=torch.double, requires_grad=True)
    mean = torch.tensor(np.append(weight.mean(0), bias.mean()), dtype=torch.double)
    score = torch.from_numpy(codes[items]).double() @ unit[:-1] + unit[-1]
    change = unit - mean
    loss = -levels.double().log_likelihood(score, torch.from_numpy(given)).sum()
    loss = loss + 0.35 * change[:-1].square().sum() + 0.5 * change[-1].square()
    (slope,) = torch.autograd.grad(loss, unit)
    assert float(slope.abs().max()) < 2e-3
    empty = sparse.csr_array((1, 30), dtype=np.float32)
    w, b = solve_columns_ordinal(codes, empty, levels.float(), weight.mean(0), float(bias.mean()), l2=0.7)
    np.testing.assert_allclose(np.append(w[0], b[0]), mean, rtol=1e-5)


@both
def test_a_known_users_ratings_recover_their_scores(by: By) -> None:
    """Given all that a known user rated, an unseen one is predicted (nearly) alike, in ratings."""
    data = stars()
    model = ordinal(by, epochs=150).fit(data)
    known, solved = model.score_users(np.arange(60)), model.score(data.user_rows)
    assert float(np.sqrt(np.mean((known - solved) ** 2))) < 0.3


@both
@pytest.mark.parametrize("path", ["sparse", "dense"])
def test_a_rows_level_is_added_as_a_score(by: By, path: str) -> None:
    """Outputs hold the level times the learnt steepness: twice as steep, they move by as much as was added, in pairs as
    in whole rows; and it has been learnt."""
    data = stars()
    network = ordinal(by, path=path, epochs=5).fit(data).network_
    assert network.steepness is not None
    assert float(network.steepness.detach()) != 1.5
    rows = SparseRows.from_scipy(data.rows(by))
    with torch.no_grad():
        before, added = network.logits_at(rows, rows), network.levels(rows)
        given = network.core.noise.given(rows).level  # type: ignore[operator]
        torch.testing.assert_close(added, given * network.steepness)
        network.steepness.mul_(2)
        torch.testing.assert_close(network.logits_at(rows, rows), before + rows.spread(added))
        whole = network.full(rows)[rows.row_of(), rows.indices.long()]
        torch.testing.assert_close(network.at(rows, rows), whole)


@both
def test_a_file_from_before_reads_rows_as_it_did(by: By, tmp_path: Any) -> None:
    """A file of ordinal output whose `input` is auto, which once was raw or centred, predicts the same, saved twice."""
    data = stars()
    model = ordinal(by, input="raw" if by == "item" else "centred", epochs=3).fit(data)
    model.input = "auto"
    loaded = load_model(model.save(tmp_path / "m"))
    assert loaded.get_params()["input"] == ("raw" if by == "item" else "centred")
    users, items, _ = data.pairs()
    for one in (loaded, load_model(loaded.save(tmp_path / "again"))):
        np.testing.assert_array_equal(one.predict_pairs(users, items), model.predict_pairs(users, items))
