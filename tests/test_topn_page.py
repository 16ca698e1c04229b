"""docs/topn.md says what the result files say."""

from __future__ import annotations

import re

from benchmarks.topn import protocol as topn


def test_the_page_holds_the_tables_of_the_result_files() -> None:
    """Filling the page from the results changes nothing: no figure in it was typed."""
    text = topn.PAGE.read_text()
    assert topn.filled(text) == text
    assert re.search(r"\| dan \|", text)
    assert "**dan**" in text


def test_the_best_comes_first_and_is_what_the_others_are_tested_against() -> None:
    """Of two models, the one that is better for each of three users leads, by the mean of the differences."""
    rows = [
        {"name": "low", "ndcg@100": 0.2, "per_user": [0.1, 0.2, 0.3]},
        {"name": "high", "ndcg@100": 0.5, "per_user": [0.4, 0.5, 0.7]},
    ]
    first, second = topn.ordered(rows)
    assert first["name"] == "high"
    assert first["better_by"] == {}
    assert abs(second["better_by"]["mean"] - 1 / 3) < 1e-9
