"""Session models beside others: the next item of each user's last session, and ratings after a moment.

\b
    python -m benchmarks.sessions choose ml-100k
    python -m benchmarks.sessions next-item ml-100k
    python -m benchmarks.sessions ratings ml-100k --seeds 0,1
    python -m benchmarks.sessions speed
    python -m benchmarks.sessions peer
    python -m benchmarks.sessions attention

`next-item`: the last session of each user with three sessions is the test, the one before it validation. Every model
learns from the train part; V-SKNN's settings are chosen on validation, and recurrent models stop by it. Their other
settings are defaults, which `choose` compares with others on validation. Then each event
of a test session but its first is asked before it happens, from all of the user's events so far; all items are ranked
but those that the user had.

`ratings`: what happens after 80 % of the events is the test, and the last fifth of the rest is validation, by which
models that learn in epochs stop. A session model predicts each test rating from the user's events before it, those of
the test too. Others know the train part alone, as they cannot take up more without learning again (`dated` is told
the moments asked at); `running bias`, mu +
b_i + the user's mean deviation so far, takes up what session models do. Items without a training rating are left out.
Each row has the 95 % interval of its RMSE less that of I-AutoRec, of WideDeep, of the running bias and of the model
without a hierarchy, from users drawn with replacement.

`speed`: processor time of an epoch over packed sessions beside one over sessions padded to the longest, alternately,
of one network.

`peer`: processor time of an epoch of `session-rnn` without a hierarchy and of RecBole's GRU4Rec, in an environment of
its own, each with one thread. RecBole trains on a sequence for each event, padded to the longest it is told of.

`attention` draws the picture of the page.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.accuracy.next_item_peers import PEERS, peer_row
from benchmarks.accuracy.session_settings import chosen_neighbours, on_validation
from benchmarks.common.paths import BUILD
from benchmarks.common.record import commit, read, write
from benchmarks.common.timing import timed
from benchmarks.peers.environments import CACHE

LATEST_DATED_USER = 2999  # of ml-1m: later ones have one moment for all their ratings in some copies
Rows = dict[str, tuple[str, dict[str, Any]]]


def recurrent(model: str, **more: Any) -> Rows:
    """Rows of a recurrent model: each hierarchy, and attention; `more` are further settings."""
    of: dict[str, dict[str, Any]] = {name: {"hierarchy": name} for name in ("none", "init", "all")}
    of["init, attention"] = {"hierarchy": "init", "attention": True}
    return {f"{model}, {name}": (model, {**settings, **more}) for name, settings in of.items()}


NEXT: Rows = {
    "popularity": ("popularity", {}), "markov": ("markov", {}), "item-knn": ("item-knn", {}), "ease": ("ease", {}),
    "v-sknn": ("v-sknn", {}),
    **recurrent("session-rnn", patience=3),
}  # fmt: skip
RATE: Rows = {
    "bias": ("bias", {}), "running bias": ("session-rnn-ratings", {"epochs": 0}), "i-autorec": ("i-autorec", {}),
    "wide-deep": ("wide-deep", {}), "dated": ("dated", {}), "blend": ("blend", {}),
    **recurrent("session-rnn-ratings"),
    "session-rnn-ratings, init, features": ("session-rnn-ratings", {"hierarchy": "init", "features": "item"}),
    "session-rnn-ratings, init, ordinal": ("session-rnn-ratings", {"hierarchy": "init", "output": "ordinal"}),
}  # fmt: skip
TABLE: Rows = {**NEXT, **{row: (row, {}) for row in PEERS}}
BESIDE = (
    "running bias",
    "i-autorec",
    "wide-deep",
    "session-rnn-ratings, none",
)  # rows that the intervals of ratings are against
DRAWS = 2000  # of users, for an interval


def load(name: str) -> Any:
    """Ratings with times that say an order."""
    import recae

    data = recae.load(name)
    if name != "ml-1m":
        return data
    users, _, _ = data.pairs()
    return data.select(data.user_ids[users].astype(int) <= LATEST_DATED_USER)


def measured(name: str, earlier: bool) -> dict[tuple[str, int], dict[str, Any]]:
    """Rows by name and seed that a run of the same commit, without changes, has measured; `earlier`: of any commit."""
    found = read(name, {"rows": []})
    rows = [{"commit": found.get("commit"), **row} for row in found["rows"]]
    same = None if commit().endswith("+") else commit()
    return {(row["row"], row["seed"]): row for row in rows if earlier or row["commit"] == same}


def fits(of: Rows, seeds: str) -> Iterator[tuple[str, str, dict[str, Any], int]]:
    """Row, model, settings and seed; a model that draws nothing has one seed."""
    import recae

    for seed in map(int, seeds.split(",")):
        for row, (model, settings) in of.items():
            draws = "rng" in recae.make_model(model).get_params() and settings.get("epochs") != 0
            if draws or seed == int(seeds.split(",")[0]):
                yield row, model, {**settings, **({"rng": seed} if draws else {})}, seed


def others(before: dict[tuple[str, int], dict[str, Any]], of: Rows, now: Rows, seeds: str) -> list[dict[str, Any]]:
    """Rows of the table `of` that were measured, and are not asked for now: other rows, or other seeds."""
    asked = {(row, seed) for row, _, _, seed in fits(now, seeds)}
    return [found for key, found in before.items() if key not in asked and key[0] in of]


def chosen(of: Rows, only: tuple[str, ...]) -> Rows:
    """The rows that --row names; all by default.

    Raises:
        click.BadParameter: there is none of a name.
    """
    if unknown := set(only) - set(of):
        raise click.BadParameter(f"{unknown.pop()!r} is none of {', '.join(map(repr, of))}", param_hint="--row")
    return {row: made for row, made in of.items() if row in only or not only}


def ordered(rows: list[dict[str, Any]], of: Rows) -> list[dict[str, Any]]:
    """Rows in the order of `of`, of each the smallest seed first."""
    names = list(of)
    return sorted(rows, key=lambda row: (names.index(row["row"]), row["seed"]))


seeds_option = click.option("--seeds", default="0", show_default=True, help="Of models that draw, such as 0,1,2.")
keep_option = click.option("--keep", is_flag=True, help="Rows of an earlier commit are not measured again, and stay.")


row_option = click.option("--row", "only", multiple=True, help="Only this row; may be repeated.  [default: all]")


@click.group(help=__doc__)
def main() -> None:
    pass


@main.command("next-item")
@click.argument("data")
@seeds_option
@keep_option
@row_option
def next_item(data: str, seeds: str, keep: bool, only: tuple[str, ...]) -> None:
    """The next item of the last session of each user."""
    import recae

    split = recae.split_sessions(recae.sessions(load(data)))
    name, now = f"sessions-next-item-{data}", chosen(NEXT, only)
    before = measured(name, keep)
    rows = others(before, TABLE, now, seeds) if keep else []
    for row, model_name, settings, seed in fits(now, seeds):
        found = before.get((row, seed))
        if found is None:
            model, log = fitted(split, model_name, settings)
            found = {"row": row, "model": model_name, "settings": model.get_params(), "seed": seed,
                     "commit": commit(), **log, **recae.evaluate_next_items(model, split)}  # fmt: skip
        rows.append(found)
        click.echo(
            f"{row:<32} ndcg@20 {found['ndcg@20']:.4f} recall@20 {found['recall@20']:.4f} {found['seconds']:.0f} s"
        )
        write(name, {"data": data, "statistics": split.sessions.statistics(), "rows": ordered(rows, TABLE)})


@main.command("next-item-peer")
@click.argument("data")
@click.option("--row", default=next(iter(PEERS)), type=click.Choice(list(PEERS)), show_default=True)
@click.option("--epochs", default=100, show_default=True, help="At most; validation stops earlier.")
@click.option("--seconds", default=1800.0, show_default=True, help="Processor time after which no epoch begins.")
@click.option("--cache", default=CACHE, type=click.Path(path_type=Path), help="Where the environments of peers are.")
def next_item_peer(data: str, row: str, epochs: int, seconds: float, cache: Path) -> None:
    """Another package's model beside them, by its own settings; the other rows stay."""
    import recae

    split, name = recae.split_sessions(recae.sessions(load(data))), f"sessions-next-item-{data}"
    found, before = peer_row(row, split, cache, seconds, epochs), read(name)
    click.echo(str({key: found.get(key) for key in ("row", "reason", "ndcg@20", "recall@20", "epochs")}))
    rows = [{"commit": before["commit"], **one} for one in before["rows"] if one["row"] != row]
    write(name, {"data": data, "statistics": split.sessions.statistics(), "rows": ordered([*rows, found], TABLE)})


