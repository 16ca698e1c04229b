"""The protocol of docs/topn.md: which model leads, and what the others are tested against."""

from __future__ import annotations

from benchmarks.common.record import read
from benchmarks.pages.candidates import LABELS, numbers_tried
from benchmarks.topn import protocols
from benchmarks.topn.protocol import ordered


def test_the_best_comes_first_and_is_what_the_others_are_tested_against() -> None:
    """Of two models, the one that is better for each of three users leads, by the mean of the differences."""
    rows = [
        {"name": "low", "ndcg@100": 0.2, "per_user": [0.1, 0.2, 0.3]},
        {"name": "high", "ndcg@100": 0.5, "per_user": [0.4, 0.5, 0.7]},
    ]
    first, second = ordered(rows)
    assert first["name"] == "high"
    assert first["better_by"] == {}
    assert abs(second["better_by"]["mean"] - 1 / 3) < 1e-9


def test_each_row_has_the_settings_that_did_best_of_those_the_page_counts() -> None:
    """A row of docs/topn.md is the best candidate of the search whose size stands beside it; popularity has none."""
    grids, log = read("linear_vs_mf-ml-1m")["ranking"]["tried"], read("choose-topn-ml-1m")["log"]
    numbers = numbers_tried()
    for row in read("topn-ml-1m")["rows"]:
        name, settings = row["name"], row["settings"] or {}
        if name == "popularity":
            assert name not in numbers
            continue
        searched = grids[LABELS[name]] if name in LABELS else log[name]
        assert numbers[name] == len(searched) >= 6
        best = max(searched, key=lambda one: one.get("validation", one.get("ndcg@100")))["settings"]
        shared = best.keys() & settings.keys()
        assert shared
        assert {key: best[key] for key in shared} == {key: settings[key] for key in shared}


def test_the_page_of_protocols_has_the_settings_that_the_program_uses() -> None:
    """Settings in docs/protocols.md were recorded when they were measured, and are those that are measured now."""
    assert read("protocols")["settings"] == protocols.MODELS
