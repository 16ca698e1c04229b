"""Figures, one function each. Nothing here touches pyplot: no global state, no window, any thread.

Every function gives a `matplotlib.figure.Figure`; `save` writes it. Lines differ by dash and marker as well as by
colour and classes are lettered, so that a figure can be read in greyscale too.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from recae._types import Array
from recae.errors import ParameterError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 110
# Okabe and Ito's colours, told apart by colour-blind readers, with a dash and a marker each.
LINES = (
    ("#0072B2", "-", "o"), ("#D55E00", "--", "s"), ("#009E73", "-.", "^"), ("#555555", ":", "D"),
    ("#CC79A7", (0, (5, 1)), "v"), ("#E69F00", (0, (3, 1, 1, 1)), "P"), ("#56B4E9", (0, (1, 1)), "X"),
)  # fmt: skip
HATCHES = ("", "///", "...", "xxx")
MOST_LABELS = 24  # bars: above that, values over them would touch


class Codes(NamedTuple):
    """A panel of a scatter: codes (n, 2 or 3), labels (n,), a title, and what an axis is."""

    codes: Array
    labels: Array
    title: str
    axis: str = "code unit"


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches, that lays itself out."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def save(figure: Figure, path: str | Path, colours: int = 64) -> Path:
    """Write `figure` as a PNG with a palette: a third of the bytes, and the same to the eye."""
    import io

    from PIL import Image

    from recae.atomic import write_bytes

    raw = io.BytesIO()
    figure.savefig(raw, format="png", dpi=DPI)
    small = io.BytesIO()
    Image.open(raw).convert("RGB").quantize(colours).save(small, format="png", optimize=True)
    return write_bytes(path, small.getvalue())


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
) -> Figure:
    """Named lines over a common `x`, or over an `x` of each name; `level` draws a labelled horizontal."""
    figure = new_figure(6, 4)
    axes = figure.subplots()
    for number, ((name, y), (colour, dash, marker)) in enumerate(zip(lines.items(), itertools.cycle(LINES))):
        at = x[name] if isinstance(x, Mapping) else x
        hollow = number % 2 == 1  # so that of two lines that coincide both can be seen
        axes.plot(
            at, y, color=colour, linestyle=dash, marker=marker, markersize=7 if hollow else 4, label=name,
            markerfacecolor="none" if hollow else colour, markevery=max(1, len(y) // 12),
        )  # fmt: skip
    if level is not None:
        axes.axhline(level[0], color="black", linewidth=0.8, linestyle=(0, (1, 3)), label=level[1])
    _dress(axes, xlabel, ylabel, title)
    _scales(axes, x, log_x, log_y)
    axes.legend(frameon=False)
    return figure


def loss_curves(histories: Mapping[str, Any], *, ylabel: str, title: str = "") -> Figure:
    """Train and validation loss over epochs of several `History`s: one colour a model, dashes for validation."""
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(6.4, 4)
    axes = figure.subplots()
    for (name, history), (colour, _, marker) in zip(histories.items(), itertools.cycle(LINES)):
        epochs = [record["epoch"] for record in history.records]
        every = max(1, len(epochs) // 8)
        axes.plot(epochs, [r["loss"] for r in history.records], color=colour, label=f"{name}, train")
        if history.records and history.records[0]["validation"] is not None:
            values = [r["validation"] for r in history.records]
            axes.plot(epochs, values, "--", color=colour, marker=marker, markersize=4, markevery=every,
                      label=f"{name}, validation")  # fmt: skip
    _dress(axes, "epoch", ylabel, title)
    axes.set_yscale("log")
    _plain_ticks(axes.yaxis)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, fontsize="small")
    return figure


def image_rows(rows: Mapping[str, Array], shape: tuple[int, int], *, title: str = "", captions: Any = None) -> Figure:
    """Named rows of images, each (n, pixels) with values in [0, 1]; `captions` stand above the first row's images."""
    n = max(len(images) for images in rows.values())
    figure = new_figure(1.7 + 0.62 * n, 0.3 + 0.64 * len(rows) + (0.3 if title else 0))
    grid = figure.subplots(len(rows), n, squeeze=False)
    for line, (name, images) in zip(grid, rows.items()):
        for axes, image in itertools.zip_longest(line, images):
            _image(axes, image, shape)
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize="small")
    for axes, caption in zip(grid[0], captions if captions is not None else []):
        axes.set_title(str(caption), fontsize="small")
    figure.suptitle(title, fontsize="medium")
    return figure


