"""`recae similar`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from recae.cli import options
from recae.cli.click_classes import RecaeCommand

if TYPE_CHECKING:
    from recae.recommender.nearest import UnknownItems

_EXAMPLES = """\b
Examples:
  recae similar m.recae --item 260 -n 10
  recae similar m.recae --item 260 --item 1196 --json
  recae similar m.recae --item 260 --out similar.csv
"""


@click.command(cls=RecaeCommand, epilog=_EXAMPLES, short_help="List the items most similar to an item.")
@click.argument("model", type=click.Path())
@click.option(
    "-i", "--item", "items", multiple=True, required=True, metavar="ID", help="Item to compare with; may be repeated."
)
@options.list_length
@options.unknown(help="For an unknown item: stop with an error, or pass it over, with a warning or without.")
@options.device
@options.excel_safe
@options.output("table", "csv", "ndjson", "json")
@options.loudness
def similar(
    model: str,
    items: tuple[str, ...],
    n: int,
    unknown: UnknownItems,
    device: str | None,
    excel_safe: bool,
    form: str | None,
    as_json: bool,
    out: str | None,
) -> None:
    """List the items most similar to an item, by the cosine of their vectors in MODEL."""
    from recae.cli.inputs import PASS_OVER, items_of, load_model, title_of
    from recae.cli.outputs import Output
    from recae.cli.printing import print_lists

    output = Output.of(form, as_json, out, excel_safe=excel_safe, inputs=(model,))
    fitted = load_model(model, device, for_few=True)
    known = items_of(fitted).find(items, unknown="error" if unknown == "error" else "keep", remedy=PASS_OVER)
    lists = fitted.similar_items(known, n, unknown=unknown)
    output.write(lists, "items", lambda: print_lists(lists, "item", "similar", lambda item: title_of(fitted, item)))
