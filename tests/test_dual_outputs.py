"""DualAutoRec's ordinal output: what it is by NumPy and SciPy, when it is taken, unseen users, files, learning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rating_toys import low_rank, parted
from scipy import optimize, stats
from test_dual_autorec import batches, quick

from recae.models import Bias, DualAutoRec, load_model
from recae.models.item_codes.dual_network import DualNetwork, dual_loss
from recae.models.outputs.heads import BINS, FEW_LEVELS, Head, OrdinalHead, ordinal_head
from recae.ratings import RatingMatrix
from recae.recommender.biases import RATINGS


def stars(users: int = 60, items: int = 40, *, step: float = 1.0, fill: float = 0.5) -> RatingMatrix:
    """`low_rank` as whole stars, or at other steps."""
    data = low_rank(users, items, fill)
    u, i, r = data.pairs()
    return RatingMatrix.from_columns(u, i, np.round(r / step) * step, scale=(1.0, 5.0))


def chances(head: OrdinalHead, score: float, column: int) -> np.ndarray[Any, Any]:
    """P(level) under a score and a column's own thresholds, by SciPy; column -1 is one never seen."""
    own = 0 if column < 0 or head.model.weight is None else head.model.weight.detach().numpy()[column]
    gaps = np.exp(head.model.gaps.detach().numpy() + own)
    inner = head.model.first.item() + np.concatenate([[0.0], np.cumsum(gaps)])
    return np.diff(stats.logistic.cdf(np.concatenate([[-np.inf], inner, [np.inf]]) - score))


def test_loss_and_prediction_are_those_of_the_distribution() -> None:
    """The loss is -log P by SciPy of the outputs, which hold the level times the steepness; ratings are the means."""
    data = stars(9, 7)
    torch.manual_seed(0)
    head = ordinal_head(data, RATINGS, data.n_users)
    network = DualNetwork(
        data.n_users, data.n_items, hidden=(5,), side=3, act="sigmoid", noise=0.0, side_noise=0.0, l2=1.0,
        inner_l2=1.0, side_l2=1.0, start=torch.full((9,), 3.0), levelled=True, head=head,
    )  # fmt: skip
    with torch.no_grad():
        for p in network.parameters():
            p.add_(torch.randn_like(p) * 0.1)
    network.double()
    batch = batches(data, torch.full((7,), 3.0).double(), 3).take(torch.tensor([0, 2, 5]))
    given, target = batch
    outputs = network.logits_at(given, target).detach().numpy()
    by_hand = [chances(head, s, int(c)) for s, c in zip(outputs, target.indices)]
    levels = head.model.get_buffer("levels").numpy()
    said = [p[np.searchsorted(levels, r)] for p, r in zip(by_hand, target.values.numpy())]
    assert dual_loss(network, batch).item() == pytest.approx(-np.log(said).sum() / 3, rel=1e-6)
    np.testing.assert_allclose(network.at(given, target).detach(), [p @ levels for p in by_hand], rtol=1e-6)
    level = network.read(given.rows).level
    assert level is not None
    assert network.steepness is not None
    with torch.no_grad():
        network.steepness.mul_(2)
    moved = network.logits_at(given, target).detach().numpy() - outputs
    np.testing.assert_allclose(moved, target.spread(level.detach()).numpy(), atol=1e-9)


@pytest.mark.parametrize(
    ("ratings", "output", "ordinal"),
    [
        ([1, 2, 3, 4, 5], "auto", True),
        (np.arange(FEW_LEVELS), "auto", True),
        (np.arange(FEW_LEVELS + 1), "auto", False),
        ([3, 3, 3], "auto", False),
        ([1, 2, 3], "identity", False),
        (np.arange(FEW_LEVELS + 1), "ordinal", True),
    ],
)
def test_few_levels_make_the_output_ordinal(ratings: Any, output: Any, ordinal: bool) -> None:
    """By default two to twenty different ratings are levels, and one or more are not; what is given is taken."""
    data = RatingMatrix.from_columns(np.arange(len(ratings)), np.zeros(len(ratings), int), ratings, scale=(0.0, 30.0))
    model = DualAutoRec(output=output)
    assert model._is_ordinal(data) is ordinal
    head = ordinal_head(data, RATINGS) if ordinal else Head()
    assert model._l2(data, head) == (25 if ordinal else 100)
    assert model._side_l2(head) == (12 if ordinal else 30)
    assert DualAutoRec(output=output, side_l2=3.0)._side_l2(head) == 3


@pytest.mark.parametrize("scale", [1.0, 20.0])
def test_it_learns_whole_stars(scale: float) -> None:
    """Hidden whole stars of rank 2 are predicted far better than by biases, in any unit."""
    train, test = parted(stars(150, 90))
    u, i, r = test.pairs()
    us, its, rs = train.pairs()
    given = RatingMatrix.from_columns(us, its, rs * scale, scale=(scale, 5 * scale))
    model, bias = quick(l2=0.3, side_l2=0.2).fit(given), Bias().fit(given)
    assert isinstance(model.network_.head, OrdinalHead)
    errors = [np.sqrt(np.mean((m.predict_pairs(u, i) - scale * r) ** 2)) for m in (model, bias)]
    assert errors[0] < 0.7 * errors[1]


