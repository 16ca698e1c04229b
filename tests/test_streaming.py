"""Training from a store on disk: the same weights as from memory, orders that read blocks, batches taken ahead."""

from __future__ import annotations

import signal
import threading
import tracemalloc
import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from torch import Tensor

import recae
from recae import jit
from recae.errors import TrainingInterrupted
from recae.models import AutoRec
from recae.models.autorec.rating_network import RatingNetwork, rating_loss
from recae.recommender import biases
from recae.sparse import SparseRows
from recae.training import Batch, RowBatches, batches
from recae.training.batches import block_order, iterate_batches, random_order


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file and a store of the same 900 ratings of 61 users for 47 items."""
    rng = np.random.default_rng(5)
    pairs = rng.choice(61 * 47, 900, replace=False)
    ratings = recae.RatingMatrix.from_columns(pairs // 47, pairs % 47, rng.integers(1, 6, 900))
    path = tmp_path_factory.mktemp("store")
    ratings.to_frame().to_csv(path / "a.csv", index=False)
    recae.prepare_store(path / "a.csv", path / "s")
    return path


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of a few rows and windows of three of them: what a large store has."""
    monkeypatch.setattr(batches, "BLOCK_BYTES", 400)
    monkeypatch.setattr(batches, "WINDOW", 3)


def model(by: Any, **more: Any) -> AutoRec:
    return AutoRec(**{"by": by, "hidden": 5, "epochs": 3, "batch_size": 7, "device": "cpu", **more})


def same(one: AutoRec, other: AutoRec) -> bool:
    ours, theirs = one._arrays(), other._arrays()
    return ours.keys() == theirs.keys() and all((ours[name] == theirs[name]).all() for name in ours)


# ---------------------------------------------------------------- the same weights


@pytest.mark.parametrize("by", ["item", "user"])
def test_a_store_and_memory_train_the_same_weights(folder: Path, by: Any) -> None:
    """With rows that fit one window, the order is that of rows in memory, and so is every bit of the weights."""
    store, memory = recae.load(folder / "s"), recae.load(folder / "a.csv")
    assert store.is_mapped
    assert not memory.is_mapped
    assert same(model(by).fit(store), model(by).fit(memory))


def test_a_neural_recommender_trains_the_same_from_a_store(folder: Path) -> None:
    """Mult-VAE, whose rows are scaled one batch at a time: the weights of rows scaled all at once."""
    store, memory = recae.load(folder / "s"), recae.load(folder / "a.csv")
    found = [
        recae.MultVAE(epochs=2, batch_size=7, device="cpu", own_part=0).fit(one)._arrays() for one in (store, memory)
    ]
    for name, ours in found[0].items():
        np.testing.assert_array_equal(ours, found[1][name])


@pytest.mark.usefixtures("small_blocks")
def test_mapped_rows_and_rows_in_memory_train_alike_in_the_same_order(folder: Path) -> None:
    """In blocks and taken ahead: with the order of blocks, rows in memory give the same batches, to the bit."""
    rows = [SparseRows.from_scipy(recae.load(folder / name).rows("user")) for name in ("s", "a.csv")]
    found = []
    for one in rows:
        streamed = RowBatches(one, batch_size=7, streamed=True)
        torch.manual_seed(1)
        order = random_order(streamed)
        found.append([(batch.input.indices, batch.input.values) for batch in iterate_batches(streamed, order.split(7))])
    assert len(found[0]) == 9
    for ours, theirs in zip(*found, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs))


