"""Batches of users whose longest sessions are about as long, so that steps with few sessions are few."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from recae._types import IntArray
from recae.events.session_events import Sessions
from recae.training.batches import MadeBatches

SPREAD = 0.5  # standard deviation of the noise on log(length): batches differ from epoch to epoch


@dataclass
class UserBatches(MadeBatches):
    """`MadeBatches` of users in an order that puts like lengths together.

    Attributes:
        lengths: how long the recurrence over each user is, float32 (n_examples,).
    """

    lengths: Tensor = field(default_factory=lambda: torch.zeros(0))

    def order(self) -> Tensor:
        """Users in the random order of an epoch: by length times noise, and batches in random order."""
        noisy = torch.log1p(self.lengths) + SPREAD * torch.randn(self.n_examples)
        parts = list(torch.split(noisy.argsort(descending=True), self.batch_size))
        last = [] if len(parts[-1]) == self.batch_size else [parts.pop()]  # the smaller one stays at the end
        return torch.cat([*(parts[k] for k in torch.randperm(len(parts)).tolist()), *last])


def longest_sessions(events: Sessions, users: IntArray) -> Tensor:
    """The length of the longest session of each of `users`, who have one each, float32 (n,)."""
    lengths = np.diff(events.session_starts)
    longest = np.maximum.reduceat(lengths, events.user_starts[users])
    return torch.from_numpy(longest.astype(np.float32))
