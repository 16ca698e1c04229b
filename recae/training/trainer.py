"""`Trainer`: any batches, any model, any objective. It knows neither users nor images."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Literal

import torch
from torch import nn

from recae.distributed.ranks import Ranks, choose_device, current
from recae.errors import ParameterError
from recae.nn.codes import KLSparse
from recae.sparse.resources import kernel_threads
from recae.training.averaging import check_ema
from recae.training.batches import Batches
from recae.training.loop import Objective, TrainingRun, Validate
from recae.training.optimizers import FULL_BATCH, schedule
from recae.training.reporting import History

__all__ = ["Objective", "Trainer", "Validate"]


@dataclass(frozen=True, kw_only=True)
class Trainer:
    """How to train. `fit` trains a model in place.

    Attributes:
        epochs: passes over the examples, at most.
        optimizer: adam, sgd, rprop or lbfgs; the last two take all examples at once.
        lr: learning rate at the schedule's height.
        schedule: constant, cosine, linear or one-cycle, over `epochs`.
        decay: L2: adds decay · w to the gradient of every weight (not of biases).
        ema: decay a step of an exponential average of the weights, such as 0.99 (`recae.training.averaging`): the
            average is validated and kept in place of the weights themselves. 0 for none.
        patience: epochs without a better validation figure before stopping; None never stops early.
            With validation, the best epoch's weights are kept in any case.
        device: auto, cpu, cuda, cuda:N or mps.
        precision: float32, or bf16 (CUDA only).
        kernels: the model runs on the sparse kernels, which then have the CPU's cores.
        second: an objective for a second update on every batch, after the first one; None for none.
        mean_over: what the objective is a mean over, of which processes have shares: "rows", or "ratings" (stored
            entries of a sparse target). A second objective's is rows.
        seed: of everything random: order, noise, dropout. The caller's random state is left alone.
        checkpoint: where to keep the state of training; None for nowhere.
        checkpoint_seconds: how often at most, apart from the end of training and an interruption.
        resume: go on from `checkpoint` if it is there; weights come out as if nothing had happened.
        progress: show a bar; None for "where stderr is a terminal".
        label: what stands before the bar.
        tag: what a checkpoint belongs to (settings, the data's checksum), by name: `resume` refuses another's, and
            says what differs.
    """

    epochs: int = 30
    optimizer: str = "adam"
    lr: float = 1e-3
    schedule: str = "constant"
    decay: float = 0.0
    ema: float = 0.0
    patience: int | None = None
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
    tag: Mapping[str, str] = field(default_factory=dict)

    def fit(
        self, model: nn.Module, batches: Batches, objective: Objective, validate: Validate | None = None
    ) -> History:
        """Train `model` in place and leave it on the training device, in evaluation mode.

        Under torchrun all processes call this alike; each takes its share of every batch's rows, and all of them end
        with the same model (`recae.distributed.ranks`, where `alone` says otherwise).

        Args:
            model: any module.
            batches: examples (see `recae.training.batches`).
            objective: (model, batch) to a scalar loss.
            validate: model to a figure that should be small, asked for after each epoch.

        Raises:
            ParameterError: a setting is out of range or does not fit another.
            DivergenceError: the loss is no longer finite.
            TrainingInterrupted: Ctrl-C; the checkpoint, where one was asked for, is written first.
            ModelFileError: the checkpoint to resume from belongs to something else.
            DataError: processes that are to train together have different data or settings.
            ProcessLostError: one of them is gone.
        """
        ranks = current()
        self._check(batches, model, ranks)
        device = choose_device(self.device)
        cuda = [device] if device.type == "cuda" else []
        on_kernels = self.kernels and device.type == "cpu"
        stops = interruptible(echoed=ranks.size > 1)
        with torch.random.fork_rng(devices=cuda), kernel_threads(on_kernels), stops as interruption:
            torch.manual_seed(self.seed)
            run = TrainingRun(
                self, model.to(device), batches.to(device), objective, validate, device, on_kernels, interruption, ranks
            )
            run.start()
            try:
                run.loop()
            finally:
                run.bar.close()
        model.eval()
        return run.history

    def resumes(self) -> bool:
        """Whether `fit` would go on from a checkpoint that is there."""
        if not self.resume or self.checkpoint is None:
            return False
        path = Path(self.checkpoint)
        return current().from_first(path.exists)  # the others may have no such folder

    def _check(self, batches: Batches, model: nn.Module, ranks: Ranks) -> None:
        if self.epochs < 0:
            raise ParameterError(f"epochs={self.epochs}: 0 or more is needed")
        if self.patience is not None and self.patience < 1:
            raise ParameterError(f"patience={self.patience}: at least 1, or None for never")
        if self.optimizer in FULL_BATCH and batches.batch_size < batches.n_examples:
            raise ParameterError(
                f"optimizer {self.optimizer!r} needs all {batches.n_examples} examples at once: batch_size=0"
            )
        if self.resume and self.checkpoint is None:
            raise ParameterError("resume=True needs checkpoint=, the file to go on from")
        if ranks.size > 1 and any(isinstance(module, KLSparse) for module in model.modules()):
            raise ParameterError(
                f"KLSparse with {ranks.size} processes: its penalty is on the mean of a whole batch, of which each has "
                "a share; train in one process, or take L1Sparse"
            )
        schedule(self.schedule)
        check_ema(self.ema)


class Interruption:
    """Whether somebody asked to stop.

    Args:
        echoed: one Ctrl-C arrives several times: from the terminal, and from torchrun, which passes it on.
    """

    def __init__(self, *, echoed: bool = False) -> None:
        self.wanted, self.echoed = False, echoed

    def ask(self, _number: int, _frame: FrameType | None) -> None:
        """First signal: stop after this step. Second, unless it may be the first one's echo: stop at once."""
        if self.wanted and not self.echoed:
            raise KeyboardInterrupt
        self.wanted = True


@contextmanager
def interruptible(*, echoed: bool = False) -> Iterator[Interruption]:
    """Within, Ctrl-C and a polite kill only set a flag, so that a training step is never cut in half."""
    interruption = Interruption(echoed=echoed)
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    before = {number: signal.signal(number, interruption.ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)  # None: not set from Python
