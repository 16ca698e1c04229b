"""Seconds of repeated work, and the bound that explains them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import torch

Result = TypeVar("Result")


def synchronize(device: torch.device | None) -> None:
    """Wait until a CUDA device has finished; nothing on a CPU."""
    if device is not None and device.type == "cuda":
        torch.cuda.synchronize(device)


def timed(work: Callable[[], Result], device: torch.device | None = None) -> tuple[float, Result]:
    """Seconds of one run, and its result."""
    start = time.perf_counter()
    result = work()
    synchronize(device)
    return time.perf_counter() - start, result


def seconds_of(
    work: Callable[[], Any], runs: int = 9, *, warm_up: int = 2, device: torch.device | None = None
) -> list[float]:
    """Seconds of each of `runs` runs, after `warm_up` runs that compile and fill caches and do not count."""
    for _ in range(warm_up):
        work()
    synchronize(device)
    return [timed(work, device)[0] for _ in range(runs)]


def against_limits(seconds: float, limits: dict[str, float]) -> dict[str, Any]:
    """The largest of the limits, which is the least time that the work can take, and the share of it that is reached.

    Args:
        seconds: measured.
        limits: name of a ceiling to the seconds that it asks for at least.
    """
    bound = max(limits, key=lambda name: limits[name])
    return {"limit_seconds": limits[bound], "bound_by": bound, "fraction": limits[bound] / seconds}
