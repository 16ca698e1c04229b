"""What several test modules share."""

from __future__ import annotations

import gc
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from property_examples import THOROUGH

# What a push is tested with is the same every time. Examples that nobody has seen are looked for by `make properties`.
settings.register_profile("the-same", derandomize=True, deadline=None)  # no test measures time
settings.register_profile("thorough", max_examples=THOROUGH, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "the-same"))


# nohup ignores SIGHUP, and a shell that starts a command with & ignores SIGINT; processes of the tests inherit that.
for name, usual in (("SIGHUP", signal.SIG_DFL), ("SIGINT", signal.default_int_handler)):
    number = getattr(signal, name, None)
    if number is not None and signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, usual)


# Files that take longest, longest first: begun first, so that no process is left with one of them at the end.
LONG = (
    "documents", "models", "models_ratings", "models_new", "model_files", "empty_rows", "recommend_row", "no_leak",
    "distributed", "demos", "site", "concurrency", "any_scale", "cli_interrupt", "pretended_cuda", "mutated_files",
    "cli_console", "resume", "session_rnn", "sparse_cuda", "cli_tune", "fuzz", "variants", "bench_gpu", "recipe",
    "memory", "shop", "all_lists",
)  # fmt: skip


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are cores: some tests wait for other processes, for a server or for a signal."""
    ours = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return ours + 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `--dist loadfile`, files that ask all models stay together, too."""
    from together import TogetherScheduling

    return TogetherScheduling(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first; within a file and among the others the order stays (`--no-loadscope-reorder`)."""
    place = {f"test_{name}.py": order for order, name in enumerate(LONG)}
    items.sort(key=lambda item: place.get(item.path.name, len(LONG)))


def pytest_collection_finish() -> None:
    """What is imported by now stays: the collector need not walk a million objects again with every full collection.

    `recae.compare` begins each fit with one, which costs more than many a fit of these tests.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data sets; tests that use it are skipped, visibly, where there is none."""
    folder = os.environ.get("RECAE_DATA_DIR")
    if not folder or not Path(folder).is_dir():
        pytest.skip("RECAE_DATA_DIR is not set to a folder of real data sets")
    return Path(folder)
