"""Averaged weights: what is judged and kept is the running mean of the weights, not where the last step left them.

Steps on batches wander about the minimum; their mean lies nearer to it (Polyak and Juditsky, 1992).
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
    """Exponential moving average of a model's parameters θ, without a bias towards where they started.

    After step t it is Σ_s ema^(t-s) θ_s / Σ_s ema^(t-s), s = 1 ... t, kept in place by
    θ̄ += pace · (θ - θ̄) with pace = (1 - ema) / (1 - ema^t): Adam's correction, and the first step is taken whole.

    Args:
        model: on the training device.
        ema: decay a step, in (0, 1): it looks back some 1 / (1 - ema) steps.
        optimizer: `KernelAdam` keeps the average in the same pass over memory as its step; others are followed.
    """

    def __init__(self, model: nn.Module, ema: float, optimizer: torch.optim.Optimizer) -> None:
        self.weights = list(model.parameters())
        self.values = [w.detach().clone(memory_format=torch.contiguous_format) for w in self.weights]
        self.ema, self.steps = ema, 0
        self.fused = isinstance(optimizer, KernelAdam)
        if isinstance(optimizer, KernelAdam):
            optimizer.averages = dict(zip(self.weights, self.values))
            optimizer.pace = self.next_pace

    def next_pace(self) -> float:
        """How far the average is to go towards the weights after the step that is being taken."""
        self.steps += 1
        return (1 - self.ema) / (1 - self.ema**self.steps)

    @torch.no_grad()
    def follow(self) -> None:
        """Take in the weights after a step, where the optimiser has not done so itself."""
        if not self.fused:
            torch._foreach_lerp_(self.values, [w.detach() for w in self.weights], self.next_pace())

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Within, the model has the averaged weights; nothing is copied."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    @torch.no_grad()
    def settle(self) -> None:
        """Give the model the averaged weights for good."""
        for weight, value in zip(self.weights, self.values):
            weight.copy_(value)

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds of it."""
        return {"values": self.values, "steps": self.steps}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        for value, kept in zip(self.values, state["values"], strict=True):
            value.copy_(kept)
        self.steps = state["steps"]

    def _exchange(self) -> None:
        for weight, value in zip(self.weights, self.values):
            weight.data, value.data = value.data, weight.data


def check_ema(ema: float) -> None:
    """Refuse a decay that is none.

    Raises:
        ParameterError: it is not in [0, 1).
    """
    if not 0 <= ema < 1:
        raise ParameterError(f"ema={ema}: 0 for no averaging, or a decay below 1 such as 0.99")