@pytest.mark.usefixtures("small_blocks")
def test_a_streamed_training_resumes_exactly(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped in the middle of an epoch with batches waiting, and resumed: the weights of one go."""
    whole = model("user").fit(recae.load(folder / "s"))
    steps = iter(range(100))

    def stopping(network: RatingNetwork, batch: Batch) -> Tensor:
        if next(steps) == 12:
            signal.raise_signal(signal.SIGINT)
        return rating_loss(network, batch)

    with monkeypatch.context() as patch:
        patch.setattr("recae.models.autorec.autorec.rating_loss", stopping)
        with pytest.raises(TrainingInterrupted):
            model("user").fit(recae.load(folder / "s"), checkpoint=tmp_path / "c")
    resumed = model("user").fit(recae.load(folder / "s"), checkpoint=tmp_path / "c", resume=True)
    assert same(resumed, whole)


# ---------------------------------------------------------------- orders


def test_rows_come_in_windows_of_blocks() -> None:
    """A block order is a permutation; each window's rows are those of its blocks, and are shuffled among them."""
    torch.manual_seed(0)
    order = block_order(1003, block=10, window=7).numpy()
    assert sorted(order) == list(range(1003))
    first = order[:70]
    assert len(set(first // 10)) in (7, 8)  # the last block, of three rows, makes its window shorter
    assert (np.diff(first // 10) != 0).mean() > 0.7  # 6/7 of neighbours are of different blocks
    assert len({tuple(block_order(1003, 10, 7).tolist()) for _ in range(3)}) == 3


def test_few_rows_are_a_plain_permutation() -> None:
    """What one window holds is in the order that rows in memory have with the same seed."""
    torch.manual_seed(3)
    plain = torch.randperm(50)
    torch.manual_seed(3)
    assert torch.equal(block_order(50, block=10, window=5), plain)


def test_every_pair_of_rows_may_meet() -> None:
    """Over many epochs, rows of any two blocks come into one window: shuffling is not confined to neighbours."""
    torch.manual_seed(0)
    met = np.zeros((10, 10), dtype=bool)
    for _ in range(200):
        order = block_order(40, block=4, window=2).numpy() // 4
        for window in order.reshape(5, 8):
            met[np.ix_(np.unique(window), np.unique(window))] = True
    assert met.all()


# ---------------------------------------------------------------- taking ahead


class Counted:
    """Batches of numbers, which note who took them and when; none can be taken from number 5 on."""

    n_examples, batch_size, streamed = 9, 1, True

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.threads: set[str] = set()
        self.serial: set[bool] = set()

    def take(self, index: Tensor) -> Batch:
        if int(index) >= 5:
            raise ValueError("five")
        self.taken.append(int(index))
        self.threads.add(threading.current_thread().name)
        self.serial.add(jit._thread.serial)
        return Batch(index, index)


def test_batches_are_taken_ahead_in_order_and_not_too_many() -> None:
    """Never more than `AHEAD` wait, all in order, on another thread; an error comes in its turn."""
    counted = Counted()
    upcoming = iterate_batches(counted, torch.arange(9).split(1))
    for step in range(5):
        assert int(next(upcoming).input) == step
        assert len(counted.taken) <= step + 1 + batches.AHEAD
    assert counted.taken == [0, 1, 2, 3, 4]
    assert all(name.startswith("recae-prefetch") for name in counted.threads)
    assert counted.serial == {True}  # it leaves numba's threads to the step
    with pytest.raises(ValueError, match="five"):
        next(upcoming)
    assert not any(thread.name.startswith("recae-prefetch") for thread in threading.enumerate())


# ---------------------------------------------------------------- nothing is copied


def test_rows_on_disk_are_not_copied(folder: Path) -> None:
    """`SparseRows` share the store's memory maps, without a warning of PyTorch; to write to them is refused."""
    rows = recae.load(folder / "s").rows("item")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tensors = SparseRows.from_scipy(rows)
    assert tensors.values.data_ptr() == rows.data.ctypes.data
    assert tensors.indices.data_ptr() == rows.indices.ctypes.data
    with pytest.raises(ValueError, match="read-only"):
        rows.data[0] = 1


def test_training_from_a_store_copies_no_column_of_ratings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From fit to prediction, NumPy never allocates as much memory as the ratings would take."""
    users, items = np.divmod(np.arange(240_000), 400)
    frame = pd.DataFrame({"user": users, "item": items, "rating": (users + items) % 5 + 1})
    frame.to_parquet(tmp_path / "a.parquet")
    recae.prepare_store(tmp_path / "a.parquet", tmp_path / "s")
    monkeypatch.setattr(biases, "BLOCK", 2000)
    settings: Any = {"hidden": 2, "epochs": 1, "batch_size": 50, "path": "sparse"}
    model("user", **settings).fit(recae.load(tmp_path / "s"))  # compiles
    ratings = recae.load(tmp_path / "s")
    tracemalloc.start()
    model("user", **settings).fit(ratings).predict(3, 7)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 240_000


def test_the_caller_s_matrix_with_repeated_entries_does_not_change() -> None:
    """Entries stored twice are summed in a copy."""
    matrix = sparse.csr_array((np.ones(3, np.float32), np.array([1, 1, 0]), np.array([0, 2, 3])), shape=(2, 2))
    assert SparseRows.from_scipy(matrix).to_dense().tolist() == [[0, 2], [1, 0]]
    assert matrix.nnz == 3


def test_biases_are_the_same_in_blocks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """mu, b_u and b_i from a few users at a time are those from all at once."""
    ratings = recae.load(folder / "s")
    whole = biases.fit_biases(ratings, user_l2=10.0, item_l2=5.0, sweeps=3)
    monkeypatch.setattr(biases, "BLOCK", 50)
    parts = biases.fit_biases(ratings, user_l2=10.0, item_l2=5.0, sweeps=3)
    assert parts.mean == whole.mean
    np.testing.assert_allclose(parts.user, whole.user, atol=1e-6)
    np.testing.assert_allclose(parts.item, whole.item, atol=1e-6)


def test_sums_of_many_ratings_are_numpys_to_the_last_bit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernels add up what NumPy would, in its order: items part by part, users row by row."""
    rows = recae.load(folder / "s").user_rows
    monkeypatch.setattr(biases, "BLOCK", 50)
    many, rng = biases._SumsOfMany(rows, 3.3), np.random.default_rng(0)
    user, item = rng.normal(size=rows.shape[0]), rng.normal(size=rows.shape[1])
    assert len(many.cuts) > 3
    total = np.zeros(rows.shape[1])
    for first, last in pairwise(many.cuts):
        total += biases._Sums(rows[first:last], 3.3).of_items(user[first:last])
    np.testing.assert_array_equal(many.of_items(user), total)
    np.testing.assert_array_equal(many.of_users(item), biases._Sums(rows, 3.3).of_users(item))
