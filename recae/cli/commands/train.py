"""`recae train`."""

from __future__ import annotations

from typing import Any

import click

from recae.cli import completion, options
from recae.cli.hyperparameters import ModelCommand, default_model
from recae.cli.param_types import Share

# `recae.splitting.HOW`, which is not imported here: it takes SciPy. A test compares the two.
SPLITS = ("random", "k-fold", "per-user", "leave-one-out", "time", "held-out-users")

_EXAMPLES = """\b
Examples:
  recae train sample --out m.recae
  recae train ml-100k --model u-autorec --hidden 300 --l2 50 --out m.recae
  recae train ml-1m --hidden 500,250,500 --pretrain-epochs 5 --epochs 50 --out deep.recae
  recae train ratings.csv --user-column who --item-column what --split time --json
  recae train ratings.csv --split time --test 7D --validation 7D --out m.recae
  recae train train.csv --test test.csv --validation validation.csv --out m.recae
  recae train ml-1m --model ease --threshold 4
  recae train ml-1m --test 0 --out m.recae            train on all ratings
  recae train ml-1m --epochs 200 --out m.recae --resume
  recae train ml-1m --settings tuned.toml --validation 0 --out m.recae
  recae train ratings.csv --start yesterday.recae --epochs 10 --split time --out m.recae
  recae train --model u-autorec -h                    list all hyper-parameters
  torchrun --standalone --nproc-per-node=4 -m recae train ml-1m --out m.recae      four processes, one model

For models that train in epochs, the command writes a checkpoint, OUT.ckpt, during training and on Ctrl-C, SIGTERM
and SIGHUP. --resume resumes from it and gives the same model as training without an interruption.
"""


@click.command(cls=ModelCommand, epilog=_EXAMPLES, short_help="Train a model and measure it.")
@click.argument("dataset", default="sample", shell_complete=completion.datasets)
@click.option(
    "-m",
    "--model",
    "name",
    shell_complete=completion.models,
    metavar="NAME",
    help="Model to train; 'recae models' lists all.  [default: auto, which looks at the data; with other "
    "hyper-parameters than --task, and under torchrun, i-autorec]",
)
@click.option(
    "--settings",
    type=click.Path(),
    metavar="FILE",
    expose_value=False,
    help="Read model and hyper-parameters from a file that 'recae tune' wrote; options override it.",
)
@click.option(
    "--start",
    type=click.Path(),
    metavar="FILE",
    help="Begin with the weights of this model, such as yesterday's: a few epochs then do (--epochs). Model and "
    "hyper-parameters are its, too.",
)
@click.option(
    "-o", "--out", type=click.Path(), metavar="FILE", help="Save the model to this file.  [default: not saved]"
)
@click.option(
    "--without-ratings",
    is_flag=True,
    help="Save the model without the ratings and the users' ids: it serves new users only.",
)
@click.option(
    "--test", type=Share(),
    help="Share of the ratings held out as the test part; by time a date or a span such as 7D; or a file; 0 for none.  "
    "[default: 0.1]",
)  # fmt: skip
@click.option(
    "--validation",
    type=Share(),
    help="Share, date, span or file held out for early stopping, for models that train in epochs.  "
    "[default: 0.05 for these]",
)
@click.option(
    "--split",
    "how",
    type=click.Choice(SPLITS),
    default="random",
    help="How to choose the test part.  [default: random; time for models that read the order of ratings]",
)
@options.threshold
@options.again
@click.option("--folds", type=int, help="For --split k-fold: number of folds.  [default: 5]")
@click.option("--fold", type=int, help="For --split k-fold: index of the test fold, from 0.")
@click.option(
    "--save-test", type=click.Path(), metavar="FILE", help="Write the test part to this csv file, for 'recae evaluate'."
)
@click.option(
    "--metrics", metavar="NAMES", help="Metrics on the test part, such as rmse,ndcg@100.  [default: by model]"
)
@click.option("--seed", type=int, default=0, show_default=True, help="Random seed of the split and of the model.")
@click.option("--checkpoint", type=click.Path(), metavar="FILE", help="File of the checkpoint.  [default: OUT.ckpt]")
@click.option(
    "--checkpoint-every",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Shortest time between two checkpoints.",
)
@click.option("--resume", is_flag=True, help="Resume from the checkpoint, if there is one.")
@click.option("--restart", is_flag=True, help="Delete the checkpoint and start from the beginning.")
@options.table
@options.as_json
@options.loudness
@click.pass_context
def train(ctx: click.Context, /, **given: Any) -> None:
    """Train a model on DATASET and measure it on held-out ratings.

    DATASET is a name ('recae data list'), a file of ratings (csv, tsv, '::', Parquet, JSON lines), a rating store
    ('recae data prepare') or a MovieLens folder. The default is the
    built-in sample.
    """  # fmt: skip
    from recae.cli.train_steps import run

    given["name"] = given["name"] or default_model(ctx)
    run(ctx, given)
