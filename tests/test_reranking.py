"""Re-ranked lists: each against a slow oracle or a derivable answer; weight 0 changes nothing, and metrics improve."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from recae.errors import ParameterError
from recae.metrics import miscalibration
from recae.reranking import calibrated, capped, diverse, less_popular

N_ITEMS, N_GROUPS = 12, 4


def toy(seed: int, users: int = 5, wide: int = 9) -> tuple[np.ndarray, np.ndarray, np.ndarray, sparse.csr_array]:
    """Lists of distinct items with falling scores, one shorter than the others; vectors, and shares of categories."""
    rng = np.random.default_rng(seed)
    index = np.array([rng.permutation(N_ITEMS)[:wide] for _ in range(users)])
    scores = -np.sort(-rng.random((users, wide)), axis=1).astype(np.float32)
    index[0, -3:], scores[0, -3:] = -1, -np.inf
    shares = rng.random((N_ITEMS, N_GROUPS)) * (rng.random((N_ITEMS, N_GROUPS)) < 0.6)
    shares[:, 0] += shares.sum(1) == 0
    return index, scores, rng.normal(size=(N_ITEMS, 3)), sparse.csr_array(shares / shares.sum(1, keepdims=True))


def history(seed: int, users: int = 5) -> sparse.csr_array:
    """Ratings from 1 to 5, of which all count alike."""
    rng = np.random.default_rng(seed + 99)
    return sparse.csr_array(((rng.random((users, N_ITEMS)) < 0.4) * rng.integers(1, 6, N_ITEMS)).astype(np.float32))


def relevance(scores: np.ndarray) -> np.ndarray:
    low, high = scores.min(), scores.max()
    return (scores - low) / (high - low)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), weight=st.sampled_from([0.0, 0.3, 0.9]))
def test_mmr_is_the_greedy_rule(seed: int, weight: float) -> None:
    """Each choice has the largest marginal relevance that a plain loop finds, up to rounding."""
    index, scores, vectors, _ = toy(seed)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for listed, own, found in zip(index, scores, diverse(index, scores, 4, vectors, weight)):
        there = listed >= 0
        value = dict(zip(listed[there], relevance(own[there])))
        chosen: list[int] = []
        for item in found:
            gains = {
                one: (1 - weight) * value[one] - weight * max([unit[one] @ unit[other] for other in chosen], default=0)
                for one in value if one not in chosen
            }  # fmt: skip
            assert gains[item] >= max(gains.values()) - 1e-5
            chosen.append(item)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), weight=st.sampled_from([0.0, 0.5, 1.0]))
def test_calibration_is_the_greedy_rule_of_the_metric(seed: int, weight: float) -> None:
    """Each choice has the largest value of relevance less `miscalibration` of the list with it."""
    index, scores, _, shares = toy(seed)
    past = history(seed)
    for row, found in enumerate(calibrated(index, scores, 4, past, shares, weight)):
        there = index[row] >= 0
        value = dict(zip(index[row][there], relevance(scores[row][there])))
        chosen: list[int] = []
        for item in found:
            gains = {}
            for one in value:
                if one not in chosen:
                    kl = miscalibration(np.array([[*chosen, one]]), 9, past[[row]], shares)[0]
                    gains[one] = (1 - weight) * value[one] - weight * np.nan_to_num(kl)
            assert gains[item] >= max(gains.values()) - 1e-6
            chosen.append(item)


def test_weight_zero_keeps_the_list() -> None:
    """Without a weight, each way gives the first n of the list, and an item that is not there is -1 at its end."""
    index, scores, vectors, shares = toy(1)
    for found in (
        diverse(index, scores, 7, vectors, 0.0), calibrated(index, scores, 7, history(1), shares, 0.0),
        less_popular(index, scores, 7, np.arange(N_ITEMS), 0.0), capped(index, 7, np.arange(N_ITEMS), 1),
    ):  # fmt: skip
        assert found.tolist() == index[:, :7].tolist()


def test_weight_one_is_the_other_aim_alone() -> None:
    """The least popular come first; a list is the most diverse one from the first item on."""
    index, scores, _, _ = toy(2)
    counts = np.random.default_rng(3).permutation(N_ITEMS) * 7
    found = less_popular(index, scores, 3, counts, 1.0)
    for listed, chosen in zip(index, found):
        assert chosen.tolist() == sorted(listed[listed >= 0], key=lambda item: counts[item])[:3]
    vectors = np.eye(3)[[0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]]
    assert set(diverse(np.arange(N_ITEMS)[None], -np.arange(12.0)[None], 3, vectors, 0.9)[0]) == {0, 4, 8}


def test_caps_hold_and_lists_may_be_shorter() -> None:
    """No category has more than two items, what is left keeps its order, and a list ends with -1."""
    brands = np.array(["a", "b", "c"])[np.arange(N_ITEMS) % 3]
    found = capped(np.arange(N_ITEMS)[None], 8, brands, 2)[0]
    assert found.tolist() == [0, 1, 2, 3, 4, 5, -1, -1]


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists are the same whether users are taken together or one by one; no users give no lists."""
    index, scores, vectors, shares = toy(5)
    whole = diverse(index, scores, 4, vectors), calibrated(index, scores, 4, history(5), shares)
    monkeypatch.setattr("recae.reranking.ROOM", 1)
    assert (diverse(index, scores, 4, vectors) == whole[0]).all()
    assert (calibrated(index, scores, 4, history(5), shares) == whole[1]).all()
    assert diverse(index[:0], scores[:0], 4, vectors).shape == (0, 4)


