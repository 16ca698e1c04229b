"""Ctrl-C between steps, not within one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interruption:
    """Whether somebody asked to stop.

    Args:
        echoed: one Ctrl-C arrives several times: from the terminal, and from torchrun, which passes it on.
    """

    def __init__(self, *, echoed: bool = False) -> None:
        self.wanted, self.echoed = False, echoed

    def ask(self, number: int, frame: FrameType | None) -> None:
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
