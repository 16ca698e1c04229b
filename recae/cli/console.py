"""The two streams of a terminal: any text can be printed, whatever its characters and the console's encoding."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
from collections.abc import Iterator

import click

# Control characters, which a terminal executes, and characters that reverse the direction of the text after them.
_REVERSING = "\u202a-\u202e\u2066-\u2069"
_EXECUTED = re.compile(rf"[\x00-\x09\x0b-\x1f\x7f-\x9f{_REVERSING}]")
_EXECUTED_IN_A_LINE = re.compile(rf"[\x00-\x1f\x7f-\x9f\u2028\u2029{_REVERSING}]")
_LEFT_BY_JSON = re.compile(rf"[\x7f-\x9f\u2028\u2029{_REVERSING}]")


def printable(text: str) -> str:
    """The text with control characters escaped (`\\x1b`), so that a title from a file cannot command the terminal.

    Line ends stay.
    """
    return _EXECUTED.sub(_escape, text)


def printable_line(text: str) -> str:
    """The same with line ends escaped too: a cell of a table stays one line."""
    return _EXECUTED_IN_A_LINE.sub(_escape, text)


def printable_json(text: str) -> str:
    """JSON with the control characters escaped that `json.dumps` leaves: it reads back as the same value."""
    return _LEFT_BY_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def echo(text: str = "", *, nl: bool = True, err: bool = False) -> None:
    """Print a text to stdout or stderr, with `?` for a character that the console does not have.

    The stream is named because click would write UTF-8 to a console that says it is ASCII.
    """
    click.echo(printable(text), sys.stderr if err else sys.stdout, nl)


def echo_data(text: str) -> None:
    """Print csv to stdout: as it is and in UTF-8 for a file or a program, escaped for a terminal."""
    if sys.stdout.isatty():
        echo(text, nl=False)
    else:
        click.echo(text.encode("utf-8"), nl=False)


def writes_unicode() -> bool:
    """Whether stdout can write every character."""
    return (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "").startswith("utf")


@contextlib.contextmanager
def usable_streams() -> Iterator[None]:
    """Inside, both streams exist and write any text; a closed pipe ends the process without a message.

    A stream that was closed (`2>&-`) is None in Python. A console that is not UTF-8 gets `?` for what it does not have.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - open until the process ends
        elif hasattr(stream, "reconfigure") and stream.errors in ("strict", "surrogateescape"):
            stream.reconfigure(errors="replace")
    try:
        yield
    finally:
        _flush()


def _flush() -> None:
    """Write what is buffered now: at the interpreter's end a closed pipe would print a traceback.

    What cannot be written any more goes nowhere. The exit code is then 1, or, where a terminal has closed under a
    command that has failed (a signal told it), that of the failure.
    """
    code = getattr(sys.exc_info()[1], "code", None)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EINVAL, errno.EIO):  # EINVAL is what Windows says
                raise
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            if error.errno != errno.EIO or not code:
                sys.exit(1)
