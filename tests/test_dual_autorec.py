"""DualAutoRec: its output against NumPy, what its user side is shown, unseen users, learning."""

from __future__ import annotations

import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from rating_toys import low_rank, parted
from scipy import special
from torch import Tensor

from recae.errors import TrainingInterrupted
from recae.models import Bias, DualAutoRec
from recae.models.item_codes.dual_autorec import growth
from recae.models.item_codes.dual_network import DualBatches, DualInput, DualNetwork, UserRows, dual_loss
from recae.models.outputs.heads import Head
from recae.ratings import RatingMatrix
from recae.recommender.biases import LEVEL_L2
from recae.recommender.epochs import STEPS
from recae.sparse import SparseRows
from recae.training import Batch


def quick(**more: Any) -> DualAutoRec:
    small = {
        "hidden": 10,
        "side": 4,
        "epochs": 60,
        "lr": 0.02,
        "l2": 1.0,
        "side_l2": 0.5,
        "noise": 0.0,
        "shrink": "never",
        "device": "cpu",
    }
    return DualAutoRec(**{**small, "side_noise": 0.0, "batch_size": 8, **more})


@pytest.mark.parametrize(
    ("n_ratings", "steps", "l2"), [(30_000, 8, 100), (300_000, 8, 100), (1_000_000, 16, 150), (9_000_000, 16, 150)]
)
def test_defaults_follow_the_number_of_ratings(n_ratings: int, steps: int, l2: float) -> None:
    """Up to 300,000 ratings an epoch has 8 steps and l2 is 100, from a million on 16 and 150, and between them a value
    between; what is given is taken."""
    many: Any = SimpleNamespace(n_ratings=n_ratings)
    assert round(STEPS * growth(n_ratings)) == steps
    assert DualAutoRec()._l2(many, Head()) == pytest.approx(l2)
    assert DualAutoRec(l2=7.0)._l2(many, Head()) == 7
    assert growth(299_999) == 1 < growth(600_000) < 2 == growth(2_000_000)


def a_network(data: RatingMatrix, **more: Any) -> DualNetwork:
    torch.manual_seed(0)
    settings = {
        "hidden": (5,),
        "side": 3,
        "act": "sigmoid",
        "noise": 0.0,
        "side_noise": 0.0,
        "l2": 1.0,
        "inner_l2": 1.0,
        "side_l2": 1.0,
    }
    start = torch.full((data.n_users,), 3.0)
    network = DualNetwork(data.n_users, data.n_items, start=start, **{**settings, **more})
    with torch.no_grad():
        for p in network.parameters():
            p.add_(torch.randn_like(p) * 0.1)
    return network.double()


def batches(data: RatingMatrix, means: Tensor, size: int) -> DualBatches:
    rows, users = (SparseRows.from_scipy(data.rows(by), dtype=torch.float64) for by in ("item", "user"))
    return DualBatches(rows, UserRows.of(users, means), batch_size=size)


@pytest.mark.parametrize("items", [[1, 4], list(range(7))], ids=["some items", "all items"])
@pytest.mark.parametrize("hidden", [(5,), (5, 4)], ids=["one layer", "two"])
@pytest.mark.parametrize("levelled", [False, True], ids=["raw", "levelled"])
def test_output_and_loss_are_those_of_the_formula(items: list[int], hidden: tuple[int, ...], levelled: bool) -> None:
    """NumPy, from dense matrices and with the batch's items cut out of the users' rows, gives the same loss."""
    data = low_rank(9, 7)
    network, means = a_network(data, hidden=hidden, levelled=levelled), torch.linspace(2, 4, 7).double()
    batch = batches(data, means, len(items)).take(torch.tensor(items))
    p = {name: value.detach().numpy() for name, value in network.named_parameters()}
    ratings = data.rows("item").toarray().astype(float)
    rated = ratings != 0
    first, inner, last = "core.encoder.layers.0", "core.decoder.layers.0", f"core.decoder.layers.{len(hidden) - 1}"
    level = ((ratings - 3) * rated).sum(1) / (rated.sum(1) + LEVEL_L2) if levelled else np.zeros(7)
    given = (ratings - level[:, None]) * rated
    h = special.expit(given[items] @ p[f"{first}.weight"] + rated[items] @ p["rated.weight"] + p[f"{first}.bias"])
    if len(hidden) == 2:
        h = special.expit(h @ p[f"{inner}.weight"].T + p[f"{inner}.bias"])
    seen = rated.T.astype(float)
    if len(items) < 7:
        seen[:, items] = 0
    above = seen * (ratings.T - means.numpy())
    boost = 7 / (7 - len(items)) if len(items) < 7 else 1.0
    total = (above @ p["taste.weight"] + seen @ p["presence.weight"]) * boost
    side = np.tanh(total / np.sqrt(np.maximum(1, rated.sum(0)))[:, None] + p["offset"])
    out = h @ p[f"{last}.weight"].T + p[f"{last}.bias"] + (h @ p["mix.weight"] + p["own.weight"][items]) @ side.T
    out = out + level[items, None]
    expected = ((out - ratings[items])[rated[items]] ** 2).sum() / len(items)
    assert float(dual_loss(network, batch).detach()) == pytest.approx(expected, rel=1e-9)


