"""Small ratings, stores of them, and steps so small that they are made in many: what tests of stores share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import recae
from recae.store import chunks, making


def take_small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks, parts and bins of a few rows, so that small files are cut as large ones are."""
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 200)
    monkeypatch.setattr(chunks, "PART_ROWS", 16)
    monkeypatch.setattr(making, "BIN", 12)


class Killed(BaseException):
    """As sudden as can be had within one process."""


def table(n: int = 90, seed: int = 0, texts: bool = False) -> pd.DataFrame:
    """Rows with pairs that occur twice, in no order; 7 users, 11 items, five times."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"user": rng.integers(1, 8, n), "item": rng.integers(-3, 8, n)})
    frame["rating"], frame["timestamp"] = rng.integers(1, 11, n) / 2, rng.integers(0, 5, n)
    if texts:
        frame["user"] = "u " + frame["user"].astype(str)
    return frame


def same(store: recae.RatingMatrix, memory: recae.RatingMatrix) -> None:
    """Both sides, ids, times and scale are those of a matrix in memory."""
    assert store.shape == memory.shape
    for by in ("user", "item"):
        found, expected = store.rows(by), memory.rows(by)
        for part in ("indptr", "indices", "data"):
            np.testing.assert_array_equal(getattr(found, part), getattr(expected, part))
    assert store.user_ids.tolist() == memory.user_ids.tolist()
    assert store.item_ids.tolist() == memory.item_ids.tolist()
    assert (store.timestamps is None) == (memory.timestamps is None)
    if memory.timestamps is not None:
        np.testing.assert_array_equal(store.timestamps, memory.timestamps)
    assert store.scale == memory.scale
    assert store.mean == pytest.approx(memory.mean)


def prepared(folder: Path, frame: pd.DataFrame, **options: Any) -> Path:
    """A store of one csv file of this frame, in `folder`."""
    frame.to_csv(folder / "ratings.csv", index=False)
    recae.prepare_store(folder / "ratings.csv", folder / "store", **options)
    return folder / "store"
