"""Choose settings on held-out training data; the test part is split off first and not used.

\b
    python -m benchmarks.choose ml-1m i-autorec

Candidates are a row's `params` in `benchmarks/configs/`, and each variation in its `vary` table, one at a time. Each
is fitted on 90 % of the train part of the first split (or fold) and measured on the other 10 %. The log goes to
`benchmarks/results/`, sorted by validation RMSE. After a better candidate is moved into `params`, run it again.

A row that blends others (`of`) has no candidates: its members are fitted on the 90 %, and their weights follow from the
other 10 %. The blend's own RMSE is measured there by five-fold cross-fitting.
"""

from __future__ import annotations

from typing import Any

import click
import numpy as np

from benchmarks.accuracy.fits import model_of, parts, tupled
from benchmarks.common.options import read_config
from benchmarks.common.record import write


def candidates(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The row's settings, and each variation of one of them."""
    base = row.get("params", {})
    varied = [{**base, key: value} for key, values in row.get("vary", {}).items() for value in values]
    return [base, *(settings for settings in varied if settings != base)]


def validation_rmse(model_name: str, settings: dict[str, Any], train: Any, validation: Any) -> dict[str, Any]:
    """One candidate: RMSE after its last epoch, which is what a fit without validation gives, and its best epoch."""
    import recae
    from recae.metrics import rmse

    model = recae.make_model(model_name, **{key: tupled(value) for key, value in settings.items()})
    model.fit(train, validation, progress=False)
    users, items, ratings = validation.pairs()
    best = rmse(ratings, model.predict_pairs(users, items))
    history = getattr(model, "history_", None)
    return {
        "settings": settings, "validation_rmse": history.records[-1]["validation"] if history else best,
        "best_rmse": best, "best_epoch": history.best_epoch if history else None,
        "seconds": history.seconds if history else None,
    }  # fmt: skip


def stacked(members: dict[str, Any], train: Any, validation: Any, folds: int = 5) -> dict[str, Any]:
    """Weights of fitted members as `Blend` stacks them, each member's RMSE, and the blend's by cross-fitting."""
    from recae import metrics
    from recae.models.ensemble.blend import Blend, stacking

    users, items, truth = validation.pairs()
    warm = (train.counts("user")[users] > 0) & (train.counts("item")[items] > 0)
    users, items, truth = users[warm], items[warm], truth[warm].astype(np.float64)
    predicted = np.column_stack([model._pairs(users, items) for model in members.values()]).astype(np.float64)
    l2 = Blend().l2
    fold = np.random.default_rng(0).permutation(len(truth)) % folds
    mixed = np.empty(len(truth))
    for k in range(folds):
        weights, level = stacking(predicted[fold != k], truth[fold != k], l2)
        mixed[fold == k] = predicted[fold == k] @ weights + level

    def rmse(values: Any) -> float:
        return metrics.rmse(truth, np.clip(values, *train.scale))

    weights, _ = stacking(predicted, truth, l2)
    return {
        "members": list(members), "weights": [round(float(w), 4) for w in weights],
        "member_rmse": [rmse(column) for column in predicted.T], "validation_rmse": rmse(mixed),
    }  # fmt: skip


@click.command(help=__doc__)
@click.argument("dataset", type=click.Choice(["ml-1m", "ml-100k", "ml-10m", "ml-20m"]))
@click.argument("row")
def main(dataset: str, row: str) -> None:
    from recae.splitting import take_validation

    rows = read_config(dataset)
    if row not in rows:
        raise click.BadParameter(f"{row!r}: choose one of {', '.join(rows)}", param_hint="ROW")
    train, validation = take_validation(parts(dataset, rows[row].get("protocol", "random-90/10"), 0)[0], 0.1, rng=0)
    if "of" in rows[row]:
        models = {name: model_of(rows[name], dataset).fit(train, progress=False) for name in rows[row]["of"]}
        found = stacked(models, train, validation)
        click.echo(f"{found['validation_rmse']:.4f}  weights {found['weights']}")
        write(f"choose-{dataset}-{row}", {"stacked": found})
        return
    log: list[dict[str, Any]] = []
    for settings in candidates(rows[row]):
        log.append(validation_rmse(rows[row]["model"], settings, train, validation))
        click.echo(f"{log[-1]['validation_rmse']:.4f} (best {log[-1]['best_rmse']:.4f})  {settings}")
        write(f"choose-{dataset}-{row}", {"log": sorted(log, key=lambda entry: entry["validation_rmse"])})


if __name__ == "__main__":
    main()
