"""Averaged weights: the average is its formula on every path, it is what is judged and kept, and it resumes exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from test_resume import StopAt, model, ratings, same
from torch import nn

from recae.errors import ParameterError, TrainingInterrupted
from recae.models import AutoRec
from recae.training import Reconstruction, RowBatches, Trainer
from recae.training.averaging import WeightAverage
from recae.training.optimizers import KernelAdam

SQUARED = Reconstruction("summed-squared-error")
EMA = 0.8


class Line(nn.Module):
    """x to x W, with W (3, 2): enough to be trained, and no kernel needed."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(-1, 1, 6).reshape(3, 2))
        self.bias = nn.Parameter(torch.zeros(2))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return rows @ self.weight + self.bias


def loss(network: nn.Module, batch: Any) -> torch.Tensor:
    return (network(batch.input) - batch.target).square().sum()


def by_definition(weights: list[torch.Tensor]) -> torch.Tensor:
    """Σ ema^(t-s) θ_s / Σ ema^(t-s), written out."""
    powers = torch.tensor([EMA ** (len(weights) - 1 - s) for s in range(len(weights))], dtype=torch.float64)
    return (torch.stack(weights).double() * powers[:, None, None]).sum(0).div(powers.sum()).float()


def trained(optimizer: str, kernels: bool, ema: float, **more: Any) -> tuple[Line, list[torch.Tensor], Any]:
    """The line after five epochs of two steps, W after every step, and the history."""
    g = torch.Generator().manual_seed(0)
    rows, target = torch.randn(8, 3, generator=g), torch.randn(8, 2, generator=g)
    network, seen = Line(), []
    size = 8 if optimizer == "lbfgs" else 4

    class Watch(RowBatches):
        def take(self, index: torch.Tensor) -> Any:
            seen.append(network.weight.detach().clone())
            return super().take(index)

        def to(self, device: torch.device) -> Any:
            return self

    trainer = Trainer(
        epochs=5, optimizer=optimizer, lr=0.05, decay=0.1, ema=ema, kernels=kernels, device="cpu", progress=False,
    )  # fmt: skip
    history = trainer.fit(network, Watch(rows, target, batch_size=size), loss, **more)
    return network, seen[1:], history


@pytest.mark.parametrize(("optimizer", "kernels"), [("adam", True), ("adam", False), ("sgd", False), ("lbfgs", False)])
def test_the_kept_weights_are_the_average_over_steps(optimizer: str, kernels: bool) -> None:
    """Without validation a training ends at the debiased exponential mean of the weights after each step."""
    plain, seen, _ = trained(optimizer, kernels, 0.0)
    averaged, seen_too, _ = trained(optimizer, kernels, EMA)
    for a, b in zip(seen, seen_too, strict=True):  # the way itself is not touched
        torch.testing.assert_close(a, b)
    expected = by_definition([*seen, plain.weight.detach()])
    torch.testing.assert_close(averaged.weight.detach(), expected)
    assert not torch.allclose(averaged.weight, plain.weight)


def test_validation_sees_the_average_and_the_best_of_it_is_kept() -> None:
    """Each epoch's figure is asked of averaged weights, and the weights of the lowest come out."""
    asked: list[torch.Tensor] = []
    figures = iter([5.0, 3.0, 1.0, 2.0, 4.0])

    def validate(network: nn.Module) -> float:
        asked.append(network.weight.detach().clone())
        return next(figures)

    plain, seen, _ = trained("adam", True, 0.0)
    network, _, history = trained("adam", True, EMA, validate=validate)
    after = [*seen, plain.weight.detach()]
    for epoch, weight in enumerate(asked):
        torch.testing.assert_close(weight, by_definition(after[: 2 * epoch + 2]))
    assert history.best_epoch == 3
    assert torch.equal(network.weight, asked[2])


def test_fused_and_followed_agree() -> None:
    """Kept in the pass of our Adam, or after each step of PyTorch's, the average is the same."""
    one, _, _ = trained("adam", True, EMA)
    other, _, _ = trained("adam", False, EMA)
    torch.testing.assert_close(one.weight, other.weight)
    assert isinstance(WeightAverage(one, EMA, KernelAdam(one.parameters())).weights[0], nn.Parameter)


@pytest.mark.parametrize("path", ["sparse", "dense"])
@pytest.mark.parametrize("validated", [False, True], ids=["", "with validation"])
def test_stopped_and_resumed_with_averages(
    validated: bool, path: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AutoRec with ema, stopped in the middle of an epoch or after one: the same bits as in one go."""
    settings, held_out = {"path": path, "ema": EMA}, ratings(1) if validated else None
    whole = model("adam", **settings).fit(ratings(), held_out)
    assert not same(whole, model("adam", path=path).fit(ratings(), held_out))
    for step in (2, 4):
        file = tmp_path / f"{step}.ckpt"
        with monkeypatch.context() as patch:
            StopAt(patch, step)
            with pytest.raises(TrainingInterrupted):
                model("adam", **settings).fit(ratings(), held_out, checkpoint=file)
        assert same(model("adam", **settings).fit(ratings(), held_out, checkpoint=file, resume=True), whole)


def test_averaging_quietens_a_noisy_end() -> None:
    """At a constant rate on batches, the average's validation RMSE is below the last step's, three of three."""
    data, held_out = ratings(0), ratings(0)
    for seed in range(3):
        ends = []
        for ema in (0.0, 0.97):
            fitted = AutoRec(
                hidden=6, lr=0.05, schedule="constant", epochs=60, batch_size=4, patience=None, noise=0.3, l2=5.0,
                device="cpu", rng=seed, ema=ema,
            ).fit(data, held_out)  # fmt: skip
            ends.append(np.mean([r["validation"] for r in fitted.history_.records[-5:]]))
        assert ends[1] < ends[0]


@pytest.mark.parametrize("ema", [-0.1, 1.0, float("nan")])
def test_a_decay_that_is_none_is_refused(ema: float) -> None:
    """The message names the value and what it may be."""
    with pytest.raises(ParameterError, match=r"ema=.*(0\.99|at least 0|expected a number)"):
        AutoRec(ema=ema, device="cpu").fit(ratings())
