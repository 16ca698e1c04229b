"""Item neighbourhoods: kNN held to its definition, SLIM to scikit-learn's elastic net."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from linear_toys import Dense, assert_sane, ones_of, random_ratings, ratings_of, sparse_sets
from property_examples import examples

from recae.errors import DataWarning, ParameterError
from recae.models.linear import neighbours
from recae.models.linear.closed_form import EASE
from recae.models.linear.neighbours import SLIM, ItemKNN

RATINGS = random_ratings()
X = ones_of(RATINGS)
STARS = RATINGS.user_rows.toarray().astype(np.float64)


def knn(x: Dense, k: int, shrink: float) -> Dense:
    """S by its definition, one pair of items at a time."""
    n = x.shape[1]
    out = np.zeros((n, n))
    for j in range(n):
        found = {}
        for i in range(n):
            product, length = x[:, i] @ x[:, j], np.linalg.norm(x[:, i]) * np.linalg.norm(x[:, j])
            if i != j and product > 0:
                found[i] = product / (length + shrink)
        for i in sorted(found, key=lambda i: (-found[i], i))[:k]:
            out[i, j] = found[i]
    return out


@pytest.mark.parametrize("values", ["binary", "ratings"])
@pytest.mark.parametrize(("k", "shrink"), [(3, 0.0), (5, 2.5), (100, 1.0)])
def test_knn_is_its_definition(values: Any, k: int, shrink: float) -> None:
    """The k nearest by shrunk cosine, and what a user has times their similarities."""
    model = ItemKNN(k=k, shrink=shrink, values=values).fit(RATINGS)
    x = X if values == "binary" else STARS
    expected = knn(x, k, shrink)  # in float64: where two are equal, another may be the k-th, so columns are sorted
    assert np.sort(model.weights_.toarray(), axis=0) == pytest.approx(np.sort(expected, axis=0), abs=1e-6)
    assert model.score(RATINGS.user_rows) == pytest.approx(x @ model.weights_.toarray(), abs=1e-4)


def test_neighbours_belong_to_the_item_that_is_scored() -> None:
    """Item a is the only neighbour that c has, though a has a nearer one: k=1 keeps a for c all the same."""
    ratings = ratings_of([[1, 1, 0]] * 5 + [[1, 0, 1]] + [[1, 0, 0]])
    weights = ItemKNN(k=1, shrink=0.0).fit(ratings).weights_.toarray()
    assert weights[0, 2] == pytest.approx(1 / np.sqrt(7))
    assert weights[0, 1] == pytest.approx(5 / np.sqrt(7 * 5))
    assert weights[1, 0] == pytest.approx(5 / np.sqrt(7 * 5))
    assert weights[2, 0] == 0


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Items a few at a time give what all at once give, for kNN and SLIM."""
    whole = [model.fit(RATINGS).weights_.toarray() for model in (ItemKNN(k=4), SLIM(l1=0.5, l2=1.0))]
    monkeypatch.setattr(neighbours, "blocks", lambda n, _: (slice(s, min(n, s + 4)) for s in range(0, n, 4)))
    parts = [model.fit(RATINGS).weights_.toarray() for model in (ItemKNN(k=4), SLIM(l1=0.5, l2=1.0))]
    for one, other in zip(whole, parts):
        assert np.array_equal(one, other)


# ---------------------------------------------------------------- SLIM


@pytest.mark.parametrize("positive", [True, False])
@pytest.mark.parametrize("values", ["binary", "ratings"])
def test_slim_is_scikit_learns_elastic_net(positive: bool, values: Any) -> None:
    """Each column is the elastic net of the item on the others (l1 = n α ρ, l2 = n α (1 - ρ))."""
    from sklearn.linear_model import ElasticNet

    l1, l2 = (1.0, 3.0) if values == "binary" else (8.0, 20.0)
    model = SLIM(l1=l1, l2=l2, positive=positive, tolerance=1e-7, sweeps=2000, values=values).fit(RATINGS)
    x = X if values == "binary" else STARS
    net = ElasticNet(
        alpha=(l1 + l2) / 40, l1_ratio=l1 / (l1 + l2), positive=positive, fit_intercept=False, tol=1e-10, max_iter=10**5
    )
    found = model.weights_.toarray()
    for j in range(12):
        others = np.arange(13) != j
        assert found[others, j] == pytest.approx(net.fit(x[:, others], x[:, j]).coef_, abs=1e-4)
        assert found[j, j] == 0


def test_slim_without_l1_and_with_negative_weights_is_ease() -> None:
    """What remains is EASE's objective."""
    model = SLIM(l1=0.0, l2=4.0, positive=False, tolerance=1e-8, sweeps=5000).fit(RATINGS)
    ease = EASE(l2=4.0, device="cpu").fit(RATINGS)
    assert model.weights_.toarray() == pytest.approx(ease.weights_.numpy(), abs=1e-4)


def test_more_l1_keeps_fewer_weights() -> None:
    """Sparsity is what l1 is for."""
    kept = [SLIM(l1=l1, l2=1.0).fit(RATINGS).weights_.nnz for l1 in (0.1, 2.0, 5.0, 100.0)]
    assert kept[0] > kept[1] > kept[2] > kept[3] == 0


def test_slim_refuses_a_catalogue_too_large() -> None:
    """Its item-item matrix is asked for before it is made."""
    with pytest.raises(ParameterError, match=r"SLIM needs about .* allowed by memory_limit"):
        SLIM(memory_limit=1e-8).fit(RATINGS)


# ---------------------------------------------------------------- bad input


@settings(max_examples=examples(25), deadline=None)
@given(ratings=sparse_sets())
def test_no_nan_whatever_is_missing(ratings: Any) -> None:
    """Unrated items, users without ratings, zeros, no shrinkage, no penalty: finite scores, no warning but of zeros."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", ".* has ratings of 0 or less", DataWarning)
        for model in (
            ItemKNN(k=2, shrink=0.0), ItemKNN(values="ratings", shrink=0.0), SLIM(l1=0.0, l2=0.0),
            SLIM(l1=0.1, l2=0.1, values="ratings"),
        ):  # fmt: skip
            assert_sane(model.fit(ratings), ratings)
