"""`recae split`."""

from __future__ import annotations

from typing import Any

import click

from recae.cli import completion, options
from recae.cli.click_classes import RecaeCommand
from recae.cli.commands.train import SPLITS
from recae.cli.param_types import Share

_EXAMPLES = """\b
Examples:
  recae split ml-100k --out parts.npz
  recae split ratings.csv --split time --test 7D --validation 7D --out parts.npz
  recae train parts.npz --model i-autorec --out m.recae
  recae compare parts.npz --models ease,popularity
  recae evaluate m.recae parts.npz
"""


@click.command(cls=RecaeCommand, epilog=_EXAMPLES, short_help="Split ratings, and save the parts in a file.")
@click.argument("dataset", default="sample", shell_complete=completion.datasets)
@click.option("-o", "--out", type=click.Path(), required=True, metavar="FILE", help="Write the parts to this file.")
@click.option(
    "--split",
    "how",
    type=click.Choice(SPLITS),
    default="random",
    show_default=True,
    help="How to choose the test part.",
)
@click.option(
    "--test", type=Share(),
    help="Share of the ratings, or share or number of users, held out for the test; a date or a span; or a file.  "
    "[default: 0.1]",
)  # fmt: skip
@click.option("--validation", type=Share(), help="Share, date, span or file for early stopping.  [default: none]")
@options.again
@click.option("--folds", type=int, help="For --split k-fold: number of folds.  [default: 5]")
@click.option("--fold", type=int, help="For --split k-fold: index of the test fold, from 0.")
@options.threshold
@click.option("--seed", type=int, default=0, show_default=True, help="Random seed of the split.")
@options.table
@options.as_json
@options.loudness
def split(dataset: str, out: str, as_json: bool, **given: Any) -> None:
    """Split DATASET into parts, and save them in one file.

    The file takes the place of DATASET in 'recae train' and 'recae compare', and of TEST in 'recae evaluate': every
    model then learns from the same part and is measured on the same part. In Python, recae.Split.load reads it.
    """
    from recae.cli.outputs import check_writable, files_read
    from recae.cli.own_parts import split_by
    from recae.cli.printing import print_facts, print_json

    check_writable(out, inputs=files_read({"dataset": dataset, **given}))
    parts = split_by(dataset, given)
    parts.save(out)
    settings = {name: value for name, value in parts.settings.items() if value is not None}
    facts: dict[str, Any] = {"path": out, "how": parts.how, "settings": settings}
    facts |= {name: part.n_ratings for name, part in parts.parts().items()}
    print_json(facts) if as_json else print_facts(facts)
