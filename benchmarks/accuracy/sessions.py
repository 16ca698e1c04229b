"""Session models beside others: the next item of each user's last session, and ratings after a moment.

\b
    python -m benchmarks.sessions choose ml-100k
    python -m benchmarks.sessions next-item ml-100k
    python -m benchmarks.sessions next-item-peer ml-100k --row "RecBole SASRec"
    python -m benchmarks.sessions ratings ml-100k --seeds 0,1
    python -m benchmarks.sessions speed
    python -m benchmarks.sessions peer
    python -m benchmarks.sessions attention

`next-item`: the last session of each user with three sessions is the test, the one before it validation. Every model
learns from the train part; V-SKNN's settings are chosen on validation, and recurrent models stop by it. Their other
settings are defaults, which `choose` compares with others on validation. Rows of `own part` and `all epochs` are told
no validation part. Then each event of a test session but its first is asked before it happens, from all of the user's
events so far; all items are ranked but those that the user had.

`next-item-peer`: another package's model, by its own settings, on the same events and lists, stopped by the same
validation, in an environment of its own.

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
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.accuracy.next_item_peers import PEERS, peer_row
from benchmarks.accuracy.session_rating_rows import Squares, add_intervals, part_masks, rating_row, squares_file
from benchmarks.accuracy.session_rows import (
    NEXT,
    RATE,
    TABLE,
    chosen,
    fits,
    load,
    measured,
    ordered,
    others,
    some_users,
)
from benchmarks.accuracy.session_settings import chosen_neighbours, model_of, on_validation
from benchmarks.common.record import commit, read, write
from benchmarks.common.timing import timed
from benchmarks.peers.environments import CACHE
from recae.errors import ParameterError
from recae.recommender.params import check


def _settings(_: Any, __: Any, values: tuple[str, ...]) -> list[dict[str, Any]]:
    """Settings of `on_validation`, each looked at before the first one is fitted."""
    found = []
    for text in values:
        try:
            settings = json.loads(text)
            if not isinstance(settings, dict):
                raise click.BadParameter(f'{text}: give a JSON object, such as {{"lr": 0.01}}')
            made = model_of(settings)
            for one in [made, *getattr(made, "_new_models", list)()]:  # members of a blend, too
                check(one)
        except (json.JSONDecodeError, ParameterError, TypeError) as error:
            raise click.BadParameter(f"{text}: {error}") from None
        found.append(settings)
    return found


def _seeds(_: Any, __: Any, value: str) -> str:
    if not all(one.isdigit() for one in value.split(",")):
        raise click.BadParameter(f"{value!r}: give numbers with commas, such as 0,1,2")
    return value


FROM_0, FROM_1 = click.IntRange(0), click.IntRange(1)
seeds_option = click.option(
    "--seeds", default="0", show_default=True, callback=_seeds, help="Of models that draw, such as 0,1,2."
)
keep_option = click.option("--keep", is_flag=True, help="Rows of an earlier commit are not measured again, and stay.")
row_option = click.option("--row", "only", multiple=True, help="Only this row; may be repeated.  [default: all]")


def users_option(default: int) -> Any:
    return click.option(
        "--users", default=default, show_default=True, type=FROM_0, help="Of so many users, drawn at random; 0 for all."
    )


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
@click.option("--epochs", default=100, show_default=True, type=FROM_1, help="At most; validation stops earlier.")
@click.option("--seconds", default=1800.0, show_default=True, type=click.FloatRange(0, min_open=True),
              help="Processor time after which no epoch begins.")  # fmt: skip
@click.option("--cache", default=CACHE, type=click.Path(path_type=Path), help="Where the environments of peers are.")
def next_item_peer(data: str, row: str, epochs: int, seconds: float, cache: Path) -> None:
    """Another package's model beside them, by its own settings; other rows stay, and its own where it fails."""
    import recae

    split, name = recae.split_sessions(recae.sessions(load(data))), f"sessions-next-item-{data}"
    found, before = peer_row(row, split, cache, seconds, epochs), read(name)
    if "reason" in found and any(one["row"] == row and "reason" not in one for one in before["rows"]):
        raise click.ClickException(f"{row}: {found['reason']}; what was measured before stays in the table")
    click.echo(str({key: found.get(key) for key in ("row", "reason", "ndcg@20", "recall@20", "epochs")}))
    rows = [{"commit": before["commit"], **one} for one in before["rows"] if one["row"] != row]
    write(name, {"data": data, "statistics": split.sessions.statistics(), "rows": ordered([*rows, found], TABLE)})


