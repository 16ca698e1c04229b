"""Figures of named points: maps of words, two numbers beside each other, intervals of groups."""

from __future__ import annotations

import numpy as np

from recae import plots


def test_words_of_a_map_do_not_cover_each_other() -> None:
    """Forty words at random places are all drawn, kinds have a legend, ties a line, and no two boxes meet."""
    rng = np.random.default_rng(0)
    words = [f"film {n}" for n in range(40)]
    axes = plots.word_map(rng.normal(size=(40, 2)), words, rng.integers(-1, 2, 40), ["a", "b"], [(0, 1)], title="t")
    assert [text.get_text() for text in axes.texts] == words
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a", "b", "other"]
    assert len(axes.lines) == 1
    axes.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in axes.texts]
    covering = [(i, j) for i in range(40) for j in range(i) if boxes[i].overlaps(boxes[j])]
    assert covering == []


def test_two_numbers_stand_beside_each_other() -> None:
    """A line a name, both numbers at its height, joined; names and series are labelled."""
    left, right = plots.beside(
        {"read": [("x", 1, 3), ("y", 2, 2)], "hidden": [("z", 5, 4)]}, names=("a", "b"), xlabel="stars"
    )
    assert [tick.get_text() for tick in left.get_yticklabels()] == ["x", "y"]
    assert [text.get_text() for text in left.get_legend().get_texts()] == ["a", "b"]
    points = [line.get_xydata().tolist() for line in right.lines]
    assert points == [[[5, 0], [4, 0]], [[5, 0]], [[4, 0]]]


def test_intervals_of_groups_share_a_scale() -> None:
    """A panel a grouping, each group at a height of its own, the level of all in every panel."""
    first, second = plots.intervals(
        {"by a": [("x", 1.0, (0.9, 1.1)), ("y", 2.0, None)], "by b": [("z", 1.5, (1.0, 2.0))]}, xlabel="RMSE",
        level=(1.4, "all"),
    )  # fmt: skip
    assert first.get_xlim() == second.get_xlim()
    assert [tick.get_text() for tick in first.get_yticklabels()] == ["x", "y"]
    assert first.lines[0].get_xydata().tolist() == [[0.9, 0], [1.1, 0]]
    assert [text.get_text() for text in first.get_legend().get_texts()] == ["all"]
