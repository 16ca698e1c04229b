"""What happened, epoch by epoch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd


@dataclass
class History:
    """One record an epoch: `epoch` (from 1), `loss`, `validation` (None without one), `lr`, `seconds`.

    Attributes:
        records: the epochs, oldest first.
        best_epoch: the epoch whose weights were kept (the last one without validation).
        stopped_early: patience ran out before the epochs did.
    """

    records: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = 0
    stopped_early: bool = False

    @property
    def seconds(self) -> float:
        """Training time in all, validation included."""
        return float(sum(r["seconds"] for r in self.records))

    @property
    def best(self) -> float | None:
        """The validation figure of the kept weights; None without validation."""
        return next((r["validation"] for r in self.records if r["epoch"] == self.best_epoch), None)

    def frame(self) -> pd.DataFrame:
        """The records as a frame, one row an epoch."""
        return pd.DataFrame(self.records, columns=["epoch", "loss", "validation", "lr", "seconds"])

    def __len__(self) -> int:
        return len(self.records)
