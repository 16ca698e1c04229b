"""Options that several commands share, and their callbacks."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from recae.cli.console import echo
from recae.cli.param_types import Column, Separator

F = TypeVar("F", bound=Callable[..., Any])
_LOUDNESS = "recae.loudness"
_LEVELS = {-1: logging.ERROR, 0: logging.WARNING, 1: logging.INFO, 2: logging.DEBUG}


# ---------------------------------------------------------------- verbosity


def verbosity(ctx: click.Context | None = None) -> int:
    """Number of -v minus number of -q, of the whole command line."""
    ctx = ctx or click.get_current_context(silent=True)
    return 0 if ctx is None else int(ctx.meta.get(_LOUDNESS, 0))


def note(text: str = "", *, level: int = 0) -> None:
    """Print a line on stderr; -q silences level 0, and only -v shows level 1."""
    if verbosity() >= level:
        echo(text, err=True)


def _change(step: int) -> Callable[[click.Context, click.Parameter, int], None]:
    def change(ctx: click.Context, _: click.Parameter, count: int) -> None:
        if _LOUDNESS not in ctx.meta:
            ctx.find_root().with_resource(_spoken_to_stderr())
        ctx.meta[_LOUDNESS] = verbosity(ctx) + step * count
        logging.getLogger("recae").setLevel(_LEVELS[max(-1, min(2, ctx.meta[_LOUDNESS]))])

    return change


class _Lines(logging.Handler):
    """Log messages as plain lines, on whatever stderr is at the time."""

    def emit(self, record: logging.LogRecord) -> None:
        echo(self.format(record), err=True)


@contextmanager
def _spoken_to_stderr() -> Iterator[None]:
    """Until the command ends: the library's log messages and warnings as plain lines."""
    log, lines, show = logging.getLogger("recae"), _Lines(), warnings.showwarning
    level = log.level
    log.addHandler(lines)
    warnings.showwarning = lambda message, *_args, **_kwargs: note(f"warning: {message}")
    try:
        yield
    finally:
        warnings.showwarning = show
        log.removeHandler(lines)
        log.setLevel(level)


def loudness(command: F) -> F:
    """-v and -q, each of which may be repeated."""
    for step, short, long, text in (
        (-1, "-q", "--quiet", "Print less: no progress, no hints."),
        (1, "-v", "--verbose", "Print more: -v shows steps, -vv also tracebacks of errors."),
    ):
        command = click.option(
            short, long, count=True, expose_value=False, is_eager=True, callback=_change(step), help=text
        )(command)
    return command


# ---------------------------------------------------------------- single options


def as_json(command: F) -> F:
    """--json."""
    return click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")(command)


def excel_safe(command: F) -> F:
    """--excel-safe."""
    return click.option(
        "--excel-safe",
        is_flag=True,
        help="In the csv, put ' before texts that begin with = + - @, a tab or a carriage return: a spreadsheet would "
        "run them as formulas.",
    )(command)


def output(*forms: str) -> Callable[[F], F]:
    """--format, --json and -o, --out; `recae.cli.outputs.Output.of` takes their values. The first form is the usual."""

    def add(command: F) -> F:
        for option in (
            click.option(
                "-o", "--out", type=click.Path(), metavar="FILE",
                help="Write the result to this file, in the format of its suffix (.csv, .ndjson, .json).",
            ),
            click.option("--json", "as_json", is_flag=True, help="The same as --format json."),
            click.option(
                "--format", "form", type=click.Choice(forms),
                help=f"Format of the result; ndjson: a line of JSON for each row.  [default: {forms[0]}]",
            ),
        ):  # fmt: skip
            command = option(command)
        return command

    return add


def number(help: str) -> Callable[[F], F]:
    """-n, --number."""
    return click.option("-n", "--number", "n", type=int, default=10, show_default=True, metavar="N", help=help)


def list_length(command: F) -> F:
    """-n, --number, of lists of items."""
    return number("Maximum number of items in a list.")(command)


def unknown(*choices: str, help: str) -> Callable[[F], F]:
    """--unknown: what becomes of ids that the model does not know; `choices` beside error, warn and ignore."""
    return click.option(
        "--unknown", type=click.Choice(["error", *choices, "warn", "ignore"]), default="error", show_default=True,
        help=help,
    )  # fmt: skip


