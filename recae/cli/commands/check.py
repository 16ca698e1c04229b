"""`recae check`: a model file read whole, and compared with its checksums."""

from __future__ import annotations

import click

from recae.cli import options
from recae.cli.click_classes import RecaeCommand

_EXAMPLES = """\b
Examples:
  recae check m.recae
  recae check m.recae --json
"""


@click.command(cls=RecaeCommand, epilog=_EXAMPLES, short_help="Check that a model file is whole.")
@click.argument("model", type=click.Path())
@options.as_json
@options.loudness
def check(model: str, as_json: bool) -> None:
    """Read all of MODEL, compare its checksums, and check its ids, ratings, settings and learned arrays."""
    from recae.cli.printing import print_facts, print_json
    from recae.models import load_model

    found = load_model(model)
    n_users, n_items = found.ratings_.shape
    facts = {"path": model, "whole": True, "class": type(found).__name__, "n_users": n_users, "n_items": n_items}
    print_json(facts) if as_json else print_facts(facts)
