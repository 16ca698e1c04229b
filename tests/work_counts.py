"""Counting work instead of seconds: kernel calls, function calls, bytes. What `test_work.py` measures by."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from torch.profiler import ProfilerActivity, profile

import recae
from recae.jit import Kernel
from recae.ratings import RatingMatrix

PACKAGE = str(Path(recae.__file__).parent)
Work = dict[str, int]


def long_tailed(n_users: int, n_items: int, a_user: int, seed: int = 0) -> RatingMatrix:
    """Generated ratings, exactly `a_user` of each user, popular items more often; every item has one at least."""
    rng = np.random.default_rng(seed)
    share = 1 / (1 + np.arange(n_items))
    keys = np.log(share) + rng.gumbel(size=(n_users, n_items))  # the highest are draws without replacement
    items = np.argpartition(-keys, a_user, axis=1)[:, :a_user]
    items[np.arange(n_items) % n_users, 0] = np.arange(n_items)  # (a user may lose a draw to it)
    pairs = np.unique(np.repeat(np.arange(n_users), a_user) * n_items + items.ravel())
    users, items = pairs // n_items, pairs % n_items
    return RatingMatrix.from_columns(users, items, rng.integers(1, 6, len(users)).astype(np.float32), scale=(1, 5))


@contextmanager
def kernel_calls() -> Iterator[Counter[str]]:
    """How often each numba kernel is called from Python within, by its name."""
    found: Counter[str] = Counter()
    call = Kernel.__call__

    def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
        found[self.__name__.lstrip("_")] += 1
        return call(self, *args, **kwargs)

    Kernel.__call__ = counted
    try:
        yield found
    finally:
        Kernel.__call__ = call


@contextmanager
def function_calls() -> Iterator[Counter[str]]:
    """Calls within of `recae`'s functions, and of all functions, built-in ones included."""
    found: Counter[str] = Counter()

    def notice(frame: Any, event: str, _: Any) -> None:
        if event in ("call", "c_call"):
            found["all"] += 1
            found["recae"] += event == "call" and frame.f_code.co_filename.startswith(PACKAGE)

    gc.collect()
    gc.disable()  # collections call finalisers whenever they come
    before = sys.getprofile()
    sys.setprofile(notice)
    try:
        yield found
    finally:
        sys.setprofile(before)
        gc.enable()


@contextmanager
def memory() -> Iterator[Counter[str]]:
    """Bytes within: all that PyTorch allocated on the CPU, its largest piece, and the highest stand of NumPy's."""
    found: Counter[str] = Counter()
    tracemalloc.start()
    try:
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as watched:
            yield found
        found["numpy peak"] = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    events = watched.profiler.kineto_results.events()
    pieces = [event.nbytes() for event in events if event.name() == "[memory]" and event.nbytes() > 0]
    found["torch total"], found["torch largest"] = sum(pieces), max(pieces, default=0)


def measured(work: Callable[[], Any]) -> Work:
    """All of it for one piece of work, each in a run of its own after one that compiles."""
    work()
    with kernel_calls() as kernels:
        work()
    with function_calls() as functions:
        work()
    with memory() as taken:
        work()
    return {
        **{f"calls of kernel {name}": count for name, count in kernels.items()},
        **{f"calls of functions, {name}": count for name, count in functions.items()},
        **{f"bytes, {name}": count for name, count in taken.items()},
    }


def less(many: Work, few: Work) -> Work:
    """What `many` is above `few`: what one epoch costs, of fits with one more; peaks stay as they are."""
    total = {key: value for key, value in many.items() if key.endswith(("largest", "peak"))}
    return {key: value - few.get(key, 0) for key, value in many.items() if value != few.get(key)} | total


def grown(found: Work, stored: Mapping[str, int], slack: float = 0.0) -> list[str]:
    """What is more than is stored, and what is counted in `found` but not stored (kernels only), in words."""
    kernels = {key: 0 for key in found if "kernel" in key}
    limits = {**kernels, **stored}
    return [
        f"{key}: {found.get(key, 0):,}, where {limit:,} is stored"
        for key, limit in limits.items()
        if found.get(key, 0) > limit * (1 + slack)
    ]
