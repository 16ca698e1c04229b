"""Data parallelism: each process computes with its rows of a step, and gradients are summed over processes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from recae.distributed.gradients import GradientSum
from recae.distributed.ranks import Ranks
from recae.errors import DataError

CHECK_EVERY = 16  # steps between checks for an interruption, where the check waits for a GPU


class DataParallel:
    """Divides each step's rows among `ranks`, and sums what they compute; with one process, nothing is divided.

    Args:
        ranks: the processes.
        model: on the training device; all processes start from the first one's weights.
        fingerprint: gives what must be the same in all processes (`recae.training.checkpoint.fingerprint`).
        label: the training's name in messages.
        seed: of everything random in the training.
        mean_over: what the objective is a mean over: "rows", or "ratings" (stored entries of a sparse target, or those
            of a vector, where a step's rows have several each).

    Raises:
        DataError: the processes have different data or settings.
    """

    def __init__(
        self, ranks: Ranks, model: nn.Module, fingerprint: Callable[[], dict[str, Any]], *, label: str, seed: int,
        mean_over: Literal["rows", "ratings"],
    ) -> None:  # fmt: skip
        self.ranks, self.base_seed, self.mean_over = ranks, seed, mean_over
        self.gradients = GradientSum(ranks, model) if ranks.size > 1 else None
        self.stop: Tensor | None = None
        if ranks.size > 1 and not ranks.same(json.dumps(fingerprint(), sort_keys=True)):
            raise DataError(
                f"{label}: the {ranks.size} processes do not have the same ratings and settings",
                remedy="start all of them with the same command on the same files",
            )
        for value in model.state_dict().values():
            ranks.broadcast_(value)

    def rows(self, part: Tensor) -> Tensor:
        """This process's part of a step's rows; where it has none, the first row, which then has the weight 0.

        All processes so call the model equally often, and stay at the same step.
        """
        own: Tensor = self.ranks.share(part)
        return own if len(own) else part[:1]

    def weight(self, part: Tensor) -> float:
        """This process's weight in a mean over the step's rows, from 0 to 1."""
        return len(self.ranks.share(part)) / len(part)

    def objective_weight(self, part: Tensor, target: Any) -> float:
        """This process's weight in what the objective is a mean over, from 0 to 1."""
        own = self.weight(part)
        if self.mean_over == "rows" or self.ranks.size == 1:
            return own
        entries = (len(target) if isinstance(target, Tensor) else target.nnz) if own else 0
        return float(entries / max(1.0, self.ranks.total(entries)[0]))

    def seed(self, step: int) -> None:
        """Seed the noise of step `step` in all processes but the first, from seed, step and rank.

        The first one draws as a single process does. A checkpoint has its random state, and resumes with any number of
        processes.
        """
        if not self.ranks.is_first:
            key = [self.base_seed % 2**64, step, self.ranks.rank]
            torch.manual_seed(int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0]))

    def sum_gradients(self, loss: Tensor, total: Tensor, weight: float, stop_wanted: bool) -> tuple[Tensor, Tensor]:
        """Sum gradients, the loss, the total and the wishes to stop over the processes; returns loss and total."""
        if self.gradients is None:
            return loss, total
        numbers: list[Tensor | float] = [loss.detach() * weight, total.detach() * weight, float(stop_wanted)]
        all_loss, all_total, self.stop = self.gradients(weight, numbers).clone()
        return all_loss, all_total

    def stops(self, stop_wanted: bool, step: int, steps: int) -> bool:
        """Whether to stop after `step` of an epoch's `steps`: by what was summed last, so all processes do or none."""
        if self.stop is None:
            return stop_wanted
        checks = self.stop.device.type == "cpu" or step % CHECK_EVERY == 0 or step == steps
        return checks and bool(self.stop > 0)
