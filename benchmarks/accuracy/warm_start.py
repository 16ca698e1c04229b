"""Epochs of `fit(ratings, start=yesterday)` beside a fit from scratch, on MovieLens-1M.

\b
    python -m benchmarks.warm_start [DATA] [--only mult-dae]

A tenth of the ratings is the test part and a twentieth of the rest the validation part, at random (seed 0). Yesterday
has 95 % of the others, at random or the earliest ones; today has all. Yesterday's model and today's from scratch have
the default settings, and stop by the validation part, of which yesterday has learnt nothing. Today's warm model may
take a third of the epochs that were best from scratch; ELSA's
has a tenth of its learning rate. Rankers learn from ratings of 4 and 5 stars.
"""

from __future__ import annotations

from typing import Any

import click
import numpy as np

import recae
from benchmarks.common.options import choose_names
from benchmarks.common.record import commit, read, write
from recae.ratings import RatingMatrix

MODELS = {"i-autorec": "rmse", "elsa": "ndcg@100", "u-autorec": "rmse", "mult-dae": "ndcg@100"}
WARM = {"elsa": {"lr": 0.003}}  # a tenth of its rate: the whole one, meant for random codes, undoes what was learnt
SHARE = 0.95  # of today's ratings that yesterday has


@click.command(help=__doc__)
@click.argument("data", default="ml-1m")
@click.option("--only", default="", help=f"Some of {', '.join(MODELS)}.")
@click.option("--name", default="warm_start", help="Of the result, benchmarks/results/NAME.json.")
def main(data: str, only: str, name: str) -> None:
    ratings, chosen, before_this = recae.load(data), choose_names(MODELS, only), read(name, {"rows": [], "commit": ""})
    kept = [{"commit": before_this["commit"], **row} for row in before_this["rows"] if row["model"] not in chosen]
    rows = list[dict[str, Any]]()
    for model in chosen:
        metric = MODELS[model]
        known = ratings if metric == "rmse" else ratings.binarize(4).filter(min_user=5)
        split = recae.split(known, "random", test=0.1, validation=0.05, rng=0)
        assert split.validation is not None
        scratch = recae.make_model(model).fit(split.train, split.validation)
        most = max(1, best_epoch(scratch) // 3)
        for way in ("random", "time"):
            past = earlier(split.train, way)
            before = recae.make_model(model).fit(past, split.validation)
            warm = recae.make_model(model, **{"epochs": most, **WARM.get(model, {})}).fit(
                split.train, split.validation, start=before
            )
            rows.append({
                "model": model, "commit": commit(), "yesterday": way, "metric": metric, "n_yesterday": past.n_ratings,
                "n_today": split.train.n_ratings, "new_users": new(past, split.train, "user"),
                "new_items": new(past, split.train, "item"), "scratch": figures(scratch, split, metric),
                "before": figures(before, split, metric), "warm": figures(warm, split, metric),
                "epochs_to_scratch": first_as_good(warm, scratch),
            })  # fmt: skip
            click.echo(rows[-1])
            write(name, {"data": repr(ratings), "share": SHARE, "warm_settings": WARM, "rows": rows + kept})


def earlier(train: RatingMatrix, way: str) -> RatingMatrix:
    """95 % of the ratings, with the users and items that these have."""
    n = int(SHARE * train.n_ratings)
    order = np.random.default_rng(0).permutation(train.n_ratings)
    if way == "time":
        assert train.timestamps is not None
        order = np.argsort(train.timestamps, kind="stable")
    kept = np.zeros(train.n_ratings, bool)
    kept[order[:n]] = True
    return train.select(kept).filter(min_user=1, min_item=1)


def new(past: RatingMatrix, today: RatingMatrix, by: Any) -> int:
    """Users or items with ratings today, and none yesterday."""
    return int((today.counts(by) > 0).sum() - (past.counts(by) > 0).sum())


def best_epoch(model: Any) -> int:
    return int(model.history_.best_epoch)


def figures(model: Any, split: Any, metric: str) -> dict[str, Any]:
    """Epochs, the validation figure (an error: small is good) of the best one, and the test figure."""
    report = recae.evaluate(model, split, metric)
    return {"epochs": len(model.history_.records), "best_epoch": best_epoch(model),
            "validation": model.history_.best, "test": report[metric]}  # fmt: skip


def first_as_good(warm: Any, scratch: Any) -> int | None:
    """The first epoch of the warm start that is as good as the best from scratch, on validation; None for none."""
    found = (r["epoch"] for r in warm.history_.records if r["validation"] <= scratch.history_.best)
    return next(found, None)


if __name__ == "__main__":
    main()
