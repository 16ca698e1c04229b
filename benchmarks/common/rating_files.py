"""Files of ratings in MovieLens' layout, drawn at random."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv

from benchmarks.common.ratings import ML_20M

COLUMN_TYPES = {"userId": "int64", "movieId": "int64", "rating": "float32", "timestamp": "int64"}


def write_csv(path: Path, rows: int, order: str, seed: int) -> None:
    """Write `rows` distinct pairs with a long tail of items, half stars and timestamps.

    Users and items grow with the square root of the rows, up to MovieLens-20M's.

    Args:
        order: "shuffled", or anything else for rows sorted by user and item.
    """
    rng = np.random.default_rng(seed)
    n_users, n_items, n_ratings = ML_20M
    share = min(1.0, rows / n_ratings) ** 0.5
    users, items = max(10, int(n_users * share)), max(10, int(n_items * share))
    pairs = np.zeros(0, dtype=np.int64)
    while len(pairs) < rows:
        more = rng.integers(0, users, rows // 2) * items + (items * rng.random(rows // 2) ** 2).astype(np.int64)
        pairs = np.union1d(pairs, more)
    pairs = rng.permutation(pairs)[:rows]
    if order != "shuffled":
        pairs.sort()
    save_csv(rating_table(pairs // items + 1, pairs % items * 5 + 1, rng), path)


def rating_table(users: np.ndarray, items: np.ndarray, rng: np.random.Generator) -> pa.Table:
    """The columns of MovieLens' ratings.csv: given ids, drawn half stars and timestamps."""
    n = len(users)
    return pa.table(
        {
            "userId": users, "movieId": items, "rating": rng.integers(1, 11, n) / 2,
            "timestamp": rng.integers(800_000_000, 1_500_000_000, n),
        }
    )  # fmt: skip


def save_csv(table: pa.Table, path: Path) -> None:
    """Write a table as csv, compressed where the name ends with .gz."""
    with pa.output_stream(str(path), compression="detect") as file:
        csv.write_csv(table, file, csv.WriteOptions(quoting_style="none"))
