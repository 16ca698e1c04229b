"""Reports of a training: the history of its epochs, a progress bar, and a callback after each epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from recae.notebook import html_table

_RECORD = ("epoch", "loss", "validation", "lr", "seconds")
Watcher = Callable[[int, float], None]
# Without the steps a second: with the loss and the validation figure, the line fits a terminal of 80 columns.
_BAR = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]"
_watcher: ContextVar[Watcher | None] = ContextVar("recae.training.watcher", default=None)


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


class NoBar:
    """A progress bar that shows nothing, for a machine without tqdm."""

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
def watched(watcher: Watcher) -> Iterator[None]:
    """Within (this thread), trainings with a validation part call `watcher` with each epoch, from 1, and its figure.

    An exception of the watcher ends the training and leaves `fit`. The watcher is not an argument of `fit`, so every
    model that uses `Trainer` can be watched, and no model has to pass it on.
    """
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)


def is_watched() -> bool:
    """Whether trainings of this thread are watched: they are trials of a search, not models to be used."""
    return _watcher.get() is not None


def tell_watcher(epoch: int, figure: float) -> None:
    """Call the watcher, if there is one, with an epoch and its validation figure."""
    watcher = _watcher.get()
    if watcher is not None:
        watcher(epoch, figure)
