"""Reports of a training: the history of its epochs, a progress bar, and callbacks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from recae.notebook import html_table

_RECORD = ("epoch", "loss", "validation", "lr", "seconds")
# Without the steps a second: with the loss and the validation figure, the line fits a terminal of 80 columns.
_BAR = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]"
_told: ContextVar[tuple[Callback, ...]] = ContextVar("recae.training.callbacks", default=())
_trial: ContextVar[bool] = ContextVar("recae.training.trial", default=False)


@dataclass
class History:
    """One record an epoch: `epoch` (from 1), `loss`, `validation` (None without one), `lr`, `seconds`.

    Attributes:
        records: the epochs, oldest first.
        best_epoch: the epoch whose weights were kept (the last one without validation).
        stopped_early: patience ran out before the epochs did, or a callback asked to stop.
    """

    records: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = 0
    stopped_early: bool = False

    @property
    def seconds(self) -> float:
        """Time of the whole training, with validation, in seconds."""
        return float(sum(r["seconds"] for r in self.records))

    @property
    def best(self) -> float | None:
        """The validation figure of the kept weights; None without validation."""
        return next((r["validation"] for r in self.records if r["epoch"] == self.best_epoch), None)

    def frame(self) -> pd.DataFrame:
        """The records as a frame, one row an epoch."""
        return pd.DataFrame(self.records, columns=list(_RECORD))

    def __len__(self) -> int:
        return len(self.records)

    def _repr_html_(self) -> str:
        rows = [tuple(record.get(name) for name in _RECORD) for record in self.records]
        kept = f"epoch {self.best_epoch} is kept" + ("; stopped early" if self.stopped_early else "")
        return html_table(f"{len(self)} epochs, {self.seconds:.1f} s", rows, _RECORD, [kept])


class Callback:
    """Is told of trainings by `fit(..., callbacks=[...])` or `Trainer(callbacks=...)`; a subclass writes what it needs.

    A model that trains several networks tells of each, one after another; `trainer.label` says which. Of several
    processes that train together, the first one tells. An exception ends the training and leaves `fit`.
    """

    def on_fit_start(self, trainer: Any) -> None:
        """Before the first epoch. `trainer`: the `Trainer`, whose attributes are its settings."""

    def on_epoch_end(self, record: dict[str, Any]) -> bool | None:
        """After each epoch and its validation. `record`: as in `History.records`. True ends the training here."""

    def on_fit_end(self, history: History) -> None:
        """After the last epoch, where nothing was raised."""


class NoBar:
    """A progress bar that shows nothing, for a machine without tqdm."""

    total = 0

    def update(self, n: int) -> None: ...

    def set_postfix(self, figures: dict[str, str], refresh: bool) -> None: ...

    def close(self) -> None: ...


def progress_bar(total: int, *, done: int = 0, show: bool | None = None, label: str = "training") -> Any:
    """A bar over the steps of a training, on stderr or in a notebook.

    Args:
        total: steps in all.
        done: steps done before (after resuming).
        show: True, False, or None for "where stderr is a terminal".
        label: what stands before the bar.
    """
    try:
        from tqdm.auto import tqdm
    except ImportError:  # a bare GPU machine has no tqdm
        return NoBar()
    hide = None if show is None else not show
    return tqdm(total=total, initial=done, desc=label, mininterval=0.2, disable=hide, bar_format=_BAR)


@contextmanager
def telling(*callbacks: Callback, trial: bool = False) -> Iterator[None]:
    """Within (this thread), every training tells `callbacks`, too: no model has to pass them on to its trainers.

    With `trial`, models fitted within are trials of a search (`is_trial`).
    """
    tokens = _told.set((*_told.get(), *callbacks)), _trial.set(trial or _trial.get())
    try:
        yield
    finally:
        _told.reset(tokens[0])
        _trial.reset(tokens[1])


def is_trial() -> bool:
    """Whether models of this thread are trials of a search, not models to be used."""
    return _trial.get()


def all_callbacks(own: Iterable[Callback]) -> tuple[Callback, ...]:
    """A trainer's own callbacks and those of `telling`."""
    return (*own, *_told.get())
