"""Whoever wants to know how a training goes, epoch by epoch: a search that gives up what is not worth its time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Watcher = Callable[[int, float], None]
_watcher: ContextVar[Watcher | None] = ContextVar("recae.training.watcher", default=None)


@contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """Within (this thread), trainings with a validation part tell `watcher` their epoch, from 1, and its figure.

    What the watcher raises ends the training and comes out of `fit`. It is no argument of `fit`, so that every model
    that uses `Trainer` can be watched, and none has to hand it through.
    """
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)


def tell_watcher(epoch: int, figure: float) -> None:
    """The validation figure of an epoch, to whoever watches."""
    watcher = _watcher.get()
    if watcher is not None:
        watcher(epoch, figure)
