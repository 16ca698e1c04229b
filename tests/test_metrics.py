"""Metrics against independent implementations, against values worked out by hand, and their properties."""

from __future__ import annotations

from collections.abc import Callable
from math import log2, sqrt

import ir_measures
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from property_examples import examples
from scipy import sparse
from sklearn.metrics import mean_absolute_error, mean_squared_error, ndcg_score
from sklearn.metrics.pairwise import cosine_similarity

from recae import metrics
from recae.errors import DataError, ParameterError
from recae.ranking import top_n
from recae.ratings import RatingMatrix

N_USERS, N_ITEMS, WIDTH = 23, 40, 15


def random_lists(seed: int, *, empty: bool = True) -> tuple[np.ndarray, sparse.csr_array]:
    """Ranked lists (some shorter than their width) and relevant items (of some users none, of some many)."""
    rng = np.random.default_rng(seed)
    ranked = np.array([rng.permutation(N_ITEMS)[:WIDTH] for _ in range(N_USERS)])
    for user in range(0, N_USERS, 4):
        ranked[user, rng.integers(0, WIDTH) :] = -1
    share = rng.choice([0.0, 0.05, 0.3, 0.9], size=(N_USERS, 1)) if empty else 0.3
    return ranked, sparse.csr_array((rng.random((N_USERS, N_ITEMS)) < share).astype(np.float32))


# name: (ours, the measure of trec_eval as ir_measures gives it)
TREC: dict[str, tuple[Callable[[metrics.Hits, int], np.ndarray], Callable[[int], object]]] = {
    "recall-plain": (lambda hits, k: metrics.recall(hits, k, capped=False), lambda k: ir_measures.R @ k),
    "precision": (metrics.precision, lambda k: ir_measures.P @ k),
    "ndcg": (metrics.ndcg, lambda k: ir_measures.nDCG @ k),
    "map-plain": (lambda hits, k: metrics.average_precision(hits, k, capped=False), lambda k: ir_measures.AP @ k),
    "hit": (metrics.hit, lambda k: ir_measures.Success @ k),
    "mrr": (metrics.reciprocal_rank, lambda k: ir_measures.RR @ k),
}


@pytest.mark.parametrize("name", TREC)
@pytest.mark.parametrize("k", [1, 5, 10, 15])
def test_agrees_with_trec_eval(name: str, k: int) -> None:
    """Every metric that trec_eval has equals trec_eval's, user by user."""
    ours, theirs = TREC[name]
    ranked, relevant = random_lists(k)
    hits = metrics.find_hits(ranked, relevant)
    qrels = [ir_measures.Qrel(str(u), str(i), 1) for u, i in zip(*relevant.nonzero())]
    run = [
        ir_measures.ScoredDoc(str(u), str(item), float(WIDTH - rank))
        for u in range(N_USERS)
        for rank, item in enumerate(ranked[u])
        if item >= 0
    ]
    oracle = {m.query_id: m.value for m in ir_measures.iter_calc([theirs(k)], qrels, run)}
    assert len(hits.users) > 5
    np.testing.assert_allclose(ours(hits, k), [oracle.get(str(u), 0.0) for u in hits.users], atol=1e-6)


@pytest.mark.parametrize("k", [1, 4, 10, 15])
def test_ndcg_agrees_with_scikit_learn(k: int) -> None:
    """NDCG@k of full rankings equals scikit-learn's on the scores that made them."""
    rng = np.random.default_rng(k)
    scores = rng.normal(size=(N_USERS, N_ITEMS)).astype(np.float32)
    relevant = random_lists(k, empty=False)[1]
    ours = metrics.ndcg(metrics.find_hits(top_n(scores, 15)[0], relevant), k)
    assert ours.mean() == pytest.approx(ndcg_score(relevant.toarray(), scores, k=k), abs=1e-9)


