"""The hot operations, each against its stored ratio. `pytest benchmarks/suite [--store]`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.limits import operations
from benchmarks.limits.operations import Operation
from recae.ranking import top_n

SHAPE = (3_000, 2_000, 200_000)
K = 256
Check = Callable[..., None]


@functools.cache
def products() -> dict[str, Operation]:
    made = operations.sparse_products(operations.batch(*SHAPE), K)
    return dict(zip(("spmm", "sddmm", "gradient of a weight", "transposed pattern"), made))


@pytest.mark.parametrize("name", ["spmm", "sddmm", "gradient of a weight", "transposed pattern"])
def test_sparse_products(held_to_baseline: Check, name: str) -> None:
    """The three loops of training, and the pattern they turn."""
    held_to_baseline(name, products()[name].work)


def test_adam(held_to_baseline: Check) -> None:
    """The fused optimiser's pass over memory."""
    held_to_baseline("adam", operations.adam_step(SHAPE[0], K).work)


def test_gram_matrix(held_to_baseline: Check) -> None:
    """The closed forms' XᵀX."""
    held_to_baseline("gram matrix", operations.gram_matrix(*SHAPE).work)


def test_inverse(held_to_baseline: Check) -> None:
    """The closed forms' inverse."""
    held_to_baseline("inverse", operations.inversion(1_000).work, kernels=False)


def test_parsing(held_to_baseline: Check, tmp_path: Path) -> None:
    """A CSV of ratings."""
    from benchmarks.common.rating_files import write_csv

    write_csv(tmp_path / "ratings.csv", 100_000, "by user and item", 0)
    held_to_baseline("parsing", operations.parsing(tmp_path / "ratings.csv", 100_000).work, kernels=False)


def test_ranking(held_to_baseline: Check) -> None:
    """The 20 best of 2,000 unseen items, for 1,000 users."""
    _, ratings, n_items = operations.ease_like(*SHAPE)
    scores = np.random.default_rng(0).random((1_000, n_items), np.float32)
    seen = ratings.user_rows[np.arange(1_000)]
    held_to_baseline("ranking", lambda: top_n(scores, 20, seen))


@pytest.mark.parametrize("name", ["EASE", "factors"])
def test_scores(held_to_baseline: Check, name: str) -> None:
    """Scores of 1,000 users, by an item-item matrix and by factors."""
    score, _, _ = operations.ease_like(*SHAPE) if name == "EASE" else operations.factor_like(*SHAPE, 64)
    users = np.arange(1_000)
    held_to_baseline(f"scores, {name}", lambda: score(users))
