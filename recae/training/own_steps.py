"""Steps of training that kernels of their own take, in place of an objective, its gradient and an optimiser's step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from recae.training.batches import Batches
from recae.training.trainer_settings import TrainerSettings


class OwnSteps(Protocol):
    """What takes the steps of an epoch. It keeps Adam's moments where the optimiser would: checkpoints are the same."""

    def begin(self, order: Tensor, rates: Sequence[float], first: int) -> None:
        """Begin an epoch, or resume it.

        Args:
            order: its examples, int64 (n_examples,).
            rates: the learning rate of each of its steps.
            first: the step that comes next.
        """
        ...

    def step(self, number: int) -> Tensor:
        """Take step `number` of the epoch; returns the loss before it, a scalar on the device."""
        ...


# Of a model, its batches (both on the training device), its optimiser and the settings; None where it does not apply.
MakeOwnSteps = Callable[[nn.Module, Batches, torch.optim.Optimizer, TrainerSettings], OwnSteps | None]
