"""How much memory a fit takes."""

from __future__ import annotations

import contextlib
import ctypes
import gc
from pathlib import Path


class MemoryGrowth:
    """By how much the process grows from here to its peak, in MB; Linux only (/proc, whose peak can be reset)."""

    def __init__(self) -> None:
        gc.collect()
        _trim_heap()
        try:
            Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
            self.before: int | None = _kilobytes("VmRSS")
        except OSError:
            self.before = None

    def peak_mb(self) -> float | None:
        return None if self.before is None else max(0, _kilobytes("VmHWM") - self.before) / 1024


def _trim_heap() -> None:
    """Give memory that the process holds and does not use back to the system, where the C library can (glibc).

    Else a fit that uses such memory would not seem to grow.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):  # TypeError: Windows has no library `None`
        ctypes.CDLL(None).malloc_trim(0)


def _kilobytes(field: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field + ":"))
