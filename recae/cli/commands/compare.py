"""`recae compare`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from recae.cli import completion, options
from recae.cli.click_classes import RecaeCommand
from recae.cli.commands.train import SPLITS
from recae.cli.param_types import Seeds, Share

if TYPE_CHECKING:
    from recae.comparison import Comparison


_EXAMPLES = """\b
Examples:
  recae compare sample --models ease,pca,popularity
  recae compare ml-1m --models ease,edlae,als,item-knn --threshold 4 --figure compared.png
  recae compare ml-100k --models i-autorec,biased-mf,bias --split random --json
  recae compare ml-100k --models bias,biased-mf --split random --seeds 0,1,2
  recae compare ratings.csv --models ease,popularity --split time --test 7D --windows 4
  recae compare --train train.csv --test test.csv --models ease,popularity
  recae compare ratings.csv --models ease,slim --metrics ndcg@10,coverage@10 --test 500
"""


@click.command(cls=RecaeCommand, epilog=_EXAMPLES, short_help="Compare several models on one split, in a table.")
@click.argument("dataset", default="sample", shell_complete=completion.datasets)
@click.option(
    "-m",
    "--models",
    required=True,
    metavar="NAME,NAME,...",
    help="Models; 'recae models' lists all.",
    shell_complete=completion.several_models,
)
@click.option(
    "--split",
    "how",
    type=click.Choice(SPLITS),
    default="held-out-users",
    help="How to choose the test part.  [default: held-out-users; time where a model reads the order of ratings]",
)
@click.option("--train", type=click.Path(), metavar="FILE", help="File of the training part, in place of DATASET.")
@click.option(
    "--test", type=Share(),
    help="Share of the ratings, or share or number of users, held out for the test; a date or a span; or a file.",
)  # fmt: skip
@click.option("--validation", type=Share(), help="Share, date, span or file for early stopping.  [default: none]")
@click.option("--windows", type=int, metavar="N", help="For --split time --test SPAN: number of test windows.")
@options.again
@click.option("--fold", type=int, help="For --split k-fold: index of the test fold, 0 to 4.  [default: all folds]")
@options.threshold
@click.option("--metrics", metavar="NAMES", help="Metrics; the table is sorted by the first.  [default: by models]")
@click.option(
    "--seed", "--seeds", "seed", type=Seeds(), default="0", show_default=True, metavar="N[,N,...]",
    help="Random seed of the split and of the models; several: one split each, with means and intervals over splits.",
)  # fmt: skip
@click.option("-o", "--out", type=click.Path(), metavar="FILE", help="Also write the table to this file, as JSON.")
@click.option(
    "--figure", type=click.Path(), metavar="FILE", help="Draw accuracy beside training time, as .png, .svg or .pdf."
)
@options.table
@options.as_json
@options.loudness
def compare(
    dataset: str, models: str, how: str, train: str | None, test: Any, validation: Any, windows: int | None,
    again: bool, fold: int | None, threshold: float | None, min_user: int | None,
    metrics: str | None, seed: list[int], out: str | None, figure: str | None, as_json: bool, **table: Any,
) -> None:  # fmt: skip
    """Fit each of --models on DATASET and measure all on the same test part: accuracy, properties of lists, times.

    By default whole users are held out: a model gets four fifths of their ratings as input. A paired test over users
    compares the best model by the first metric with each other model (p). Times are wall-clock; MB is the growth of
    memory.
    """
    from recae.cli.console import echo
    from recae.cli.failures import Failure
    from recae.cli.outputs import check_picture, check_writable, files_read
    from recae.cli.own_models import entry_of_class
    from recae.cli.own_parts import is_again, liked_options, split_by_time_for, to_compare_on
    from recae.cli.printing import print_json
    from recae.cli.train_steps import check_metrics
    from recae.comparison import compare as run
    from recae.models import MODELS

    read = files_read({"dataset": train or dataset, "test": test, "validation": validation, **table})
    check_picture("--figure", figure, read)
    check_writable(out, figure, inputs=read)
    check_metrics(metrics)
    names = [name.strip() for name in models.split(",") if name.strip()]
    for name in names:
        if ":" in name:
            entry_of_class(name, "--models")
    given = {"how": how, "test": test, "validation": validation, "windows": windows, "fold": fold}
    given |= {
        "dataset": train or dataset,
        "again": again or None,
        "threshold": threshold,
        "min_user": min_user,
        **table,
    }
    split_by_time_for({name: MODELS[name].make() for name in names if name in MODELS}, given)
    ratings, how, made = to_compare_on(train or dataset, given)
    found = run(
        ratings, names, how,
        metrics.split(",") if metrics else None, rng=seed[0] if len(seed) == 1 else seed,
        filter_seen=not (again or is_again(ratings)), progress=options.note, **liked_options(given), **made,
    )  # fmt: skip
    if out:
        found.to_json(out)
    if figure:
        _draw(found, figure)
    if as_json:
        print_json(found.to_dict())
    else:
        echo(str(found))
    if found.failed:  # what there is was shown; a script is told that it is not all
        raise Failure(f"{len(found.failed)} of {len(names)} models failed: {', '.join(found.failed)}; see above")


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
    options.note(f"Saved the figure to {path}.")
