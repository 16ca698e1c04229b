"""Errors to one line on stderr and an exit code: the only place where that is decided."""

from __future__ import annotations

import errno
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import click

from recae.cli.options import verbosity
from recae.cli.together import complain
from recae.errors import ParameterError, RecaeError, TrainingInterrupted

FAILED, USAGE, INTERRUPTED = 1, 2, 130

# Messages speak to callers of the API; these words of theirs are options here.
_OPTIONS = (
    (r"\b(user|item|rating|timestamp)='\.\.\.'", r"--\1-column NAME"),
    (r"\brating=False\b", "--rating-column none"),
    (r"\btimestamp=False\b", "--timestamp-column none"),
    (r"\btimestamp=(?= )", "--timestamp-column "),
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
    if isinstance(error, TrainingInterrupted):
        return text, INTERRUPTED
    if isinstance(error, KeyboardInterrupt):
        return text or "interrupted", INTERRUPTED
    if isinstance(error, RecaeError):
        return in_options(text), USAGE if isinstance(error, ParameterError) else FAILED
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror, FAILED
    if isinstance(error, MemoryError):
        return f"out of memory ({text or 'no more is known'}): take a smaller model or less data", FAILED
    return f"unexpected {type(error).__name__}: {text}; run it again with -vv to see where", FAILED


def in_options(message: str) -> str:
    """An API message in the words of the command line."""
    for pattern, option in _OPTIONS:
        message = re.sub(pattern, option, message)
    return re.sub(r"^(\w+)=(?=\S)", lambda found: f"--{found[1].replace('_', '-')} ", message)
