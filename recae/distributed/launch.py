"""Which of several processes this is, by the variables that torchrun sets; free of torch, so that asking costs nothing.

`recae.distributed.ranks` is what the processes say to each other.
"""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Launch:
    """This process among those that were started together; by default it is the only one.

    Attributes:
        rank: its number among all, from 0.
        size: how many there are.
        local_rank, local_size: the same among those of this machine.
        restarts: how often torchrun has started all of them again.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1
    restarts: int = 0

    @property
    def is_first(self) -> bool:
        """Whether this is the process that prints and writes."""
        return self.rank == 0


def launch() -> Launch:
    """This process, by its environment: RANK, WORLD_SIZE and MASTER_ADDR, as torchrun and its like set them."""
    if not {"RANK", "WORLD_SIZE", "MASTER_ADDR"} <= os.environ.keys() or _number("WORLD_SIZE", 1) < 2:
        return Launch()
    size = _number("WORLD_SIZE", 1)
    return Launch(
        _number("RANK", 0), size, _number("LOCAL_RANK", 0), _number("LOCAL_WORLD_SIZE", 1),
        _number("TORCHELASTIC_RESTART_COUNT", 0),
    )  # fmt: skip


def threads_each(local_size: int) -> int:
    """Threads for each of `local_size` processes of this machine: what was asked for, or an even share of the cores.

    NUMBA_NUM_THREADS is what was asked for, or else OMP_NUM_THREADS; but torchrun sets the latter to 1 where nobody
    has, so 1 does not count as a wish.
    """
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS"):
        wanted = _number(name, 0)
        if wanted > 1 or (wanted == 1 and name == "NUMBA_NUM_THREADS"):
            return wanted
    return max(1, _cores() // local_size)


def _cores() -> int:
    """Cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        return os.cpu_count() or 1


def _number(name: str, default: int) -> int:
    value = os.environ.get(name, "")
    return int(value) if value.isdecimal() else default
