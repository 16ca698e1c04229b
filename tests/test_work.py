"""It stays fast: work is counted, not timed, and compared with what is stored here.

A count that grew is a regression, or the price of something: then the stored figure is raised in the same commit, which
says why. A count that shrank is good news, and is stored too, so that it stays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from torch import Tensor
from work_counts import Work, grown, less, long_tailed, measured

import recae
from recae.models.autorec.rating_network import RatingNetwork, rating_loss
from recae.ratings import RatingMatrix
from recae.recommender import scoring
from recae.splitting import Split

USERS, ITEMS, EACH = 600, 240, 12
STEPS = 4  # of an epoch
DENSE = 4 * USERS * ITEMS  # bytes of users x items
RANKED_USERS, RANKED_ITEMS, RANKED_EACH = 2400, 480, 6
BLOCKS = 8  # of an evaluation

# One epoch of an item-based AutoRec, 16 hidden units, rows of a quarter of the items a step. A step: encode (spmm) and
# decode (sddmm); gradients of hidden units, of both weights, and of the output's bias (four times spmm, three of them
# of transposed values); one Adam for each of the two weights and two biases. 90,000 of its bytes are what rows less
# their level take: the level at every rating, of the input and of the outputs.
AN_EPOCH = {
    "calls of kernel take": 1 * STEPS,
    "calls of kernel transpose": 1 * STEPS,
    "calls of kernel gather": 3 * STEPS,
    "calls of kernel spmm": 5 * STEPS,
    "calls of kernel sddmm": 1 * STEPS,
    "calls of kernel adam": 4 * STEPS,
    "calls of functions, recae": 244 * STEPS,
    "bytes, torch total": 306_000 * STEPS,
    "bytes, torch largest": 4 * USERS * 16,  # a gradient as large as its weight
}
# EASE fitted, and its lists of 20 measured, users in BLOCKS blocks.
LISTS = {
    "calls of kernel gram_lower": 1,
    "calls of kernel spmm": BLOCKS,
    "calls of kernel top_n_unseen": BLOCKS,
    "calls of kernel find": BLOCKS,  # which of the lists' items are relevant
    # 545 before reports told known users from new ones, and scores were checked to be finite; 704 before explanations,
    # groups and lean files; with four times the users 8 more
    "calls of functions, recae": 769,
    "bytes, torch total": 12_959_513,
    "bytes, torch largest": 4 * RANKED_ITEMS**2,  # the item-item matrix
    "bytes, numpy peak": 468_147,  # about 60 bytes a rating
}
ROUGHLY = 0.1  # small functions come and go, and other versions of PyTorch and NumPy allocate a little differently


def fitted(ratings: RatingMatrix, epochs: int, model: type[Any] = recae.AutoRec, **options: Any) -> Callable[[], Any]:
    """A fit of the network that is counted here."""
    rows = ratings.n_items // STEPS
    settings = {"hidden": 16, "batch_size": rows, "device": "cpu", "path": "sparse", **options}
    settings |= {"shrink": "never"} if "shrink" in model().get_params() else {}
    return lambda: model(epochs=epochs, **settings).fit(ratings, progress=False)


def an_epoch(ratings: RatingMatrix, model: type[Any] = recae.AutoRec, **options: Any) -> Work:
    """What one epoch more of a fit costs."""
    one, two = (measured(fitted(ratings, epochs, model, **options)) for epochs in (1, 2))
    return less(two, one)


def lists(parts: Split, monkeypatch: pytest.MonkeyPatch, n_blocks: int = BLOCKS) -> Work:
    """What it costs to fit EASE and to measure its lists, the users in so many blocks."""
    size = -(-parts.train.n_users // n_blocks)
    monkeypatch.setattr(scoring, "BLOCK_BYTES", 4 * size * parts.train.n_items)
    model = recae.EASE(l2=10.0, device="cpu")
    return measured(lambda: recae.evaluate(model.fit(parts.train), parts, ["recall@20", "ndcg@20"]))


@pytest.fixture(scope="module")
def ratings() -> RatingMatrix:
    return long_tailed(USERS, ITEMS, EACH)


@pytest.fixture(scope="module")
def epoch(ratings: RatingMatrix) -> Work:
    return an_epoch(ratings)


def halved(n_users: int) -> Split:
    """Half of each user's ratings to train on, half to test."""
    return recae.split(long_tailed(n_users, RANKED_ITEMS, RANKED_EACH), "per-user", test=0.5, rng=0)


# ---------------------------------------------------------------- an epoch of AutoRec


