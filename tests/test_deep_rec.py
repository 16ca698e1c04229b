"""DeepRec: the published architecture and schedule, and the second update on its own dense output."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from test_autorec import low_rank, network, rmse
from torch.nn import functional

from recae.models import Bias, DeepRec
from recae.models.autorec.deep_rec import refeeding
from recae.models.outputs.heads import SeluHead
from recae.sparse import SparseRows
from recae.training import Batch, RowBatches, Trainer
from recae.training.optimizers import schedule


def quick(**more: Any) -> DeepRec:
    settings = {
        "hidden": (16, 8, 16),
        "epochs": 150,
        "lr": 0.02,
        "batch_size": 16,
        "code_dropout": 0.2,
        "device": "cpu",
        "shrink": "never",
    }
    return DeepRec(**{**settings, **more})


def test_its_defaults_are_the_recipe() -> None:
    """512-512-1024-512-512 SELU units, 80 % of the code dropped, SGD at 0.005 in batches of 128, 102 epochs."""
    model = DeepRec(epochs=0).fit(low_rank())
    core: Any = model.network_.core
    assert [tuple(layer.weight.shape) for layer in core.encoder.layers] == [(40, 512), (512, 512), (512, 1024)]
    assert [tuple(layer.weight.shape) for layer in core.decoder.layers] == [(512, 1024), (512, 512), (40, 512)]
    assert model.network_.code_dropout.p == 0.8
    assert isinstance(model.network_.head, SeluHead)
    assert (model.optimizer, model.lr, model.batch_size, DeepRec().epochs, model.refeed) == (
        "sgd",
        5e-3,
        128,
        102,
        True,
    )
    halve = schedule("halving")
    assert [round(halve(epoch / 102), 5) for epoch in (0, 23, 24, 36, 48, 66, 72, 101)] == [
        1, 1, 0.5, 0.25, 0.125, 0.0625, 0.03125, 0.03125,
    ]  # fmt: skip


def test_selus_head_is_undone() -> None:
    """to_logits and finish are each other's inverse for ratings above and below 0."""
    head, ratings = SeluHead(), torch.tensor([-1.5, -0.2, 0.0, 0.5, 5.0])
    torch.testing.assert_close(head.finish(head.to_logits(ratings)), ratings)


@pytest.mark.parametrize(
    "more", [{}, {"refeed": False}, {"output": "ordinal", "lr": 0.05}, {"mask_input": True}], ids=str
)
def test_it_learns(more: dict[str, Any]) -> None:
    """Ratings of rank 2 are fitted clearly better than by their biases, re-fed or not, under other outputs too."""
    data = low_rank()
    data = data.with_rows(data.user_rows._with_data(np.round(data.user_rows.data)))
    assert rmse(quick(**more).fit(data), data) < 0.8 * rmse(Bias().fit(data), data)


@pytest.mark.parametrize("more", [{}, {"centred": True}, {"mask_input": True}], ids=str)
def test_re_feeding_asks_for_a_fixed_point(more: dict[str, Any]) -> None:
    """The second objective is mean (f(f(x)) - f(x))² over all entries, its gradient only through the outer f."""
    data = low_rank(7, 5)
    net = network(data, "user", (4, 3, 4), **more).eval()
    rows = SparseRows.from_scipy(data.user_rows, dtype=torch.float64)
    y = net.full(rows).detach()
    everywhere = SparseRows(
        torch.arange(8) * 5, torch.arange(5, dtype=torch.int32).repeat(7), y.flatten().clone(), 5
    )  # fmt: skip
    loss = refeeding(net, Batch(rows, rows))
    expected = functional.mse_loss(net.full(everywhere), y)
    torch.testing.assert_close(loss, expected)
    weights = list(net.parameters())
    for a, b in zip(torch.autograd.grad(loss, weights), torch.autograd.grad(expected, weights)):
        torch.testing.assert_close(a, b)


def test_the_second_update_is_a_second_update() -> None:
    """With `second`, a trainer takes two steps a batch, by either objective, and reports the first one's loss."""
    torch.manual_seed(0)
    layer, asked = torch.nn.Linear(2, 1), []

    def named(name: str) -> Any:
        def objective(model: Any, batch: Batch) -> torch.Tensor:
            asked.append((name, model.weight.detach().clone()))
            return model(batch.input).square().mean() + (0.0 if name == "first" else 100.0)

        return objective

    rows = RowBatches(torch.randn(6, 2), batch_size=3)
    history = Trainer(epochs=1, optimizer="sgd", lr=0.1, second=named("second"), device="cpu").fit(
        layer, rows, named("first")
    )
    assert [name for name, _ in asked] == ["first", "second"] * 2
    assert all(not torch.equal(a, b) for (_, a), (_, b) in itertools.pairwise(asked))
    assert history.records[0]["loss"] < 50


def test_its_loss_is_a_mean_over_ratings() -> None:
    """Twice the rows, the same loss: it is divided by ratings, not by rows (the network's own is summed per row)."""
    data = low_rank()
    model = quick(epochs=0).fit(data)
    rows = SparseRows.from_scipy(data.user_rows)
    predicted = model.network_.at(rows, rows).detach()
    loss = model._objective()(model.network_, Batch(rows, rows)).item()
    assert loss == pytest.approx(float((predicted - rows.values).square().mean()), rel=1e-5)


def test_pretraining_knows_nothing_of_the_second_update() -> None:
    """Layers are pretrained by themselves: the second update is of the whole model, and comes after."""
    ratings = low_rank()
    assert np.isfinite(quick(pretrain_epochs=1, epochs=1, refeed=True).fit(ratings).score(ratings.user_rows)).all()
