"""`recae predict`."""

from __future__ import annotations

from itertools import chain, count
from typing import TYPE_CHECKING, Any

import click

from recae.cli import options
from recae.cli.click_classes import RecaeCommand
from recae.cli.failures import Misuse
from recae.cli.param_types import Column

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from recae.cli.inputs import Pairs
    from recae.models import Recommender
    from recae.recommender.base import UnknownPairs

_EXAMPLES = """\b
Examples:
  recae predict m.recae pairs.csv > predicted.csv
  recae predict m.recae pairs.csv --out predicted.csv --unknown baseline
  recae predict m.recae pairs.csv --new-ratings ratings-of-new-users.csv
"""

REMEDY = "--unknown baseline predicts from biases, --unknown warn leaves the prediction empty"


@click.command(cls=RecaeCommand, epilog=_EXAMPLES, short_help="Predict ratings for pairs of users and items.")
@click.argument("model", type=click.Path())
@click.argument("pairs", type=click.Path())
@options.unknown(
    "baseline",
    help="For an unknown id: stop with an error, predict from biases (of the known user or item), or leave the "
    "prediction empty, with a warning or without.",
)
@click.option(
    "--new-ratings",
    type=click.Path(),
    metavar="FILE",
    help="Ratings (user, item, rating) of new users; PAIRS are theirs.",
)
@click.option("--user-column", type=Column(optional=False), help="Column of users in PAIRS.  [default: detected]")
@click.option("--item-column", type=Column(optional=False), help="Column of items in PAIRS.  [default: detected]")
@options.text
@options.device
@options.excel_safe
@options.output("csv", "ndjson", "json")
@options.loudness
def predict(
    model: str,
    pairs: str,
    unknown: UnknownPairs,
    new_ratings: str | None,
    user_column: Any,
    item_column: Any,
    device: str | None,
    excel_safe: bool,
    form: str | None,
    as_json: bool,
    out: str | None,
    **text: Any,
) -> None:
    """Predict ratings for PAIRS, a table (text or Parquet) with a column of users and a column of items; - is stdin.

    The output is the same table as csv with one more column: rating, or prediction if there is a column rating already
    (prediction2 if there is that, too).
    A model that uses dates reads them from a column named timestamp, time or date.
    """  # fmt: skip
    import pandas as pd

    from recae.cli.inputs import items_of, load_model, read_pairs, users_of
    from recae.cli.outputs import Output

    output = Output.of(form, as_json, out, "csv", excel_safe=excel_safe, inputs=(model, pairs, new_ratings))
    fitted = load_model(model, device)
    if not fitted.predicts_ratings:
        raise Misuse(f"{model} holds {type(fitted).__name__}, which ranks items and predicts no ratings")
    table = read_pairs(pairs, user_column, item_column, **text)
    frame = table.frame
    predicted = (
        _of_known(fitted, table, unknown) if new_ratings is None else _of_new(fitted, table, new_ratings, unknown)
    )
    frame[_free_name(frame)] = [round(float(value), 4) for value in predicted]
    if output.form != "csv":  # ids have the type that they have in the model; a text file has texts
        for name, known in ((table.user, users_of(fitted)), (table.item, items_of(fitted))):
            frame[name] = pd.Series(known.find(frame[name], unknown="keep"), frame.index, dtype=object)
    output.write(frame, "predictions")


def _free_name(frame: pd.DataFrame) -> str:
    """The name of the column of predictions: one that the table does not have, so that all of the table is kept."""
    names = chain(("rating", "prediction"), (f"prediction{number}" for number in count(2)))
    return next(name for name in names if name not in frame.columns)


def _of_known(model: Recommender, table: Pairs, unknown: UnknownPairs) -> npt.NDArray[np.float32]:
    from recae.cli.inputs import items_of, users_of

    users, items = users_of(model), items_of(model)
    if unknown == "error":
        for column, known in ((table.user, users), (table.item, items)):
            table.check(column, known, REMEDY)
    ids = [known.find(table.frame[name], unknown="keep") for known, name in ((users, table.user), (items, table.item))]
    dates: dict[str, Any] = {"timestamps": _dates(model, table)} if model.reads_dates else {}
    return model.predict(*ids, unknown=unknown, **dates)


def _of_new(model: Recommender, table: Pairs, file: str, unknown: UnknownPairs) -> npt.NDArray[np.float32]:
    import pandas as pd

    from recae.cli.inputs import KnownIds, items_of, load_like

    new = load_like(file, model)
    users, items = KnownIds(new.user_ids, "user"), items_of(model)
    if unknown == "error":
        table.check(table.user, users, f"{file} must hold ratings of each user; {REMEDY}")
        table.check(table.item, items, REMEDY)
    pairs = {
        "user": users.find(table.frame[table.user], unknown="keep"),
        "item": items.find(table.frame[table.item], unknown="keep"),
    }
    if model.reads_dates and (dates := _dates(model, table)) is not None:
        pairs["timestamp"] = dates.tolist()
    return model.predict_new(new, pd.DataFrame(pairs), unknown=unknown)


def _dates(model: Recommender, table: Pairs) -> npt.NDArray[np.int64] | None:
    """Seconds since 1970 of each pair, whose day and month stand as in the training data; None without dates."""
    return table.dates(model.ratings_.read_as.get("day_first"))
