"""The ranking order is total, and the fast way to it agrees with sorting."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from property_examples import examples
from scipy import sparse

from recae.errors import DataError, ParameterError
from recae.ranking import mask_seen, top_n, top_n_reference
from recae.recommender import scoring
from recae.recommender import tensor_top_n as module
from recae.recommender.scoring import popular_where, top_allowed, top_n_for_users
from recae.recommender.tensor_top_n import tensor_top_n

few_values = st.sampled_from([-np.inf, -2.5, -0.0, 0.0, 1e-40, 1.0, 3.25, np.float32(3e38), np.inf, np.nan])
any_value = st.floats(width=32, allow_nan=True, allow_infinity=True)


@settings(max_examples=examples(150), deadline=None)
@given(
    scores=hnp.arrays(
        np.float32, st.tuples(st.integers(0, 4), st.integers(1, 300)), elements=st.one_of(few_values, any_value)
    ),
    n=st.integers(1, 40),
)
def test_agrees_with_sorting(scores: np.ndarray, n: int) -> None:
    """Whatever the scores (ties, infinities, NaN, denormals), the kernel returns what a stable sort returns."""
    index, best = top_n(scores, n)
    expected_index, expected_best = top_n_reference(scores, n)
    np.testing.assert_array_equal(index, expected_index)
    np.testing.assert_array_equal(best, expected_best)
    for made, expected in zip(
        tensor_top_n(torch.from_numpy(scores), None, n, np.ones(scores.shape[1], bool)), (index, best)
    ):
        np.testing.assert_array_equal(made, expected)


@pytest.mark.parametrize("levels", [2, 20, None])
@pytest.mark.parametrize("n", [1, 7, 100, 3000])
def test_agrees_with_sorting_on_long_rows(n: int, levels: int | None) -> None:
    """Rows of a real catalogue's length, with many ties, few, and none, rank as a sort ranks them."""
    rng = np.random.default_rng(n)
    scores = rng.normal(size=(5, 2500)).astype(np.float32)
    if levels:
        scores = rng.integers(0, levels, size=(5, 2500)).astype(np.float32)
    scores[1, rng.random(2500) < 0.98] = -np.inf  # hardly any candidate
    scores[2] **= 9  # heavy tails: a bar found by halving the range is a poor one
    for fast, slow in zip(top_n(scores, n), top_n_reference(scores, n)):
        np.testing.assert_array_equal(fast, slow)


def test_seen_items_are_left_out_without_a_copy() -> None:
    """`seen` gives what masking a copy gives, and the scores, which a model may keep, are left as they are."""
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 50, size=(6, 700)).astype(np.float32)
    scores.flags.writeable = False
    seen = sparse.random_array((6, 700), density=0.6, rng=rng, format="csr", dtype=np.float32)
    masked = scores.copy()
    mask_seen(masked, seen)
    tensor, every = torch.from_numpy(scores.copy()), np.ones(700, bool)
    for n in (1, 20, 400):
        for made, slow in zip(tensor_top_n(tensor, seen, n, every), top_n_reference(masked, n)):
            np.testing.assert_array_equal(made, slow)
        for fast, slow in zip(top_n(scores, n, seen), top_n_reference(masked, n)):
            np.testing.assert_array_equal(fast, slow)


def test_order_and_ties_by_hand() -> None:
    """Best first, equal scores by lower index, -inf and NaN never, and the rest of the list is empty."""
    inf = np.inf
    index, best = top_n(np.array([[1, 3, 3, 2, 3], [-inf, 5, np.nan, -inf, -7]], np.float32), 4)
    np.testing.assert_array_equal(index, [[1, 2, 4, 3], [1, 4, -1, -1]])
    np.testing.assert_array_equal(best, np.array([[3, 3, 3, 2], [5, -7, -inf, -inf]], np.float32))
    assert index.dtype == np.int64
    assert best.dtype == np.float32


def test_minus_zero_ties_with_zero() -> None:
    """-0.0 equals 0.0, so the lower index comes first whichever of the two it holds."""
    assert top_n(np.array([[-0.0, 0.0, -0.0]], np.float32), 3)[0].tolist() == [[0, 1, 2]]


def test_a_constant_scorer_gets_the_first_items() -> None:
    """Equal scores everywhere give items 0, 1, 2, ... and say nothing of what is relevant."""
    assert top_n(np.full((2, 500), 0.7, np.float32), 3)[0].tolist() == [[0, 1, 2], [0, 1, 2]]