def fitted(split: Any, name: str, settings: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """A model fitted with settings that validation chose, and its epochs and seconds."""
    import recae

    if name == "v-sknn":
        settings = chosen_neighbours(split)
    model: Any = recae.make_model(name, **settings)
    stopped = (model.iterative or name == "ranking-blend") and "own_part" not in settings  # or members of it are
    validation = split.validation if stopped else None
    seconds, _ = timed(lambda: model.fit(split.train, validation, progress=False))
    history = model.history_ if model.iterative else None
    figures = {} if history is None else {"epochs": history.best_epoch}
    if history is not None and history.best is not None:
        figures["validation_ndcg@20"] = 1 - history.best
    return model, {"seconds": seconds, **figures}


@main.command()
@click.argument("data")
@click.option(
    "--try", "tried", multiple=True, default=["{}"], callback=_settings, help="Settings beside the defaults, as JSON."
)
def choose(data: str, tried: list[dict[str, Any]]) -> None:
    """Settings of recurrent models of the next item, on validation; what was tried before stays."""
    import recae

    name, split = f"sessions-choose-{data}", recae.split_sessions(recae.sessions(load(data)))
    log = read(name, {"log": []})["log"]
    if not any(one["settings"] == "v-sknn" for one in log):
        model = recae.make_model("v-sknn", **chosen_neighbours(split)).fit(split.train)
        found = recae.evaluate_next_items(model, split, 1)
        log.append({"settings": "v-sknn", **{f"validation_{key}": found[key] for key in ("ndcg@20", "recall@20")}})
    for settings in tried:
        found = on_validation(split, settings)
        log = [one for one in log if one["settings"] != settings] + [found]
        write(name, {"data": data, "log": log})
        after = f" after {found['epochs']} epochs" if "epochs" in found else ""
        click.echo(f"{found['validation_ndcg@20']:.4f}{after}  {found['settings']}")


@main.command()
@click.argument("data")
@seeds_option
@keep_option
@row_option
def ratings(data: str, seeds: str, keep: bool, only: tuple[str, ...]) -> None:
    """Ratings after 80 % of the events, users known by then apart from new ones."""
    import recae

    split = recae.split_sessions(recae.sessions(load(data)), "time", test=0.2, validation=0.2)
    masks, name, squares = part_masks(split), f"sessions-ratings-{data}", Squares()
    sizes = {part: int(mask.sum()) for part, mask in masks.items()}
    before, now = measured(name, keep), chosen(RATE, only)
    rows = others(before, RATE, now, seeds) if keep else []
    for kept in rows:
        if squares_file(data, kept).exists():  # else its intervals stay what they were
            squares[kept["row"], kept["seed"]] = np.load(squares_file(data, kept))
    for row, model_name, settings, seed in fits(now, seeds):
        found, file = before.get((row, seed)), squares_file(data, {"row": row, "seed": seed})
        if found is None or not file.exists():
            found = rating_row(split, masks, row, model_name, settings, seed, file)
        squares[row, seed] = np.load(file)
        rows.append(found)
        click.echo(f"{row:<38} " + " ".join(f"{part} {value:.4f}" for part, value in found["rmse"].items()))
        write(name, {"data": data, "sizes": sizes, "rows": ordered(rows, RATE)})
    add_intervals(rows, squares, split.sessions.users, masks)
    write(name, {"data": data, "sizes": sizes, "rows": ordered(rows, RATE)})


@main.command()
@click.option("--data", default="ml-100k", show_default=True)
@users_option(0)
@click.option("--repeats", default=3, show_default=True, type=FROM_1)
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
@users_option(200)
@click.option("--cache", default=CACHE, type=click.Path(path_type=Path), help="Where the environments of peers are.")
def peer(data: str, users: int, cache: Path) -> None:
    """An epoch of RecBole's GRU4Rec beside one of `session-rnn`, of one width and loss, on the same sessions."""
    from benchmarks.accuracy.session_peer import epochs_beside

    found = epochs_beside(some_users(load(data), users), cache)
    click.echo(str({key: value for key, value in found.items() if not key.startswith("all")}))
    write("sessions-peer", {"data": data, **found})


@main.command()
@click.option("--data", default="ml-100k", show_default=True)
@users_option(150)
@click.option("--epochs", default=3, show_default=True, type=FROM_1)
def attention(data: str, users: int, epochs: int) -> None:
    """Draw what a network with attention weighs in one user's history: docs/figures/sessions-attention.png."""
    from benchmarks.accuracy.session_picture import draw

    click.echo(str(draw(some_users(load(data), users), epochs)))


if __name__ == "__main__":
    main()
