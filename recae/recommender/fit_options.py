"""`Run`: how one call of `fit` is to run; and which models several processes may fit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recae.distributed.ranks import current
from recae.errors import ParameterError
from recae.ratings import RatingMatrix


@dataclass(frozen=True)
class Run:
    """How one call of `fit` is to run; no part of what the model is.

    Attributes:
        checkpoint: where training keeps its state; None for nowhere.
        checkpoint_seconds: how often, at most.
        resume: go on from the checkpoint if there is one.
        progress: show a bar; None for "where stderr is a terminal".
        validation_input: what hidden validation users show; None where they are users learnt from.
    """

    checkpoint: str | Path | None = None
    checkpoint_seconds: float = 60.0
    resume: bool = False
    progress: bool | None = None
    validation_input: RatingMatrix | None = None

    def for_trainer(self) -> dict[str, Any]:
        """What a `Trainer` is to know of it."""
        names = ("checkpoint", "checkpoint_seconds", "resume", "progress")
        return {name: getattr(self, name) for name in names}

    def shown(self, ratings: RatingMatrix) -> RatingMatrix:
        """What validation users are known by: what hidden ones show, or else the `ratings` that are learnt from."""
        return ratings if self.validation_input is None else self.validation_input


def refuse_many_processes(model: type[Any]) -> None:
    """Under torchrun, refuse a model that would be fitted over and over instead of together.

    Raises:
        ParameterError: it is one.
    """
    n = current().size
    if n > 1 and not model.shares_rows:
        raise ParameterError(
            f"{model.__name__} is fitted by one process, and torchrun started {n}: start it without torchrun (models "
            "that share rows among processes are listed in docs/scale.md)"
        )
