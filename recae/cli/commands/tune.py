"""`recae tune`."""

from __future__ import annotations

from typing import Any

import click

from recae.cli import completion, options
from recae.cli.commands.train import SPLITS
from recae.cli.hyperparameters import DEFAULT_MODEL, ModelCommand
from recae.cli.param_types import Share

_EXAMPLES = """\b
Examples:
  recae tune ml-1m --model i-autorec --budget 1h --out tuned.toml
  recae train ml-1m --settings tuned.toml --validation 0 --out m.recae
  recae tune ratings.csv --model ease --try l2=10:3000:log --budget 20 --out ease.toml
  recae tune ml-1m --try "hidden=300|500|500,250,500" --try l2=40:200:log --epochs 40 --out deep.toml
  recae tune ml-1m --budget 2h --out tuned.toml --resume

The command first holds out the test part, as 'recae train' does with the same --split, --test and --seed, and never
uses it. It writes each finished trial to OUT.study; after Ctrl-C or a kill, --resume resumes the search. It writes the
log of the search next to the settings (OUT with the ending .json).
"""


@click.command(cls=ModelCommand, epilog=_EXAMPLES, short_help="Search for a model's best settings.")
@click.argument("dataset", default="sample", shell_complete=completion.datasets)
@click.option(
    "-m",
    "--model",
    "name",
    shell_complete=completion.models,
    default=DEFAULT_MODEL,
    show_default=True,
    metavar="NAME",
    help="Model to tune; 'recae models' lists all.",
)
@click.option("-o", "--out", type=click.Path(), metavar="FILE", help="Write the best settings to this file, as TOML.")
@click.option(
    "--budget",
    default="30",
    show_default=True,
    metavar="BUDGET",
    help="Total number of trials, or a duration: 90s, 20m, 2h.",
)
@click.option(
    "--try", "tries", multiple=True, metavar="NAME=RANGE|VALUES",
    help="A hyper-parameter to search, with its range (low:high or low:high:log) or its values (a|b|c). "
    "May be repeated.  [default: as the model declares, except for those given as options]",
)  # fmt: skip
@click.option(
    "--hide", type=click.Choice(["auto", "ratings", "users", "time"]), default="auto", show_default=True,
    help="Hold out ratings, whole users or the latest ratings to measure trials on; auto: the latest with --split "
    "time, else users for models that rank, ratings for others.",
)  # fmt: skip
@click.option(
    "--validation",
    type=Share(files=False),
    default=0.1,
    show_default=True,
    help="Share of the ratings or users to hold out and measure trials on; by time also a date or a span such as 7D.",
)
@click.option("--metric", metavar="NAME", help="Metric to optimise.  [default: rmse, or ndcg@100 for models that rank]")
@click.option("--no-pruning", is_flag=True, help="Do not stop poor trials early.")
@click.option(
    "--test",
    type=Share(files=False),
    help="Share of the ratings held out first and never used; 0 for none.  [default: 0.1]",
)
@click.option(
    "--split", "how", type=click.Choice(SPLITS), default="random",
    help="How to choose the test part.  [default: random; time for models that read the order of ratings]",
)  # fmt: skip
@options.threshold
@options.again
@click.option("--folds", type=int, help="For --split k-fold: number of folds.  [default: 5]")
@click.option("--fold", type=int, help="For --split k-fold: index of the test fold, from 0.")
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Random seed of the split, of the search and of the model."
)
@click.option("--study", type=click.Path(), metavar="FILE", help="File that keeps the trials.  [default: OUT.study]")
@click.option("--resume", is_flag=True, help="Resume the search from the study, if there is one.")
@click.option("--restart", is_flag=True, help="Delete the study and start from the beginning.")
@options.table
@options.as_json
@options.loudness
@click.pass_context
def tune(ctx: click.Context, /, **given: Any) -> None:
    """Search for the settings with which a model predicts held-out training ratings of DATASET best.

    Hyper-parameters given as options stay fixed. The search varies the others in the ranges that the model declares, or
    only those of --try. It needs Optuna: pip install 'recae[tune]'.
    """
    from recae.cli.tune_steps import run

    run(ctx, given)
