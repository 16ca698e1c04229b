"""Sparse EASE: with all items as neighbours it is EASE, if all pairs occur; with few, the regression on these."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from linear_toys import assert_sane, ones_of, random_ratings, ratings_of, ridge, sparse_sets
from property_examples import examples

from recae.errors import DivergenceError, ParameterError
from recae.models.linear import sparse_ease
from recae.models.linear.closed_form import EASE
from recae.models.linear.ease_relatives import EDLAE
from recae.models.linear.sparse_ease import SparseEASE, _of_rank

RATINGS = random_ratings()
X = ones_of(RATINGS)


@pytest.mark.parametrize("values", ["binary", "ratings"])
def test_with_all_items_as_neighbours_it_is_ease(values: str) -> None:
    """Twelve neighbours of thirteen items, whose rated pairs all occur together: S is EASE's B."""
    together = X[:, :-1].T @ X[:, :-1]  # the last item has no ratings
    assert together.all()
    expected = EASE(l2=3.0, values=values, device="cpu").fit(RATINGS)
    found = SparseEASE(l2=3.0, dropout=0.0, values=values, neighbours=12).fit(RATINGS)
    np.testing.assert_allclose(found.weights_.toarray(), expected.weights_.numpy(), atol=2e-5)


def test_with_all_items_as_neighbours_it_is_not_ease_where_pairs_never_occur_together() -> None:
    """Of three items the first and the last have no user in common: EASE gives this pair a weight, sparse EASE none.

    G is 2 on the diagonal and 1 beside it. With l2 = 1, EASE's C = (G + I)^-1 is [[8, -3, 1], [-3, 9, -3], [1, -3, 8]]
    / 21, and B_ij = -C_ij / C_jj. The regression of an outer item on the middle one alone is 1 / (2 + 1).
    """
    pairs = ratings_of([[1, 0, 0], [1, 1, 0], [0, 1, 1], [0, 0, 1]])
    ease = EASE(l2=1.0, device="cpu").fit(pairs).weights_.numpy()
    found = SparseEASE(l2=1.0, dropout=0.0, centre=False, neighbours=2).fit(pairs).weights_.toarray()
    np.testing.assert_allclose(ease, [[0, 1 / 3, -1 / 8], [3 / 8, 0, 3 / 8], [-1 / 8, 1 / 3, 0]], atol=1e-6)
    np.testing.assert_allclose(found, [[0, 1 / 3, 0], [1 / 3, 0, 1 / 3], [0, 1 / 3, 0]], atol=1e-6)


def test_with_dropout_it_is_edlae() -> None:
    """The ridge has the term n p / (1 - p)."""
    expected = EDLAE(l2=3.0, dropout=0.4, device="cpu").fit(RATINGS).weights_.numpy()
    found = SparseEASE(l2=3.0, dropout=0.4, neighbours=20).fit(RATINGS).weights_.toarray()
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_each_item_is_regressed_on_the_items_that_explain_most_of_it() -> None:
    """With 4 neighbours a column is the least-squares solution on the best four, and zero elsewhere."""
    found = SparseEASE(l2=3.0, dropout=0.0, neighbours=4).fit(RATINGS).weights_.toarray()
    gram = X.T @ X
    for item in range(12):
        gain = gram[item] ** 2 / (np.diag(gram) + 3.0)
        gain[item] = 0
        best = np.sort(np.argsort(-gain, kind="stable")[:4])
        expected = np.zeros(13)
        expected[best] = ridge(X[:, best], X[:, item], np.full(4, 3.0))
        np.testing.assert_allclose(found[:, item], expected, atol=2e-5)


def test_neighbours_that_explain_as_much_are_taken_in_the_catalogue_s_order() -> None:
    """Of three equal items an item with room for two gets the first two."""
    weights = SparseEASE(l2=1.0, dropout=0.0, neighbours=2).fit(ratings_of(np.ones((5, 4)))).weights_.toarray()
    assert [np.flatnonzero(weights[:, item]).tolist() for item in range(4)] == [[1, 2], [0, 2], [0, 1], [0, 1]]


def test_rows_are_walked_and_searched_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of one item's co-occurrences at a time, and a catalogue wide enough to be searched: the same."""
    monkeypatch.setattr(sparse_ease, "_ENTRIES", 1)
    wide = random_ratings(60, 80, seed=3, fill=0.5)
    found = SparseEASE(l2=5.0, neighbours=3, dropout=0.0).fit(wide).weights_.toarray()
    x = ones_of(wide)
    for item in range(79):
        best = np.flatnonzero(found[:, item])
        np.testing.assert_allclose(found[best, item], ridge(x[:, best], x[:, item], np.full(3, 5.0)), atol=2e-5)


def test_rare_pairs_count_as_none() -> None:
    """With min_common above every co-occurrence nothing is left to learn; the diagonal is kept."""
    assert SparseEASE(min_common=1000.0).fit(RATINGS).weights_.nnz == 0


def test_what_it_cannot_do_is_said() -> None:
    """l2=0, a dropout of 1, and co-occurrences beyond the memory allowed are refused with a remedy."""
    with pytest.raises(ParameterError, match="l2=0"):
        SparseEASE(l2=0.0).fit(RATINGS)
    with pytest.raises(ParameterError, match="dropout=1"):
        SparseEASE(dropout=1.0).fit(RATINGS)
    with pytest.raises(ParameterError, match="min_common"):
        SparseEASE(memory_limit=1e-9).fit(RATINGS)
    same = ratings_of(np.tile([[1.0], [0.0], [1.0]], (1, 6)))
    with pytest.raises(DivergenceError, match="raise l2"):
        SparseEASE(l2=1e-12, dropout=0.0).fit(same)


@given(sparse_sets())
@settings(max_examples=examples(25), deadline=None)
def test_nothing_said_is_nan(ratings: object) -> None:
    """Any small set gives finite scores and lists."""
    assert_sane(SparseEASE(l2=2.0, neighbours=3).fit(ratings), ratings)


def test_the_value_of_a_rank_is_that_of_the_sorted_ones() -> None:
    """Of every rank, with ties, of values in order and against it: what sorting would put there."""
    rng = np.random.default_rng(0)
    for values in (
        rng.normal(size=37), rng.integers(0, 4, 50), np.zeros(9), np.arange(20), np.arange(20)[::-1], np.array([3.0])
    ):  # fmt: skip
        wanted = np.sort(values).astype(np.float32)
        found = [_of_rank(values.astype(np.float32), rank) for rank in range(len(values))]
        np.testing.assert_array_equal(found, wanted)