def test_an_unseen_user_has_the_most_likely_weights() -> None:
    """For a row, SciPy's minimum of the penalised likelihood, levels and encoded part being given, is what is found."""
    data = stars(80, 30)
    users, _, _ = data.pairs()
    train, new = data.select(users < 70), data.select(users >= 70)
    model = quick(l2=0.5).fit(train)
    row = new.user_rows[[72]]
    weight, bias = model._solve(row)
    codes, levels, (mean, shift) = model._codes(), model._levels(), model._mean_output()
    assert levels is not None
    items, ratings, width = row.indices, row.data, 10
    fixed = codes[items, width:] @ weight[0, width:] + levels[items]
    known = model.network_.head.model.get_buffer("levels").numpy()

    def loss(x: Any) -> float:
        scores = codes[items, :width] @ x[:-1] + x[-1] + fixed
        said = [chances(model.network_.head, s, -1)[np.searchsorted(known, r)] for s, r in zip(scores, ratings)]
        apart = x[:-1] - mean[:width]
        return float(-np.log(said).sum() + 0.25 * apart @ apart + (x[-1] - shift) ** 2 / 2)

    found = np.append(weight[0, :width], bias[0]).astype(float)
    best = optimize.minimize(loss, np.append(mean[:width], shift), method="BFGS", options={"gtol": 1e-6})
    assert loss(found) == pytest.approx(best.fun, rel=1e-6)
    np.testing.assert_allclose(found, best.x, atol=2e-3)


def test_lists_pairs_and_fold_in_say_the_same(tmp_path: Path) -> None:
    """Pairs, whole rows and a loaded file give the same ratings, within the scale's levels."""
    data = stars(50, 30, step=0.5)
    model = quick(epochs=5).fit(data)
    users, items = np.repeat(np.arange(50), 30), np.tile(np.arange(30), 50)
    pairs = model._pairs(users, items).reshape(50, 30)
    np.testing.assert_allclose(pairs, model.score_users(np.arange(50)), atol=1e-5)
    levels = model.network_.head.model.get_buffer("levels")
    assert float(levels.min()) <= pairs.min() < pairs.max() <= float(levels.max())
    model.save(tmp_path / "m.recae")
    assert np.array_equal(load_model(tmp_path / "m.recae")._pairs(users, items).reshape(50, 30), pairs)
    rows = data.user_rows[[3, 8]]
    new = model._pairs_new(rows, np.repeat([0, 1], 30), np.tile(np.arange(30), 2)).reshape(2, 30)
    np.testing.assert_allclose(new, model.score(rows), atol=1e-5)


def test_a_file_from_before_keeps_its_output(tmp_path: Path) -> None:
    """A file whose parameters know no `output` predicts as it did, and still does when it is saved again."""
    data = stars()
    model = quick(output="identity", l2=None, side_l2=30.0, epochs=3).fit(data)
    file = tmp_path / "m.recae"
    model.save(file)
    older = quick(l2=None, side_l2=30.0, epochs=3)
    older.__dict__.update(model.__dict__, output="auto")
    older.save(file)
    loaded = load_model(file)
    loaded.save(tmp_path / "again.recae")
    users, items, _ = data.pairs()
    for one in (loaded, load_model(tmp_path / "again.recae")):
        assert one.get_params()["output"] == "identity"
        assert np.array_equal(one._pairs(users, items), model._pairs(users, items))
        assert np.array_equal(one._solve(data.user_rows[[2]])[0], model._solve(data.user_rows[[2]])[0])


def test_many_values_are_put_into_parts() -> None:
    """Of 1,600 different ratings each level is the mean of a hundred; where most are alike there are two levels."""
    values = np.random.default_rng(0).permutation(1600) / 1600.0
    data = RatingMatrix.from_columns(np.arange(1600) // 40, np.arange(1600) % 40, values, scale=(0.0, 1.0))
    model = ordinal_head(data, RATINGS, most=FEW_LEVELS).model
    expected = np.sort(values.astype(np.float32)).reshape(BINS, 100).mean(1)
    np.testing.assert_allclose(model.get_buffer("levels"), expected, rtol=1e-6)
    assert torch.equal(model.level_of(torch.tensor([0.0, expected[3], 1.0])), torch.tensor([0, 3, BINS - 1]))
    alike = np.where(np.arange(1600) < 1570, 0.0, values + 0.01)
    data = RatingMatrix.from_columns(np.arange(1600) // 40, np.arange(1600) % 40, alike, scale=(0.0, 2.0))
    levels = ordinal_head(data, RATINGS, most=FEW_LEVELS).model.get_buffer("levels").numpy()
    assert levels[0] < 0.02
    assert 2 <= len(levels) <= BINS
    assert (np.diff(levels) > 0).all()
