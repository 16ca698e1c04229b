"""Cases in forked child processes; one that dies or hangs is replaced, and the case that it was at is counted."""

from __future__ import annotations

import gc
import multiprocessing
import os
import random
import resource
import shutil
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from fuzz.family import family
from recae.errors import RecaeError

BYTES, SECONDS = 2 << 30, 30  # a child's memory beyond what it has at its start, and the time of one case
CASES_A_CHILD = 100  # after which it is replaced: what it keeps of earlier cases does not add up


@dataclass(frozen=True)
class Ending:
    """How a case ended, what was changed in it and what came of that, and the seconds that it took."""

    family: str
    case: int
    how: str
    what: str
    seconds: float


def ending(name: str, seed: int, case: int, base: Path, work: Path) -> tuple[str, str]:
    """How a case ends in this process, and a word about it."""
    changed = family(name).write(random.Random(f"{name}/{seed}/{case}"), base, work)
    try:
        found = list(family(name).read(work))
    except RecaeError as error:
        return "clean", f"{changed}: {error}"
    except MemoryError as error:
        return "memory", f"{changed}: {error}"
    except Exception as error:  # the class that this program counts
        return "foreign", f"{changed}: {type(error).__name__}: {error}; {_where(error)}"
    return ("wrong", f"{changed}: {'; '.join(found)}") if found else ("accepted", changed)


def _where(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    inside = [frame for frame in frames if f"{os.sep}recae{os.sep}" in frame.filename] or frames
    return f"{inside[-1].filename}:{inside[-1].lineno}"


def run(cases: Iterable[tuple[str, int]], seed: int, base: Path, children: int) -> Iterator[Ending]:
    """The ending of each case (family, number), in the order in which they end.

    `base` has what the families prepared, a folder each.
    """
    (base / "work").mkdir(exist_ok=True)
    waiting, pool = iter(cases), [_Child(seed, base) for _ in range(children)]
    busy = [child for child in pool if child.begin(next(waiting, None))]
    while busy:
        first = min(child.started for child in busy) + SECONDS - time.monotonic()
        wait([child.pipe for child in busy], max(0.0, first))
        for child in list(busy):
            found = child.result()
            if found is None:
                continue
            yield found
            if found.how in ("crash", "hang") or child.n_cases >= CASES_A_CHILD:
                child.replace()
            if not child.begin(next(waiting, None)):
                busy.remove(child)
    for child in pool:
        child.end()


class _Child:
    """A process that is given one case after another."""

    def __init__(self, seed: int, base: Path) -> None:
        self.seed, self.base = seed, base
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("fork")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, self.seed, self.base), daemon=True)
        self.process.start()
        theirs.close()
        self.n_cases, self.case = 0, ("", -1)

    def begin(self, case: tuple[str, int] | None) -> bool:
        if case is not None:
            self.case, self.started = case, time.monotonic()
            self.n_cases += 1
            self.pipe.send(case)
        return case is not None

    def result(self) -> Ending | None:
        """How the case that it is at ended; None while it goes on."""
        seconds = time.monotonic() - self.started
        if self.pipe.poll():
            try:
                return Ending(*self.case, *self.pipe.recv(), seconds)
            except EOFError:
                self.process.join()
                return Ending(*self.case, "crash", f"exit code {self.process.exitcode}", seconds)
        return Ending(*self.case, "hang", f"no end after {SECONDS} seconds", seconds) if seconds > SECONDS else None

    def end(self) -> None:
        self.pipe.close()
        self.process.kill()
        self.process.join()

    def replace(self) -> None:
        self.end()
        self._start()


def _serve(pipe: Connection, seed: int, base: Path) -> None:
    warnings.simplefilter("ignore")
    gc.collect()
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + BYTES, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while True:
        try:
            name, case = pipe.recv()
        except EOFError:
            return
        work = Path(tempfile.mkdtemp(dir=base / "work"))
        try:
            answer: Any = ending(name, seed, case, base / name, work)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        pipe.send((answer[0], answer[1][:600]))