def test_rating_errors_agree_with_scikit_learn() -> None:
    """RMSE and MAE equal scikit-learn's, in float64 whatever comes in."""
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(1, 6, 1000).astype(np.float32), rng.normal(3, 1, 1000).astype(np.float32)
    assert metrics.rmse(truth, predicted) == pytest.approx(sqrt(mean_squared_error(truth, predicted)), rel=1e-6)
    assert metrics.mae(truth, predicted) == pytest.approx(mean_absolute_error(truth, predicted), rel=1e-6)
    assert metrics.rmse([1, 2, 3], [1, 4, 2]) == pytest.approx(sqrt(5 / 3))
    assert metrics.mae([1, 2, 3], [1, 4, 2]) == 1.0


def test_by_hand() -> None:
    """Two hits at ranks 1 and 3 of 4, with 3 and with 2 relevant items, and a user without any left out."""
    ranked = np.array([[7, 1, 5, 2], [0, 1, 2, 3], [3, 0, 4, -1]])
    relevant = np.zeros((3, 8), np.float32)
    relevant[0, [5, 7, 6]] = 1
    relevant[2, [3, 4]] = 1
    hits = metrics.find_hits(ranked, sparse.csr_array(relevant))
    assert hits.users.tolist() == [0, 2]
    assert hits.found.tolist() == [[True, False, True, False], [True, False, True, False]]
    expected = {
        "recall@4": (metrics.recall(hits, 4), [2 / 3, 1]),
        "recall@2": (metrics.recall(hits, 2), [1 / 2, 1 / 2]),
        "recall-plain@2": (metrics.recall(hits, 2, capped=False), [1 / 3, 1 / 2]),
        "precision@4": (metrics.precision(hits, 4), [1 / 2, 1 / 2]),
        "hit@1": (metrics.hit(hits, 1), [1, 1]),
        "mrr@4": (metrics.reciprocal_rank(hits, 4), [1, 1]),
        "map@4": (metrics.average_precision(hits, 4), [(1 + 2 / 3) / 3, (1 + 2 / 3) / 2]),
        "map@2": (metrics.average_precision(hits, 2), [1 / 2, 1 / 2]),
        "map-plain@2": (metrics.average_precision(hits, 2, capped=False), [1 / 3, 1 / 2]),
        "ndcg@4": (metrics.ndcg(hits, 4), [1.5 / (1 + 1 / log2(3) + 1 / 2), 1.5 / (1 + 1 / log2(3))]),
        "ndcg@1": (metrics.ndcg(hits, 1), [1, 1]),
    }
    for name, (ours, value) in expected.items():
        np.testing.assert_allclose(ours, value, err_msg=name)


ACCURACY: dict[str, Callable[[metrics.Hits, int], np.ndarray]] = {
    **{name: ours for name, (ours, _) in TREC.items()},
    "recall": metrics.recall,
    "map": metrics.average_precision,
}


@settings(max_examples=examples(50), deadline=None)
@given(seed=st.integers(0, 10_000), k=st.integers(1, WIDTH), name=st.sampled_from(list(ACCURACY)))
def test_bounds_and_invariance(seed: int, k: int, name: str) -> None:
    """In [0, 1] without NaN; renumbering items, reordering users and what stands beyond k change nothing."""
    measure = ACCURACY[name]
    ranked, relevant = random_lists(seed)
    values = measure(metrics.find_hits(ranked, relevant), k)
    assert np.all((values >= 0) & (values <= 1 + 1e-12))
    rng = np.random.default_rng(seed)
    new_number = np.append(rng.permutation(N_ITEMS), -1)  # -1 stays -1
    old_number = np.argsort(new_number[:-1])
    renamed = metrics.find_hits(new_number[ranked], relevant[:, old_number])
    np.testing.assert_allclose(measure(renamed, k), values)
    users = rng.permutation(N_USERS)
    moved = metrics.find_hits(ranked[users], relevant[users])
    np.testing.assert_allclose(measure(moved, k)[np.argsort(users[moved.users])], values)
    cut = ranked.copy()
    cut[:, k:] = -1
    np.testing.assert_allclose(measure(metrics.find_hits(cut, relevant), k), values)


