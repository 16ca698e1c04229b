"""`recae recommend`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast

import click

from recae.cli import options
from recae.cli.click_classes import RecaeCommand

if TYPE_CHECKING:
    import pandas as pd

    from recae.models import Recommender
    from recae.ratings import RatingMatrix
    from recae.recommender.base import UnknownUsers

_EXAMPLES = """\b
Examples:
  recae recommend m.recae --user 42 -n 10
  recae recommend m.recae --user 42 --user 43 --exclude 260,1196 --json
  recae recommend m.recae --users users.txt --candidates in-stock.txt --out lists.csv
  recae recommend m.recae --new-ratings ratings-of-new-users.csv
  recae recommend m.recae --user 42 --where '"Comedy" in genres and year >= 1990'
  recae recommend m.recae --users all -n 20 --out lists.parquet     every user, tonight
"""


@click.command(cls=RecaeCommand, epilog=_EXAMPLES, short_help="List the best items for users.")
@click.argument("model", type=click.Path())
@click.option("-u", "--user", "users", multiple=True, metavar="ID", help="User to list items for; may be repeated.")
@click.option(
    "--users",
    "users_file",
    type=click.Path(),
    metavar="FILE|all",
    help="File of user ids, one per line; or all: the lists of every known user into --out (.csv, .ndjson, .parquet), "
    "which the same command goes on with after a kill.",
)
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
@click.option(
    "--where",
    metavar="CONDITION",
    help="Items to choose from, by their table: 'category == \"Garden\" and in_stock', '\"Comedy\" in genres'.",
)
@click.option(
    "--boost",
    "boosts",
    multiple=True,
    metavar="COLUMN=WEIGHT",
    help="Raise items by a column of their table, in standard deviations of a user's scores; may be repeated.",
)
@click.option(
    "--user-candidates",
    type=click.Path(),
    metavar="FILE",
    help="Table of user and item: each user's own items to choose from.",
)
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
    where: str | None,
    boosts: tuple[str, ...],
    user_candidates: str | None,
    include_seen: bool,
    unknown: UnknownUsers,
    device: str | None,
    excel_safe: bool,
    form: str | None,
    as_json: bool,
    out: str | None,
) -> None:
    """List the items that MODEL scores highest for each user, best first."""  # fmt: skip
    from recae.cli.inputs import ids_from, items_of, load_like, load_model
    from recae.cli.outputs import Output, check_writable
    from recae.cli.printing import print_lists

    if not users and users_file is None and new_ratings is None:
        raise click.UsageError("no user; give one with --user ID, or a file with --users or --new-ratings")
    to_all = users_file == "all"
    if new_ratings is not None and to_all:
        raise click.UsageError("--users all are the users that the model knows; --new-ratings alone lists for all new")
    if to_all and (users or out is None or form is not None or as_json or excel_safe):
        raise click.UsageError("--users all takes --out FILE, whose suffix is the format, and no --user")
    read = (model, users_file, new_ratings, candidates, exclude, user_candidates)
    output = None if to_all else Output.of(form, as_json, out, excel_safe=excel_safe, inputs=read)
    if to_all:
        check_writable(out, inputs=read)
    fitted = load_model(model, device, for_few=users_file is None)
    items = items_of(fitted)
    how: dict[str, Any] = {
        "filter_seen": not include_seen,
        "candidates": None if candidates is None else ids_from(candidates, items, unknown=unknown),
        "exclude": None if exclude is None else ids_from(exclude, items, unknown=unknown),
        "unknown": unknown,
    }
    if where is not None:
        how["candidates"] = _fulfilling(fitted, where, how["candidates"])
    boost = dict(map(_weight, boosts))
    new = None if new_ratings is None else load_like(new_ratings, fitted)
    if user_candidates is not None:
        how["candidates"] = _own_candidates(fitted, user_candidates, how["candidates"], new)
    if output is None:
        _for_all(fitted, str(out), n, {**how, "boost": boost})
        return
    wanted = [*users, *_lines(users_file)]
    if new is not None:
        lists = _for_new(fitted, new, str(new_ratings), wanted, n, how, boost)
    else:
        lists = _for_known(fitted, wanted, n, how, boost)
    if lists.empty and output.form == "table":
        options.note(f"No items to list: {_why_none(fitted, where, candidates, how)}.")
    else:
        output.write(lists, "items", lambda: print_lists(lists, "user", "item"))


def _weight(text: str) -> tuple[str, float]:
    column, _, weight = text.rpartition("=")
    try:
        return column, float(weight)
    except ValueError:
        raise click.UsageError(f"--boost {text}: expected COLUMN=WEIGHT, such as margin=0.2") from None


def _fulfilling(model: Recommender, where: str, candidates: list[Any] | None) -> list[Any]:
    """The ids of the items that fulfil a condition, among `candidates` where there are some."""
    from recae.ratings.conditions import items_where

    ratings = model.ratings_
    found: list[Any] = ratings.item_ids[items_where(where, ratings.item_table, ratings.item_ids)].tolist()
    if candidates is None:
        return found
    among = set(candidates)
    return [one for one in found if one in among]


def _why_none(model: Recommender, where: str | None, candidates: str | None, how: dict[str, Any]) -> str:
    """Why lists are empty: nothing is allowed, or what is allowed has been rated."""
    from recae.recommender.frames import allowed_items

    allowed = how["candidates"]
    if hasattr(allowed, "columns"):
        if allowed.empty:
            return "--user-candidates" + ("" if where is None else ", --where") + " and --candidates leave none"
        allowed = allowed["item"]
    if where is not None and allowed == []:
        return f"no item{'' if candidates is None else ' of --candidates'} fulfils --where {where!r}"
    if not allowed_items(model.ratings_, allowed, how["exclude"], "ignore").any():
        return "--candidates and --exclude leave none" if where is None else "--where and --exclude leave none"
    return "the users have rated all allowed items; --include-seen lists rated items too"


def _own_candidates(
    model: Recommender, file: str, candidates: list[Any] | None, new: RatingMatrix | None
) -> pd.DataFrame:
    """A frame of user (known, or of `new`) and item with their ids; only of `candidates` where there are some."""
    import pandas as pd

    from recae.cli.inputs import KnownIds, items_of, read_pairs, users_of

    pairs = read_pairs(file, None, None)
    of = users_of(model) if new is None else KnownIds(new.user_ids, "user")
    users, items = (known.find(pairs.frame[name], unknown="keep")
                    for known, name in ((of, pairs.user), (items_of(model), pairs.item)))  # fmt: skip
    frame = pd.DataFrame({"user": users, "item": items})
    return frame if candidates is None else frame[frame["item"].isin(candidates)]


def _for_all(model: Recommender, out: str, n: int, how: dict[str, Any]) -> None:
    from recae.cli.failures import Failure, interrupted_code
    from recae.recommender.all_lists import write_lists
    from recae.training.reporting import progress_bar

    how["unknown"] = "error" if how["unknown"] == "popular" else how["unknown"]
    bar = progress_bar(model.ratings_.n_users, show=False if options.verbosity() < 0 else None, label="lists")
    done = 0

    def progress(users: int, _: int) -> None:
        nonlocal done
        bar.update(users - done)
        done = users

    total = model.ratings_.n_users
    try:
        write_lists(model, out, n, progress=progress, **how)
    except KeyboardInterrupt as error:
        kept = f"the lists of {done:,} of {total:,} users are kept beside {out}: run the same command again to resume"
        raise Failure(f"interrupted; {kept}", interrupted_code(error)) from None
    finally:
        bar.close()
    options.note(f"Lists of {total:,} users saved to {out}.")


def _lines(file: str | None) -> list[str]:
    from recae.cli.inputs import read_lines

    return [] if file is None else read_lines(file, "user")


def _for_known(
    model: Recommender, wanted: list[str], n: int, how: dict[str, Any], boost: dict[str, float]
) -> pd.DataFrame:
    from recae.cli.inputs import users_of

    remedy = (
        "--unknown popular lists popular items, --unknown warn passes unknown users over, --new-ratings FILE lists "
        "items for new users from their ratings"
    )
    known = users_of(model)
    if not boost and not hasattr(how["candidates"], "columns"):
        ids = known.find(wanted, unknown="error" if how["unknown"] == "error" else "keep", remedy=remedy)
        return model.recommend(ids, n, **how)
    from recae.recommender.all_lists import lists_of

    how["unknown"] = "error" if how["unknown"] == "popular" else how["unknown"]
    kept = wanted if how["unknown"] == "error" else known.among(wanted, how["unknown"], "they get no list")
    return lists_of(model, known.find(kept, remedy=remedy), n, boost=boost, **how)


def _for_new(
    model: Recommender, new: RatingMatrix, file: str, wanted: list[str], n: int, how: dict[str, Any],
    boost: dict[str, float],
) -> pd.DataFrame:  # fmt: skip
    from recae.cli.inputs import KnownIds
    from recae.recommender.all_lists import lists_of_new

    how["unknown"] = "warn" if how["unknown"] == "popular" else how["unknown"]
    chosen = boost or hasattr(how["candidates"], "columns")
    lists: Any = partial(lists_of_new, model, boost=boost) if chosen else model.recommend_new
    if not wanted:
        return cast("pd.DataFrame", lists(new, n=n, **how))
    known = KnownIds(new.user_ids, "user")
    if how["unknown"] == "error":
        known.find(wanted, remedy=f"{file} must hold ratings of each user")
    ids = known.find(known.among(wanted, how["unknown"], "they get no list"))
    frame = new.to_frame()
    if hasattr(how["candidates"], "columns"):
        how["candidates"] = how["candidates"][how["candidates"]["user"].isin(ids)]
    return cast("pd.DataFrame", lists(frame[frame["user"].isin(ids)], n=n, **how))