def test_lists_longer_than_the_catalogue_end_empty() -> None:
    """Asking for more items than there are gives all of them, then -1 with score -inf."""
    index, best = top_n(np.array([[1.0, 2.0]], np.float32), 4)
    assert index.tolist() == [[1, 0, -1, -1]]
    assert best[0, 2:].tolist() == [-np.inf, -np.inf]


def test_scores_need_not_be_contiguous() -> None:
    """A transposed view ranks as its copy does, and is not changed."""
    scores = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    before = scores.copy()
    np.testing.assert_array_equal(top_n(scores.T, 5)[0], top_n_reference(scores.T.copy(), 5)[0])
    np.testing.assert_array_equal(scores, before)


def test_seen_items_are_masked_stored_zeros_too() -> None:
    """-inf stands exactly where a rating is stored, be it 0, and such items are not recommended."""
    rows = sparse.csr_array((np.array([4.0, 0.0, 2.0], np.float32), ([0, 0, 2], [1, 3, 0])), shape=(3, 4))
    scores = np.arange(12, dtype=np.float32).reshape(3, 4)
    mask_seen(scores, rows)
    assert np.argwhere(scores == -np.inf).tolist() == [[0, 1], [0, 3], [2, 0]]
    assert top_n(scores, 2)[0].tolist() == [[2, 0], [3, 2], [3, 2]]


def test_clear_errors() -> None:
    """A list of no items, scores of one dimension, and seen ratings of another shape are refused by name."""
    with pytest.raises(ParameterError, match="n=0"):
        top_n(np.zeros((1, 2), np.float32), 0)
    with pytest.raises(DataError, match=r"\(2,\)"):
        top_n(np.zeros(2, np.float32), 1)
    with pytest.raises(DataError, match=r"\(2, 3\).*\(3, 2\)"):
        mask_seen(np.zeros((2, 3), np.float32), sparse.csr_array((3, 2), dtype=np.float32))
    with pytest.raises(DataError, match=r"\(2, 3\).*\(3, 2\)"):
        top_n(np.zeros((2, 3), np.float32), 1, sparse.csr_array((3, 2), dtype=np.float32))


def test_lists_of_a_tensor_are_those_of_an_array() -> None:
    """Scores on a device are ranked there: the same items among those allowed and not seen, and the same scores."""
    rng = np.random.default_rng(1)
    scores = rng.integers(-3, 4, size=(7, 60)).astype(np.float32)
    seen = sparse.random_array((7, 60), density=0.4, rng=rng, format="csr", dtype=np.float32)
    allowed = rng.random(60) < 0.5
    for n in (1, 10, 80):
        for made, expected in zip(
            tensor_top_n(torch.from_numpy(scores), seen, n, allowed), top_allowed(scores, seen, n, allowed)
        ):
            np.testing.assert_array_equal(made, expected)


tied = st.sampled_from([-np.inf, -1.0, -0.0, 0.0, 1.0, 2.0, np.inf, np.nan])


@settings(max_examples=examples(150), deadline=None)
@given(
    scores=hnp.arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(1, 60)), elements=tied),
    n=st.integers(1, 70),
    seed=st.integers(0, 9),
)
def test_ties_of_a_tensor_fall_as_those_of_an_array(scores: np.ndarray, n: int, seed: int) -> None:
    """Few levels, zeros of both signs, infinities and NaN, some items seen and some not allowed: `top_n`'s lists."""
    rng = np.random.default_rng(seed)
    seen = sparse.csr_array(rng.random(scores.shape) < 0.2, dtype=np.float32)
    allowed = rng.random(scores.shape[1]) < 0.8
    tensor = torch.from_numpy(scores.copy())
    expected = top_n(np.where(allowed, scores, np.float32(-np.inf)), n, seen)
    for made, right in zip(tensor_top_n(tensor, seen, n, allowed), expected):
        np.testing.assert_array_equal(made, right)
        assert made.dtype == right.dtype
    np.testing.assert_array_equal(tensor.numpy(), scores)  # not written to