def again(command: F) -> F:
    """--again, for splits by time."""
    return click.option(
        "--again", is_flag=True,
        help="For a split by time: also test pairs that occur before the cut, and list items that a user has rated.",
    )(command)  # fmt: skip


def threshold(command: F) -> F:
    """--threshold and --min-user, of what is read as taken; see `recae.cli.own_parts.taken_of`."""
    for option in (
        click.option(
            "--min-user", type=click.IntRange(min=1), metavar="N",
            help="With --threshold: leave out users with fewer such ratings.  [default: 5]",
        ),
        click.option(
            "--threshold", type=float, metavar="RATING",
            help="Keep ratings from this value on, as 1, of users with --min-user or more of them.",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def device(command: F) -> F:
    """--device, for a model that is loaded."""
    return click.option(
        "--device", metavar="DEVICE", help="Device to compute on: auto, cpu, cuda, cuda:N, mps.  [default: the model's]"
    )(command)


def data_dir(command: F) -> F:
    """--data-dir."""
    return click.option(
        "--data-dir", metavar="FOLDER", help="Folder of data sets: searched first, and the target of downloads."
    )(command)


# ---------------------------------------------------------------- tables of ratings


COLUMN_OPTIONS = (
    "user_column", "item_column", "rating_column", "timestamp_column", "scale", "duplicates", "encoding", "sep",
    "header", "lists", "day_first", "items", "users",
)  # fmt: skip


def table(command: F) -> F:
    """Options for reading a file of ratings; `recae.cli.inputs.load_ratings` takes their values."""
    command = click.option(
        "--lists", is_flag=True, default=None,
        help="A text file holds lists, 'user item item ...' per line.  [default: detected where ids are numbers]",
    )(command)  # fmt: skip
    command = click.option(
        "--unrated", is_flag=True, default=None,
        help="Also know users and items that only their tables have; models that read features list them.",
    )(command)  # fmt: skip
    for kind, what in (("users", "their ages, jobs, ..."), ("items", "their titles, categories, ...")):
        command = click.option(
            f"--{kind}", type=click.Path(), metavar="FILE", help=f"Table of {kind}: ids, and {what}"
        )(command)
    return columns(data_dir(command))


def columns(command: F) -> F:
    """The options of `table` that apply only to files."""
    texts = {
        "user": "Column of users in a file: its name, or its index from 0.  [default: detected]",
        "item": "Column of items.  [default: detected]",
        "rating": "Column of ratings; 'none': no ratings, every row counts as 1.  [default: detected]",
        "timestamp": "Column of timestamps; 'none': ignore timestamps.  [default: detected]",
    }
    options = [
        click.option(f"--{role}-column", type=Column(optional=role in ("rating", "timestamp")), help=text)
        for role, text in texts.items()
    ]
    options += [
        click.option(
            "--scale", type=float, nargs=2, metavar="LOW HIGH",
            help="Lowest and highest possible rating.  [default: as in the data]",
        ),
        click.option(
            "--duplicates", type=click.Choice(["last", "first", "mean", "sum", "max", "count", "error"]),
            help="How to merge ratings of the same user and item.  [default: last]",
        ),
        click.option(
            "--day-first/--month-first", default=None,
            help="Order in dates such as 03/04/2005.  [default: as dates such as 13/04/2005 show]",
        ),
    ]  # fmt: skip
    command = text(command)
    for option in reversed(options):
        command = option(command)
    return command


def text(command: F) -> F:
    """Options for the format of a text file, which is otherwise detected."""
    for option in (
        click.option(
            "--header/--no-header", default=None, help="Whether the first line holds column names.  [default: detected]"
        ),
        click.option(
            "--sep", type=Separator(), help="Delimiter between fields, such as ',' or '\\t'.  [default: detected]"
        ),
        click.option(
            "--encoding",
            metavar="NAME",
            help="Encoding of a text file, such as gbk.  [default: UTF-8, or as the byte order mark says]",
        ),
    ):
        command = option(command)
    return command
