"""ELSA: its loss is the dense one, its diagonal zero, and it learns what EASE learns."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from linear_toys import assert_sane, random_ratings, ratings_of
from torch.nn import functional

from recae.models.linear.elsa import ELSA, Codes, cosine_loss
from recae.sparse import SparseRows
from recae.training import Batch

RATINGS = random_ratings()


def dense_loss(x: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
    """The paper's loss on dense rows, summed over items: the model claims the same without them."""
    out = x @ codes @ codes.mT - x
    return (functional.normalize(out) - functional.normalize(x)).square().sum(1).mean()


def test_the_loss_and_its_gradient_are_those_of_the_dense_formula() -> None:
    """Without ever making x̂, loss and gradient agree with x A Aᵀ - x made in full (rows of ratings, not of ones)."""
    model = Codes(13, 4, seed=0)
    rows = RATINGS.user_rows[:30]
    batch = SparseRows.from_scipy(rows)
    loss = cosine_loss(model, Batch(batch, batch))
    (gradient,) = torch.autograd.grad(loss, model.weight)
    expected = dense_loss(torch.from_numpy(rows.toarray()), model())
    (expected_gradient,) = torch.autograd.grad(expected, model.weight)
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-3, atol=1e-5)


def test_an_empty_row_costs_nothing_and_breaks_nothing() -> None:
    """Rows without ratings, and rows of a rating of 0, give neither loss nor NaN gradients."""
    ratings = ratings_of([[0, 0, 0], [0, 0, 0]], [[0, 0, 0], [1, 0, 0]])
    model, rows = Codes(3, 2, seed=0), SparseRows.from_scipy(ratings.user_rows)
    loss = cosine_loss(model, Batch(rows, rows))
    loss.backward()
    assert loss == 0
    assert model.weight.grad is not None
    assert bool(torch.isfinite(model.weight.grad).all())


def test_an_item_says_nothing_for_itself() -> None:
    """The score of an item from a row that holds only it is 0: the diagonal of A Aᵀ - I."""
    model = ELSA(factors=5, epochs=3, batch_size=8, device="cpu").fit(RATINGS)
    singles = ratings_of(np.eye(13)).user_rows
    assert np.diag(model.score(singles)) == pytest.approx(np.zeros(13), abs=1e-5)
    assert np.linalg.norm(model.item_vectors(), axis=1) == pytest.approx(np.ones(13), abs=1e-5)


def test_scores_are_x_a_at_less_x() -> None:
    """Scoring sparse rows is the formula on dense ones."""
    model = ELSA(factors=5, epochs=2, batch_size=8, device="cpu", values="ratings").fit(RATINGS)
    x, a = RATINGS.user_rows.toarray(), model.item_vectors()
    np.testing.assert_allclose(model.score(RATINGS.user_rows), x @ a @ a.T - x, atol=1e-4)


def test_training_lowers_the_loss() -> None:
    """The last epoch costs less than the first."""
    history = ELSA(factors=8, epochs=15, batch_size=8, device="cpu", own_part=0.0).fit(RATINGS).history_
    assert history.records[-1]["loss"] < history.records[0]["loss"]


def test_nothing_said_is_nan() -> None:
    """Cold users and items, and one more factor than items, give finite scores."""
    assert_sane(ELSA(factors=14, epochs=2, batch_size=8, device="cpu").fit(RATINGS), RATINGS)