def fitted(split: Any, name: str, settings: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """A model fitted with settings that validation chose, and its epochs and seconds."""
    import recae

    if name == "v-sknn":
        settings = chosen_neighbours(split)
    model: Any = recae.make_model(name, **settings)
    validation = split.validation if model.iterative else None
    seconds, _ = timed(lambda: model.fit(split.train, validation, progress=False))
    history = model.history_ if model.iterative else None
    figures = {} if history is None else {"epochs": history.best_epoch, "validation_ndcg@20": 1 - history.best}
    return model, {"seconds": seconds, **figures}


@main.command()
@click.argument("data")
@click.option("--try", "tried", multiple=True, default=["{}"], help="Settings beside the defaults, as JSON.")
def choose(data: str, tried: tuple[str, ...]) -> None:
    """Settings of recurrent models of the next item, on validation; what was tried before stays."""
    import recae

    name, split = f"sessions-choose-{data}", recae.split_sessions(recae.sessions(load(data)))
    log = read(name, {"log": []})["log"]
    if not any(one["settings"] == "v-sknn" for one in log):
        model = recae.make_model("v-sknn", **chosen_neighbours(split)).fit(split.train)
        found = recae.evaluate_next_items(model, split, 1)
        log.append({"settings": "v-sknn", **{f"validation_{key}": found[key] for key in ("ndcg@20", "recall@20")}})
    for settings in map(json.loads, tried):
        found = on_validation(split, settings)
        log = [one for one in log if one["settings"] != settings] + [found]
        click.echo(f"{found['validation_ndcg@20']:.4f} after {found['epochs']} epochs  {found['settings']}")
        write(name, {"data": data, "log": log})


@main.command()
@click.argument("data")
@seeds_option
@keep_option
@row_option
def ratings(data: str, seeds: str, keep: bool, only: tuple[str, ...]) -> None:
    """Ratings after 80 % of the events, users known by then apart from new ones."""
    import recae

    split = recae.split_sessions(recae.sessions(load(data)), "time", test=0.2, validation=0.2)
    events, test = split.sessions, split.part == 2
    warm = split.train.counts("item")[events.items] > 0
    known = split.train.counts("user")[events.users] > 0
    masks = {"known": test & warm & known, "new": test & warm & ~known, "all": test & warm}
    name, squares = f"sessions-ratings-{data}", dict[tuple[str, int], Any]()
    before, now = measured(name, keep), chosen(RATE, only)
    rows = others(before, RATE, now, seeds) if keep else []
    for kept in rows:
        if squares_file(data, kept).exists():  # else its intervals stay what they were
            squares[kept["row"], kept["seed"]] = np.load(squares_file(data, kept))
    for row, model_name, settings, seed in fits(now, seeds):
        found, file = before.get((row, seed)), squares_file(data, {"row": row, "seed": seed})
        if found is None or not file.exists():
            model: Any = recae.make_model(model_name, **settings)
            stops = split.validation if model.iterative and settings.get("epochs") != 0 else None
            seconds, _ = timed(lambda: model.fit(split.train, stops, progress=False))  # noqa: B023
            users, items = events.users, events.items.astype(np.int64)
            if hasattr(model, "predict_events"):
                predicted = model.predict_events(events)
            else:
                predicted = model.predict_pairs(users, items, *([events.times] if model.reads_dates else []))
            square = np.square(predicted - events.values, dtype=np.float64)
            file.parent.mkdir(parents=True, exist_ok=True)
            np.save(file, square)
            figures = {part: float(np.sqrt(square[mask].mean())) for part, mask in masks.items()}
            history = getattr(model, "history_", None)
            epochs = None if stops is None or history is None else history.best_epoch
            found = {"row": row, "model": model_name, "settings": settings, "seed": seed, "commit": commit(),
                     "seconds": seconds, "epochs": epochs, "rmse": figures}  # fmt: skip
        squares[row, seed] = np.load(file)
        rows.append(found)
        click.echo(f"{row:<38} " + " ".join(f"{part} {value:.4f}" for part, value in found["rmse"].items()))
        sizes = {part: int(mask.sum()) for part, mask in masks.items()}
        write(name, {"data": data, "sizes": sizes, "rows": ordered(rows, RATE)})
    first = min(seed for _, seed in squares)
    for found in rows:
        own = squares.get((found["row"], found["seed"]))
        if own is None:
            continue
        found["less"] = {
            other: {part: interval(own, squares.get((other, found["seed"]), squares[other, first]), events.users, mask)
                    for part, mask in masks.items()}
            for other in BESIDE if other != found["row"] and (other, first) in squares
        }  # fmt: skip
    write(name, {"data": data, "sizes": sizes, "rows": ordered(rows, RATE)})


def squares_file(data: str, row: dict[str, Any]) -> Path:
    """Squared errors of a row, by event, which intervals are made of."""
    return BUILD / "sessions" / f"{data}-{row['row']}-{row['seed']}.npy"


def interval(own: Any, other: Any, users: Any, mask: Any) -> list[float]:
    """The 95 % interval of RMSE less another's on the same events, users being drawn with replacement."""
    _, user = np.unique(users[mask], return_inverse=True)
    n = int(user.max()) + 1
    sums = np.stack([np.bincount(user, weights, n) for weights in (own[mask], other[mask], np.ones(len(user)))])
    weights = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), DRAWS)
    one, two, count = (weights @ each for each in sums)
    low, high = np.percentile(np.sqrt(one / count) - np.sqrt(two / count), [2.5, 97.5])
    return [float(low), float(high)]


