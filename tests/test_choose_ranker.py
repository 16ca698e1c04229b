"""The choice of a ranker: what it names is what ranks best, and popularity where nothing is better."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from linear_toys import ratings_of
from test_ridge_choice import by_popularity, by_taste

import recae
from recae.models.ensemble import choose_ranker as module
from recae.models.ensemble.choose_ranker import blends, choose_ranker
from recae.recommender.held_out_lists import MeanOverHidings

SINGLE = ["dan", "ease", "edlae", "spectral", "als", "item-knn", "popularity"]


def test_where_popularity_is_all_there_is_it_is_taken() -> None:
    """Nothing is better than popularity by two standard errors, and the reason gives the figures of all."""
    choice = choose_ranker(by_popularity())
    assert choice.name == "popularity"
    assert choice.reason.startswith("popularity: Recall@20 + NDCG@20 ")
    assert set(choice.figures) == {*SINGLE, *blends(SINGLE)}
    assert "\n" not in choice.reason


def test_tastes_are_met_by_a_personal_ranker_that_is_nearly_the_best() -> None:
    """On a split that the choice has not seen, the named one is within 3 % of the best of those compared."""
    split = recae.split(by_taste(), "per-user", test=0.2, rng=1)
    choice = choose_ranker(split.train)
    compared = [*((name, {}) for name in SINGLE), *(("ranking-blend", {"members": m}) for m in blends(SINGLE).values())]
    figures = []
    for name, params in [(choice.name, choice.params), *compared]:
        model = recae.make_model(name, **params).fit(split.train, progress=False)
        figures.append(recae.evaluate(model, split, "ndcg@20")["ndcg@20"])
    assert choice.name != "popularity"
    assert figures[0] > 0.97 * max(figures)
    assert choice == choose_ranker(split.train)


def test_the_reason_gives_figures_of_the_same_hidings(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fell behind after the first of three hidings has another mean: it is named, and its figure is not given."""
    made: list[int] = []

    class Counted(MeanOverHidings):
        def __init__(self, n_values: int, n_users: int) -> None:
            super().__init__(n_values, n_users)
            self.place = len(made)
            made.append(0)

        def add(self, users: Any, values: Any) -> None:
            super().add(users, values)
            made[self.place] += 1

    monkeypatch.setattr(module, "MeanOverHidings", Counted)
    choice = choose_ranker(by_taste())
    hidings = dict(zip(choice.figures, made))
    early = [name for name, times in hidings.items() if times < max(made)]
    assert early  # popularity, whose lists hold no tastes, is in all of them
    assert choice.reason.endswith(f"; left out after fewer hidings: {', '.join(early)})")
    level = {name: figure for name, figure in choice.figures.items() if name not in early}
    assert all(f"{name} {figure:.3f}" in choice.reason for name, figure in level.items() if name != choice.name)
    assert choice.reason.count(".") == len(level)


def test_of_many_items_nothing_dense_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the number of items for which a matrix of items is solved, sparse EASE stands for the closed forms."""
    monkeypatch.setattr(module, "MOST_ITEMS", 50)
    single = ["sparse-ease", "spectral", "als", "item-knn", "popularity"]
    assert set(choose_ranker(by_taste()).figures) == {*single, *blends(single)}


def test_nothing_to_hide_is_popularity() -> None:
    """Users of one item each say nothing of each other."""
    choice = choose_ranker(ratings_of(np.eye(5)))
    assert (choice.name, choice.figures) == ("popularity", {})


def test_a_bar_says_which_ranker_is_at_work(capfd: pytest.CaptureFixture[str]) -> None:
    """Comparing takes minutes on large data: asked to, it shows each fit; by default it is silent."""
    choose_ranker(by_taste(), progress=True)
    shown = capfd.readouterr().err
    assert all(f"now={name}" in shown for name in ("spectral", "als", "item-knn"))
    assert "comparing rankers" in shown
    choose_ranker(by_taste())
    assert capfd.readouterr().err == ""