@settings(max_examples=examples(30), deadline=None)
@given(seed=st.integers(0, 10_000), k=st.integers(1, 14))
def test_growing_lists(seed: int, k: int) -> None:
    """Hit rate, reciprocal rank and plain recall never fall as the list grows; a better-placed hit never hurts."""
    ranked, relevant = random_lists(seed)
    hits = metrics.find_hits(ranked, relevant)
    for name in ("hit", "mrr", "recall-plain", "map-plain"):
        assert np.all(ACCURACY[name](hits, k + 1) >= ACCURACY[name](hits, k) - 1e-12), name  # sums are rounded
    # Put the hits first: a perfect order of the same list.
    best = metrics.Hits(-np.sort(-hits.found.astype(int), axis=1) > 0, hits.n_relevant, hits.users)
    for name, measure in ACCURACY.items():
        assert np.all(measure(best, k) >= measure(hits, k) - 1e-12), name


def test_a_perfect_list_has_one() -> None:
    """With all relevant items in front, metrics with a reachable 1 are 1, for fewer and for more items than k."""
    relevant = np.zeros((2, N_ITEMS), np.float32)
    relevant[0, :3] = relevant[1, :30] = 1
    hits = metrics.find_hits(np.tile(np.arange(WIDTH), (2, 1)), sparse.csr_array(relevant))
    for name in ("recall", "ndcg", "map", "mrr", "hit"):
        np.testing.assert_allclose(ACCURACY[name](hits, 10), 1.0, err_msg=name)


def test_a_constant_scorer_does_not_win() -> None:
    """Equal scores everywhere rank by item order: no better than chance, wherever the relevant items lie."""
    rng = np.random.default_rng(0)
    n_users, n_items, k = 400, 200, 10
    relevant = sparse.csr_array((rng.random((n_users, n_items)) < 0.05).astype(np.float32))
    constant = metrics.find_hits(top_n(np.ones((n_users, n_items), np.float32), k)[0], relevant)
    scores = rng.random((n_users, n_items)).astype(np.float32)
    chance = metrics.find_hits(top_n(scores, k)[0], relevant)
    informed = metrics.find_hits(top_n(scores + 0.5 * relevant.toarray(), k)[0], relevant)
    for name, measure in ACCURACY.items():
        assert measure(constant, k).mean() < 1.4 * measure(chance, k).mean(), name
        assert measure(informed, k).mean() > 2 * measure(constant, k).mean(), name


def test_stored_zeros_are_relevant_and_order_of_storage_does_not_matter() -> None:
    """What is stored is relevant, whatever its value, also where columns are stored unsorted."""
    rows = sparse.csr_array((np.array([0.0, -3.0], np.float32), np.array([4, 1]), np.array([0, 2])), shape=(1, 5))
    assert metrics.find_hits(np.array([[4, 0, 1]]), rows).found.tolist() == [[True, False, True]]


def small_train() -> RatingMatrix:
    """4 users x 4 items; item 0 by all, 1 by two, 2 by the other two, 3 by one of the first two."""
    pairs = [(0, 0), (1, 0), (2, 0), (3, 0), (0, 1), (1, 1), (2, 2), (3, 2), (0, 3)]
    return RatingMatrix.from_frame(pd.DataFrame(pairs, columns=["user", "item"]).assign(rating=[0, *range(1, 9)]))