@main.command()
@click.option("--data", default="ml-100k", show_default=True)
@click.option("--users", default=0, help="Of so many users, drawn at random; 0 for all.")
@click.option("--repeats", default=3, show_default=True)
def speed(data: str, users: int, repeats: int) -> None:
    """An epoch over packed sessions beside padded ones."""
    from benchmarks.accuracy.padded_sessions import seconds_of_epochs

    ratings = some_users(load(data), users)
    found = seconds_of_epochs(ratings, repeats)
    click.echo(f"packed {found['packed']:.1f} s, padded {found['padded']:.1f} s of processor time, "
               f"{found['cells']:,} cells for {found['events']:,} events")  # fmt: skip
    write("sessions-speed", {"data": data, "users": users or ratings.n_users, **found})


@main.command()
@click.option("--data", default="ml-100k", show_default=True)
@click.option("--users", default=200, show_default=True, help="Of so many users, drawn at random; 0 for all.")
@click.option("--cache", default=CACHE, type=click.Path(path_type=Path), help="Where the environments of peers are.")
def peer(data: str, users: int, cache: Path) -> None:
    """An epoch of RecBole's GRU4Rec beside one of `session-rnn`, of one width and loss, on the same sessions."""
    from benchmarks.accuracy.session_peer import epochs_beside

    found = epochs_beside(some_users(load(data), users), cache)
    click.echo(str({key: value for key, value in found.items() if not key.startswith("all")}))
    write("sessions-peer", {"data": data, **found})


@main.command()
@click.option("--data", default="ml-100k", show_default=True)
@click.option("--users", default=150, show_default=True, help="Learn from so many users, drawn at random; 0 for all.")
@click.option("--epochs", default=3, show_default=True)
def attention(data: str, users: int, epochs: int) -> None:
    """Draw what a network with attention weighs in one user's history: docs/figures/sessions-attention.png."""
    from benchmarks.accuracy.session_picture import draw

    click.echo(str(draw(some_users(load(data), users), epochs)))


def some_users(ratings: Any, users: int) -> Any:
    """The ratings of so many users, drawn at random; 0 for all."""
    if not users:
        return ratings
    chosen = np.random.default_rng(0).permutation(ratings.n_users)[:users]
    return ratings.select(np.isin(ratings.pairs()[0], chosen))


if __name__ == "__main__":
    main()
