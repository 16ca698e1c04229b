"""What was rated, whatever the rating, as a second input of AutoRec."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy import special
from test_autorec import By, as_rows, both, low_rank, network, quick

from recae.models.autorec.rating_network import RowNoise, rating_loss
from recae.nn.layers import Presence
from recae.ratings import RatingMatrix
from recae.recommender import base
from recae.recommender.biases import RATINGS
from recae.sparse import SparseRows
from recae.training import Batch


@both
@pytest.mark.parametrize("path", ["sparse", "dense"])
def test_the_mask_goes_through_weights_of_its_own(by: By, path: str) -> None:
    """In NumPy: g(V r + U m + mu) with m = 1 where rated, on either path; without it the network has no U."""
    data = low_rank(7, 5)
    net = network(data, by, mask_input=True)
    v, mu, w, b, u = (p.detach().numpy() for p in net.parameters())
    r = data.rows(by).toarray().astype(float)
    out = special.expit(r @ v + (r != 0) @ u + mu) @ w.T + b
    rows = as_rows(data, by)
    np.testing.assert_allclose(net.full(rows).detach().numpy(), out, rtol=1e-9)
    net.choose_path(rows, path)
    expected = ((out - r)[r != 0] ** 2).sum() / len(r)
    assert rating_loss(net, Batch(rows, rows)).item() == pytest.approx(expected, rel=1e-9)
    assert len(list(network(data, by).parameters())) == 4


def test_a_hidden_rating_is_hidden_from_the_mask_too() -> None:
    """Noise takes a rating and its presence together, and a rating of 0 that is shown is present."""
    rows = SparseRows(torch.tensor([0, 4]), torch.arange(4, dtype=torch.int32), torch.tensor([0.0, 2, 3, 4]), 4)
    noise = RowNoise(0.5)
    torch.manual_seed(1)
    given, shown, _ = noise.given(rows)
    assert shown is not None
    assert 0 < int(shown.sum()) < 4
    torch.testing.assert_close(given.values, rows.values * shown)
    presence = Presence(4, 2)
    torch.testing.assert_close(presence(given, shown), presence.weight[shown].sum(0, keepdim=True))
    assert noise.eval().given(rows).shown is None
    torch.testing.assert_close(presence(given, None), presence.weight.sum(0, keepdim=True))


def test_what_was_rated_says_something(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two groups give 0 (of -2 to 2) to films of their own kind: only which ones tells what else they like."""
    rng = np.random.default_rng(0)
    rows = []
    for user in range(120):
        group = user % 2
        rows += [(user, 10 * group + film, 0.0) for film in rng.choice(10, 6, replace=False)]
        rows += [(user, 20 + film, 2.0 - 4 * group) for film in rng.choice(10, 2, replace=False)]
    data = RatingMatrix.from_columns(*map(np.array, zip(*rows)), scale=(-2.0, 2.0))
    shown = data.select(data.pairs()[2] == 0.0).user_rows
    users, films = np.repeat(np.arange(120), 10), np.tile(np.arange(20, 30), 120)
    monkeypatch.setattr(base, "Unit", SimpleNamespace(of=lambda scale: RATINGS))  # a 0 is 0 to the network
    error = {}
    for mask in (False, True):
        model = quick("user", input="raw", mask_input=mask, noise=0.5).fit(data)
        guess = model.predict_pairs_new(shown, users, films)
        error[mask] = float(np.sqrt(np.mean((guess - (2.0 - 4 * (users % 2))) ** 2)))
    assert error[False] > 1.8
    assert error[True] < 0.5
