"""`recae explain`."""

from __future__ import annotations

from math import isnan
from typing import Any

import click

from recae.cli import options
from recae.cli.click_classes import RecaeCommand

_EXAMPLES = """\b
Examples:
  recae explain m.recae --user 42 --item 260
  recae explain m.recae --user 42 --item 260 -n 5 --json
  recae explain m.recae --new-ratings ratings-of-a-new-user.csv --item 260
"""


@click.command(cls=RecaeCommand, epilog=_EXAMPLES, short_help="Show what a user's ratings add to an item's score.")
@click.argument("model", type=click.Path())
@click.option("-u", "--user", metavar="ID", help="User whose ratings explain the score.")
@click.option("-i", "--item", required=True, metavar="ID", help="Item whose score is explained.")
@click.option(
    "--new-ratings", type=click.Path(), metavar="FILE", help="File with the ratings of a user that was not in training."
)
@options.number("Maximum number of ratings shown.")
@options.device
@options.excel_safe
@options.output("table", "csv", "ndjson", "json")
@options.loudness
def explain(
    model: str,
    user: str | None,
    item: str,
    new_ratings: str | None,
    n: int,
    device: str | None,
    excel_safe: bool,
    form: str | None,
    as_json: bool,
    out: str | None,
) -> None:
    """Show how much each rating of a user adds to the score that MODEL gives an item, largest first."""
    from recae.cli.inputs import items_of, load_model, users_of
    from recae.cli.outputs import Output
    from recae.cli.printing import records
    from recae.explanation import explain as explained_by

    if (user is None) == (new_ratings is None):
        raise click.UsageError("no user; give one with --user ID, or a file of ratings with --new-ratings")
    output = Output.of(form, as_json, out, excel_safe=excel_safe, inputs=(model, new_ratings))
    fitted = load_model(model, device)
    found = items_of(fitted).find([item])[0]
    if new_ratings is None:
        who: Any = users_of(fitted).find([user], remedy="--new-ratings FILE explains new users by their ratings")[0]
    else:
        who = _from_file(new_ratings, fitted)
    contributions = explained_by(fitted, who, found, n=n)
    asked: dict[str, Any] = {"user": who if new_ratings is None else None, "item": found}
    about: Any = contributions.attrs
    document = {**asked, **about, "contributions": records(contributions)}
    output.write(contributions, "contributions", lambda: _print(contributions, fitted, found), document)


def _from_file(file: str, fitted: Any) -> Any:
    from recae.cli.inputs import load_like

    return load_like(file, fitted)


def _print(contributions: Any, fitted: Any, item: Any) -> None:
    from recae.cli.console import echo
    from recae.cli.inputs import title_of
    from recae.cli.printing import print_table, score_texts

    about, title = contributions.attrs, title_of(fitted, item)
    echo(f"item {item}" + (f"  {title}" if title else "") + f"  score {score_texts([about['score']])[0]}")
    if "popularity" in about:
        echo(f"popularity  {score_texts([about['popularity']])[0]} of the score, whatever the user rated")
    if not about["exact"]:
        options.note("This model is not linear: a contribution is the decrease of the score without the rating.")
    columns = [contributions["item"].map(str), contributions["rating"].map("{:g}".format)]
    columns.append(score_texts(contributions["contribution"].tolist()))
    header = ["item", "rating", "contribution"]
    for name in ("session", "event_attention", "session_attention"):
        if name in contributions:
            form = "{:d}" if name == "session" else "{:.3f}"
            columns.append([None if isnan(value) else form.format(value) for value in contributions[name]])
            header.append(name.replace("_", " "))
    align = "lrrrrr"[: len(header)]
    if "title" in contributions:
        columns.append(contributions["title"].where(contributions["title"].notna(), None))
        header.append("title")
        align += "l"
    print_table(list(zip(*columns)), header, align, indent=2)
