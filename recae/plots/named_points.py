"""Points with names: a map of things, and two numbers of each of several things."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from recae._types import Array, IntArray
from recae.plots.canvas import LINES, Panels, dress, one_axes, room_for
from recae.plots.scatters import apart

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OTHER = "0.25"
LETTER, LINE = 0.0062, 0.021  # of the map's width and height, for each letter and for a line


def word_map(
    at: Array,
    words: Sequence[str],
    kinds: IntArray,
    names: Sequence[str],
    ties: Sequence[tuple[int, int]],
    *,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Words at their places, moved no further than needed so that all can be read.

    Args:
        at: places, (n, 2).
        words: what stands there.
        kinds: index into `names`, which colours a word; -1 for none.
        names: of the kinds, for the legend.
        ties: pairs of words that a line joins.
        title: above all.
        ax: where to draw; by default a new figure.
    """
    from matplotlib import colormaps
    from matplotlib.lines import Line2D

    colours = colormaps["tab10"]
    order = at.argsort(axis=0).argsort(axis=0)
    evened = 0.5 * (order + 0.5) / len(at) + 0.5 * (at - at.min(axis=0)) / np.ptp(at, axis=0)
    sizes = np.array([[0.012 + LETTER * len(word), LINE] for word in words])
    places = apart(0.05 + 0.9 * evened, sizes)
    axes = one_axes(ax, 11, 8)
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    for a, b in ties:
        axes.plot(*places[[a, b]].T, color="0.75", linewidth=0.8, zorder=1)
    for (x, y), word, kind in zip(places, words, kinds):
        colour = OTHER if kind < 0 else colours(int(kind))
        box = {"boxstyle": "round,pad=0.12", "facecolor": "white", "edgecolor": colour, "linewidth": 1.2}
        axes.text(x, y, word, ha="center", va="center", fontsize=7, bbox=box, zorder=2)
    present = [kind for kind in range(len(names)) if (kinds == kind).any()]
    handles = [Line2D([], [], color=colours(kind), linewidth=3, label=names[kind]) for kind in present]
    if (kinds < 0).any():
        handles.append(Line2D([], [], color=OTHER, linewidth=3, label="other"))
    axes.legend(handles=handles, frameon=False, ncols=5, loc="lower center", bbox_to_anchor=(0.5, -0.07), fontsize=9)
    axes.set_title(title, fontsize="medium")
    return axes  # type: ignore[no-any-return]


def beside(
    panels: Mapping[str, Sequence[tuple[str, float, float]]], *, names: tuple[str, str], xlabel: str, title: str = "",
    ax: Axes | None = None,
) -> Panels:  # fmt: skip
    """A panel of lines each: a name and two numbers, joined, so that one sees how far they are apart."""
    longest = max(len(lines) for lines in panels.values())
    figure = room_for(ax, 5.6 * len(panels), 1.6 + 0.26 * longest)
    grid: Any = figure.subplots(1, len(panels), squeeze=False, sharex=True)[0]
    for axes, (panel, lines) in zip(grid, panels.items()):
        for place, (_, one, other) in enumerate(lines):
            axes.plot([one, other], [place, place], color="0.7", linewidth=1.4, zorder=1)
        for series, (name, (colour, _, marker)) in enumerate(zip(names, LINES)):
            values = [line[1 + series] for line in lines]
            axes.plot(values, range(len(lines)), color=colour, marker=marker, linestyle="none", label=name, zorder=2)
        axes.set_yticks(range(len(lines)), [line[0] for line in lines], fontsize="small")
        axes.set_ylim(len(lines) - 0.4, -0.6)
        dress(axes, xlabel, "", panel)
    grid[0].legend(frameon=False, fontsize="small", ncols=2, loc="lower left", bbox_to_anchor=(0.0, 1.08))
    figure.suptitle(title, fontsize="medium")
    return Panels(grid)


def intervals(
    panels: Mapping[str, Sequence[tuple[str, float, tuple[float, float] | None]]], *, xlabel: str,
    level: tuple[float, str] | None = None, title: str = "", ax: Axes | None = None,
) -> Panels:  # fmt: skip
    """A panel a grouping: each group's value with its interval, on one scale; `level`: a labelled vertical for all."""
    longest = max(len(lines) for lines in panels.values())
    figure = room_for(ax, 4.2 * len(panels), 1.7 + 0.28 * longest)
    grid: Any = figure.subplots(1, len(panels), squeeze=False, sharex=True)[0]
    colour = LINES[0][0]
    for axes, (panel, lines) in zip(grid, panels.items()):
        for place, (_, value, interval) in enumerate(lines):
            if interval is not None:
                axes.plot(interval, [place, place], color=colour, linewidth=1.6)
            axes.plot(value, place, color=colour, marker="o")
        if level is not None:
            axes.axvline(level[0], color="black", linewidth=0.9, linestyle=(0, (1, 2)), label=level[1])
        axes.set_yticks(range(len(lines)), [line[0] for line in lines], fontsize="small")
        axes.set_ylim(len(lines) - 0.4, -0.6)
        dress(axes, xlabel, "", panel)
    if level is not None:
        grid[0].legend(frameon=False, fontsize="small", loc="lower left", bbox_to_anchor=(0.0, 1.1))
    figure.suptitle(title, fontsize="medium")
    return Panels(grid)