def test_what_cannot_be_is_refused() -> None:
    """Weights outside 0 to 1, lists of nothing and caps of nothing are refused by name."""
    index, scores, vectors, _ = toy(0)
    for call in (
        lambda: diverse(index, scores, 3, vectors, 1.5), lambda: diverse(index, scores, 0, vectors),
        lambda: less_popular(index, scores, 3, np.arange(N_ITEMS), -0.1),
        lambda: capped(index, 3, np.arange(N_ITEMS), 0), lambda: capped(index, 0, np.arange(N_ITEMS), 1),
    ):  # fmt: skip
        with pytest.raises(ParameterError):
            call()


def test_items_of_equal_popularity_keep_their_order() -> None:
    """Popularity is the share of items with fewer ratings, so that items which are rated as often are as popular."""
    counts = np.array([1, 1, 1, 1, 9])
    index, scores = np.array([[4, 3, 2, 1, 0]]), np.array([[5, 4, 3, 2, 1]], np.float32)
    # scores are from 1 to 0 in steps of 1/4, and popularities 1 and 0: the first two change places at a weight of 1/5
    for weight, expected in ((0.19, [4, 3, 2, 1, 0]), (0.21, [3, 4, 2, 1, 0]), (1.0, [3, 2, 1, 0, 4])):
        assert less_popular(index, scores, 5, counts, weight).tolist() == [expected]


def test_lists_of_equal_scores_are_ordered_by_the_other_aim() -> None:
    """Where scores say nothing, any weight leaves only popularity, likeness or categories."""
    index, scores = np.array([[4, 3, 2, 1, 0]]), np.full((1, 5), 7.0, np.float32)
    assert less_popular(index, scores, 5, np.arange(5), 0.1).tolist() == [[0, 1, 2, 3, 4]]
    assert diverse(index, scores, 2, np.eye(2)[[0, 1, 1, 1, 1]], 0.1).tolist() == [[4, 0]]
    shares = sparse.csr_array(np.eye(2)[[0, 1, 1, 1, 1]])
    likes_the_first = sparse.csr_array(np.array([[1.0, 0, 0, 0, 0]]))
    assert calibrated(index, scores, 1, likes_the_first, shares, 0.1).tolist() == [[0]]


def test_what_says_nothing_changes_nothing() -> None:
    """A vector of zeros is like no other, who has no history keeps the list, and what is not there is passed over."""
    index, scores = np.array([[4, 3, 2, 1, 0]]), np.array([[5, 4, 3, 2, 1]], np.float32)
    vectors, shares = np.eye(2)[[0, 0, 0, 0, 1]], sparse.csr_array(np.eye(2)[[0, 0, 1, 1, 1]])
    with np.errstate(all="raise"):
        assert diverse(index, scores, 3, vectors * (np.arange(5) != 2)[:, None], 0.6).tolist() == [[4, 3, 2]]
        assert calibrated(index, scores, 5, sparse.csr_array((1, 5)), shares, 0.9).tolist() == index.tolist()
    assert capped(np.array([[4, -1, 3, 2, 1]]), 4, np.zeros(5), 3).tolist() == [[4, 3, 2, -1]]
    assert capped(np.array([[-1, -1]]), 1, np.zeros(5), 3).tolist() == [[-1]]
