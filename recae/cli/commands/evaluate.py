"""`recae evaluate`."""

from __future__ import annotations

from typing import Any

import click

from recae.cli import options
from recae.cli.click_classes import RecaeCommand
from recae.cli.failures import Misuse

_EXAMPLES = """\b
Examples:
  recae train ml-100k --out m.recae --save-test test.csv
  recae evaluate m.recae test.csv
  recae evaluate m.recae test.csv --metrics rmse,recall@20,ndcg@100 --relevant-from 4
  recae evaluate m.recae test.csv --by popularity
  recae evaluate m.recae test.csv --json
"""


@click.command(cls=RecaeCommand, epilog=_EXAMPLES, short_help="Measure a model on your ratings.")
@click.argument("model", type=click.Path())
@click.argument("test")
@click.option(
    "--metrics",
    metavar="NAMES",
    help="Metrics, such as rmse,mae,recall@20,ndcg@100; an unknown name lists all.  [default: by model]",
)
@click.option(
    "--relevant-from",
    type=float,
    metavar="RATING",
    help="Lowest rating that metrics of lists count as relevant.  [default: all]",
)
@click.option(
    "--by",
    metavar="COLUMN",
    help="Measure groups too: a column of users or items, 'activity' (of users) or 'popularity' (of items).",
)
@options.table
@options.device
@options.as_json
@options.loudness
def evaluate(
    model: str,
    test: str,
    metrics: str | None,
    relevant_from: float | None,
    by: str | None,
    device: str | None,
    as_json: bool,
    **table: Any,
) -> None:
    """Measure MODEL on TEST: a file of ratings, a saved split ('recae split'), or the name of a data set.

    Users and items are matched by id. What was stated of the training data (columns, encoding, ...) holds for TEST
    where nothing else is stated. Lists leave out the ratings that the model was trained on. The report counts the test
    ratings that were also training ratings, because they test nothing.
    """  # fmt: skip
    from recae.cli.console import echo
    from recae.cli.inputs import load_like, load_model
    from recae.cli.own_parts import is_again, saved_split
    from recae.cli.printing import print_json
    from recae.evaluation import evaluate as measure

    fitted = load_model(model, device)
    names = metrics.split(",") if metrics else None
    if relevant_from is not None and fitted.predicts_ratings and not any("@" in name for name in names or []):
        raise Misuse("--relevant-from applies only to metrics of lists; add one, such as --metrics ndcg@10")
    saved = saved_split(test)
    ratings = load_like(test, fitted, **table) if saved is None else saved
    report = measure(fitted, ratings, names, filter_seen=not is_again(saved), relevant_from=relevant_from, by=by)
    if as_json:
        print_json(report.to_dict())
    else:
        echo(str(report))
