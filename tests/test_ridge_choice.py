"""Closed forms that centre their rows, and the choice of their ridge on a small part of the ratings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from linear_toys import random_ratings, ratings_of
from scipy import sparse

import recae
from recae import metrics, ranking
from recae.models import MODELS, load_model, make_model
from recae.models.linear.gram import small_part
from recae.ratings import RatingMatrix

CLOSED = ("ease", "edlae", "dlae", "rlae", "dan", "sparse-ease")
ROOMY: dict[str, dict[str, Any]] = {"sparse-ease": {"neighbours": 200, "dropout": 0.0}}


def by_popularity(n_users: int = 400, n_items: int = 90, seed: int = 0) -> RatingMatrix:
    """Who takes what is drawn by the items' popularity alone: nothing is there to be learnt but that."""
    rng = np.random.default_rng(seed)
    chance = np.minimum(0.9, 3.0 / (3 + np.arange(n_items)))
    return ratings_of(rng.random((n_users, n_items)) < chance)


def by_taste(n_users: int = 300, n_items: int = 80, seed: int = 0) -> RatingMatrix:
    """Five groups of users, who take one item in two of their group and few others."""
    rng = np.random.default_rng(seed)
    own = (np.arange(n_users)[:, None] % 5) == (np.arange(n_items)[None] % 5)
    return ratings_of(rng.random((n_users, n_items)) < np.where(own, 0.5, 0.03))


