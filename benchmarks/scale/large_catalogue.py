"""Spectral on catalogues of up to a million items: peak memory, processor time, and whether lists make sense.

\b
    python -m benchmarks.large_catalogue                              # 100,000 and 300,000 items
    python -m benchmarks.large_catalogue --size 1000000:200000000     # a million items, 200 million pairs

Each size has a process of its own, with one thread. It generates purchases whose truth is known: items are of kinds of
1,000, a user buys from five kinds, and within a kind the first items are the popular ones. The pairs lie in memory, as
`recae.load` would leave them. Then it fits `spectral` with 32 factors and defaults otherwise (its filter and the weight
of popularity are chosen on a part of the pairs), and makes lists of 20 for 16 users. Figures are the peak resident
memory of the process (with its libraries, and what generating took), processor seconds, and the share of listed items
that are of a user's kinds, beside that of a list drawn at random.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import click
import numpy as np

from benchmarks.common.child_processes import run_module
from benchmarks.common.record import commit, peak_mb, read, write
from recae._types import IntArray
from recae.ratings import RatingMatrix
from recae.ratings.csr import make_csr

A_KIND, KINDS, A_USER = 1_000, 5, 105  # items of a kind; kinds of a user; purchases of a user, some of them twice
CHUNK = 10_000  # users that are generated at once
FACTORS, LISTS, LENGTH = 32, 16, 20
SIZES = ((100_000, 10_000_000), (300_000, 50_000_000))
CHILD = "benchmarks.large_catalogue"


def user_kinds(users: IntArray, n_kinds: int, seed: int = 0) -> IntArray:
    """The kinds that users buy from, (n, KINDS): a hash of user and place, so that none need be kept."""
    mixed = (users[:, None] * KINDS + np.arange(KINDS) + seed * 7_919).astype(np.uint64)
    for multiplier in (0xBF58476D1CE4E5B9, 0x94D049BB133111EB):  # the finaliser of splitmix64
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(multiplier)
    return ((mixed ^ (mixed >> np.uint64(31))) % np.uint64(n_kinds)).astype(np.int64)


def generate(n_items: int, pairs: int, seed: int = 0) -> RatingMatrix:
    """Purchases, each pair once; about `pairs` of them, a little fewer."""
    n_users, a_kind = max(1, pairs // (A_USER - 5)), min(A_KIND, n_items)
    indices, starts = np.empty(n_users * A_USER, np.int32), np.zeros(n_users + 1, np.int64)
    filled = 0
    for first in range(0, n_users, CHUNK):
        rng, users = np.random.default_rng([seed, first]), np.arange(first, min(first + CHUNK, n_users))
        kinds = user_kinds(users, n_items // a_kind, seed)
        chosen = np.take_along_axis(kinds, rng.integers(0, KINDS, (len(users), A_USER)), axis=1)
        within = (a_kind * rng.random(chosen.shape) ** 2).astype(np.int64)
        keys = np.unique((np.arange(len(users))[:, None] * n_items + chosen * a_kind + within).ravel())
        indices[filled : filled + len(keys)] = keys % n_items
        starts[first + 1 : first + 1 + len(users)] = filled + np.searchsorted(
            keys, np.arange(1, len(users) + 1) * n_items
        )
        filled += len(keys)
    rows = make_csr(np.ones(filled, np.float32), indices[:filled], starts, (n_users, n_items))
    return RatingMatrix(rows, np.arange(n_users), np.arange(n_items), (1.0, 1.0), name=f"{n_items:,} items")


def measured(work: Callable[[], Any]) -> tuple[dict[str, float], Any]:
    """The process's peak memory after a piece of work, its processor seconds, and what it gives."""
    start = time.process_time()
    found = work()
    return {"processor_seconds": time.process_time() - start, "peak_mb": peak_mb()}, found


def learn(n_items: int, pairs: int, **settings: Any) -> dict[str, Any]:
    """Figures of one size; `settings` are Spectral's, where they are not to be chosen."""
    import torch

    import recae

    torch.set_num_threads(1)
    generated, ratings = measured(lambda: generate(n_items, pairs))
    model: Any = recae.Spectral(factors=FACTORS, **settings)
    fit, _ = measured(lambda: model.fit(ratings, progress=False))
    users = np.linspace(0, ratings.n_users - 1, LISTS).astype(np.int64)
    lists, (listed, _) = measured(lambda: model.recommend_users(users, LENGTH))
    kinds = user_kinds(users, n_items // min(A_KIND, n_items))
    own = (listed[:, :, None] // A_KIND == kinds[:, None, :]).any(axis=2)
    return {
        "n_users": ratings.n_users, "n_items": n_items, "n_pairs": ratings.n_ratings, "generate": generated, "fit": fit,
        "lists": lists, "degree": len(model.coefficients_) - 1, "own_kinds": float(own.mean()),
        "by_chance": KINDS * A_KIND / n_items,
    }  # fmt: skip


def size_of(text: str) -> tuple[int, int]:
    """Items and pairs of ITEMS:PAIRS."""
    try:
        n_items, pairs = (int(part) for part in text.split(":"))
    except ValueError:
        raise click.BadParameter(f"{text!r} is not ITEMS:PAIRS, such as 100000:10000000") from None
    if n_items < A_KIND * KINDS or pairs < A_USER:
        raise click.BadParameter(f"at least {A_KIND * KINDS} items and {A_USER} pairs")
    return n_items, pairs


@click.command(help=__doc__)
@click.option("--size", "sizes", multiple=True, help="ITEMS:PAIRS; may be given more than once.")
@click.option("--child", hidden=True)
def main(sizes: tuple[str, ...], child: str | None) -> None:
    if child is not None:
        click.echo(json.dumps(learn(*size_of(child))))
        return
    for n_items, pairs in [size_of(size) for size in sizes] or SIZES:
        row = {"asked": [n_items, pairs], "commit": commit(), **run_module(CHILD, "--child", f"{n_items}:{pairs}")}
        click.echo(str(row))
        rows = [one for one in read("large_catalogue", {"rows": []})["rows"] if one["asked"] != row["asked"]]
        settings = {"factors": FACTORS, "lists": LISTS, "length": LENGTH}
        write("large_catalogue", {"settings": settings, "rows": sorted([*rows, row], key=lambda one: one["asked"])})


if __name__ == "__main__":
    main()
