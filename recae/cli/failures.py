"""Errors to a message on stderr and an exit code: decided only here."""

from __future__ import annotations

import errno
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

import click

from recae.cli.console import printable
from recae.cli.options import verbosity
from recae.cli.torchrun import report_from_other_rank
from recae.cli.wording import OptionWording
from recae.errors import PYTHON, ParameterError, RecaeError, TrainingInterrupted

FAILED, USAGE = 1, 2


class Failure(click.ClickException):
    """A message for the user, and the exit code."""

    def __init__(self, message: str, exit_code: int = FAILED) -> None:
        super().__init__(printable(message))
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the instance

    def show(self, file: IO[Any] | None = None) -> None:
        with suppress(OSError):  # the terminal is closed: only the exit code remains
            super().show(file or sys.stderr)  # as `console.echo` does


class Misuse(Failure):
    """A request for something that does not exist or is not possible."""

    def __init__(self, message: str) -> None:
        super().__init__(message, USAGE)


@contextmanager
def translated(ctx: click.Context) -> Iterator[None]:
    """Inside, every exception becomes a `Failure` in the words of `ctx`'s command; with -vv the traceback is
    printed first."""
    try:
        yield
    except (click.ClickException, click.Abort, click.exceptions.Exit):
        raise
    except (Exception, KeyboardInterrupt) as error:
        if isinstance(error, OSError) and error.errno == errno.EPIPE:
            raise  # the reader (head, less) has closed the pipe: click exits without a message
        if verbosity(ctx) >= 2:
            traceback.print_exception(error)
        if not isinstance(error, RecaeError | KeyboardInterrupt):
            report_from_other_rank(explain(error)[0])
        raise Failure(*explain(error, ctx)) from None


def explain(error: BaseException, ctx: click.Context | None = None) -> tuple[str, int]:
    """What to say about `error`, in one line, and the exit code."""
    text = " ".join(str(error).split())
    if isinstance(error, KeyboardInterrupt):
        return text or "interrupted", interrupted_code(error)
    if isinstance(error, RecaeError):
        words = error.worded(PYTHON if ctx is None else OptionWording(ctx))
        return " ".join(words.split()), USAGE if isinstance(error, ParameterError) else FAILED
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror, FAILED
    if isinstance(error, MemoryError):
        return f"out of memory ({text or 'no details'}); use a smaller model or less data", FAILED
    return f"unexpected {type(error).__name__}: {text}; run the command again with -vv to see where", FAILED


def interrupted_code(error: KeyboardInterrupt) -> int:
    """The exit code after an interruption, as a shell has it: 128 + the signal's number (130 after Ctrl-C)."""
    return 128 + (error.signal if isinstance(error, TrainingInterrupted) else signal.SIGINT)
