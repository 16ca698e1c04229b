"""One call of `Trainer.fit`: the state that a checkpoint holds, and the loop over it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from recae.distributed.data_parallel import Shares
from recae.distributed.ranks import Ranks
from recae.errors import DivergenceError, ParameterError, TrainingInterrupted
from recae.training.averaging import WeightAverage
from recae.training.batches import Batch, Batches, iterate_batches, random_order
from recae.training.checkpoint import (
    fingerprint,
    random_state,
    read_checkpoint,
    restore_random_state,
    write_checkpoint,
)
from recae.training.optimizers import l2_term, make_optimizer, schedule
from recae.training.reporting import History, progress_bar, tell_watcher

if TYPE_CHECKING:
    from recae.training.trainer import Interruption, Trainer

Objective = Callable[[nn.Module, Batch], Tensor]
Validate = Callable[[nn.Module], float]
PRECISIONS = ("float32", "bf16")


@dataclass
class TrainingRun:
    """One call of `fit`: the state that a checkpoint holds, and the loop over it.

    Of several processes (`ranks`), each has the whole state. The first one draws the order for all and writes
    checkpoints; each takes its share of a step's rows, and gradients are summed before the optimiser's step.
    """

    trainer: Trainer
    model: nn.Module
    batches: Batches
    objective: Objective
    validate: Validate | None
    device: torch.device
    on_kernels: bool
    interruption: Interruption
    ranks: Ranks = field(default_factory=Ranks)
    history: History = field(default_factory=History)
    epoch: int = 0
    step: int = 0
    order: Tensor | None = None
    total_loss: Tensor | None = None
    best: dict[str, Tensor] | None = None
    seconds_before: float = 0.0

    def start(self) -> None:
        """Optimiser, progress bar, and where there is one to resume from, the checkpoint's state."""
        t = self.trainer
        self.shares = Shares(
            self.ranks, self.model, self._fingerprint(), label=t.label, seed=t.seed, mean_over=t.mean_over
        )
        self.optimizer = make_optimizer(t.optimizer, self.model, t.lr, t.decay, kernels=self.on_kernels)
        self.average = WeightAverage(self.model, t.ema, self.optimizer) if t.ema else None
        self.steps = math.ceil(self.batches.n_examples / self.batches.batch_size)
        self.path = None if t.checkpoint is None else Path(t.checkpoint)
        self.written = time.monotonic()
        if t.resumes() and self.path is not None:
            path = self.path
            self._load(self.ranks.from_first(lambda: read_checkpoint(path, self._fingerprint())))
        done = self.epoch * self.steps + self.step
        show = t.progress if self.ranks.is_first else False
        self.bar = progress_bar(t.epochs * self.steps, done=done, show=show, label=t.label)

    def loop(self) -> None:
        while self.epoch < self.trainer.epochs and not self.history.stopped_early:
            self._one_epoch()
        if self.best is not None:
            self.model.load_state_dict(self.best)
        elif self.average is not None and self.average.steps:
            self.average.settle()
        if not all(bool(p.isfinite().all()) for p in self.model.parameters()):  # the last step's loss is never asked
            raise self._diverged("weights are not finite after")

    def _one_epoch(self) -> None:
        self.clock = time.perf_counter()
        if self.order is None:
            self.order = self.ranks.broadcast_(random_order(self.batches))
            self.total_loss = torch.zeros((), device=self.device)
        assert self.total_loss is not None
        self.model.train()
        parts = torch.split(self.order, self.batches.batch_size)
        upcoming = iterate_batches(self.batches, [self.shares.rows(part) for part in parts[self.step :]])
        while self.step < self.steps:
            part = parts[self.step]
            self.shares.seed(self.epoch * self.steps + self.step)
            batch = next(upcoming)
            loss = self._one_step(batch, self.objective, self.shares.objective_weight(part, batch.target))
            self.total_loss += loss * (len(part) / self.batches.n_examples)
            if self.trainer.second is not None:
                self._one_step(batch, self.trainer.second, self.shares.weight(part))
            self.step += 1
            self.bar.update(1)
            self._between_steps()
        self._end_epoch()
        self._keep(force=False)

    def _one_step(self, batch: Batch, objective: Objective, weight: float) -> Tensor:
        """An update; what the objective was before it."""
        t = self.trainer
        rate = t.lr * schedule(t.schedule)((self.epoch * self.steps + self.step) / max(1, t.epochs * self.steps))
        for group in self.optimizer.param_groups:
            group["lr"] = rate

        def closure() -> float:
            self.optimizer.zero_grad(set_to_none=True)
            with autocast(self.device, t.precision):
                loss = objective(self.model, batch)
            total = loss + l2_term(t.optimizer, self.model, t.decay)
            total.backward()  # type: ignore[no-untyped-call]
            loss, total = self.shares.summed(loss, total, weight, self.interruption.wanted)
            asked.append(loss.detach())
            return total  # type: ignore[return-value]

        asked: list[Tensor] = []  # a line search asks several times; the step's loss is the one before it
        self.optimizer.step(closure)
        if self.average is not None:
            self.average.follow()
        return asked[0]

    def _between_steps(self) -> None:
        if self.shares.stops(self.interruption.wanted, self.step, self.steps):
            self._keep(force=True)
            raise TrainingInterrupted(*self._where_it_stands())
        if self.step < self.steps:
            self._keep(force=False)

    def _end_epoch(self) -> None:
        assert self.total_loss is not None
        loss = float(self.total_loss)
        if not math.isfinite(loss):
            raise self._diverged(f"the loss is {loss} in")
        with nullcontext() if self.average is None else self.average.in_place():
            self._weigh(loss)

    def _weigh(self, loss: float) -> None:
        """Validate, record and judge the epoch that has ended, by the weights that would be kept."""
        figure = self._validation()
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
        self._judge(figure)
        figures = {"loss": loss, "validation": figure, "best": self.history.best}
        known = {name: f"{value:.4f}" for name, value in figures.items() if value is not None}
        self.bar.set_postfix(known, refresh=False)
        if figure is not None:
            tell_watcher(self.epoch, figure)

    def _diverged(self, what: str) -> DivergenceError:
        return DivergenceError(
            f"{what} epoch {min(self.epoch + 1, self.trainer.epochs)}: choose a smaller learning rate than "
            f"{self.trainer.lr:g}, or more regularisation"
        )

    def _validation(self) -> float | None:
        if self.validate is None:
            return None
        self.model.eval()
        with torch.no_grad():
            figure = float(self.validate(self.model))
        self.model.train()
        return float(self.ranks.broadcast_(torch.tensor(figure, dtype=torch.float64)))  # all stop, or none

    def _judge(self, figure: float | None) -> None:
        """Remember the best epoch; note when patience has run out."""
        best = self.history.best
        if figure is None:
            self.history.best_epoch = self.epoch
        elif best is None or figure < best:
            self.history.best_epoch = self.epoch
            self.best = {name: value.detach().clone() for name, value in self.model.state_dict().items()}
        patience = self.trainer.patience
        if figure is not None and patience is not None and self.epoch - self.history.best_epoch >= patience:
            self.history.stopped_early = True

    # ------------------------------------------------------------ checkpoints

    def _keep(self, *, force: bool) -> None:
        """Write a checkpoint when one is due: asked for, or time has passed, or training has ended."""
        ended = self.epoch >= self.trainer.epochs or self.history.stopped_early
        due = time.monotonic() - self.written >= self.trainer.checkpoint_seconds
        if self.path is None or not self.ranks.is_first or not (force or ended or due):
            return
        write_checkpoint(self.path, self._fingerprint(), self._state())
        self.written = time.monotonic()

    def _where_it_stands(self) -> tuple[str, str | None]:
        t = self.trainer
        done = (
            f"{t.label} stopped by hand after {self.epoch} of {t.epochs} epochs and {self.step} of {self.steps} steps"
        )
        if self.path is None:
            return f"{done}; no checkpoint is kept of it: it has to be started again", None
        return f"{done}; the checkpoint {self.path} holds all of it: resume to go on from there", str(self.path)

    def _state(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(), "best": self.best, "optimizer": self.optimizer.state_dict(),
            "random": random_state(self.device), "epoch": self.epoch, "step": self.step, "order": self.order,
            "total_loss": self.total_loss, "history": asdict(self.history),
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
        self.total_loss = None if state["total_loss"] is None else state["total_loss"].to(self.device)
        self.best = state["best"] and {name: value.to(self.device) for name, value in state["best"].items()}
        self.history, self.seconds_before = History(**state["history"]), state["seconds"]

    def _fingerprint(self) -> dict[str, Any]:
        t = self.trainer
        settings = [t.epochs, t.optimizer, t.lr, t.schedule, t.decay, t.ema, t.patience, t.precision, t.seed]
        return {**t.tag, **fingerprint(settings, [self.batches.n_examples, self.batches.batch_size], self.model)}


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """bf16 matrix products on CUDA where asked for; else nothing.

    Raises:
        ParameterError: the precision is unknown, or bf16 was asked for elsewhere than on CUDA.
    """
    if precision not in PRECISIONS:
        raise ParameterError(f"precision {precision!r}: choose one of {', '.join(PRECISIONS)}")
    if precision == "float32":
        return nullcontext()
    if device.type != "cuda":
        raise ParameterError(f"precision 'bf16' is for CUDA, and training is on {device.type}: choose 'float32'")
    return torch.autocast("cuda", torch.bfloat16)
