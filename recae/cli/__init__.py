"""The command line `recae`: each command parses, calls the API and prints; one function translates errors.

Results go to stdout; progress, notes and errors to stderr. Exit codes: 0, success; 1, failure (one line says why and
what to do); 2, a request for something that does not exist or is not possible; 130 (143, 129), an interruption by
Ctrl-C (SIGTERM, SIGHUP).

Nothing here imports torch, numpy or pandas at the top of a module: so `recae --help` is fast.
"""

from __future__ import annotations

from collections.abc import Sequence

import click

from recae import __version__
from recae.cli.click_classes import RecaeGroup
from recae.cli.console import usable_streams
from recae.cli.options import loudness
from recae.cli.own_models import import_modules
from recae.cli.torchrun import only_first_prints

__all__ = ["COMMANDS", "main", "recae"]

# Where each command lives; the name of the function is the command's (with a trailing _ where Python has it).
COMMANDS = {
    "train": "recae.cli.commands.train:train",
    "evaluate": "recae.cli.commands.evaluate:evaluate",
    "predict": "recae.cli.commands.predict:predict",
    "recommend": "recae.cli.commands.recommend:recommend",
    "similar": "recae.cli.commands.similar:similar",
    "explain": "recae.cli.commands.explain:explain",
    "serve": "recae.cli.commands.serve:serve",
    "tune": "recae.cli.commands.tune:tune",
    "compare": "recae.cli.commands.compare:compare",
    "split": "recae.cli.commands.split:split",
    "info": "recae.cli.commands.info:info",
    "card": "recae.cli.commands.info:card",
    "check": "recae.cli.commands.check:check",
    "export": "recae.cli.commands.export:export",
    "data": "recae.cli.commands.data:data",
    "models": "recae.cli.commands.models:models",
    "demo": "recae.cli.commands.demo:demo",
}

_EXAMPLES = """\b
Examples:
  recae train sample --out m.recae          train on the built-in sample, and measure
  recae recommend m.recae --user 42 -n 10   recommend 10 items to user 42
  recae train ratings.csv --out m.recae     train on your own file
  recae COMMAND -h                          options and examples of a command
"""


@click.group(
    cls=RecaeGroup,
    homes=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=_EXAMPLES,
)
@click.version_option(__version__, "-V", "--version", message="%(prog)s %(version)s")
@click.option(
    "--import",
    multiple=True,
    metavar="MODULE",
    expose_value=False,
    callback=import_modules,
    help="Import this Python module first, whose models register themselves (docs/guides/your_model.md).",
)
@loudness
def recae() -> None:
    """Train recommenders on rating matrices, mostly autoencoders; measure them, predict ratings, list items."""


def main(args: Sequence[str] | None = None, prog_name: str = "recae") -> None:
    """Run the command line on `args` (by default the process's own) and leave with its exit code."""
    with usable_streams(), only_first_prints():
        recae.main(args=None if args is None else list(args), prog_name=prog_name)