def test_no_rating_is_shown_to_the_side_that_predicts_it() -> None:
    """Ratings of the batch's items may be anything: the user side of that step is the same, and not otherwise."""
    data = low_rank(12, 9)
    u, i, r = data.pairs()
    changed = RatingMatrix.from_columns(u, i, np.where(i < 3, 6 - r, r), scale=(1.0, 5.0))
    network, means = a_network(data), torch.full((9,), 3.0).double()
    sides = [
        [network.user_codes(batches(part, means, 3).take(torch.tensor(items)).input.users) for part in (data, changed)]
        for items in ([0, 1, 2], [3, 4, 5])
    ]
    assert torch.equal(*sides[0])
    assert not torch.allclose(*sides[1])


def test_noise_hides_entries_and_keeps_the_expected_sum() -> None:
    """Over many draws the user side's sums have the mean they have without noise; in evaluation there is no noise."""
    data = low_rank(6, 30, fill=0.9)
    network, means = a_network(data, side_noise=0.4), torch.full((30,), 3.0).double()
    users = batches(data, means, 30).take(torch.arange(30)).input.users
    network.eval()
    clean = torch.atanh(network.user_codes(users))
    assert torch.equal(clean, torch.atanh(network.user_codes(users)))
    network.train()
    draws = torch.stack([torch.atanh(network.user_codes(users)) for _ in range(3000)])
    assert float(draws.detach().std(0).max()) > 0
    error = (draws.mean(0) - clean).abs() / (draws.std(0) / 3000**0.5)
    assert float(error.detach().max()) < 5


def test_it_learns_what_biases_cannot() -> None:
    """On ratings of rank 2 hidden ratings are predicted far better than by biases."""
    train, test = parted(low_rank(150, 90))
    u, i, r = test.pairs()
    errors = [np.sqrt(np.mean((m.fit(train).predict_pairs(u, i) - r) ** 2)) for m in (quick(), Bias())]
    assert errors[0] < 0.5 * errors[1]


def test_an_unseen_user_is_encoded_and_the_rest_solved_for() -> None:
    """Hidden users are predicted far better than by biases; one with a training user's row gets that user's side."""
    data = low_rank(150, 90)
    users, _, _ = data.pairs()
    train, new = data.select(users < 120), data.select(users >= 120)
    shown, asked = parted(new)
    model, bias = quick().fit(train), Bias().fit(train)
    u, i, r = asked.pairs()
    errors = [np.sqrt(np.mean((m.predict_pairs_new(shown.user_rows, u, i) - r) ** 2)) for m in (model, bias)]
    assert errors[0] < 0.7 * errors[1]
    weight, _ = model._solve(train.user_rows[[3]])
    np.testing.assert_allclose(weight[0, 10:], model._output_layer()[0][3, 10:], atol=1e-5)


def test_a_deep_one_starts_from_its_pretraining() -> None:
    """Without an epoch of its own the item side is what pretraining made it, which is already better than nothing."""
    train, test = parted(low_rank(150, 90))
    u, i, r = test.pairs()
    deep = {"hidden": (12, 6, 12), "inner_l2": 0.1}
    models = [quick(**deep, pretrain_epochs=n, epochs=e).fit(train) for n, e in ((0, 0), (30, 0), (30, 60))]
    errors = [np.sqrt(np.mean((m.predict_pairs(u, i) - r) ** 2)) for m in models]
    assert bool((models[1].network_.rated.weight == 0).all())
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.5 * errors[0]


def test_stopped_and_resumed_is_as_if_nothing_had_happened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped within an epoch and resumed, with all noises on, it ends with the same bits."""
    data, settings = low_rank(), {"epochs": 4, "noise": 0.2, "side_noise": 0.2, "ema": 0.9}
    wanted, usual, calls = quick(**settings).fit(data), DualBatches.take, []

    def stopping(self: DualBatches, index: Tensor) -> Batch:
        calls.append(1)
        if len(calls) == 8:
            signal.raise_signal(signal.SIGINT)
        return usual(self, index)

    with monkeypatch.context() as patch:
        patch.setattr(DualBatches, "take", stopping)
        with pytest.raises(TrainingInterrupted, match="from which it can resume"):
            quick(**settings).fit(data, checkpoint=tmp_path / "kept.ckpt")
    resumed = quick(**settings).fit(data, checkpoint=tmp_path / "kept.ckpt", resume=True)
    pairs = zip(wanted.network_.state_dict().values(), resumed.network_.state_dict().values())
    assert all(torch.equal(a, b) for a, b in pairs)


def test_a_whole_batch_shows_users_whole() -> None:
    """With all items in one batch nothing is left out, and nothing is blown up for it."""
    data = low_rank(9, 7)
    given: DualInput = batches(data, torch.zeros(7).double(), 0).take(torch.arange(7)).input
    assert given.users.boost == 1.0
    assert bool((given.users.shown == 1).all())
