"""Who has the cores: numba's kernels or PyTorch's own operations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from recae.sparse import buffers


@contextmanager
def kernel_threads(active: bool = True) -> Iterator[None]:
    """Within, PyTorch's own CPU operations run on one thread, and the sparse kernels have all of them.

    Each library keeps threads that wait actively for work; together they slow each other down (a training
    step: 25 ms alone, 180 ms together on two cores). Where the kernels do the work, this is the better half.
    """
    if not active:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    buffers.hold()
    try:
        yield
    finally:
        buffers.release()
        torch.set_num_threads(before)
