"""The command line under torchrun, which starts several processes: `train` shares its work among them, and only the
first process (rank 0) prints."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

from recae.distributed.launch import launch
from recae.errors import ParameterError

SHARED = ("train",)  # the commands whose work several processes share


@contextlib.contextmanager
def only_first_prints() -> Iterator[None]:
    """Inside, a process that is not the first prints nothing."""
    if launch().is_first:
        yield
        return
    with (
        open(os.devnull, "w", encoding="utf-8") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        yield


def report_from_other_rank(text: str) -> None:
    """Print an unexpected error of a process that is not the first on the real stderr, with its rank."""
    here = launch()
    if not here.is_first and sys.__stderr__ is not None:
        print(f"process {here.rank} of {here.size}: {text}", file=sys.__stderr__, flush=True)


def refuse_unshared(command: str | None) -> None:
    """Under torchrun, refuse a command that each process would run as a whole.

    Raises:
        ParameterError: the command is one of them.
    """
    n = launch().size
    if n > 1 and command is not None and command not in SHARED:
        raise ParameterError(
            f"torchrun started {n} processes, and only '{SHARED[0]}' can share its work among them",
            remedy=f"start '{command}' without torchrun",
        )
