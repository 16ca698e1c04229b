"""`recae train`."""

from __future__ import annotations

from typing import Any

import click

from recae.cli import options
from recae.cli.hyperparameters import DEFAULT_MODEL, ModelCommand
from recae.cli.param_types import Share

# `recae.splitting.HOW`, which is not imported here: it takes SciPy. A test holds the two together.
SPLITS = ("random", "k-fold", "per-user", "leave-one-out", "time", "held-out-users")

_EXAMPLES = """\b
Examples:
  recae train sample --out m.recae
  recae train ml-100k --model u-autorec --hidden 300 --l2 50 --out m.recae
  recae train ml-1m --hidden 500,250,500 --pretrain-epochs 5 --epochs 50 --out deep.recae
  recae train ratings.csv --user-column who --item-column what --split time --json
  recae train ml-1m --test 0 --out m.recae            all ratings, for use
  recae train ml-1m --epochs 200 --out m.recae --resume
  recae train ml-1m --settings tuned.toml --validation 0 --out m.recae
  recae train --model u-autorec -h                    with all hyper-parameters
  torchrun --standalone --nproc-per-node=4 -m recae train ml-1m --out m.recae      four processes, one model

While it trains, its state is kept in OUT.ckpt (for models that train in epochs). Ctrl-C, SIGTERM and SIGHUP
keep it too, and say how to resume; --resume then ends with the same model as a training without a stop.
"""


@click.command(cls=ModelCommand, epilog=_EXAMPLES, short_help="Train a model, and measure it.")
@click.argument("dataset", default="sample")
@click.option(
    "-m", "--model", "name", default=DEFAULT_MODEL, show_default=True, metavar="NAME", help="See 'recae models'."
)
@click.option(
    "--settings",
    type=click.Path(),
    metavar="FILE",
    expose_value=False,
    help="Model and hyper-parameters from a file that 'recae tune' wrote; options given here go over it.",
)
@click.option("-o", "--out", type=click.Path(), metavar="FILE", help="Where to keep the model; without, it is not.")
@click.option("--test", type=Share(), help="What is held out to measure on; 0 for none.  [default: 0.1]")
@click.option(
    "--validation",
    type=Share(),
    help="What is held out of the rest to stop by, for models that train in epochs.  [default: 0.05 for these]",
)
@click.option(
    "--split",
    "how",
    type=click.Choice(SPLITS),
    default="random",
    show_default=True,
    help="How the test part is chosen.",
)
@click.option("--folds", type=int, help="For --split k-fold: in how many parts.  [default: 5]")
@click.option("--fold", type=int, help="For --split k-fold: which of them is the test part, from 0.")
@click.option(
    "--save-test", type=click.Path(), metavar="FILE", help="Write the test part as csv, for 'recae evaluate'."
)
@click.option("--metrics", metavar="NAMES", help="What to measure, such as rmse,ndcg@100.  [default: by model]")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the split and of the model.")
@click.option("--checkpoint", type=click.Path(), metavar="FILE", help="Where the state is kept.  [default: OUT.ckpt]")
@click.option(
    "--checkpoint-every",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How often at most, while it trains.",
)
@click.option("--resume", is_flag=True, help="Go on from the checkpoint, if there is one.")
@click.option("--restart", is_flag=True, help="Begin afresh although there is a checkpoint.")
@options.table
@options.as_json
@options.loudness
@click.pass_context
def train(ctx: click.Context, /, **given: Any) -> None:
    """Train a model on DATASET and measure it on ratings that it has not seen.

    DATASET is a name ('recae data list'), a file of ratings (csv, tsv, '::', Parquet, JSON lines), a rating store
    ('recae data prepare') or a MovieLens folder; by default the embedded sample.
    """  # fmt: skip
    from recae.cli.train_steps import run

    run(ctx, given)