def mosaic(images: Array, shape: tuple[int, int], columns: int, *, title: str = "", signed: bool = False) -> Figure:
    """Images (n, pixels) in one grid, row by row; `signed` centres grey on 0 and scales each for itself."""
    lines = math.ceil(len(images) / columns)
    scale = 0.5 if max(columns, lines) < 14 else 0.38
    figure = new_figure(scale * columns + 0.3, scale * lines * shape[0] / shape[1] + 0.5)
    axes = figure.subplots()
    axes.imshow(tiles(images, shape, columns, signed=signed), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_axis_off()
    axes.set_title(title, fontsize="medium")
    return figure


def tiles(images: Array, shape: tuple[int, int], columns: int, *, signed: bool = False, gap: int = 1) -> Array:
    """One picture of all images (n, pixels), with white lines between: values in [0, 1]."""
    images = np.asarray(images, dtype=np.float64).reshape(len(images), *shape)
    if signed:
        images = 0.5 + 0.5 * images / np.maximum(np.abs(images).max(axis=(1, 2), keepdims=True), 1e-12)
    height, width = shape[0] + gap, shape[1] + gap
    lines = math.ceil(len(images) / columns)
    picture = np.ones((lines * height - gap, columns * width - gap))
    for number, image in enumerate(images):
        top, left = height * (number // columns), width * (number % columns)
        picture[top : top + shape[0], left : left + shape[1]] = image
    return picture


def scatter(panels: Sequence[Codes], names: Sequence[str], *, columns: int = 3, title: str = "") -> Figure:
    """2-D or 3-D codes coloured by class, a panel each; a class' name stands at its median."""
    lines, columns = math.ceil(len(panels) / columns), min(columns, len(panels))
    figure = new_figure(4.2 * columns, 4.2 * lines + (0.3 if title else 0))
    for number, panel in enumerate(panels):
        if panel.codes.shape[1] not in (2, 3):
            raise ParameterError(f"codes of {panel.codes.shape[1]} units cannot be drawn; 2 or 3 are needed")
        deep = panel.codes.shape[1] == 3
        axes = figure.add_subplot(lines, columns, number + 1, projection="3d" if deep else None)
        _scatter(axes, panel, names)
    figure.suptitle(title, fontsize="medium")
    return figure


def bars(
    groups: Sequence[str], series: Mapping[str, Sequence[float]], *, ylabel: str, xlabel: str = "",
    title: str = "", bottom: float = 0.0, spread: Mapping[str, Sequence[float]] | None = None, digits: int = 2,
) -> Figure:  # fmt: skip
    """Grouped bars, with values above them while there is room; `spread`: one standard deviation each way."""
    n_bars = len(groups) * len(series)
    figure = new_figure(min(9.5, max(5.0, 0.75 * n_bars + 1.4)), 3.8)
    axes = figure.subplots()
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
    _dress(axes, xlabel, ylabel, title)
    axes.set_ylim(bottom=bottom)
    axes.margins(y=0.12)
    if len(series) > 1:
        axes.legend(frameon=False, fontsize="small", ncols=len(series), loc="lower center", bbox_to_anchor=(0.5, 1.0))
        axes.set_title(title, fontsize="medium", pad=24)
    return figure


def heat(table: Array, *, columns: Sequence[str], xlabel: str, ylabel: str, label: str, title: str = "") -> Figure:
    """A table (rows, columns) as shades of grey, dark where large, with a scale."""
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(4.6, 5)
    axes = figure.subplots()
    shades = axes.imshow(table, cmap="Greys", aspect="auto", interpolation="nearest", vmin=0)
    axes.set_xticks(range(len(columns)), columns)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    _dress(axes, xlabel, ylabel, title)
    axes.grid(visible=False)
    figure.colorbar(shades, ax=axes, label=label)
    return figure


def _scatter(axes: Any, panel: Codes, names: Sequence[str]) -> None:
    from matplotlib import colormaps

    colours = colormaps["tab10" if len(names) <= 10 else "tab20"]
    flat = panel.codes.shape[1] == 2
    size = float(np.clip(10_000 / max(1, len(panel.codes)), 4, 20))
    for label, name in enumerate(names):
        points = panel.codes[panel.labels == label]
        if len(points) == 0:
            continue
        axes.scatter(*points.T, s=size, color=colours(label), alpha=0.5, linewidths=0)
        box = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": colours(label), "alpha": 0.85}
        axes.text(*np.median(points, axis=0), name, fontsize=9 if len(name) < 3 else 7, ha="center", va="center",
                  bbox=box, zorder=10)  # fmt: skip
    axes.set_title(panel.title, fontsize="medium")
    axes.set_xlabel(f"{panel.axis} 1")
    axes.set_ylabel(f"{panel.axis} 2")
    if not flat:
        axes.set_zlabel(f"{panel.axis} 3")
    axes.tick_params(labelsize="x-small")


def _image(axes: Any, image: Array | None, shape: tuple[int, int]) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(image is not None)
        spine.set_color("0.8")
    if image is not None:
        axes.imshow(np.asarray(image).reshape(shape), cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")


def _dress(axes: Any, xlabel: str, ylabel: str, title: str) -> None:
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.set_title(title, fontsize="medium")
    axes.grid(visible=True, color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _scales(axes: Any, x: Any, log_x: bool, log_y: bool) -> None:
    from matplotlib.ticker import FixedLocator

    if log_x:
        axes.set_xscale("log", base=2)
        _plain_ticks(axes.xaxis)
        if not isinstance(x, Mapping):
            axes.xaxis.set_major_locator(FixedLocator(list(x)))
    if log_y:
        axes.set_yscale("log")
        _plain_ticks(axes.yaxis)


def _plain_ticks(axis: Any) -> None:
    """Numbers as one writes them, 0.02 and not 2 x 10^-2, also between powers of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())
