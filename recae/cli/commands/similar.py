"""`recae similar`."""

from __future__ import annotations

import click

from recae.cli import options
from recae.cli.click_classes import RecaeCommand

_EXAMPLES = """\b
Examples:
  recae similar m.recae --item 260 -n 10
  recae similar m.recae --item 260 --item 1196 --json
"""


@click.command(cls=RecaeCommand, epilog=_EXAMPLES, short_help="List the items most similar to an item.")
@click.argument("model", type=click.Path())
@click.option(
    "-i", "--item", "items", multiple=True, required=True, metavar="ID", help="Item to compare with; may be repeated."
)
@options.list_length
@options.device
@options.as_json
@options.loudness
def similar(model: str, items: tuple[str, ...], n: int, device: str | None, as_json: bool) -> None:
    """List the items most similar to an item, by the cosine of their vectors in MODEL."""
    from recae.cli.inputs import items_of, load_model, title_of
    from recae.cli.printing import print_json, print_lists, records

    fitted = load_model(model, device)
    lists = fitted.similar_items(items_of(fitted).find(items), n)
    if as_json:
        print_json(records(lists))
    else:
        print_lists(lists, "item", "similar", lambda item: title_of(fitted, item))
