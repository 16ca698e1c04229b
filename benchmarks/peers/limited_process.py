"""One row of the table: a task, done by one package in a process of its own, within limits."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.peers.environments import SCRIPTS, last_line, python_of

THREADS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "NUMEXPR_NUM_THREADS",
)  # fmt: skip


@dataclass(frozen=True)
class Limits:
    """What each process may use.

    Attributes:
        threads: cores that it is bound to, and threads that its libraries may use.
        seconds: until it is stopped.
    """

    threads: int
    seconds: float


def run(
    peer: str, task: str, method: str, data: Path, cache: Path, limits: Limits
) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """Run a peer's script: its figures (or the `reason` why there are none), and its arrays by name."""
    python = python_of(peer, cache)
    if python is None:
        return {"reason": "not installed"}, {}
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        out = Path(folder)
        command = [str(python), str(SCRIPTS / f"with_{peer}.py"), task, method, str(data), str(out)]
        reason = _stopped(command, out, limits)
        if reason:
            return {"reason": reason}, {}
        figures: dict[str, Any] = json.loads((out / "figures.json").read_text())
        return figures, {path.stem: np.load(path) for path in out.glob("*.npy")}


def _stopped(command: list[str], out: Path, limits: Limits) -> str:
    """Run it; why it did not come to its end, or nothing. It writes its logs where it runs, which is `out`."""
    environment = {**os.environ, **dict.fromkeys(THREADS, str(limits.threads)), "PYTHONHASHSEED": "0"}
    with (out / "stderr.txt").open("w+") as errors:
        child = subprocess.Popen(
            _bound(command, limits.threads), cwd=out, env=environment, stdout=subprocess.DEVNULL, stderr=errors,
            start_new_session=True,
        )  # fmt: skip
        try:
            code = child.wait(limits.seconds)
        except subprocess.TimeoutExpired:
            return f"stopped after {limits.seconds:g} s"
        finally:
            _end(child)
        errors.seek(0)
        said = last_line(errors.read())
    if code < 0:
        return f"ended by signal {-code} ({signal.Signals(-code).name})"
    return (said or f"exit code {code}") if code else ""


def _end(child: subprocess.Popen[bytes]) -> None:
    """Also what it has started: it leads a group of its own."""
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _bound(command: list[str], threads: int) -> list[str]:
    """The command on `threads` of the cores there are, by `taskset` where there is one (Linux)."""
    if not hasattr(os, "sched_getaffinity"):
        return command
    cores = sorted(os.sched_getaffinity(0))[:threads]
    return ["taskset", "-c", ",".join(map(str, cores)), *command]
