"""Objectives of autoencoders: a loss between output and target, plus a penalty of the code.

An objective is any function (model, batch) -> scalar. `Reconstruction` names the loss, so that a setting is a word.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from recae.distributed.ranks import current
from recae.errors import DataError, ParameterError
from recae.nn import losses
from recae.sparse import SparseRows
from recae.training.batches import Batch

# Each takes (model, logits, target): a loss is on the values of the output head or on the logits before it.
LOSSES: dict[str, Callable[[Any, Tensor, Tensor], Tensor]] = {
    "squared-error": lambda model, logits, target: losses.squared_error(model.output(logits), target),
    "summed-squared-error": lambda model, logits, target: losses.summed_squared_error(model.output(logits), target),
    "cross-entropy": lambda model, logits, target: losses.cross_entropy_from_logits(logits, target),
    "multinomial": lambda model, logits, target: losses.multinomial(logits, target),
}


@dataclass(frozen=True)
class Reconstruction:
    """A loss between an autoencoder's output and the target, plus its code's penalty.

    Attributes:
        loss: "squared-error" (mean over all entries), "summed-squared-error" (sum over columns, mean over rows),
            "cross-entropy" (from logits; sum over columns, mean over rows; targets in [0, 1]) or "multinomial"
            (sum over columns, mean over rows). A penalty's weight means nothing without the reduction beside it.
        stored_only: for sparse targets: squared error at the stored entries only, summed, divided by the rows
            (AutoRec's). An entry that is not stored is then unknown; otherwise it is 0.
    """

    loss: str = "squared-error"
    stored_only: bool = False

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise ParameterError(name="loss", value=self.loss, expected=tuple(LOSSES))
        if self.stored_only and "squared" not in self.loss:
            raise ParameterError(
                f"it is for squared error; {self.loss} needs every entry", name="stored_only", value=True
            )

    def __call__(self, model: nn.Module, batch: Batch) -> Tensor:
        """The scalar to minimise.

        Raises:
            DataError: cross-entropy, and a target outside [0, 1]; or target and output differ in width.
        """
        loss, penalty = self.terms(model, batch)
        return loss + penalty

    def terms(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """The loss and the penalty, two scalars."""
        if self.stored_only:
            if not isinstance(batch.target, SparseRows):
                raise DataError("it needs sparse targets, and these are dense", name="stored_only", value=True)
            logits, penalty = model(batch.input, at=batch.target)
            values = batch.target.values
            return losses.masked_squared_error(_head(model, logits), values, len(batch.target)), penalty
        target = batch.target.to_dense() if isinstance(batch.target, SparseRows) else batch.target
        if self.loss == "cross-entropy":
            losses.check_unit_interval(target)
        logits, penalty = model(batch.input)
        if logits.shape != target.shape:
            raise DataError(
                f"the model gives {tuple(logits.shape)}, the target is {tuple(target.shape)}",
                remedy="build the model for rows as wide as the target's",
            )
        return LOSSES[self.loss](model, logits, target), penalty

    def on(
        self, rows: Tensor | SparseRows, target: Tensor | SparseRows | None = None, *, block: int = 2000
    ) -> Callable[[nn.Module], float]:
        """A validation figure for `Trainer.fit`: the loss over held-out rows, without noise and penalty.

        Args:
            rows: the input, on any device.
            target: the target of each row; by default the row itself.
            block: rows at a time.
        """
        ranks = current()
        parts = torch.split(ranks.share(torch.arange(len(rows))), block)
        wanted = rows if target is None else target

        def validate(model: nn.Module) -> float:
            device = next(model.parameters()).device
            total = 0.0
            for part in parts:
                batch = Batch(rows[part].to(device), wanted[part].to(device))
                total += len(part) * float(self.terms(model, batch)[0])
            return ranks.total(total)[0] / len(rows)

        return validate


def _head(model: Any, logits: Tensor) -> Tensor:
    output: Tensor = model.output(logits)
    return output
