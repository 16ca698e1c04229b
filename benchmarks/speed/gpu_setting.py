"""Where and on what `benchmarks.gpu` measures: the device, the goals, times by the device's own clock."""

from __future__ import annotations

import contextlib
import functools
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from benchmarks.common.ratings import drawn
from benchmarks.common.timing import against_limits

Row = dict[str, Any]
Part = tuple[str, Callable[[], Iterator[Row]]]
SMALL = (300, 120, 6_000)
GUESSED = {"copy": 3.0e12, "float32": 5e13, "tf32": 4e14, "bf16": 8e14}  # of an H100, until they are measured
GOALS = {"spmm": 0.42e-3, "sddmm": 0.42e-3, "autorec": 0.15, "mult-vae": 0.35, "ease": 0.8, "to 0.831": 2.0,
         "lists": 0.5, "autorec, ml-1m": 2.5e-3}  # fmt: skip
shaped = functools.cache(drawn)


@dataclass
class Setting:
    """Where and on what to measure.

    Attributes:
        device: to measure on.
        small: tiny shapes, of which no goal is met.
        data: MovieLens-1M's ratings.dat, where there is one.
        rates: bytes and operations a second, by name.
    """

    device: torch.device
    small: bool
    data: Path | None
    rates: dict[str, float] = field(default_factory=lambda: dict(GUESSED))

    def card(self) -> str:
        return torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "a CPU"

    def ratings(self, shape: tuple[int, int, int]) -> Any:
        """Ratings drawn at that shape, or at a tiny one."""
        return shaped(*(SMALL if self.small else shape))

    def seconds(self, job: Callable[[], Any], runs: int = 15, warm_up: int = 3) -> float:
        """Median seconds of a run, by CUDA's events: those of the device, launches and what waits included."""
        for _ in range(warm_up):
            job()
        found = []
        for _ in range(3 if self.small else runs):
            found.append(self._timed(job))
        return statistics.median(found)

    def _timed(self, job: Callable[[], Any]) -> float:
        if self.device.type != "cuda":
            start = time.perf_counter()
            job()
            return time.perf_counter() - start
        start_event, end_event = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start_event.record()
        job()
        end_event.record()
        torch.cuda.synchronize(self.device)
        return float(start_event.elapsed_time(end_event)) / 1e3

    def row(
        self, what: str, seconds: float, *, flops: float = 0.0, moved: float = 0.0, kind: str = "float32",
        goal: str | None = None, reached: bool = True, **more: Any,
    ) -> Row:  # fmt: skip
        """A time beside the least that the device's rates allow, and beside the goal of that name."""
        found: Row = {"what": what, "seconds": seconds, **more}
        if flops or moved:
            found |= {"flops": flops, "moved_bytes": moved}
            found |= against_limits(seconds, {kind: flops / self.rates[kind], "copy": moved / self.rates["copy"]})
        if goal is not None:
            met = None if self.small else seconds <= GOALS[goal] and reached
            found |= {"goal": GOALS[goal], "met": met}
        return found


@contextlib.contextmanager
def matmul(precision: str) -> Iterator[None]:
    """Within, float32 products on CUDA are done so: "highest" (float32) or "high" (tf32)."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
