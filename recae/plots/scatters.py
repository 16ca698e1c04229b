"""Codes in two and three dimensions, coloured by class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from recae._types import Array
from recae.errors import ParameterError
from recae.plots.canvas import Panels, room_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINE, LETTER = 0.055, 0.022  # room of a label, as shares of the axes' height and, for each letter, width
STEPS = 200  # of moving labels apart


class Codes(NamedTuple):
    """A panel of a scatter: codes (n, 2 or 3), labels (n,), a title, what the axes are, and a box to draw.

    `axis`: one name, which is numbered, or each axis' own. `box`: two corners (2, 2) of a part of the plane, in 2-D.
    """

    codes: Array
    labels: Array
    title: str
    axis: str | Sequence[str] = "code unit"
    box: Array | None = None


def scatter(
    panels: Sequence[Codes], names: Sequence[str], *, columns: int = 3, title: str = "", ax: Axes | None = None
) -> Panels:
    """2-D or 3-D codes coloured by class, a panel each; a class' name stands at its median, or as near as it fits."""
    for panel in panels:
        if panel.codes.shape[1] not in (2, 3):
            raise ParameterError(f"codes of {panel.codes.shape[1]} units cannot be drawn; 2 or 3 are needed")
    lines, columns = math.ceil(len(panels) / columns), min(columns, len(panels))
    figure = room_for(ax, 4.2 * columns, 4.2 * lines + (0.3 if title else 0))
    drawn = []
    for number, panel in enumerate(panels):
        deep = panel.codes.shape[1] == 3
        drawn.append(figure.add_subplot(lines, columns, number + 1, projection="3d" if deep else None))
        _scatter(drawn[-1], panel, names)
    figure.suptitle(title, fontsize="medium")
    return Panels(drawn)


def apart(at: Array, sizes: Array) -> Array:
    """Middles (n, 2) of boxes with `sizes` (n, 2), moved just so far that none covers another, within [0, 1]."""
    moved = np.array(at, dtype=np.float64)
    for _ in range(STEPS):
        still = True
        for i in range(len(moved)):
            for j in range(i):
                room = (sizes[i] + sizes[j]) / 2 - np.abs(moved[i] - moved[j])
                if (room <= 1e-9).any():
                    continue
                still, axis = False, int(np.argmin(room))
                way = 1.0 if moved[i, axis] >= moved[j, axis] else -1.0
                moved[i, axis] += way * (room[axis] / 2 + 1e-3)
                moved[j, axis] -= way * (room[axis] / 2 + 1e-3)
        moved = np.clip(moved, sizes / 2, 1 - sizes / 2)
        if still:
            break
    return moved


def _scatter(axes: Any, panel: Codes, names: Sequence[str]) -> None:
    from matplotlib import colormaps

    colours = colormaps["tab10" if len(names) <= 10 else "tab20"]
    flat = panel.codes.shape[1] == 2
    size = float(np.clip(10_000 / max(1, len(panel.codes)), 4, 20))
    shades = {} if flat else {"depthshade": False}
    present = [label for label in range(len(names)) if (panel.labels == label).any()]
    for label in present:
        points = panel.codes[panel.labels == label]
        axes.scatter(*points.T, s=size, color=colours(label), alpha=0.5, linewidths=0, **shades)
    axes.set_title(panel.title, fontsize="medium")
    width = panel.codes.shape[1]
    axis = [f"{panel.axis} {n + 1}" for n in range(width)] if isinstance(panel.axis, str) else panel.axis
    axes.set_xlabel(axis[0])
    axes.set_ylabel(axis[1])
    axes.tick_params(labelsize="x-small")
    if panel.box is not None:
        _box(axes, panel.box)
    medians = np.array([np.median(panel.codes[panel.labels == label], axis=0) for label in present])
    if flat:
        medians = _readable(axes, medians, [names[label] for label in present])
    else:
        axes.set_zlabel(axis[2])
        axes.set_box_aspect(None, zoom=0.8)  # so that the third axis' label is on the paper
        medians = _on_paper(axes, medians, [names[label] for label in present])
    write = axes.text if flat else axes.text2D
    for label, at in zip(present, medians):
        box = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": colours(label), "alpha": 0.85}
        write(*at, names[label], fontsize=9 if len(names[label]) < 3 else 7, ha="center", va="center", bbox=box,
                  zorder=10, clip_on=False, **({} if flat else {"transform": axes.transAxes}))  # fmt: skip


def _readable(axes: Any, medians: Array, names: Sequence[str]) -> Array:
    """Places of the names in data coordinates, moved so that no name covers another."""
    low, high = np.array([axes.get_xlim(), axes.get_ylim()]).T
    sizes = np.array([[0.02 + LETTER * len(name), LINE] for name in names])
    axes.set_xlim(low[0], high[0])
    axes.set_ylim(low[1], high[1])
    placed: Array = low + apart((medians - low) / (high - low), sizes) * (high - low)
    return placed


def _on_paper(axes: Any, medians: Array, names: Sequence[str]) -> Array:
    """Where points in space are seen on the paper, as shares of the axes, moved so that no name covers another."""
    projected = np.column_stack([medians, np.ones(len(medians))]) @ axes.get_proj().T
    seen = projected[:, :2] / projected[:, 3:]
    shares = axes.transAxes.inverted().transform(axes.transData.transform(seen))
    return apart(shares, np.array([[0.02 + LETTER * len(name), LINE] for name in names]))


def _box(axes: Any, corners: Array) -> None:
    from matplotlib.patches import Rectangle

    low, high = np.min(corners, axis=0), np.max(corners, axis=0)
    frame = Rectangle(tuple(low), *(high - low), fill=False, edgecolor="black", linewidth=1.4, linestyle="--")
    axes.add_patch(frame)
    axes.autoscale_view()