def test_an_epoch_takes_the_stored_work(epoch: Work) -> None:
    """Kernel calls, our functions' calls and bytes of an epoch are no more than stored; else the message says which."""
    assert grown(epoch, AN_EPOCH, ROUGHLY) == []


def test_stored_kernel_calls_are_what_is_called(epoch: Work) -> None:
    """The stored figures are the true ones, not only bounds: fewer calls than stored have to be stored as well."""
    assert {key: value for key, value in epoch.items() if "kernel" in key} == {
        key: value for key, value in AN_EPOCH.items() if "kernel" in key
    }


def test_nothing_of_a_fit_is_users_x_items(ratings: RatingMatrix) -> None:
    """From ratings to a fitted model, neither PyTorch nor NumPy holds anything as large as users x items."""
    work = measured(fitted(ratings, 2))
    assert work["bytes, torch largest"] < DENSE / STEPS  # nor a batch of it
    assert work["bytes, numpy peak"] < DENSE


def test_calls_do_not_grow_with_the_rows(ratings: RatingMatrix, epoch: Work) -> None:
    """Four times the users and items in as many steps: not one function call more, so no loop over rows is Python's."""
    larger = an_epoch(long_tailed(4 * USERS, 4 * ITEMS, EACH))
    assert grown(larger, {key: value for key, value in epoch.items() if "calls" in key}) == []


# ---------------------------------------------------------------- lists of a closed form


def test_an_evaluation_takes_the_stored_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """EASE and its evaluation: one product and one ranking a block of users, one matrix of items, and nothing dense."""
    assert grown(lists(halved(RANKED_USERS), monkeypatch), LISTS, ROUGHLY) == []


def test_an_evaluations_calls_grow_with_blocks_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four times the users in as many blocks take the same kernel calls, and a handful of others: no loop over rows."""
    many = lists(halved(4 * RANKED_USERS), monkeypatch)
    assert grown(many, {key: value for key, value in LISTS.items() if "calls" in key}, ROUGHLY) == []


# ---------------------------------------------------------------- that these tests can fail


def test_a_dense_epoch_is_caught(ratings: RatingMatrix) -> None:
    """The same model by dense products allocates more, and the message names what grew, by how much."""
    caught = grown(an_epoch(ratings, path="dense"), AN_EPOCH, ROUGHLY)
    assert any(line.startswith("bytes, torch total: ") for line in caught)
    assert any(
        line == f"bytes, torch largest: {DENSE // STEPS:,}, where {4 * USERS * 16:,} is stored" for line in caught
    )


def test_a_loop_over_rows_is_caught(ratings: RatingMatrix, monkeypatch: pytest.MonkeyPatch) -> None:
    """An objective that asks for each row by itself is found by its calls, although its result is the same."""

    def row_by_row(network: RatingNetwork, batch: Any) -> Tensor:
        assert sum(int(n) for n in batch.input.lengths()) == batch.input.nnz
        return rating_loss(network, batch)

    monkeypatch.setattr("recae.models.autorec.autorec.rating_loss", row_by_row)
    few, many = (an_epoch(long_tailed(n * USERS, n * ITEMS, EACH)) for n in (1, 2))
    caught = grown(many, {key: value for key, value in few.items() if "calls" in key})
    key = "calls of functions, all"
    assert f"{key}: {many[key]:,}, where {few[key]:,} is stored" in caught


def test_one_block_of_all_users_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores of all users at once are users x items, which is more memory than is stored."""
    caught = grown(lists(halved(RANKED_USERS), monkeypatch, n_blocks=1), LISTS, ROUGHLY)
    assert [line.partition(":")[0] for line in caught] == ["bytes, numpy peak"]  # large scores are NumPy's


def test_a_kernel_without_a_stored_count_is_caught() -> None:
    """A kernel that is called and not stored counts as grown; what is within its bound does not."""
    found = {"calls of kernel spmm": 4, "calls of kernel new": 1, "bytes, x": 104}
    assert grown(found, {"calls of kernel spmm": 4, "bytes, x": 100}, 0.05) == [
        "calls of kernel new: 1, where 0 is stored"
    ]


def test_generated_ratings_are_what_they_say() -> None:
    """Every item has a rating, no user has more than was asked for, and popular items have more."""
    made = long_tailed(50, 20, 5)
    counts = made.counts("item")
    assert made.shape == (50, 20)
    assert counts.min() >= 1
    assert made.counts("user").max() <= 6
    assert counts[:5].sum() > 2 * counts[-5:].sum()
    assert np.array_equal(made.user_rows.data, long_tailed(50, 20, 5).user_rows.data)
