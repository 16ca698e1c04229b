"""`recae recommend`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from recae.cli import options
from recae.cli.click_classes import RecaeCommand

if TYPE_CHECKING:
    import pandas as pd

    from recae.models import Recommender
    from recae.recommender.base import UnknownUsers

_EXAMPLES = """\b
Examples:
  recae recommend m.recae --user 42 -n 10
  recae recommend m.recae --user 42 --user 43 --exclude 260,1196 --json
  recae recommend m.recae --users users.txt --candidates in-stock.txt --out lists.csv
  recae recommend m.recae --new-ratings ratings-of-new-users.csv
"""


@click.command(cls=RecaeCommand, epilog=_EXAMPLES, short_help="List the best items for users.")
@click.argument("model", type=click.Path())
@click.option("-u", "--user", "users", multiple=True, metavar="ID", help="User to list items for; may be repeated.")
@click.option("--users", "users_file", type=click.Path(), metavar="FILE", help="File of user ids, one per line.")
@options.list_length
@click.option(
    "--new-ratings",
    type=click.Path(),
    metavar="FILE",
    help="Ratings (user, item, rating) of new users; without --user, all of them get a list.",
)
@click.option(
    "--candidates",
    metavar="IDS|FILE",
    help="Items to choose from: 1,2,3, or a file of ids, one per line.  [default: all]",
)
@click.option("--exclude", metavar="IDS|FILE", help="Items to leave out: 1,2,3, or a file of ids, one per line.")
@click.option("--include-seen", is_flag=True, help="Also list items that the user has rated.")
@options.unknown(
    "popular",
    help="For an unknown id: stop with an error, list popular items (for users), or pass it over, with a warning or "
    "without.",
)
@options.device
@options.excel_safe
@options.output("table", "csv", "ndjson", "json")
@options.loudness
def recommend(
    model: str,
    users: tuple[str, ...],
    users_file: str | None,
    n: int,
    new_ratings: str | None,
    candidates: str | None,
    exclude: str | None,
    include_seen: bool,
    unknown: UnknownUsers,
    device: str | None,
    excel_safe: bool,
    form: str | None,
    as_json: bool,
    out: str | None,
) -> None:
    """List the items that MODEL scores highest for each user, best first."""  # fmt: skip
    from recae.cli.inputs import ids_from, items_of, load_model
    from recae.cli.outputs import Output
    from recae.cli.printing import print_lists

    if not users and users_file is None and new_ratings is None:
        raise click.UsageError("no user; give one with --user ID, or a file with --users or --new-ratings")
    output = Output.of(form, as_json, out, excel_safe=excel_safe)
    fitted = load_model(model, device, for_few=users_file is None)
    items = items_of(fitted)
    how: dict[str, Any] = {
        "filter_seen": not include_seen,
        "candidates": None if candidates is None else ids_from(candidates, items, unknown=unknown),
        "exclude": None if exclude is None else ids_from(exclude, items, unknown=unknown),
        "unknown": unknown,
    }
    wanted = [*users, *_lines(users_file)]
    known = new_ratings is None
    lists = _for_known(fitted, wanted, n, how) if known else _for_new(fitted, str(new_ratings), wanted, n, how)
    if lists.empty and output.form == "table":
        options.note("No items to list: the users have rated all allowed items; --include-seen lists rated items too.")
    else:
        output.write(lists, "items", lambda: print_lists(lists, "user", "item"))


def _lines(file: str | None) -> list[str]:
    from recae.cli.inputs import read_lines

    return [] if file is None else read_lines(file, "user")


def _for_known(model: Recommender, wanted: list[str], n: int, how: dict[str, Any]) -> pd.DataFrame:
    from recae.cli.inputs import users_of

    remedy = (
        "--unknown popular lists popular items, --unknown warn passes unknown users over, --new-ratings FILE lists "
        "items for new users from their ratings"
    )
    ids = users_of(model).find(wanted, unknown="error" if how["unknown"] == "error" else "keep", remedy=remedy)
    return model.recommend(ids, n, **how)


def _for_new(model: Recommender, file: str, wanted: list[str], n: int, how: dict[str, Any]) -> pd.DataFrame:
    from recae.cli.inputs import KnownIds, load_like

    new = load_like(file, model)
    how["unknown"] = "warn" if how["unknown"] == "popular" else how["unknown"]
    if not wanted:
        return model.recommend_new(new, n, **how)
    known = KnownIds(new.user_ids, "user")
    if how["unknown"] == "error":
        known.find(wanted, remedy=f"{file} must hold ratings of each user")
    ids = known.find(known.among(wanted, how["unknown"], "they get no list"))
    frame = new.to_frame()
    return model.recommend_new(frame[frame["user"].isin(ids)], n, **how)
