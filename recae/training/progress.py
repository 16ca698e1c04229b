"""A progress bar with loss, validation figure and time left, on stderr."""

from __future__ import annotations

import sys
from typing import Any


class Progress:
    """Counts steps of the whole training.

    Args:
        total: steps in all.
        done: steps done before (after resuming).
        show: True, False, or None for "where stderr is a terminal".
        label: what stands before the bar.
    """

    def __init__(self, total: int, *, done: int = 0, show: bool | None = None, label: str = "training") -> None:
        self._bar: Any = None
        self._notes: dict[str, str] = {}
        if show is None:
            show = sys.stderr.isatty()
        if show:
            from tqdm import tqdm

            self._bar = tqdm(
                total=total, initial=done, desc=label, unit="step", leave=True, file=sys.stderr, mininterval=0.2
            )

    def step(self) -> None:
        """One step more."""
        if self._bar is not None:
            self._bar.update(1)

    def note(self, **figures: float | None) -> None:
        """Figures shown behind the bar; None leaves the last one standing."""
        if self._bar is not None:
            self._notes.update({name: f"{value:.4f}" for name, value in figures.items() if value is not None})
            self._bar.set_postfix(self._notes, refresh=False)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
