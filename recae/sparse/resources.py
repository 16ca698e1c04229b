"""What the kernels need while they work: the cores, and memory for large results.

PyTorch and numba each keep threads that wait actively for work, and together they slow each other down (a training
step: 25 ms by itself, 180 ms together on two cores). Where the kernels do the work, PyTorch's own operations are better
run on one thread.

A training step makes two gradients as large as the weights and returns them. Each time they are allocated anew, the
operating system maps and clears their pages, which takes longer than filling them. So while training runs, returned
buffers are kept and used again; when it ends, all of them are freed.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

_LARGE = 2**20  # bytes; smaller buffers are allocated quickly
_MOST_OF_A_SIZE = 4  # free buffers of one size
_free: dict[tuple[int, str], list[npt.NDArray[Any]]] = {}
_reusing: set[object] = set()  # one token for each `reuse_buffers` in progress

_lock = threading.RLock()
_working: set[object] = set()  # one token for each thread within `kernel_threads`
_torch_threads = 1  # PyTorch's threads before the first of them entered


class _Here(threading.local):
    within = False  # this thread is within `kernel_threads`


_here = _Here()


@functools.cache
def triton_is_here() -> bool:
    """Whether CUDA kernels can be compiled: PyTorch's builds for CUDA on Linux bring Triton, others do not."""
    return importlib.util.find_spec("triton") is not None


@contextmanager
def kernel_threads(active: bool = True) -> Iterator[None]:
    """Within, PyTorch's own CPU operations run on one thread, the kernels use all cores, and buffers are reused.

    Several threads may be within at the same time; afterwards each has as many of PyTorch's threads as the first of
    them had before. `active=False` changes nothing.
    """
    if not active or _here.within:
        yield
        return
    token = _take_cores()
    try:
        with reuse_buffers():
            yield
    finally:
        _return_cores(token)


def _take_cores() -> object:
    global _torch_threads
    token = object()
    with _lock:
        found = torch.get_num_threads()  # asked of every thread: the first question is what makes its number its own
        if not _working:  # a later thread may find the 1 that the first has set
            _torch_threads = found
        _working.add(token)
        torch.set_num_threads(1)
    _here.within = True
    return token


def _return_cores(token: object) -> None:
    _here.within = False
    with _lock:
        torch.set_num_threads(_torch_threads)
        _working.discard(token)


def _after_fork() -> None:
    """In a forked process: no thread is within, and PyTorch runs on one thread, because with more it waits for ever for
    those of its parent."""
    global _lock, _torch_threads
    _lock = threading.RLock()
    _working.clear()
    _reusing.clear()
    _torch_threads, _here.within = 1, False
    torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_after_fork)


@contextmanager
def reuse_buffers() -> Iterator[None]:
    """Within, returned buffers are kept and used again (`large_empty`)."""
    token = object()
    _reusing.add(token)
    try:
        yield
    finally:
        _reusing.discard(token)
        if not _reusing:
            _free.clear()


def large_empty(n_rows: int, k: int, dtype: torch.dtype) -> Tensor:
    """An uninitialised CPU tensor (n_rows, k), in a free buffer where there is one of its size."""
    if not _reusing or n_rows * k * dtype.itemsize < _LARGE:
        return torch.empty((n_rows, k), dtype=dtype)
    kind = np.dtype(str(dtype).removeprefix("torch."))
    key = (n_rows * k, kind.str)
    try:
        buffer = _free[key].pop()
    except (KeyError, IndexError):
        buffer = np.empty(n_rows * k, kind)
    view = buffer[:]  # lives as long as the tensor and all that share its memory
    weakref.finalize(view, _return_buffer, key, buffer).atexit = False
    return torch.from_numpy(view).view(n_rows, k)


def _return_buffer(key: tuple[int, str], buffer: npt.NDArray[Any]) -> None:
    kept = _free.setdefault(key, []) if _reusing else []
    if len(kept) < _MOST_OF_A_SIZE:
        kept.append(buffer)