def test_rows_are_selected_by_integers_only_where_ties_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tie at the end of the list, or NaN, costs its own rows an exact selection; ties above or below cost nothing."""
    given, exact = [], module._by_integers

    def noted(scores: torch.Tensor, n: int) -> tuple[torch.Tensor, torch.Tensor]:
        given.extend(scores.tolist())
        return exact(scores, n)

    monkeypatch.setattr(module, "_by_integers", noted)
    monkeypatch.setattr(module, "_AT_ONCE", 8)  # two rows at once
    nan, inf = np.nan, np.inf
    clear = [[5, 5, 2, 1], [5, 4, 1, 1], [0, -inf, -inf, -inf], [inf, 3, 0, -0.0]]
    unclear = [[5, 4, 4, 1], [5, nan, 2, 1], [0, 1, -0.0, -1]]
    scores = np.array(clear + unclear, np.float32)
    index, best = tensor_top_n(torch.from_numpy(scores), None, 2, np.ones(4, bool))
    assert index.tolist() == [[0, 1], [0, 1], [0, -1], [0, 1], [0, 1], [0, 2], [1, 0]]
    np.testing.assert_array_equal(best, top_n(scores, 2)[1])
    np.testing.assert_array_equal(given, unclear)


@settings(max_examples=examples(100), deadline=None)
@given(scores=hnp.arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(1, 6)), elements=tied))
def test_popularity_replaces_the_same_rows_of_a_tensor(scores: np.ndarray) -> None:
    """Rows without ratings and rows of one score, -0 being 0 and NaN being no score, in a tensor as in an array."""
    empty, counts = np.arange(len(scores)) == 1, np.arange(scores.shape[1]) + 7
    made = popular_where(empty, torch.from_numpy(scores), counts)
    np.testing.assert_array_equal(made.numpy(), popular_where(empty, scores, counts))


class OnGpu:
    """Scores that say that they are a tensor on a GPU."""

    device = SimpleNamespace(type="cuda")

    def __init__(self, users: np.ndarray, n_items: int) -> None:
        self.users, self.shape = users, (len(users), n_items)


@pytest.mark.parametrize(
    ("free", "sizes"), [(0, [2] * 10), (16 * 24, [2, 6, 6, 6]), (2**40, [2, 10, 8])], ids=["none", "some", "plenty"]
)
def test_blocks_on_a_gpu_are_larger(free: int, sizes: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """After a first block, which tells where scores are: as large as a part of free memory, and as a bound, allows."""
    taken = []

    def noted(scores: OnGpu, seen: Any, n: int, allowed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        taken.append(len(scores.users))
        assert seen.toarray()[:, 0].tolist() == scores.users.tolist()  # rows of the same users
        return scores.users[:, None], np.zeros((len(scores.users), 1), np.float32)

    monkeypatch.setattr(module, "tensor_top_n", noted)
    monkeypatch.setattr(scoring, "BLOCK_BYTES", 2 * 4)
    monkeypatch.setattr(scoring, "DEVICE_BYTES", 10 * 4)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 2**40))
    seen = sparse.csr_array(np.arange(20, dtype=np.float32)[:, None])
    users, every = np.random.default_rng(0).permutation(20), np.ones(1, bool)
    index, _ = top_n_for_users(lambda some: OnGpu(some, 1), users, seen, 1, every)
    assert taken == sizes
    assert index[:, 0].tolist() == users.tolist()


@pytest.mark.gpu
@pytest.mark.parametrize("levels", [3, 40, None])
def test_lists_on_a_gpu_are_those_of_an_array(levels: int | None) -> None:
    """Many ties, few and none, NaN and infinities: a GPU's `topk` and `aminmax` leave lists as they are anywhere."""
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    rng = np.random.default_rng(0)
    scores = (rng.integers(-levels, levels, (300, 5000)) if levels else rng.normal(size=(300, 5000))).astype(np.float32)
    for row, value in zip((3, 4, 5, 6), (np.nan, np.inf, -np.inf, -0.0)):
        scores[row, rng.random(5000) < 0.3] = value
    scores[7], scores[8], scores[9, :] = 2.0, np.nan, -np.inf
    seen = sparse.random_array(scores.shape, density=0.05, rng=rng, format="csr", dtype=np.float32)
    allowed, tensor = rng.random(5000) < 0.9, torch.from_numpy(scores).cuda()
    for n in (1, 20, 4990):
        expected = top_n(np.where(allowed, scores, np.float32(-np.inf)), n, seen)
        for made, right in zip(tensor_top_n(tensor, seen, n, allowed), expected):
            np.testing.assert_array_equal(made, right)
    empty, counts = np.arange(300) == 1, np.arange(5000)
    made = popular_where(empty, tensor, counts).cpu().numpy()
    np.testing.assert_array_equal(made, popular_where(empty, scores, counts))
