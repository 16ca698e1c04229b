"""Averaged weights: the running mean of the weights is validated and kept, not the weights after the last step.

Steps on batches move about the minimum; their mean is nearer to it (Polyak and Juditsky, 1992).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from recae.errors import ParameterError
from recae.training.optimizers import KernelAdam


class WeightAverage:
    """Exponential moving average of a model's parameters θ, without a bias towards their first values.

    After step t it is Σ_s ema^(t-s) θ_s / Σ_s ema^(t-s), s = 1 ... t, kept in place by
    θ̄ += pace · (θ - θ̄) with pace = (1 - ema) / (1 - ema^t): Adam's correction.
    The average after the first step is the weights.

    Args:
        model: on the training device.
        ema: decay a step, in (0, 1): it looks back some 1 / (1 - ema) steps.
        optimizer: `KernelAdam` updates the average in the same pass over memory as its step; for others, `update`
            does.

    Raises:
        ParameterError: `ema` is not in (0, 1).
    """

    def __init__(self, model: nn.Module, ema: float, optimizer: torch.optim.Optimizer) -> None:
        if not 0 < ema < 1:
            raise ParameterError(name="ema", value=ema, expected="0 for no averaging, or a decay below 1 such as 0.99")
        self.weights = list(model.parameters())
        self.values = [w.detach().clone(memory_format=torch.contiguous_format) for w in self.weights]
        self.ema, self.steps = ema, 0
        self.fused = isinstance(optimizer, KernelAdam)
        if isinstance(optimizer, KernelAdam):
            optimizer.averages = dict(zip(self.weights, self.values))
            optimizer.pace = self.next_pace

    def next_pace(self) -> float:
        """Count a step; returns the part of the way to the weights that the average moves after it."""
        self.steps += 1
        return (1 - self.ema) / (1 - self.ema**self.steps)

    @torch.no_grad()
    def update(self) -> None:
        """Update the average after a step, unless the optimiser has done so itself."""
        if not self.fused:
            torch._foreach_lerp_(self.values, [w.detach() for w in self.weights], self.next_pace())

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within, the model has the averaged weights, without a copy."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    @torch.no_grad()
    def keep(self) -> None:
        """Copy the averaged weights into the model."""
        for weight, value in zip(self.weights, self.values):
            weight.copy_(value)

    def state(self) -> dict[str, Any]:
        """The part of a checkpoint that `load` reads."""
        return {"values": self.values, "steps": self.steps}

    def load(self, state: dict[str, Any]) -> None:
        """Resume from `state`."""
        for value, kept in zip(self.values, state["values"], strict=True):
            value.copy_(kept)
        self.steps = state["steps"]

    def _exchange(self) -> None:
        for weight, value in zip(self.weights, self.values):
            weight.data, value.data = value.data, weight.data
