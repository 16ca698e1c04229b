"""One process's part in a training that several do together: its rows of a step, their weight, what all agree on."""

from __future__ import annotations

import json
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from recae.distributed.gradients import GradientSum
from recae.distributed.ranks import Ranks
from recae.errors import DataError

LOOK_EVERY = 16  # steps between looks for an interruption that a GPU has to be waited for


class Shares:
    """What each of `ranks` does its own share of, and what they agree on; of one process, nothing but the whole.

    Args:
        ranks: the processes.
        model: on the training device; all processes start from the first one's weights.
        fingerprint: what a checkpoint belongs to (`recae.training.checkpoint.fingerprint`).
        label: what the training is called in messages.
        seed: of everything random in the training.
        mean_over: what the objective is a mean over: "rows", or "ratings" (stored entries of a sparse target).

    Raises:
        DataError: the processes have different data or settings.
    """

    def __init__(
        self, ranks: Ranks, model: nn.Module, fingerprint: dict[str, Any], *, label: str, seed: int,
        mean_over: Literal["rows", "ratings"],
    ) -> None:  # fmt: skip
        self.ranks, self.base_seed, self.mean_over = ranks, seed, mean_over
        self.gradients = GradientSum(ranks, model) if ranks.size > 1 else None
        self.stop: Tensor | None = None
        if not ranks.same(json.dumps(fingerprint, sort_keys=True)):
            raise DataError(
                f"{label}: the {ranks.size} processes do not have the same ratings and settings; start all of "
                "them with the same command on the same files"
            )
        for value in model.state_dict().values():
            ranks.broadcast_(value)

    def rows(self, part: Tensor) -> Tensor:
        """This process's share of a step's rows; where nothing is left for it, one that will weigh nothing.

        So the model is asked equally often in all processes, and they stay in step.
        """
        own: Tensor = self.ranks.share(part)
        return own if len(own) else part[:1]

    def weight(self, part: Tensor) -> float:
        """The share in numbers: of a mean over the step's rows."""
        return len(self.ranks.share(part)) / len(part)

    def objective_weight(self, part: Tensor, target: Any) -> float:
        """The share in numbers: of what the objective is a mean over."""
        own = self.weight(part)
        if self.mean_over == "rows" or self.ranks.size == 1:
            return own
        entries = target.nnz if own else 0
        return float(entries / max(1.0, self.ranks.total(entries)[0]))

    def seed(self, step: int) -> None:
        """Before step `step` of the training: the first process draws as one by itself would; the others' noise follows
        from seed, step and rank. So a checkpoint, with the first one's random state, resumes with any number of them.
        """
        if not self.ranks.is_first:
            key = [self.base_seed % 2**64, step, self.ranks.rank]
            torch.manual_seed(int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0]))

    def summed(self, loss: Tensor, total: Tensor, weight: float, stop_wanted: bool) -> tuple[Tensor, Tensor]:
        """Sum gradients, the loss and the total over the processes, and hear whether any is asked to stop."""
        if self.gradients is None:
            return loss, total
        numbers: list[Tensor | float] = [loss.detach() * weight, total.detach() * weight, float(stop_wanted)]
        all_loss, all_total, self.stop = self.gradients(weight, numbers).clone()
        return all_loss, all_total

    def stops(self, stop_wanted: bool, step: int, steps: int) -> bool:
        """Whether to stop after `step` of an epoch's `steps`: all processes do or none, by what was summed last."""
        if self.stop is None:
            return stop_wanted
        looks = self.stop.device.type == "cpu" or step % LOOK_EVERY == 0 or step == steps
        return looks and bool(self.stop > 0)
