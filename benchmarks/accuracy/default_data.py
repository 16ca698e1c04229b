"""The data sets that defaults are chosen and measured on: MovieLens, thinned MovieLens, and data that is not MovieLens.

All of them are public, or come with the package. Splits are made with the seed, so that every model meets the same.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

# What rating models are measured on, with the share of the ratings that is hidden at random.
RATED = {
    "ml-100k": 0.1, "ml-latest-small": 0.1, "filmtrust": 0.2, "jester": 0.1, "ml-1m-5%": 0.1, "ml-1m-10%": 0.1,
    "ml-1m-30%": 0.1, "sample": 0.1,
}  # fmt: skip
# What rankers are measured on: a fifth of each user's entries is hidden.
RANKED = (
    "ml-100k",
    "ml-latest-small",
    "filmtrust",
    "jester",
    "hetrec-lastfm",
    "ml-1m-5%",
    "ml-1m-10%",
    "ml-1m-30%",
    "sample",
)
UNSEEN = "ml-100k, unseen users"  # rating models on users that they did not learn from
DENSEST = 3_000  # users and items of ml-1m that its thinned copies have, those with the most ratings


def load(name: str) -> Any:
    """A data set by its name in this module; counts of plays are read as they are.

    Raises:
        FileNotFoundError: there is no copy where `RECAE_DATA_DIR` points to (else `data/`).
    """
    import recae

    if name.startswith("ml-1m-"):
        return thinned(recae.load("ml-1m", download=False), int(name.removeprefix("ml-1m-").removesuffix("%")) / 100)
    folder = Path(os.environ.get("RECAE_DATA_DIR", "data"))
    if name == "filmtrust":
        frame = pd.read_csv(folder / "filmtrust/ratings.txt", sep=" ", names=["user", "item", "rating"])
        return recae.RatingMatrix.from_frame(frame, duplicates="mean", name=name)
    if name == "jester":
        return recae.RatingMatrix.from_frame(pd.read_csv(folder / "jester/jester5k.csv.gz"), scale=(-10, 10), name=name)
    if name == "hetrec-lastfm":
        columns = ["user", "item", "rating"]
        frame = pd.read_csv(folder / "hetrec2011-lastfm/user_artists.dat", sep="\t", names=columns)
        return recae.RatingMatrix.from_frame(frame, name=name)
    return recae.load(name, download=False)


def thinned(ratings: Any, share: float, seed: int = 0) -> Any:
    """The densest users and items of `ratings` with a share of their ratings, times 20 (1 to 5 stars become 20 to 100).

    Users and items without a rating are left out.
    """
    users = np.sort(np.argsort(-ratings.counts("user"), kind="stable")[:DENSEST])
    items = np.sort(np.argsort(-ratings.counts("item"), kind="stable")[:DENSEST])
    user_index, item_index, _ = ratings.pairs()
    dense = np.isin(user_index, users) & np.isin(item_index, items)
    kept = dense & (np.random.default_rng(seed).random(ratings.n_ratings) < share)
    chosen = ratings.select(kept).filter(min_user=1, min_item=1)
    rows = chosen.user_rows.copy()
    rows.data = rows.data * np.float32(20)
    low, high = ratings.scale
    return chosen.with_rows(rows, chosen.timestamps, scale=(20 * low, 20 * high), name=f"ml-1m-{share:.0%}")


def split(name: str, task: str, seed: int, part: str = "test") -> Any:
    """Train and test part of a data set for a task ("rating", "ranking" or "unseen") and a seed.

    Where `part` is "validation", the train part is split again in the same way, and the test part is not looked at.
    """
    import recae

    ratings = load("ml-100k" if task == "unseen" else name)
    for _ in range(1 if part == "test" else 2):
        if task == "unseen":
            parts = recae.split(ratings, "held-out-users", test=100, fold_in=0.8, rng=seed)
        elif task == "ranking":
            parts = recae.split(ratings, "per-user", test=0.2, rng=seed)
        else:
            parts = recae.split(ratings, "random", test=RATED[name], rng=seed)
        ratings = parts.train
    return parts
