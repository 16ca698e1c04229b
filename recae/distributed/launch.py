"""Which of several processes this is, by the variables that torchrun sets; it does not import torch.

`recae.distributed.ranks` is how the processes communicate.
"""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Launch:
    """This process among those that started together; by default it is the only one.

    Attributes:
        rank: its index among all processes, from 0.
        size: how many there are.
        local_rank, local_size: the same among the processes of this machine.
        restarts: how often torchrun has restarted all of them.
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
    """Threads for each of `local_size` processes of this machine: by the environment, or an even share of the cores.

    NUMBA_NUM_THREADS comes first, then OMP_NUM_THREADS above 1: torchrun sets the latter to 1 if it is not set.
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
