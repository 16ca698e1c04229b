"""What it is worth to pick GLocal-K's epoch by the test part, as published: its RMSE on u1 after each epoch.

\b
    python -m benchmarks.picked_epoch

The settings are those of the row `glocal-k` of ml-100k, which were chosen on u1's train part, with more epochs under
the convolution, and without the pull towards the biases. The network learns from u1's train part alone, and no epoch is
chosen. The lowest figure is one that nobody can reach who does not know the test ratings: it stands in no table.
"""

from __future__ import annotations

import copy
from typing import Any

import click

from benchmarks.accuracy.fits import model_of, rows_of
from benchmarks.common.record import write
from recae.metrics import rmse
from recae.ratings import RatingMatrix
from recae.training import Callback

DATA, ROW, FOLD = "ml-100k", "glocal-k", "u1"


class ErrorAfterEpochs(Callback):
    """RMSE on test ratings after each epoch under the convolution, by the network as it then is.

    Nothing of it goes back to the training.
    """

    def __init__(self, model: Any, train: RatingMatrix, test: RatingMatrix) -> None:
        self.model, self.train, self.test = model, train, test
        self.errors: list[float] = []
        self.stage = ""

    def on_fit_start(self, trainer: Any) -> None:
        self.stage = trainer.label

    def on_epoch_end(self, record: dict[str, Any]) -> None:  # noqa: ARG002 - what a callback takes
        if self.stage != "global kernel":
            return
        now = copy.copy(self.model)
        now._set_ratings(self.train)
        users, items, ratings = self.test.pairs()
        self.errors.append(rmse(ratings, now.predict_pairs(users, items)))


@click.command(help=__doc__)
@click.option("--tune-epochs", default=10, show_default=True, help="Epochs under the convolution.")
@click.option("--name", default="picked_epoch", help="Of the result, benchmarks/results/NAME.json.")
def main(tune_epochs: int, name: str) -> None:
    from recae.loaders import load_fold

    row = rows_of(DATA)[ROW]
    chosen = row["params"]["tune_epochs"]
    if tune_epochs < chosen:
        raise click.BadParameter(f"at least {chosen}, which the row has", param_hint="--tune-epochs")
    model: Any = model_of(row, DATA).set_params(tune_epochs=tune_epochs, shrink="never")
    train, test = load_fold(DATA, FOLD)
    told = ErrorAfterEpochs(model, train, test)
    model.fit(train, progress=False, callbacks=[told])
    lowest = min(told.errors)
    found = {
        "data": DATA, "fold": FOLD, "row": ROW, "seed": model.rng, "rmse_after_epoch": told.errors,
        "chosen_epoch": chosen, "chosen": told.errors[chosen - 1], "lowest": lowest,
        "lowest_epoch": told.errors.index(lowest) + 1, "published": row["published"],
    }  # fmt: skip
    write(name, found)
    click.echo(
        f"RMSE on {FOLD}: {found['chosen']:.4f} after {chosen} epochs under the convolution, as chosen on train; the "
        f"lowest of {len(told.errors)} epochs is {lowest:.4f} (after {found['lowest_epoch']}); published "
        f"{row['published']}"
    )


if __name__ == "__main__":
    main()
