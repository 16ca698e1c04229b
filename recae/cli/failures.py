"""Errors to one line on stderr and an exit code: the only place where that is decided."""

from __future__ import annotations

import errno
import re
import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

import click

from recae.cli.options import verbosity
from recae.cli.together import complain
from recae.errors import ParameterError, RecaeError, TrainingInterrupted

FAILED, USAGE = 1, 2

# Messages speak to callers of the API; these words of theirs are options here.
_OPTIONS = (
    (r"\b(user|item|rating|timestamp)='\.\.\.'", r"--\1-column NAME"),
    (r"\brating=False\b", "--rating-column none"),
    (r"\btimestamp=False\b", "--timestamp-column none"),
    (r"\btimestamp=(?= )", "--timestamp-column "),
    (r"\bheader=True or header=False\b", "--header or --no-header"),
    (r"\bheader=False\b", "--no-header"),
    (r"\bencoding='\.\.\.'", "--encoding NAME"),
    (r"\bsep='\.\.\.'", "--sep TEXT"),
    (r"\buser=0, item=1, rating=2\b", "--user-column 0 --item-column 1 --rating-column 2"),
    (r"\bduplicates='(\w+)'", r"--duplicates \1"),
    (r"\bdevice='auto'", "--device auto"),
    (r"^n=", "-n "),
    (r"`save` writes one", "'recae train --out FILE' writes one"),
    (r" \(restart=True\)", ""),
    (r", or delete it to start afresh", ", or add --restart to start afresh"),
)


class Failure(click.ClickException):
    """One line for the user, and the exit code."""

    def __init__(self, message: str, exit_code: int = FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the instance

    def show(self, file: IO[Any] | None = None) -> None:
        with suppress(OSError):  # a terminal that has closed: the exit code still tells
            super().show(file)


@contextmanager
def translated(ctx: click.Context) -> Iterator[None]:
    """Within, whatever is raised becomes a `Failure`; with -vv the traceback is printed first."""
    try:
        yield
    except (click.ClickException, click.Abort, click.exceptions.Exit):
        raise
    except (Exception, KeyboardInterrupt) as error:
        if isinstance(error, OSError) and error.errno == errno.EPIPE:
            raise  # the reader (head, less) has had enough: click leaves quietly
        if verbosity(ctx) >= 2:
            traceback.print_exception(error)
        if not isinstance(error, RecaeError | KeyboardInterrupt):
            complain(explain(error)[0])
        raise Failure(*explain(error)) from None


def explain(error: BaseException) -> tuple[str, int]:
    """What to say about `error`, in one line, and the exit code."""
    text = " ".join(str(error).split())
    if isinstance(error, KeyboardInterrupt):
        return text or "interrupted", interrupted_code(error)
    if isinstance(error, RecaeError):
        return in_options(text), USAGE if isinstance(error, ParameterError) else FAILED
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror, FAILED
    if isinstance(error, MemoryError):
        return f"out of memory ({text or 'no more is known'}): take a smaller model or less data", FAILED
    return f"unexpected {type(error).__name__}: {text}; run it again with -vv to see where", FAILED


def interrupted_code(error: KeyboardInterrupt) -> int:
    """The exit code after an interruption, as a shell has it: 128 + the signal's number (130 after Ctrl-C)."""
    return 128 + (error.signal if isinstance(error, TrainingInterrupted) else signal.SIGINT)


def in_options(message: str) -> str:
    """An API message in the words of the command line."""
    for pattern, option in _OPTIONS:
        message = re.sub(pattern, option, message)
    return re.sub(r"^(\w+)=(?=\S)", lambda found: f"--{found[1].replace('_', '-')} ", message)
