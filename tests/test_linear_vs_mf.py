"""`benchmarks.linear_vs_mf`: settings are chosen on validation users only."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from linear_toys import ones_of, random_ratings, ratings_of

import recae
from benchmarks.pages import linear_vs_mf_page
from benchmarks.pages.candidates import at_edges
from benchmarks.topn import linear_vs_mf
from benchmarks.topn.rating_pca import RatingPCA
from recae.models import MODELS
from recae.models.linear import pca_recommender as pca
from recae.recommender.params import check


def quiet(_: str) -> None:
    """Progress goes nowhere."""


def test_every_candidate_is_a_model_with_settings_that_exist() -> None:
    """No row has more than six candidates; all can be made, and what they are given is in range."""
    for rows in (linear_vs_mf.RANKING, linear_vs_mf.RATINGS):
        for name, candidates in rows.values():
            assert name in MODELS or name == "rating-pca"
            assert 1 <= len(candidates) <= 6
            for settings in candidates:
                check(linear_vs_mf.made(name, settings))


def test_the_best_on_validation_is_taken_whatever_the_test_users_say() -> None:
    """Of three ridges the one with the highest validation NDCG is measured; each row's log holds what was tried."""
    ratings = random_ratings(300, 30, seed=1, fill=0.5)
    rows = {"ease": ("ease", linear_vs_mf.grid(l2=[1.0, 30.0, 1e6])), "popular": ("popularity", [{}])}
    found, log = linear_vs_mf.ranking(ratings, 60, rows, quiet)
    best = max(log["ease"], key=lambda one: one["validation"])
    row = next(row for row in found.rows if row["model"] == "ease")
    assert row["settings"]["l2"] == best["settings"]["l2"]
    assert len(log["ease"]) == 3
    assert log["popular"] == []
    assert found.split.validation.n_users == found.split.test.n_users == 60


def test_ratings_are_compared_by_their_error() -> None:
    """The rating table: RMSE, the smallest first, settings by the smallest error on validation."""
    rows = {"mf": ("biased-mf", linear_vs_mf.grid(factors=[1], l2=[0.1, 1e6])), "mean": ("global-mean", [{}])}
    rng = np.random.default_rng(0)
    ratings = ratings_of((3 + np.outer(rng.normal(size=90), rng.normal(size=25))) * (rng.random((90, 25)) < 0.6))
    found, log = linear_vs_mf.rating(ratings, rows, quiet)
    assert found.best == "mf"
    assert found.rows[0]["settings"]["l2"] == 0.1
    assert log["mf"][0]["validation"] > log["mf"][1]["validation"]
    assert at_edges(log).endswith("lie beyond: mf: l2 0.1 (of 0.1, 1e+06).")
    page = linear_vs_mf_page.comparison(found.to_dict()).splitlines()
    assert page[0] == "| model | RMSE | MAE | fit, s | p against the best |"
    assert page[2].startswith(f"| mf | {found.rows[0]['rmse']:.4f} |")


def test_what_was_taken_at_the_edge_of_a_grid_is_said() -> None:
    """The smallest and the largest of several are edges; what lies between, what did not vary, 0 and words are not."""
    tried = [
        {"settings": {"l2": l2, "k": k, "shrink": shrink, "beta": 0.3, "how": how}, "validation": -abs(l2 - 2) + k}
        for l2, k, shrink, how in ((1, 5, 10.0, "b"), (2, 10, 0.0, "a"), (3, 5, 10.0, "b"))
    ]
    assert at_edges({"x": tried, "y": []}).endswith("lie beyond: x: k 10 (of 5, 10).")
    assert at_edges({"y": []}) == ""


# ---------------------------------------------------------------- PCA put to ratings


@pytest.mark.parametrize("small", [0, 2**20])
def test_rating_pca_is_biases_and_a_stretched_projection(small: int, monkeypatch: Any) -> None:
    """Its scores equal NumPy's: the biases, and what they leave projected, times the least-squares stretch."""
    monkeypatch.setattr(pca, "SMALL", small)
    ratings = random_ratings()
    x = ones_of(ratings)
    model = RatingPCA(factors=3).fit(ratings)
    b, stored = model.biases_, x > 0
    base = b.mean + b.user[:, None] + b.item[None, :]
    rest = np.where(stored, ratings.user_rows.toarray() - base, 0)
    _, _, right = np.linalg.svd(rest, full_matrices=False)
    projection = right[:3].T @ right[:3]
    users, items = np.nonzero(stored)
    without = np.array([(rest[u] * (np.arange(13) != i)) @ projection[:, i] for u, i in zip(users, items)])
    stretch = (without @ rest[users, items]) / (without @ without)
    assert model.stretch_ == pytest.approx(stretch, rel=1e-3)
    assert model.score_users(np.arange(40)) == pytest.approx(base + stretch * rest @ projection, abs=1e-3)


def test_rating_pca_beats_the_biases_where_there_are_tastes() -> None:
    """Two groups of opposite tastes: biases see nothing, PCA of what they leave does."""
    rng = np.random.default_rng(0)
    taste = np.sign(rng.normal(size=(120, 1))) * np.sign(rng.normal(size=(1, 30)))
    ratings = ratings_of((3 + 1.5 * taste + rng.normal(0, 0.2, (120, 30))) * (rng.random((120, 30)) < 0.7))
    split = recae.split(ratings, "random", test=0.2, rng=0)
    plain, found = (recae.evaluate(m.fit(split.train), split)["rmse"] for m in (recae.Bias(), RatingPCA(factors=1)))
    assert plain > 1.3
    assert found < plain / 2
