"""The settings of a training: what `Trainer` has and `TrainingLoop` reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from recae.training.batches import Batch
from recae.training.reporting import Callback

PRECISIONS = ("float32", "tf32", "bf16")
Objective = Callable[[Any, Batch], Tensor]  # (model, batch) to a scalar loss
Validate = Callable[[Any], float]  # model to a figure that should be small


@dataclass(frozen=True, kw_only=True)
class TrainerSettings:
    """Trains a model in place (`fit`).

    Attributes:
        epochs: passes over the examples, at most.
        optimizer: adam, sgd, rprop or lbfgs; the last two take all examples at once.
        lr: learning rate at the schedule's height.
        schedule: constant, cosine, linear, one-cycle or halving, over `epochs`.
        decay: L2: adds decay · w to the gradient of every weight (not of biases).
        ema: decay a step of an exponential average of the weights, such as 0.99 (`recae.training.averaging`). The
            average is validated and kept in place of the weights themselves. 0 for none.
        patience: epochs without a better validation figure before training stops; None never stops early.
            With validation, the best epoch's weights are kept in any case.
        stop_after: epochs after which training ends, the schedule being that of `epochs`; None for all of them. It is
            in a checkpoint, and a training that resumes takes it from there.
        device: auto, cpu, cuda, cuda:N or mps.
        precision: of products of matrices: float32, or on CUDA tf32 (float32 by tensor cores, 11 bits of 24) or bf16.
        kernels: the model runs on the sparse kernels, which then have the CPU's cores.
        second: an objective for a second update on every batch, after the first one; None for none.
        mean_over: what the objective is a mean over, which several processes divide: "rows", or "ratings" (stored
            entries of a sparse target, or those of a vector). A second objective's is rows.
        seed: of everything random: order, noise, dropout. The caller's random state does not change.
        checkpoint: the file that keeps the state of training; None for none.
        checkpoint_seconds: how often the file is written at most, apart from the end of training and an interruption.
        resume: resume from `checkpoint` if the file exists; the weights are those of a training without a stop.
        progress: show a bar; None for "where stderr is a terminal".
        label: what stands before the bar.
        fingerprint: what a checkpoint belongs to (settings, the data's checksum), by name. `resume` refuses a
            checkpoint with another fingerprint, and says what differs.
        callbacks: what is told of the training and its epochs, see `recae.training.Callback`.
    """

    epochs: int = 30
    optimizer: str = "adam"
    lr: float = 1e-3
    schedule: str = "constant"
    decay: float = 0.0
    ema: float = 0.0
    patience: int | None = None
    stop_after: int | None = None
    device: str | torch.device = "auto"
    precision: str = "float32"
    kernels: bool = False
    second: Objective | None = None
    mean_over: Literal["rows", "ratings"] = "rows"
    seed: int = 0
    checkpoint: str | Path | None = None
    checkpoint_seconds: float = 60.0
    resume: bool = False
    progress: bool | None = None
    label: str = "training"
    fingerprint: Mapping[str, str] = field(default_factory=dict)
    callbacks: Sequence[Callback] = ()
