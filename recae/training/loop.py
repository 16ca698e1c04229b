"""`TrainingLoop` runs one call of `Trainer.fit`, and holds the state that a checkpoint keeps."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from recae.distributed.data_parallel import DataParallel
from recae.distributed.ranks import Ranks
from recae.errors import DivergenceError, ModelFileError, ParameterError, Remedy, TrainingInterrupted
from recae.schemas import refusing
from recae.training.averaging import WeightAverage
from recae.training.batches import Batch, Batches, iterate_batches, random_order
from recae.training.checkpoint import (
    REMEDY,
    fingerprint,
    random_state,
    read_checkpoint,
    restore_random_state,
    write_checkpoint,
)
from recae.training.checkpoint_state import check_state
from recae.training.optimizers import l2_term, make_optimizer, schedule, set_rate
from recae.training.own_steps import MakeOwnSteps
from recae.training.reporting import History, all_callbacks, progress_bar
from recae.training.trainer_settings import PRECISIONS, Objective, TrainerSettings, Validate


@dataclass
class TrainingLoop:
    """One call of `fit`: the state that a checkpoint keeps, and the loop over epochs and steps.

    With several processes (`ranks`), each has the whole state. The first one draws the order for all and writes
    checkpoints. Each computes with its part of a step's rows; gradients are summed before the optimiser's step.

    Attributes:
        settings: how to train.
        model: on the training device.
        batches: on the training device.
        objective: (model, batch) to a scalar loss.
        validate: model to a figure that should be small; None for no validation.
        device: where training computes.
        on_kernels: the model runs on the sparse kernels of the CPU.
        stop_signal: gives the number of the signal that asked to stop, or None.
        ranks: the processes that train together.
        make_own: makes what takes the steps in place of objective and optimiser, where that applies.
        history: the epochs so far.
        epoch, step: complete epochs, and complete steps of the next one.
        last: the epoch that training ends with, at the latest.
        order: examples of the epoch in their random order, int64 (n_examples,); None between epochs.
        total_loss: the mean loss of the epoch's steps so far, a scalar.
        best: weights of the best epoch; None without validation.
        seconds_before: time that the unfinished epoch took before training resumed.
    """

    settings: TrainerSettings
    model: nn.Module
    batches: Batches
    objective: Objective
    validate: Validate | None
    device: torch.device
    on_kernels: bool
    stop_signal: Callable[[], int | None]
    ranks: Ranks = field(default_factory=Ranks)
    make_own: MakeOwnSteps | None = None
    history: History = field(default_factory=History)
    epoch: int = 0
    step: int = 0
    order: Tensor | None = None
    total_loss: Tensor | None = None
    best: dict[str, Tensor] | None = None
    seconds_before: float = 0.0

    def start(self, *, resume: bool) -> None:
        """Make the optimiser and the progress bar; with `resume`, take the state from the checkpoint."""
        s = self.settings
        self.parallel = DataParallel(
            self.ranks, self.model, self._fingerprint, label=s.label, seed=s.seed, mean_over=s.mean_over
        )
        on = {"kernels": self.on_kernels, "factored": self.ranks.size == 1}  # several processes sum gradients
        self.optimizer = make_optimizer(s.optimizer, self.model, s.lr, s.decay, **on)
        self.average = WeightAverage(self.model, s.ema, self.optimizer) if s.ema else None
        self.steps = math.ceil(self.batches.n_examples / self.batches.batch_size)
        self.last = s.epochs if s.stop_after is None else min(s.stop_after, s.epochs)
        self.path = None if s.checkpoint is None else Path(s.checkpoint)
        self.written = time.monotonic()
        if resume and self.path is not None:
            path = self.path
            state = self.ranks.from_first(lambda: read_checkpoint(path, self._fingerprint()))
            with refusing(ModelFileError, path, REMEDY):
                check_state(
                    state, self.model, self.optimizer, self.average, self.batches.n_examples, self.steps, s.epochs
                )
            self._load(state)
        self.own = None if self.make_own is None else self.make_own(self.model, self.batches, self.optimizer, s)
        self.bar = progress_bar(
            self.last * self.steps, done=self.epoch * self.steps + self.step, label=s.label,
            show=s.progress if self.ranks.is_first else False,
        )  # fmt: skip

    def run(self) -> None:
        """Train to the end: all epochs, or fewer where patience runs out."""
        while self.epoch < self.last and not self.history.stopped_early:
            self._train_epoch()
        if self.best is not None:
            self.model.load_state_dict(self.best)
        elif self.average is not None:
            self.average.keep()
        if not all(bool(p.isfinite().all()) for p in self.model.parameters()):  # no loss follows the last step
            raise self._diverged("weights are not finite after")

    def _train_epoch(self) -> None:
        self.clock = time.perf_counter()
        if self.order is None:
            self.order = self.ranks.broadcast_(random_order(self.batches))
            self.total_loss = torch.zeros((), device=self.device)
        assert self.total_loss is not None
        self.model.train()
        parts = torch.split(self.order, self.batches.batch_size)
        upcoming = self._upcoming(parts)
        while self.step < self.steps:
            part = parts[self.step]
            set_rate(self.optimizer, self._rate(self.step))
            loss = self.own.step(self.step) if self.own is not None else self._batch_step(part, next(upcoming))
            if self.own is not None and self.average is not None:
                self.average.update()
            self.total_loss += loss * (len(part) / self.batches.n_examples)
            self.step += 1
            self.bar.update(1)
            self._stop_if_asked()
            if self.step < self.steps:
                self.write_checkpoint_if_due()
        self._end_epoch()
        self.write_checkpoint_if_due()

    def _upcoming(self, parts: Sequence[Tensor]) -> Iterator[Batch]:
        """The batches of the epoch that are left; with steps of their own there are none."""
        if self.own is None:
            return iterate_batches(self.batches, [self.parallel.rows(part) for part in parts[self.step :]])
        assert self.order is not None
        self.own.begin(self.order, [self._rate(step) for step in range(self.steps)], self.step)
        return iter(())

    def _rate(self, step: int) -> float:
        """The learning rate of a step of the epoch."""
        s = self.settings
        return s.lr * schedule(s.schedule)((self.epoch * self.steps + step) / max(1, s.epochs * self.steps))

    def _batch_step(self, part: Tensor, batch: Batch) -> Tensor:
        """The updates on a batch, of the examples `part`; returns the objective before them, a scalar."""
        self.parallel.seed(self.epoch * self.steps + self.step)
        loss = self._update(batch, self.objective, self.parallel.objective_weight(part, batch.target))
        if self.settings.second is not None:
            self._update(batch, self.settings.second, self.parallel.weight(part))
        return loss

    def _update(self, batch: Batch, objective: Objective, weight: float) -> Tensor:
        """Take a step of the optimiser; returns the objective before it, a scalar."""
        s = self.settings
        losses: list[Tensor] = []  # a line search evaluates several; the first is the one before the step

        def closure() -> float:
            self.optimizer.zero_grad(set_to_none=True)
            with autocast(self.device, s.precision):
                loss = objective(self.model, batch)
            total = loss + l2_term(s.optimizer, self.model, s.decay)
            total.backward()  # type: ignore[no-untyped-call]
            loss, total = self.parallel.sum_gradients(loss, total, weight, self.stop_signal() is not None)
            losses.append(loss.detach())
            return total  # type: ignore[return-value]

        self.optimizer.step(closure)
        if self.average is not None:
            self.average.update()
        return losses[0]

    def _stop_if_asked(self) -> None:
        """Between two steps: where a signal asked to stop, write the checkpoint and raise `TrainingInterrupted`."""
        number = self.stop_signal()
        if not self.parallel.stops(number is not None, self.step, self.steps):
            return
        self.write_checkpoint_if_due(force=True)
        s = self.settings
        message = f"{s.label} stopped after {self.epoch} of {self.last} epochs and {self.step} of {self.steps} steps"
        if self.path is None:
            message += "; there is no checkpoint of it, so it has to start again"
        else:
            message += f"; its state is in the checkpoint {self.path}, from which it can resume"
        path = None if self.path is None else str(self.path)
        raise TrainingInterrupted(message, path, signal.SIGINT if number is None else number)

    def _end_epoch(self) -> None:
        assert self.total_loss is not None
        loss = float(self.total_loss)
        if not math.isfinite(loss):
            raise self._diverged(f"the loss is {loss} in")
        with nullcontext() if self.average is None else self.average.applied():
            self.validate_and_record(loss)

    def validate_and_record(self, loss: float) -> None:
        """Validate the epoch that has ended, record it, and keep its weights if they are the best so far."""
        figure = self._validation_figure()
        if figure is not None and math.isnan(figure):
            raise self._diverged("the validation figure is nan in")
        self.epoch, self.step, self.order = self.epoch + 1, 0, None
        self.history.records.append(
            {
                "epoch": self.epoch, "loss": loss, "validation": figure, "lr": self.optimizer.param_groups[0]["lr"],
                "seconds": self.seconds_before + time.perf_counter() - self.clock,
            }
        )  # fmt: skip
        self.seconds_before = 0.0
        self.update_best(figure)
        figures = {"loss": loss, "val": figure}  # short: the line has to fit 80 columns
        known = {name: f"{value:.4f}" for name, value in figures.items() if value is not None}
        self.bar.set_postfix(known, refresh=False)
        self.tell_callbacks()

    def tell_callbacks(self) -> None:
        """Tell of the epoch that was recorded last; training ends with it where a callback asks for that."""
        callbacks = all_callbacks(self.settings.callbacks)
        if not callbacks:
            return
        asked = [callback.on_epoch_end(dict(self.history.records[-1])) for callback in callbacks if self.ranks.is_first]
        if float(self.ranks.broadcast_(torch.tensor(float(any(asked))))):
            self.history.stopped_early = True

    def update_best(self, figure: float | None) -> None:
        """Keep the weights if `figure` is the best so far, and note whether patience has run out."""
        best = self.history.best
        if figure is None:
            self.history.best_epoch = self.epoch
        elif best is None or figure < best:
            self.history.best_epoch = self.epoch
            self.best = {name: value.detach().clone() for name, value in self.model.state_dict().items()}
        patience = self.settings.patience
        if figure is not None and patience is not None and self.epoch - self.history.best_epoch >= patience:
            self.history.stopped_early = True

    def _validation_figure(self) -> float | None:
        if self.validate is None:
            return None
        self.model.eval()
        with torch.no_grad():
            figure = float(self.validate(self.model))
        self.model.train()
        return float(self.ranks.broadcast_(torch.tensor(figure, dtype=torch.float64)))  # all stop, or none

    def _diverged(self, what: str) -> DivergenceError:
        return DivergenceError(
            f"{what} epoch {min(self.epoch + 1, self.settings.epochs)}: choose a smaller learning rate than "
            f"{self.settings.lr:g}, or more regularisation"
        )

    # ------------------------------------------------------------ checkpoints

    def write_checkpoint_if_due(self, *, force: bool = False) -> None:
        """In the first process, write a checkpoint if `force`, `checkpoint_seconds` have passed, or training ended."""
        s = self.settings
        ended = self.epoch >= self.last or self.history.stopped_early
        due = force or ended or time.monotonic() - self.written >= s.checkpoint_seconds
        if self.path is not None and self.ranks.is_first and due:
            write_checkpoint(self.path, self._fingerprint(), self._state())
            self.written = time.monotonic()

    def _state(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(), "best": self.best, "optimizer": self.optimizer.state_dict(),
            "random": random_state(self.device), "epoch": self.epoch, "step": self.step, "order": self.order,
            "total_loss": self.total_loss, "last": self.last, "history": asdict(self.history),
            "average": None if self.average is None else self.average.state(),
            "seconds": self.seconds_before + (time.perf_counter() - self.clock if self.order is not None else 0.0),
        }  # fmt: skip

    def _load(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.average is not None:
            self.average.load(state["average"])
        restore_random_state(state["random"], self.device)
        self.epoch, self.step, self.order = state["epoch"], state["step"], state["order"]
        self.last = state.get("last", self.settings.epochs)  # checkpoints of earlier versions end with all epochs
        self.total_loss = None if state["total_loss"] is None else state["total_loss"].to(self.device)
        self.best = state["best"] and {name: value.to(self.device) for name, value in state["best"].items()}
        self.history, self.seconds_before = History(**state["history"]), state["seconds"]

    def _fingerprint(self) -> dict[str, Any]:
        s = self.settings
        settings = [s.epochs, s.optimizer, s.lr, s.schedule, s.decay, s.ema, s.patience, s.precision, s.seed]
        examples = [self.batches.n_examples, self.batches.batch_size]
        return {**s.fingerprint, **fingerprint(settings, examples, self.model)}


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Within, products of matrices are in bf16 where that is the precision; others change nothing.

    Raises:
        ParameterError: the precision is unknown, or not float32 and the device is not CUDA.
    """
    if precision not in PRECISIONS:
        raise ParameterError(name="precision", value=precision, expected=PRECISIONS)
    if precision != "float32" and device.type != "cuda":
        raise ParameterError(
            f"it is for CUDA, and training is on {device.type}", name="precision", value=precision,
            remedy=Remedy("choose {precision}", precision="float32"),
        )  # fmt: skip
    return torch.autocast("cuda", torch.bfloat16) if precision == "bf16" else nullcontext()
