"""Learning-rate schedules: pure functions from progress (0 to 1) to a factor, so that resuming needs no state."""

from __future__ import annotations

import math
from collections.abc import Callable

from recae.errors import ParameterError


def constant(progress: float) -> float:
    """The same rate throughout."""
    return 1.0


def cosine(progress: float) -> float:
    """Half a cosine from 1 to 0 (Loshchilov and Hutter, 2017, without restarts)."""
    return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def linear(progress: float) -> float:
    """A straight line from 1 to 0."""
    return max(0.0, 1.0 - progress)


def one_cycle(progress: float) -> float:
    """Up from 0.04 to 1 over the first 30 %, then down to 0, both along cosines (Smith and Topin, 2018)."""
    if progress < 0.3:
        return 0.04 + 0.96 * 0.5 * (1 - math.cos(math.pi * progress / 0.3))
    return cosine((progress - 0.3) / 0.7)


def halving(progress: float) -> float:
    """Halved after 24, 36, 48, 66 and 72 of 102 parts (Kuchaiev and Ginsburg, 2017: DeepRec's 102 epochs)."""
    return 0.5 ** sum(progress >= epoch / 102 for epoch in (24, 36, 48, 66, 72))


SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": constant, "cosine": cosine, "linear": linear, "one-cycle": one_cycle, "halving": halving,
}  # fmt: skip


def schedule(name: str) -> Callable[[float], float]:
    """The schedule called `name`.

    Raises:
        ParameterError: there is none of that name.
    """
    if name not in SCHEDULES:
        raise ParameterError(f"schedule {name!r}: choose one of {', '.join(SCHEDULES)}")
    return SCHEDULES[name]
