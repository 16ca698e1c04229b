"""The figure of a comparison: what models reach, and what they cost."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from recae.plots.canvas import LINES, Panels, dress, plain_ticks, room_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEAST = 1e-3  # seconds: a logarithmic axis has no place for 0


def accuracy_against_time(
    labels: Sequence[str],
    seconds: Sequence[float],
    values: Sequence[float],
    intervals: Sequence[tuple[float, float] | None],
    *,
    ylabel: str,
    title: str = "",
    ax: Axes | None = None,
) -> Panels:
    """A line a model, in the order given: the figure with its interval, and beside it the seconds to fit.

    Models of one kind lie close together in a plane of both; in lines of their own each has a name that is read
    without following a line to it.
    """
    figure = room_for(ax, 8, 1.3 + 0.27 * len(labels))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    for place, (interval, (colour, _, marker)) in enumerate(zip(intervals, itertools.cycle(LINES))):
        if interval is not None:
            left.plot(interval, [place, place], color=colour, linewidth=1.4)
        left.plot(values[place], place, color=colour, marker=marker, markersize=6, linestyle="none")
        right.plot(max(seconds[place], LEAST), place, color=colour, marker=marker, markersize=6, linestyle="none")
    left.set_yticks(range(len(labels)), labels, fontsize="small")
    left.set_ylim(len(labels) - 0.4, -0.6)
    right.set_xscale("log")
    right.margins(x=0.1)
    plain_ticks(right.xaxis, subs=(1,) if _decades(seconds) > 1.5 else (1, 2, 5))
    dress(left, ylabel, "", "")
    dress(right, "seconds to fit", "", "")
    right.tick_params(axis="y", length=0, labelleft=False)
    figure.suptitle(title, fontsize="medium")
    return Panels((left, right))


def _decades(seconds: Sequence[float]) -> float:
    """How many powers of ten the times span."""
    from math import log10

    return log10(max(max(seconds), LEAST) / max(min(seconds), LEAST))
