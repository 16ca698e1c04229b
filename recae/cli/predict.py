"""`recae predict`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from recae.cli import options

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from recae.models import Recommender

_EXAMPLES = """\b
Examples:
  recae predict m.recae pairs.csv > predicted.csv
  recae predict m.recae pairs.csv --out predicted.csv --unknown baseline
  recae predict m.recae pairs.csv --new-ratings ratings-of-new-users.csv
"""


@click.command(epilog=_EXAMPLES, short_help="Predict ratings for pairs of users and items.")
@click.argument("model", type=click.Path())
@click.argument("pairs", type=click.Path())
@click.option("-o", "--out", type=click.Path(), metavar="FILE", help="Write the csv there.  [default: to stdout]")
@click.option(
    "--unknown",
    type=click.Choice(["error", "baseline"]),
    default="error",
    show_default=True,
    help="For ids that were not in training: stop, or take what is known of the other side.",
)
@click.option(
    "--new-ratings",
    type=click.Path(),
    metavar="FILE",
    help="The users are new: these are their ratings (user, item, rating).",
)
@click.option(
    "--user-column", type=options.Column(optional=False), help="Column of users in PAIRS.  [default: guessed]"
)
@click.option(
    "--item-column", type=options.Column(optional=False), help="Column of items in PAIRS.  [default: guessed]"
)
@options.device
@options.as_json
@options.loudness
def predict(
    model: str,
    pairs: str,
    out: str | None,
    unknown: str,
    new_ratings: str | None,
    user_column: Any,
    item_column: Any,
    device: str | None,
    as_json: bool,
) -> None:
    """Predict ratings for PAIRS, a table with a column of users and one of items.

    The table comes back as csv with a column more: rating, or prediction where it has a rating already.
    """  # fmt: skip
    from recae.cli.printing import print_json, records
    from recae.cli.reading import load_model, read_pairs
    from recae.cli.writing import check_writable

    check_writable(out)
    fitted = load_model(model, device)
    frame, user, item, first_line = read_pairs(pairs, user_column, item_column)
    place = pairs, first_line
    if new_ratings is None:
        predicted = _of_known(fitted, frame[user], frame[item], place, unknown)
    else:
        predicted = _of_new(fitted, frame[user], frame[item], place, new_ratings)
    column = "prediction" if "rating" in frame.columns else "rating"
    frame[column] = [round(float(value), 4) for value in predicted]
    if as_json:
        print_json(records(frame))
    elif out is None:
        click.echo(frame.to_csv(index=False), nl=False)
    else:
        frame.to_csv(out, index=False)
        options.note(f"{len(frame):,} predictions are in {out}.")


def _of_known(
    model: Recommender, users: Any, items: Any, place: tuple[str, int], unknown: str
) -> npt.NDArray[np.float32]:
    from recae.cli.reading import check_pairs, items_of, users_of

    known_users, known_items = users_of(model), items_of(model)
    if unknown == "error":
        check_pairs(users, known_users, *place, "--unknown baseline predicts it all the same")
        check_pairs(items, known_items, *place, "--unknown baseline predicts it all the same")
    found = known_users.find(users, unknown="keep"), known_items.find(items, unknown="keep")
    return model.predict(*found, unknown="baseline" if unknown == "baseline" else "error")


def _of_new(model: Recommender, users: Any, items: Any, place: tuple[str, int], file: str) -> npt.NDArray[np.float32]:
    import pandas as pd

    from recae.cli.reading import KnownIds, check_pairs, items_of, load_ratings, with_ids_of

    new = with_ids_of(load_ratings(file), model)
    known_users, known_items = KnownIds(new.user_ids, "user"), items_of(model)
    check_pairs(users, known_users, *place, f"{file} must hold ratings of each user")
    check_pairs(items, known_items, *place, "")
    return model.predict_new(new, pd.DataFrame({"user": known_users.find(users), "item": known_items.find(items)}))
