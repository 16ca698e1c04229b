"""`recae tune`."""

from __future__ import annotations

from typing import Any

import click

from recae.cli import options
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

The test part is split off first, as 'recae train' with the same --split, --test and --seed does, and is not looked
at. Every trial is kept in OUT.study as it ends; after Ctrl-C or a kill, --resume goes on from there. Beside the
settings stands the log of the search (OUT with .json).
"""


@click.command(cls=ModelCommand, epilog=_EXAMPLES, short_help="Search for a model's best settings.")
@click.argument("dataset", default="sample")
@click.option(
    "-m", "--model", "name", default=DEFAULT_MODEL, show_default=True, metavar="NAME", help="See 'recae models'."
)
@click.option("-o", "--out", type=click.Path(), metavar="FILE", help="Where to write the settings, as TOML.")
@click.option(
    "--budget", default="30", show_default=True, metavar="BUDGET", help="Trials in all, or a time: 90s, 20m, 2h."
)
@click.option(
    "--try", "tries", multiple=True, metavar="NAME=WHERE",
    help="A hyper-parameter to search, and where: low:high, low:high:log, or values as a|b|c. May be repeated.  "
    "[default: what the model declares, less what is given as an option]",
)  # fmt: skip
@click.option(
    "--hide", type=click.Choice(["auto", "ratings", "users"]), default="auto", show_default=True,
    help="What trials are measured on; auto: users for models that rank, else ratings.",
)  # fmt: skip
@click.option(
    "--validation", type=float, default=0.1, show_default=True, metavar="SHARE", help="How much of it that is."
)
@click.option("--metric", metavar="NAME", help="What is measured.  [default: rmse, or ndcg@100]")
@click.option("--no-pruning", is_flag=True, help="Train every trial to its end.")
@click.option("--test", type=Share(), help="What is split off first and never looked at; 0 for none.  [default: 0.1]")
@click.option(
    "--split", "how", type=click.Choice(SPLITS), default="random", show_default=True,
    help="How the test part is chosen.",
)  # fmt: skip
@click.option("--folds", type=int, help="For --split k-fold: in how many parts.  [default: 5]")
@click.option("--fold", type=int, help="For --split k-fold: which of them is the test part, from 0.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the split, the search and the model.")
@click.option("--study", type=click.Path(), metavar="FILE", help="Where trials are kept.  [default: OUT.study]")
@click.option("--resume", is_flag=True, help="Go on from the study, if there is one.")
@click.option("--restart", is_flag=True, help="Begin afresh although there is a study.")
@options.table
@options.as_json
@options.loudness
@click.pass_context
def tune(ctx: click.Context, /, **given: Any) -> None:
    """Search for the settings of a model that predict held-out training ratings of DATASET best.

    Hyper-parameters given as options are kept; the others are searched where the model declares it, or where --try
    says. Needs Optuna: pip install 'recae[tune]'.
    """
    from recae.cli.tune_steps import run

    run(ctx, given)
