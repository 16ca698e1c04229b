"""CDAE against the paper's formula in NumPy; known users, unseen ones, and known ones without ratings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from linear_toys import random_ratings
from scipy import special

import recae
from recae.models import CDAE
from recae.models.vae.cdae import UserBatches
from recae.splitting import take_validation
from recae.training import Batch

SETTINGS: dict[str, Any] = {"hidden": 5, "epochs": 6, "lr": 0.05, "device": "cpu", "rng": 1, "batch_size": 16}


def logits(model: CDAE, x: Any, vectors: Any) -> Any:
    """W' s(x W + V_u + b) + b'."""
    a = model._arrays()
    hidden = special.expit(x @ a["encode.weight"] + a["encode.bias"] + vectors)
    return hidden @ a["decode.weight"].T + a["decode.bias"]


def test_known_users_have_vectors_and_others_their_mean() -> None:
    """Known users with ratings are scored with their own vector; those without, and strangers, with the mean."""
    ratings = random_ratings()
    model = CDAE(**SETTINGS, l2=0.0).fit(ratings)
    vectors, known = model._arrays()["users.weight"], ratings.counts("user") > 0
    assert 0 < known.sum() < len(known)
    assert np.abs(vectors[known]).min() > 0
    assert not vectors[~known].any()
    mean = vectors[known].mean(0)
    x = (ratings.user_rows.toarray() > 0).astype(float)
    everybody = np.arange(ratings.n_users)
    own = np.where(known[:, None], vectors, mean)
    np.testing.assert_allclose(model.score_users(everybody), logits(model, x, own), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.score(ratings.user_rows), logits(model, x, mean), rtol=1e-4, atol=1e-5)
    order = np.array([7, 3, 3])
    np.testing.assert_allclose(model.score_users(order), model.score_users(everybody)[order], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("loss", ["logistic", "squared"])
def test_the_objective(loss: Any) -> None:
    """Mean over users of the losses of all items, missing ones with the weight of five a rated one."""
    ratings = random_ratings()
    model = CDAE(**SETTINGS, loss=loss, negatives=1.5, dropout=0.0).fit(ratings)
    batches = model._batches(ratings, torch.device("cpu"))
    index = torch.tensor([4, 0, 9])
    batch = batches.take(index)
    users = np.flatnonzero(ratings.counts("user"))[index.numpy()]
    assert batch.input[1].tolist() == users.tolist()
    x = (ratings.user_rows.toarray() > 0).astype(float)[users]
    scores = logits(model, x, model._arrays()["users.weight"][users])
    weight = np.minimum(1, 1.5 * x.sum(1) / (1 - x).sum(1))[:, None]
    if loss == "squared":
        wanted = x * (1 - scores) ** 2 + weight * (1 - x) * scores**2
    else:
        wanted = -x * special.log_expit(scores) - weight * (1 - x) * special.log_expit(-scores)
    model.network_.train()
    assert float(model._objective(model.network_, batch).detach()) == pytest.approx(wanted.sum(1).mean(), rel=1e-5)


def test_batches_know_their_users() -> None:
    """All at once, or some: the numbers stand beside the rows that are theirs."""
    rows = CDAE()._rows(random_ratings().user_rows[:6], torch.device("cpu"))
    batches = UserBatches(rows, torch.tensor([2, 3, 5, 7, 11, 13]), batch_size=0)
    for index in (torch.tensor([5, 1]), torch.randperm(6)):
        batch: Batch = batches.take(index)
        given, users = batch.input
        wanted = index if len(index) < 6 else torch.arange(6)
        assert users.tolist() == batches.users[wanted].tolist()
        assert torch.equal(given.to_dense(), rows[wanted].to_dense())


def test_stopping_by_known_users_looks_at_their_own_vectors() -> None:
    """The figure of known validation users is that of `score_users`, not of strangers with the same rows."""
    rng = np.random.default_rng(0)
    pairs = rng.choice(40 * 120, 900, replace=False)
    ratings = recae.RatingMatrix.from_columns(pairs // 120, pairs % 120, np.ones(900))
    train, validation = take_validation(ratings, 0.2, rng=0)
    model = CDAE(**{**SETTINGS, "lr": 0.5}, l2=0.0, patience=None).fit(train, validation)
    report = recae.evaluate(model, validation, "ndcg@100")
    assert model.history_.best == pytest.approx(1 - report["ndcg@100"], abs=1e-6)
    everybody = np.arange(train.n_users)
    assert np.abs(model.score_users(everybody) - model.score(train.user_rows)).max() > 0.01