def test_beyond_accuracy_by_hand() -> None:
    """Coverage, Gini, novelty and diversity of three short lists over four items."""
    ranked = np.array([[0, 1, 2], [0, 3, -1], [2, -1, -1]])
    train = small_train()
    shown = metrics.exposure(ranked, 2, 4)
    assert shown.tolist() == [2, 1, 1, 1]
    assert metrics.coverage(metrics.exposure(ranked, 1, 4)) == 0.5
    assert metrics.gini(shown) == pytest.approx((-3 * 1 - 1 * 1 + 1 * 1 + 3 * 2) / (4 * 5))
    information = metrics.self_information(train)
    np.testing.assert_allclose(information, [0, 1, 1, 2])
    np.testing.assert_allclose(metrics.novelty(ranked, 3, information), [2 / 3, 1, 1])
    cosines = [sqrt(2 / 4), sqrt(2 / 4), 0.0]  # items 0 and 1, 0 and 2, 1 and 2
    np.testing.assert_allclose(
        metrics.diversity(ranked, 3, train), [1 - sum(cosines) / 3, 1 - 1 / sqrt(4), 0.0], atol=1e-12
    )


def test_gini_extremes() -> None:
    """Everything shown alike is 0, always the same item (n - 1) / n, nothing shown 0."""
    assert metrics.gini(np.full(10, 7)) == pytest.approx(0.0)
    assert metrics.gini(np.array([0, 0, 9, 0])) == pytest.approx(3 / 4)
    assert metrics.gini(np.zeros(5, int)) == 0.0


def test_unrated_items_are_finite() -> None:
    """An unrated item has the novelty of one rated once, and no cosine with any."""
    train = small_train()
    train = train.select(train.user_rows.indices != 3)
    assert metrics.self_information(train)[3] == 2
    np.testing.assert_allclose(metrics.diversity(np.array([[0, 3], [3, 1]]), 2, train), [1.0, 1.0])


@settings(max_examples=examples(25), deadline=None)
@given(seed=st.integers(0, 10_000), k=st.integers(2, WIDTH))
def test_diversity_agrees_with_scikit_learn(seed: int, k: int) -> None:
    """1 - the mean of scikit-learn's cosines over the pairs of each list."""
    rng = np.random.default_rng(seed)
    pairs = np.argwhere(rng.random((30, N_ITEMS)) < 0.2)
    pairs = np.vstack([pairs, [(0, i) for i in range(N_ITEMS)]])
    frame = pd.DataFrame(pairs, columns=["user", "item"]).assign(rating=1.0)
    train = RatingMatrix.from_frame(frame)
    ranked, _ = random_lists(seed)
    cosine = cosine_similarity(train.rows("item").astype(np.float64))
    for user, value in enumerate(metrics.diversity(ranked, k, train)):
        items = ranked[user, :k][ranked[user, :k] >= 0]
        above = cosine[np.ix_(items, items)][np.triu_indices(len(items), 1)]
        assert value == pytest.approx(1 - above.mean() if len(above) else 0.0, abs=1e-9)


def test_diversity_in_blocks() -> None:
    """More lists than one block takes give what one block would."""
    ranked = np.random.default_rng(0).integers(0, 4, size=(3, 2))
    wide = small_train()
    whole = metrics.diversity(np.vstack([ranked] * 4), 2, wide)
    np.testing.assert_array_equal(whole, np.tile(metrics.diversity(ranked, 2, wide), 4))
    many = RatingMatrix.from_columns(np.arange(2_000_001), np.arange(2_000_001) % 4, np.ones(2_000_001))
    np.testing.assert_allclose(metrics.diversity(ranked, 2, many), 1.0 - (ranked[:, 0] == ranked[:, 1]), atol=1e-9)


def test_clear_errors() -> None:
    """A cut-off beyond the lists, lists of other users, and no ratings at all are refused, with the numbers."""
    ranked, relevant = random_lists(0)
    hits = metrics.find_hits(ranked, relevant)
    for k in (0, WIDTH + 1):
        with pytest.raises(ParameterError, match=f"k={k}: expected at most 15"):
            metrics.recall(hits, k)
    with pytest.raises(DataError, match=r"\(22, 15\).*\(23, 40\)"):
        metrics.find_hits(ranked[1:], relevant)
    with pytest.raises(DataError, match=r"\(0,\)"):
        metrics.rmse([], [])
    with pytest.raises(DataError, match=r"\(2,\).*\(3,\)"):
        metrics.mae([1, 2], [1, 2, 3])
