"""Figures with axes: curves, bars and shades."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from recae._types import Array
from recae.plots.canvas import LINES, dress, one_axes, plain_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HATCHES = ("", "///", "...", "xxx")
BESIDE = 2  # loss_curves: with more histories lines fill the axes, and the legend stands beside them
MOST_LABELS = 24  # bars: above that, values over them would touch


def curves(
    x: Sequence[float] | Mapping[str, Sequence[float]],
    lines: Mapping[str, Sequence[float]],
    *,
    xlabel: str,
    ylabel: str,
    title: str = "",
    log_x: bool = False,
    log_y: bool = False,
    level: tuple[float, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Named lines over a common `x`, or over an `x` of each name; `level` draws a labelled horizontal."""
    axes = one_axes(ax, 6, 4)
    for number, ((name, y), (colour, dash, marker)) in enumerate(zip(lines.items(), itertools.cycle(LINES))):
        at = x[name] if isinstance(x, Mapping) else x
        hollow = number % 2 == 1  # so that of two lines that coincide both can be seen
        axes.plot(
            at, y, color=colour, linestyle=dash, marker=marker, markersize=7 if hollow else 4, label=name,
            markerfacecolor="none" if hollow else colour, markevery=max(1, len(y) // 12),
        )  # fmt: skip
    if level is not None:
        axes.axhline(level[0], color="black", linewidth=0.8, linestyle=(0, (1, 3)), label=level[1])
    dress(axes, xlabel, ylabel, title)
    _scales(axes, x, log_x, log_y)
    axes.legend(frameon=False)
    return axes  # type: ignore[no-any-return]


def loss_curves(histories: Mapping[str, Any], *, ylabel: str, title: str = "", ax: Axes | None = None) -> Axes:
    """Train and validation loss over epochs of several histories: one colour a model, dashes for validation."""
    from matplotlib.ticker import MaxNLocator

    axes = one_axes(ax, 6.4 if len(histories) <= BESIDE else 8.6, 4)
    for (name, history), (colour, _, marker) in zip(histories.items(), itertools.cycle(LINES)):
        epochs = [record["epoch"] for record in history.records]
        every = max(1, len(epochs) // 8)
        axes.plot(epochs, [r["loss"] for r in history.records], color=colour, label=f"{name}, train")
        if history.records and history.records[0]["validation"] is not None:
            values = [r["validation"] for r in history.records]
            axes.plot(epochs, values, "--", color=colour, marker=marker, markersize=4, markevery=every,
                      label=f"{name}, validation")  # fmt: skip
    dress(axes, "epoch", ylabel, title)
    axes.set_yscale("log")
    plain_ticks(axes.yaxis)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(histories) > BESIDE:
        axes.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1.02, 0.5))
    else:
        axes.legend(frameon=False, fontsize="small")
    return axes  # type: ignore[no-any-return]


def bars(
    groups: Sequence[str], series: Mapping[str, Sequence[float]], *, ylabel: str, xlabel: str = "",
    title: str = "", bottom: float = 0.0, spread: Mapping[str, Sequence[float]] | None = None, digits: int = 2,
    level: tuple[float, str] | None = None, ax: Axes | None = None,
) -> Axes:  # fmt: skip
    """Grouped bars, with values above them while there is room.

    `spread`: one standard deviation each way. `level`: a labelled horizontal, such as what chance would give.
    """
    n_bars = len(groups) * len(series)
    axes = one_axes(ax, min(9.5, max(5.0, 0.75 * n_bars + 1.4)), 3.8)
    width = 0.8 / len(series)
    for number, ((name, values), (colour, _, _)) in enumerate(zip(series.items(), itertools.cycle(LINES))):
        at = np.arange(len(groups)) + (number - (len(series) - 1) / 2) * width
        error = None if spread is None else spread[name]
        drawn = axes.bar(
            at, values, 0.94 * width, label=name, color=colour, alpha=0.8, yerr=error, capsize=3,
            hatch=HATCHES[number % 4], edgecolor="white",
        )  # fmt: skip
        if n_bars <= MOST_LABELS:
            axes.bar_label(drawn, fmt=f"%.{digits}f", fontsize="x-small", padding=2)
    axes.set_xticks(range(len(groups)), groups)
    dress(axes, xlabel, ylabel, title)
    axes.set_ylim(bottom=bottom)
    axes.margins(y=0.12)
    if level is not None:
        axes.axhline(level[0], color="black", linewidth=1, linestyle=(0, (1, 2)), label=level[1])
    if len(series) + (level is not None) > 1:
        columns = len(series) + (level is not None)
        axes.legend(frameon=False, fontsize="small", ncols=columns, loc="lower center", bbox_to_anchor=(0.5, 1.0))
        axes.set_title(title, fontsize="medium", pad=24)
    return axes  # type: ignore[no-any-return]


def heat(
    table: Array, *, columns: Sequence[str], xlabel: str, ylabel: str, label: str, title: str = "",
    top: float | None = None, ax: Axes | None = None,
) -> Axes:  # fmt: skip
    """A table (rows, columns) as shades of grey, dark where large, with a scale.

    `top`: the value of black, for pictures that are compared; the largest value of the table without it.
    """
    from matplotlib.ticker import MaxNLocator

    axes = one_axes(ax, 4.6, 5)
    shades = axes.imshow(table, cmap="Greys", aspect="auto", interpolation="nearest", vmin=0, vmax=top)
    axes.set_xticks(range(len(columns)), columns)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    dress(axes, xlabel, ylabel, title)
    axes.grid(visible=False)
    axes.figure.colorbar(shades, ax=axes, label=label)
    return axes  # type: ignore[no-any-return]


def _scales(axes: Any, x: Any, log_x: bool, log_y: bool) -> None:
    from matplotlib.ticker import FixedLocator

    if log_x:
        axes.set_xscale("log", base=2)
        plain_ticks(axes.xaxis)
        if not isinstance(x, Mapping):
            axes.xaxis.set_major_locator(FixedLocator(list(x)))
    if log_y:
        axes.set_yscale("log")
        plain_ticks(axes.yaxis)