def test_a_centred_closed_form_is_the_regression_of_centred_rows() -> None:
    """EASE(centre=True) is m + (x - m) B, each column of B by least squares on rows less their mean."""
    ratings, l2 = random_ratings(41, fill=0.6), 7.0
    x = (ratings.user_rows.toarray() != 0).astype(np.float64)
    mean = x.mean(0)
    expected = np.empty_like(x)
    for j in range(x.shape[1]):
        others = np.delete(x - mean, j, axis=1)
        w = np.linalg.solve(others.T @ others + l2 * np.eye(len(others.T)), others.T @ (x - mean)[:, j])
        expected[:, j] = mean[j] + others @ w
    for model in (
        recae.EASE(l2=l2, centre=True, device="cpu"),
        recae.SparseEASE(l2=l2, centre=True, neighbours=12, dropout=0.0, min_common=0.0),
    ):
        np.testing.assert_allclose(model.fit(ratings).score(ratings.user_rows), expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", CLOSED)
def test_what_is_drawn_by_popularity_is_ranked_by_popularity(name: str) -> None:
    """Where items are taken by their popularity alone, the choice centres, and lists are near those of popularity."""
    split = recae.split(by_popularity(), "per-user", test=0.2, rng=0)
    model = make_model(name, **ROOMY.get(name, {})).fit(split.train)
    assert model.offset_ is not None
    plain = recae.evaluate(make_model(name, l2=30.0, **ROOMY.get(name, {})).fit(split.train), split, "recall@10")
    ours, popular = (recae.evaluate(m, split, "recall@10") for m in (model, recae.Popularity().fit(split.train)))
    assert ours["recall@10"] > popular["recall@10"] - 0.02
    assert ours["recall@10"] > plain["recall@10"]


@pytest.mark.parametrize("name", CLOSED)
def test_tastes_are_learnt_with_the_chosen_ridge(name: str) -> None:
    """Where users have tastes, the chosen ridge is nearly as good as the best of a grid, and is what `l2_` says."""
    split = recae.split(by_taste(), "per-user", test=0.2, rng=0)
    model = make_model(name, **ROOMY.get(name, {})).fit(split.train)
    best = max(
        recae.evaluate(make_model(name, l2=l2, **ROOMY.get(name, {})).fit(split.train), split, "ndcg@10")["ndcg@10"]
        for l2 in (3.0, 30.0, 300.0, 3000.0)
    )
    assert recae.evaluate(model, split, "ndcg@10")["ndcg@10"] > 0.97 * best
    again = make_model(name, l2=model.l2_, centre=model.offset_ is not None, **ROOMY.get(name, {})).fit(split.train)
    np.testing.assert_array_equal(again.score(split.train.user_rows), model.score(split.train.user_rows))


@pytest.mark.parametrize("values", ["binary", "ratings"])
@pytest.mark.parametrize("name", CLOSED)
def test_counts_of_another_unit_give_the_same_lists(name: str, values: str) -> None:
    """Counts times 16 (exact in floating point) change no list: read as ones, or as counts with the ridge chosen."""
    plays = by_taste().user_rows.toarray() * np.random.default_rng(1).integers(1, 9, by_taste().shape)
    fitted = [make_model(name, values=values).fit(ratings_of(unit * plays)) for unit in (1, 16)]
    lists = [model.recommend(model.ratings_.user_ids, n=10) for model in fitted]
    assert lists[0]["item"].tolist() == lists[1]["item"].tolist()


@pytest.mark.parametrize("name", CLOSED)
def test_a_centred_model_is_saved_whole(name: str, tmp_path: Path) -> None:
    """Its offset and its ridge are in the file."""
    model = make_model(name, l2=50.0, centre=True).fit(by_taste())
    loaded: Any = load_model(str(model.save(tmp_path / "m.recae")))
    assert loaded.l2_ == model.l2_ == 50.0
    np.testing.assert_array_equal(loaded.offset_, model.offset_)
    rows = by_taste().user_rows
    np.testing.assert_array_equal(loaded.score(rows), model.score(rows))
    np.testing.assert_allclose(model.score(rows[:1]), model.score(rows)[:1], rtol=1e-5, atol=1e-7)  # a way of its own


def test_a_given_ridge_is_taken_as_it_is() -> None:
    """With `l2`, nothing is chosen and nothing is centred: published settings give what they always gave."""
    for name in CLOSED:
        model = make_model(name, l2=30.0).fit(by_popularity())
        assert model.l2_ == 30.0
        assert model.offset_ is None


def test_a_small_part_is_small_and_hides_a_fifth() -> None:
    """3,000 users and 600 items at most, entries shown or hidden but not both, and no row hidden whole."""
    rng = np.random.default_rng(0)
    rows = sparse.csr_array(sparse.random(3500, 900, 0.01, "csr", dtype=np.float32, random_state=rng))
    part = small_part(rows)
    assert part is not None
    assert part.shown.shape == (3000, 600)
    assert not (part.known & part.hidden).any()
    assert not (part.hidden.any(1) & ~part.known.any(1)).any()
    assert part.hidden.sum() / (part.hidden.sum() + part.known.sum()) == pytest.approx(0.2, abs=0.05)
    counts = np.bincount(rows.indices, minlength=900)
    assert set(part.items) >= set(np.argsort(-counts)[:200])


def test_the_figure_of_lists_is_that_of_the_metrics() -> None:
    """Recall@20 + NDCG@20 of a part's lists, by the functions that reports use."""
    part = small_part(by_taste().user_rows)
    assert part is not None
    scores = np.random.default_rng(3).random(part.shown.shape).astype(np.float32)
    ranked, _ = ranking.top_n(np.where(part.known, -np.inf, scores), 20)
    hits = metrics.find_hits(ranked, sparse.csr_array(part.hidden.astype(np.float32)))
    expected = metrics.recall(hits, 20).mean() + metrics.ndcg(hits, 20).mean()
    assert part.figure(scores) == pytest.approx(expected, abs=1e-6)


def test_nothing_to_hide_leaves_the_first_choice() -> None:
    """Users of one item each: there is nothing to choose by, and the model is fitted all the same."""
    assert small_part(sparse.csr_array(np.eye(6, dtype=np.float32))) is None
    model = recae.EASE().fit(ratings_of(np.eye(6, 5)))
    assert model.l2_ == 300.0
    assert set(CLOSED) <= set(MODELS)
