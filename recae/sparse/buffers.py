"""Large results in memory that was there already.

A training step makes two gradients as large as the weights and gives them back. Asked for anew each time, their
pages have to be mapped and cleared by the operating system, which takes longer than filling them. While training
runs, what is given back is kept and handed out again; when it ends, all of it is let go.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

_LARGE = 2**20  # bytes; less is quick to get
_KEPT = 4  # buffers of one size, at most
_free: dict[tuple[int, str], list[npt.NDArray[Any]]] = {}
_users = 0


def hold() -> None:
    """From now on, keep what is given back; once more for each `release` to come."""
    global _users
    _users += 1


def release() -> None:
    """Let go of everything kept, when nobody holds any more."""
    global _users
    _users -= 1
    if _users == 0:
        _free.clear()


@contextmanager
def held() -> Iterator[None]:
    """Within, keep what is given back."""
    hold()
    try:
        yield
    finally:
        release()


def large_empty(n_rows: int, k: int, dtype: torch.dtype) -> Tensor:
    """An uninitialised CPU tensor (n_rows, k), from a kept buffer where one fits and is not in use."""
    if not _users or n_rows * k * dtype.itemsize < _LARGE:
        return torch.empty((n_rows, k), dtype=dtype)
    kind = np.dtype(str(dtype).removeprefix("torch."))
    key = (n_rows * k, kind.str)
    kept = _free.get(key)
    buffer = kept.pop() if kept else np.empty(n_rows * k, kind)
    view = buffer[:]  # lives as long as the tensor and all that share its memory
    weakref.finalize(view, _give_back, key, buffer).atexit = False
    return torch.from_numpy(view).view(n_rows, k)


def _give_back(key: tuple[int, str], buffer: npt.NDArray[Any]) -> None:
    kept = _free.setdefault(key, []) if _users else []
    if len(kept) < _KEPT:
        kept.append(buffer)
