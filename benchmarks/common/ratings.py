"""Ratings to measure on: drawn at random at given shapes, or MovieLens-1M."""

from __future__ import annotations

from typing import Any

import click
import numba
import numpy as np
from scipy import sparse

from recae._types import Csr
from recae.errors import RecaeError
from recae.ratings import RatingMatrix
from recae.ratings.csr import make_csr

Shape = tuple[int, int, int]  # users, items, ratings
ML_1M: Shape = (6_040, 3_706, 1_000_000)
ML_10M: Shape = (69_878, 10_677, 10_000_000)
ML_20M: Shape = (138_493, 26_744, 20_000_000)


def with_indices(user_rows: Csr, scale: tuple[float, float], name: str) -> RatingMatrix:
    """A rating matrix of all rows and columns of `user_rows`; raw ids are the indices."""
    user_rows.sort_indices()
    n_users, n_items = user_rows.shape
    return RatingMatrix(user_rows, np.arange(n_users), np.arange(n_items), scale, name=name)


def generated(n_users: int, n_items: int, n_ratings: int, seed: int = 0) -> RatingMatrix:
    """Random ratings of 1 to 5 with long-tailed users and items: for times, which do not depend on the values."""
    rng = np.random.default_rng(seed)
    user_share = rng.pareto(1.5, n_users) + 0.3
    item_share = rng.pareto(1.1, n_items) + 0.1
    keys = np.empty(0, np.int64)
    while len(keys) < n_ratings:
        users = rng.choice(n_users, n_ratings, p=user_share / user_share.sum())
        items = rng.choice(n_items, n_ratings, p=item_share / item_share.sum())
        keys = np.unique(np.concatenate([keys, users * np.int64(n_items) + items]))
    keys = rng.permutation(keys)[:n_ratings]
    stars = rng.integers(1, 6, n_ratings).astype(np.float32)
    rows = sparse.csr_array((stars, (keys // n_items, keys % n_items)), shape=(n_users, n_items))
    return with_indices(rows, (1.0, 5.0), f"generated-{n_ratings}")


def drawn(n_users: int, n_items: int, n_ratings: int, seed: int = 0) -> RatingMatrix:
    """Ratings as long-tailed as `generated`'s in a few seconds: twenty million of them there take two minutes.

    Users are given their numbers of ratings, at most half of the items; numba draws as many different items for each.
    """
    rng = np.random.default_rng(seed)
    user_share, item_share = rng.pareto(1.5, n_users) + 0.3, rng.pareto(1.1, n_items) + 0.1
    counts = rng.multinomial(n_ratings, user_share / user_share.sum())
    counts = np.minimum(counts, n_items // 2)
    indptr = np.concatenate([[0], np.cumsum(counts)])
    indices = np.empty(indptr[-1], np.int32)
    _draw_items(indptr, np.cumsum(item_share / item_share.sum()), indices, seed)
    stars = rng.integers(1, 6, len(indices)).astype(np.float32)
    return with_indices(make_csr(stars, indices, indptr, (n_users, n_items)), (1.0, 5.0), f"drawn-{len(indices)}")


@numba.njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _draw_items(indptr: Any, shares: Any, indices: Any, seed: int) -> None:
    """Different items for each user, those with a larger share more often; one that was drawn before is drawn anew."""
    np.random.seed(seed)  # noqa: NPY002  # numba's own generator
    drawn_by: Any = np.full(len(shares), -1)
    for user in range(len(indptr) - 1):
        entry, misses = indptr[user], 0
        while entry < indptr[user + 1]:
            if misses < 100:
                item = min(np.searchsorted(shares, np.random.random()), len(shares) - 1)  # noqa: NPY002
            else:  # the popular ones are all taken
                item = np.random.randint(len(shares))  # noqa: NPY002
            if drawn_by[item] == user:
                misses += 1
                continue
            drawn_by[item], indices[entry], misses = user, item, 0
            entry += 1
        indices[indptr[user] : indptr[user + 1]].sort()


def generated_likes(n_users: int, n_items: int, a_user: int, seed: int = 0) -> RatingMatrix:
    """Users who like up to `a_user` items each: item i is drawn with a chance proportional to 1 / (i + 50)."""
    rng = np.random.default_rng(seed)
    share = np.cumsum(1 / (np.arange(n_items) + 50))
    drawn = np.sort(np.searchsorted(share / share[-1], rng.random((n_users, a_user))), axis=1)
    first = np.ones(drawn.shape, bool)  # of equal items of a user
    first[:, 1:] = drawn[:, 1:] != drawn[:, :-1]
    indptr = np.concatenate([[0], np.cumsum(first.sum(1))])
    rows = make_csr(np.ones(int(first.sum()), np.float32), drawn[first], indptr, (n_users, n_items))
    return with_indices(rows, (0.0, 1.0), "synthetic")


def uniform(n_users: int, n_items: int, density: float) -> RatingMatrix:
    """Ratings spread evenly over the matrix."""
    rng = np.random.default_rng(0)
    shape = (n_users, n_items)
    rows = sparse.csr_array(np.where(rng.random(shape) < density, rng.integers(1, 6, shape), 0).astype(np.float32))
    return with_indices(rows, (1.0, 5.0), f"uniform-{density}")


def movielens_1m() -> Any:
    """MovieLens-1M, or where there is no copy a generated set of its shape."""
    import recae

    try:
        return recae.load("ml-1m", download=False)
    except RecaeError:
        click.echo("no copy of ml-1m: a generated set of its shape is used instead", err=True)
        return generated(*ML_1M)
