"""`Trainer` trains any model on any batches under any objective; it knows neither users nor images."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import torch
from torch import nn

from recae.distributed.ranks import Ranks, choose_device, current
from recae.errors import ParameterError, Remedy
from recae.nn.codes import KLSparse
from recae.nn.products import float32_products
from recae.sparse.resources import kernel_threads
from recae.training.batches import Batches
from recae.training.loop import TrainingLoop
from recae.training.optimizers import FULL_BATCH, schedule
from recae.training.own_steps import MakeOwnSteps
from recae.training.reporting import History, all_callbacks
from recae.training.trainer_settings import Objective, TrainerSettings, Validate

__all__ = ["Objective", "Trainer", "Validate"]

ECHO = 1.0  # seconds within which a second Ctrl-C may be the first one's: timeout(1) sends each signal twice


@dataclass(frozen=True, kw_only=True)
class Trainer(TrainerSettings):
    __doc__ = TrainerSettings.__doc__

    def fit(
        self, model: nn.Module, batches: Batches, objective: Objective, validate: Validate | None = None,
        make_own: MakeOwnSteps | None = None,
    ) -> History:  # fmt: skip
        """Train `model` in place and leave it on the training device, in evaluation mode.

        Under torchrun all processes call this alike. Each computes with its part of every batch's rows, and all of
        them end with the same model (`recae.distributed.ranks`; within `single_process()` each trains by itself).

        In the main thread, SIGINT (Ctrl-C), SIGTERM and SIGHUP stop training after the step in progress, so that no
        step is cut in half. A second Ctrl-C stops at once, without a checkpoint.

        Args:
            model: any module.
            batches: examples (see `recae.training.batches`).
            objective: (model, batch) to a scalar loss.
            validate: model to a figure that should be small, asked for after each epoch.
            make_own: what may take the steps in place of objective and optimiser (`recae.training.own_steps`).

        Raises:
            ParameterError: a setting is out of range or does not fit another.
            DivergenceError: the loss is not finite.
            TrainingInterrupted: a signal stopped training; the checkpoint, if there is one, is written first.
            ModelFileError: the checkpoint to resume from has another fingerprint, or cannot be read.
            DataError: processes that are to train together have different data or settings.
            ProcessLostError: one of them is gone.
        """
        ranks = current()
        self._check(batches, model, ranks)
        device = choose_device(self.device)
        cuda = [device] if device.type == "cuda" else []
        on_kernels = self.kernels and device.type == "cpu"
        signals = signals_kept(echoed=ranks.size > 1)
        with torch.random.fork_rng(devices=cuda), kernel_threads(on_kernels), signals as kept:
            torch.manual_seed(self.seed)
            loop = TrainingLoop(
                self, model.to(device), batches.to(device), objective, validate, device, on_kernels,
                lambda: kept.number, ranks, make_own,
            )  # fmt: skip
            loop.start(resume=self.resumes())
            told = all_callbacks(self.callbacks) if ranks.is_first else ()
            for callback in told:
                callback.on_fit_start(self)
            try:
                with float32_products("tf32") if self.precision == "tf32" else nullcontext():
                    loop.run()
            finally:
                loop.bar.close()
        for callback in told:
            callback.on_fit_end(loop.history)
        model.eval()
        return loop.history

    def resumes(self) -> bool:
        """Whether `fit` would resume from a checkpoint, which exists."""
        if not self.resume or self.checkpoint is None:
            return False
        path = Path(self.checkpoint)
        return current().from_first(path.exists)  # the others may have no such folder

    def _check(self, batches: Batches, model: nn.Module, ranks: Ranks) -> None:
        if self.epochs < 0:
            raise ParameterError(name="epochs", value=self.epochs, expected="0 or more")
        if self.patience is not None and self.patience < 1:
            raise ParameterError(
                name="patience", value=self.patience, expected="at least 1",
                remedy=Remedy("{patience} never stops early", patience=None),
            )  # fmt: skip
        if self.optimizer in FULL_BATCH and batches.batch_size < batches.n_examples:
            raise ParameterError(
                f"it needs all {batches.n_examples:,} examples at once", name="optimizer", value=self.optimizer,
                remedy=Remedy("set {batch_size}", batch_size=0),
            )  # fmt: skip
        if self.resume and self.checkpoint is None:
            raise ParameterError(
                "there is no file to resume from", name="resume", value=True,
                remedy=Remedy("name it with {checkpoint}", checkpoint=...),
            )  # fmt: skip
        if ranks.size > 1 and any(isinstance(module, KLSparse) for module in model.modules()):
            raise ParameterError(
                f"KLSparse with {ranks.size} processes: its penalty is on the mean of a whole batch, of which each has "
                "a share",
                remedy=("train in one process", "use L1Sparse"),
            )
        schedule(self.schedule)


class KeptSignals:
    """Keeps the signal that asks to stop, so that training can stop between two steps.

    Args:
        echoed: one Ctrl-C arrives several times: from the terminal, and from torchrun, which passes it on.

    Attributes:
        number: of the first signal that came; None while there was none.
    """

    def __init__(self, *, echoed: bool = False) -> None:
        self.echoed = echoed
        self.number: int | None = None
        self.time = 0.0

    def handle(self, number: int, _frame: FrameType | None) -> None:
        """Keep the first signal; a later Ctrl-C that is not its echo stops at once.

        SIGTERM and SIGHUP never do: service managers, timeout(1) and a terminal that closes send them twice.
        """
        now = time.monotonic()
        if self.number is None:
            self.number, self.time = number, now
        elif number == signal.SIGINT and not self.echoed and now - self.time > ECHO:
            raise KeyboardInterrupt


@contextmanager
def signals_kept(*, echoed: bool = False) -> Iterator[KeptSignals]:
    """Within, in the main thread, SIGINT, SIGTERM and SIGHUP are kept; afterwards the former handlers are back.

    SIGTERM or SIGHUP that the process ignores (as under nohup) stays ignored. SIGINT does not: shells start background
    jobs with it ignored, and `kill -INT` is how to stop one of them.
    """
    kept = KeptSignals(echoed=echoed)
    if threading.current_thread() is not threading.main_thread():
        yield kept
        return
    numbers = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]  # not on Windows
    taken = [n for n in numbers if n == signal.SIGINT or signal.getsignal(n) != signal.SIG_IGN]
    former = {number: signal.signal(number, kept.handle) for number in taken}
    try:
        yield kept
    finally:
        for number, handler in former.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)  # None: not set from Python
    if kept.number is not None:  # it came when no step was left to stop after
        signal.raise_signal(kept.number)
