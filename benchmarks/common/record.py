"""One way to write a result: the figures, with commit, machine and versions."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import resource
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.common.paths import RESULTS, ROOT

PACKAGES = ("torch", "numpy", "scipy", "pandas", "numba", "pyarrow", "scikit-learn", "implicit")


def write(name: str, payload: dict[str, Any]) -> Path:
    """Write `payload` and its context to `results/<name>.json`; the figures stand at the top level."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({**context(), **payload}, indent=2) + "\n")
    return path


def read(name: str, default: dict[str, Any] | None = None) -> dict[str, Any]:
    """The content of `results/<name>.json`, or `default` where there is no such file.

    Raises:
        FileNotFoundError: there is no such file, and no default.
    """
    path = RESULTS / f"{name}.json"
    if default is not None and not path.exists():
        return default
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def context() -> dict[str, Any]:
    """When, with which commit, on what machine, with which versions."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"), "commit": commit(), "machine": machine(),
        "versions": {"python": platform.python_version(), **versions()},
    }  # fmt: skip


def versions() -> dict[str, str]:
    """Versions of what is installed of `PACKAGES`."""
    found = {}
    for name in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def commit() -> str:
    """The commit measured, with a + where the tracked files differ from it; "unknown" outside a checkout."""
    try:
        changed = _git("status", "--porcelain", "--untracked-files=no", "--", "recae", "benchmarks/*.py")
        return _git("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine() -> dict[str, Any]:
    """Processor, cores and memory; the GPU where there is one. Nothing that names the host."""
    import torch

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    found: dict[str, Any] = {"processor": _processor(), "cores": os.cpu_count(), "memory_gib": round(memory, 1)}
    if torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name()
    return found


def peak_mb() -> float:
    """Peak memory of this process in MB, libraries included. (`getrusage` also counts what its parent had.)"""
    try:
        status = Path("/proc/self/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout.strip()
