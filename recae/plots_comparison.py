"""The figure of a comparison: accuracy against time."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

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
    """A point a model: seconds to fit (logarithmic) against a figure, with its interval; names stand beside them."""
    figure = new_figure(7, 4.4)
    axes = figure.subplots()
    least = max(min(seconds), 1e-3)
    for label, x, y, interval, (colour, _, marker) in zip(labels, seconds, values, intervals, itertools.cycle(LINES)):
        at = max(x, least)
        if interval is not None:
            axes.plot([at, at], interval, color=colour, linewidth=1)
        axes.plot(at, y, color=colour, marker=marker, markersize=6, linestyle="none")
        axes.annotate(label, (at, y), xytext=(7, 0), textcoords="offset points", va="center", fontsize="small")
    axes.set_xscale("log")
    axes.margins(x=0.18, y=0.1)
    axes.set_xlabel("seconds to fit")
    axes.set_ylabel(ylabel)
    axes.set_title(title, fontsize="medium")
    axes.grid(visible=True, color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
