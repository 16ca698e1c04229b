"""`recae compare`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from recae.cli import options
from recae.cli.click_classes import RecaeCommand
from recae.cli.commands.train import SPLITS
from recae.cli.param_types import Share

if TYPE_CHECKING:
    from recae.comparison import Comparison

_EXAMPLES = """\b
Examples:
  recae compare sample --models ease,pca,popularity
  recae compare ml-1m --models ease,edlae,als,item-knn --threshold 4 --figure compared.png
  recae compare ml-100k --models i-autorec,biased-mf,bias --split random --json
  recae compare ratings.csv --models ease,slim --metrics ndcg@10,coverage@10 --test 500
"""


@click.command(cls=RecaeCommand, epilog=_EXAMPLES, short_help="Fit several models on one split, in one table.")
@click.argument("dataset", default="sample")
@click.option("-m", "--models", required=True, metavar="NAME,NAME,...", help="See 'recae models'.")
@click.option(
    "--split",
    "how",
    type=click.Choice(SPLITS),
    default="held-out-users",
    show_default=True,
    help="How the test part is chosen.",
)
@click.option("--test", type=Share(), help="Share of the ratings, or share or number of users, to test on.")
@click.option("--fold", type=int, help="For --split k-fold: which of the five folds is the test part, from 0.")
@click.option(
    "--threshold", type=float, metavar="RATING", help="Keep what is rated so or higher, as 1; users with 5 or more."
)
@click.option("--metrics", metavar="NAMES", help="The first orders the table.  [default: by models]")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the split and of the models.")
@click.option("-o", "--out", type=click.Path(), metavar="FILE", help="Write the table as JSON, too.")
@click.option("--figure", type=click.Path(), metavar="FILE", help="Write accuracy against time as a PNG.")
@options.table
@options.as_json
@options.loudness
def compare(
    dataset: str, models: str, how: str, test: float | int | None, fold: int | None, threshold: float | None,
    metrics: str | None, seed: int, out: str | None, figure: str | None, as_json: bool, **table: Any,
) -> None:  # fmt: skip
    """Fit each of --models on DATASET and measure all on the same test part: accuracy, what lists are like, times.

    By default whole users are hidden, and met with four fifths of their ratings. The best model by the first metric
    is tested against each other one over the users (p). Times are wall-clock; MB is by how much memory grew.
    """
    from recae.cli.console import echo
    from recae.cli.inputs import load_ratings
    from recae.cli.outputs import check_writable
    from recae.cli.printing import print_json
    from recae.comparison import compare as run

    check_writable(out, figure)
    ratings = load_ratings(dataset, **table)
    found = run(
        ratings, [name.strip() for name in models.split(",") if name.strip()], how,
        metrics.split(",") if metrics else None, test=test, threshold=threshold, rng=seed,
        progress=options.note, **({} if fold is None else {"fold": fold}),
    )  # fmt: skip
    if out:
        found.to_json(out)
    if figure:
        _draw(found, figure)
    if as_json:
        print_json(found.to_dict())
    else:
        echo(str(found))


def _draw(found: Comparison, path: str) -> None:
    from recae.plots import save
    from recae.plots.comparison_plot import accuracy_against_time

    name = found.metrics[0]
    save(
        accuracy_against_time(
            [row["model"] for row in found.rows], [row["fit_seconds"] for row in found.rows],
            [row[name] for row in found.rows], [found.reports[row["model"]].interval(name) for row in found.rows],
            ylabel=name, title=f"{found.split.train.name}, {found.split.how}: 95 % intervals over users",
        ),
        path,
    )  # fmt: skip
    options.note(f"The figure is in {path}.")
