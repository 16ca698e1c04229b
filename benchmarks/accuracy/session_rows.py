"""Rows of the tables of sessions: which models and settings, of which data, and what is measured of them already."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
import numpy as np

from benchmarks.accuracy.next_item_peers import PEERS
from benchmarks.common.record import commit, read
from recae.errors import RecaeError

LATEST_DATED_USER = 2999  # of ml-1m: later ones have one moment for all their ratings in some copies
Rows = dict[str, tuple[str, dict[str, Any]]]


def recurrent(model: str, **more: Any) -> Rows:
    """Rows of a recurrent model: each hierarchy, and attention; `more` are further settings."""
    of: dict[str, dict[str, Any]] = {name: {"hierarchy": name} for name in ("none", "init", "all")}
    of["init, attention"] = {"hierarchy": "init", "attention": True}
    return {f"{model}, {name}": (model, {**settings, **more}) for name, settings in of.items()}


BLEND = ({"model": "session-rnn", "hierarchy": "none", "patience": 3}, {"model": "v-sknn", "length": 100})
RECENT = {"model": "recency", "base": "spectral"}
NEXT: Rows = {
    "popularity": ("popularity", {}), "markov": ("markov", {}), "item-knn": ("item-knn", {}), "ease": ("ease", {}),
    "recency, ease": ("recency", {"base": "ease"}), "recency, spectral": ("recency", {"base": "spectral"}),
    "v-sknn": ("v-sknn", {}),
    **recurrent("session-rnn", patience=3, embeddings="random"),
    **{f"{row}, near": made for row, made in recurrent("session-rnn", patience=3, embeddings="near").items()},
    "session-rnn, none, own part": ("session-rnn", {"hierarchy": "none", "own_part": True}),
    "session-rnn, none, all epochs": ("session-rnn", {"hierarchy": "none", "own_part": False}),
    "blend of session-rnn and v-sknn": ("ranking-blend", {"members": BLEND}),
    "blend of recency and v-sknn": ("ranking-blend", {"members": (RECENT, BLEND[1])}),
    "blend of session-rnn, recency and v-sknn": ("ranking-blend", {"members": (BLEND[0], RECENT, BLEND[1])}),
}  # fmt: skip
RAW = {"input": "raw"}  # as it was measured, before item rows were read less their level by default
RATE: Rows = {
    "bias": ("bias", {}), "running bias": ("session-rnn-ratings", {"epochs": 0}), "i-autorec": ("i-autorec", RAW),
    "wide-deep": ("wide-deep", {}), "dated": ("dated", {}), "blend": ("blend", {}),
    **recurrent("session-rnn-ratings"),
    "session-rnn-ratings, init, features": ("session-rnn-ratings", {"hierarchy": "init", "features": "item"}),
    "session-rnn-ratings, init, ordinal": ("session-rnn-ratings", {"hierarchy": "init", "output": "ordinal"}),
}  # fmt: skip
TABLE: Rows = {**NEXT, **{row: (row, {}) for row in PEERS}}


def load(name: str) -> Any:
    """Ratings with times that say an order.

    Raises:
        click.BadParameter: there are none of that name.
    """
    import recae

    try:
        data = recae.load(name)
    except RecaeError as error:
        raise click.BadParameter(str(error)) from None
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


def some_users(ratings: Any, users: int) -> Any:
    """The ratings of so many users, drawn at random; 0 for all."""
    if not users:
        return ratings
    chosen = np.random.default_rng(0).permutation(ratings.n_users)[:users]
    return ratings.select(np.isin(ratings.pairs()[0], chosen))
