"""Choose settings of top-N models for MovieLens-1M on its validation users; the test users are not used.

\b
    python -m benchmarks.choose_topn [mult-vae rec-vae ...]

The neural recommenders and those for large catalogues; `benchmarks.linear_vs_mf` has the searches of the others. The
split and the rule are those of `benchmarks.topn`. Each model has six candidates or more: the defaults, changes of what
the papers tuned, and smaller steps, for there are few users here. Mult-VAE has more, with and without hidden layers; of
Spectral, candidates of an earlier search are in the results as well. docs/topn.md says how many each model had.
Each is fitted once (seed 0); what learns by epochs stops when NDCG@100 of the validation users has not risen for
`patience` epochs. What was tried is in results/choose-topn-ml-1m.json; a candidate that is in there already is not
trained again. The best of each model is written by hand into configs/topn-ml-1m.toml.
"""

from __future__ import annotations

import json
from typing import Any

import click

from benchmarks.common.record import read, write
from benchmarks.common.timing import timed
from benchmarks.topn.protocol import fitted, hidden_users
from recae.models import MODELS, make_model
from recae.recommender.list_error import ranking_error
from recae.splitting import Split

Settings = dict[str, Any]
NAME = "choose-topn-ml-1m"
SPECTRAL = {"strength": 0.02, "post": 0.35, "user_power": 0.4, "prior": 20.0, "popularity": 0.0}
CHOSEN: dict[str, Settings] = {
    "dan": {"model": "dan", "l2": 20.0, "alpha": 0.3, "beta": 0.3, "dropout": 0.5},
    "als": {"model": "als", "factors": 128, "alpha": 10.0, "l2": 50.0, "popularity": 0.0},
    "elsa": {"model": "elsa", "factors": 512, "popularity": 0.0}, "spectral": {"model": "spectral", **SPECTRAL},
}  # fmt: skip
CANDIDATES: dict[str, list[Settings]] = {
    "mult-vae": [
        {"hidden": 600, **one} for one in (
            {}, {"beta": 0.5}, {"dropout": 0.7}, {"dropout": 0.7, "beta": 0.5}, {"batch_size": 100, "beta": 0.5},
            {"batch_size": 100, "beta": 1.0},
        )
    ] + [
        {}, {"dropout": 0.7}, {"beta": 0.5}, {"beta": 1.0}, {"batch_size": 100}, {"batch_size": 100, "beta": 1.0},
        {"batch_size": 100, "beta": 0.1}, {"batch_size": 100, "beta": 0.0}, {"batch_size": 100, "dropout": 0.3},
    ],
    "rec-vae": [
        {}, {"gamma": 0.0025}, {"gamma": 0.01}, {"batch_size": 100}, {"batch_size": 100, "gamma": 0.01},
        {"batch_size": 100, "dropout": 0.7},
    ],
    "mult-dae": [
        {}, {"dropout": 0.7}, {"l2": 1e-3}, {"l2": 1e-2}, {"batch_size": 100}, {"batch_size": 100, "l2": 1e-3},
    ],
    "cdae": [
        {}, {"hidden": 200}, {"hidden": 200, "l2": 0.1}, {"hidden": 200, "negatives": None},
        {"hidden": 200, "batch_size": 100}, {"hidden": 200, "batch_size": 100, "dropout": 0.8},
    ],
    "elsa": [{}, {"factors": 128}, {"factors": 512}, {"lr": 0.01}, {"lr": 0.1}, {"epochs": 40}],
    "spectral": [
        {"strength": 0.45, "popularity": 0.0}, {"strength": 0.15, "popularity": 0.0}, SPECTRAL,
        {**SPECTRAL, "strength": 0.06}, {**SPECTRAL, "user_power": 0.25}, {**SPECTRAL, "prior": 5.0},
    ],
    "ranking-blend": [
        {"members": tuple(CHOSEN[name] for name in members), "weights": weights} for members, weights in (
            (("dan", "spectral"), None), (("dan", "spectral"), (2.0, 1.0)), (("dan", "als"), None),
            (("dan", "elsa"), None), (("dan", "spectral", "als"), None), (("dan", "spectral", "elsa"), None),
        )
    ],
    "sparse-ease": [
        {"l2": 500.0, "dropout": 0.0}, {"l2": 250.0, "dropout": 0.0}, {"l2": 1000.0, "dropout": 0.0},
        {"l2": 500.0, "dropout": 0.0, "neighbours": 400}, {"l2": 250.0, "dropout": 0.3},
        {"l2": 250.0, "dropout": 0.3, "neighbours": 400},
    ],
}  # fmt: skip


def tried(name: str, settings: Settings, parts: Split) -> dict[str, Any]:
    """One candidate: its NDCG@100 on the validation users, of its best epoch where it learns by epochs."""
    model: Any
    seconds, model = timed(lambda: fitted(make_model(name, **settings), parts))
    if not model.iterative:
        assert parts.validation is not None
        assert parts.validation_input is not None
        error = ranking_error(model.score, parts.validation_input, parts.validation)(None)
        return {"settings": settings, "ndcg@100": 1 - error, "seconds": seconds}
    found = {"settings": settings, "ndcg@100": 1 - model.history_.best, "best_epoch": model.history_.best_epoch}
    return {**found, "epochs": len(model.history_), "patience": model.patience, "seconds": seconds}


@click.command(help=__doc__)
@click.argument("names", nargs=-1, type=click.Choice(list(CANDIDATES)))
def main(names: tuple[str, ...]) -> None:
    parts = hidden_users()
    for name in names or CANDIDATES:
        for settings in CANDIDATES[name]:
            log = read(NAME, {"log": {}})["log"]  # read each time: other processes may be writing too
            if json.loads(json.dumps(settings)) in [entry["settings"] for entry in log.get(name, [])]:
                continue
            entry = tried(name, settings, parts)
            log = read(NAME, {"log": {}})["log"]
            log[name] = sorted([*log.get(name, []), entry], key=lambda one: -one["ndcg@100"])
            click.echo(f"{name} {MODELS[name].model_class.__name__}: {entry['ndcg@100']:.4f}  {settings}")
            write(NAME, {"data": repr(parts), "log": log})


if __name__ == "__main__":
    main()
