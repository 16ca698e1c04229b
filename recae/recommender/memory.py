"""How much memory there is, asked before much of it is taken."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from recae.errors import ParameterError, Phrase, Remedy
from recae.recommender.base import Recommender
from recae.recommender.params import hyperparameters, param

GIB = 2**30


@hyperparameters
class MemoryLimited(Recommender):
    """Base of models that keep a matrix of items by items."""

    memory_limit: float | None = param(None, "GiB that the item-item matrix may take; none for what is free", low=0)


_CGROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current")


def refuse_too_large(name: str, n_items: int, needed: int, device: torch.device, limit: float | None) -> None:
    """Refuse an item-item matrix that does not fit, before anything is allocated.

    Args:
        name: of the model.
        needed: bytes.
        limit: GiB that may be taken; None for what is free on `device`.

    Raises:
        ParameterError: it does not fit; the message names models that do.
    """
    free = limit * GIB if limit is not None else available_bytes(device)
    if free is None or needed <= free:
        return
    where = "allowed by memory_limit" if limit is not None else f"free on {device}"
    raise ParameterError(
        f"{name} needs about {needed / GIB:.1f} GiB for the {n_items:,} x {n_items:,} matrix of items, and "
        f"{free / GIB:.1f} GiB are {where}",
        remedy=(
            "use sparse-ease or elsa, which are made for large catalogues",
            Remedy("drop rare items with {filter}", filter=Phrase("ratings.filter(min_item=...)")),
        ),
    )


def available_bytes(device: torch.device) -> int | None:
    """Bytes free on `device`; None where the system does not say."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    found = [size for size in (_of_system(), _of_container()) if size is not None]
    return min(found) if found else None


def _of_system() -> int | None:
    """What the kernel would hand out, with caches given up (Linux); else free pages, where they are told."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return None


def _of_container() -> int | None:
    """What is left of a container's limit."""
    try:
        most, used = (Path(file).read_text(encoding="utf-8").strip() for file in _CGROUPS)
        return None if most == "max" else max(0, int(most) - int(used))
    except (OSError, ValueError):
        return None
