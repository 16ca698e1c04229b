"""The command line under torchrun: several processes run one command, and the first one speaks for all."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

from recae.distributed.launch import launch
from recae.errors import ParameterError

TOGETHER = ("train",)  # the commands whose work is shared


@contextlib.contextmanager
def first_speaks() -> Iterator[None]:
    """Within, what another process than the first says goes nowhere."""
    if launch().is_first:
        yield
        return
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        yield


def complain(text: str) -> None:
    """What went wrong in another process than the first, where nobody expected it: this has to be heard."""
    here = launch()
    if not here.is_first and sys.__stderr__ is not None:
        print(f"process {here.rank} of {here.size}: {text}", file=sys.__stderr__, flush=True)


def refuse_alone(command: str | None) -> None:
    """Under torchrun, refuse a command that every process would do by itself.

    Raises:
        ParameterError: it is one.
    """
    n = launch().size
    if n > 1 and command is not None and command not in TOGETHER:
        raise ParameterError(
            f"torchrun started {n} processes, and '{command}' is done by one: start it without torchrun (of several, "
            f"'{TOGETHER[0]}' makes use)"
        )
