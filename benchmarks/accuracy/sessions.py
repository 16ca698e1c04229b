"""Session models beside others: the next item of each user's last session, and ratings after a moment.

\b
    python -m benchmarks.sessions next-item ml-100k
    python -m benchmarks.sessions ratings ml-100k --seeds 0,1
    python -m benchmarks.sessions speed

`next-item`: the last session of each user with three sessions is the test, the one before it validation. Every model
learns from the train part; V-SKNN's settings are chosen on validation, and recurrent models stop by it. Then each event
of a test session but its first is asked before it happens, from all of the user's events so far; all items are ranked
but those that the user had.

`ratings`: what happens after 80 % of the events is the test, and the last fifth of the rest is validation, by which
models that learn in epochs stop. A session model predicts each test rating from the user's events before it, those of
the test too. Others know the train part alone, as they cannot take up more without learning again; `running bias`, mu +
b_i + the user's mean deviation so far, takes up what session models do. Items without a training rating are left out.

`speed`: an epoch over packed sessions beside one over sessions padded to the longest, alternately, one network.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import click
import numpy as np

from benchmarks.common.record import commit, read, write
from benchmarks.common.timing import timed

LATEST_DATED_USER = 2999  # of ml-1m: later ones have one moment for all their ratings in some copies
Rows = dict[str, tuple[str, dict[str, Any]]]


def recurrent(model: str) -> Rows:
    """Rows of a recurrent model: each hierarchy, and attention."""
    of: dict[str, dict[str, Any]] = {name: {"hierarchy": name} for name in ("none", "init", "all")}
    of["init, attention"] = {"hierarchy": "init", "attention": True}
    return {f"{model}, {name}": (model, settings) for name, settings in of.items()}


NEXT: Rows = {
    "popularity": ("popularity", {}), "markov": ("markov", {}), "item-knn": ("item-knn", {}), "ease": ("ease", {}),
    "v-sknn": ("v-sknn", {}),
    **recurrent("session-rnn"),
}  # fmt: skip
RATE: Rows = {
    "bias": ("bias", {}), "running bias": ("session-rnn-ratings", {"epochs": 0}), "i-autorec": ("i-autorec", {}),
    "wide-deep": ("wide-deep", {}), **recurrent("session-rnn-ratings"),
}  # fmt: skip
# V-SKNN's candidates; the best NDCG@20 of at most 2,000 validation events is taken.
GRID = {"length": (5, 20, 100), "decay": (0.8, 0.95, 1.0), "idf": (0.0, 1.0), "k": (100, 300)}


def load(name: str) -> Any:
    """Ratings with times that say an order."""
    import recae

    data = recae.load(name)
    if name != "ml-1m":
        return data
    users, _, _ = data.pairs()
    return data.select(data.user_ids[users].astype(int) <= LATEST_DATED_USER)


def chosen_neighbours(split: Any) -> dict[str, Any]:
    """The settings of V-SKNN that rank the validation part best."""
    import recae

    best: tuple[float, dict[str, Any]] = (-1.0, {})
    for values in product(*GRID.values()):
        settings = dict(zip(GRID, values))
        model = recae.make_model("v-sknn", **settings).fit(split.train)
        found = recae.evaluate_next_items(model, split, 1, most=2000)
        best = max(best, (found["ndcg@20"], settings), key=lambda one: one[0])
    return best[1]


def kept(name: str, row: str, seed: int) -> dict[str, Any] | None:
    """A row that an interrupted run of the same commit, without changes, has measured."""
    found = read(name, {})
    same = found.get("commit") == commit() and not commit().endswith("+")
    return next((one for one in found["rows"] if one["row"] == row and one["seed"] == seed), None) if same else None


def fits(of: Rows, seeds: str) -> Iterator[tuple[str, str, dict[str, Any], int]]:
    """Row, model, settings and seed; a model that draws nothing has one seed."""
    import recae

    for seed in map(int, seeds.split(",")):
        for row, (model, settings) in of.items():
            draws = "rng" in recae.make_model(model).get_params() and settings.get("epochs") != 0
            if draws or seed == int(seeds.split(",")[0]):
                yield row, model, {**settings, **({"rng": seed} if draws else {})}, seed


@click.group(help=__doc__)
def main() -> None:
    pass


@main.command("next-item")
@click.argument("data")
@click.option("--seeds", default="0", show_default=True)
def next_item(data: str, seeds: str) -> None:
    """The next item of the last session of each user."""
    import recae

    split = recae.split_sessions(recae.sessions(load(data)))
    name, rows = f"sessions-next-item-{data}", []
    for row, model_name, settings, seed in fits(NEXT, seeds):
        found = kept(name, row, seed)
        if found is None:
            if model_name == "v-sknn":
                settings = chosen_neighbours(split)
            model: Any = recae.make_model(model_name, **settings)
            validation = split.validation if model.iterative else None
            seconds, _ = timed(lambda: model.fit(split.train, validation, progress=False))  # noqa: B023
            epochs = model.history_.best_epoch if model.iterative else None
            found = {"row": row, "model": model_name, "settings": settings, "seed": seed, "seconds": seconds,
                     "epochs": epochs, **recae.evaluate_next_items(model, split)}  # fmt: skip
        rows.append(found)
        click.echo(
            f"{row:<32} ndcg@20 {found['ndcg@20']:.4f} recall@20 {found['recall@20']:.4f} {found['seconds']:.0f} s"
        )
        write(name, {"data": data, "statistics": split.sessions.statistics(), "rows": rows})


@main.command()
@click.argument("data")
@click.option("--seeds", default="0", show_default=True)
def ratings(data: str, seeds: str) -> None:
    """Ratings after 80 % of the events, users known by then apart from new ones."""
    import recae

    split = recae.split_sessions(recae.sessions(load(data)), "time", test=0.2, validation=0.2)
    events, test = split.sessions, split.part == 2
    warm = split.train.counts("item")[events.items] > 0
    known = split.train.counts("user")[events.users] > 0
    masks = {"known": test & warm & known, "new": test & warm & ~known, "all": test & warm}
    name, rows = f"sessions-ratings-{data}", []
    for row, model_name, settings, seed in fits(RATE, seeds):
        found = kept(name, row, seed)
        if found is None:
            model: Any = recae.make_model(model_name, **settings)
            stops = split.validation if model.iterative and settings.get("epochs") != 0 else None
            seconds, _ = timed(lambda: model.fit(split.train, stops, progress=False))  # noqa: B023
            users, items = events.users, events.items.astype(np.int64)
            answers = hasattr(model, "predict_events")
            predicted = model.predict_events(events) if answers else model.predict_pairs(users, items)
            square = np.square(predicted - events.values, dtype=np.float64)
            figures = {part: float(np.sqrt(square[mask].mean())) for part, mask in masks.items()}
            found = {"row": row, "model": model_name, "settings": settings, "seed": seed, "seconds": seconds,
                     "rmse": figures}  # fmt: skip
        rows.append(found)
        click.echo(f"{row:<38} " + " ".join(f"{part} {value:.4f}" for part, value in found["rmse"].items()))
        sizes = {part: int(mask.sum()) for part, mask in masks.items()}
        write(name, {"data": data, "sizes": sizes, "rows": rows})


@main.command()
@click.option("--data", default="ml-100k", show_default=True)
@click.option("--repeats", default=3, show_default=True)
def speed(data: str, repeats: int) -> None:
    """An epoch over packed sessions beside padded ones."""
    from benchmarks.accuracy.padded_sessions import seconds_of_epochs

    found = seconds_of_epochs(load(data), repeats)
    click.echo(f"packed {found['packed']:.1f} s, padded {found['padded']:.1f} s, {found['share_padded']:.0%} padding")
    write("sessions-speed", {"data": data, **found})


if __name__ == "__main__":
    main()
