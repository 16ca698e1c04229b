"""The protocol of docs/topn.md: which model leads, and what the others are tested against."""

from __future__ import annotations

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
