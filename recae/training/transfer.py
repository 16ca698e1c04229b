"""Rows that a GPU has no room for: they stay in memory, and each batch goes over while the one before is worked on."""

from __future__ import annotations

import functools

import torch

from recae.sparse import SparseRows


def has_room(n_bytes: int, device: torch.device) -> bool:
    """Whether rows of so many bytes are to live on `device` in training, of whose free memory the rest needs half."""
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return 2 * n_bytes <= free


def size_of(rows: SparseRows) -> int:
    """Bytes of the rows' arrays."""
    return sum(array.nbytes for array in (rows.indptr, rows.indices, rows.values))


def handed_over(rows: SparseRows, device: torch.device) -> SparseRows:
    """`rows` on `device`, there when this returns.

    To a GPU they go through pinned memory and on a stream of their own, beside the kernels of the step that is being
    worked on, if this is called on another thread than that step's (`recae.training.prefetch`).
    """
    if device.type != "cuda":
        return rows.to(device)
    stream = _stream(device)
    with torch.cuda.stream(stream):
        arrays = [
            array.pin_memory().to(device, non_blocking=True) for array in (rows.indptr, rows.indices, rows.values)
        ]
    stream.synchronize()
    for array in arrays:  # its memory is not given to others on this stream before the step is done with it
        array.record_stream(torch.cuda.default_stream(device))
    return SparseRows(arrays[0], arrays[1], arrays[2], rows.n_cols, _host_indptr=rows.indptr)


@functools.cache
def _stream(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
