"""The figure of a comparison: accuracy against time."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from recae.plots import LINES, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def accuracy_against_time(
    labels: Sequence[str],
    seconds: Sequence[float],
    values: Sequence[float],
    intervals: Sequence[tuple[float, float] | None],
    *,
    ylabel: str,
    title: str = "",
) -> Figure:
    """A point a model: seconds to fit (logarithmic) against a figure, with its interval.

    Names stand in a column to the right, in the order of the figures, each tied to its point: points of like models
    lie close together, and their names must not.
    """
    figure = new_figure(8, 4.6)
    axes = figure.subplots()
    least = max(min(seconds), 1e-3)
    points = [(max(x, least), y) for x, y in zip(seconds, values)]
    for (x, y), interval, (colour, _, marker) in zip(points, intervals, itertools.cycle(LINES)):
        if interval is not None:
            axes.plot([x, x], interval, color=colour, linewidth=1)
        axes.plot(x, y, color=colour, marker=marker, markersize=6, linestyle="none")
    axes.set_xscale("log")
    axes.margins(x=0.06, y=0.08)
    _name(axes, labels, points)
    axes.set_xlabel("seconds to fit")
    axes.set_ylabel(ylabel)
    axes.set_title(title, fontsize="medium")
    axes.grid(visible=True, color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _name(axes: Any, labels: Sequence[str], points: Sequence[tuple[float, float]]) -> None:
    """Labels in a column to the right of the axes, highest point first, each with a thin line to its point."""
    low, high = axes.get_ylim()
    gap = min(0.045, 1 / max(1, len(labels)))  # of the axes' height
    order = sorted(range(len(labels)), key=lambda i: -points[i][1])
    heights = [(points[i][1] - low) / (high - low) for i in order]
    for label_rank in range(1, len(heights)):  # downwards: none nearer to the one above than the gap
        heights[label_rank] = min(heights[label_rank], heights[label_rank - 1] - gap)
    if heights[-1] < gap / 2:  # the last would stand below the axes: from there upwards again
        heights[-1] = gap / 2
        for label_rank in range(len(heights) - 2, -1, -1):
            heights[label_rank] = max(heights[label_rank], heights[label_rank + 1] + gap)
    for i, height in zip(order, heights):
        axes.annotate(
            labels[i], xy=points[i], xytext=(1.04, height), textcoords="axes fraction", va="center", fontsize="small",
            arrowprops={"arrowstyle": "-", "color": "0.7", "linewidth": 0.5, "shrinkB": 4, "relpos": (0, 0.5)},
            annotation_clip=False,
        )  # fmt: skip
