"""The reference operation, and the comparison with what is stored."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import pytest
import torch

from benchmarks.common.record import machine
from benchmarks.suite import ratios
from recae.sparse.resources import kernel_threads

ROUNDS = 15
found: dict[str, float] = {}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--store", action="store_true", help="Make what is measured the stored baseline.")


@pytest.fixture(scope="session")
def reference() -> Callable[[], float]:
    """Runs a dense float32 product on one thread, and says how many seconds it took."""
    a, b = torch.randn(640, 640), torch.randn(640, 640)

    def run() -> float:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        start = time.perf_counter()
        a @ b
        seconds = time.perf_counter() - start
        torch.set_num_threads(threads)
        return seconds

    return run


@pytest.fixture
def held_to_baseline(
    benchmark: Any, reference: Callable[[], float], request: pytest.FixtureRequest
) -> Callable[..., None]:
    """Times an operation, in turn with the reference, and fails where it is slower than stored."""

    def check(name: str, work: Callable[[], Any], *, kernels: bool = True) -> None:
        references: list[float] = []
        with kernel_threads(kernels), torch.no_grad():
            benchmark.pedantic(work, setup=lambda: references.append(reference()), rounds=ROUNDS, warmup_rounds=2)
        found[name] = benchmark.stats.stats.min / min(references)
        benchmark.extra_info["ratio"] = found[name]
        if not request.config.getoption("--store"):
            baseline, threads, here = ratios.stored(), torch.get_num_threads(), machine()
            wrong = ratios.slower(name, found[name], baseline, ratios.tolerance(baseline, here, threads))
            assert not wrong, wrong + ratios.crowded(os.getloadavg()[0], here["cores"])

    return check


def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.config.getoption("--store") and found:
        ratios.store(found, torch.get_num_threads())


def pytest_terminal_summary(terminalreporter: Any) -> None:
    baseline = ratios.stored()["ratios"]
    for name, ratio in sorted(found.items()):
        before = f"{baseline[name]:.3g}" if name in baseline else "nothing"
        terminalreporter.write_line(f"{name:<28} {ratio:8.3g} times the reference product, {before} stored")
